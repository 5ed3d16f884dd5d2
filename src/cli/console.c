// SPDX-License-Identifier: MIT
/* stdout becomes a stream of our own, which asks before each piece that it writes, and writes what comes quickly in large ones. */
#include "cli/console.h"

#include "base/clock.h"
#include "base/outlet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SHOW_MS = 100 };

static atomic_int_least64_t shown_ms; /* when something was shown last */

/* The stream has a lock, too, but tools that look for races do not see that one. */
typedef struct Console {
    pthread_mutex_t lock; /* guards what follows */
    Outlet outlet;
    bool missing; /* something was dropped since the last that was written */
} Console;

static bool put_text(Console *console, const char *p, size_t n, bool *failed)
{
    ssize_t went = outlet_write(&console->outlet, p, n);
    *failed = went < 0;
    console->missing = went >= 0 && (size_t)went < n;
    return went >= 0 && !console->missing;
}

/* The number of bytes that are dealt with; 0 = they cannot be written. */
static ssize_t put_all(Console *console, const char *p, size_t n)
{
    static const char note[] = "\n(some lines are missing here: nobody took them)\n";
    bool failed;
    if (!console->missing || put_text(console, note, strlen(note), &failed))
        put_text(console, p, n, &failed);
    return failed ? 0 : (ssize_t)n;
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
    outlet_open(&console.outlet, STDOUT_FILENO);
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
