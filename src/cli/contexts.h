// SPDX-License-Identifier: MIT
/* Named sets of presentation contexts, app/contexts.yml: `manage store -context NAME`. */
#ifndef GANTRY_CLI_CONTEXTS_H
#define GANTRY_CLI_CONTEXTS_H

#include "cli/cli.h"

typedef struct ContextSet {
    TextList classes, syntaxes; /* UIDs */
} ContextSet;

/* False with err->code ERR_NOT_FOUND when there is no such set; another code when the file is wrong. */
bool contexts_find(Arena *arena, const Settings *settings, const char *name, ContextSet *out, Err *err);

#endif
