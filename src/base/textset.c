// SPDX-License-Identifier: MIT
/* Open addressing with linear probing, at most half full. */
#include "base/textset.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

TextSet textset_of(Arena *arena)
{
    return (TextSet){.arena = arena};
}

void textset_free(TextSet *set)
{
    free(set->items);
    free(set->slots);
    *set = (TextSet){0};
}

static size_t slot_of(const TextSet *set, const char *text)
{
    size_t at = (size_t)XXH3_64bits(text, strlen(text)) & (set->slot_count - 1);
    while (set->slots[at] && strcmp(set->items[set->slots[at] - 1], text))
        at = (at + 1) & (set->slot_count - 1);
    return at;
}

static void grow(TextSet *set)
{
    set->capacity = set->capacity ? set->capacity * 2 : 64;
    set->slot_count = set->capacity * 2;
    set->items = realloc(set->items, set->capacity * sizeof *set->items);
    free(set->slots);
    set->slots = calloc(set->slot_count, sizeof *set->slots);
    if (!set->items || !set->slots)
        abort();
    for (size_t i = 0; i < set->count; i++)
        set->slots[slot_of(set, set->items[i])] = (uint32_t)(i + 1);
}

bool textset_add(TextSet *set, const char *text)
{
    if (set->count == set->capacity)
        grow(set);
    size_t at = slot_of(set, text);
    if (set->slots[at])
        return false;
    set->items[set->count++] = arena_strdup(set->arena, text);
    set->slots[at] = (uint32_t)set->count;
    return true;
}
