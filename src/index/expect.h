// SPDX-License-Identifier: MIT
/*
 * What is known of the instances that will be put in the open transaction: one question for all of them, instead of one for each. Where rows are
 * gathered (db_gathers) the same goes for patients, studies and series, and their rows are remembered as they are put, so that nothing has to be
 * read between the puts.
 */
#ifndef GANTRY_INDEX_EXPECT_H
#define GANTRY_INDEX_EXPECT_H

#include "base/arena.h"
#include "dicom/dataset.h"
#include "index/attributes.h"
#include "index/database.h"

/* The row of an instance; id 0 = there is none. */
typedef struct IdxExisting {
    int64_t id, parents[DCM_LEVEL_IMAGE], size;
    Span class;
} IdxExisting;

/* A patient, study or series under the one above it. */
typedef struct IdxExpectedParent {
    DcmLevel level;
    int64_t above, id; /* id 0 = there is none */
    Span key;
    const DcmDataset *row; /* as it is in the database, or will be; NULL = nobody looked */
    bool made;             /* by this transaction: what is not remembered below it is not there */
} IdxExpectedParent;

typedef struct IdxExpected {
    Arena *arena; /* NULL until first used */
    struct IdxExpectedRow *rows;
    size_t count;
    IdxExpectedParent **parents; /* open addressing */
    size_t parent_count, parent_capacity;
    bool remembers; /* parents */
} IdxExpected;

void idx_expected_clear(IdxExpected *expected);
void idx_expected_free(IdxExpected *expected);
/* NULL = nothing is known. */
IdxExpectedParent *idx_expected_parent(const IdxExpected *expected, DcmLevel level, int64_t above, Span key);
/* Remembers a parent and its row, which is copied (NULL = not), if this is remembered. */
void idx_expected_remember(IdxExpected *expected, DcmLevel level, int64_t above, Span key, int64_t id,
                           const DcmDataset *row);
/* The same for one that this transaction made. */
void idx_expected_made(IdxExpected *expected, DcmLevel level, int64_t above, Span key, int64_t id,
                       const DcmDataset *row);
/* The row of an instance by its key, in the arena: remembered (once, for it may change now) or looked up. */
bool idx_existing(IdxExpected *expected, Db *db, Arena *arena, Span key, IdxExisting *out, Err *err);

#endif
