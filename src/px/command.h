// SPDX-License-Identifier: MIT
/* The texts under `command`: what would have been asked with DCMTK's tools. For reading only; nothing of it is run. */
#ifndef GANTRY_PX_COMMAND_H
#define GANTRY_PX_COMMAND_H

#include "px/query.h"

const char *px_command_echo(Arena *arena, const char *echoscu, const ScuPeer *peer);
const char *px_command_find(Arena *arena, const char *findscu, const ScuPeer *peer, const PxKeys *keys);
/* `series_first`: the order in which --then retrieve names the two. */
const char *px_command_move(Arena *arena, const char *movescu, const ScuPeer *peer, const char *destination,
                            const char *study, const char *series, bool series_first);
const char *px_command_get(Arena *arena, const ScuPeer *peer, const char *study, const char *series);

#endif
