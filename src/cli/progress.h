// SPDX-License-Identifier: MIT
/*
 * Progress of long work on stderr: count, rate, time left. On a terminal one line that is written over, otherwise one line
 * per interval. Not thread-safe: the caller's lock covers it.
 */
#ifndef GANTRY_CLI_PROGRESS_H
#define GANTRY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
    const char *what; /* "sent", "received" */
    uint64_t total;   /* 0 = not known */
    int64_t began, shown;
    bool live;  /* a terminal */
    bool dirty; /* a live line stands there */
} Progress;

/* `quiet_terminal`: nothing else is written on the terminal meanwhile, so that a live line can stand. */
Progress progress_start(const char *what, uint64_t total, bool quiet_terminal);
void progress_step(Progress *progress, uint64_t done);
/* Clears the live line. */
void progress_end(Progress *progress);
/* The text of a line, for tests: "sent 20 of 500, 10/s, 48 s left". */
void progress_text(const Progress *progress, uint64_t done, int64_t elapsed_ms, char out[160]);

#endif
