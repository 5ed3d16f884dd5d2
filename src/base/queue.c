// SPDX-License-Identifier: MIT
#include "base/queue.h"

#include "base/cond.h"

#include <stdlib.h>

struct Queue {
    pthread_mutex_t lock; /* guards everything below; held only for a few instructions */
    pthread_cond_t not_empty, not_full;
    size_t capacity, first, count;
    bool closed;
    void *items[];
};

Queue *queue_new(size_t capacity)
{
    capacity = capacity ? capacity : 1;
    Queue *queue = calloc(1, sizeof *queue + capacity * sizeof(void *));
    if (!queue)
        abort();
    queue->capacity = capacity;
    pthread_mutex_init(&queue->lock, NULL);
    cond_init(&queue->not_empty);
    cond_init(&queue->not_full);
    return queue;
}

void queue_free(Queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->not_empty);
    pthread_cond_destroy(&queue->not_full);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

bool queue_put_many(Queue *queue, void *const *items, size_t n, Deadline deadline)
{
    pthread_mutex_lock(&queue->lock);
    bool in_time = true;
    while (!queue->closed && queue->capacity - queue->count < n && in_time)
        in_time = cond_wait(&queue->not_full, &queue->lock, deadline);
    bool ok = !queue->closed && queue->capacity - queue->count >= n;
    for (size_t i = 0; ok && i < n; i++)
        queue->items[(queue->first + queue->count++) % queue->capacity] = items[i];
    if (ok && n == 1)
        pthread_cond_signal(&queue->not_empty);
    else if (ok)
        pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
    return ok;
}

bool queue_put(Queue *queue, void *item, Deadline deadline)
{
    return queue_put_many(queue, &item, 1, deadline);
}

size_t queue_take_many(Queue *queue, void **items, size_t max, Deadline deadline)
{
    pthread_mutex_lock(&queue->lock);
    bool in_time = true;
    while (!queue->closed && queue->count == 0 && in_time)
        in_time = cond_wait(&queue->not_empty, &queue->lock, deadline);
    size_t n = queue->count < max ? queue->count : max;
    for (size_t i = 0; i < n; i++)
        items[i] = queue->items[(queue->first + i) % queue->capacity];
    queue->first = (queue->first + n) % queue->capacity;
    queue->count -= n;
    if (n)
        pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->lock);
    return n;
}

void *queue_take(Queue *queue, Deadline deadline)
{
    void *item = NULL;
    return queue_take_many(queue, &item, 1, deadline) ? item : NULL;
}

void queue_close(Queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->lock);
}

size_t queue_length(Queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t n = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return n;
}

struct Pool {
    Queue *queue;
    PoolWork work;
    void *ctx;
    pthread_mutex_t lock; /* guards what follows */
    size_t unfinished;    /* items that were put and are not worked off */
    size_t most, count;
    pthread_t threads[];
};

static void *worker(void *arg)
{
    Pool *pool = arg;
    void *item;
    while ((item = queue_take(pool->queue, CLOCK_NEVER))) {
        pool->work(pool->ctx, item);
        pthread_mutex_lock(&pool->lock);
        pool->unfinished--;
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

/* One thread more, if there is work for it. With the lock held. */
static void grow(Pool *pool)
{
    if (pool->count < pool->most && pool->count < pool->unfinished &&
        pthread_create(&pool->threads[pool->count], NULL, worker, pool) == 0)
        pool->count++;
}

static void pool_free(Pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
    queue_free(pool->queue);
    free(pool);
}

Pool *pool_try(size_t threads, size_t backlog, PoolWork work, void *ctx)
{
    Pool *pool = calloc(1, sizeof *pool + threads * sizeof(pthread_t));
    if (!pool)
        abort();
    pool->queue = queue_new(backlog);
    pool->work = work;
    pool->ctx = ctx;
    pool->most = threads;
    pthread_mutex_init(&pool->lock, NULL);
    /* The first is there from the beginning, so that whatever is put is worked off. */
    if (threads > 0 && pthread_create(&pool->threads[0], NULL, worker, pool) == 0) {
        pool->count = 1;
        return pool;
    }
    pool_free(pool);
    return NULL;
}

Pool *pool_new(size_t threads, size_t backlog, PoolWork work, void *ctx)
{
    Pool *pool = pool_try(threads, backlog, work, ctx);
    if (!pool)
        abort();
    return pool;
}

bool pool_put(Pool *pool, void *item, Deadline deadline)
{
    pthread_mutex_lock(&pool->lock);
    pool->unfinished++;
    grow(pool);
    pthread_mutex_unlock(&pool->lock);
    if (queue_put(pool->queue, item, deadline))
        return true;
    pthread_mutex_lock(&pool->lock);
    pool->unfinished--;
    pthread_mutex_unlock(&pool->lock);
    return false;
}

void pool_finish(Pool *pool)
{
    if (!pool)
        return;
    queue_close(pool->queue);
    for (size_t i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pool_free(pool);
}
