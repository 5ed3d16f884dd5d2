// SPDX-License-Identifier: MIT
/*
 * How an image is to be shown: what the parameters of "rendered" (PS3.18 §8.3.5.1) and of WADO-URI (§9.1.2.2) say, and the geometry of it. Pure. Each reader gives
 * ERR_USAGE and a sentence for what it cannot read.
 */
#ifndef GANTRY_WEB_VIEW_H
#define GANTRY_WEB_VIEW_H

#include "base/arena.h"
#include "pixel/render.h"

typedef struct WebView {
    PixWindow window;       /* width 0: that of the object */
    uint32_t width, height; /* the result fits into it; 0: nothing was said of this side */
    bool shrink_only;       /* a small image does not become larger */
    bool has_region, region_is_relative;
    PixRegion region; /* in pixels, or relative: 0 to 1. A size of 0 is what is left */
    int quality;      /* 1 to 100, of JPEG */
} WebView;

enum { WEB_VIEW_SIZE_MAX = 8192, WEB_VIEW_QUALITY = 90 };

/* "center,width" or "center,width,function" */
bool web_view_window(WebView *view, const char *text, Err *err);
/* "width,height", then x,y,width,height of a region, each of which may be left out; a negative width or height turns it over */
bool web_view_viewport(WebView *view, const char *text, Err *err);
/* WADO-URI: "xmin,ymin,xmax,ymax", each 0 to 1 */
bool web_view_region(WebView *view, const char *text, Err *err);
/* An integer from 1 to `max`; `name` is the parameter's. */
bool web_view_number(const char *name, const char *text, int64_t max, int64_t *out, Err *err);

/* A frame of which an image was made, perhaps in a smaller size (pix_decode_reduced). */
typedef struct WebFrame {
    uint32_t columns, rows;
    double aspect;   /* pix_aspect */
    bool keeps_even; /* pix_keeps_even */
} WebFrame;

/* Cuts the region out and fits it, with square pixels. The image stays as it was on failure: ERR_USAGE when the region is outside of it. */
bool web_view_apply(const WebView *view, const WebFrame *frame, PixImage *image, Err *err);
/* How often the frame may be halved before, so that at least `kept` pixels across are left for each one of the result. */
unsigned web_view_halvings(const WebView *view, const WebFrame *frame, unsigned kept);

/* Different for different views; in the arena. */
const char *web_view_key(Arena *arena, const WebView *view);

#endif
