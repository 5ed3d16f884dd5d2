// SPDX-License-Identifier: MIT
/*
 * The SQLite driver. Write-ahead log: readers see the last commit and are never blocked by the writer. synchronous=FULL:
 * a commit is on disk when it returns. secure_delete is off: freed pages are not overwritten (Debian's build has it on), which
 * would double the writing. The writer keeps 64 MiB of pages in memory, a reader 8; the log is worked in every 48 MiB (tend_log), and
 * what is longer than 64 MiB is given back. Memory mapping stays off: a file that is cut short under us would end the server by SIGBUS.
 * A scratch database has no log and is never synced.
 *
 * Errors that users meet (locked, damaged, full) say which file and what to do.
 */
#include "index/driver.h"
#include "index/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STATEMENTS = 48,
    LOCK_TEXT = 96,
    WATCH_STEPS = 4000,
    LOG_PAGES = 12000, /* 48 MiB */
    READERS_MS = 500,
};

typedef struct LiteSource {
    DbSource base;
    int64_t busy_timeout_ms;
    bool scratch;
} LiteSource;

typedef struct LiteStatement {
    DbStatement base;
    sqlite3_stmt *handle;
    char *sql;
    int next, bind_error;
    bool busy, kept;
    uint64_t used;
} LiteStatement;

typedef struct Lite {
    Db base;
    sqlite3 *handle;
    DbMode mode;
    bool (*stopped)(void *ctx); /* of db_watch */
    void *stopped_ctx;
    LiteStatement statements[STATEMENTS];
    uint64_t clock;
    int64_t version; /* data_version when last asked; -1 = never */
    int wait_at;     /* pages in the log at which readers are waited for */
    bool spoilt;     /* what was written of an object cannot be taken back by itself: */
    Err why;
    int64_t marked; /* rows changed by the connection at db_mark */
} Lite;

static Lite *lite(Db *db)
{
    return (Lite *)db;
}

static int busy_timeout(const Lite *db)
{
    return (int)((const LiteSource *)db->base.source)->busy_timeout_ms;
}

static LiteStatement *statement(DbStatement *s)
{
    return (LiteStatement *)s;
}

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
    return err_set(err, ERR_TIMEOUT, "index: %s is locked%s; stop that, or try again when it is done", path,
                   who);
}

/* SQLite forgets the number for some failures. */
static int system_error(Lite *db)
{
    int number = sqlite3_system_errno(db->handle);
    return number ? number : EIO;
}

/* Of what was read or written: what is not there, or there already, is another file, looked for afterwards. */
static int io_error(Lite *db)
{
    int number = system_error(db);
    return number == ENOENT || number == EEXIST ? EIO : number;
}

static bool is_gone(int number)
{
    return number == ENOENT || number == ENOTDIR;
}

/* "no such table": somebody else was at it. */
static bool is_incomplete(Lite *db)
{
    return span_starts(span_cstr(sqlite3_errmsg(db->handle)), SPAN("no such "));
}

static bool fail(Lite *db, int code, const char *doing, Err *err)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail_locked(db->base.source->name, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, (code & 0xff) == SQLITE_CORRUPT ? ERR_DAMAGED : ERR_UNAVAILABLE,
                       "index: %s is damaged or no index (%s); move it away and rebuild it from the files "
                       "with 'manage data index'",
                       db->base.source->name, sqlite3_errstr(code));
    case SQLITE_FULL:
        return err_set(err, ERR_NO_SPACE, "index: no space left for %s", db->base.source->name);
    case SQLITE_READONLY:
        return err_set(
            err, ERR_UNAVAILABLE,
            "index: cannot %s %s: it is read-only for this user; look at the rights of the file, of "
            "its -wal and -shm, and of their folder",
            doing, db->base.source->name);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_IOERR:
        /* It says nothing about what was looked for in it. */
        if ((code & 0xff) == SQLITE_CANTOPEN && is_gone(system_error(db)))
            return err_set(err, ERR_UNAVAILABLE,
                           "index: %s is not there any more, or not mounted; bring it back, or restart the "
                           "server, which then makes it anew from the files",
                           db->base.source->name);
        return err_errno(err, io_error(db), "index: cannot %s %s (%s)", doing, db->base.source->name,
                         sqlite3_errstr(code));
    case SQLITE_INTERRUPT:
        return err_set(err, ERR_CANCELLED, "index: the query was cancelled");
    case SQLITE_TOOBIG:
        return err_set(err, ERR_LIMIT, "index: a value is too long for %s", db->base.source->name);
    default:
        return err_set(err, is_incomplete(db) ? ERR_UNAVAILABLE : ERR_INTERNAL, "index: cannot %s %s: %s",
                       doing, db->base.source->name, sqlite3_errmsg(db->handle));
    }
}

/* -- connections -- */

/* With our mode, when it is absent. A file that is there must not be opened here: closing it would drop the POSIX locks that the other connections
   of this process hold on it, and another process would take itself for the last user and delete the log under us. */
static bool make_file(const char *path, Err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return errno == EEXIST ||
               (is_gone(errno) ? err_set(err, ERR_UNAVAILABLE,
                                         "index: the folder of %s is not there, or not mounted", path)
                               : err_errno(err, errno, "index: cannot open %s", path));
    close(fd);
    return true;
}

static bool execute(Lite *db, const char *sql, Err *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || fail(db, code, "use", err);
}

static bool lite_exec(Db *db, const char *sql, Err *err)
{
    return execute(lite(db), sql, err);
}

/* Called after each commit. Pages that are written again and again are copied from the log once, so the log may grow a little. Where readers always
   overlap it would never begin anew: when it is twice as long, those that read are waited for, while new ones need the log no more. A
   reader that takes longer lets it grow until the next try. */
static int tend_log(void *ctx, sqlite3 *handle, const char *name, int pages)
{
    Lite *db = ctx;
    if (pages < LOG_PAGES) {
        db->wait_at = 2 * LOG_PAGES;
        return SQLITE_OK;
    }
    bool wait = pages >= db->wait_at;
    if (wait) {
        db->wait_at = pages + LOG_PAGES;
        sqlite3_busy_timeout(handle, READERS_MS);
    }
    sqlite3_wal_checkpoint_v2(handle, name, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
                              NULL, NULL);
    if (wait)
        sqlite3_busy_timeout(handle, busy_timeout(db));
    return SQLITE_OK;
}

static bool configure(Lite *db, Err *err)
{
    static const char *const writer =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
        "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536; "
        "PRAGMA journal_size_limit=67108864";
    static const char *const scratch = "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; "
                                       "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384";
    static const char *const reader =
        "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192; PRAGMA mmap_size=0";
    bool is_scratch = ((LiteSource *)db->base.source)->scratch;
    if (!execute(db, db->mode == DB_READER ? reader : is_scratch ? scratch : writer, err))
        return false;
    if (db->mode == DB_WRITER)
        sqlite3_wal_hook(db->handle, tend_log, db);
    return true;
}

/* Counting its memory costs SQLite a lock at each allocation. Too late, and without effect, where SQLite was used before. */
static void set_up(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static DbSource *lite_source_new(const IdxSettings *settings, Err *err)
{
    if (!settings->sqlite_path || !*settings->sqlite_path) {
        err_set(err, ERR_USAGE, "index: no path for the database");
        return NULL;
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    LiteSource *source = calloc(1, sizeof *source);
    if (!source)
        abort();
    source->base = (DbSource){&db_sqlite, strdup(settings->sqlite_path)};
    source->busy_timeout_ms = settings->busy_timeout_ms > INT32_MAX ? INT32_MAX : settings->busy_timeout_ms;
    source->scratch = settings->scratch;
    return &source->base;
}

static void lite_source_free(DbSource *source)
{
    free(source->name);
    free(source);
}

static void drop(LiteStatement *s)
{
    sqlite3_finalize(s->handle);
    free(s->sql);
    *s = (LiteStatement){0};
}

static void lite_close(Db *base)
{
    Lite *db = lite(base);
    for (int i = 0; i < STATEMENTS; i++)
        drop(&db->statements[i]);
    sqlite3_close_v2(db->handle);
    free(db);
}

static Db *lite_open(DbSource *source, DbMode mode, Err *err)
{
    if (mode == DB_WRITER && !atomic_load(&source->must_exist) && !make_file(source->name, err))
        return NULL;
    Lite *db = calloc(1, sizeof *db);
    if (!db)
        abort();
    db->base = (Db){.driver = &db_sqlite, .source = source};
    db->mode = mode;
    db->version = -1;
    int code = sqlite3_open_v2(source->name, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    bool ok = code == SQLITE_OK || fail(db, code, "open", err);
    if (ok) {
        sqlite3_extended_result_codes(db->handle, 1);
        sqlite3_busy_timeout(db->handle, busy_timeout(db));
        ok = configure(db, err);
    }
    if (ok)
        return &db->base;
    lite_close(&db->base);
    return NULL;
}

static bool lite_alive(Db *db)
{
    return true;
}

/* -- statements -- */

static LiteStatement *find_kept(Lite *db, const char *sql)
{
    for (int i = 0; i < STATEMENTS; i++) {
        LiteStatement *s = &db->statements[i];
        if (s->sql && !s->busy && strcmp(s->sql, sql) == 0)
            return s;
    }
    return NULL;
}

/* A place for a new statement: a free one, else the one not used for longest; a passing one when all are in use. */
static LiteStatement *take_place(Lite *db)
{
    LiteStatement *oldest = NULL;
    for (int i = 0; i < STATEMENTS; i++) {
        LiteStatement *s = &db->statements[i];
        if (!s->busy && (!oldest || s->used < oldest->used))
            oldest = s;
    }
    if (oldest) {
        drop(oldest);
        oldest->kept = true;
        return oldest;
    }
    LiteStatement *passing = calloc(1, sizeof *passing);
    if (!passing)
        abort();
    return passing;
}

static DbStatement *lite_prepare(Db *base, const char *sql, DbUse use, Err *err)
{
    Lite *db = lite(base);
    LiteStatement *s = find_kept(db, sql);
    if (!s) {
        sqlite3_stmt *handle = NULL;
        int code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
        if (code != SQLITE_OK) {
            fail(db, code, "use", err);
            return NULL;
        }
        s = take_place(db);
        s->base.db = base;
        s->handle = handle;
        s->sql = strdup(sql);
    }
    s->busy = true;
    s->next = 1;
    s->bind_error = SQLITE_OK;
    s->used = ++db->clock;
    return &s->base;
}

static void lite_done(DbStatement *base)
{
    LiteStatement *s = statement(base);
    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    s->busy = false;
    if (!s->kept) {
        drop(s);
        free(s);
    }
}

static void bound(LiteStatement *s, int code)
{
    if (s->bind_error == SQLITE_OK)
        s->bind_error = code;
}

static void lite_bind_text(DbStatement *base, Span utf8)
{
    LiteStatement *s = statement(base);
    const char *p = utf8.p ? (const char *)utf8.p : "";
    bound(s, sqlite3_bind_text64(s->handle, s->next++, p, utf8.n, SQLITE_STATIC, SQLITE_UTF8));
}

static void lite_bind_int(DbStatement *base, int64_t value)
{
    LiteStatement *s = statement(base);
    bound(s, sqlite3_bind_int64(s->handle, s->next++, value));
}

static void lite_bind_blob(DbStatement *base, Span bytes)
{
    LiteStatement *s = statement(base);
    bound(s, sqlite3_bind_blob64(s->handle, s->next++, bytes.p, bytes.n, SQLITE_STATIC));
}

static void lite_bind_null(DbStatement *base)
{
    LiteStatement *s = statement(base);
    bound(s, sqlite3_bind_null(s->handle, s->next++));
}

static bool lite_step(DbStatement *base, bool *row, Err *err)
{
    LiteStatement *s = statement(base);
    if (s->bind_error != SQLITE_OK)
        return fail(lite(base->db), s->bind_error, "use", err);
    int code = sqlite3_step(s->handle);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fail(lite(base->db), code, "use", err);
    *row = code == SQLITE_ROW;
    return true;
}

static bool lite_run(DbStatement *s, Err *err)
{
    bool ok = true, row = true;
    while (ok && row)
        ok = lite_step(s, &row, err);
    lite_done(s);
    return ok;
}

static bool lite_insert(DbStatement *s, int64_t *id, Err *err)
{
    Lite *db = lite(s->db);
    bool ok = lite_run(s, err);
    *id = sqlite3_last_insert_rowid(db->handle);
    return ok;
}

static bool lite_is_null(DbStatement *s, int column)
{
    return sqlite3_column_type(statement(s)->handle, column) == SQLITE_NULL;
}

static Span lite_text(DbStatement *base, int column)
{
    LiteStatement *s = statement(base);
    const unsigned char *p = sqlite3_column_text(s->handle, column);
    return (Span){p, p ? (size_t)sqlite3_column_bytes(s->handle, column) : 0};
}

static int64_t lite_number(DbStatement *s, int column)
{
    return sqlite3_column_int64(statement(s)->handle, column);
}

static Span lite_blob(DbStatement *base, int column)
{
    LiteStatement *s = statement(base);
    const void *p = sqlite3_column_blob(s->handle, column);
    return (Span){p, p ? (size_t)sqlite3_column_bytes(s->handle, column) : 0};
}

/* -- transactions -- */

static bool run(Db *db, const char *sql, Err *err)
{
    DbStatement *s = lite_prepare(db, sql, DB_LOOK, err);
    return s && lite_run(s, err);
}

static bool number(Db *db, const char *sql, int64_t *out, Err *err)
{
    bool row = false;
    DbStatement *s = lite_prepare(db, sql, DB_LOOK, err);
    bool ok = s && lite_step(s, &row, err);
    if (ok && row)
        *out = lite_number(s, 0);
    if (s)
        lite_done(s);
    return ok;
}

static bool lite_begin(Db *db, bool *changed, Err *err)
{
    if (lite(db)->mode == DB_READER)
        return run(db, "BEGIN", err);
    if (!run(db, "BEGIN IMMEDIATE", err))
        return false;
    lite(db)->spoilt = false;
    int64_t version = -1;
    number(db, "PRAGMA data_version", &version, NULL);
    *changed = version < 0 || version != lite(db)->version;
    lite(db)->version = version;
    return true;
}

static bool lite_commit(Db *db, Err *err)
{
    if (lite(db)->spoilt && err)
        *err = lite(db)->why;
    if (!lite(db)->spoilt && run(db, "COMMIT", err))
        return true;
    lite(db)->spoilt = false;
    run(db, "ROLLBACK", NULL);
    return false;
}

static void lite_rollback(Db *db)
{
    lite(db)->spoilt = false;
    run(db, "ROLLBACK", NULL);
}

static bool lite_spoilt(Db *db)
{
    return lite(db)->spoilt;
}

/* A SAVEPOINT would have SQLite copy each page before its first change by an object, which is most of them for each object anew. */
static bool lite_mark(Db *db, Err *err)
{
    lite(db)->marked = sqlite3_total_changes64(lite(db)->handle);
    return true;
}

static bool lite_keep(Db *db, Err *err)
{
    return true;
}

static void lite_undo(Db *base, const Err *why)
{
    Lite *db = lite(base);
    if (db->spoilt || sqlite3_total_changes64(db->handle) == db->marked)
        return;
    db->spoilt = true;
    db->why = *why;
}

static bool lite_undone(Db *db)
{
    return sqlite3_get_autocommit(lite(db)->handle);
}

static int is_stopped(void *ctx)
{
    const Lite *db = ctx;
    return db->stopped(db->stopped_ctx);
}

static void lite_watch(Db *base, bool (*stopped)(void *ctx), void *ctx)
{
    Lite *db = lite(base);
    db->stopped = stopped;
    db->stopped_ctx = ctx;
    sqlite3_progress_handler(db->handle, stopped ? WATCH_STEPS : 0, stopped ? is_stopped : NULL, db);
}

/* -- schema -- */

static bool set_version(Db *db, Err *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d;", IDX_APPLICATION_ID,
             IDX_SCHEMA_VERSION);
    return lite_exec(db, sql, err);
}

static bool create(Db *db, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    idx_sql_schema(&sql, db);
    bool ok = lite_exec(db, buf_cstr(&sql), err) && set_version(db, err);
    buf_free(&sql);
    return ok;
}

static bool create_or_migrate(Db *db, Err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    if (!number(db, "PRAGMA user_version", &version, err) ||
        !number(db, "PRAGMA application_id", &application, err) ||
        !number(db, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'", &tables,
                err))
        return false;
    /* Version 0 under our own mark: idx_schema_drop was here, and left what belongs to others. */
    if (tables == 0 || (application == IDX_APPLICATION_ID && version == 0))
        return atomic_load(&db->source->must_exist) ? db_fail_gone(db, err) : create(db, err);
    if (application != IDX_APPLICATION_ID)
        return err_set(err, ERR_UNSUPPORTED,
                       "index: %s is the database of another program; give the index a file of its own",
                       db->source->name);
    if (version > IDX_SCHEMA_VERSION)
        return err_set(
            err, ERR_UNSUPPORTED,
            "index: %s was made by a newer program (schema %lld, this one knows %d); use that one, or "
            "move the file away and rebuild the index with 'manage data index'",
            db->source->name, (long long)version, IDX_SCHEMA_VERSION);
    return idx_schema_add_columns(db, err) &&
           (version == IDX_SCHEMA_VERSION || (idx_schema_upgrade(db, version, err) && set_version(db, err)));
}

static bool lite_open_schema(Db *db, Err *err)
{
    if (!lite_exec(db, "BEGIN IMMEDIATE", err))
        return false;
    if (create_or_migrate(db, err) && lite_exec(db, "COMMIT", err))
        return true;
    lite_exec(db, "ROLLBACK", NULL);
    return false;
}

static bool lite_build(Db *db, const char *index, const char *sql, Err *err)
{
    return lite_exec(db, sql, err);
}

const DbDriver db_sqlite = {
    .dialect = {.id = "INTEGER PRIMARY KEY AUTOINCREMENT",
                .integer = "INTEGER",
                .blob = "BLOB",
                .binary_order = "",
                .nulls_first = "",
                .nulls_last = "",
                .path = "VARCHAR(512)",
                .without_rowid = " WITHOUT ROWID",
                .no_sha256 = "x'" DB_NO_SHA256 "'",
                .find = "instr",
                .among = " IN (SELECT value FROM json_each(?))",
                .gather = " IN (",
                .gathered = ")",
                .in_order = " CROSS JOIN",
                .reads_in_turn = true,
                .returning = false,
                .concurrently = "",
                .forget_version = "PRAGMA user_version = 0;",
                .has_column = "SELECT 1 FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE"},
    .source_new = lite_source_new,
    .source_free = lite_source_free,
    .open = lite_open,
    .close = lite_close,
    .alive = lite_alive,
    .open_schema = lite_open_schema,
    .exec = lite_exec,
    .build = lite_build,
    .begin = lite_begin,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .spoilt = lite_spoilt,
    .mark = lite_mark,
    .keep = lite_keep,
    .undo = lite_undo,
    .undone = lite_undone,
    .watch = lite_watch,
    .prepare = lite_prepare,
    .done = lite_done,
    .bind_text = lite_bind_text,
    .bind_int = lite_bind_int,
    .bind_blob = lite_bind_blob,
    .bind_null = lite_bind_null,
    .step = lite_step,
    .run = lite_run,
    .insert = lite_insert,
    .is_null = lite_is_null,
    .text = lite_text,
    .number = lite_number,
    .blob = lite_blob,
};
