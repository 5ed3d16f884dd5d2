// SPDX-License-Identifier: MIT
/* SeaHash, 64 bits, with the seeds of its reference: the short hashes in the names of pypx 3.12 and oxidicom. Not for secrets. */
#ifndef GANTRY_PX_SEAHASH_H
#define GANTRY_PX_SEAHASH_H

#include "base/span.h"

uint64_t px_seahash(Span bytes);

#endif
