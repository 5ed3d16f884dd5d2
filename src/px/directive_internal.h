// SPDX-License-Identifier: MIT
/* What the files of px/directive*.c share. Only those files include this. */
#ifndef GANTRY_PX_DIRECTIVE_INTERNAL_H
#define GANTRY_PX_DIRECTIVE_INTERNAL_H

#include "px/directive.h"

/* What a list gave; strings in the arena. */
typedef struct PxEntries {
    Arena *arena;
    const char *substring;
    PxEntry *items;
    size_t count, capacity;
} PxEntries;

/* Those whose names begin with `prefix` and have the substring. */
bool px_entries_list(PxStorage *storage, const char *prefix, bool hashes, PxEntries *entries, Err *err);
void px_entries_free(PxEntries *entries);

/* -- directive_pull.c -- */

bool px_directive_pull(const PxDirectives *directives, const char *from, const char *to,
                       const char *substring, json_t *result, Err *err);

#endif
