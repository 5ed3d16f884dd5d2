// SPDX-License-Identifier: MIT
/*
 * One row of a level's table and the data set that it stands for: the attributes of that level, in UTF-8. row.c decides which column
 * holds what; a data set that goes into a row and comes out again matches and reads the same.
 */
#ifndef GANTRY_INDEX_ROW_H
#define GANTRY_INDEX_ROW_H

#include "base/buf.h"
#include "dicom/dataset.h"
#include "index/attributes.h"
#include "index/database.h"

enum {
    IDX_VALUE_MAX = 16 * 1024,      /* larger attributes are not indexed */
    IDX_ATTRIBUTES_MAX = 60 * 1024, /* of one row, together */
};

/* The attributes of a level that `object` has, in UTF-8, in the arena. What ingest keeps (lists, counts) is not among them. */
DcmDataset *idx_row_of_object(Arena *arena, const IdxAttributes *set, const DcmDataset *object,
                              DcmLevel level);
/* A fingerprint's raw material: the bytes of the level's attributes as the object has them. */
void idx_row_bytes(const IdxAttributes *set, const DcmDataset *object, DcmLevel level, Buf *out);

/* Binds the columns of the attribute table that are not kept by ingest, behind `attributes`, which comes first. `key` is the value for the
   column of the unique key. Scratch memory comes from the arena. */
bool idx_row_bind(DbStatement *statement, Arena *arena, const DcmDataset *row, DcmLevel level, Span key,
                  Err *err);
/* The data set of a row that idx_sql_columns selected, its first column at `first`. `counts` = with lists and counts, and with nested
   attributes at the top as well, where keys look for them. `wanted` as it was given to idx_sql_columns: the data set has at least those. */
DcmDataset *idx_row_read(DbStatement *statement, int first, Arena *arena, DcmLevel level, bool counts,
                         const DcmVr *wanted, Err *err);

/* The same by id; NULL and err when there is no such row. Without lists and counts. */
DcmDataset *idx_row_load(Db *db, Arena *arena, DcmLevel level, int64_t id, Err *err);
DcmDataset *idx_row_copy(Arena *arena, const DcmDataset *row);
/* Lists and counts. */
static inline bool idx_is_kept_by_ingest(const IdxAttribute *a)
{
    return a->kind == IDX_LIST || a->kind == IDX_COUNT;
}
/* Binary whole numbers. */
bool idx_is_integer(DcmVr vr);
#define IDX_UNKNOWN "Unknown" /* the modality of what has none */

/* Do two elements say the same? */
bool idx_row_same(const DcmElement *a, const DcmElement *b);

/* Is this text that every database takes: UTF-8 without NUL? */
bool idx_is_text(Span s);
/* Appends `s` without the bytes that are none. */
void idx_append_text(Buf *out, Span s);
/* A key as its column holds it: as it is up to 64 characters; longer ones, and those that are no UTF-8, keep their beginning and end in
   a hash, so that different ones stay different. */
Span idx_key(Arena *arena, Span utf8);
/* The first `chars` characters. */
Span idx_cut(Span utf8, int chars);
/* True and YYYYMMDD when the text is one day. */
bool idx_day(Span text, char out[9]);

#endif
