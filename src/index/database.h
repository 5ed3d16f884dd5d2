// SPDX-License-Identifier: MIT
/*
 * One connection to the database, as the rest of the room sees it: statements with positional parameters, bound and read in order.
 * connection.c implements it over SQLite; nothing else in the room includes a driver's header.
 *
 * A connection and its statements belong to one thread at a time. Statements are kept prepared, by text.
 */
#ifndef GANTRY_INDEX_DATABASE_H
#define GANTRY_INDEX_DATABASE_H

#include "base/err.h"
#include "base/span.h"

typedef struct Db Db;
typedef struct DbStatement DbStatement;

typedef enum DbMode { DB_WRITER, DB_READER } DbMode;

/* The writer creates the file when it is absent. */
Db *db_open(const char *path, DbMode mode, int64_t busy_timeout_ms, Err *err);
void db_close(Db *db); /* NULL is fine */
/* Runs text of ours, one or more statements, without results. */
bool db_exec(Db *db, const char *sql, Err *err);
/* Has another connection written since the last call? (The first call says yes.) */
bool db_changed_elsewhere(Db *db);
/* Is the transaction that was begun still open? Some errors make SQLite undo it. */
bool db_in_transaction(const Db *db);
/* Asks `stopped` (NULL = nobody) every few thousand steps of the machine; true makes the statement fail with ERR_CANCELLED. */
void db_watch(Db *db, bool (*stopped)(void *ctx), void *ctx);
/* For error texts. */
const char *db_path(const Db *db);

/* NULL when it cannot be prepared. Give it back with db_done. */
DbStatement *db_prepare(Db *db, const char *sql, Err *err);
/* Resets; the statement may be used again by its text. NULL is fine. */
void db_done(DbStatement *statement);

/* Bind the next parameter. Text and blobs must live until db_done or the next db_rewind. */
void db_bind_text(DbStatement *statement, Span utf8);
void db_bind_cstr(DbStatement *statement, const char *utf8); /* NULL: null */
void db_bind_int(DbStatement *statement, int64_t value);
void db_bind_blob(DbStatement *statement, Span bytes);
void db_bind_null(DbStatement *statement);

/* The next row: *row tells whether there is one. Views of a row live until the next step. */
bool db_step(DbStatement *statement, bool *row, Err *err);
/* Steps to the end, then db_done. True when all went well. */
bool db_run(DbStatement *statement, Err *err);
/* Rows touched by the last insert, update or delete; id of the last insert. */
int64_t db_touched(Db *db);
int64_t db_last_id(Db *db);

bool db_is_null(DbStatement *statement, int column);
Span db_text(DbStatement *statement, int column);
int64_t db_int(DbStatement *statement, int column);
Span db_blob(DbStatement *statement, int column);

#endif
