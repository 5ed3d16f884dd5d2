// SPDX-License-Identifier: MIT
/* What became of packed files, as JSON: for programs that read what px-repack of pypx prints, and one line for each file as rx-repack writes. */
#ifndef GANTRY_PX_PACK_RESULT_H
#define GANTRY_PX_PACK_RESULT_H

#include "px/pack.h"

/* A member of `run` in pypx's document, with its members and their order, statuses that are true, and of the tags the one list that says values. What
   pypx does not have follows behind: outcome, beside, error. */
json_t *px_pack_result(const PxPacked *packed, bool cleanup);
/* {"src", "dst", "err", …}; null is what does not apply. */
json_t *px_pack_line(const PxPacked *packed);

#endif
