// SPDX-License-Identifier: MIT
/*
 * Metadata of a study, series or instance, PS3.18 §10.4.1.1.2: all attributes of each instance as DICOM JSON or XML, read from its file, large values
 * by reference. Pixel data is never read.
 *
 * References are relative to the address of the metadata (RFC 3986), so that no proxy can make them wrong; each leads to bulkdata.c. The entity tag is made of
 * what the index notes of each change of a series: not-modified costs a look at it. What was answered lately is kept under its tag.
 */
#include "archive/attributes.h"
#include "dicom/json.h"
#include "dicom/xml.h"
#include "web/multipart.h"
#include "web/retrieve.h"
#include "web/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    KEPT_MAX = 1 << 20,   /* larger values are not even read */
    INLINE_MAX = 2 << 10, /* larger binary values are referred to */
    REMEMBERED_MAX = 256, /* instances of answers that are kept for the next who asks */
};

typedef enum Format { AS_DICOM_JSON, AS_XML, AS_JSON } Format;
static const WebOffer offers[] = {
    [AS_DICOM_JSON] = {"application/dicom+json", false},
    [AS_XML] = {"application/dicom+xml", true},
    [AS_JSON] = {"application/json", false},
};

typedef struct Metadata {
    Archive *archive;
    ArcRetrieve *retrieve;
    Arena *arena; /* of one instance */
    Format format;
    DcmLevel level; /* of the address */
    char boundary[MULTIPART_BOUNDARY_SIZE];
    const IdxFile *file; /* the instance at hand */
    uint64_t given;
} Metadata;

/* From the address of the metadata to the bulk data of the instance. */
static bool write_uri(void *ctx, const char *path, const DcmElement *e, Buf *out)
{
    (void)e;
    const Metadata *m = ctx;
    switch (m->level) {
    case DCM_LEVEL_PATIENT:
        break;
    case DCM_LEVEL_STUDY:
        return buf_printf(out, "series/%s/instances/%s/bulkdata/%s", m->file->series, m->file->sop_instance,
                          path);
    case DCM_LEVEL_SERIES:
        return buf_printf(out, "instances/%s/bulkdata/%s", m->file->sop_instance, path);
    case DCM_LEVEL_IMAGE:
        return buf_printf(out, "../%s/bulkdata/%s", m->file->sop_instance, path);
    }
    return false;
}

static bool write_instance(Metadata *m, const DcmDataset *ds, Buf *out, Err *err)
{
    DcmJsonOptions options = {.bulk_threshold = INLINE_MAX, .bulk_uri = write_uri, .ctx = m};
    bool first = m->given++ == 0;
    if (m->format == AS_XML) {
        multipart_write_head(out, m->boundary, first, "Content-Type: application/dicom+xml\r\n");
        return dcm_xml_write(out, ds, &options, err);
    }
    buf_append_cstr(out, first ? "[" : ",\n");
    JsonWriter w = json_writer(out);
    return dcm_json_write(&w, ds, &options, err);
}

static bool produce(void *ctx, Buf *out, bool *ended, Err *err)
{
    Metadata *m = ctx;
    IdxFile file;
    ArcAttributes a;
    if (!arc_retrieve_next(m->retrieve, &file, err))
        return false;
    *ended = !file.sop_instance;
    if (*ended && m->given == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing of this study, series or instance is in the archive");
    if (*ended && m->format == AS_XML)
        multipart_write_close(out, m->boundary);
    else if (*ended)
        buf_append_cstr(out, "]");
    if (*ended)
        return true;
    arena_reset(m->arena);
    m->file = &file;
    return arc_attributes(m->archive, m->arena, &file, KEPT_MAX, &a, err) &&
           write_instance(m, a.attributes, out, err);
}

static void free_metadata(void *ctx)
{
    Metadata *m = ctx;
    arc_retrieve_close(m->retrieve);
    arena_free(m->arena);
    free(m);
}

/* -- the entity tag -- */

/* Changes with what is written here of the same objects. */
enum { EDITION = 1 };

/* The digest of an instance; of a series or study the stamps that the index has of it. */
static bool stamp(Archive *archive, Arena *arena, const IdxSelection *selection, Buf *out, Err *err)
{
    IdxFile file;
    if (!selection->instance_count)
        return idx_stamp(arc_index(archive), selection, out, err);
    return idx_instance(arc_index(archive), arena, selection->instances[0], &file, err) &&
           buf_append(out, file.content, sizeof file.content);
}

/* False without a tag: nothing is there, or the database is away. */
static bool make_tag(Archive *archive, Arena *arena, const IdxSelection *selection, Format format,
                     char out[40])
{
    Buf text;
    buf_init(&text, 0);
    bool known =
        !arc_index_is_away(archive, NULL) && stamp(archive, arena, selection, &text, NULL) && text.n > 0;
    XXH128_hash_t hash = XXH3_128bits_withSeed(text.p, text.n, (XXH64_hash_t)EDITION << 8 | format);
    snprintf(out, 40, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    buf_free(&text);
    return known;
}

/* -- the request -- */

static Metadata *metadata_new(Archive *archive, const IdxSelection *selection, Format format)
{
    Metadata *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    *m = (Metadata){.archive = archive,
                    .arena = arena_new(0),
                    .format = format,
                    .level = selection->instance_count ? DCM_LEVEL_IMAGE
                             : selection->series_count ? DCM_LEVEL_SERIES
                                                       : DCM_LEVEL_STUDY};
    multipart_make_boundary(m->boundary);
    return m;
}

static void answer(HttpExchange *x, const WebService *service, const IdxSelection *selection, Format format)
{
    Err err = {0};
    Metadata *m = metadata_new(service->web->archive, selection, format);
    const char *media = web_media(x, &offers[format], m->boundary);
    m->retrieve = arc_retrieve_open(m->archive, selection, &err);
    if (!m->retrieve) {
        free_metadata(m);
        http_problem(x, &err);
        return;
    }
    WebStream *stream = web_stream_new(&(WebProducer){produce, free_metadata, m}, &err);
    if (stream)
        web_stream_answer(stream, x, 200, media);
    else
        http_problem(x, &err);
}

typedef struct Making {
    Archive *archive;
    const IdxSelection *selection;
    Format format;
} Making;

static bool make_whole(void *ctx, Buf *out, Err *err)
{
    const Making *making = ctx;
    Metadata *m = metadata_new(making->archive, making->selection, making->format);
    bool ended = false, ok = true;
    m->retrieve = arc_retrieve_open(m->archive, making->selection, err);
    ok = m->retrieve != NULL;
    while (ok && !ended)
        ok = produce(m, out, &ended, err);
    free_metadata(m);
    return ok;
}

/* References differ by level, so the key has it. The tag was made before what is kept under it, so that nothing older is. */
static void answer_remembered(HttpExchange *x, const WebService *service, const IdxSelection *selection,
                              Format format, const char *tag)
{
    Making making = {service->web->archive, selection, format};
    char key[64];
    Err err = {0};
    Buf out;
    buf_init(&out, 0);
    snprintf(key, sizeof key, "%d%d %s", selection->series_count > 0, selection->instance_count > 0, tag);
    if (render_cache_get(service->web->metadata, key, make_whole, &making, &out, &err))
        http_answer_buf(x, 200, offers[format].type, &out);
    else
        http_problem(x, &err);
    buf_free(&out);
}

/* Is there something, of the study and series that the path names, and not too much? */
static bool is_small(Archive *archive, const IdxSelection *selection)
{
    uint64_t objects, bytes;
    return idx_select_count(arc_index(archive), selection, &objects, &bytes, NULL) && objects > 0 &&
           objects <= REMEMBERED_MAX;
}

static void metadata(HttpExchange *x, void *ctx)
{
    const WebService *service = ctx;
    IdxSelection selection;
    WebAccept accept;
    char tag[40];
    int chosen;
    if (!web_select_path(x, &selection) ||
        !web_choose(x, offers, sizeof offers / sizeof *offers, &accept, &chosen, NULL))
        return;
    bool known = make_tag(service->web->archive, http_arena(x), &selection, (Format)chosen, tag);
    if (known && http_unchanged(x, tag, 0))
        return;
    if (known && chosen != AS_XML && is_small(service->web->archive, &selection))
        answer_remembered(x, service, &selection, (Format)chosen, tag);
    else
        answer(x, service, &selection, (Format)chosen);
}

#define METADATA(path, text)                                                                                 \
    {                                                                                                        \
        .method = "GET", .pattern = path, .role = HTTP_READ, .handler = {.end = metadata}, .summary = text,  \
        .parameters = parameters,                                                                            \
        .answers = "200 application/dicom+json, application/dicom+xml, application/json; 304; 400; 404; 406" \
    }
static const char *const parameters[] = {"accept: media types, in place of the Accept header", NULL};
const HttpRoute web_metadata_routes[] = {
    METADATA("/studies/{study}/metadata", "Attributes of all instances of a study"),
    METADATA("/studies/{study}/series/{series}/metadata", "Attributes of all instances of a series"),
    METADATA("/studies/{study}/series/{series}/instances/{instance}/metadata", "Attributes of an instance"),
};
const size_t web_metadata_route_count = sizeof web_metadata_routes / sizeof *web_metadata_routes;
