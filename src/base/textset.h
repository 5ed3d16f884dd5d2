// SPDX-License-Identifier: MIT
/* A set of texts that keeps the order of arrival. Copies live in the arena. */
#ifndef GANTRY_BASE_TEXTSET_H
#define GANTRY_BASE_TEXTSET_H

#include "base/arena.h"

typedef struct TextSet {
    Arena *arena;
    const char **items; /* in order of arrival */
    size_t count, capacity;
    uint32_t *slots; /* index + 1 into items; a power of two of them */
    size_t slot_count;
} TextSet;

TextSet textset_of(Arena *arena);
void textset_free(TextSet *set);
/* True when it is new. */
bool textset_add(TextSet *set, const char *text);

#endif
