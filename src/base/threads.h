// SPDX-License-Identifier: MIT
/*
 * Threads for work that comes and goes: each item has a thread for itself as long as it is worked on, however many there are; who wants fewer counts them
 * himself. A thread that has nothing to do stays for a little while, because starting one costs more than waking one. One thread at a time gives items and finishes.
 */
#ifndef GANTRY_BASE_THREADS_H
#define GANTRY_BASE_THREADS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Threads Threads;

/* `stack` bytes for each. Never NULL. */
Threads *threads_new(size_t stack, void (*work)(void *item));
/* Has `work` called for the item in a thread. False when none can be started; the item stays the caller's. */
bool threads_give(Threads *threads, void *item);
/* Waits until all work is done, and frees. Nothing may be given any more. NULL is fine. */
void threads_finish(Threads *threads);

#endif
