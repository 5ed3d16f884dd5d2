// SPDX-License-Identifier: MIT
/*
 * Where people read what a program says: a pipe, a terminal. A program that serves waits for no reader: a pipe that is full, a terminal that was stopped (Ctrl-S) or whose
 * window nobody draws would hold it up.
 *
 * Pieces of PIPE_BUF at most, which a pipe takes whole where poll(2) finds room, unless somebody else was faster. A terminal finds room for a byte and takes a line, and waits
 * with the rest. So both are opened another time, that writing does not wait there, and whoever shares them does not notice. A terminal that may not be opened (of who became
 * another user) gets a byte at a time.
 *
 * One thread at a time.
 */
#ifndef GANTRY_BASE_OUTLET_H
#define GANTRY_BASE_OUTLET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Outlet {
    int fd;
    bool own; /* opened for us */
    bool bytewise;
    int64_t deaf_until_ms;
} Outlet;

/* `fd` stays the caller's. Before the process gives up opening files. */
void outlet_open(Outlet *outlet, int fd);
void outlet_close(Outlet *outlet);
/* The bytes that went; less than n when nobody took the rest within a moment: then nobody is waited for for a second. -1 and errno when it cannot be written. */
ssize_t outlet_write(Outlet *outlet, const char *p, size_t n);

#endif
