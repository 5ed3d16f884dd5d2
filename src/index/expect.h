// SPDX-License-Identifier: MIT
/* What is known of the instances that will be put in the open transaction: one question for all of them, instead of one for each. */
#ifndef GANTRY_INDEX_EXPECT_H
#define GANTRY_INDEX_EXPECT_H

#include "base/arena.h"
#include "index/attributes.h"
#include "index/database.h"

/* The row of an instance; id 0 = there is none. */
typedef struct IdxExisting {
    int64_t id, parents[DCM_LEVEL_IMAGE], size;
    Span class;
} IdxExisting;

typedef struct IdxExpected {
    Arena *arena; /* NULL until first used */
    struct IdxExpectedRow *rows;
    size_t count;
} IdxExpected;

void idx_expected_clear(IdxExpected *expected);
void idx_expected_free(IdxExpected *expected);
/* The row of an instance by its key, in the arena: remembered (once, for it may change now) or looked up. */
bool idx_existing(IdxExpected *expected, Db *db, Arena *arena, Span key, IdxExisting *out, Err *err);

#endif
