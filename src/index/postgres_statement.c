// SPDX-License-Identifier: MIT
/*
 * Statements of the PostgreSQL driver (postgres.h). DB_LOOK statements are prepared on the server and kept by text; readers get their
 * rows one by one as they come. DB_ROWS and DB_FIRST are cursors, planned for their values, fetched in portions, so that other statements may
 * run between the rows and little has been computed when nobody wants the rest.
 *
 * Parameters travel as text without a type: the server takes the type of the column they meet. Bytes travel as they are.
 */
#include "index/postgres.h"

#include "index/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PgStatement *of(DbStatement *s)
{
    return (PgStatement *)s;
}

static Pg *connection(const PgStatement *s)
{
    return pg_of(s->base.db);
}

/* -- the statements of a connection -- */

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

void pg_statement_drop(PgStatement *s)
{
    PQclear(s->result);
    free(s->asked);
    free(s->sql);
    free(s->params);
    buf_free(&s->values);
    arena_free(s->blobs);
    *s = (PgStatement){0};
}

void pg_forget_statements(Pg *pg)
{
    for (int i = 0; i < PG_STATEMENTS; i++)
        pg->statements[i].prepared = false;
}

void pg_free_statements(Pg *pg)
{
    for (int i = 0; i < PG_STATEMENTS; i++)
        pg_statement_drop(&pg->statements[i]);
}

/* "?" becomes "$1", "$2" …, except in texts. */
static char *numbered(const char *sql)
{
    Buf out;
    bool quoted = false;
    int n = 0;
    buf_init(&out, 0);
    for (const char *p = sql; *p; p++) {
        quoted ^= *p == '\'';
        if (*p == '?' && !quoted)
            buf_printf(&out, "$%d", ++n);
        else
            buf_u8(&out, (uint8_t)*p);
    }
    char *text = checked(strdup(buf_cstr(&out)));
    buf_free(&out);
    return text;
}

static PgStatement *find_kept(Pg *pg, const char *sql)
{
    for (int i = 0; i < PG_STATEMENTS; i++) {
        PgStatement *s = &pg->statements[i];
        if (s->asked && !s->busy && strcmp(s->asked, sql) == 0)
            return s;
    }
    return NULL;
}

/* Makes room: a free place, or that of the statement not used for longest. NULL when all are in use. */
static bool take_place(Pg *pg, PgStatement **out, Err *err)
{
    PgStatement *oldest = NULL;
    char sql[32];
    for (int i = 0; i < PG_STATEMENTS; i++) {
        PgStatement *s = &pg->statements[i];
        if (!s->busy && (!oldest || s->used < oldest->used))
            oldest = s;
    }
    *out = oldest;
    if (!oldest || !oldest->prepared)
        return true;
    /* Answers that are not read yet may speak of it. */
    snprintf(sql, sizeof sql, "DEALLOCATE %s", oldest->name);
    return pg_settle(pg, err) && pg_send(pg, sql, (PgPending){0}, err);
}

void pg_statement_init(Pg *pg, PgStatement *s, const char *sql)
{
    *s = (PgStatement){.base = {&pg->base}};
    s->asked = checked(strdup(sql));
    s->sql = numbered(sql);
    s->blobs = arena_new(0);
    buf_init(&s->values, 0);
    snprintf(s->name, sizeof s->name, "g%llu", (unsigned long long)++pg->names);
}

static PgStatement *new_statement(Pg *pg, const char *sql, DbUse use, Err *err)
{
    PgStatement *s = NULL;
    if (use == DB_LOOK && !take_place(pg, &s, err))
        return NULL;
    bool kept = s != NULL;
    if (kept)
        pg_statement_drop(s);
    else
        s = checked(calloc(1, sizeof *s));
    pg_statement_init(pg, s, sql);
    s->kept = kept;
    return s;
}

DbStatement *pg_prepare(Db *db, const char *sql, DbUse use, Err *err)
{
    Pg *pg = pg_of(db);
    if (pg->spoilt) {
        if (err)
            *err = pg->why;
        return NULL;
    }
    if (pg->broken) {
        pg_fail_connection(pg, err);
        return NULL;
    }
    PgStatement *s = use == DB_LOOK ? find_kept(pg, sql) : NULL;
    if (!s)
        s = new_statement(pg, sql, use, err);
    if (!s)
        return NULL;
    s->use = use;
    s->busy = true;
    s->begun = s->ended = s->aside = false;
    s->used = ++pg->clock;
    s->param_count = 0;
    buf_clear(&s->values);
    return &s->base;
}

/* -- parameters -- */

static PgParam *next_param(PgStatement *s)
{
    if (s->param_count == s->param_capacity) {
        s->param_capacity = s->param_capacity ? s->param_capacity * 2 : 32;
        s->params = checked(realloc(s->params, (size_t)s->param_capacity * sizeof *s->params));
    }
    PgParam *p = &s->params[s->param_count++];
    *p = (PgParam){.at = s->values.n, .length = -1};
    return p;
}

void pg_bind_text(DbStatement *base, Span utf8)
{
    PgStatement *s = of(base);
    PgParam *p = next_param(s);
    idx_append_text(&s->values, utf8);
    p->length = (int)(s->values.n - p->at);
    buf_u8(&s->values, 0);
}

void pg_bind_int(DbStatement *base, int64_t value)
{
    PgStatement *s = of(base);
    PgParam *p = next_param(s);
    buf_printf(&s->values, "%lld", (long long)value);
    p->length = (int)(s->values.n - p->at);
    buf_u8(&s->values, 0);
}

void pg_bind_blob(DbStatement *base, Span bytes)
{
    PgStatement *s = of(base);
    PgParam *p = next_param(s);
    buf_append_span(&s->values, bytes);
    p->length = (int)bytes.n;
    p->binary = true;
}

void pg_bind_null(DbStatement *base)
{
    next_param(of(base));
}

PgArrays pg_arrays(const PgStatement *s, int first, int count)
{
    size_t n = (size_t)count + 1;
    PgArrays a = {checked(calloc(n, sizeof *a.values)), checked(calloc(n, sizeof *a.lengths)),
                  checked(calloc(n, sizeof *a.formats))};
    for (int i = 0; i < count; i++) {
        const PgParam *p = &s->params[first + i];
        a.values[i] = p->length < 0 ? NULL : (const char *)s->values.p + p->at;
        a.lengths[i] = p->length < 0 ? 0 : p->length;
        a.formats[i] = p->binary;
    }
    return a;
}

void pg_arrays_free(PgArrays *a)
{
    free(a->values);
    free(a->lengths);
    free(a->formats);
}

/* -- sending -- */

static bool make_room(Pg *pg, Err *err)
{
    if (pg->broken)
        return pg_fail_connection(pg, err);
    if (pg->pending_count + 4 > PG_PENDING_MAX && !pg_settle(pg, err))
        return false;
    if (PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF)
        PQenterPipelineMode(pg->conn);
    return true;
}

bool pg_send_prepared(PgStatement *s, int first, int count, Err *err)
{
    Pg *pg = connection(s);
    if (!make_room(pg, err))
        return false;
    if (!s->prepared &&
        !pg_sent(pg, PQsendPrepare(pg->conn, s->name, s->sql, 0, NULL), (PgPending){.prepares = s}, err))
        return false;
    s->prepared = true;
    PgArrays a = pg_arrays(s, first, count);
    int sent = PQsendQueryPrepared(pg->conn, s->name, count, a.values, a.lengths, a.formats, 0);
    pg_arrays_free(&a);
    return pg_sent(pg, sent, (PgPending){0}, err);
}

static bool send_whole(PgStatement *s, Err *err)
{
    return (s->aside || pg_flush(connection(s), err)) && pg_send_prepared(s, 0, s->param_count, err);
}

/* Asks for the answers of all that was sent and reads those before the last command's. */
static bool reach_last(Pg *pg, Err *err)
{
    if (!PQpipelineSync(pg->conn))
        return pg_fail_connection(pg, err);
    if (pg_settle_first(pg, pg->pending_count - 1, err)) {
        pg->pending_count = 0;
        return true;
    }
    if (!pg->broken && pg_settle_first(pg, pg->pending_count, NULL))
        pg->broken = true; /* a command after a failed one cannot succeed */
    if (!pg->broken)
        pg_end_of_answers(pg, NULL);
    return false;
}

/* -- rows of what is prepared -- */

static bool begin_look(PgStatement *s, Err *err)
{
    Pg *pg = connection(s);
    if (!send_whole(s, err) || !reach_last(pg, err))
        return false;
    if (pg->mode == DB_READER)
        PQsetSingleRowMode(pg->conn);
    pg->reading = s;
    return true;
}

static bool end_look(PgStatement *s, Err *err)
{
    Pg *pg = connection(s);
    pg->reading = NULL;
    s->ended = true;
    return pg_end_of_answers(pg, err);
}

/* The next result with rows; s->ended when there is none. */
static bool next_result(PgStatement *s, Err *err)
{
    Pg *pg = connection(s);
    bool failed, ok = true;
    Err why;
    for (;;) {
        PQclear(s->result);
        s->result = pg_result(pg, &failed, &why);
        s->row = 0;
        if (!s->result)
            break;
        ExecStatusType status = PQresultStatus(s->result);
        if ((status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK) && PQntuples(s->result) > 0)
            return true;
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && ok)
            ok = pg_fail_result(pg_source(pg), s->result, &why);
        if (PQstatus(pg->conn) != CONNECTION_OK) {
            pg->broken = failed = true;
            break;
        }
    }
    if (!failed && ok)
        return end_look(s, err);
    s->ended = true;
    pg->reading = NULL;
    if (!failed)
        pg_end_of_answers(pg, NULL);
    if (err)
        *err = why;
    return pg_spoil(pg, &why);
}

static bool step_look(PgStatement *s, bool *row, Err *err)
{
    if (!s->begun) {
        s->begun = true;
        if (!begin_look(s, err)) {
            s->ended = true;
            return false;
        }
        s->row = -1;
    }
    if (!s->ended && (!s->result || ++s->row >= PQntuples(s->result)) && !next_result(s, err))
        return false;
    *row = !s->ended;
    return true;
}

/* -- rows of a cursor -- */

static bool send_fetch(PgStatement *s, int rows, Err *err)
{
    char sql[48];
    snprintf(sql, sizeof sql, "FETCH %d FROM %s", rows, s->name);
    s->batch = rows;
    return pg_send(connection(s), sql, (PgPending){0}, err);
}

static bool read_fetch(PgStatement *s, Err *err)
{
    Pg *pg = connection(s);
    if (pg->stopped && pg->stopped(pg->stopped_ctx))
        return pg_fail_stopped(pg, err);
    if (!reach_last(pg, err))
        return false;
    pg->reading = s;
    bool ok = next_result(s, err);
    PGresult *rows = s->result;
    bool failed;
    if (!ok || s->ended)
        return ok;
    PGresult *rest = pg_result(pg, &failed, err);
    PQclear(rest);
    s->result = rows;
    pg->reading = NULL;
    return !rest && !failed && pg_end_of_answers(pg, err);
}

static bool begin_rows(PgStatement *s, Err *err)
{
    Pg *pg = connection(s);
    Buf sql;
    if (!pg_flush(pg, err))
        return false;
    if (s->use == DB_FIRST && !pg_send(pg,
                                       "SELECT set_config('enable_sort', 'off', true), "
                                       "set_config('cursor_tuple_fraction', '0.001', true)",
                                       (PgPending){0}, err))
        return false;
    if (!make_room(pg, err))
        return false;
    buf_init(&sql, 0);
    buf_printf(&sql, "DECLARE %s NO SCROLL CURSOR FOR ", s->name);
    buf_append_cstr(&sql, s->sql);
    PgArrays a = pg_arrays(s, 0, s->param_count);
    int sent =
        PQsendQueryParams(pg->conn, buf_cstr(&sql), s->param_count, NULL, a.values, a.lengths, a.formats, 0);
    pg_arrays_free(&a);
    buf_free(&sql);
    return pg_sent(pg, sent, (PgPending){0}, err) && send_fetch(s, PG_ROWS_FIRST, err) && read_fetch(s, err);
}

static bool step_rows(PgStatement *s, bool *row, Err *err)
{
    bool ok = true;
    if (!s->begun) {
        s->begun = true;
        ok = begin_rows(s, err);
        s->ended |= !ok;
    } else if (!s->ended && ++s->row >= PQntuples(s->result)) {
        s->ended = PQntuples(s->result) < s->batch;
        ok = s->ended || (send_fetch(s, PG_ROWS, err) && read_fetch(s, err));
        s->ended |= !ok;
    }
    *row = ok && !s->ended;
    return ok;
}

/* -- the calls -- */

bool pg_step(DbStatement *base, bool *row, Err *err)
{
    PgStatement *s = of(base);
    arena_reset(s->blobs);
    *row = false;
    return s->use == DB_LOOK ? step_look(s, row, err) : step_rows(s, row, err);
}

void pg_done(DbStatement *base)
{
    PgStatement *s = of(base);
    Pg *pg = connection(s);
    if (s->gathers) {
        pg_ungathered(s);
        return;
    }
    while (pg->reading == s && !s->ended && next_result(s, NULL))
        continue;
    PQclear(s->result);
    s->result = NULL;
    s->busy = false;
    if (s->use != DB_LOOK && s->begun && !pg->broken && !pg->spoilt && pg->in_transaction) {
        char sql[32];
        snprintf(sql, sizeof sql, "CLOSE %s", s->name);
        pg_send(pg, sql, (PgPending){0}, NULL);
    }
    if (!s->kept) {
        if (s->use == DB_LOOK)
            pg_settle(pg, NULL); /* answers that are not read yet may speak of it */
        pg_statement_drop(s);
        free(s);
    }
}

bool pg_run(DbStatement *base, Err *err)
{
    PgStatement *s = of(base);
    Pg *pg = connection(s);
    bool ok = true, row = true;
    if (s->gathers)
        return pg_gathered(s, err);
    if (pg->mode == DB_WRITER && pg->in_transaction)
        ok = send_whole(s, err);
    else
        while (ok && row)
            ok = pg_step(base, &row, err);
    pg_done(base);
    return ok;
}

bool pg_insert(DbStatement *base, int64_t *id, Err *err)
{
    bool row = false;
    bool ok = pg_step(base, &row, err);
    *id = ok && row ? pg_number(base, 0) : 0;
    pg_done(base);
    return ok && (row || err_set(err, ERR_INTERNAL, "index: an inserted row has no number"));
}

bool pg_is_null(DbStatement *base, int column)
{
    const PgStatement *s = of(base);
    return PQgetisnull(s->result, s->row, column);
}

Span pg_text(DbStatement *base, int column)
{
    const PgStatement *s = of(base);
    if (PQgetisnull(s->result, s->row, column))
        return (Span){NULL, 0};
    return span_of(PQgetvalue(s->result, s->row, column), (size_t)PQgetlength(s->result, s->row, column));
}

int64_t pg_number(DbStatement *base, int column)
{
    const PgStatement *s = of(base);
    return PQgetisnull(s->result, s->row, column) ? 0
                                                  : strtoll(PQgetvalue(s->result, s->row, column), NULL, 10);
}

static uint8_t hex_digit(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* "\x" and two digits for each byte. */
Span pg_blob(DbStatement *base, int column)
{
    PgStatement *s = of(base);
    Span text = pg_text(base, column);
    if (text.n < 2 || text.p[0] != '\\' || text.p[1] != 'x')
        return (Span){NULL, 0};
    size_t n = (text.n - 2) / 2;
    uint8_t *bytes = arena_alloc(s->blobs, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(hex_digit(text.p[2 + 2 * i]) << 4 | hex_digit(text.p[3 + 2 * i]));
    return (Span){bytes, n};
}
