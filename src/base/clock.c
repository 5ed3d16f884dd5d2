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

static char *digits(char *out, unsigned value, int count)
{
    for (int i = count; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + count;
}

/* strftime and printf take ten times as long. */
static void format_usual(const struct tm *tm, unsigned us, char out[32])
{
    char *end = digits(out, (unsigned)tm->tm_year + 1900, 4);
    *end++ = '-';
    end = digits(end, (unsigned)tm->tm_mon + 1, 2);
    *end++ = '-';
    end = digits(end, (unsigned)tm->tm_mday, 2);
    *end++ = ' ';
    end = digits(end, (unsigned)tm->tm_hour, 2);
    *end++ = ':';
    end = digits(end, (unsigned)tm->tm_min, 2);
    *end++ = ':';
    end = digits(end, (unsigned)tm->tm_sec, 2);
    *end++ = '.';
    *digits(end, us, 6) = 0;
}

void clock_format(int64_t wall_us, bool utc, char out[32])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    if (utc)
        gmtime_r(&seconds, &tm);
    else
        localtime_r(&seconds, &tm);
    if (wall_us >= 0 && tm.tm_year <= 9999 - 1900) {
        format_usual(&tm, (unsigned)(wall_us % 1000000), out);
        return;
    }
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
