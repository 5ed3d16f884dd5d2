// SPDX-License-Identifier: MIT
/* A query made ready: which key is decided where, and the SQL. query.c makes it, cursor.c follows it. */
#ifndef GANTRY_INDEX_PLAN_H
#define GANTRY_INDEX_PLAN_H

#include "index/index.h"
#include "index/internal.h"
#include "index/search.h"

typedef struct IdxKeyList {
    const DcmElement **keys;
    size_t count;
} IdxKeyList;

typedef struct IdxPlan {
    Arena *arena;
    const IdxAttributes *attributes;
    DcmLevel level;
    DcmMatchOptions match;
    const DcmDataset *keys;         /* the query's, in UTF-8 */
    const IdxAttribute **attribute; /* of each of them: who decides about it, NULL = nobody */
    const DcmVr *wanted; /* by row of the attribute table: what answers and matching need; NULL = all */
    IdxKeyList decide
        [DCM_LEVEL_COUNT]; /* keys with a value, by the level whose row decides; those below `level` by a child */
    DcmLevel deepest;      /* the lowest level that has keys to decide; `level` when there are none below */
    bool all_attributes, extended_attributes, unsupported_key;
    bool first_matters; /* rows come in the order of an index, few are passed over */
    uint64_t limit, offset;
    int64_t newest;
    int column[DCM_LEVEL_COUNT]; /* where those of a level begin in `rows`, or in `children` */
    IdxSql rows;                 /* `level` and above: idx_sql_columns of each, from PATIENT down */
    IdxSql children;             /* the levels below, down to `deepest`; last parameter: id of the row */
} IdxPlan;

/* The keys sorted out; everything lives in the arena. Free with idx_plan_done. */
bool idx_plan_make(IdxPlan *plan, Arena *arena, Db *db, const IdxQuery *query, Err *err);
void idx_plan_done(IdxPlan *plan);

#endif
