// SPDX-License-Identifier: MIT
/*
 * Which SOP classes will a C-GET bring? With the classes known there is room for a presentation context per transfer syntax, so
 * that objects come as they are stored, and none is left out because the 128 contexts ran out.
 */
#ifndef GANTRY_CLI_SCOUT_H
#define GANTRY_CLI_SCOUT_H

#include "cli/keys.h"
#include "cli/textset.h"

/* Asks the peer by C-FIND. The set stays empty when it does not say; that is no error. */
void scout_classes(const ScuPeer *peer, DcmLevel level, const KeyArgs *given, const char *key,
                   TextSet *classes);

#endif
