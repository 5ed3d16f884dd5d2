// SPDX-License-Identifier: MIT
/*
 * Search, PS3.18 §10.6 (QIDO-RS), through the same query as C-FIND. An answer that fits into GATHER_MAX is sent whole, with its length; a longer one
 * as it is found.
 *
 * An attribute that the archive has not indexed cannot narrow a search: that is an error (400), never a list that is longer than what was asked for.
 */
#include "dicom/json.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "dicom/xml.h"
#include "web/dicomweb.h"
#include "web/multipart.h"
#include "web/search_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GATHER_MAX = 1 << 20, LIMIT_MAX = 10000 };

typedef enum Format { AS_DICOM_JSON, AS_XML, AS_JSON } Format;
static const WebOffer offers[] = {
    [AS_DICOM_JSON] = {"application/dicom+json", false},
    [AS_XML] = {"application/dicom+xml", true},
    [AS_JSON] = {"application/json", false},
};

typedef struct Results {
    HttpExchange *x;
    const WebService *service;
    ArcQuery *query;
    Arena *row;
    Buf out; /* not sent yet, from `sent` on */
    size_t sent;
    DcmLevel level;
    Format format;
    char boundary[MULTIPART_BOUNDARY_SIZE];
    const char *base; /* of URLs */
    uint64_t given, limit;
    bool ended, more; /* more: the limit was reached */
} Results;

static bool is_gone(void *ctx)
{
    Results *r = ctx;
    return http_gone(r->x);
}

/* -- one result -- */

static void put_retrieve_url(Results *r, DcmDataset *ds)
{
    static const char *const parts[] = {"", "/studies/", "/series/", "/instances/"};
    const char *url = r->base;
    for (int level = DCM_LEVEL_STUDY; level <= (int)r->level; level++)
        url = arena_printf(r->row, "%s%s%s", url, parts[level],
                           dcm_text(r->row, ds, dcm_level_unique_key((DcmLevel)level), 0));
    dcm_put_utf8(ds, DCM_RetrieveURL, url);
}

static bool write_row(Results *r, DcmDataset *ds, Err *err)
{
    put_retrieve_url(r, ds);
    dcm_put(ds, DCM_InstanceAvailability, DCM_VR_CS, SPAN("ONLINE"));
    if (r->service->web->settings->retrieve_ae)
        dcm_put_utf8(ds, DCM_RetrieveAETitle, r->service->web->settings->retrieve_ae);
    bool first = r->given++ == 0;
    if (r->format == AS_XML) {
        multipart_write_head(&r->out, r->boundary, first, "Content-Type: application/dicom+xml\r\n");
        return dcm_xml_write(&r->out, ds, NULL, err);
    }
    buf_append_cstr(&r->out, first ? "[" : ",\n");
    JsonWriter w = json_writer(&r->out);
    return dcm_json_write(&w, ds, NULL, err);
}

static void write_end(Results *r)
{
    r->ended = true;
    if (r->format == AS_XML)
        multipart_write_close(&r->out, r->boundary);
    else
        buf_append_cstr(&r->out, r->given ? "]" : "[]");
}

/* -- results -- */

/* The next result, or the end, behind what is in `out`. */
static bool write_next(Results *r, Err *err)
{
    IdxRow row;
    arena_reset(r->row);
    if (!arc_query_next(r->query, r->row, &row, err))
        return false;
    if (row.unsupported_key)
        return err_set(err, ERR_USAGE, "unsupported key");
    r->more = row.attributes && r->given == r->limit;
    if (row.attributes && !r->more)
        return write_row(r, row.attributes, err);
    write_end(r);
    return true;
}

static bool gather(Results *r, Err *err)
{
    while (!r->ended && r->out.n < GATHER_MAX)
        if (!write_next(r, err))
            return false;
    return true;
}

static ssize_t read_results(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Results *r = ctx;
    if (r->sent == r->out.n) {
        buf_clear(&r->out);
        r->sent = 0;
        if (!gather(r, err))
            return -1;
    }
    Span piece = span_sub(buf_span(&r->out), r->sent, n);
    memcpy(p, piece.p, piece.n);
    r->sent += piece.n;
    return (ssize_t)piece.n;
}

static void free_results(void *ctx)
{
    Results *r = ctx;
    arc_query_close(r->query);
    arena_free(r->row);
    buf_free(&r->out);
    free(r);
}

/* -- the request -- */

static bool ask(Results *r, const WebSearch *search, Err *err)
{
    const WebSettings *settings = r->service->web->settings;
    uint64_t most = settings->query_limit ? settings->query_limit : LIMIT_MAX;
    r->limit = search->has_limit           ? search->limit
               : r->service->default_limit ? r->service->default_limit
                                           : most;
    if (r->limit > most)
        r->limit = most;
    bool fold = settings->fold_names || search->fuzzy;
    r->query = arc_query_open(r->service->web->archive,
                              &(ArcAsk){.model = ARC_STUDY_ROOT,
                                        .level = search->level,
                                        .keys = search->keys,
                                        .relational = true,
                                        .match = {.fold_names = fold, .fold_accents = fold},
                                        .limit = r->limit + 1,
                                        .offset = search->offset,
                                        .all_attributes = search->all_attributes,
                                        .stopped = is_gone,
                                        .stopped_ctx = r},
                              err);
    return r->query != NULL;
}

static const char *media_of(Results *r)
{
    if (r->format != AS_XML)
        return offers[r->format].type;
    Buf media;
    buf_init(&media, 0);
    multipart_media(&media, "application/dicom+xml", r->boundary);
    const char *text = arena_strdup(http_arena(r->x), buf_cstr(&media));
    buf_free(&media);
    return text;
}

static void answer(Results *r)
{
    if (r->more)
        http_header(r->x, "Warning", "299 gantry \"There are additional results that can be requested\"");
    if (r->ended && r->given == 0 && !r->service->sphere)
        http_answer(r->x, 204, NULL, (Span){0});
    else if (r->ended)
        http_answer_buf(r->x, 200, media_of(r), &r->out);
    else {
        http_answer_source(r->x, 200, media_of(r), &(HttpSource){read_results, free_results, r},
                           HTTP_LENGTH_UNKNOWN);
        return;
    }
    free_results(r);
}

static void search_level(HttpExchange *x, const WebService *service, DcmLevel level)
{
    const char *const path[DCM_LEVEL_COUNT] = {
        [DCM_LEVEL_STUDY] = http_part(x, "study"), [DCM_LEVEL_SERIES] = http_part(x, "series")};
    WebAccept accept;
    WebSearch search;
    Err err = {0};
    int chosen;
    size_t count;
    const HttpParameter *parameters = http_parameters(x, &count);
    if (!web_choose(x, offers, sizeof offers / sizeof *offers, &accept, &chosen, NULL))
        return;
    if (!web_search_parse(http_arena(x), level, path, parameters, count, &search, &err)) {
        http_problem(x, &err);
        return;
    }
    Results *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    *r = (Results){.x = x, .service = service, .level = level, .format = (Format)chosen, .row = arena_new(0)};
    buf_init(&r->out, 0);
    multipart_make_boundary(r->boundary);
    r->base = arena_printf(http_arena(x), "%s%s", http_base_url(x), service->retrieve_prefix);
    if (ask(r, &search, &err) && gather(r, &err)) {
        answer(r);
        return;
    }
    if (err.code == ERR_USAGE)
        err_set(&err, ERR_USAGE,
                "not every attribute of this search is in the index (%s); leave it out, or add it to "
                "app/tags.yml and run "
                "\"manage database migrate\"",
                search.matched);
    free_results(r);
    http_problem(x, &err);
}

static void search_studies(HttpExchange *x, void *ctx)
{
    search_level(x, ctx, DCM_LEVEL_STUDY);
}

static void search_series(HttpExchange *x, void *ctx)
{
    search_level(x, ctx, DCM_LEVEL_SERIES);
}

static void search_instances(HttpExchange *x, void *ctx)
{
    search_level(x, ctx, DCM_LEVEL_IMAGE);
}

static const char *const parameters[] = {
    "limit: most results; without it as many as the archive allows",
    "offset: results to pass over",
    "includefield: attributes to return beside the usual ones, separated by commas; all for everything that "
    "is indexed",
    "fuzzymatching: true: names match without regard to case and accents, in any of their parts",
    "PatientID: any indexed attribute is a parameter, by keyword or tag, with wildcards, ranges and lists as "
    "in C-FIND",
    NULL,
};

#define SEARCH(path, end_, text)                                                                             \
    {                                                                                                        \
        .method = "GET", .pattern = path, .role = HTTP_READ, .handler = {.end = end_}, .summary = text,      \
        .parameters = parameters,                                                                            \
        .answers = "200 application/dicom+json, application/dicom+xml, application/json; 204; 400; 406"      \
    }
const HttpRoute web_search_routes[] = {
    SEARCH("/studies", search_studies, "Search for studies"),
    SEARCH("/series", search_series, "Search for series of all studies"),
    SEARCH("/instances", search_instances, "Search for instances of all studies"),
    SEARCH("/studies/{study}/series", search_series, "Search for series of a study"),
    SEARCH("/studies/{study}/instances", search_instances, "Search for instances of a study"),
    SEARCH("/studies/{study}/series/{series}/instances", search_instances,
           "Search for instances of a series"),
};
const size_t web_search_route_count = sizeof web_search_routes / sizeof *web_search_routes;
