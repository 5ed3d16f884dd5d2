// SPDX-License-Identifier: MIT
/* One entry of a white list, from YAML. What restricts and cannot be understood makes the whole entry void, so that a slip never opens a door. */
#ifndef GANTRY_SCP_PEER_ENTRY_H
#define GANTRY_SCP_PEER_ENTRY_H

#include "base/yaml.h"
#include "scp/peers.h"

typedef struct PeerTold {
    void (*complain)(void *ctx, int line, const char *what);
    void *ctx;
} PeerTold;

/* Fills `entry` but for its file, in the arena. False when it is void: `told` says why. */
bool peer_entry_read(Arena *arena, const YamlNode *node, PeerEntry *entry, const PeerTold *told);

#endif
