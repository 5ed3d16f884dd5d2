// SPDX-License-Identifier: MIT
/* Calls to the driver of a connection, and its words in SQL. */
#include "index/driver.h"

#include "base/clock.h"

#include <string.h>

void db_expand(const DbDialect *d, const char *text, Buf *out)
{
    const struct {
        const char *token, *word;
    } words[] = {
        {"{id}", d->id},
        {"{integer}", d->integer},
        {"{blob}", d->blob},
        {"{binary_order}", d->binary_order},
        {"{nulls_first}", d->nulls_first},
        {"{nulls_last}", d->nulls_last},
        {"{path}", d->path},
        {"{without_rowid}", d->without_rowid},
        {"{find}", d->find},
        {"{in_order}", d->in_order},
        {"{no_sha256}", d->no_sha256},
    };
    while (*text) {
        size_t plain = strcspn(text, "{"), taken = 1;
        buf_append(out, text, plain);
        text += plain;
        if (!*text)
            break;
        const char *word = "{";
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strncmp(text, words[i].token, strlen(words[i].token)) == 0) {
                word = words[i].word;
                taken = strlen(words[i].token);
            }
        buf_append_cstr(out, word);
        text += taken;
    }
}

bool db_fail_gone(const Db *db, Err *err)
{
    return err_set(
        err, ERR_UNAVAILABLE,
        "index: the tables of %s are gone; bring them back, or restart the server, which then makes "
        "them anew and fills them from the files",
        db_name(db));
}

DbSource *db_source_new(const IdxSettings *settings, Err *err)
{
    return (settings->engine == IDX_POSTGRESQL ? &db_postgres : &db_sqlite)->source_new(settings, err);
}

void db_source_free(DbSource *source)
{
    if (source)
        source->driver->source_free(source);
}

const DbDialect *db_source_dialect(const DbSource *source)
{
    return &source->driver->dialect;
}

const DbDialect *db_dialect(const Db *db)
{
    return &db->driver->dialect;
}

const IdxAttributes *db_attributes(const Db *db)
{
    return db->source->attributes;
}

Db *db_open(DbSource *source, DbMode mode, Err *err)
{
    Db *db = source->driver->open(source, mode, err);
    if (db)
        db->opened_ns = clock_ns();
    return db;
}

void db_close(Db *db)
{
    if (db)
        db->driver->close(db);
}

bool db_alive(Db *db)
{
    return db->driver->alive(db);
}

bool db_open_schema(Db *db, Err *err)
{
    return db->driver->open_schema(db, err);
}

bool db_exec(Db *db, const char *sql, Err *err)
{
    return db->driver->exec(db, sql, err);
}

bool db_build(Db *db, const char *index, const char *sql, Err *err)
{
    return db->driver->build(db, index, sql, err);
}

bool db_begin(Db *db, bool *changed, Err *err)
{
    return db->driver->begin(db, changed, err);
}

bool db_commit(Db *db, Err *err)
{
    return db->driver->commit(db, err);
}

void db_rollback(Db *db)
{
    db->driver->rollback(db);
}

bool db_in_transaction(Db *db)
{
    return !db->driver->undone || !db->driver->undone(db);
}

bool db_mark(Db *db, Err *err)
{
    return db->driver->mark(db, err);
}

bool db_keep(Db *db, Err *err)
{
    return db->driver->keep(db, err);
}

void db_undo(Db *db, const Err *why)
{
    db->driver->undo(db, why);
}

void db_watch(Db *db, bool (*stopped)(void *ctx), void *ctx)
{
    if (db->driver->watch)
        db->driver->watch(db, stopped, ctx);
}

bool db_spoilt(Db *db)
{
    return db->driver->spoilt(db);
}

const char *db_name(const Db *db)
{
    return db->source->name;
}

DbStatement *db_prepare(Db *db, const char *sql, Err *err)
{
    return db->driver->prepare(db, sql, DB_LOOK, err);
}

DbStatement *db_prepare_for(Db *db, const char *sql, DbUse use, Err *err)
{
    return db->driver->prepare(db, sql, use, err);
}

DbStatement *db_gather(Db *db, const char *insert, int rank, Err *err)
{
    return db->driver->gather ? db->driver->gather(db, insert, rank, err) : db_prepare(db, insert, err);
}

bool db_gathers(const Db *db)
{
    return db->driver->gather != NULL;
}

bool db_new_id(Db *db, const char *table, const char *id_column, int64_t *id, Err *err)
{
    *id = 0;
    return !db->driver->new_id || db->driver->new_id(db, table, id_column, id, err);
}

void db_done(DbStatement *s)
{
    if (s)
        s->db->driver->done(s);
}

void db_bind_text(DbStatement *s, Span utf8)
{
    s->db->driver->bind_text(s, utf8);
}

void db_bind_cstr(DbStatement *s, const char *utf8)
{
    if (utf8)
        s->db->driver->bind_text(s, span_cstr(utf8));
    else
        s->db->driver->bind_null(s);
}

void db_bind_int(DbStatement *s, int64_t value)
{
    s->db->driver->bind_int(s, value);
}

void db_bind_blob(DbStatement *s, Span bytes)
{
    if (bytes.n)
        s->db->driver->bind_blob(s, bytes);
    else
        s->db->driver->bind_null(s);
}

void db_bind_null(DbStatement *s)
{
    s->db->driver->bind_null(s);
}

bool db_step(DbStatement *s, bool *row, Err *err)
{
    return s->db->driver->step(s, row, err);
}

bool db_run(DbStatement *s, Err *err)
{
    return s->db->driver->run(s, err);
}

bool db_insert(DbStatement *s, int64_t *id, Err *err)
{
    return s->db->driver->insert(s, id, err);
}

bool db_is_null(DbStatement *s, int column)
{
    return s->db->driver->is_null(s, column);
}

Span db_text(DbStatement *s, int column)
{
    return s->db->driver->text(s, column);
}

int64_t db_int(DbStatement *s, int column)
{
    return s->db->driver->number(s, column);
}

Span db_blob(DbStatement *s, int column)
{
    return s->db->driver->blob(s, column);
}
