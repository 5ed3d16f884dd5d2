// SPDX-License-Identifier: MIT
/*
 * How rows of the index are shown: as text, CSV (RFC 4180) or JSON. Which columns there are follows from the index (idx_columns); which
 * of them a display level shows, in which order and under which label, is an interface.
 */
#ifndef GANTRY_CLI_ROWS_H
#define GANTRY_CLI_ROWS_H

#include "base/json.h"
#include "index/tables.h"

typedef enum RowsDisplay { ROWS_KEY, ROWS_MINIMAL, ROWS_FULL } RowsDisplay;
typedef enum RowsFormat { ROWS_TEXT, ROWS_CSV, ROWS_JSON } RowsFormat;

typedef struct RowsField {
    const char *label;
    size_t column; /* of idx_columns */
    bool bare;     /* text: the value alone on its line */
    bool size;     /* text: pretty */
    bool number;
} RowsField;

typedef struct Rows {
    RowsFormat format;
    bool ruled; /* text: a ruler before each record, labels before the values */
    RowsField *fields;
    size_t count;
} Rows;

/* `attributes` are those of the index whose rows are shown. */
Rows rows_make(const IdxAttributes *attributes, Arena *arena, DcmLevel level, RowsDisplay display,
               RowsFormat format);
/* The header of CSV. */
void rows_header(const Rows *rows, Buf *out);
/* The current row of the listing. JSON: an object, of the columns that are not null, keys sorted. */
void rows_write(const Rows *rows, const IdxListing *listing, Buf *out);

/* One CSV field. */
void rows_csv(Buf *out, Span value);

#endif
