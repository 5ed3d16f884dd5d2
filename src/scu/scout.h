// SPDX-License-Identifier: MIT
/*
 * Which SOP classes will a C-GET bring? With the classes known there is room for a presentation context per transfer syntax, so
 * that objects come as they are stored, and none is left out because the 128 contexts ran out.
 */
#ifndef GANTRY_SCU_SCOUT_H
#define GANTRY_SCU_SCOUT_H

#include "base/textset.h"
#include "scu/scu.h"

/* Asks the peer by C-FIND what an entity of this level has, by its unique key; `study` and `series` are the keys above it, NULL where unknown. The set is
   added to; it stays as it is when the peer does not say. That is no error. */
void scout_classes(ScuQuery *query, DcmLevel level, const char *study, const char *series, const char *key,
                   TextSet *classes);

#endif
