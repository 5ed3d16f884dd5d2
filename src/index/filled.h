// SPDX-License-Identifier: MIT
/*
 * Which columns have been filled for everything that is stored (IdxFilling, index.h). Kept as notes: "filled TABLE.COLUMN" with the
 * tags that the column stands for and its size, "filled base", and "filling" with the attributes and the beginning of a fill that is under way.
 *
 * An index that writes takes away the notes of the attributes it does not have: its rows lack them. It looks when others have
 * written since its last transaction, for only they make such notes.
 */
#ifndef GANTRY_INDEX_FILLED_H
#define GANTRY_INDEX_FILLED_H

#include "index/database.h"

/* After the schema was opened, in a transaction of its own: where nothing is stored, everything is filled. */
bool idx_filled_settle(Db *db, Err *err);
/* Inside the writer's transaction. *seen remembers the notes of the last look, which need no second one; 0 at first. */
bool idx_filled_disown(Db *db, uint64_t *seen, Err *err);
/* Is the column of an extended attribute filled, cut to just the size that we would cut it to? It then has its index. */
bool idx_filled_column(Db *db, Arena *arena, const IdxAttribute *a, bool *out, Err *err);
/* A column of the base table is new. */
bool idx_filled_not(Db *db, Err *err);

#endif
