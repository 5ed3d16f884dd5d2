// SPDX-License-Identifier: MIT
#include "web/pages.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct Entry {
    WebPagesKey key;
    int64_t newest;
    int64_t until_ms; /* 0: free */
} Entry;

struct WebPages {
    pthread_mutex_t lock;
    Entry *entries;
    size_t count;
    int64_t keep_ms;
};

WebPages *web_pages_new(size_t entries, int64_t keep_ms)
{
    WebPages *pages = calloc(1, sizeof *pages);
    if (!pages || !(pages->entries = calloc(entries, sizeof *pages->entries)))
        abort();
    pages->count = entries;
    pages->keep_ms = keep_ms;
    pthread_mutex_init(&pages->lock, NULL);
    return pages;
}

void web_pages_free(WebPages *pages)
{
    if (!pages)
        return;
    pthread_mutex_destroy(&pages->lock);
    free(pages->entries);
    free(pages);
}

/* With its NUL: "ab", "c" is not "a", "bc". */
static void add(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text) + 1);
}

WebPagesKey web_pages_key(HttpExchange *x)
{
    size_t count;
    const HttpParameter *p = http_parameters(x, &count);
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        abort();
    XXH3_128bits_reset(state);
    add(state, http_client(x));
    add(state, http_user(x));
    add(state, http_path(x));
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(p[i].name, "limit") || !strcmp(p[i].name, "offset"))
            continue;
        add(state, p[i].name);
        add(state, p[i].value);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    return (WebPagesKey){hash.high64, hash.low64};
}

/* Its entry; else the one that is given up next. */
static Entry *look_up(const WebPages *pages, WebPagesKey key)
{
    Entry *oldest = &pages->entries[0];
    for (size_t i = 0; i < pages->count; i++) {
        Entry *e = &pages->entries[i];
        if (e->until_ms && e->key.high == key.high && e->key.low == key.low)
            return e;
        if (e->until_ms < oldest->until_ms)
            oldest = e;
    }
    return oldest;
}

bool web_pages_find(WebPages *pages, WebPagesKey key, int64_t *newest)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&pages->lock);
    Entry *e = look_up(pages, key);
    bool found = e->key.high == key.high && e->key.low == key.low && e->until_ms > now;
    if (found) {
        *newest = e->newest;
        e->until_ms = now + pages->keep_ms;
    }
    pthread_mutex_unlock(&pages->lock);
    return found;
}

void web_pages_put(WebPages *pages, WebPagesKey key, int64_t newest)
{
    pthread_mutex_lock(&pages->lock);
    *look_up(pages, key) = (Entry){key, newest, clock_ms() + pages->keep_ms};
    pthread_mutex_unlock(&pages->lock);
}
