// SPDX-License-Identifier: MIT
/*
 * Rendered images and thumbnails, PS3.18 §10.4.1.1.3 and §8.3.5: one frame as JPEG or PNG. For a study or series, that of an instance in its middle; for an instance of several
 * frames, the first one. An encapsulated PDF is its own rendering.
 */
#include "archive/attributes.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "pixel/render.h"
#include "web/render_cache.h"
#include "web/retrieve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_MAX = 4 << 20, /* palettes, tables and functional groups are smaller */
    THUMBNAIL = 128,    /* pixels, longer side */
    VIEWPORT_MAX = 8192,
    QUALITY = 90,
    TRIES = 16, /* instances of a series that are looked at for one with an image */
};

enum { AS_JPEG, AS_PNG, AS_PDF };
static const WebOffer offers[] = {
    [AS_JPEG] = {"image/jpeg", false},
    [AS_PNG] = {"image/png", false},
    [AS_PDF] = {"application/pdf", false},
};

typedef struct View {
    PixWindow window;
    bool has_viewport;
    uint32_t width, height;
    bool has_region;
    PixRegion region;
    int quality;
    int form;
} View;

/* -- parameters -- */

static bool read_numbers(const char *text, double *out, size_t most, size_t *count, Span *rest)
{
    Span part, left = span_cstr(text);
    *count = 0;
    *rest = (Span){0};
    for (bool more = true; span_split(&left, ',', &part, &more);) {
        if (*count == most || (!span_to_double(part, &out[*count]) && part.n)) {
            *rest = span_of(part.p, (size_t)((const uint8_t *)text + strlen(text) - part.p));
            return true;
        }
        if (!part.n)
            out[*count] = 0;
        ++*count;
    }
    return true;
}

static bool read_window(const char *text, PixWindow *out, Err *err)
{
    double numbers[2];
    size_t count;
    Span function;
    *out = (PixWindow){0};
    read_numbers(text, numbers, 2, &count, &function);
    if (count != 2 || !(numbers[1] >= 1) || (function.n && !pix_function_parse(function, &out->function)))
        return err_set(err, ERR_USAGE,
                       "window=%.60s: center, width from 1 on and a function are wanted, as in "
                       "window=40,400,linear; functions "
                       "are linear, linear-exact and sigmoid",
                       text);
    out->center = numbers[0];
    out->width = numbers[1];
    return true;
}

static bool read_viewport(const char *text, View *out, Err *err)
{
    double n[6] = {0};
    size_t count;
    Span rest;
    read_numbers(text, n, 6, &count, &rest);
    bool sizes = n[0] >= 1 && n[0] <= VIEWPORT_MAX && n[1] >= 1 && n[1] <= VIEWPORT_MAX;
    if (rest.n || (count != 2 && count != 6) || !sizes)
        return err_set(err, ERR_USAGE,
                       "viewport=%.60s: width and height from 1 to %d are wanted, and may be followed by x, "
                       "y, width and height of "
                       "a region",
                       text, VIEWPORT_MAX);
    *out = (View){.window = out->window,
                  .has_viewport = true,
                  .width = (uint32_t)n[0],
                  .height = (uint32_t)n[1],
                  .has_region = count == 6,
                  .region = {n[2], n[3], fabs(n[4]), fabs(n[5])},
                  .quality = out->quality,
                  .form = out->form};
    return true;
}

static bool read_view(HttpExchange *x, View *view, Err *err)
{
    const char *window = http_parameter(x, "window"), *viewport = http_parameter(x, "viewport");
    const char *quality = http_parameter(x, "quality");
    int64_t value = QUALITY;
    if ((window && !read_window(window, &view->window, err)) ||
        (viewport && !read_viewport(viewport, view, err)))
        return false;
    if (quality && !span_to_i64(span_cstr(quality), 1, 100, &value))
        return err_set(err, ERR_USAGE, "quality=%.20s: a number from 1 to 100 is wanted", quality);
    view->quality = (int)value;
    return true;
}

/* -- making the image -- */

/* Inside of the image; the whole of it when nothing is left. */
static PixRegion clip(const PixImage *image, const View *view)
{
    PixRegion all = {.width = image->width, .height = image->height}, r = view->region;
    if (!view->has_region)
        return all;
    if (!(r.width > 0))
        r.width = image->width - r.x;
    if (!(r.height > 0))
        r.height = image->height - r.y;
    double right = fmin(r.x + r.width, image->width), bottom = fmin(r.y + r.height, image->height);
    r.x = fmax(r.x, 0);
    r.y = fmax(r.y, 0);
    r.width = right - r.x;
    r.height = bottom - r.y;
    return r.width >= 1 && r.height >= 1 ? r : all;
}

static uint32_t at_least_one(double v)
{
    return v < 1 ? 1 : v > 65535 ? 65535 : (uint32_t)(v + 0.5);
}

/* Fits the region into the viewport, with square pixels. */
static bool fit(PixImage *image, const View *view, double aspect, Err *err)
{
    PixRegion region = clip(image, view);
    double width = region.width, height = region.height * aspect;
    bool square = aspect > 0.99 && aspect < 1.01;
    if (!view->has_viewport && square)
        return true;
    double scale = 1;
    if (view->has_viewport)
        scale = fmin(view->width / width, view->height / height);
    PixImage fitted;
    if (!pix_image_scale(image, &region, at_least_one(width * scale), at_least_one(height * scale), &fitted,
                         err))
        return false;
    pix_image_free(image);
    *image = fitted;
    return true;
}

typedef struct Job {
    const WebService *service;
    const IdxFile *file;
    uint32_t number;
    const View *view;
} Job;

static bool render(const Job *job, const ArcFrames *frames, PixImage *image, Err *err)
{
    Arena *arena = arena_new(0);
    ArcAttributes a;
    PixFormat format;
    Buf frame;
    buf_init(&frame, 0);
    bool ok =
        arc_attributes(job->service->web->archive, arena, job->file, KEPT_MAX, &a, err) &&
        arc_frame_decode(frames, job->number, &frame, &format, err) &&
        pix_render(a.attributes, &format, buf_span(&frame), job->number, &job->view->window, image, err);
    buf_free(&frame);
    if (ok && !fit(image, job->view, pix_aspect(a.attributes, job->number), err)) {
        pix_image_free(image);
        ok = false;
    }
    arena_free(arena);
    return ok;
}

static bool make(void *ctx, Buf *out, Err *err)
{
    const Job *job = ctx;
    PixImage image;
    ArcFrameCache *cache = job->service->web->frames;
    ArcFrames *frames = arc_frames_get(cache, job->file, err);
    bool ok = frames && render(job, frames, &image, err);
    arc_frames_release(cache, frames);
    if (!ok)
        return false;
    ok = job->view->form == AS_PNG ? pix_image_png(&image, out, err)
                                   : pix_image_jpeg(&image, job->view->quality, out, err);
    pix_image_free(&image);
    return ok;
}

/* -- which instance -- */

static bool has_image(const WebService *service, const IdxFile *file)
{
    Err ignored = {0};
    ArcFrames *frames = arc_frames_get(service->web->frames, file, &ignored);
    bool found = frames && arc_frames_decodable(frames);
    arc_frames_release(service->web->frames, frames);
    return found;
}

static IdxFile copy_file(Arena *arena, const IdxFile *file)
{
    IdxFile out = *file;
    out.sop_instance = arena_strdup(arena, file->sop_instance);
    out.sop_class = arena_strdup(arena, file->sop_class);
    out.transfer_syntax = arena_strdup(arena, file->transfer_syntax);
    out.path = arena_strdup(arena, file->path);
    return out;
}

/* The middle one of those selected, or the next after it that has an image. */
static bool find_middle(HttpExchange *x, const WebService *service, IdxFile *out)
{
    IdxSelection selection;
    Err err = {0};
    if (!web_select_path(x, &selection))
        return false;
    ArcRetrieve *retrieve = arc_retrieve_open(service->web->archive, &selection, &err);
    if (!retrieve) {
        http_problem(x, &err);
        return false;
    }
    IdxFile file;
    uint64_t at = 0, middle = arc_retrieve_count(retrieve) / 2;
    bool ok, found = false;
    while (!found && at < middle + TRIES && (ok = arc_retrieve_next(retrieve, &file, &err)) &&
           file.sop_instance) {
        found = at++ >= middle && has_image(service, &file);
        if (found)
            *out = copy_file(http_arena(x), &file);
    }
    arc_retrieve_close(retrieve);
    if (!found)
        http_refuse(x, 404, "this study or series has no instance that can be shown as an image");
    return found;
}

/* -- the request -- */

static void answer_pdf(HttpExchange *x, const WebService *service, const IdxFile *file)
{
    ArcAttributes a;
    Err err = {0};
    if (!arc_attributes(service->web->archive, http_arena(x), file, 1024, &a, &err)) {
        http_problem(x, &err);
        return;
    }
    const DcmElement *document = dcm_find(a.attributes, DCM_EncapsulatedDocument);
    int64_t length = document ? document->length : 0;
    dcm_int(a.attributes, DCM_EncapsulatedDocumentLength, 0, &length);
    if (!document || length < 0 || length > document->length ||
        strcmp(a.syntax, file->transfer_syntax) != 0) {
        http_refuse(x, 404, "instance %s has no document that can be handed out", file->sop_instance);
        return;
    }
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        http_refuse(x, 500, "the file of instance %s cannot be opened", file->sop_instance);
    else
        http_answer_file(x, 200, "application/pdf", fd, file->data_offset + document->offset,
                         (uint64_t)length);
}

static const char *make_key(HttpExchange *x, const Job *job)
{
    const View *v = job->view;
    uint64_t digest;
    memcpy(&digest, job->file->content, sizeof digest);
    return arena_printf(http_arena(x), "%s-%016" PRIx64 "-%u-%d-%d-%u.%u-%g.%g.%g.%g-%g.%g.%d",
                        job->file->sop_instance, digest, job->number, v->form, v->quality, v->width,
                        v->height, v->region.x, v->region.y, v->region.width, v->region.height,
                        v->window.center, v->window.width, (int)v->window.function);
}

static void answer_image(HttpExchange *x, const Job *job)
{
    Err err = {0};
    Buf image;
    const char *key = make_key(x, job);
    if (http_unchanged(x, key, 0))
        return;
    buf_init(&image, 0);
    if (render_cache_get(job->service->web->rendered, key, make, (void *)job, &image, &err)) {
        http_answer_buf(x, 200, offers[job->view->form].type, &image);
    } else {
        if (err.code == ERR_UNSUPPORTED)
            err.http = 406;
        http_problem(x, &err);
    }
    buf_free(&image);
}

/* Number of the frame in the path; 1 where it names none. */
static bool read_number(HttpExchange *x, uint32_t *out)
{
    const char *text = http_part(x, "frame");
    int64_t number = 1;
    if (text && !span_to_i64(span_cstr(text), 1, INT32_MAX, &number)) {
        http_refuse(x, 400, "the path: \"%.40s\" is no number of a frame; one frame is rendered at a time",
                    text);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static void rendered(HttpExchange *x, const WebService *service, bool thumbnail)
{
    View view = {0};
    Err err = {0};
    IdxFile file;
    uint32_t number;
    WebAccept accept;
    if (!read_view(x, &view, &err)) {
        http_problem(x, &err);
        return;
    }
    if (thumbnail && !view.has_viewport) {
        view.has_viewport = true;
        view.width = view.height = THUMBNAIL;
    }
    bool instance = http_part(x, "instance") != NULL;
    if (!read_number(x, &number) ||
        !(instance ? web_find_instance(x, service, &file) : find_middle(x, service, &file)))
        return;
    bool pdf = !strcmp(file.sop_class, DCM_UID_EncapsulatedPDFStorage);
    if (!web_choose(x, pdf ? &offers[AS_PDF] : offers, pdf ? 1 : 2, &accept, &view.form, NULL))
        return;
    if (pdf)
        answer_pdf(x, service, &file);
    else
        answer_image(x, &(Job){.service = service, .file = &file, .number = number, .view = &view});
}

static void get_rendered(HttpExchange *x, void *ctx)
{
    rendered(x, ctx, false);
}

static void get_thumbnail(HttpExchange *x, void *ctx)
{
    rendered(x, ctx, true);
}

static const char *const parameters[] = {
    "window: center,width,function; function is linear, linear-exact or sigmoid",
    "viewport: width,height of the result, then x,y,width,height of the region shown",
    "quality: of JPEG, 1 to 100",
    "accept: image/jpeg or image/png, in place of the Accept header",
    NULL,
};

#define RENDERED(path, end_, text)                                                                           \
    {                                                                                                        \
        .method = "GET", .pattern = path, .role = HTTP_READ, .handler = {.end = end_}, .summary = text,      \
        .parameters = parameters,                                                                            \
        .answers = "200 image/jpeg, image/png, application/pdf; 304; 400; 404; 406"                          \
    }
#define SERIES   "/studies/{study}/series/{series}"
#define INSTANCE SERIES "/instances/{instance}"
const HttpRoute web_rendered_routes[] = {
    RENDERED("/studies/{study}/rendered", get_rendered, "An image of a study"),
    RENDERED(SERIES "/rendered", get_rendered, "An image of a series"),
    RENDERED(INSTANCE "/rendered", get_rendered, "The first frame of an instance as an image"),
    RENDERED(INSTANCE "/frames/{frame}/rendered", get_rendered, "A frame as an image"),
    RENDERED("/studies/{study}/thumbnail", get_thumbnail, "A small image of a study"),
    RENDERED(SERIES "/thumbnail", get_thumbnail, "A small image of a series"),
    RENDERED(INSTANCE "/thumbnail", get_thumbnail, "A small image of an instance"),
    RENDERED(INSTANCE "/frames/{frame}/thumbnail", get_thumbnail, "A small image of a frame"),
};
const size_t web_rendered_route_count = sizeof web_rendered_routes / sizeof *web_rendered_routes;
