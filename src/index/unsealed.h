// SPDX-License-Identifier: MIT
/*
 * Objects whose SHA-256 has not been taken yet: their rows have 32 zero bytes in its place. An index of its own leads to them, so that asking costs nothing
 * where there are none. Rows that hold nothing there at all (of SPHERE's) are not among them.
 */
#ifndef GANTRY_INDEX_UNSEALED_H
#define GANTRY_INDEX_UNSEALED_H

#include "index/index.h"

typedef struct IdxUnsealed {
    int64_t id; /* of the row */
    IdxFile file;
} IdxUnsealed;

/* Up to `limit` of them with ids above `after`, in their order, in the arena. From any thread. */
bool idx_unsealed(Index *index, Arena *arena, int64_t after, size_t limit, IdxUnsealed **out, size_t *count,
                  Err *err);
/* Inside the writer's transaction: the row gets its SHA-256, if it is still that of the content that was read and has none. A row that was
   replaced meanwhile is left alone, which is no error. */
bool idx_seal(Index *index, const IdxUnsealed *read, const uint8_t sha256[32], Err *err);

#endif
