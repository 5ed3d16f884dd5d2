// SPDX-License-Identifier: MIT
/*
 * Narrowing by SQL. Every condition lets through all rows that dicom/match.h would match, and perhaps more; what is let through is
 * decided by dicom/match.h.
 *
 * Terms are what text is searched by: values (of person names: component groups) folded without case, accents and spaces. A value
 * that has no good term (too long, with a NUL inside …) has the term IDX_TERM_ODD, which every search by terms finds.
 */
#ifndef GANTRY_INDEX_SEARCH_H
#define GANTRY_INDEX_SEARCH_H

#include "base/buf.h"
#include "dicom/dataset.h"
#include "dicom/match.h"
#include "index/attributes.h"
#include "index/database.h"

#define IDX_TERM_ODD "\x7f"

enum {
    IDX_LIST_MAX = 10000, /* UIDs in one key or selection */
    IDX_LIST_TEXT_MAX =
        4000, /* bytes of modalities_in_study and sop_classes_in_study; values beyond are not added */
    IDX_LIST_VALUE_MAX = 64,     /* of one of their values */
    IDX_PATTERN_VALUES_MAX = 64, /* values in one key outside UI */
    IDX_FEW = 2000
};

/* -- terms of a row, for ingest -- */
typedef bool (*IdxTermVisit)(void *ctx, const IdxAttribute *attribute, Span term, Err *err);
/* Calls for each term of each attribute of the level; the same term may come twice. */
bool idx_terms(const DcmDataset *row, DcmLevel level, IdxTermVisit visit, void *ctx, Err *err);
/* The terms of a row that has none yet. */
bool idx_terms_gather(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err);
/* Of a patient that has terms, but not the pieces of its names (terms.h). */
bool idx_name_pieces_gather(Db *db, const DcmDataset *patient, int64_t id, Err *err);
/* Writes or removes the terms of a row's data set. */
bool idx_terms_write(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err);
bool idx_terms_remove(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err);
/* The same for the values of a list that is kept with a study. `all` = the list has every value there is, none was too long for it. */
bool idx_list_terms_gather(Db *db, DcmTag list, Span values, bool all, int64_t study, Err *err);
bool idx_list_terms_write(Db *db, DcmTag list, Span values, bool all, int64_t study, Err *err);
bool idx_list_terms_remove(Db *db, DcmTag list, Span values, int64_t study, Err *err);

/* -- conditions -- */
typedef struct IdxParam {
    Span text;
    int64_t number;
    bool is_text;
} IdxParam;

/* SQL text under construction and what it binds, in the arena. */
typedef struct IdxSql {
    Arena *arena;
    const DbDialect *dialect;
    Buf text;
    IdxParam *params;
    size_t count, capacity;
    bool selective;      /* a condition is there whose rows are gathered, in no order */
    bool of_studies;     /* its rows are studies: ids of patients are taken from them */
    bool reads_patients; /* a condition names a column that only the patient has */
} IdxSql;

void idx_sql_init(IdxSql *sql, const DbDialect *dialect, Arena *arena);
void idx_sql_free(IdxSql *sql);
void idx_sql_text(IdxSql *sql, Span value);
void idx_sql_number(IdxSql *sql, int64_t value);
/* Prepares and binds; the arena must outlive the statement's use. */
DbStatement *idx_sql_prepare(IdxSql *sql, Db *db, DbUse use, Err *err);
/* Appends the id that the row at hand has of a level: "s.study_id". */
void idx_sql_row_id(IdxSql *sql, DcmLevel level);
/* A column of the row of a level: "s.date_study", in the arena. */
char *idx_sql_row_column(IdxSql *sql, const IdxAttribute *a);
/* "column = ?" or "column IN (the list)". */
bool idx_sql_among(IdxSql *sql, const char *column, const char *const *values, size_t count, Err *err);

/*
 * A key that columns or terms can narrow by. How many rows have what it looks for is counted, up to IDX_FEW (pieces of names further, look.h): the narrowest key of a query
 * then drives it, its rows being gathered and sorted, while the others are looked at row by row. When all keys let many rows
 * through, none drives: rows are passed by in the order of the answer, which begins at once.
 */
typedef struct IdxLook IdxLook;

/* *out = NULL where the key cannot narrow; in the arena, which `key` must outlive. `attribute` is the key's row for a query at its level. */
bool idx_look(Arena *arena, Db *db, const IdxAttribute *attribute, const DcmElement *key,
              const DcmMatchOptions *options, IdxLook **out, Err *err);
/* What it takes to gather its rows for a query at `level`; more than IDX_FEW = they are many. */
int64_t idx_look_cost(const IdxLook *look, DcmLevel level);
/* Appends " AND <condition>" to a query at `level`. The tables of `level` and above are there under their aliases. */
bool idx_narrow(IdxSql *sql, DcmLevel level, const IdxLook *look, bool drives, Err *err);

#endif
