// SPDX-License-Identifier: MIT
/*
 * Blocks form a list, newest first. A request larger than half a block gets a block of its own, put behind the
 * current one so that the current one goes on filling. The first block is small: malloc has such pieces at hand for each thread,
 * and many arenas never hold more.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 1024 - 64, BLOCK_SIZE = 16 * 1024 - 64 };

typedef struct Block {
    struct Block *next;
    size_t size, used;
    alignas(max_align_t) uint8_t bytes[];
} Block;

struct Arena {
    Block *blocks;
    size_t limit, used;
};

static Block *block_new(size_t size)
{
    Block *block = malloc(sizeof *block + size);
    if (block)
        *block = (Block){.size = size};
    return block;
}

Arena *arena_new(size_t limit)
{
    Arena *arena = malloc(sizeof *arena); /* glibc's calloc takes nothing from what the thread has at hand */
    if (!arena)
        abort();
    *arena = (Arena){.limit = limit ? limit : SIZE_MAX};
    return arena;
}

static void free_blocks(Block *block)
{
    while (block) {
        Block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena->blocks);
    free(arena);
}

void arena_reset(Arena *arena)
{
    Block *first = arena->blocks;
    arena->used = 0;
    if (!first)
        return;
    free_blocks(first->next);
    first->next = NULL;
    first->used = 0;
    if (first->size > BLOCK_SIZE) {
        free(first);
        arena->blocks = NULL;
    }
}

size_t arena_used(const Arena *arena)
{
    return arena->used;
}

static Block *block_for(Arena *arena, size_t n)
{
    Block *current = arena->blocks;
    if (current && current->size - current->used >= n)
        return current;
    size_t usual = current || n > FIRST_SIZE / 2 ? BLOCK_SIZE : FIRST_SIZE;
    Block *fresh = block_new(n > BLOCK_SIZE / 2 ? n : usual);
    if (!fresh)
        return NULL;
    if (current && n > BLOCK_SIZE / 2) {
        fresh->next = current->next;
        current->next = fresh;
    } else {
        fresh->next = current;
        arena->blocks = fresh;
    }
    return fresh;
}

void *arena_try(Arena *arena, size_t n)
{
    size_t align = alignof(max_align_t);
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + align - 1) & ~(align - 1);
    if (n > arena->limit || arena->used > arena->limit - n)
        return NULL;
    Block *block = block_for(arena, n);
    if (!block)
        return NULL;
    void *p = block->bytes + block->used;
    block->used += n;
    arena->used += n;
    return memset(p, 0, n);
}

void *arena_alloc(Arena *arena, size_t n)
{
    void *p = arena_try(arena, n);
    if (!p) {
        fprintf(stderr, "gantry: out of memory (%zu bytes)\n", n);
        abort();
    }
    return p;
}

void *arena_try_array(Arena *arena, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    return arena_try(arena, n);
}

char *arena_strdup(Arena *arena, const char *text)
{
    return arena_span_cstr(arena, span_cstr(text));
}

char *arena_span_cstr(Arena *arena, Span s)
{
    char *copy = arena_alloc(arena, s.n + 1);
    if (s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

Span arena_span(Arena *arena, Span s)
{
    return span_of(arena_span_cstr(arena, s), s.n);
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    char brief[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(brief, sizeof brief, format, args);
    va_end(args);
    char *text = arena_alloc(arena, (size_t)(n < 0 ? 0 : n) + 1);
    if (n < (int)sizeof brief)
        return n > 0 ? memcpy(text, brief, (size_t)n) : text;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}
