// SPDX-License-Identifier: MIT
/*
 * New rows in bulk (postgres.h): the parameters of INSERTs are kept, by table, until something else is to be sent; then many rows go as
 * one COPY … FROM STDIN in its text format, a few as the INSERTs they are, which need no answers between them. Parents come before children.
 *
 * COPY is not possible inside libpq's pipeline: it waits for the answers of what was sent before, and twice for its own.
 *
 * Ids of new patients, studies and series are taken from the tables' sequences beforehand, so that rows can refer to one another without
 * having been written.
 */
#include "index/postgres.h"

#include "base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    COPY_ROWS = 24,       /* fewer are INSERTs */
    VALUES_MAX = 4 << 20, /* bytes of values of one table */
    PIECE = 64 << 10,     /* given to libpq at a time */
};

static PgGather *gather_of(PgStatement *s)
{
    return (PgGather *)s;
}

/* -- gathering -- */

/* "INSERT INTO table (columns) VALUES (…)" becomes "COPY table (columns) FROM STDIN". */
static char *copy_of(const char *insert)
{
    static const char into[] = "INSERT INTO ", values[] = " VALUES (";
    const char *table = insert + strlen(into), *end = strstr(insert, values);
    Buf copy;
    buf_init(&copy, 0);
    buf_append_cstr(&copy, "COPY ");
    buf_append(&copy, table, end ? (size_t)(end - table) : 0);
    buf_append_cstr(&copy, " FROM STDIN");
    char *out = strdup(buf_cstr(&copy));
    buf_free(&copy);
    if (!out)
        abort();
    return out;
}

static PgGather *new_gather(Pg *pg, const char *insert, int rank)
{
    PgGather *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    pg_statement_init(pg, &g->rows, insert);
    g->rows.gathers = true;
    g->copy = copy_of(insert);
    g->rank = rank;
    for (const char *p = insert; *p; p++)
        g->columns += *p == '?';
    return g;
}

static PgGather *find_gather(Pg *pg, const char *insert, int rank)
{
    int i = 0, at;
    for (; i < PG_GATHERS && pg->gathers[i]; i++)
        if (strcmp(pg->gathers[i]->rows.asked, insert) == 0)
            return pg->gathers[i];
    if (i == PG_GATHERS)
        return NULL;
    for (at = i; at > 0 && pg->gathers[at - 1]->rank > rank; at--)
        pg->gathers[at] = pg->gathers[at - 1];
    return pg->gathers[at] = new_gather(pg, insert, rank);
}

DbStatement *pg_gather(Db *db, const char *insert, int rank, Err *err)
{
    Pg *pg = pg_of(db);
    if (pg->spoilt || pg->broken || !pg->in_transaction || pg->mode != DB_WRITER)
        return pg_prepare(db, insert, DB_LOOK, err);
    PgGather *g = find_gather(pg, insert, rank);
    return g ? &g->rows.base : pg_prepare(db, insert, DB_LOOK, err);
}

void pg_ungathered(PgStatement *s)
{
    PgGather *g = gather_of(s);
    s->param_count = g->count * g->columns;
    s->values.n = g->ended;
}

bool pg_gathered(PgStatement *s, Err *err)
{
    PgGather *g = gather_of(s);
    if (s->param_count != (g->count + 1) * g->columns) {
        pg_ungathered(s);
        return err_set(err, ERR_INTERNAL, "index: a row with another number of values than columns");
    }
    g->count++;
    g->ended = s->values.n;
    return g->ended < VALUES_MAX || pg_flush(pg_of(s->base.db), err);
}

static void forget_rows(PgGather *g)
{
    g->count = 0;
    g->ended = 0;
    pg_ungathered(&g->rows);
}

void pg_forget_gathered(Pg *pg, bool prepared)
{
    for (int i = 0; i < PG_GATHERS && pg->gathers[i]; i++) {
        forget_rows(pg->gathers[i]);
        if (prepared)
            pg->gathers[i]->rows.prepared = false;
    }
}

void pg_free_gathered(Pg *pg)
{
    for (int i = 0; i < PG_GATHERS && pg->gathers[i]; i++) {
        pg_statement_drop(&pg->gathers[i]->rows);
        free(pg->gathers[i]->copy);
        free(pg->gathers[i]);
    }
}

/* -- a mark -- */

bool pg_mark(Db *db, Err *err)
{
    Pg *pg = pg_of(db);
    pg->marked = pg->sent;
    for (int i = 0; i < PG_GATHERS && pg->gathers[i]; i++) {
        pg->gathers[i]->marked = pg->gathers[i]->count;
        pg->gathers[i]->marked_ended = pg->gathers[i]->ended;
    }
    return true;
}

bool pg_keep(Db *db, Err *err)
{
    return true;
}

void pg_undo(Db *db, const Err *why)
{
    Pg *pg = pg_of(db);
    if (pg->sent != pg->marked) {
        pg_spoil(pg, why);
        return;
    }
    for (int i = 0; i < PG_GATHERS && pg->gathers[i]; i++) {
        PgGather *g = pg->gathers[i];
        g->count = g->marked;
        g->ended = g->marked_ended;
        pg_ungathered(&g->rows);
    }
}

/* -- COPY -- */

static void append_hex(Buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    buf_append_cstr(out, "\\\\x");
    for (size_t i = 0; i < n; i++) {
        buf_u8(out, (uint8_t)digits[p[i] >> 4]);
        buf_u8(out, (uint8_t)digits[p[i] & 15]);
    }
}

static void append_escaped(Buf *out, const uint8_t *p, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        char letter = p[i] == '\\' ? '\\' : p[i] == '\n' ? 'n' : p[i] == '\r' ? 'r' : p[i] == '\t' ? 't' : 0;
        if (!letter)
            continue;
        buf_append(out, p + from, i - from);
        buf_u8(out, '\\');
        buf_u8(out, (uint8_t)letter);
        from = i + 1;
    }
    buf_append(out, p + from, n - from);
}

static void append_row(Buf *out, const PgGather *g, int row)
{
    const PgParam *p = g->rows.params + (ptrdiff_t)row * g->columns;
    for (int i = 0; i < g->columns; i++, p++) {
        const uint8_t *value = g->rows.values.p + p->at;
        if (i)
            buf_u8(out, '\t');
        if (p->length < 0)
            buf_append_cstr(out, "\\N");
        else if (p->binary)
            append_hex(out, value, (size_t)p->length);
        else
            append_escaped(out, value, (size_t)p->length);
    }
    buf_u8(out, '\n');
}

/* libpq has no room: `taken` 0. Waits until the server has read some. */
static bool wait_for_room(Pg *pg, Err *err)
{
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = POLLIN | POLLOUT};
    int64_t deadline = clock_ns() + pg->patience_ms * 1000000;
    int rest = PQflush(pg->conn);
    while (rest > 0 && clock_ns() < deadline) {
        if (poll(&fd, 1, 100) > 0 && (fd.revents & POLLIN) && !PQconsumeInput(pg->conn))
            return pg_fail_connection(pg, err);
        rest = PQflush(pg->conn);
    }
    return rest == 0 || (rest < 0 ? pg_fail_connection(pg, err) : pg_fail_timeout(pg, err));
}

static bool put_piece(Pg *pg, Buf *piece, Err *err)
{
    int taken;
    while ((taken = PQputCopyData(pg->conn, (const char *)piece->p, (int)piece->n)) == 0)
        if (!wait_for_room(pg, err))
            return false;
    buf_clear(piece);
    return taken > 0 ? wait_for_room(pg, err) : pg_fail_connection(pg, err);
}

static bool put_rows(Pg *pg, const PgGather *g, Err *err)
{
    Buf piece;
    bool ok = true;
    int taken = 0;
    buf_init(&piece, 0);
    for (int row = 0; ok && row < g->count; row++) {
        append_row(&piece, g, row);
        if (piece.n >= PIECE || row + 1 == g->count)
            ok = put_piece(pg, &piece, err);
    }
    buf_free(&piece);
    while (ok && (taken = PQputCopyEnd(pg->conn, NULL)) == 0)
        ok = wait_for_room(pg, err);
    return ok && (taken > 0 || pg_fail_connection(pg, err));
}

/* Reads answers to their end, or to where rows are awaited. */
static bool read_answers(Pg *pg, bool *awaited, Err *err)
{
    bool failed, ok = true;
    PGresult *result;
    *awaited = false;
    while (!*awaited && (result = pg_result(pg, &failed, ok ? err : NULL))) {
        ExecStatusType status = PQresultStatus(result);
        *awaited = status == PGRES_COPY_IN;
        if (status != PGRES_COPY_IN && status != PGRES_COMMAND_OK && ok)
            ok = pg_fail_result(pg_source(pg), result, err);
        PQclear(result);
        if (PQstatus(pg->conn) != CONNECTION_OK) {
            pg->broken = true;
            return false;
        }
    }
    return *awaited || (!failed && ok);
}

static bool copy_rows(Pg *pg, PgGather *g, Err *err)
{
    bool awaited;
    if (!pg_settle(pg, err))
        return false;
    if (PQpipelineStatus(pg->conn) != PQ_PIPELINE_OFF)
        PQexitPipelineMode(pg->conn);
    pg->sent++;
    if (!PQsendQuery(pg->conn, g->copy))
        return pg_fail_connection(pg, err);
    if (!read_answers(pg, &awaited, err))
        return false;
    return (awaited || err_set(err, ERR_INTERNAL, "index: %s takes no rows", db_name(&pg->base))) &&
           put_rows(pg, g, err) && read_answers(pg, &awaited, err);
}

static bool insert_rows(PgGather *g, Err *err)
{
    bool ok = true;
    for (int row = 0; ok && row < g->count; row++)
        ok = pg_send_prepared(&g->rows, row * g->columns, g->columns, err);
    return ok;
}

bool pg_flush(Pg *pg, Err *err)
{
    Err why;
    bool ok = true;
    for (int i = 0; i < PG_GATHERS && pg->gathers[i]; i++) {
        PgGather *g = pg->gathers[i];
        if (ok && g->count)
            ok = g->count < COPY_ROWS ? insert_rows(g, &why) : copy_rows(pg, g, &why);
        forget_rows(g);
    }
    if (ok)
        return true;
    if (err)
        *err = why;
    return pg_spoil(pg, &why);
}

/* -- ids -- */

void pg_forget_numbers(Pg *pg)
{
    for (int i = 0; i < PG_NUMBERED; i++)
        pg->numbers[i] = (PgNumbers){0};
}

/* From the table's sequence, if we may. */
static bool ask_numbers(Pg *pg, PgNumbers *numbers, const char *id_column, Err *err)
{
    static const char sql[] =
        "SELECT nextval(s.name::regclass) FROM (SELECT pg_get_serial_sequence(?, ?) AS name) s, "
        "generate_series(1, ?::integer) WHERE s.name IS NOT NULL AND has_sequence_privilege(s.name, 'USAGE')";
    PgStatement *s = (PgStatement *)pg_prepare(&pg->base, sql, DB_LOOK, err);
    bool ok = s != NULL, row = true;
    numbers->next = numbers->count = 0;
    if (s) {
        s->aside = true;
        pg_bind_text(&s->base, span_cstr(numbers->table));
        pg_bind_text(&s->base, span_cstr(id_column));
        pg_bind_int(&s->base, PG_NUMBERS);
    }
    while (ok && (ok = pg_step(&s->base, &row, err)) && row && numbers->count < PG_NUMBERS)
        numbers->ids[numbers->count++] = pg_number(&s->base, 0);
    if (s)
        pg_done(&s->base);
    numbers->none = ok && !numbers->count;
    return ok;
}

bool pg_new_id(Db *db, const char *table, const char *id_column, int64_t *id, Err *err)
{
    Pg *pg = pg_of(db);
    PgNumbers *numbers = pg->numbers;
    while (numbers->table && strcmp(numbers->table, table) != 0)
        if (++numbers == pg->numbers + PG_NUMBERED)
            return true;
    numbers->table = table;
    if (!numbers->none && numbers->next == numbers->count && !ask_numbers(pg, numbers, id_column, err))
        return false;
    if (!numbers->none)
        *id = numbers->ids[numbers->next++];
    return true;
}
