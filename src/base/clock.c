// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_ms(void)
{
    return clock_ns() / 1000000;
}

int64_t clock_wall_us(void)
{
    return read_ns(CLOCK_REALTIME) / 1000;
}

Deadline deadline_in(int64_t ms)
{
    int64_t now = clock_ms();
    return ms < 0 || ms > CLOCK_NEVER - now ? CLOCK_NEVER : now + ms;
}

bool deadline_passed(Deadline deadline)
{
    return deadline != CLOCK_NEVER && clock_ms() >= deadline;
}

int deadline_poll_ms(Deadline deadline)
{
    if (deadline == CLOCK_NEVER)
        return -1;
    int64_t left = deadline - clock_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

Deadline deadline_min(Deadline a, Deadline b)
{
    return a < b ? a : b;
}

void clock_format(int64_t wall_us, bool utc, char out[32])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    if (utc)
        gmtime_r(&seconds, &tm);
    else
        localtime_r(&seconds, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%06d", (int)(wall_us % 1000000));
}

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}
