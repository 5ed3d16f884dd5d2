// SPDX-License-Identifier: MIT
#include "web/render_cache.h"

#include "base/cond.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 60000,
    MAKERS = 4, /* images made at the same time: each may take a whole frame of memory */
};

typedef struct Entry {
    struct Entry *newer, *older; /* the list, newest first */
    char *key;
    Buf image;
    Err err;
    bool made, failed;
    unsigned users; /* those who make it or wait for it */
} Entry;

struct RenderCache {
    pthread_mutex_t lock; /* guards everything but the image that is being made */
    pthread_cond_t made;
    Entry *newest, *oldest;
    size_t bytes, limit;
    unsigned making;
};

RenderCache *render_cache_new(size_t bytes)
{
    RenderCache *cache = calloc(1, sizeof *cache);
    if (!cache)
        abort();
    cache->limit = bytes;
    pthread_mutex_init(&cache->lock, NULL);
    cond_init(&cache->made);
    return cache;
}

static void unlink_entry(RenderCache *cache, Entry *e)
{
    *(e->newer ? &e->newer->older : &cache->newest) = e->older;
    *(e->older ? &e->older->newer : &cache->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(RenderCache *cache, Entry *e)
{
    e->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = e;
    cache->newest = e;
}

static void free_entry(RenderCache *cache, Entry *e)
{
    unlink_entry(cache, e);
    cache->bytes -= e->made ? e->image.n : 0;
    buf_free(&e->image);
    free(e->key);
    free(e);
}

void render_cache_free(RenderCache *cache)
{
    if (!cache)
        return;
    while (cache->newest)
        free_entry(cache, cache->newest);
    pthread_cond_destroy(&cache->made);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* Few hundred images fit, so that a list is searched as fast as it is locked. */
static Entry *find(RenderCache *cache, const char *key)
{
    for (Entry *e = cache->newest; e; e = e->older)
        if (strcmp(e->key, key) == 0)
            return e;
    return NULL;
}

static void shrink(RenderCache *cache)
{
    for (Entry *e = cache->oldest, *newer; e && cache->bytes > cache->limit; e = newer) {
        newer = e->newer;
        if (e->users == 0)
            free_entry(cache, e);
    }
}

/* With the lock held, which is given back meanwhile. */
static void make_entry(RenderCache *cache, Entry *e, RenderMake make, void *ctx, Deadline deadline)
{
    bool in_time = true;
    while (cache->making == MAKERS && in_time)
        in_time = cond_wait(&cache->made, &cache->lock, deadline);
    if (cache->making == MAKERS) {
        err_set(&e->err, ERR_TIMEOUT, "too many other images are being made; try again");
        e->err.http = 503;
        e->failed = true;
    } else {
        cache->making++;
        pthread_mutex_unlock(&cache->lock);
        bool ok = make(ctx, &e->image, &e->err);
        pthread_mutex_lock(&cache->lock);
        cache->making--;
        e->made = ok;
        e->failed = !ok;
        cache->bytes += ok ? e->image.n : 0;
    }
    pthread_cond_broadcast(&cache->made);
}

bool render_cache_get(RenderCache *cache, const char *key, RenderMake make, void *ctx, Buf *out, Err *err)
{
    Deadline deadline = deadline_in(WAIT_MS);
    pthread_mutex_lock(&cache->lock);
    Entry *e = find(cache, key);
    bool mine = !e;
    if (mine) {
        e = calloc(1, sizeof *e);
        if (!e || !(e->key = strdup(key)))
            abort();
        buf_init(&e->image, 0);
    } else {
        unlink_entry(cache, e);
    }
    link_newest(cache, e);
    e->users++;
    if (mine)
        make_entry(cache, e, make, ctx, deadline);
    bool in_time = true;
    while (!e->made && !e->failed && in_time)
        in_time = cond_wait(&cache->made, &cache->lock, deadline);
    bool ok = e->made && buf_append_span(out, buf_span(&e->image));
    if (!ok && e->failed && err)
        *err = e->err;
    else if (!ok)
        err_set(err, ERR_TIMEOUT, "the image is not ready in time");
    e->users--;
    if (e->failed && e->users == 0)
        free_entry(cache, e);
    shrink(cache);
    pthread_mutex_unlock(&cache->lock);
    return ok;
}
