// SPDX-License-Identifier: MIT
/* What `manage move` and `manage move_existing` share: many C-MOVE requests over a pool of associations. */
#ifndef GANTRY_CLI_MOVING_H
#define GANTRY_CLI_MOVING_H

#include "cli/keys.h"
#include "cli/secure.h"
#include "cli/wanted.h"

typedef struct MoveArgs {
    const char *ip, *called, *destination;
    int64_t port, verbosity;
    KeyArgs keys;
    WantedArgs wanted;
    bool json;
    /* move_existing only */
    const char *output;
    bool overwrite;
    SecureArgs secure;
} MoveArgs;

typedef struct MoveKey {
    const char *key;            /* of the level */
    const char *study, *series; /* above it; NULL: as the options say */
} MoveKey;

/* One request for each key; prints, and returns the exit code. */
int moving_run(Cli *cli, const MoveArgs *args, const MoveKey *keys, size_t count);
/* In the arena. */
const MoveKey *moving_keys(Arena *arena, const TextList *keys);

#endif
