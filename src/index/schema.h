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

enum { IDX_SCHEMA_VERSION = 1, IDX_APPLICATION_ID = 0x474e5452 };

/* Creates the tables of an empty database, or brings older ones up to date; refuses newer ones and databases of others. */
bool idx_schema_open(Db *db, Err *err);
/* Takes away our tables and views, in one transaction; what else is in the database stays. */
bool idx_schema_drop(Db *db, Err *err);

/* The columns of a level's row, for idx_row_read: id, specific_character_set, attributes, then every column of the attribute table in its order. */
void idx_sql_columns(Buf *sql, DcmLevel level);
/* How many idx_sql_columns lists. */
int idx_sql_column_count(DcmLevel level);

/*
 * INSERT and UPDATE of a row. Parameters in order: d8ins (update: d8maj), specific_character_set, attributes, every column of the attribute table
 * that is not kept by ingest, then the extras of idx_sql_extras; update: then the id. Updates of PATIENT, STUDY and SERIES have no extras.
 */
void idx_sql_insert(Buf *sql, DcmLevel level);
void idx_sql_update(Buf *sql, DcmLevel level);
/* Columns of the level that no attribute has, comma-separated. */
const char *idx_sql_extras(DcmLevel level);

#endif
