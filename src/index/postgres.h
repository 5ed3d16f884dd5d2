// SPDX-License-Identifier: MIT
/*
 * The PostgreSQL driver (libpq, server 12 or later), shared by its files: postgres.c (connections, waiting, transactions),
 * postgres_statement.c (statements, cursors), postgres_gather.c (new rows in bulk), postgres_error.c (texts for people), postgres_schema.c (tables and versions).
 *
 * A connection works in pipeline mode: commands are sent and their answers read when somebody needs one, so that the rows of a put cost
 * no waiting of their own. Nothing blocks without a deadline: sockets are read only when poll says so.
 *
 * Writers of one schema take turns: idx_begin takes an advisory lock that ends with the transaction. Counters, lists and totals then need
 * no care about others, and what is remembered of parents is forgotten when another server has written meanwhile (its name stands in the
 * note "writer").
 */
#ifndef GANTRY_INDEX_POSTGRES_H
#define GANTRY_INDEX_POSTGRES_H

#include "base/arena.h"
#include "index/driver.h"
#include <libpq-fe.h>
#include <pthread.h>

enum {
    PG_STATEMENTS = 64,
    PG_PENDING_MAX =
        128, /* commands sent whose answers are not read: small enough that neither side's buffers fill with answers */
    PG_ROWS_FIRST = 32, /* rows fetched from a cursor at a time: first, then */
    PG_ROWS = 256,
    PG_GATHERS = 8,             /* kinds of rows that are gathered */
    PG_NUMBERS = 32,            /* ids of new rows, asked for at a time */
    PG_BUILD_LOCK = 0x474e5449, /* the same, of who makes indexes */
    PG_NUMBERED = 4,            /* tables whose rows we number */
    PG_LOCK =
        0x474e5452, /* first half of the key of advisory locks; the second is made of the schema's name */
};

typedef struct PgSource {
    DbSource base;
    char *host, *port, *database, *schema, *login, *password, *tls;
    int64_t connect_ms, statement_ms, lock_ms;
    char writer[40]; /* who we are in the note "writer" */
    /* -- when it cannot be reached, under the lock -- */
    pthread_mutex_t lock;
    int64_t next_try_ns, pause_ms;
    Err last;
    bool served; /* it let us in once */
} PgSource;

typedef struct PgParam {
    size_t at;  /* in `values` */
    int length; /* -1 = null */
    bool binary;
} PgParam;

typedef struct PgStatement {
    DbStatement base;
    char *asked, *sql; /* with "?", with "$1" */
    char name[16];     /* prepared under this name, or the cursor's */
    DbUse use;
    bool prepared, busy, kept;
    bool gathers; /* it is a PgGather's */
    bool aside;   /* DB_LOOK: is about nothing that is gathered */
    uint64_t used;
    Buf values;
    PgParam *params;
    int param_count, param_capacity;
    /* -- while it runs -- */
    bool begun, ended;
    PGresult *result;
    int row, batch;
    Arena *blobs; /* of the current row */
} PgStatement;

/* New rows of one kind: the parameters of each, one behind the other. `rows.sql` writes one. */
typedef struct PgGather {
    PgStatement rows;
    char *copy;
    int rank, columns, count;
    size_t ended; /* bytes of values of the rows that are whole */
    int marked;   /* what stood there at db_mark */
    size_t marked_ended;
} PgGather;

/* Ids that were asked for and not given yet. */
typedef struct PgNumbers {
    const char *table; /* of idx_tables */
    int64_t ids[PG_NUMBERS];
    int next, count;
    bool none; /* the database gives none */
} PgNumbers;

/* A command whose answer has not been read. */
typedef struct PgPending {
    PgStatement *prepares; /* NULL, or what fails to be prepared if it fails */
    bool commits;
} PgPending;

typedef struct Pg {
    Db base;
    PGconn *conn;
    DbMode mode;
    bool broken;                /* the connection is of no more use */
    int64_t patience_ms;        /* how long a statement may take */
    bool (*stopped)(void *ctx); /* of db_watch; NULL = nobody asks */
    void *stopped_ctx;
    bool in_transaction;
    bool spoilt; /* a command of the transaction failed: */
    Err why;
    PgStatement statements[PG_STATEMENTS];
    uint64_t clock, names;
    PgPending pending[PG_PENDING_MAX];
    size_t pending_count;
    PgStatement *reading;          /* whose rows come next; its answer is not at its end */
    PgGather *gathers[PG_GATHERS]; /* by rank, then as they came; NULL behind the last */
    PgNumbers numbers[PG_NUMBERED];
    uint64_t sent, marked; /* commands; how many at db_mark */
} Pg;

static inline Pg *pg_of(Db *db)
{
    return (Pg *)db;
}

static inline PgSource *pg_source(const Pg *pg)
{
    return (PgSource *)pg->base.source;
}

/* -- postgres.c -- */

/* The next result, waited for until the statement's time is over. NULL without `failed`: the command's answer is at its end. */
PGresult *pg_result(Pg *pg, bool *failed, Err *err);
/* After a PQsend…: counts it. `sent` is what that returned. */
bool pg_sent(Pg *pg, int sent, PgPending pending, Err *err);
/* Reads the answers of all commands sent. */
bool pg_settle(Pg *pg, Err *err);
/* Reads the answers of the first `n`; asks the server for them. */
bool pg_settle_first(Pg *pg, size_t n, Err *err);
/* Reads up to the mark that ends what was sent. */
bool pg_end_of_answers(Pg *pg, Err *err);
/* A command of ours without parameters. */
bool pg_send(Pg *pg, const char *sql, PgPending pending, Err *err);
/* Notes that the transaction is spoilt. */
bool pg_spoil(Pg *pg, const Err *why);
bool pg_exec(Db *db, const char *sql, Err *err);

/* -- postgres_error.c -- */
bool pg_fail_connect(const PgSource *source, PGconn *conn, Err *err);
bool pg_fail_connection(Pg *pg, Err *err);
bool pg_fail_timeout(Pg *pg, Err *err);
/* Somebody no longer wants the answer. The connection is given up; the server notices and ends the statement. */
bool pg_fail_stopped(Pg *pg, Err *err);
bool pg_fail_result(const PgSource *source, const PGresult *result, Err *err);

/* -- postgres_statement.c -- */
DbStatement *pg_prepare(Db *db, const char *sql, DbUse use, Err *err);
void pg_done(DbStatement *s);
void pg_bind_text(DbStatement *s, Span utf8);
void pg_bind_int(DbStatement *s, int64_t value);
void pg_bind_blob(DbStatement *s, Span bytes);
void pg_bind_null(DbStatement *s);
bool pg_step(DbStatement *s, bool *row, Err *err);
bool pg_run(DbStatement *s, Err *err);
bool pg_insert(DbStatement *s, int64_t *id, Err *err);
bool pg_is_null(DbStatement *s, int column);
Span pg_text(DbStatement *s, int column);
int64_t pg_number(DbStatement *s, int column);
Span pg_blob(DbStatement *s, int column);
typedef struct PgArrays {
    const char **values;
    int *lengths, *formats;
} PgArrays;
/* The parameters as libpq wants them, from the `first` on. */
PgArrays pg_arrays(const PgStatement *s, int first, int count);
void pg_arrays_free(PgArrays *arrays);
/* Prepares it where it is not, and sends it with these parameters. */
bool pg_send_prepared(PgStatement *s, int first, int count, Err *err);
/* A statement of nothing. "?" becomes "$1" … */
void pg_statement_init(Pg *pg, PgStatement *s, const char *sql);
void pg_statement_drop(PgStatement *s);
/* A new connection knows none of the statements. */
void pg_forget_statements(Pg *pg);
void pg_free_statements(Pg *pg);

/* -- postgres_gather.c -- */
DbStatement *pg_gather(Db *db, const char *insert, int rank, Err *err);
/* The row that was bound is whole. */
bool pg_gathered(PgStatement *s, Err *err);
/* It is not, and goes. */
void pg_ungathered(PgStatement *s);
/* Writes what is gathered. */
bool pg_flush(Pg *pg, Err *err);
/* Forgets it; `prepared` = the connection is a new one. */
void pg_forget_gathered(Pg *pg, bool prepared);
void pg_free_gathered(Pg *pg);
bool pg_mark(Db *db, Err *err);
bool pg_keep(Db *db, Err *err);
void pg_undo(Db *db, const Err *why);
bool pg_new_id(Db *db, const char *table, const char *id_column, int64_t *id, Err *err);
/* Others have written: ours would stand before theirs. */
void pg_forget_numbers(Pg *pg);

/* -- postgres_schema.c -- */
bool pg_open_schema(Db *db, Err *err);
bool pg_build(Db *db, const char *index, const char *sql, Err *err);

/* -- postgres_adopt.c -- */

/* Are the tables in the schema those that SPHERE makes? */
bool pg_is_sphere(Db *db, bool *out, Err *err);
/* Makes them ours, inside a transaction: nothing is taken away but unique keys that are too narrow and the two views, which come again. */
bool pg_adopt(Db *db, Err *err);

#endif
