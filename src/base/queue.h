// SPDX-License-Identifier: MIT
/*
 * A bounded queue of pointers between threads, and a pool of workers that drain one.
 * Every wait has a deadline. The queue does not own what passes through it.
 */
#ifndef GANTRY_BASE_QUEUE_H
#define GANTRY_BASE_QUEUE_H

#include "base/clock.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct Queue Queue;

Queue *queue_new(size_t capacity); /* at least 1 */
void queue_free(Queue *queue);
/* Waits for room. `item` is not NULL. False when the deadline passed or the queue is closed. */
bool queue_put(Queue *queue, void *item, Deadline deadline);
/* The same for n at once, at most the capacity: all of them or none; who takes them sees them together. */
bool queue_put_many(Queue *queue, void *const *items, size_t n, Deadline deadline);
/* Waits for an item. NULL when the deadline passed, or closed and empty. */
void *queue_take(Queue *queue, Deadline deadline);
/* Takes up to `max` items that are there now, after waiting for the first. Returns how many (0 as queue_take's NULL). */
size_t queue_take_many(Queue *queue, void **items, size_t max, Deadline deadline);
/* No more puts; takers drain what is left, then get NULL. */
void queue_close(Queue *queue);
size_t queue_length(Queue *queue);

typedef struct Pool Pool;
typedef void (*PoolWork)(void *ctx, void *item);

/* Up to `threads` workers, at least 1, calling work(ctx, item) for each item put; they are started as they are needed. At most `backlog` items wait. */
Pool *pool_new(size_t threads, size_t backlog, PoolWork work, void *ctx);
/* The same for those who can do without: NULL when no thread can be had now. */
Pool *pool_try(size_t threads, size_t backlog, PoolWork work, void *ctx);
bool pool_put(Pool *pool, void *item, Deadline deadline);
/* Closes, waits until all items are worked off, ends the threads, frees. */
void pool_finish(Pool *pool);

#endif
