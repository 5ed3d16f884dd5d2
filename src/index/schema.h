// SPDX-License-Identifier: MIT
/*
 * Tables, views and the statements that follow from the attribute table, as SQL text. Column and table names come from tables of ours
 * only; every value is a parameter.
 */
#ifndef GANTRY_INDEX_SCHEMA_H
#define GANTRY_INDEX_SCHEMA_H

#include "base/buf.h"
#include "index/attributes.h"
#include "index/database.h"

enum { IDX_SCHEMA_VERSION = 7, IDX_APPLICATION_ID = 0x474e5452 };

/* The columns of attributes are those of the index that the connection belongs to. */

/* Every table, index and view of an empty database. */
void idx_sql_schema(Buf *sql, const Db *db);
/* What is not the four tables of the levels: other tables, indexes, views. */
void idx_sql_around(Buf *sql, const DbDialect *dialect);
/* The tables that came later, where they are missing: of annotations, of files that were replaced. */
void idx_sql_later_tables(Buf *sql, const DbDialect *dialect);
/* The indexes that are missing; the views, which must not be there. */
void idx_sql_indexes(Buf *sql, const DbDialect *dialect);
/* Adds to four tables of SPHERE's the columns that ours have and they lack (PostgreSQL). */
void idx_sql_complete(Buf *sql, const Db *db);
/* Adds columns of attributes that got one since the database was made, and widens those that are narrower than they shall be. */
bool idx_schema_add_columns(Db *db, Err *err);
enum { IDX_COLUMN_KEY_CHARS = 200 }; /* of a text, that an index has */
/* What the index of an extended attribute's column has of it: the text, or IDX_TERM_ODD where the column does not say all there is to
   say. `alias` "" or "i.". NULL columns are not in the index. */
void idx_sql_column_key(Buf *sql, const DbDialect *dialect, const IdxAttribute *a, const char *alias);
/* Makes the indexes of extended attributes that are missing: inside the transaction of an empty database, else outside of any, while others
   read and write. */
bool idx_schema_index_columns(Db *db, bool empty, Err *err);
/* Brings what stands around the tables from an older version to ours: indexes, views, terms. Inside a transaction; the caller notes the version. */
bool idx_schema_upgrade(Db *db, int64_t version, Err *err);
/* The terms of every row of a level that is there. */
bool idx_schema_write_terms(Db *db, DcmLevel level, Err *err);
/* Those of the lists that are kept with the studies. */
bool idx_schema_write_list_terms(Db *db, Err *err);
/* Takes away our tables and views inside a transaction; what else is in the database stays. */
bool idx_schema_drop(Db *db, Err *err);

/* The columns of a level's row, for idx_row_read: id, specific_character_set, attributes, then every column of the attribute table in its order.
   `wanted` (NULL = all) says of each row of the attribute table what its VR is, DCM_VR_NONE where it is not wanted. */
void idx_sql_columns(Buf *sql, const IdxAttributes *set, DcmLevel level, const DcmVr *wanted);
/* Is the one of this row of the table among them? */
static inline bool idx_sql_has_column(const IdxAttributes *set, const IdxAttribute *a, const DcmVr *wanted)
{
    return a->column && (!wanted || wanted[a - set->rows]);
}
/* How many idx_sql_columns lists. */
int idx_sql_column_count(const IdxAttributes *set, DcmLevel level, const DcmVr *wanted);
/* Is this the name, in any case, of a column of the level's table that no attribute has? */
bool idx_sql_is_bookkeeping(DcmLevel level, const char *column);

/*
 * INSERT and UPDATE of a row. INSERT of patients, studies and series is for db_insert. Parameters in order: d8ins (update: d8maj), specific_character_set, attributes, every column of the attribute table
 * that is not kept by ingest, then the extras of idx_sql_extras; update: then the id. Updates of PATIENT, STUDY and SERIES have no extras.
 */
void idx_sql_insert(Buf *sql, const IdxAttributes *set, DcmLevel level, const DbDialect *dialect);
/* The same with the row's id as last parameter, for db_gather. Instances have none: nothing refers to them. */
void idx_sql_gather(Buf *sql, const IdxAttributes *set, DcmLevel level);
void idx_sql_update(Buf *sql, const IdxAttributes *set, DcmLevel level);
/* Columns of the level that no attribute has, comma-separated. */
const char *idx_sql_extras(DcmLevel level);

#endif
