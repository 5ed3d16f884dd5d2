// SPDX-License-Identifier: MIT
/*
 * Threads that fetch their work themselves, for work that comes and goes: each item has a thread for itself as long as it is worked on, however many there
 * are; who wants fewer counts them himself. Nothing is handed from one thread to another: one that has taken an item works on it, and another takes the
 * next. There is always one that takes; one that has nothing to do stays for a little while, because starting one costs more than waking one.
 */
#ifndef GANTRY_BASE_THREADS_H
#define GANTRY_BASE_THREADS_H

#include "base/clock.h"

typedef struct Threads Threads;

typedef struct ThreadsWork {
    void *ctx; /* of the first two */
    /* Waits for an item. NULL: none came before the deadline, or none is wanted any more. Called by several threads at once. */
    void *(*take)(void *ctx, Deadline deadline);
    /* Makes those who wait in `take` return soon, and all who come later at once. */
    void (*wake)(void *ctx);
    void (*work)(void *item);
    /* Instead of `work`: no thread could be started that takes the next item meanwhile. */
    void (*refuse)(void *item);
} ThreadsWork;

/* `stack` bytes for each. NULL when not even the first could be started. */
Threads *threads_new(size_t stack, const ThreadsWork *work);
/* No more is taken: when it returns, nobody is in `take`, and nobody will be. Work goes on. */
void threads_stop_taking(Threads *threads);
/* The same, then waits until all work is done, and frees. NULL is fine. */
void threads_finish(Threads *threads);

#endif
