// SPDX-License-Identifier: MIT
/*
 * Counters of patients, studies and series, and the totals. What puts and removes change is gathered here and written once per commit, with
 * what the lists of modalities and classes gained; after something was taken away those lists are made anew, and parents that have become empty are
 * removed.
 */
#ifndef GANTRY_INDEX_COUNTERS_H
#define GANTRY_INDEX_COUNTERS_H

#include "base/buf.h"
#include "dicom/level.h"
#include "index/database.h"
#include "index/kept_lists.h"

typedef struct IdxDelta {
    int64_t id;
    int64_t studies, series, instances, bytes;
    DcmLevel level;
    bool relist; /* STUDY: lists must be made anew; PATIENT: so must the newest study */
} IdxDelta;

typedef struct IdxCounters {
    IdxDelta *slots; /* open addressing; id 0 = free */
    size_t count, capacity;
    IdxDelta totals; /* `id` counts patients */
    IdxKept kept;
} IdxCounters;

enum { IDX_COUNTERS_MAX = 8192 };

void idx_counters_free(IdxCounters *counters);
void idx_counters_clear(IdxCounters *counters);
/* Adds to what is gathered for (delta->level, delta->id). */
void idx_counters_add(IdxCounters *counters, const IdxDelta *delta);
/* Writes and clears. *removed is set when rows of parents were removed. `now` goes into dt_completion. */
bool idx_counters_write(IdxCounters *counters, Db *db, const char *now, bool *removed, Err *err);

#endif
