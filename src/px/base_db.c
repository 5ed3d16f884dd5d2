// SPDX-License-Identifier: MIT
/*
 * The px tables in the file of the archive's index, on a connection of their own: px_record and px_mark, and px_schema with their version, which goes forward
 * only. Every value is a bound parameter. The file is in WAL mode (the index sees to that), so readers wait for nobody; writers wait for each
 * other, for a bounded time. A commit is on disk when it returns.
 */
#include "px/base_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { VERSION = 1, CLOSE_LOG_BYTES = 4 << 20 };

static const char *const sql_of[PX_SQL_COUNT] = {
    [PX_SQL_RECORD_GET] = "SELECT record FROM px_record WHERE series = ? AND name = ?",
    [PX_SQL_RECORD_SET] =
        "INSERT INTO px_record (series, name, study, record) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (series, "
        "name) DO UPDATE SET study = coalesce(excluded.study, study), record = excluded.record",
    [PX_SQL_RECORD_NAMES] = "SELECT series, name FROM px_record ORDER BY series, name",
    [PX_SQL_MARK_SET] =
        "INSERT OR REPLACE INTO px_mark (series, instance, kind, target, sha256, name, check_text, size) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [PX_SQL_MARK_FIND] = "SELECT name, check_text, size FROM px_mark WHERE series = ? AND instance = ? AND "
                         "kind = ? AND target = ? AND sha256 = ?",
    [PX_SQL_MARKS_OF_SERIES] =
        "SELECT instance, kind, sha256 FROM px_mark WHERE series = ? ORDER BY instance",
    [PX_SQL_MARKS_OF_KIND] = "SELECT instance, sha256, target, name, check_text, size FROM px_mark WHERE "
                             "series = ? AND kind = ? ORDER BY instance",
};

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS px_schema (version INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS px_record (series TEXT NOT NULL, name TEXT NOT NULL, study TEXT, record TEXT "
    "NOT NULL, PRIMARY KEY (series, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS px_mark (series TEXT NOT NULL, instance TEXT NOT NULL, kind INTEGER NOT "
    "NULL, "
    "target TEXT NOT NULL, sha256 TEXT NOT NULL, name TEXT NOT NULL, check_text TEXT NOT NULL, size INTEGER "
    "NOT NULL, PRIMARY KEY (series, instance, kind, target)) WITHOUT ROWID;"
    "DELETE FROM px_schema;";

static bool fail(PxDb *db, int code, Err *err)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_TIMEOUT, "%s is locked by another program; try again when that is done",
                       db->path);
    case SQLITE_FULL:
        return err_set(err, ERR_NO_SPACE, "no space left for %s", db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_FORMAT,
                       "%s is damaged or no database (%s); move it away and make it again with px-smdb",
                       db->path, sqlite3_errstr(code));
    default:
        return err_set(err, ERR_IO, "cannot use %s: %s", db->path, sqlite3_errmsg(db->handle));
    }
}

static bool execute(PxDb *db, const char *sql, Err *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(db, code, err);
}

/* -- the version -- */

/* 0: there are no px tables. */
static bool read_version(PxDb *db, int64_t *out, Err *err)
{
    sqlite3_stmt *s = NULL;
    *out = 0;
    int code = sqlite3_prepare_v2(
        db->handle, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'px_schema'", -1, &s, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    sqlite3_finalize(s);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE || fail(db, code, err);
    code = sqlite3_prepare_v2(db->handle, "SELECT version FROM px_schema", -1, &s, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return code == SQLITE_ROW || code == SQLITE_DONE || fail(db, code, err);
}

static bool is_not_newer(const PxDb *db, int64_t version, Err *err)
{
    return version <= VERSION ||
           err_set(err, ERR_UNSUPPORTED, "%s was written by a newer version of this program; use that one",
                   db->path);
}

static bool write_tables(PxDb *db, Err *err)
{
    int64_t version;
    if (!read_version(db, &version, err) || !is_not_newer(db, version, err))
        return false;
    if (version == VERSION)
        return true;
    char *set = sqlite3_mprintf("INSERT INTO px_schema (version) VALUES (%d)", VERSION);
    if (!set)
        abort();
    bool ok = execute(db, tables, err) && execute(db, set, err);
    sqlite3_free(set);
    return ok;
}

bool px_db_prepare(PxDb *db, Err *err)
{
    return px_db_enter(db, true, err) && px_db_leave(db, true, write_tables(db, err), err);
}

/* -- the connection -- */

PxDb *px_db_open(const char *path, int busy_ms, bool *current, Err *err)
{
    struct stat st;
    *current = false;
    if (stat(path, &st) != 0) {
        err_set(err, ERR_NOT_FOUND, "there is no %s", path);
        return NULL;
    }
    PxDb *db = calloc(1, sizeof *db);
    if (!db || !(db->path = strdup(path)))
        abort();
    pthread_mutex_init(&db->lock, NULL);
    int64_t version = 0;
    int code = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    bool ok = code == SQLITE_OK || fail(db, code, err);
    if (ok) {
        sqlite3_extended_result_codes(db->handle, 1);
        sqlite3_busy_timeout(db->handle, busy_ms);
        ok = execute(db, "PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF", err) &&
             read_version(db, &version, err) && is_not_newer(db, version, err);
    }
    *current = version == VERSION;
    if (ok)
        return db;
    px_db_close(db);
    return NULL;
}

/* The last one that goes works the log into the file, which costs syncs: a tool that ends leaves a short one to those that come. */
static void leave_short_log(const PxDb *db)
{
    char *log = sqlite3_mprintf("%s-wal", db->path);
    struct stat st;
    if (log && stat(log, &st) == 0 && st.st_size < CLOSE_LOG_BYTES)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_free(log);
}

void px_db_close(PxDb *db)
{
    if (!db)
        return;
    for (int i = 0; i < PX_SQL_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    if (db->handle)
        leave_short_log(db);
    sqlite3_close_v2(db->handle);
    pthread_mutex_destroy(&db->lock);
    free(db->path);
    free(db);
}

/* -- transactions and statements -- */

bool px_db_enter(PxDb *db, bool writes, Err *err)
{
    pthread_mutex_lock(&db->lock);
    if (!writes || execute(db, "BEGIN IMMEDIATE", err))
        return true;
    pthread_mutex_unlock(&db->lock);
    return false;
}

bool px_db_leave(PxDb *db, bool writes, bool ok, Err *err)
{
    if (writes && ok)
        ok = execute(db, "COMMIT", err);
    if (writes && !ok)
        execute(db, "ROLLBACK", NULL);
    pthread_mutex_unlock(&db->lock);
    return ok;
}

sqlite3_stmt *px_db_statement(PxDb *db, PxSql which, Err *err)
{
    sqlite3_stmt **s = &db->statements[which];
    int code = SQLITE_OK;
    if (!*s)
        code = sqlite3_prepare_v3(db->handle, sql_of[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    if (code == SQLITE_OK)
        return *s;
    fail(db, code, err);
    return NULL;
}

bool px_db_step(PxDb *db, sqlite3_stmt *statement, bool *row, Err *err)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE || fail(db, code, err);
}

void px_db_reset(sqlite3_stmt *statement)
{
    if (!statement)
        return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

void px_db_bind(sqlite3_stmt *statement, int parameter, const char *text)
{
    sqlite3_bind_text(statement, parameter, text, -1, SQLITE_TRANSIENT);
}

const char *px_db_text(sqlite3_stmt *statement, int column, Arena *arena)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return arena_strdup(arena, text ? text : "");
}
