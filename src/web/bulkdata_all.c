// SPDX-License-Identifier: MIT
/*
 * The bulk data of a study, series or instance in one answer, PS3.18 §10.4.1.1.5 and 6: "bulkdata" is whatever its metadata refers to, "pixeldata" the pixel data of its
 * images. A part for each value, and for each frame of compressed pixel data. Its Content-Location is the BulkDataURI that the metadata of the same selection has.
 *
 * A piece of a value or one frame is in memory at a time.
 */
#include "archive/attributes.h"
#include "archive/frames.h"
#include "archive/slice.h"
#include "dicom/json.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "web/metadata_write.h"
#include "web/retrieve.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 << 10 };

static const WebOffer offer = {"application/octet-stream", true};

typedef struct Value {
    struct Value *next;
    const char *path; /* as metadata has it */
    uint64_t offset;  /* in the data set */
    uint32_t length;  /* DCM_UNDEFINED_LENGTH: compressed pixel data */
    bool pixels;
} Value;

typedef struct Gathering {
    HttpExchange *x;
    const WebContext *web;
    const WebAccept *accept;
    ArcRetrieve *retrieve;
    DcmLevel level; /* of the address */
    bool pixels_only, any;
    char boundary[MULTIPART_BOUNDARY_SIZE];
    Buf scratch;
    /* the object at hand */
    Arena *arena;
    IdxFile file;
    bool decode;        /* its compressed frames */
    const char *syntax; /* that offsets are of */
    Value *values, **last;
    /* the value at hand */
    ArcFrames *frames;
    uint32_t frame; /* the next one */
    PixFragment whole;
    const PixFragment *stretches; /* of the object, one behind the other */
    size_t stretch_count;
    ArcSlice *slice; /* the first of them */
} Gathering;

/* -- what there is in an object -- */

static void add_value(Gathering *g, const char *path, const DcmElement *e, bool pixels)
{
    Value *v = arena_alloc(g->arena, sizeof *v);
    *v = (Value){NULL, arena_strdup(g->arena, path), e->offset, e->length, pixels};
    *g->last = v;
    g->last = &v->next;
}

static bool is_pixels(const char *path)
{
    return !strcmp(path, "7FE00010") || !strcmp(path, "7FE00008") || !strcmp(path, "7FE00009");
}

/* The writer of metadata asks for a reference. Compressed icons have no value of their own. */
static bool take_reference(void *ctx, const char *path, const DcmElement *e, Buf *out)
{
    bool pixels = is_pixels(path);
    if (pixels || e->length != DCM_UNDEFINED_LENGTH)
        add_value(ctx, path, e, pixels);
    return buf_u8(out, '-');
}

static void take_pixels(Gathering *g, const DcmDataset *ds)
{
    static const DcmTag tags[] = {DCM_FloatPixelData, DCM_DoubleFloatPixelData, DCM_PixelData};
    char path[9];
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        const DcmElement *e = dcm_find(ds, tags[i]);
        if (e && e->length)
            add_value(g, dcm_tag_hex(tags[i], path), e, true);
    }
}

static bool find_values(Gathering *g, Err *err)
{
    ArcAttributes a;
    if (!arc_attributes(g->web->archive, g->arena, &g->file, METADATA_KEPT_MAX, METADATA_INLINE_MAX, &a, err))
        return false;
    g->syntax = a.syntax;
    g->values = NULL;
    g->last = &g->values;
    if (g->pixels_only) {
        take_pixels(g, a.attributes);
        return true;
    }
    DcmJsonOptions options = {.bulk_threshold = METADATA_INLINE_MAX, .bulk_uri = take_reference, .ctx = g};
    JsonWriter w = json_writer(&g->scratch);
    bool ok = dcm_json_write(&w, a.attributes, &options, err);
    buf_clear(&g->scratch);
    return ok;
}

/* Native values are little endian whatever the object is stored in. NULL: nothing of the object is acceptable. */
static const char *wanted_syntax(const WebAccept *accept, const WebOffer *as, const char *stored)
{
    const char *syntax = web_wanted_syntax(accept, as, stored);
    bool fine = syntax && (!strcmp(syntax, stored) || !strcmp(syntax, DCM_UID_ExplicitVRLittleEndian) ||
                           !strcmp(syntax, DCM_UID_ImplicitVRLittleEndian));
    return fine ? syntax : NULL;
}

static bool takes(const WebAccept *accept, const WebOffer *as, const char *stored)
{
    return wanted_syntax(accept, as, stored) != NULL;
}

/* -- parts -- */

static void write_head(Gathering *g, const char *path, const char *syntax, Buf *out)
{
    Buf *head = &g->scratch;
    buf_append_cstr(head, "Content-Type: application/octet-stream");
    if (syntax)
        buf_printf(head, "; transfer-syntax=%s", syntax);
    buf_append_cstr(head, "\r\nContent-Location: ");
    metadata_bulk_uri(g->level, &g->file, path, head);
    buf_append_cstr(head, "\r\n");
    multipart_write_head(out, g->boundary, !g->any, buf_cstr(head));
    buf_clear(head);
    g->any = true;
}

static bool begin_frames(Gathering *g, const Value *v, Buf *out, Err *err)
{
    g->frames = arc_frames_get(g->web->frames, &g->file, err);
    if (!g->frames)
        return false;
    g->frame = 1;
    if (arc_frames_are_video(g->frames)) { /* one frame, which may be large */
        g->frame = arc_frames_format(g->frames)->frames + 1;
        g->stretches = arc_frames_fragments(g->frames, &g->stretch_count);
        write_head(g, v->path, arc_frames_syntax(g->frames), out);
    }
    return true;
}

static bool begin_value(Gathering *g, Buf *out, Err *err)
{
    const Value *v = g->values;
    g->values = v->next;
    if (v->length == DCM_UNDEFINED_LENGTH)
        return begin_frames(g, v, out, err);
    write_head(g, v->path, v->pixels ? DCM_UID_ExplicitVRLittleEndian : NULL, out);
    g->whole = (PixFragment){.offset = v->offset, .length = v->length};
    g->stretches = &g->whole;
    g->stretch_count = 1;
    return true;
}

static void end_frames(Gathering *g)
{
    arc_frames_release(g->web->frames, g->frames);
    g->frames = NULL;
}

static bool next_frame(Gathering *g, Buf *out, Err *err)
{
    uint32_t number = g->frame;
    if (number > arc_frames_format(g->frames)->frames) {
        end_frames(g);
        return true;
    }
    g->frame++;
    write_head(g, "7FE00010", g->decode ? DCM_UID_ExplicitVRLittleEndian : arc_frames_syntax(g->frames), out);
    return g->decode ? arc_frame_decode(g->frames, number, out, NULL, err)
                     : arc_frame_read(g->frames, number, out, err);
}

static bool read_stretch(Gathering *g, Buf *out, Err *err)
{
    if (!g->slice)
        g->slice = arc_slice_open(g->web->archive, &g->file, g->syntax, g->stretches->offset,
                                  g->stretches->length, err);
    uint8_t *room = g->slice ? buf_reserve(out, PIECE) : NULL;
    ssize_t n = room ? arc_slice_read(g->slice, room, PIECE, err) : -1;
    if (n < 0)
        return err_wrap(err, "object %s", g->file.sop_instance);
    out->n += (size_t)n;
    if (n == 0) {
        arc_slice_close(g->slice);
        g->slice = NULL;
        g->stretches++;
        g->stretch_count--;
    }
    return true;
}

/* The next object that can be had as it is wanted, or the end. */
static bool next_object(Gathering *g, Buf *out, bool *ended, Err *err)
{
    IdxFile file;
    const char *wanted;
    do {
        if (http_gone(g->x))
            return err_set(err, ERR_IO, "the client has gone away");
        if (!arc_retrieve_next(g->retrieve, &file, err))
            return false;
        if (!file.sop_instance) {
            *ended = true;
            multipart_write_close(out, g->boundary);
            return g->any || err_set(err, ERR_NOT_FOUND, "there is no %s in it",
                                     g->pixels_only ? "pixel data" : "bulk data");
        }
        wanted = wanted_syntax(g->accept, &offer, file.transfer_syntax);
    } while (!wanted);
    g->decode = strcmp(wanted, file.transfer_syntax) != 0;
    arena_reset(g->arena);
    idx_file_copy(g->arena, &file, &g->file);
    return find_values(g, err);
}

static bool produce(void *ctx, Buf *out, bool *ended, Err *err)
{
    Gathering *g = ctx;
    if (g->stretch_count)
        return read_stretch(g, out, err);
    if (g->frames)
        return next_frame(g, out, err);
    if (g->values)
        return begin_value(g, out, err);
    return next_object(g, out, ended, err);
}

static void free_gathering(void *ctx)
{
    Gathering *g = ctx;
    arc_slice_close(g->slice);
    end_frames(g);
    arc_retrieve_close(g->retrieve);
    buf_free(&g->scratch);
    arena_free(g->arena);
    free(g);
}

/* -- the request -- */

static void gather(HttpExchange *x, const WebService *service, bool pixels_only)
{
    IdxSelection selection;
    WebAccept *accept = arena_alloc(http_arena(x), sizeof *accept);
    int chosen;
    if (!web_select_path(x, &selection) || !web_choose(x, &offer, 1, accept, &chosen, NULL))
        return;
    Gathering *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    *g = (Gathering){.x = x,
                     .web = service->web,
                     .accept = accept,
                     .level = selection.instance_count ? DCM_LEVEL_IMAGE
                              : selection.series_count ? DCM_LEVEL_SERIES
                                                       : DCM_LEVEL_STUDY,
                     .pixels_only = pixels_only,
                     .arena = arena_new(0)};
    buf_init(&g->scratch, 0);
    multipart_make_boundary(g->boundary);
    const char *media = web_media(x, &offer, g->boundary);
    Err err = {0};
    unsigned status = 200;
    WebStream *stream = NULL;
    g->retrieve = web_retrieve_open(g->web->archive, &selection, accept, &offer, takes, &status, &err);
    if (g->retrieve)
        stream = web_stream_new(&(WebProducer){produce, free_gathering, g}, &err);
    else
        free_gathering(g);
    if (stream)
        web_stream_answer(stream, x, status, media);
    else
        web_object_problem(x, &err);
}

static void get_bulkdata(HttpExchange *x, void *ctx)
{
    gather(x, ctx, false);
}

static void get_pixeldata(HttpExchange *x, void *ctx)
{
    gather(x, ctx, true);
}

#define GATHER(path, end_, text)                                                                             \
    {                                                                                                        \
        .method = "GET", .pattern = path, .role = USER_READ, .handler = {.end = end_}, .summary = text,      \
        .parameters = parameters,                                                                            \
        .answers = "200 multipart/related; type=\"application/octet-stream\"; 206; 400; 404; 406"            \
    }
#define SERIES "/studies/{study}/series/{series}"
static const char *const parameters[] = {"accept: media types, in place of the Accept header", NULL};
const HttpRoute web_bulkdata_all_routes[] = {
    GATHER("/studies/{study}/bulkdata", get_bulkdata, "The values that the metadata of a study refers to"),
    GATHER(SERIES "/bulkdata", get_bulkdata, "The values that the metadata of a series refers to"),
    GATHER(SERIES "/instances/{instance}/bulkdata", get_bulkdata,
           "The values that the metadata of an instance refers to"),
    GATHER("/studies/{study}/pixeldata", get_pixeldata, "The pixel data of a study"),
    GATHER(SERIES "/pixeldata", get_pixeldata, "The pixel data of a series"),
    GATHER(SERIES "/instances/{instance}/pixeldata", get_pixeldata, "The pixel data of an instance"),
};
const size_t web_bulkdata_all_route_count = sizeof web_bulkdata_all_routes / sizeof *web_bulkdata_all_routes;
