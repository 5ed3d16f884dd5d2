// SPDX-License-Identifier: MIT
/*
 * Arena: bump allocation for one unit of work (an association message, a request, a parsed data set); freed whole.
 *
 * `limit` is a high-water mark in bytes: beyond it arena_try returns NULL, and arena_alloc (for sizes that are ours,
 * not the peer's) ends the process. Not thread-safe: an arena belongs to one thread at a time.
 */
#ifndef GANTRY_BASE_ARENA_H
#define GANTRY_BASE_ARENA_H

#include "base/span.h"
#include <stdarg.h>

typedef struct Arena Arena;

/* limit 0 = no limit. Never returns NULL. */
Arena *arena_new(size_t limit);
void arena_free(Arena *arena); /* NULL is fine */
/* Forgets everything, keeps the first block for reuse. */
void arena_reset(Arena *arena);
/* Bytes handed out since the start or last reset. */
size_t arena_used(const Arena *arena);

/* Zeroed, aligned for any type. NULL when `n` would pass the limit (or memory is short). */
void *arena_try(Arena *arena, size_t n);
/* The same for sizes we chose ourselves: ends the process instead of returning NULL. */
void *arena_alloc(Arena *arena, size_t n);
/* count*size with overflow check; NULL like arena_try. */
void *arena_try_array(Arena *arena, size_t count, size_t size);

char *arena_strdup(Arena *arena, const char *text);
/* A NUL-terminated copy. */
char *arena_span_cstr(Arena *arena, Span s);
Span arena_span(Arena *arena, Span s);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
