// SPDX-License-Identifier: MIT
/*
 * The lists that are kept with a study, of its modalities and SOP classes: what the objects of the open transaction add to them is gathered here
 * and written once per commit (counters.c).
 */
#ifndef GANTRY_INDEX_KEPT_LISTS_H
#define GANTRY_INDEX_KEPT_LISTS_H

#include "base/buf.h"
#include "index/database.h"

typedef enum IdxKeptKind { IDX_KEPT_MODALITIES, IDX_KEPT_CLASSES, IDX_KEPT_KINDS } IdxKeptKind;

/* One list: values joined by backslash, those from `had` on are new. */
typedef struct IdxKeptList {
    Buf text;
    size_t had;
    bool lacks; /* something new did not fit */
} IdxKeptList;

typedef struct IdxKeptStudy {
    int64_t study; /* 0 = free slot */
    bool made_now; /* by this transaction */
    IdxKeptList lists[IDX_KEPT_KINDS];
} IdxKeptStudy;

/* Zeroed = empty. */
typedef struct IdxKept {
    IdxKeptStudy *slots; /* open addressing */
    size_t count, capacity;
} IdxKept;

void idx_kept_free(IdxKept *kept);
void idx_kept_clear(IdxKept *kept);
/* The lists of a study, read from the database if they are not here yet; `made_now` = it was made by this transaction and has none. Valid until the
   next call. NULL and err. */
IdxKeptStudy *idx_kept_study(IdxKept *kept, Db *db, int64_t study, bool made_now, Err *err);
/* The lists of a study as far as they are here; NULL = nothing was added. */
const IdxKeptStudy *idx_kept_find(const IdxKept *kept, int64_t study);
/* Adds values joined by backslash. */
void idx_kept_add(IdxKeptStudy *study, IdxKeptKind kind, Span values);
bool idx_kept_changed(const IdxKeptStudy *study, IdxKeptKind kind);
/* Writes what the new values are searched by. */
bool idx_kept_write_terms(const IdxKept *kept, Db *db, Err *err);

/* Appends the values of a backslash list that `list` lacks. False when one of them does not fit within the limits of search.h. */
bool idx_list_add(Buf *list, Span values);

#endif
