// SPDX-License-Identifier: MIT
/* Opening, the pool of reading connections, and the figures that are one row. */
#include "index/extended.h"
#include "index/filled.h"
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
        Buf insert, gather, update;
        buf_init(&insert, 0);
        buf_init(&gather, 0);
        buf_init(&update, 0);
        idx_sql_gather(&gather, index->attributes, (DcmLevel)level);
        idx_sql_insert(&insert, index->attributes, (DcmLevel)level, db_source_dialect(index->source));
        idx_sql_update(&update, index->attributes, (DcmLevel)level);
        index->insert_sql[level] = strdup(buf_cstr(&insert));
        index->gather_sql[level] = strdup(buf_cstr(&gather));
        index->update_sql[level] = strdup(buf_cstr(&update));
        buf_free(&insert);
        buf_free(&gather);
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

bool idx_is_away(const Err *err)
{
    return err->code == ERR_CLOSED || err->code == ERR_TIMEOUT;
}

bool idx_was_ready(Index *index)
{
    return atomic_load(&index->ready);
}

bool idx_ready(Index *index, Err *err)
{
    if (atomic_load(&index->ready))
        return true;
    pthread_mutex_lock(&index->opening);
    bool ok = atomic_load(&index->ready);
    if (!ok) {
        Db *db = db_open(index->source, DB_WRITER, err);
        ok = db && db_open_schema(db, err) && idx_filled_settle(db, err);
        db_close(db);
        if (ok)
            atomic_store(&index->source->must_exist, true);
        atomic_store(&index->ready, ok);
    }
    pthread_mutex_unlock(&index->opening);
    return ok;
}

static void set_pool(Index *index, const IdxSettings *settings)
{
    index->idle_max = settings->readers ? settings->readers : IDX_READERS_DEFAULT;
    bool bounded = settings->readers_more || settings->no_more_readers;
    index->readers_max = bounded ? index->idle_max + settings->readers_more : IDX_READERS_MAX;
    if (index->idle_max > index->readers_max)
        index->idle_max = index->readers_max;
    index->idle = zeroed(index->idle_max, sizeof(Db *));
    index->reader_age_ms = settings->reader_age_ms;
    index->reader_timeout_ms =
        settings->reader_timeout_ms ? settings->reader_timeout_ms : settings->busy_timeout_ms;
}

Index *idx_open(const IdxSettings *settings, Err *err)
{
    Arena *arena = arena_new(0);
    const IdxAttributes *attributes =
        settings->like ? settings->like->attributes
                       : idx_attributes_make(arena, settings->extended, settings->extended_count, err);
    DbSource *source = attributes ? db_source_new(settings, err) : NULL;
    if (!source) {
        arena_free(arena);
        return NULL;
    }
    Index *index = zeroed(1, sizeof *index);
    source->attributes = attributes;
    atomic_store(&source->must_exist, settings->must_exist);
    index->source = source;
    index->attributes = attributes;
    index->arena = arena;
    set_pool(index, settings);
    index->scratch = arena_new(0);
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        index->parents[level] = zeroed(IDX_CACHE_ENTRIES, sizeof(IdxParent));
    if (getrandom(&index->seed, sizeof index->seed, GRND_NONBLOCK) != sizeof index->seed)
        index->seed = (uintptr_t)index ^ (uint64_t)clock_ns();
    pthread_mutex_init(&index->opening, NULL);
    pthread_mutex_init(&index->lock, NULL);
    cond_init(&index->returned);
    make_statements(index);
    Err why;
    if (idx_ready(index, &why) || (settings->may_be_away && idx_is_away(&why)))
        return index;
    if (err)
        *err = why;
    idx_close(index);
    return NULL;
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
        free(index->gather_sql[level]);
        free(index->update_sql[level]);
    }
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        free(index->parents[level]);
    idx_counters_free(&index->counters);
    idx_expected_free(&index->expected);
    arena_free(index->scratch);
    pthread_cond_destroy(&index->returned);
    pthread_mutex_destroy(&index->lock);
    pthread_mutex_destroy(&index->opening);
    free(index->idle);
    db_source_free(index->source);
    arena_free(index->arena);
    free(index);
}

/* -- readers -- */

/* Waits while all connections are out. True with *db an idle one, or NULL where a new one may be opened. */
static bool take_idle(Index *index, Db **db, Err *err)
{
    Deadline deadline = deadline_in(index->reader_timeout_ms > 1000 ? index->reader_timeout_ms : 1000);
    bool in_time = true;
    pthread_mutex_lock(&index->lock);
    while (index->readers_out >= index->readers_max && in_time)
        in_time = cond_wait(&index->returned, &index->lock, deadline);
    bool free_place = index->readers_out < index->readers_max;
    *db = free_place && index->idle_count ? index->idle[--index->idle_count] : NULL;
    index->readers_out += free_place;
    pthread_mutex_unlock(&index->lock);
    if (free_place)
        return true;
    err_set(err, ERR_LIMIT, "index: %zu queries are running already; ask again later", index->readers_max);
    if (err)
        err->http = 503; /* not 413: it is not what was asked that is too much */
    return false;
}

static bool is_old(const Index *index, const Db *db)
{
    return index->reader_age_ms && (clock_ns() - db->opened_ns) / 1000000 > index->reader_age_ms;
}

/* Keeps the connection, or says that it shall be closed. */
static bool put_idle(Index *index, Db *db)
{
    pthread_mutex_lock(&index->lock);
    bool keep = db && index->idle_count < index->idle_max && !is_old(index, db);
    if (keep)
        index->idle[index->idle_count++] = db;
    index->readers_out--;
    pthread_cond_signal(&index->returned);
    pthread_mutex_unlock(&index->lock);
    return keep;
}

Db *idx_reader_take(Index *index, IdxReading reading, Err *err)
{
    Db *db;
    if (!idx_ready(index, err) || !take_idle(index, &db, err))
        return NULL;
    if (db && !db_alive(db)) {
        db_close(db);
        db = NULL;
    }
    if (!db)
        db = db_open(index->source, DB_READER, err);
    if (db && (reading == IDX_ONE_LOOK || db_begin(db, NULL, err)))
        return db;
    db_close(db);
    put_idle(index, NULL);
    return NULL;
}

void idx_reader_give(Index *index, Db *db, IdxReading reading)
{
    if (!db)
        return;
    bool sound = (reading == IDX_ONE_LOOK || db_commit(db, NULL)) && db_alive(db);
    if (!sound)
        db_close(db);
    if (!put_idle(index, sound ? db : NULL) && sound)
        db_close(db);
}
