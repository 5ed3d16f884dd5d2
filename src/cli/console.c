// SPDX-License-Identifier: MIT
/* stdout becomes a stream of our own, which asks before each piece that it writes, and writes what comes quickly in large ones. */
#include "cli/console.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 100, PAUSE_MS = 1000, SHOW_MS = 100 };

static atomic_int_least64_t shown_ms; /* when something was shown last */

/* The stream has a lock, too, but tools that look for races do not see that one. */
typedef struct Console {
    pthread_mutex_t lock; /* guards what follows */
    int64_t deaf_until_ms;
    bool missing; /* something was dropped since the last that was written */
} Console;

static bool takes(Console *console)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    bool deaf = clock_ms() < console->deaf_until_ms;
    if (poll(&p, 1, deaf ? 0 : WAIT_MS) == 1)
        return true; /* or write tells why not */
    if (!deaf)
        console->deaf_until_ms = clock_ms() + PAUSE_MS;
    console->missing = true;
    return false;
}

/* A pipe that takes anything takes so much without a wait. */
static ssize_t write_piece(const char *p, size_t n)
{
    ssize_t done;
    do
        done = write(STDOUT_FILENO, p, n < PIPE_BUF ? n : PIPE_BUF);
    while (done < 0 && errno == EINTR);
    return done;
}

/* The number of bytes that are dealt with; 0 = they cannot be written. */
static ssize_t put_all(Console *console, const char *p, size_t n)
{
    static const char note[] = "\n(some lines are missing here: nobody took them)\n";
    for (size_t at = 0; at < n;) {
        if (!takes(console))
            return (ssize_t)n;
        bool missing = console->missing;
        ssize_t done = missing ? write_piece(note, strlen(note)) : write_piece(p + at, n - at);
        if (done <= 0)
            return 0;
        console->missing = false;
        at += missing ? 0 : (size_t)done;
    }
    return (ssize_t)n;
}

static ssize_t put(void *cookie, const char *p, size_t n)
{
    Console *console = cookie;
    pthread_mutex_lock(&console->lock);
    ssize_t done = put_all(console, p, n);
    pthread_mutex_unlock(&console->lock);
    return done;
}

void console_begin(void)
{
    static Console console = {.lock = PTHREAD_MUTEX_INITIALIZER};
    fflush(stdout);
    FILE *own = fopencookie(&console, "w", (cookie_io_functions_t){.write = put});
    if (!own)
        return;
    if (isatty(STDOUT_FILENO))
        setvbuf(own, NULL, _IOLBF, BUFSIZ);
    stdout = own;
}

static bool is_due(void)
{
    int64_t now = clock_ms(), last = atomic_load(&shown_ms);
    return now - last >= SHOW_MS && atomic_compare_exchange_strong(&shown_ms, &last, now);
}

void console_show(void)
{
    if (is_due())
        fflush(stdout);
}

void console_show_rest(void)
{
    fflush(stdout);
}
