// SPDX-License-Identifier: MIT
#include "web/router.h"

#include "base/span.h"

#include <stdlib.h>
#include <string.h>

/* Pieces that count when two patterns fit: two bits each. */
enum { PIECES_MAX = 30 };

/* One part of a pattern: a literal, {name} or {name+}. */
typedef enum PieceKind { PIECE_REST, PIECE_NAMED, PIECE_LITERAL } PieceKind;
struct RouterPiece {
    PieceKind kind;
    const char *text; /* without braces and plus */
};

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

static RouterPiece piece_of(Arena *arena, Span s)
{
    if (s.n <= 2 || s.p[0] != '{' || s.p[s.n - 1] != '}')
        return (RouterPiece){PIECE_LITERAL, arena_span_cstr(arena, s)};
    bool rest = s.p[s.n - 2] == '+';
    return (RouterPiece){rest ? PIECE_REST : PIECE_NAMED,
                         arena_span_cstr(arena, span_sub(s, 1, s.n - 2 - rest))};
}

static RouterEntry make_entry(Arena *arena, const char *prefix, const HttpRoute *route, void *ctx)
{
    const char *pattern = arena_printf(arena, "%s%s", prefix, route->pattern);
    Span left = span_cstr(pattern), part;
    if (span_starts(left, SPAN("/")))
        left = span_sub(left, 1, SIZE_MAX);
    if (span_ends(left, SPAN("/")))
        left.n--;
    bool more = left.n > 0;
    size_t count = 0;
    RouterPiece *pieces = arena_alloc(arena, (left.n + 1) * sizeof *pieces);
    while (span_split(&left, '/', &part, &more))
        pieces[count++] = piece_of(arena, part);
    return (RouterEntry){.route = route,
                         .prefix = prefix,
                         .ctx = ctx,
                         .pattern = pattern,
                         .pieces = pieces,
                         .piece_count = count};
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
        router->entries[router->count++] = make_entry(router->arena, own, &routes[i], ctx);
}

size_t router_count(const Router *router)
{
    return router->count;
}

const RouterEntry *router_entry(const Router *router, size_t i)
{
    return &router->entries[i];
}

/* 0: the pattern is not this path's. Otherwise greater the more literal parts it has on the left. */
static uint64_t literalness(const RouterEntry *entry, const Url *url)
{
    uint64_t weight = 1;
    for (size_t i = 0; i < entry->piece_count; i++) {
        const RouterPiece *piece = &entry->pieces[i];
        if (i == url->part_count || (piece->kind == PIECE_LITERAL && strcmp(piece->text, url->parts[i]) != 0))
            return 0;
        weight |= i < PIECES_MAX ? (uint64_t)piece->kind << 2 * (PIECES_MAX - i) : 0;
        if (piece->kind == PIECE_REST)
            return weight;
    }
    return entry->piece_count == url->part_count ? weight : 0;
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
    for (size_t i = 0; i < url->part_count && i < entry->piece_count; i++) {
        const RouterPiece *piece = &entry->pieces[i];
        if (piece->kind == PIECE_LITERAL || strcmp(piece->text, name) != 0)
            continue;
        const char *text = url->parts[i];
        for (size_t k = i + 1; piece->kind == PIECE_REST && k < url->part_count; k++)
            text = arena_printf(arena, "%s/%s", text, url->parts[k]);
        return text;
    }
    return NULL;
}
