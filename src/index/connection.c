// SPDX-License-Identifier: MIT
/*
 * The SQLite driver. Write-ahead log: readers see the last commit and are never blocked by the writer. synchronous=FULL:
 * a commit is on disk when it returns. secure_delete is off: freed pages are not overwritten (Debian's build has it on), which
 * would double the writing. Memory mapping stays off: a file that is cut short under us would end the server by SIGBUS.
 *
 * Errors that users meet (locked, damaged, full) say which file and what to do.
 */
#include "index/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATEMENTS = 48, LOCK_TEXT = 96, WATCH_STEPS = 4000 };

struct DbStatement {
    Db *db;
    sqlite3_stmt *handle;
    char *sql;
    int next, bind_error;
    bool busy, kept;
    uint64_t used;
};

struct Db {
    sqlite3 *handle;
    bool (*stopped)(void *ctx); /* of db_watch */
    void *stopped_ctx;
    char *path;
    DbStatement statements[STATEMENTS];
    uint64_t clock;
    int64_t version; /* data_version when last asked; -1 = never */
};

/* -- errors -- */

/* Which process holds a lock on the file or its shared memory, by /proc/locks (opening the files to ask fcntl would drop our own locks). */
static long lock_holder(const char *path)
{
    char name[4200], line[256];
    struct stat main_file = {0}, memory = {0};
    snprintf(name, sizeof name, "%s-shm", path);
    FILE *locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    stat(path, &main_file);
    stat(name, &memory);
    long found = 0;
    while (!found && fgets(line, sizeof line, locks)) {
        long pid;
        unsigned long inode;
        if (!strstr(line, "WRITE") || sscanf(line, "%*s %*s %*s %*s %ld %*x:%*x:%lu", &pid, &inode) != 2 ||
            pid == getpid())
            continue;
        if (inode == main_file.st_ino || inode == memory.st_ino)
            found = pid;
    }
    fclose(locks);
    return found;
}

static bool fail_locked(const char *path, Err *err)
{
    char who[LOCK_TEXT] = "";
    long pid = lock_holder(path);
    if (pid > 0)
        snprintf(who, sizeof who, " by process %ld", pid);
    return err_set(err, ERR_TIMEOUT,
                   "index: %s is locked%s; stop that or give db.params.timeout more seconds", path, who);
}

/* SQLite forgets the number for some failures. */
static int system_error(Db *db)
{
    int number = sqlite3_system_errno(db->handle);
    return number ? number : EIO;
}

static bool fail(Db *db, int code, const char *doing, Err *err)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail_locked(db->path, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_FORMAT,
                       "index: %s is damaged or no index (%s); move it away and rebuild it from the files "
                       "with 'manage data index'",
                       db->path, sqlite3_errstr(code));
    case SQLITE_FULL:
        return err_set(err, ERR_NO_SPACE, "index: no space left for %s", db->path);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_IOERR:
        return err_errno(err, system_error(db), "index: cannot %s %s (%s)", doing, db->path,
                         sqlite3_errstr(code));
    case SQLITE_INTERRUPT:
        return err_set(err, ERR_CANCELLED, "index: the query was cancelled");
    case SQLITE_TOOBIG:
        return err_set(err, ERR_LIMIT, "index: a value is too long for %s", db->path);
    default:
        return err_set(err, ERR_INTERNAL, "index: cannot %s %s: %s", doing, db->path,
                       sqlite3_errmsg(db->handle));
    }
}

/* -- connections -- */

static bool make_file(const char *path, Err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_errno(err, errno, "index: cannot open %s", path);
    close(fd);
    return true;
}

static bool configure(Db *db, DbMode mode, Err *err)
{
    static const char *const writer =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
        "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536; "
        "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864";
    static const char *const reader =
        "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192; PRAGMA mmap_size=0";
    return db_exec(db, mode == DB_WRITER ? writer : reader, err);
}

Db *db_open(const char *path, DbMode mode, int64_t busy_timeout_ms, Err *err)
{
    if (mode == DB_WRITER && !make_file(path, err))
        return NULL;
    Db *db = calloc(1, sizeof *db);
    if (!db)
        abort();
    db->path = strdup(path);
    db->version = -1;
    int code = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        fail(db, code, "open", err);
        db_close(db);
        return NULL;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, busy_timeout_ms > INT32_MAX ? INT32_MAX : (int)busy_timeout_ms);
    if (!configure(db, mode, err)) {
        db_close(db);
        return NULL;
    }
    return db;
}

static void drop(DbStatement *s)
{
    sqlite3_finalize(s->handle);
    free(s->sql);
    *s = (DbStatement){0};
}

void db_close(Db *db)
{
    if (!db)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        drop(&db->statements[i]);
    sqlite3_close_v2(db->handle);
    free(db->path);
    free(db);
}

const char *db_path(const Db *db)
{
    return db->path;
}

bool db_exec(Db *db, const char *sql, Err *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(db, code, "use", err);
}

bool db_changed_elsewhere(Db *db)
{
    int64_t version = -1;
    bool row = false;
    DbStatement *s = db_prepare(db, "PRAGMA data_version", NULL);
    if (s && db_step(s, &row, NULL) && row)
        version = db_int(s, 0);
    db_done(s);
    bool changed = version < 0 || version != db->version;
    db->version = version;
    return changed;
}

bool db_in_transaction(const Db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

static int is_stopped(void *ctx)
{
    const Db *db = ctx;
    return db->stopped(db->stopped_ctx);
}

void db_watch(Db *db, bool (*stopped)(void *ctx), void *ctx)
{
    db->stopped = stopped;
    db->stopped_ctx = ctx;
    sqlite3_progress_handler(db->handle, stopped ? WATCH_STEPS : 0, stopped ? is_stopped : NULL, db);
}

/* -- statements -- */

static DbStatement *find_kept(Db *db, const char *sql)
{
    for (int i = 0; i < STATEMENTS; i++) {
        DbStatement *s = &db->statements[i];
        if (s->sql && !s->busy && strcmp(s->sql, sql) == 0)
            return s;
    }
    return NULL;
}

/* A place for a new statement: a free one, else the one not used for longest; a passing one when all are in use. */
static DbStatement *take_place(Db *db)
{
    DbStatement *oldest = NULL;
    for (int i = 0; i < STATEMENTS; i++) {
        DbStatement *s = &db->statements[i];
        if (!s->busy && (!oldest || s->used < oldest->used))
            oldest = s;
    }
    if (oldest) {
        drop(oldest);
        oldest->kept = true;
        return oldest;
    }
    DbStatement *passing = calloc(1, sizeof *passing);
    if (!passing)
        abort();
    return passing;
}

DbStatement *db_prepare(Db *db, const char *sql, Err *err)
{
    DbStatement *s = find_kept(db, sql);
    if (!s) {
        sqlite3_stmt *handle = NULL;
        int code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
        if (code != SQLITE_OK) {
            fail(db, code, "use", err);
            return NULL;
        }
        s = take_place(db);
        s->db = db;
        s->handle = handle;
        s->sql = strdup(sql);
    }
    s->busy = true;
    s->next = 1;
    s->bind_error = SQLITE_OK;
    s->used = ++db->clock;
    return s;
}

void db_done(DbStatement *s)
{
    if (!s)
        return;
    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    s->busy = false;
    if (!s->kept) {
        drop(s);
        free(s);
    }
}

static void bound(DbStatement *s, int code)
{
    if (s->bind_error == SQLITE_OK)
        s->bind_error = code;
}

void db_bind_text(DbStatement *s, Span utf8)
{
    const char *p = utf8.p ? (const char *)utf8.p : "";
    bound(s, sqlite3_bind_text64(s->handle, s->next++, p, utf8.n, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_cstr(DbStatement *s, const char *utf8)
{
    if (utf8)
        db_bind_text(s, span_cstr(utf8));
    else
        db_bind_null(s);
}

void db_bind_int(DbStatement *s, int64_t value)
{
    bound(s, sqlite3_bind_int64(s->handle, s->next++, value));
}

void db_bind_blob(DbStatement *s, Span bytes)
{
    if (bytes.n)
        bound(s, sqlite3_bind_blob64(s->handle, s->next++, bytes.p, bytes.n, SQLITE_STATIC));
    else
        db_bind_null(s);
}

void db_bind_null(DbStatement *s)
{
    bound(s, sqlite3_bind_null(s->handle, s->next++));
}

bool db_step(DbStatement *s, bool *row, Err *err)
{
    if (s->bind_error != SQLITE_OK)
        return fail(s->db, s->bind_error, "use", err);
    int code = sqlite3_step(s->handle);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fail(s->db, code, "use", err);
    *row = code == SQLITE_ROW;
    return true;
}

bool db_run(DbStatement *s, Err *err)
{
    bool ok = true, row = true;
    while (ok && row)
        ok = db_step(s, &row, err);
    db_done(s);
    return ok;
}

int64_t db_touched(Db *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t db_last_id(Db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

bool db_is_null(DbStatement *s, int column)
{
    return sqlite3_column_type(s->handle, column) == SQLITE_NULL;
}

Span db_text(DbStatement *s, int column)
{
    const unsigned char *p = sqlite3_column_text(s->handle, column);
    return (Span){p, p ? (size_t)sqlite3_column_bytes(s->handle, column) : 0};
}

int64_t db_int(DbStatement *s, int column)
{
    return sqlite3_column_int64(s->handle, column);
}

Span db_blob(DbStatement *s, int column)
{
    const void *p = sqlite3_column_blob(s->handle, column);
    return (Span){p, p ? (size_t)sqlite3_column_bytes(s->handle, column) : 0};
}
