// SPDX-License-Identifier: MIT
/*
 * The one table of indexed attributes. Schema, rows, query keys and answers derive from it: adding an attribute is adding a row.
 * An open index has a table of its own: the base table, and the extended attributes that the user's settings ask for (extended.h). It does
 * not change while the index is open.
 *
 * Each level has a table of its own. An attribute either has a column there (those that SPHERE has, and those that are
 * sorted or searched by) or is kept with the others in the row's `attributes`, a data set in explicit VR little endian,
 * UTF-8. A value that its column cannot hold exactly (too long, several dates, "007") is kept in `attributes` as well,
 * and what is there counts.
 */
#ifndef GANTRY_INDEX_ATTRIBUTES_H
#define GANTRY_INDEX_ATTRIBUTES_H

#include "dicom/level.h"
#include "dicom/tag.h"
#include "dicom/vr.h"

#include <stddef.h>

typedef enum IdxColumnKind {
    IDX_KEPT,     /* no column: in `attributes` */
    IDX_KEY,      /* the unique key of the level */
    IDX_TEXT,     /* UTF-8, values joined by backslash, cut to `chars` */
    IDX_MODALITY, /* the same, 'Unknown' where the object has none */
    IDX_DATE,     /* YYYYMMDD where the value is a date, as it is otherwise */
    IDX_INTEGER,
    IDX_LIST,  /* kept by ingest: different values of the objects below, joined by backslash */
    IDX_COUNT, /* kept by ingest: how many studies, series, instances are below */
} IdxColumnKind;

/* How SQL narrows a search by the attribute. Whatever it lets through is decided by dicom/match.h. */
typedef enum IdxSearch {
    IDX_SCAN,  /* not at all */
    IDX_EXACT, /* by the column, exactly: UIDs that are keys */
    IDX_TERM,  /* by folded terms: single values and wildcards */
    IDX_RANGE, /* by the date column */
    IDX_AMONG, /* by the list kept with the study */
    IDX_EQUAL, /* by the column of an extended attribute and its index, where the key is plain text or days */
} IdxSearch;

typedef struct IdxAttribute {
    DcmLevel level;
    DcmTag tag;
    const char *column; /* NULL for IDX_KEPT */
    const char *type;   /* SQL type */
    int chars;          /* longest text, in characters; 0 = any */
    IdxColumnKind kind;
    IdxSearch search;
    bool extended; /* asked for by the user's settings */
    bool added;    /* and not in the base table */
    DcmVr
        vr; /* of what the column holds, where the user's settings made it; else DCM_VR_NONE: the dictionary says it */
    /* Nested: the sequences it lies in, from the top; the column has the value of their first items. NULL = at the top. */
    const DcmTag *parents;
    size_t parent_count;
    bool has_nested; /* a sequence that nested attributes of this level lie in … */
    bool trimmed;    /* … and of which only they are kept */
} IdxAttribute;

/* In order of level, tag; of several with the same tag those at the top first, then nested ones as the user listed them. The first
   of them is the one that the tag means in a query. */
typedef struct IdxAttributes {
    const IdxAttribute *rows;
    size_t count;
    size_t extended; /* how many of the rows are */
    DcmTag last;     /* the highest tag at the top of a data set among the extended ones; 0 = none */
} IdxAttributes;

extern const IdxAttributes idx_base_attributes;

/* The rows of one level. */
const IdxAttribute *idx_attributes(const IdxAttributes *set, DcmLevel level, size_t *count);
/* The row of just this level. */
const IdxAttribute *idx_attribute_at(const IdxAttributes *set, DcmTag tag, DcmLevel level);
/*
 * The row that decides about a key in a query at `level`: the deepest one at that level or above, else the shallowest below;
 * NULL when the attribute is not indexed. (Protocol Name is an attribute of series, and SPHERE has it with the study as well.) A row that
 * was added decides only where the base table has none at the level or above: what PatientID means does not change.
 */
const IdxAttribute *idx_attribute(const IdxAttributes *set, DcmTag tag, DcmLevel level);

/* The tables, by level. */
typedef struct IdxTable {
    const char *name, *alias;
    const char *id;  /* surrogate key */
    const char *uid; /* column of the unique key */
} IdxTable;
extern const IdxTable idx_tables[DCM_LEVEL_COUNT];

#endif
