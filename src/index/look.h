// SPDX-License-Identifier: MIT
/* What a key looks for (search.h), for the files that look: search.c (terms, dates of the base table), columns.c (extended attributes). */
#ifndef GANTRY_INDEX_LOOK_H
#define GANTRY_INDEX_LOOK_H

#include "dicom/datetime.h"
#include "index/search.h"

/* Names that have a piece are counted up to TERM_PIECE_ROWS: looking at one for the other pieces costs as much as counting seven. */
enum { TERM_PIECES_ASKED = 6, TERM_PIECES_COUNTED = 8, TERM_PIECE_ROWS = 5000 };

typedef struct TermPattern {
    enum { TERM_EQUAL, TERM_PREFIX, TERM_CONTAINS, TERM_PIECES } kind;
    Span text;
    Span pieces
        [TERM_PIECES_ASKED]; /* TERM_PIECES: in the order in which they are asked for; empty ones at the end */
} TermPattern;

struct IdxLook {
    const IdxAttribute
        *a; /* whose terms or column are searched: the study's list for Modality and SOP Class UID */
    Span value;
    int64_t rows;
    TermPattern *patterns;
    size_t pattern_count;
    bool
        by_column; /* an extended attribute whose column has an index: patterns or ranges are looked for there */
    DcmTimeRange *ranges;
    size_t range_count;
    bool odd;    /* some rows' dates are in no column */
    bool pieces; /* patterns that are beginnings or parts of terms: of one row they cannot be asked */
};

enum { IDX_MANY = IDX_FEW + 1 };

/* Printable ASCII without wildcards and delimiters. */
bool idx_is_plain(Span value);
/* The values of a date key, when all of them are dates or ranges; else 0. */
size_t idx_date_ranges(Span value, DcmTimeRange out[IDX_PATTERN_VALUES_MAX]);
/* The bounds of a range as YYYYMMDD, which `day` may hold. */
Span idx_first_day(DcmTimeRange range, char day[9]);
Span idx_last_day(DcmTimeRange range, char day[9]);

/* -- columns.c -- */

/* Looks whether the column has an index that helps, and how many rows there are; `narrows` is false when nothing is gained by the column. */
bool idx_look_in_column(IdxLook *look, Arena *arena, Db *db, const DcmMatchOptions *options, bool *narrows,
                        Err *err);
/* Conditions, with the index (look->by_column): rows gathered, the row at hand. */
void idx_rows_of_column(IdxSql *sql, const IdxLook *look);
void idx_column_of_row(IdxSql *sql, const IdxLook *look);

#endif
