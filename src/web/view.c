// SPDX-License-Identifier: MIT
#include "web/view.h"

#include <math.h>

enum { PARTS_MAX = 6 };

/* -- parameters -- */

/* The parts between commas; one more than `most` when there are more. */
static size_t split(const char *text, Span parts[PARTS_MAX], size_t most)
{
    Span rest = span_cstr(text), part;
    size_t count = 0;
    for (bool more = true; span_split(&rest, ',', &part, &more);) {
        if (count == most)
            return most + 1;
        parts[count++] = part;
    }
    return count;
}

bool web_view_window(WebView *view, const char *text, Err *err)
{
    Span parts[PARTS_MAX];
    PixWindow w = {0};
    size_t count = split(text, parts, 3);
    bool ok = count >= 2 && count <= 3 && span_to_double(parts[0], &w.center) &&
              span_to_double(parts[1], &w.width) && (count < 3 || pix_function_parse(parts[2], &w.function));
    /* PS3.3 C.11.2.1.2.1, C.11.2.1.3 */
    ok = ok && (w.function == PIX_LINEAR ? w.width >= 1 : w.width > 0);
    if (!ok)
        return err_set(err, ERR_USAGE,
                       "window=%.60s: center, width and function are wanted, as in window=40,400,linear; "
                       "functions are linear (its width is 1 or more), linear-exact and sigmoid",
                       text);
    view->window = w;
    return true;
}

static bool read_size(Span text, uint32_t *out)
{
    int64_t value;
    if (!span_to_i64(text, 1, WEB_VIEW_SIZE_MAX, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

/* The length of a region, which may be left out; below 0 it is turned over. */
static bool read_length(Span text, double *out, bool *turned)
{
    *out = 0;
    if (!span_trim(text).n)
        return true;
    if (!span_to_double(text, out) || !(fabs(*out) > 0))
        return false;
    *turned = *out < 0;
    *out = fabs(*out);
    return true;
}

static bool read_place(Span text, double *out)
{
    *out = 0;
    return !span_trim(text).n || (span_to_double(text, out) && *out >= 0);
}

bool web_view_viewport(WebView *view, const char *text, Err *err)
{
    Span parts[PARTS_MAX] = {{0}};
    PixRegion r = {0};
    size_t count = split(text, parts, PARTS_MAX);
    bool ok = count >= 2 && count <= PARTS_MAX && read_size(parts[0], &view->width) &&
              read_size(parts[1], &view->height) && read_place(parts[2], &r.x) &&
              read_place(parts[3], &r.y) && read_length(parts[4], &r.width, &r.mirrored) &&
              read_length(parts[5], &r.height, &r.upside_down);
    if (!ok)
        return err_set(err, ERR_USAGE,
                       "viewport=%.60s: width and height from 1 to %d are wanted, and may be followed by x, "
                       "y, width and height of the region that is shown",
                       text, WEB_VIEW_SIZE_MAX);
    view->has_region = count > 2;
    view->region = r;
    view->shrink_only = false;
    return true;
}

bool web_view_region(WebView *view, const char *text, Err *err)
{
    Span parts[PARTS_MAX];
    double n[4] = {0};
    bool ok = split(text, parts, 4) == 4;
    for (size_t i = 0; ok && i < 4; i++)
        ok = span_to_double(parts[i], &n[i]) && n[i] >= 0 && n[i] <= 1;
    if (!ok || !(n[2] > n[0]) || !(n[3] > n[1]))
        return err_set(err, ERR_USAGE,
                       "region=%.60s: left, top, right and bottom are wanted, each from 0 to 1, as in "
                       "region=0.25,0.25,0.75,0.75",
                       text);
    view->has_region = view->region_is_relative = true;
    view->region = (PixRegion){.x = n[0], .y = n[1], .width = n[2] - n[0], .height = n[3] - n[1]};
    return true;
}

bool web_view_number(const char *name, const char *text, int64_t max, int64_t *out, Err *err)
{
    return span_to_i64(span_cstr(text), 1, max, out) ||
           err_set(err, ERR_USAGE, "%s=%.20s: a number from 1 to %lld is wanted", name, text, (long long)max);
}

/* -- geometry -- */

/* What is shown of a frame, in its pixels, and how many pixels of the result there are for one of them. */
typedef struct Place {
    PixRegion region;
    double across, down;
    bool square;
} Place;

/* The region inside of the frame. */
static bool clip(const WebView *view, double columns, double rows, PixRegion *out, Err *err)
{
    PixRegion r = view->region;
    if (view->region_is_relative)
        r = (PixRegion){
            .x = r.x * columns, .y = r.y * rows, .width = r.width * columns, .height = r.height * rows};
    r.width = fmin(r.width > 0 ? r.width : columns, columns - r.x);
    r.height = fmin(r.height > 0 ? r.height : rows, rows - r.y);
    *out = r;
    return (r.width > 0 && r.height > 0) ||
           err_set(err, ERR_USAGE,
                   "the region lies outside of the image, which has %.0f columns and %.0f rows", columns,
                   rows);
}

static bool place(const WebView *view, const WebFrame *frame, Place *out, Err *err)
{
    PixRegion r;
    if (!clip(view, frame->columns, frame->rows, &r, err))
        return false;
    double scale = INFINITY, aspect = frame->aspect;
    if (view->width)
        scale = fmin(scale, view->width / r.width);
    if (view->height)
        scale = fmin(scale, view->height / (r.height * aspect));
    if (isinf(scale) || (view->shrink_only && scale > 1))
        scale = 1;
    *out = (Place){r, scale, scale * aspect, aspect > 0.99 && aspect < 1.01};
    return true;
}

unsigned web_view_halvings(const WebView *view, const WebFrame *frame, unsigned kept)
{
    enum { MOST = 5 };
    Place p;
    unsigned n = 0;
    if (!place(view, frame, &p, NULL))
        return 0;
    while (n < MOST && ldexp(0.5, -(int)n) >= kept * fmax(p.across, p.down))
        n++;
    return n;
}

static uint32_t whole(double v)
{
    return v < 1 ? 1 : v > UINT16_MAX ? UINT16_MAX : (uint32_t)(v + 0.5);
}

/* A stretch of a side of the frame, where that became `made` pixels by being halved, each time rounded up. It may stick out of them by half a pixel. */
static void reduce(double *from, double *length, uint32_t side, uint32_t made, bool keeps_even)
{
    double times = 1;
    for (uint32_t now = side; now > made; now = now / 2 + now % 2)
        times *= 2;
    *from = *from / times + (keeps_even ? 0.5 - 0.5 / times : 0);
    *length /= times;
}

bool web_view_apply(const WebView *view, const WebFrame *frame, PixImage *image, Err *err)
{
    Place p;
    if (!place(view, frame, &p, err))
        return false;
    if (p.square && !view->has_region && p.across > 1 - 1e-9 && p.across < 1 + 1e-9)
        return true;
    uint32_t width = whole(p.region.width * p.across), height = whole(p.region.height * p.down);
    PixImage fitted;
    reduce(&p.region.x, &p.region.width, frame->columns, image->width, frame->keeps_even);
    reduce(&p.region.y, &p.region.height, frame->rows, image->height, frame->keeps_even);
    if (!pix_image_scale(image, &p.region, width, height, &fitted, err))
        return false;
    pix_image_free(image);
    *image = fitted;
    return true;
}

const char *web_view_key(Arena *arena, const WebView *v)
{
    const PixRegion *r = &v->region;
    return arena_printf(arena, "%d-%u.%u.%d-%d%d%d%d-%.17g.%.17g.%.17g.%.17g-%.17g.%.17g.%d", v->quality,
                        v->width, v->height, v->shrink_only, v->has_region, v->region_is_relative,
                        r->mirrored, r->upside_down, r->x, r->y, r->width, r->height, v->window.center,
                        v->window.width, (int)v->window.function);
}
