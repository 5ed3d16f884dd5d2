// SPDX-License-Identifier: MIT
/* Which route a path means. Pure functions; a router is immutable once requests are looked up in it. */
#ifndef GANTRY_WEB_ROUTER_H
#define GANTRY_WEB_ROUTER_H

#include "base/buf.h"
#include "web/http.h"
#include "web/http_url.h"

typedef struct Router Router;

typedef struct RouterPiece RouterPiece;

typedef struct RouterEntry {
    const HttpRoute *route;
    const char *prefix;
    void *ctx;
    const char *pattern;       /* prefix and pattern together */
    const RouterPiece *pieces; /* what it consists of */
    size_t piece_count;
} RouterEntry;

Router *router_new(void);
void router_free(Router *router); /* NULL is fine */
void router_add(Router *router, const char *prefix, const HttpRoute *routes, size_t count, void *ctx);
size_t router_count(const Router *router);
const RouterEntry *router_entry(const Router *router, size_t i);

/*
 * The route of a method and a path; HEAD is GET when there is no route of its own. A literal part beats a {name}, from the left. NULL when
 * there is none; `allow` (may be NULL) then has the methods that the path knows, "GET, HEAD, OPTIONS": empty means 404, anything else 405.
 */
const RouterEntry *router_find(const Router *router, const char *method, const Url *url, Buf *allow);
/* What {name} of the entry's pattern stands for; NULL when it has none. The rest of a path ({name+}) is put together in the arena. */
const char *router_part(const RouterEntry *entry, const Url *url, const char *name, Arena *arena);

#endif
