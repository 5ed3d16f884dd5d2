// SPDX-License-Identifier: MIT
/*
 * Connections to PostgreSQL: opening with a deadline, growing pauses while the server is away, reading answers, transactions (postgres.h).
 *
 * Plans: readers go from index to index, row by row (no hash or merge joins, no scans of whole tables while there is an index), so that
 * answers stream and fresh tables without statistics are searched as well as old ones.
 */
#include "index/postgres.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    DEFAULT_PORT = 5432,
    CONNECT_MS = 5000,
    STATEMENT_MS = 60000,
    LOCK_MS = 10000,
    GRACE_MS = 2000, /* the server ends a statement itself, and says so; we wait a little longer */
    PAUSE_FIRST_MS = 250,
    PAUSE_MAX_MS = 30000,
    WATCH_MS = 100,
    CHECKS_CLIENTS = 140000, /* server version that can look whether we are still there while it works */
    LAST_WORDS = 4, /* reads until the end of the connection shows behind what the server said last */
};

/* -- sources -- */

static char *copy(const char *text, const char *otherwise)
{
    char *out = strdup(text && *text ? text : otherwise);
    if (!out)
        abort();
    return out;
}

static char *printed(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *printed(const char *format, ...)
{
    char *out = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&out, format, list) < 0)
        abort();
    va_end(list);
    return out;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static DbSource *source_new(const IdxSettings *settings, Err *err)
{
    const IdxPostgres *p = &settings->postgres;
    if (!p->database || !*p->database || !p->schema || !*p->schema) {
        err_set(
            err, ERR_USAGE,
            "index: PostgreSQL needs a database and a schema: see db.params.database and db.params.schema");
        return NULL;
    }
    PgSource *source = calloc(1, sizeof *source);
    uint64_t chance[2] = {(uintptr_t)source, (uint64_t)clock_ns()};
    if (!source)
        abort();
    source->host = copy(p->host, "127.0.0.1");
    source->port = printed("%d", p->port ? p->port : DEFAULT_PORT);
    source->database = copy(p->database, "");
    source->schema = copy(p->schema, "");
    source->login = copy(p->login, "");
    source->password = copy(p->password, "");
    source->tls = copy(p->tls, "prefer");
    source->connect_ms = or_default(p->connect_timeout_ms, CONNECT_MS);
    source->statement_ms = or_default(p->statement_timeout_ms, STATEMENT_MS);
    source->lock_ms = or_default(settings->busy_timeout_ms, LOCK_MS);
    source->base = (DbSource){&db_postgres, printed("PostgreSQL %s:%s, database %s, schema %s", source->host,
                                                    source->port, source->database, source->schema)};
    if (getrandom(chance, sizeof chance, GRND_NONBLOCK) < 0)
        chance[0] ^= (uint64_t)getpid();
    snprintf(source->writer, sizeof source->writer, "%016llx%016llx", (unsigned long long)chance[0],
             (unsigned long long)chance[1]);
    pthread_mutex_init(&source->lock, NULL);
    return &source->base;
}

static void source_free(DbSource *base)
{
    PgSource *source = (PgSource *)base;
    explicit_bzero(source->password, strlen(source->password));
    char *const texts[] = {source->host,  source->port,     source->database, source->schema,
                           source->login, source->password, source->tls,      base->name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    pthread_mutex_destroy(&source->lock);
    free(source);
}

/* -- connecting -- */

/* While the server is away, callers are told so at once, and one in a while tries. */
static bool may_try(PgSource *source, Err *err)
{
    pthread_mutex_lock(&source->lock);
    int64_t now = clock_ns();
    bool ok = now >= source->next_try_ns;
    if (ok)
        source->next_try_ns = now + source->pause_ms * 1000000;
    else if (err)
        *err = source->last;
    pthread_mutex_unlock(&source->lock);
    return ok;
}

/* Who let us in before and refuses us now is away, whatever the reason (a password that was changed, a role that was locked, a database under another name): that
   ends, as outages do. So is who has no connection left, also for whoever comes first. */
static void judge(const PgSource *source, Err *why)
{
    Err said = *why;
    if ((source->served || why->code == ERR_LIMIT) && !idx_is_away(why))
        err_set(why, ERR_CLOSED, "%s", said.text);
}

static void tried(PgSource *source, bool ok, Err *why)
{
    bool full = !ok && why->code == ERR_LIMIT; /* others may end theirs at any moment */
    pthread_mutex_lock(&source->lock);
    if (ok)
        source->served = true;
    else
        judge(source, why);
    if (ok || full || !idx_is_away(why)) {
        source->pause_ms = source->next_try_ns = 0;
    } else {
        source->pause_ms = source->pause_ms ? source->pause_ms * 2 : PAUSE_FIRST_MS;
        if (source->pause_ms > PAUSE_MAX_MS)
            source->pause_ms = PAUSE_MAX_MS;
        source->next_try_ns = clock_ns() + source->pause_ms * 1000000;
        source->last = *why;
    }
    pthread_mutex_unlock(&source->lock);
}

/* Waits for the socket. False when the time is over. */
static bool wait_for(PGconn *conn, short events, int64_t deadline_ns)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = events};
    for (;;) {
        int64_t left = (deadline_ns - clock_ns()) / 1000000;
        if (left <= 0)
            return false;
        int n = poll(&fd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static PGconn *start(const PgSource *source)
{
    char timeout[24];
    snprintf(timeout, sizeof timeout, "%lld", (long long)source->statement_ms);
    const char *const names[] = {"host",
                                 "port",
                                 "dbname",
                                 "user",
                                 "password",
                                 "sslmode",
                                 "gssencmode",
                                 "client_encoding",
                                 "application_name",
                                 "tcp_user_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 NULL};
    const char *const values[] = {source->host,
                                  source->port,
                                  source->database,
                                  *source->login ? source->login : NULL,
                                  *source->password ? source->password : NULL,
                                  source->tls,
                                  "disable",
                                  "UTF8",
                                  "gantry",
                                  timeout,
                                  "30",
                                  "10",
                                  "3",
                                  NULL};
    return PQconnectStartParams(names, values, 0);
}

static bool connect_until(const PgSource *source, PGconn *conn, Err *err)
{
    int64_t deadline = clock_ns() + source->connect_ms * 1000000;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    if (!conn || PQstatus(conn) == CONNECTION_BAD)
        return pg_fail_connect(source, conn, err);
    while (state != PGRES_POLLING_OK) {
        if (!wait_for(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
            return err_set(
                err, ERR_CLOSED,
                "index: cannot reach %s: no answer for %lld s; see db.params.ip and db.params.port",
                source->base.name, (long long)source->connect_ms / 1000);
        state = PQconnectPoll(conn);
        if (state == PGRES_POLLING_FAILED)
            return pg_fail_connect(source, conn, err);
    }
    return true;
}

static void quiet(void *arg, const PGresult *notice)
{
}

/* What holds for the session. */
static bool configure(Pg *pg, Err *err)
{
    PgSource *source = pg_source(pg);
    char *schema = PQescapeIdentifier(pg->conn, source->schema, strlen(source->schema));
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SET search_path TO %s; SET statement_timeout TO %lld; SET lock_timeout TO %lld; "
               "SET idle_in_transaction_session_timeout TO '15min'; SET timezone TO 'UTC'; "
               "SET datestyle TO 'ISO'; SET extra_float_digits TO 1; SET standard_conforming_strings TO on; "
               "SET enable_seqscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off; "
               "SET jit TO off; SET max_parallel_workers_per_gather TO 0; SET cursor_tuple_fraction TO 1.0; ",
               schema ? schema : "pg_catalog", (long long)source->statement_ms, (long long)source->lock_ms);
    if (PQserverVersion(pg->conn) >= CHECKS_CLIENTS)
        buf_append_cstr(&sql, "SET client_connection_check_interval TO '1s'; ");
    /* A commit is on disk when it returns, whatever the server's default says; more than that stays as it is. */
    if (pg->mode == DB_WRITER)
        buf_append_cstr(&sql, "SELECT set_config('synchronous_commit', 'on', false) "
                              "WHERE current_setting('synchronous_commit') = 'off'");
    PQfreemem(schema);
    bool ok = pg_exec(&pg->base, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

static bool connect_now(Pg *pg, Err *err)
{
    PgSource *source = pg_source(pg);
    Err why;
    if (!may_try(source, err))
        return false;
    PQfinish(pg->conn);
    pg_forget_statements(pg);
    pg_forget_gathered(pg, true);
    pg_forget_numbers(pg);
    pg->broken = pg->in_transaction = pg->spoilt = false;
    pg->pending_count = 0;
    pg->reading = NULL;
    pg->conn = start(source);
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE); /* pg_fail_connect reads the SQLSTATE out of it */
    bool ok = connect_until(source, pg->conn, &why);
    if (ok) {
        PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
        PQsetNoticeReceiver(pg->conn, quiet, NULL);
        PQsetnonblocking(pg->conn, 1);
        ok = configure(pg, &why);
    }
    tried(source, ok, &why);
    pg->broken = !ok;
    if (!ok && err)
        *err = why;
    return ok;
}

static void pg_close(Db *db)
{
    Pg *pg = pg_of(db);
    pg_free_statements(pg);
    pg_free_gathered(pg);
    PQfinish(pg->conn);
    free(pg);
}

static Db *pg_open(DbSource *source, DbMode mode, Err *err)
{
    Pg *pg = calloc(1, sizeof *pg);
    if (!pg)
        abort();
    pg->base = (Db){.driver = &db_postgres, .source = source};
    pg->mode = mode;
    pg->patience_ms = ((PgSource *)source)->statement_ms;
    if (connect_now(pg, err))
        return &pg->base;
    pg_close(&pg->base);
    return NULL;
}

/* An idle server has nothing to say, but that it ends. */
static bool pg_alive(Db *db)
{
    Pg *pg = pg_of(db);
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = POLLIN};
    if (pg->broken || PQstatus(pg->conn) != CONNECTION_OK)
        return false;
    for (int i = 0; i < LAST_WORDS && !pg->broken && !pg->pending_count && poll(&fd, 1, 0) > 0; i++)
        pg->broken = !PQconsumeInput(pg->conn);
    return !pg->broken && PQstatus(pg->conn) == CONNECTION_OK;
}

/* -- answers -- */

/* Waits until something can be read (or written, `events`). Whoever watches is asked now and then. */
static bool wait_answer(Pg *pg, short events, int64_t deadline, Err *err)
{
    for (;;) {
        int64_t slice = clock_ns() + WATCH_MS * 1000000LL;
        if (wait_for(pg->conn, events, pg->stopped && slice < deadline ? slice : deadline))
            return true;
        if (clock_ns() >= deadline || !pg->stopped)
            return pg_fail_timeout(pg, err);
        if (pg->stopped(pg->stopped_ctx))
            return pg_fail_stopped(pg, err);
    }
}

PGresult *pg_result(Pg *pg, bool *failed, Err *err)
{
    int64_t deadline = clock_ns() + (pg->patience_ms + GRACE_MS) * 1000000;
    *failed = true;
    while (PQisBusy(pg->conn)) {
        int rest = PQflush(pg->conn);
        if (rest >= 0 && !wait_answer(pg, rest ? POLLIN | POLLOUT : POLLIN, deadline, err))
            return NULL;
        if (rest < 0 || !PQconsumeInput(pg->conn)) {
            pg_fail_connection(pg, err);
            return NULL;
        }
    }
    PGresult *result = PQgetResult(pg->conn);
    *failed = !result && PQstatus(pg->conn) != CONNECTION_OK && !pg_fail_connection(pg, err);
    return result;
}

bool pg_spoil(Pg *pg, const Err *why)
{
    if (pg->in_transaction && !pg->spoilt) {
        pg->spoilt = true;
        pg->why = *why;
    }
    return false;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
}

/* The answer of one command, rows not looked at. `why` gets the first failure. */
static bool read_answer(Pg *pg, const PgPending *pending, bool *ok, Err *why)
{
    bool failed;
    PGresult *result;
    while ((result = pg_result(pg, &failed, why))) {
        bool good = is_good(result);
        if (!good && pending->prepares)
            pending->prepares->prepared = false;
        if (!good && *ok && PQresultStatus(result) != PGRES_PIPELINE_ABORTED)
            *ok = pg_fail_result(pg_source(pg), result, why);
        /* COMMIT of a transaction that failed says ROLLBACK. */
        if (good && *ok && pending->commits && strcmp(PQcmdStatus(result), "COMMIT") != 0)
            *ok = err_set(why, ERR_INTERNAL, "index: %s has not committed", db_name(&pg->base));
        PQclear(result);
        if (PQstatus(pg->conn) != CONNECTION_OK) {
            pg->broken = true;
            return false;
        }
    }
    return !failed;
}

static void drop_pending(Pg *pg, size_t n)
{
    memmove(pg->pending, pg->pending + n, (pg->pending_count - n) * sizeof *pg->pending);
    pg->pending_count -= n;
}

bool pg_settle_first(Pg *pg, size_t n, Err *err)
{
    Err why;
    bool ok = true, connected = true;
    for (size_t i = 0; connected && i < n; i++)
        connected = read_answer(pg, &pg->pending[i], &ok, &why);
    drop_pending(pg, n);
    if (connected && ok)
        return true;
    if (err)
        *err = why;
    return pg_spoil(pg, &why);
}

bool pg_end_of_answers(Pg *pg, Err *err)
{
    bool failed, sync = false;
    while (!sync) {
        PGresult *result = pg_result(pg, &failed, err);
        if (!result && failed)
            return false;
        sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        PQclear(result);
    }
    return true;
}

bool pg_settle(Pg *pg, Err *err)
{
    if (pg->broken)
        return pg_fail_connection(pg, err);
    if (!pg->pending_count)
        return true;
    if (!PQpipelineSync(pg->conn))
        return pg_fail_connection(pg, err);
    bool ok = pg_settle_first(pg, pg->pending_count, err);
    return (pg->broken || pg_end_of_answers(pg, ok ? err : NULL)) && ok;
}

bool pg_sent(Pg *pg, int sent, PgPending pending, Err *err)
{
    if (!sent) {
        pg_fail_connection(pg, err);
        Err why = {.code = ERR_CLOSED};
        return pg_spoil(pg, err ? err : &why);
    }
    pg->pending[pg->pending_count++] = pending;
    pg->sent++;
    return true;
}

bool pg_send(Pg *pg, const char *sql, PgPending pending, Err *err)
{
    if (pg->broken)
        return pg_fail_connection(pg, err);
    if (pg->pending_count + 4 > PG_PENDING_MAX && !pg_settle(pg, err))
        return false;
    if (PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF)
        PQenterPipelineMode(pg->conn);
    return pg_sent(pg, PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 0), pending, err);
}

/* Several statements in one text are only possible outside the pipeline. */
bool pg_exec(Db *db, const char *sql, Err *err)
{
    Pg *pg = pg_of(db);
    bool failed, ok = true;
    PGresult *result;
    if (!pg_flush(pg, err) || !pg_settle(pg, err))
        return false;
    if (PQpipelineStatus(pg->conn) != PQ_PIPELINE_OFF)
        PQexitPipelineMode(pg->conn);
    if (!PQsendQuery(pg->conn, sql))
        return pg_fail_connection(pg, err);
    while ((result = pg_result(pg, &failed, err))) {
        if (!is_good(result) && PQresultStatus(result) != PGRES_EMPTY_QUERY && ok)
            ok = pg_fail_result(pg_source(pg), result, err);
        PQclear(result);
        if (PQstatus(pg->conn) != CONNECTION_OK) {
            pg->broken = true;
            return false;
        }
    }
    return !failed && ok;
}

/* -- transactions -- */

static bool read_writer(Pg *pg, bool *changed, Err *err)
{
    bool row = false;
    DbStatement *s = pg_prepare(&pg->base, "SELECT value FROM note WHERE name = 'writer'", DB_LOOK, err);
    bool ok = s && pg_step(s, &row, err);
    *changed = !ok || !row || !span_eq_cstr(pg_text(s, 0), pg_source(pg)->writer);
    if (s)
        pg_done(s);
    return ok;
}

static bool write_writer(Pg *pg, Err *err)
{
    DbStatement *s = pg_prepare(&pg->base,
                                "INSERT INTO note (name, value) VALUES ('writer', ?) "
                                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                                DB_LOOK, err);
    if (!s)
        return false;
    pg_bind_text(s, span_cstr(pg_source(pg)->writer));
    return pg_run(s, err);
}

static bool begin_writing(Pg *pg, bool *changed, Err *err)
{
    pg->in_transaction = true;
    DbStatement *s = NULL;
    if (pg_send(pg, "BEGIN ISOLATION LEVEL READ COMMITTED", (PgPending){0}, err))
        s = pg_prepare(&pg->base, "SELECT pg_advisory_xact_lock(?::integer, hashtext(?))", DB_LOOK, err);
    if (!s)
        return false;
    pg_bind_int(s, PG_LOCK);
    pg_bind_text(s, span_cstr(pg_source(pg)->schema));
    if (!pg_run(s, err) || !read_writer(pg, changed, err))
        return false;
    if (*changed)
        pg_forget_numbers(pg);
    return !*changed || write_writer(pg, err);
}

static void pg_rollback(Db *db)
{
    Pg *pg = pg_of(db);
    pg_forget_gathered(pg, false);
    if (!pg->broken)
        pg_settle(pg, NULL);
    if (!pg->broken && pg_send(pg, "ROLLBACK", (PgPending){0}, NULL))
        pg_settle(pg, NULL);
    pg->in_transaction = pg->spoilt = false;
}

static bool pg_begin(Db *db, bool *changed, Err *err)
{
    Pg *pg = pg_of(db);
    if (pg->mode == DB_READER) {
        pg->in_transaction = true;
        return pg_send(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", (PgPending){0}, err);
    }
    if (!pg_alive(db) && !connect_now(pg, err))
        return false;
    if (begin_writing(pg, changed, err))
        return true;
    /* The server may have been restarted since we last spoke. */
    bool again = pg->broken;
    pg_rollback(db);
    if (!again || !connect_now(pg, err))
        return false;
    if (begin_writing(pg, changed, err))
        return true;
    pg_rollback(db);
    return false;
}

static bool pg_commit(Db *db, Err *err)
{
    Pg *pg = pg_of(db);
    if (!pg->spoilt && pg_flush(pg, NULL))
        pg_settle(pg, NULL);
    if (pg->spoilt) {
        if (err)
            *err = pg->why;
        pg_rollback(db);
        return false;
    }
    bool ok = pg_send(pg, "COMMIT", (PgPending){.commits = true}, err) && pg_settle(pg, err);
    pg->in_transaction = pg->spoilt = false;
    return ok;
}

static void pg_watch(Db *db, bool (*stopped)(void *ctx), void *ctx)
{
    pg_of(db)->stopped = stopped;
    pg_of(db)->stopped_ctx = ctx;
}

static bool pg_spoilt(Db *db)
{
    return pg_of(db)->spoilt;
}

const DbDriver db_postgres = {
    .dialect = {.id = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                .integer = "BIGINT",
                .blob = "BYTEA",
                .binary_order = " COLLATE \"C\"",
                .nulls_first = " NULLS FIRST",
                .nulls_last = " NULLS LAST",
                .path = "VARCHAR(4096)",
                .without_rowid = "",
                .no_sha256 = "'\\x" DB_NO_SHA256 "'::bytea",
                .find = "strpos",
                .among = " = ANY (ARRAY(SELECT json_array_elements_text(?::json)))",
                .gather = " = ANY (ARRAY(",
                .gathered = "))",
                .in_order = " JOIN",
                .reads_in_turn = false,
                .returning = true,
                .records = " FROM json_to_recordset(?::json) AS x ",
                .concurrently = " CONCURRENTLY",
                .forget_version = "DROP TABLE IF EXISTS schema_version;",
                .has_column = "SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(?) AND "
                              "attname = ? AND attnum > 0 AND NOT attisdropped",
                .text_column = "SELECT CASE WHEN atttypmod > 4 THEN atttypmod - 4 ELSE 0 END FROM "
                               "pg_catalog.pg_attribute WHERE attrelid = to_regclass(?) AND attname = ? AND "
                               "NOT attisdropped AND atttypid IN ('varchar'::regtype, 'text'::regtype)"},
    .source_new = source_new,
    .source_free = source_free,
    .open = pg_open,
    .close = pg_close,
    .alive = pg_alive,
    .open_schema = pg_open_schema,
    .exec = pg_exec,
    .build = pg_build,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .spoilt = pg_spoilt,
    .mark = pg_mark,
    .keep = pg_keep,
    .undo = pg_undo,
    .watch = pg_watch,
    .prepare = pg_prepare,
    .gather = pg_gather,
    .new_id = pg_new_id,
    .done = pg_done,
    .bind_text = pg_bind_text,
    .bind_int = pg_bind_int,
    .bind_blob = pg_bind_blob,
    .bind_null = pg_bind_null,
    .step = pg_step,
    .run = pg_run,
    .insert = pg_insert,
    .is_null = pg_is_null,
    .text = pg_text,
    .number = pg_number,
    .blob = pg_blob,
};
