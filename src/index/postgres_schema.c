// SPDX-License-Identifier: MIT
/*
 * The schema on PostgreSQL: made if it is not there, filled if it is empty, brought up to date step by step and never back. The table
 * schema_version has a row for each step that was taken. Servers that open it at the same time take turns (the lock of the writers).
 */
#include "index/postgres.h"
#include "index/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_SERVER = 120000, CHANGE_MS = 6 * 3600 * 1000 };

static bool number(Db *db, const char *sql, const char *parameter, int64_t *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, sql, err);
    if (s && parameter)
        db_bind_cstr(s, parameter);
    bool ok = s && db_step(s, &row, err);
    *out = ok && row ? db_int(s, 0) : 0;
    db_done(s);
    return ok;
}

static bool check_server(Pg *pg, Err *err)
{
    const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
    const char *name = db_name(&pg->base);
    if (PQserverVersion(pg->conn) < OLDEST_SERVER)
        return err_set(err, ERR_UNSUPPORTED, "index: %s is PostgreSQL %d; 12 or later is needed", name,
                       PQserverVersion(pg->conn) / 10000);
    if (!encoding || strcmp(encoding, "UTF8"))
        return err_set(err, ERR_UNSUPPORTED,
                       "index: %s has the encoding %s, which cannot hold all names; make a database with "
                       "ENCODING 'UTF8'",
                       name, encoding ? encoding : "?");
    return true;
}

static bool make_schema(Pg *pg, Err *err)
{
    int64_t there = 0;
    if (!number(&pg->base, "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = ?",
                pg_source(pg)->schema, &there, err))
        return false;
    if (there)
        return true;
    if (atomic_load(&pg->base.source->must_exist))
        return db_fail_gone(&pg->base, err);
    char *schema = PQescapeIdentifier(pg->conn, pg_source(pg)->schema, strlen(pg_source(pg)->schema));
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql, "CREATE SCHEMA %s", schema ? schema : "");
    bool ok = pg_exec(&pg->base, buf_cstr(&sql), err);
    buf_free(&sql);
    PQfreemem(schema);
    return ok || err_wrap(err, "the schema is not there and cannot be made");
}

static bool set_version(Db *db, int version, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(
        &sql,
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, since TIMESTAMP NOT NULL); "
        "INSERT INTO schema_version VALUES (%d, now() AT TIME ZONE 'UTC')",
        version);
    bool ok = pg_exec(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

static bool create(Db *db, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    idx_sql_schema(&sql, db);
    bool ok = pg_exec(db, buf_cstr(&sql), err) && set_version(db, IDX_SCHEMA_VERSION, err);
    buf_free(&sql);
    return ok;
}

static bool take_over(Db *db, Err *err)
{
    bool sphere = false;
    if (!pg_is_sphere(db, &sphere, err))
        return false;
    if (!sphere)
        return err_set(err, ERR_UNSUPPORTED,
                       "index: %s has tables of another program; give the index a schema of its own",
                       db_name(db));
    return pg_adopt(db, err) && idx_schema_add_columns(db, err) && set_version(db, IDX_SCHEMA_VERSION, err);
}

static bool create_or_migrate(Pg *pg, Err *err)
{
    Db *db = &pg->base;
    int64_t ours = 0, tables = 0, version = 0;
    if (!make_schema(pg, err) ||
        !number(db, "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('schema_version')",
                NULL, &ours, err) ||
        !number(db,
                "SELECT count(*) FROM pg_catalog.pg_class WHERE oid IN (to_regclass('patient'), "
                "to_regclass('study'), to_regclass('series'), to_regclass('file_storage_metadata_dicom'))",
                NULL, &tables, err))
        return false;
    if (!ours && !tables)
        return atomic_load(&db->source->must_exist) ? db_fail_gone(db, err) : create(db, err);
    if (!ours)
        return take_over(db, err);
    if (!number(db, "SELECT max(version) FROM schema_version", NULL, &version, err))
        return false;
    if (version > IDX_SCHEMA_VERSION)
        return err_set(
            err, ERR_UNSUPPORTED,
            "index: %s was made by a newer program (version %lld, this one knows %d); use that one, or "
            "another schema and 'manage data index'",
            db_name(db), (long long)version, IDX_SCHEMA_VERSION);
    return idx_schema_add_columns(db, err) &&
           (version == IDX_SCHEMA_VERSION ||
            (idx_schema_upgrade(db, version, err) && set_version(db, IDX_SCHEMA_VERSION, err)));
}

static bool begin(Pg *pg, Err *err)
{
    char *schema = PQescapeLiteral(pg->conn, pg_source(pg)->schema, strlen(pg_source(pg)->schema));
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql, "BEGIN; SELECT pg_advisory_xact_lock(%d, hashtext(%s))", PG_LOCK,
               schema ? schema : "''");
    bool ok = pg_exec(&pg->base, buf_cstr(&sql), err);
    buf_free(&sql);
    PQfreemem(schema);
    pg->in_transaction = true;
    return ok;
}

/* Changing tables of an archive of years takes as long as it takes; the wait for the lock is over. */
static bool be_patient(Pg *pg, Err *err)
{
    pg->patience_ms = CHANGE_MS;
    return pg_exec(&pg->base, "SET LOCAL statement_timeout TO 0", err);
}

/* One that was begun and not finished is there, but of no use. */
static bool drop_unfinished(Db *db, const char *index, Err *err)
{
    int64_t unfinished = 0;
    if (!number(
            db,
            "SELECT count(*) FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(?) AND NOT indisvalid",
            index, &unfinished, err))
        return false;
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql, "DROP INDEX CONCURRENTLY IF EXISTS %s", index);
    bool ok = !unfinished || pg_exec(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

/* Nobody waits for the turn: who waits inside a statement would be waited for by whoever builds. */
static bool take_turn(Pg *pg, Err *err)
{
    bool row = false;
    DbStatement *s =
        pg_prepare(&pg->base, "SELECT pg_try_advisory_lock(?::integer, hashtext(?))::integer", DB_LOOK, err);
    if (!s)
        return false;
    pg_bind_int(s, PG_BUILD_LOCK);
    pg_bind_text(s, span_cstr(pg_source(pg)->schema));
    bool ok = pg_step(s, &row, err);
    if (ok && pg_number(s, 0) == 0)
        ok = err_set(err, ERR_REFUSED, "index: %s: another program makes indexes there just now; again later",
                     db_name(&pg->base));
    pg_done(s);
    return ok;
}

bool pg_build(Db *db, const char *index, const char *sql, Err *err)
{
    Pg *pg = pg_of(db);
    char back[96];
    if (!take_turn(pg, err))
        return false;
    snprintf(back, sizeof back, "SET statement_timeout TO %lld; SET lock_timeout TO %lld",
             (long long)pg_source(pg)->statement_ms, (long long)pg_source(pg)->lock_ms);
    pg->patience_ms = CHANGE_MS;
    bool ok = pg_exec(db, "SET statement_timeout TO 0; SET lock_timeout TO '10min'", err) &&
              drop_unfinished(db, index, err) && pg_exec(db, sql, err);
    pg->patience_ms = pg_source(pg)->statement_ms;
    return pg_exec(db, back, ok ? err : NULL) &&
           pg_exec(db, "SELECT pg_advisory_unlock_all()", ok ? err : NULL) && ok;
}

bool pg_open_schema(Db *db, Err *err)
{
    Pg *pg = pg_of(db);
    if (!check_server(pg, err))
        return false;
    bool ok = begin(pg, err) && be_patient(pg, err) && create_or_migrate(pg, err) && db_commit(db, err);
    if (!ok)
        db_rollback(db);
    pg->patience_ms = pg_source(pg)->statement_ms;
    return ok;
}
