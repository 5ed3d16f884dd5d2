// SPDX-License-Identifier: MIT
/*
 * Syncing the folders of a pass side by side. Each fsync waits for a flush of the disk's cache, and flushes that come together are one to the disk: eight
 * folders take little longer than one. The caller does its share, so that a pass without helpers is only slower.
 */
#include "base/cond.h"
#include "base/queue.h"
#include "store/store_internal.h"

#include <stdatomic.h>

enum { HELPERS = 8 };

typedef struct SyncRound {
    const Folder *list;
    size_t count;
    atomic_size_t next;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t done;
    size_t helping;
    bool ok;
    Err err; /* of the first that failed */
} SyncRound;

static void take_part(SyncRound *round)
{
    for (size_t i; (i = atomic_fetch_add(&round->next, 1)) < round->count;) {
        Err err;
        if (file_sync(round->list[i].fd, "a folder of the archive", &err))
            continue;
        pthread_mutex_lock(&round->lock);
        if (round->ok)
            round->err = err;
        round->ok = false;
        pthread_mutex_unlock(&round->lock);
    }
}

static void help(void *ctx, void *item)
{
    (void)ctx;
    SyncRound *round = item;
    take_part(round);
    pthread_mutex_lock(&round->lock);
    if (--round->helping == 0)
        pthread_cond_signal(&round->done);
    pthread_mutex_unlock(&round->lock);
}

/* Made when it is first wanted: most programs only read. NULL when no thread can be had. */
static Pool *helpers(Store *store)
{
    pthread_mutex_lock(&store->known_lock);
    if (!store->helpers)
        store->helpers = pool_try(HELPERS, HELPERS, help, NULL);
    Pool *pool = store->helpers;
    pthread_mutex_unlock(&store->known_lock);
    return pool;
}

static void ask_for_help(Store *store, SyncRound *round)
{
    Pool *pool = helpers(store);
    for (size_t i = 1; pool && i < round->count && i < HELPERS; i++) {
        pthread_mutex_lock(&round->lock);
        round->helping++;
        pthread_mutex_unlock(&round->lock);
        if (pool_put(pool, round, deadline_in(0)))
            continue;
        pthread_mutex_lock(&round->lock);
        round->helping--;
        pthread_mutex_unlock(&round->lock);
        return;
    }
}

bool sync_folders(Store *store, const Folder *list, size_t count, Err *err)
{
    SyncRound round = {.list = list, .count = count, .ok = true};
    pthread_mutex_init(&round.lock, NULL);
    cond_init(&round.done);
    if (count > 1)
        ask_for_help(store, &round);
    take_part(&round);
    pthread_mutex_lock(&round.lock);
    while (round.helping)
        pthread_cond_wait(&round.done, &round.lock);
    pthread_mutex_unlock(&round.lock);
    if (!round.ok && err)
        *err = round.err;
    pthread_cond_destroy(&round.done);
    pthread_mutex_destroy(&round.lock);
    return round.ok;
}
