// SPDX-License-Identifier: MIT
/*
 * The tables as the operator's commands see them: rows with their columns by name, keys that are there or not, lists of studies to
 * fetch, figures by modality, and taking the tables away. What columns there are follows from the attribute table.
 *
 * Reading calls may come from any thread; each open listing or look-up holds a reading connection. Values are bound parameters.
 */
#ifndef GANTRY_INDEX_TABLES_H
#define GANTRY_INDEX_TABLES_H

#include "index/attributes.h"
#include "index/index.h"

/* -- rows -- */

typedef struct IdxColumn {
    const char *name;
    const IdxAttribute *attribute; /* NULL: bookkeeping, as file_path */
    bool number;
} IdxColumn;

/* The columns of a level's table in a stable order: the id, the attributes, then bookkeeping. In the arena. */
const IdxColumn *idx_columns(const IdxAttributes *attributes, Arena *arena, DcmLevel level, size_t *count);
/* The attributes of an index: the base table and what its settings added. They live as long as the index. */
const IdxAttributes *idx_attributes_of(const Index *index);

typedef struct IdxListAsk {
    DcmLevel level;            /* whose rows */
    DcmLevel by;               /* whose key the values are … */
    bool by_modality;          /* … unless they are modalities of series */
    const char *const *values; /* UTF-8, exact; at most 10,000 */
    size_t count;              /* 0: every row */
} IdxListAsk;

typedef struct IdxListing IdxListing;
/* In order of first storing. A row comes once, however many values lead to it. */
IdxListing *idx_list(Index *index, const IdxListAsk *ask, Err *err);
/* *row = false at the end. */
bool idx_list_next(IdxListing *listing, bool *row, Err *err);
/* The value of a column of idx_columns, in the current row, as text. Lives until the next row. */
bool idx_list_value(const IdxListing *listing, size_t column, Span *out); /* false: null */
void idx_list_close(IdxListing *listing);

/* -- keys -- */

typedef struct IdxLookup IdxLookup;
/* One state of the database, until closed. */
IdxLookup *idx_lookup_open(Index *index, Err *err);
bool idx_lookup_has(IdxLookup *lookup, DcmLevel level, const char *key, bool *found, Err *err);
/* The keys at level `to` that belong to a key of level `from`: those below it, or the one (rarely: ones) above it. */
typedef bool (*IdxKeyVisit)(void *ctx, const char *key, Err *err);
bool idx_lookup_related(IdxLookup *lookup, DcmLevel from, const char *key, DcmLevel to, IdxKeyVisit visit,
                        void *ctx, Err *err);
void idx_lookup_close(IdxLookup *lookup);

/* -- lists of studies (table study_list) -- */

/* Appends a list under the next number (idx_study_list reads it). `day` is YYYY-MM-DD. In a transaction of its own. */
bool idx_study_list_add(Index *index, const char *const *studies, size_t count, const char *day,
                        int64_t *number, Err *err);
/* -- figures -- */

typedef struct IdxModality {
    const char *modality;
    uint64_t patients, studies, series, instances, bytes, errors;
} IdxModality;
/* One for each modality, most instances first; from the counters of the series. In the arena. */
bool idx_modalities(Index *index, Arena *arena, IdxModality **out, size_t *count, Err *err);

/* Of the latest 500 objects. */
typedef struct IdxSpeed {
    bool any;        /* something is stored */
    bool measurable; /* it was stored at more than one moment: the rates are there */
    double seconds, files_per_second, bytes_per_second;
} IdxSpeed;
bool idx_speed(Index *index, IdxSpeed *out, Err *err);

/* -- all of it -- */

/* Takes away the tables and views of the index, and nothing else that may be in the database; fails without having changed anything when something
   that is not ours hangs on them. Afterwards the index can only be closed. */
bool idx_drop(Index *index, Err *err);

#endif
