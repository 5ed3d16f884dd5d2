// SPDX-License-Identifier: MIT
/*
 * A file that lines are appended to: rotated by size or by time, shared by several processes.
 *
 * Rotation renames: path becomes path.1, path.1 becomes path.2 (by size), or path becomes path.2026-11-21 (by time). Who
 * rotates holds a lock (flock) on the file that is put aside; the others see before their next line that the name
 * leads to another file, and open that. So a file that logrotate or a person has moved away is made again too, without
 * a signal. Nobody waits for the lock: a line that comes meanwhile goes to the file that is being put aside.
 *
 * A disk that is full costs lines, never the process: writing goes on when there is room, behind a line that says how many
 * are missing. Thread-safe.
 */
#ifndef GANTRY_BASE_LOG_FILE_H
#define GANTRY_BASE_LOG_FILE_H

#include "base/err.h"

#include <stddef.h>

typedef enum LogTurn {
    LOG_TURN_BY_SIZE,
    LOG_TURN_SECONDS,
    LOG_TURN_MINUTES,
    LOG_TURN_HOURS,
    LOG_TURN_DAYS,
    LOG_TURN_MIDNIGHT,
    LOG_TURN_MONDAY, /* at the midnight that ends it; _MONDAY + 1 is Tuesday, up to Sunday */
    LOG_TURN_SUNDAY = LOG_TURN_MONDAY + 6
} LogTurn;

typedef struct LogFileSettings {
    const char *path;
    LogTurn turn;
    uint64_t max_bytes; /* LOG_TURN_BY_SIZE: put aside before it grows beyond this; 0 = never */
    int interval;       /* by time: every so many seconds, minutes, hours or days; at least 1 */
    bool utc;           /* days and names of files in UTC */
    int keep;           /* by size: path.1 … path.keep, 0 = never put aside; by time: 0 = keep all */
    bool late;          /* open at the first line */
} LogFileSettings;

typedef struct LogFile LogFile;

/* Copies what it needs. Creates the file (mode 0640), not its folder. */
LogFile *log_file_open(const LogFileSettings *settings, Err *err);
/* One write(2) for a line, or several, each of which ends with a line feed. False when it is lost. */
bool log_file_write(LogFile *file, const char *line, size_t n, Err *err);
/* Opens the name again. */
void log_file_reopen(LogFile *file);
const char *log_file_path(const LogFile *file);
void log_file_close(LogFile *file); /* NULL is fine */

#endif
