// SPDX-License-Identifier: MIT
/* Opening, the pool of reading connections, and the figures that are one row. */
#include "index/internal.h"
#include "index/schema.h"

#include "base/clock.h"
#include "base/cond.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void make_statements(Index *index)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        Buf insert, update;
        buf_init(&insert, 0);
        buf_init(&update, 0);
        idx_sql_insert(&insert, (DcmLevel)level);
        idx_sql_update(&update, (DcmLevel)level);
        index->insert_sql[level] = strdup(buf_cstr(&insert));
        index->update_sql[level] = strdup(buf_cstr(&update));
        buf_free(&insert);
        buf_free(&update);
    }
}

static void *zeroed(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        abort();
    return p;
}

Index *idx_open(const IdxSettings *settings, Err *err)
{
    if (!settings->sqlite_path || !*settings->sqlite_path) {
        err_set(err, ERR_USAGE, "index: no path for the database");
        return NULL;
    }
    Index *index = zeroed(1, sizeof *index);
    index->path = strdup(settings->sqlite_path);
    index->busy_timeout_ms = settings->busy_timeout_ms;
    index->idle_max = settings->readers ? settings->readers : IDX_READERS_DEFAULT;
    if (index->idle_max > IDX_READERS_MAX)
        index->idle_max = IDX_READERS_MAX;
    index->idle = zeroed(index->idle_max, sizeof *index->idle);
    index->scratch = arena_new(0);
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        index->parents[level] = zeroed(IDX_CACHE_ENTRIES, sizeof(IdxParent));
    if (getrandom(&index->seed, sizeof index->seed, GRND_NONBLOCK) != sizeof index->seed)
        index->seed = (uintptr_t)index ^ (uint64_t)clock_ns();
    pthread_mutex_init(&index->lock, NULL);
    cond_init(&index->returned);
    make_statements(index);
    index->writer = db_open(index->path, DB_WRITER, index->busy_timeout_ms, err);
    if (!index->writer || !idx_schema_open(index->writer, err)) {
        idx_close(index);
        return NULL;
    }
    return index;
}

void idx_close(Index *index)
{
    if (!index)
        return;
    idx_rollback(index);
    for (size_t i = 0; i < index->idle_count; i++)
        db_close(index->idle[i]);
    db_close(index->writer);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        free(index->insert_sql[level]);
        free(index->update_sql[level]);
    }
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        free(index->parents[level]);
    idx_counters_free(&index->counters);
    arena_free(index->scratch);
    pthread_cond_destroy(&index->returned);
    pthread_mutex_destroy(&index->lock);
    free(index->idle);
    free(index->path);
    free(index);
}

/* -- readers -- */

/* Waits while all connections are out. True with *db an idle one, or NULL where a new one may be opened. */
static bool take_idle(Index *index, Db **db, Err *err)
{
    Deadline deadline = deadline_in(index->busy_timeout_ms > 1000 ? index->busy_timeout_ms : 1000);
    bool in_time = true;
    pthread_mutex_lock(&index->lock);
    while (index->readers_out >= IDX_READERS_MAX && in_time)
        in_time = cond_wait(&index->returned, &index->lock, deadline);
    bool free_place = index->readers_out < IDX_READERS_MAX;
    *db = free_place && index->idle_count ? index->idle[--index->idle_count] : NULL;
    index->readers_out += free_place;
    pthread_mutex_unlock(&index->lock);
    return free_place ||
           err_set(err, ERR_LIMIT, "index: %d queries are running already; ask again later", IDX_READERS_MAX);
}

/* Keeps the connection, or says that it shall be closed. */
static bool put_idle(Index *index, Db *db)
{
    pthread_mutex_lock(&index->lock);
    bool keep = db && index->idle_count < index->idle_max;
    if (keep)
        index->idle[index->idle_count++] = db;
    index->readers_out--;
    pthread_cond_signal(&index->returned);
    pthread_mutex_unlock(&index->lock);
    return keep;
}

static bool run(Db *db, const char *sql, Err *err)
{
    DbStatement *s = db_prepare(db, sql, err);
    return s && db_run(s, err);
}

Db *idx_reader_take(Index *index, Err *err)
{
    Db *db;
    if (!take_idle(index, &db, err))
        return NULL;
    if (!db)
        db = db_open(index->path, DB_READER, index->busy_timeout_ms, err);
    if (db && run(db, "BEGIN", err))
        return db;
    db_close(db);
    put_idle(index, NULL);
    return NULL;
}

void idx_reader_give(Index *index, Db *db)
{
    if (!db)
        return;
    bool sound = run(db, "COMMIT", NULL);
    if (!sound)
        db_close(db);
    if (!put_idle(index, sound ? db : NULL) && sound)
        db_close(db);
}
