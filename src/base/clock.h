// SPDX-License-Identifier: MIT
/* Monotonic time and deadlines, and wall-clock text. All durations are milliseconds. */
#ifndef GANTRY_BASE_CLOCK_H
#define GANTRY_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A point of monotonic time in milliseconds. CLOCK_NEVER = no deadline. */
typedef int64_t Deadline;
#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);      /* monotonic */
int64_t clock_ns(void);      /* monotonic */
int64_t clock_wall_us(void); /* microseconds since 1970 UTC */

Deadline deadline_in(int64_t ms); /* ms < 0: CLOCK_NEVER */
bool deadline_passed(Deadline deadline);
/* For poll(2): milliseconds left, 0 when passed, -1 for CLOCK_NEVER. */
int deadline_poll_ms(Deadline deadline);
Deadline deadline_min(Deadline a, Deadline b);

/* "2026-11-21 13:05:09.123456", local time (utc: UTC). Needs 27 bytes. */
void clock_format(int64_t wall_us, bool utc, char out[32]);
/* Sleeps, at most until the deadline. */
void clock_sleep_ms(int64_t ms);

#endif
