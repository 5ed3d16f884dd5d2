// SPDX-License-Identifier: MIT
/*
 * Bulk data, PS3.18 §10.4.1.1.5: the value of one element, by the path that metadata.c refers to it with: tags, and item numbers from 0 between
 * them ("7FE00010", "00081140/0/00091010"). Little endian. Compressed pixel data is its frames.
 */
#include "archive/attributes.h"
#include "archive/slice.h"
#include "dicom/tags.h"
#include "web/frames.h"
#include "web/multipart.h"
#include "web/retrieve.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 1 << 10 };

enum { AS_BYTES, AS_PARTS };
static const WebOffer offers[] = {
    [AS_BYTES] = {"application/octet-stream", false},
    [AS_PARTS] = {"application/octet-stream", true},
};

/* NULL when the path leads nowhere. */
static const DcmElement *find_element(const DcmDataset *ds, const char *path)
{
    Span rest = span_cstr(path), part;
    const DcmElement *e = NULL;
    for (bool more = true, tag_next = true; ds && span_split(&rest, '/', &part, &more);
         tag_next = !tag_next) {
        int64_t item;
        DcmTag tag;
        if (tag_next) {
            e = part.n == 8 && dcm_tag_parse(part, &tag) ? dcm_find(ds, tag) : NULL;
            if (!e)
                return NULL;
        } else {
            bool there = e->vr == DCM_VR_SQ && span_to_i64(part, 0, (int64_t)e->item_count - 1, &item);
            ds = there ? e->items[item] : NULL;
            e = NULL;
        }
    }
    return e && e->vr != DCM_VR_SQ ? e : NULL;
}

/* -- one part around a slice -- */

typedef struct Part {
    Buf head, tail;
    size_t head_at, tail_at;
    ArcSlice *slice;
} Part;

static size_t take(const Buf *from, size_t *at, uint8_t *p, size_t n)
{
    Span piece = span_sub(buf_span(from), *at, n);
    if (piece.n)
        memcpy(p, piece.p, piece.n);
    *at += piece.n;
    return piece.n;
}

static ssize_t read_part(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Part *part = ctx;
    if (part->head_at < part->head.n)
        return (ssize_t)take(&part->head, &part->head_at, p, n);
    ssize_t got = arc_slice_read(part->slice, p, n, err);
    return got != 0 ? got : (ssize_t)take(&part->tail, &part->tail_at, p, n);
}

static void free_part(void *ctx)
{
    Part *part = ctx;
    arc_slice_close(part->slice);
    buf_free(&part->head);
    buf_free(&part->tail);
    free(part);
}

/* -- the request -- */

typedef struct Value {
    const IdxFile *file;
    const char *syntax;
    uint64_t offset, length;
} Value;

static void answer_slice(HttpExchange *x, Archive *archive, const Value *value, bool parts)
{
    Err err = {0};
    char boundary[MULTIPART_BOUNDARY_SIZE];
    Part *part = calloc(1, sizeof *part);
    if (!part)
        abort();
    buf_init(&part->head, 0);
    buf_init(&part->tail, 0);
    multipart_make_boundary(boundary);
    if (parts) {
        multipart_write_head(&part->head, boundary, true, "Content-Type: application/octet-stream\r\n");
        multipart_write_close(&part->tail, boundary);
    }
    part->slice = arc_slice_open(archive, value->file, value->syntax, value->offset, value->length, &err);
    if (!part->slice) {
        free_part(part);
        http_problem(x, &err);
        return;
    }
    int64_t length = (int64_t)(part->head.n + value->length + part->tail.n);
    http_answer_source(x, 200, web_media(x, &offers[parts ? AS_PARTS : AS_BYTES], boundary),
                       &(HttpSource){read_part, free_part, part}, length);
}

static void answer_value(HttpExchange *x, const WebService *service, const Value *value)
{
    WebAccept accept;
    int chosen;
    if (!web_choose(x, offers, sizeof offers / sizeof *offers, &accept, &chosen, NULL))
        return;
    const char *tag = arena_printf(http_arena(x), "%s-%llx-%d", web_content_tag(x, value->file),
                                   (unsigned long long)value->offset, chosen);
    if (http_unchanged(x, tag, 0))
        return;
    bool as_stored = !strcmp(value->syntax, value->file->transfer_syntax);
    if (chosen == AS_BYTES && as_stored)
        web_answer_bytes(x, value->file, offers[AS_BYTES].type, value->file->data_offset + value->offset,
                         value->length);
    else if (as_stored)
        web_answer_part(x, value->file, &offers[AS_PARTS], "Content-Type: application/octet-stream\r\n",
                        value->file->data_offset + value->offset, value->length);
    else
        answer_slice(x, service->web->archive, value, chosen == AS_PARTS);
}

static void get_bulkdata(HttpExchange *x, void *ctx)
{
    const WebService *service = ctx;
    const char *path = http_part(x, "path");
    IdxFile file;
    ArcAttributes a;
    Err err = {0};
    if (!web_find_instance(x, service, &file))
        return;
    if (!arc_attributes(service->web->archive, http_arena(x), &file, KEPT_MAX, KEPT_MAX, &a, &err)) {
        http_problem(x, &err);
        return;
    }
    const DcmElement *e = find_element(a.attributes, path);
    if (!e)
        http_refuse(x, 404, "instance %s has no element %.100s", file.sop_instance, path);
    else if (e->length == DCM_UNDEFINED_LENGTH && e == dcm_find(a.attributes, DCM_PixelData))
        web_answer_frames(x, service, &file, NULL, 0);
    else if (e->length == DCM_UNDEFINED_LENGTH)
        http_refuse(x, 404, "element %.100s of instance %s has no value of its own", path, file.sop_instance);
    else
        answer_value(x, service,
                     &(Value){.file = &file, .syntax = a.syntax, .offset = e->offset, .length = e->length});
}

static const char *const parameters[] = {"accept: media types, in place of the Accept header", NULL};
const HttpRoute web_bulkdata_routes[] = {
    {.method = "GET",
     .pattern = "/studies/{study}/series/{series}/instances/{instance}/bulkdata/{path+}",
     .role = USER_READ,
     .handler = {.end = get_bulkdata},
     .summary = "The value of an element: what BulkDataURI in the metadata leads to",
     .parameters = parameters,
     .answers = "200 application/octet-stream, multipart/related; type=\"application/octet-stream\"; 206; "
                "304; 404; 406"},
};
const size_t web_bulkdata_route_count = sizeof web_bulkdata_routes / sizeof *web_bulkdata_routes;
