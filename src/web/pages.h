// SPDX-License-Identifier: MIT
/*
 * Where searches stand that a client goes through page by page (limit, offset). The newest study comes first, so a study that arrives between two pages would
 * push the others on, and the client would see one of them twice. So what was newest when a list was begun is kept for a while, and
 * its later pages have nothing that is newer. Whoever begins again (offset 0) sees everything.
 */
#ifndef GANTRY_WEB_PAGES_H
#define GANTRY_WEB_PAGES_H

#include "web/http.h"

typedef struct WebPages WebPages;

/* Up to `entries` lists, each for `keep_ms` after its last page. May be used by several threads. */
WebPages *web_pages_new(size_t entries, int64_t keep_ms);
void web_pages_free(WebPages *pages); /* NULL is fine */

typedef struct WebPagesKey {
    uint64_t high, low;
} WebPagesKey;

/* One list: this client, its path and its parameters but for limit and offset. */
WebPagesKey web_pages_key(HttpExchange *x);
/* False when it is not known (any more). */
bool web_pages_find(WebPages *pages, WebPagesKey key, int64_t *newest);
void web_pages_put(WebPages *pages, WebPagesKey key, int64_t newest);

#endif
