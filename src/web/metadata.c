// SPDX-License-Identifier: MIT
/*
 * Metadata of a study, series or instance, PS3.18 §10.4.1.1.2: all attributes of each instance as DICOM JSON or XML, read from its file, large values
 * by reference. Pixel data is never read.
 *
 * References are relative to the address of the metadata (RFC 3986), so that no proxy can make them wrong; each leads to bulkdata.c. The entity tag is made of
 * what the index notes of each change of a series: not-modified costs a look at it. What was answered lately is kept under its tag.
 */
#include "web/metadata_write.h"
#include "web/retrieve.h"

#include <stdio.h>
#include <xxhash.h>

enum { REMEMBERED_MAX = 256 }; /* instances of answers that are kept for the next who asks */

static const WebOffer offers[] = {
    [METADATA_DICOM_JSON] = {"application/dicom+json", false},
    [METADATA_XML] = {"application/dicom+xml", true},
    [METADATA_JSON] = {"application/json", false},
};

/* -- the entity tag -- */

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
static bool make_tag(Archive *archive, Arena *arena, const IdxSelection *selection, MetadataFormat format,
                     char out[40])
{
    Buf text;
    buf_init(&text, 0);
    bool known =
        !arc_index_is_away(archive, NULL) && stamp(archive, arena, selection, &text, NULL) && text.n > 0;
    XXH128_hash_t hash = XXH3_128bits_withSeed(text.p, text.n, (XXH64_hash_t)METADATA_EDITION << 8 | format);
    snprintf(out, 40, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    buf_free(&text);
    return known;
}

/* -- the request -- */

static void answer(HttpExchange *x, const WebService *service, const IdxSelection *selection,
                   MetadataFormat format)
{
    Err err = {0};
    char boundary[MULTIPART_BOUNDARY_SIZE];
    multipart_make_boundary(boundary);
    const char *media = web_media(x, &offers[format], boundary);
    Metadata *m = metadata_open(service->web, selection, format, boundary, &err);
    WebStream *stream = m ? web_stream_new(&(WebProducer){metadata_produce, metadata_free, m}, &err) : NULL;
    if (stream)
        web_stream_answer(stream, x, 200, media);
    else
        http_problem(x, &err);
}

typedef struct Making {
    const WebContext *web;
    const IdxSelection *selection;
    MetadataFormat format;
} Making;

static bool make_whole(void *ctx, Buf *out, Err *err)
{
    const Making *making = ctx;
    bool ended = false, ok = true;
    Metadata *m = metadata_open(making->web, making->selection, making->format, NULL, err);
    if (!m)
        return false;
    while (ok && !ended)
        ok = metadata_produce(m, out, &ended, err);
    metadata_free(m);
    return ok;
}

/* References differ by level, so the key has it. The tag was made before what is kept under it, so that nothing older is. */
static void answer_remembered(HttpExchange *x, const WebService *service, const IdxSelection *selection,
                              MetadataFormat format, const char *tag)
{
    Making making = {service->web, selection, format};
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
    bool known = make_tag(service->web->archive, http_arena(x), &selection, (MetadataFormat)chosen, tag);
    if (known && http_unchanged(x, tag, 0))
        return;
    if (known && chosen != METADATA_XML && is_small(service->web->archive, &selection))
        answer_remembered(x, service, &selection, (MetadataFormat)chosen, tag);
    else
        answer(x, service, &selection, (MetadataFormat)chosen);
}

#define METADATA(path, text)                                                                                 \
    {                                                                                                        \
        .method = "GET", .pattern = path, .role = USER_READ, .handler = {.end = metadata}, .summary = text,  \
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
