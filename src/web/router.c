// SPDX-License-Identifier: MIT
#include "web/router.h"

#include "base/span.h"

#include <stdlib.h>
#include <string.h>

/* Pieces that count when two patterns fit: two bits each. */
enum { PIECES_MAX = 30 };

struct Router {
    Arena *arena;
    RouterEntry *entries;
    size_t count, capacity;
};

Router *router_new(void)
{
    Router *router = calloc(1, sizeof *router);
    if (!router)
        abort();
    router->arena = arena_new(0);
    return router;
}

void router_free(Router *router)
{
    if (!router)
        return;
    arena_free(router->arena);
    free(router->entries);
    free(router);
}

void router_add(Router *router, const char *prefix, const HttpRoute *routes, size_t count, void *ctx)
{
    if (router->count + count > router->capacity) {
        router->capacity = router->count + count + 32;
        router->entries = realloc(router->entries, router->capacity * sizeof *router->entries);
        if (!router->entries)
            abort();
    }
    const char *own = arena_strdup(router->arena, prefix);
    for (size_t i = 0; i < count; i++)
        router->entries[router->count++] =
            (RouterEntry){.route = &routes[i],
                          .prefix = own,
                          .ctx = ctx,
                          .pattern = arena_printf(router->arena, "%s%s", own, routes[i].pattern)};
}

size_t router_count(const Router *router)
{
    return router->count;
}

const RouterEntry *router_entry(const Router *router, size_t i)
{
    return &router->entries[i];
}

/* One part of a pattern: a literal, {name} or {name+}. */
typedef struct Piece {
    Span text; /* without braces and plus */
    bool named, rest;
} Piece;

typedef struct Pieces {
    Span left;
    bool more;
} Pieces;

static Pieces pieces_of(const RouterEntry *entry)
{
    Span s = span_cstr(entry->pattern);
    if (span_starts(s, SPAN("/")))
        s = span_sub(s, 1, SIZE_MAX);
    if (span_ends(s, SPAN("/")))
        s.n--;
    return (Pieces){s, s.n > 0};
}

static bool next_piece(Pieces *pieces, Piece *out)
{
    Span s;
    if (!span_split(&pieces->left, '/', &s, &pieces->more))
        return false;
    *out = (Piece){.text = s, .named = s.n > 2 && s.p[0] == '{' && s.p[s.n - 1] == '}'};
    if (out->named) {
        out->text = span_sub(s, 1, s.n - 2);
        out->rest = out->text.p[out->text.n - 1] == '+';
        out->text.n -= out->rest;
    }
    return true;
}

/* 0: the pattern is not this path's. Otherwise greater the more literal parts it has on the left. */
static uint64_t literalness(const RouterEntry *entry, const Url *url)
{
    enum { REST, NAMED, LITERAL };
    Pieces pieces = pieces_of(entry);
    Piece piece;
    uint64_t weight = 1;
    size_t i = 0;
    for (; next_piece(&pieces, &piece); i++) {
        if (i == url->part_count)
            return 0;
        if (!piece.named && !span_eq_cstr(piece.text, url->parts[i]))
            return 0;
        uint64_t kind = piece.rest ? REST : piece.named ? NAMED : LITERAL;
        weight |= i < PIECES_MAX ? kind << 2 * (PIECES_MAX - i) : 0;
        if (piece.rest)
            return weight;
    }
    return i == url->part_count ? weight : 0;
}

static bool method_is(const RouterEntry *entry, const char *method)
{
    return !strcmp(entry->route->method, method);
}

static void add_method(Buf *allow, const char *method)
{
    for (Span rest = buf_span(allow), one; rest.n;) {
        bool more = true;
        if (!span_split(&rest, ',', &one, &more))
            break;
        if (span_eq_cstr(span_trim(one), method))
            return;
    }
    buf_printf(allow, "%s%s", allow->n ? ", " : "", method);
}

const RouterEntry *router_find(const Router *router, const char *method, const Url *url, Buf *allow)
{
    const RouterEntry *best = NULL, *get = NULL;
    uint64_t best_bits = 0, get_bits = 0;
    for (size_t i = 0; i < router->count && !url->asterisk; i++) {
        const RouterEntry *entry = &router->entries[i];
        uint64_t bits = literalness(entry, url);
        if (bits == 0)
            continue;
        if (allow) {
            add_method(allow, entry->route->method);
            if (method_is(entry, "GET"))
                add_method(allow, "HEAD");
            add_method(allow, "OPTIONS");
        }
        if (bits > best_bits && method_is(entry, method)) {
            best = entry;
            best_bits = bits;
        }
        if (bits > get_bits && method_is(entry, "GET")) {
            get = entry;
            get_bits = bits;
        }
    }
    return best ? best : !strcmp(method, "HEAD") ? get : NULL;
}

const char *router_part(const RouterEntry *entry, const Url *url, const char *name, Arena *arena)
{
    Pieces pieces = pieces_of(entry);
    Piece piece;
    for (size_t i = 0; i < url->part_count && next_piece(&pieces, &piece); i++) {
        if (!piece.named || !span_eq_cstr(piece.text, name))
            continue;
        const char *text = url->parts[i];
        for (size_t k = i + 1; piece.rest && k < url->part_count; k++)
            text = arena_printf(arena, "%s/%s", text, url->parts[k]);
        return text;
    }
    return NULL;
}
