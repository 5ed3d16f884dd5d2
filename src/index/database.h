// SPDX-License-Identifier: MIT
/*
 * The database as the rest of the room sees it: statements with positional parameters ("?"), bound and read in order. Two drivers
 * implement it, sqlite.c and postgres*.c; nothing else includes a driver's header. Where the SQL of the two differs, the dialect has
 * the words, and db_expand puts them in.
 *
 * A connection and its statements belong to one thread at a time. Statements are kept prepared, by text.
 *
 * On PostgreSQL, db_run inside the writer's transaction sends and does not wait: a failure shows at the next statement that is read, or at
 * db_commit, and spoils the transaction (db_spoilt), which then can only be rolled back. Rows of db_gather wait here for others of their kind. On SQLite
 * they are written at once.
 */
#ifndef GANTRY_INDEX_DATABASE_H
#define GANTRY_INDEX_DATABASE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "index/attributes.h"
#include "index/index.h"

#include <stdatomic.h>

typedef struct DbDriver DbDriver;
/* Where the database is, and how it went when we last tried to reach it; shared by all connections. */
typedef struct DbSource {
    const DbDriver *driver;
    char *name;                      /* for error texts */
    const IdxAttributes *attributes; /* whose columns there are; set before the first connection */
    atomic_bool must_exist;          /* it was there: what is gone is not made anew under those who use it */
} DbSource;
typedef struct Db {
    const DbDriver *driver;
    DbSource *source;
    int64_t opened_ns;
} Db;
typedef struct DbStatement {
    Db *db;
} DbStatement;

typedef enum DbMode { DB_WRITER, DB_READER } DbMode;

typedef enum DbUse {
    DB_LOOK,  /* read at once, before any other statement of the connection */
    DB_ROWS,  /* many rows; other statements may run meanwhile. Needs db_begin. */
    DB_FIRST, /* the same, and the first rows matter most */
} DbUse;

/* What the two kinds of SQL say differently. */
typedef struct DbDialect {
    const char *id, *integer, *blob, *binary_order, *nulls_first, *nulls_last, *path,
        *without_rowid;            /* DDL */
    const char *no_sha256;         /* 32 zero bytes: IdxFile.sha256 of what is not sealed */
    const char *find;              /* function: position of a text in a text */
    const char *among;             /* " IN (…)" for a parameter that is a JSON list of texts */
    const char *gather, *gathered; /* " IN (" and ")" around a SELECT whose rows are read first */
    const char *in_order;          /* a join that keeps the order of the tables */
    bool reads_in_turn;            /* a subquery's rows keep their order in such a join */
    bool returning;                /* INSERT says the new id itself */
    const char *
        records; /* " FROM …": the objects of a JSON list as rows x; NULL: one statement for each row is as good */
    const char *forget_version; /* what is left to do after our tables have been dropped */
    const char *concurrently;   /* CREATE INDEX: while others write */
    const char *has_column;     /* a row comes back when table ? has column ? */
    const char
        *text_column; /* and one with its length (0 = any) when it holds text; NULL: columns take any text */
} DbDialect;
/* Appends `text` with {id}, {find} … replaced by the dialect's words. */
void db_expand(const DbDialect *dialect, const char *text, Buf *out);

/* Fails: there were tables, and now there are none. */
bool db_fail_gone(const Db *db, Err *err);

DbSource *db_source_new(const IdxSettings *settings, Err *err);
void db_source_free(DbSource *source); /* NULL is fine */
const DbDialect *db_source_dialect(const DbSource *source);
const DbDialect *db_dialect(const Db *db);
const IdxAttributes *db_attributes(const Db *db);

/* The writer creates a file that is absent. */
Db *db_open(DbSource *source, DbMode mode, Err *err);
void db_close(Db *db); /* NULL is fine */
/* False when the other side has hung up on an idle connection. */
bool db_alive(Db *db);
/* Creates the tables of an empty database, or brings older ones up to date; refuses newer ones and databases of others. */
bool db_open_schema(Db *db, Err *err);

/* Runs text of ours, one or more statements, without results. */
bool db_exec(Db *db, const char *sql, Err *err);
/* Makes an index that is missing, outside of a transaction: this may take long, and others go on meanwhile. One that was left unfinished
   is made anew. */
bool db_build(Db *db, const char *index, const char *sql, Err *err);
/* The writer's transaction excludes other writers; *changed = one of them has written since our last. The reader's is one state of the
   database; it may be NULL for the reader. */
bool db_begin(Db *db, bool *changed, Err *err);
/* Durable on return (writer). On failure the transaction is gone. */
bool db_commit(Db *db, Err *err);
void db_rollback(Db *db);
/* Has a statement of the transaction failed so that nothing but db_rollback is left? */
bool db_spoilt(Db *db);
/* Inside the writer's transaction: what follows until db_keep can be taken back by itself. Where that is not possible because it
   is on its way already, or written, db_undo spoils the transaction, and `why` is the reason it gives. */
bool db_mark(Db *db, Err *err);
bool db_keep(Db *db, Err *err);
void db_undo(Db *db, const Err *why);
/* Is the transaction that was begun still open? Some errors make SQLite undo it. */
bool db_in_transaction(Db *db);
/* Asks `stopped` (NULL = nobody) now and then while statements run; true makes the statement fail with ERR_CANCELLED. */
void db_watch(Db *db, bool (*stopped)(void *ctx), void *ctx);
/* For error texts. */
const char *db_name(const Db *db);

/* NULL when it cannot be prepared. Give it back with db_done. */
DbStatement *db_prepare(Db *db, const char *sql, Err *err);
DbStatement *db_prepare_for(Db *db, const char *sql, DbUse use, Err *err);
/*
 * A new row, which may be written later and together with others of its kind: at the latest before any other statement of the connection,
 * and at db_commit. `insert` is an INSERT of one row, all of whose values are parameters. Of several tables those of lower `rank` come first. For
 * db_run. (PostgreSQL's COPY, which knows no ON CONFLICT: a conflict then fails the transaction. A few rows come as INSERTs.)
 */
DbStatement *db_gather(Db *db, const char *insert, int rank, Err *err);
/* Are rows gathered? Then whatever is asked between them costs the waiting for an answer, and they are written first. */
bool db_gathers(const Db *db);
/* The number of a row that is to be gathered, *id = 0 where only db_insert can tell. */
bool db_new_id(Db *db, const char *table, const char *id_column, int64_t *id, Err *err);
/* Resets; the statement may be used again by its text. NULL is fine. */
void db_done(DbStatement *statement);

/* Bind the next parameter. Text and blobs must live until db_done. */
void db_bind_text(DbStatement *statement, Span utf8);
void db_bind_cstr(DbStatement *statement, const char *utf8); /* NULL: null */
void db_bind_int(DbStatement *statement, int64_t value);
void db_bind_blob(DbStatement *statement, Span bytes);
void db_bind_null(DbStatement *statement);

/* The next row: *row tells whether there is one. Views of a row live until the next step. */
bool db_step(DbStatement *statement, bool *row, Err *err);
/* Runs a statement without results, then db_done. True when all went well, or will be known later (see above). */
bool db_run(DbStatement *statement, Err *err);
/* Runs an INSERT (dialect->returning: with RETURNING), then db_done. *id = that of the new row. */
bool db_insert(DbStatement *statement, int64_t *id, Err *err);

bool db_is_null(DbStatement *statement, int column);
Span db_text(DbStatement *statement, int column);
int64_t db_int(DbStatement *statement, int column);
Span db_blob(DbStatement *statement, int column);

#endif
