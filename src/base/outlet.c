// SPDX-License-Identifier: MIT
#include "base/outlet.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 100, PAUSE_MS = 1000, NAP_MS = 2 };

static bool is_pipe(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

void outlet_open(Outlet *outlet, int fd)
{
    char path[32];
    bool terminal = isatty(fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = terminal || is_pipe(fd) ? open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    *outlet = (Outlet){.fd = own < 0 ? fd : own, .own = own >= 0, .bytewise = terminal && own < 0};
}

void outlet_close(Outlet *outlet)
{
    if (outlet->own)
        close(outlet->fd);
    outlet->own = false;
}

static bool takes(const Outlet *outlet, int64_t until_ms)
{
    struct pollfd p = {.fd = outlet->fd, .events = POLLOUT};
    int64_t left = until_ms - clock_ms();
    return poll(&p, 1, left > 0 ? (int)left : 0) == 1; /* or write says why not */
}

/* A terminal may find room, and not enough of it for the next character. */
static bool goes_on(int64_t until_ms)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN || clock_ms() >= until_ms)
        return false;
    clock_sleep_ms(NAP_MS);
    return true;
}

static ssize_t write_piece(const Outlet *outlet, const char *p, size_t n, int64_t until_ms)
{
    size_t done = 0;
    while (done < n && takes(outlet, until_ms)) {
        ssize_t now = write(outlet->fd, p + done, outlet->bytewise ? 1 : n - done);
        if (now >= 0)
            done += (size_t)now;
        else if (!goes_on(until_ms))
            return errno == EAGAIN ? (ssize_t)done : -1;
    }
    return (ssize_t)done;
}

ssize_t outlet_write(Outlet *outlet, const char *p, size_t n)
{
    size_t done = 0;
    bool heard = true;
    while (done < n && heard) {
        int64_t now = clock_ms();
        bool deaf = now < outlet->deaf_until_ms;
        size_t piece = n - done < PIPE_BUF ? n - done : PIPE_BUF;
        ssize_t went = write_piece(outlet, p + done, piece, deaf ? now : now + WAIT_MS);
        if (went < 0)
            return -1;
        done += (size_t)went;
        heard = (size_t)went == piece;
        if (heard)
            outlet->deaf_until_ms = 0;
        else if (!deaf)
            outlet->deaf_until_ms = clock_ms() + PAUSE_MS;
    }
    return (ssize_t)done;
}
