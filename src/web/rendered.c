// SPDX-License-Identifier: MIT
/*
 * Rendered images and thumbnails, PS3.18 §10.4.1.1.3 and §8.3.5: one frame as JPEG or PNG. For a study or series, that of an instance in its middle; for an instance of several
 * frames, the first one. A video is handed out as it is stored, and an encapsulated PDF is its own rendering.
 */
#include "web/rendered.h"

#include "archive/attributes.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "web/retrieve.h"
#include "web/video.h"

#include <string.h>

enum {
    KEPT_MAX = 4 << 20,    /* functional groups are smaller */
    BYTES_MAX = 256 << 10, /* palettes and tables are; pixel data is read by itself */
    THUMBNAIL = 128,       /* pixels, longer side */
    TRIES = 256,           /* instances of a study that are looked at for one with an image */
};

enum { AS_JPEG, AS_PNG, FORMS };
static const WebOffer images[FORMS] = {[AS_JPEG] = {"image/jpeg", false}, [AS_PNG] = {"image/png", false}};
static const WebOffer document[] = {{"application/pdf", false}};

/* -- making the image -- */

typedef struct Job {
    const WebService *service;
    const IdxFile *file;
    const ArcFrames *frames;
    uint32_t number;
    const WebView *view;
    int form;
} Job;

/* What is decoded and rendered in memory at once: more than that is no image for a screen. */
static bool is_showable(const PixFormat *f, Err *err)
{
    static const uint64_t pixels_max = UINT64_C(1) << 28;
    return (uint64_t)f->rows * f->columns * f->samples <= pixels_max ||
           err_set(err, ERR_UNSUPPORTED, "%u x %u pixels are too many to be shown", f->columns, f->rows);
}

/* Small images are made of frames that are decoded small. Windows come after the mean then, and show where it is one of few: gray frames are left larger. */
static unsigned halvings(const Job *job, const DcmDataset *attributes, const WebFrame *frame)
{
    enum { KEPT_OF_GRAY = 4, KEPT_OF_COLOUR = 2 };
    const PixFormat *format = arc_frames_format(job->frames);
    if (!pix_may_reduce(attributes, format, job->number, &job->view->window))
        return 0;
    return web_view_halvings(job->view, frame, format->samples > 1 ? KEPT_OF_COLOUR : KEPT_OF_GRAY);
}

static bool render(const Job *job, const DcmDataset *attributes, PixImage *image, Err *err)
{
    PixFormat format = *arc_frames_format(job->frames);
    const WebFrame whole = {
        .columns = format.columns,
        .rows = format.rows,
        .aspect = pix_aspect(attributes, job->number),
        .keeps_even = pix_keeps_even(dcm_transfer_syntax(span_cstr(arc_frames_syntax(job->frames)))),
    };
    Buf frame;
    buf_init(&frame, 0);
    bool ok = is_showable(&format, err) &&
              arc_frame_decode_reduced(job->frames, job->number, halvings(job, attributes, &whole), &frame,
                                       &format, err) &&
              pix_render(attributes, &format, buf_span(&frame), job->number, &job->view->window, image, err);
    buf_free(&frame);
    if (ok && !web_view_apply(job->view, &whole, image, err)) {
        pix_image_free(image);
        ok = false;
    }
    return ok;
}

static bool make(void *ctx, Buf *out, Err *err)
{
    const Job *job = ctx;
    Arena *arena = arena_new(0);
    ArcAttributes a;
    PixImage image;
    bool ok = arc_attributes(job->service->web->archive, arena, job->file, KEPT_MAX, BYTES_MAX, &a, err) &&
              render(job, a.attributes, &image, err);
    arena_free(arena);
    if (!ok)
        return false;
    ok = job->form == AS_PNG ? pix_image_png(&image, out, err)
                             : pix_image_jpeg(&image, job->view->quality, out, err);
    pix_image_free(&image);
    return ok;
}

static void answer_image(HttpExchange *x, Job *job)
{
    Err err = {0};
    Buf image;
    const char *key =
        arena_printf(http_arena(x), "%s-%s-%u-%d-%s", job->file->sop_instance, web_content_tag(x, job->file),
                     job->number, job->form, web_view_key(http_arena(x), job->view));
    if (http_unchanged(x, key, 0))
        return;
    buf_init(&image, 0);
    if (render_cache_get(job->service->web->rendered, key, make, job, &image, &err)) {
        http_answer_buf(x, 200, images[job->form].type, &image);
    } else {
        web_object_problem(x, &err);
    }
    buf_free(&image);
}

/* -- other things than images -- */

static void answer_pdf(HttpExchange *x, const WebService *service, const IdxFile *file, const char *types)
{
    ArcAttributes a;
    Err err = {0};
    WebAccept accept;
    int chosen;
    if (!web_choose_of(x, types, document, 1, &accept, &chosen, NULL))
        return;
    if (!arc_attributes(service->web->archive, http_arena(x), file, 1024, 1024, &a, &err)) {
        http_problem(x, &err);
        return;
    }
    const DcmElement *value = dcm_find(a.attributes, DCM_EncapsulatedDocument);
    int64_t length = value ? value->length : 0;
    dcm_int(a.attributes, DCM_EncapsulatedDocumentLength, 0, &length);
    if (!value || length < 0 || length > value->length || strcmp(a.syntax, file->transfer_syntax) != 0) {
        http_refuse(x, 404, "instance %s has no document that can be handed out", file->sop_instance);
        return;
    }
    web_answer_bytes(x, file, document[0].type, file->data_offset + value->offset, (uint64_t)length);
}

/* -- one instance -- */

static void answer_frames(HttpExchange *x, Job *job, const char *types, bool image_only)
{
    const char *name = job->file->sop_instance, *syntax = arc_frames_syntax(job->frames);
    uint32_t count = arc_frames_format(job->frames)->frames;
    bool video = arc_frames_are_video(job->frames);
    WebAccept accept;
    if (video && !image_only)
        web_answer_video(x, job->file, job->frames, types);
    else if (video)
        http_refuse(x, 406, "instance %s is a video, which is not decoded here", name);
    else if (job->number > count)
        http_refuse(x, 404, "instance %s has %u frames; there is no frame %u", name, count, job->number);
    else if (!arc_frames_decodable(job->frames))
        http_refuse(x, 406, "instance %s is stored in transfer syntax %s, which cannot be decoded here", name,
                    syntax);
    else if (web_choose_of(x, types, images, FORMS, &accept, &job->form, NULL))
        answer_image(x, job);
}

void web_answer_rendered(HttpExchange *x, const WebService *service, const IdxFile *file, uint32_t number,
                         const WebView *view, const char *types, bool image_only)
{
    Err err = {0};
    ArcFrameCache *cache = service->web->frames;
    if (!image_only && !strcmp(file->sop_class, DCM_UID_EncapsulatedPDFStorage)) {
        answer_pdf(x, service, file, types);
        return;
    }
    ArcFrames *frames = arc_frames_get(cache, file, &err);
    if (frames)
        answer_frames(
            x, &(Job){.service = service, .file = file, .frames = frames, .number = number, .view = view},
            types, image_only);
    else if (err.code == ERR_NOT_FOUND)
        http_refuse(x, 404, "instance %s has no pixel data that could be shown", file->sop_instance);
    else
        web_object_problem(x, &err);
    arc_frames_release(cache, frames);
}

/* -- which instance of a study or series -- */

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

typedef struct Search {
    const WebService *service;
    const IdxSelection *selection;
    Arena *arena;
    uint64_t count; /* instances selected */
    IdxFile *out;
} Search;

/* The first instance with an image, in the middle or behind it; or before it. */
static bool find_image(Search *s, bool before_middle, bool *found, Err *err)
{
    IdxFile file;
    ArcRetrieve *retrieve = arc_retrieve_open(s->service->web->archive, s->selection, err);
    if (!retrieve)
        return false;
    s->count = arc_retrieve_count(retrieve);
    uint64_t begin = before_middle ? 0 : s->count / 2, end = before_middle ? s->count / 2 : s->count;
    bool ok = true;
    for (uint64_t at = 0; ok && !*found && at < end && at < begin + TRIES; at++) {
        ok = arc_retrieve_next(retrieve, &file, err);
        if (!ok || !file.sop_instance)
            break;
        *found = at >= begin && has_image(s->service, &file);
        if (*found)
            *s->out = copy_file(s->arena, &file);
    }
    arc_retrieve_close(retrieve);
    return ok;
}

static bool find_middle(HttpExchange *x, const WebService *service, IdxFile *out)
{
    IdxSelection selection;
    Err err = {0};
    bool found = false;
    if (!web_select_path(x, &selection))
        return false;
    Search search = {.service = service, .selection = &selection, .arena = http_arena(x), .out = out};
    if (!find_image(&search, false, &found, &err) || (!found && !find_image(&search, true, &found, &err)))
        http_problem(x, &err);
    else if (!found)
        http_refuse(x, 404,
                    search.count ? "this study or series has no instance that can be shown as an image"
                                 : "nothing of this study or series is in the archive");
    return found;
}

/* -- the request -- */

static bool read_view(HttpExchange *x, WebView *view, Err *err)
{
    const char *window = http_parameter(x, "window"), *viewport = http_parameter(x, "viewport");
    const char *quality = http_parameter(x, "quality");
    int64_t value = WEB_VIEW_QUALITY;
    if ((window && !web_view_window(view, window, err)) ||
        (viewport && !web_view_viewport(view, viewport, err)) ||
        (quality && !web_view_number("quality", quality, 100, &value, err)))
        return false;
    view->quality = (int)value;
    return true;
}

static void warn(HttpExchange *x)
{
    const char *profile = http_parameter(x, "iccprofile");
    if (http_parameter(x, "annotation") || (profile && strcmp(profile, "no") != 0))
        http_header(x, "Warning", "299 gantry \"annotation and iccprofile are not applied\"");
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
    WebView view = {0};
    Err err = {0};
    IdxFile file;
    uint32_t number;
    if (thumbnail)
        view = (WebView){.width = THUMBNAIL, .height = THUMBNAIL, .shrink_only = true};
    if (!read_view(x, &view, &err)) {
        http_problem(x, &err);
        return;
    }
    bool instance = http_part(x, "instance") != NULL, image_only = thumbnail || http_part(x, "frame");
    if (!read_number(x, &number) ||
        !(instance ? web_find_instance(x, service, &file) : find_middle(x, service, &file)))
        return;
    warn(x);
    web_answer_rendered(x, service, &file, number, &view, http_parameter(x, "accept"), image_only);
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
        .method = "GET", .pattern = path, .role = USER_READ, .handler = {.end = end_}, .summary = text,      \
        .parameters = parameters,                                                                            \
        .answers =                                                                                           \
            "200 image/jpeg, image/png, application/pdf, video/mpeg, video/mp4; 206; 304; 400; 404; 406"     \
    }
#define SERIES   "/studies/{study}/series/{series}"
#define INSTANCE SERIES "/instances/{instance}"
const HttpRoute web_rendered_routes[] = {
    RENDERED("/studies/{study}/rendered", get_rendered, "An image of a study"),
    RENDERED(SERIES "/rendered", get_rendered, "An image of a series"),
    RENDERED(INSTANCE "/rendered", get_rendered,
             "The first frame of an instance as an image, the stream of a video, or the document of a PDF"),
    RENDERED(INSTANCE "/frames/{frame}/rendered", get_rendered, "A frame as an image"),
    RENDERED("/studies/{study}/thumbnail", get_thumbnail, "A small image of a study"),
    RENDERED(SERIES "/thumbnail", get_thumbnail, "A small image of a series"),
    RENDERED(INSTANCE "/thumbnail", get_thumbnail, "A small image of an instance"),
    RENDERED(INSTANCE "/frames/{frame}/thumbnail", get_thumbnail, "A small image of a frame"),
};
const size_t web_rendered_route_count = sizeof web_rendered_routes / sizeof *web_rendered_routes;
