// SPDX-License-Identifier: MIT
/* A SQLite index as a file of its own, for backups: copied while others write, and fitted to another place of the files. */
#include "index/index.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 60000 };

static bool fail(sqlite3 *db, const char *path, Err *err)
{
    int code = db ? sqlite3_errcode(db) & 0xFF : SQLITE_NOMEM;
    return err_set(err, code == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO, "the index %s: %s", path,
                   db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

static sqlite3 *open_file(const char *path, int flags, Err *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, BUSY_MS);
        return db;
    }
    fail(db, path, err);
    sqlite3_close(db);
    return NULL;
}

/* In one step: one state of the index, and writers do not have it begin again. */
static bool copy(sqlite3 *from, sqlite3 *to, const char *path, Err *err)
{
    sqlite3_backup *work = sqlite3_backup_init(to, "main", from, "main");
    if (work)
        sqlite3_backup_step(work, -1);
    return (work && sqlite3_backup_finish(work) == SQLITE_OK &&
            sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK) ||
           fail(to, path, err);
}

bool idx_sqlite_copy(const char *from, const char *to, Err *err)
{
    unlink(to); /* of a run that was cut short */
    sqlite3 *in = open_file(from, SQLITE_OPEN_READWRITE, err);
    sqlite3 *out = in ? open_file(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err) : NULL;
    bool ok = in && out && copy(in, out, to, err);
    sqlite3_close(in);
    sqlite3_close(out);
    return ok;
}

static bool move_table(sqlite3 *db, const char *path, const char *sql, const char *from, const char *to,
                       Err *err)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
              sqlite3_bind_text(s, 1, from, -1, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_bind_text(s, 2, to, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(s) == SQLITE_DONE;
    if (!ok)
        fail(db, path, err);
    sqlite3_finalize(s);
    return ok;
}

/* An index that was made by an older program may lack one. */
static bool has_table(sqlite3 *db, const char *table)
{
    sqlite3_stmt *s = NULL;
    bool has =
        sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_schema WHERE name = ?", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    return has;
}

#define MOVE(table)                                                                                          \
    "UPDATE " table " SET file_path = ?2 || substr(file_path, length(?1) + 1) "                              \
    "WHERE substr(file_path, 1, length(?1) + 1) = ?1 || '/'"

bool idx_sqlite_move(const char *path, const char *from, const char *to, Err *err)
{
    sqlite3 *db = open_file(path, SQLITE_OPEN_READWRITE, err);
    bool ok =
        db && (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK || fail(db, path, err));
    ok = ok && move_table(db, path, MOVE("file_storage_metadata_dicom"), from, to, err) &&
         move_table(db, path, MOVE("file_storage_metadata_annotation"), from, to, err) &&
         (!has_table(db, "replaced_file") || move_table(db, path, MOVE("replaced_file"), from, to, err)) &&
         (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK || fail(db, path, err));
    sqlite3_close(db);
    return ok;
}
