// SPDX-License-Identifier: MIT
/* The same work by several threads, for work that is all there at the beginning: each takes its next piece by itself, out of what `ctx` leads to. */
#ifndef GANTRY_BASE_CREW_H
#define GANTRY_BASE_CREW_H

#include <stddef.h>

enum { CREW_MAX = 64 };

/*
 * Calls work(ctx) in up to `wanted` threads at once, at most CREW_MAX; the caller's is one of them, also when `wanted` is 0 or no other can be started.
 * Returns how many they were, when all have ended. What `work` returns is not looked at.
 */
size_t crew_run(size_t wanted, void *(*work)(void *ctx), void *ctx);

#endif
