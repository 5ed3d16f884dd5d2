// SPDX-License-Identifier: MIT
/*
 * Images that were rendered lately, or other answers that cost as much, by a key. Whoever asks first makes the image; those who ask for the same meanwhile wait for it. Few are made at the same time. Bounded in bytes; the one that was not
 * asked for longest goes first. Thread-safe.
 */
#ifndef GANTRY_WEB_RENDER_CACHE_H
#define GANTRY_WEB_RENDER_CACHE_H

#include "base/buf.h"
#include "base/err.h"

typedef struct RenderCache RenderCache;

RenderCache *render_cache_new(size_t bytes);
void render_cache_free(RenderCache *cache); /* NULL is fine */

/* Makes an image: appends it to `out`. Called without a lock. */
typedef bool (*RenderMake)(void *ctx, Buf *out, Err *err);

/* The image of `key`, appended to `out`: from the cache, or made by `make`, which fails for all who wait. */
bool render_cache_get(RenderCache *cache, const char *key, RenderMake make, void *ctx, Buf *out, Err *err);

#endif
