// SPDX-License-Identifier: MIT
/*
 * Search, PS3.18 §10.6 (QIDO-RS), through the same query as C-FIND.
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
#include "web/stream.h"

#include <stdlib.h>

enum { LIMIT_MAX = 10000 };

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
    DcmLevel level;
    Format format;
    char boundary[MULTIPART_BOUNDARY_SIZE];
    const char *base; /* of URLs */
    uint64_t given, limit;
    bool more; /* the limit was reached */
    const char *matched;
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
        url = arena_printf(
            r->row, "%s%s%s", url, parts[level],
            web_address_part(r->row, dcm_text(r->row, ds, dcm_level_unique_key((DcmLevel)level), 0)));
    dcm_put_utf8(ds, DCM_RetrieveURL, url);
}

static bool write_row(Results *r, DcmDataset *ds, Buf *out, Err *err)
{
    put_retrieve_url(r, ds);
    dcm_put(ds, DCM_InstanceAvailability, DCM_VR_CS, SPAN("ONLINE"));
    if (r->service->web->settings->retrieve_ae)
        dcm_put_utf8(ds, DCM_RetrieveAETitle, r->service->web->settings->retrieve_ae);
    bool first = r->given++ == 0;
    if (r->format == AS_XML) {
        multipart_write_head(out, r->boundary, first, "Content-Type: application/dicom+xml\r\n");
        return dcm_xml_write(out, ds, NULL, err);
    }
    buf_append_cstr(out, first ? "[" : ",\n");
    JsonWriter w = json_writer(out);
    return dcm_json_write(&w, ds, NULL, err);
}

static void write_end(const Results *r, Buf *out)
{
    if (r->format == AS_XML)
        multipart_write_close(out, r->boundary);
    else
        buf_append_cstr(out, r->given ? "]" : "[]");
}

/* -- results -- */

/* The next result, or the end. */
static bool produce(void *ctx, Buf *out, bool *ended, Err *err)
{
    Results *r = ctx;
    IdxRow row;
    arena_reset(r->row);
    if (!arc_query_next(r->query, r->row, &row, err))
        return false;
    if (row.unsupported_key)
        return err_set(err, ERR_USAGE,
                       "not every attribute of this search is in the index (%s); leave it out, or add it to "
                       "app/tags.yml and run \"manage database migrate\"",
                       r->matched);
    r->more = row.attributes && r->given == r->limit;
    *ended = r->more || !row.attributes;
    if (!*ended)
        return write_row(r, row.attributes, out, err);
    write_end(r, out);
    return true;
}

static void free_results(void *ctx)
{
    Results *r = ctx;
    arc_query_close(r->query);
    arena_free(r->row);
    free(r);
}

/* -- the request -- */

/* Pages of one list are all of what was there when it was begun. */
static int64_t newest_of(const Results *r, const WebSearch *search)
{
    const WebContext *web = r->service->web;
    WebPagesKey key = web_pages_key(r->x);
    int64_t newest;
    if (search->offset && web_pages_find(web->pages, key, &newest))
        return newest;
    if (arc_index_is_away(web->archive, NULL) ||
        !idx_newest(arc_index(web->archive), search->level, &newest, NULL))
        return 0; /* the query will say why, or the files answer */
    web_pages_put(web->pages, key, newest);
    return newest;
}

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
    r->query =
        arc_query_open(r->service->web->archive,
                       &(ArcAsk){.model = ARC_STUDY_ROOT,
                                 .level = search->level,
                                 .keys = search->keys,
                                 .relational = true,
                                 .match = {.fold_names = fold, .fold_accents = fold},
                                 .limit = r->limit + 1,
                                 .offset = search->offset,
                                 .newest = search->has_limit || search->offset ? newest_of(r, search) : 0,
                                 .all_attributes = search->all_attributes,
                                 .stopped = is_gone,
                                 .stopped_ctx = r},
                       err);
    return r->query != NULL;
}

static void answer(Results *r)
{
    HttpExchange *x = r->x;
    const char *media = web_media(x, &offers[r->format], r->boundary);
    Err err = {0};
    WebStream *stream = web_stream_new(&(WebProducer){produce, free_results, r}, &err);
    if (!stream) {
        http_problem(x, &err);
        return;
    }
    if (r->more)
        http_header(x, "Warning", "299 gantry \"There are additional results that can be requested\"");
    if (web_stream_ended(stream) && r->given == 0 && !r->service->sphere) {
        http_answer(x, 204, NULL, (Span){0});
        web_stream_free(stream);
        return;
    }
    web_stream_answer(stream, x, 200, media);
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
    *r = (Results){.x = x,
                   .service = service,
                   .level = level,
                   .format = (Format)chosen,
                   .row = arena_new(0),
                   .matched = search.matched};
    multipart_make_boundary(r->boundary);
    r->base = arena_printf(http_arena(x), "%s%s", http_base_url(x), service->retrieve_prefix);
    if (!ask(r, &search, &err)) {
        free_results(r);
        http_problem(x, &err);
        return;
    }
    answer(r);
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
        .method = "GET", .pattern = path, .role = USER_READ, .handler = {.end = end_}, .summary = text,      \
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
