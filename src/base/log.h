// SPDX-License-Identifier: MIT
/*
 * The log: one line per event, to sinks that are added at start. Library rooms (base … store) do not log; the
 * services do, once, at the boundary. A line is "time :: logger :: level :: message key=value …".
 *
 * Rule: a patient's name or other identifying text may appear at LOG_DEBUG only, and a secret never.
 * Thread-safe. Before any sink is added, WARNING and above go to stderr.
 */
#ifndef GANTRY_BASE_LOG_H
#define GANTRY_BASE_LOG_H

#include "base/err.h"
#include <stddef.h>

typedef enum LogLevel {
    LOG_DEBUG = 10,
    LOG_INFO = 20,
    LOG_WARNING = 30,
    LOG_ERROR = 40,
    LOG_CRITICAL = 50
} LogLevel;

/* `logger` is a dotted subsystem name as in logging_config.yml: "pacs.transaction_dicom", "command_event" … */
void log_write(LogLevel level, const char *logger, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(...)    log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)     log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...)  log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...)    log_write(LOG_ERROR, __VA_ARGS__)
#define log_critical(...) log_write(LOG_CRITICAL, __VA_ARGS__)
/* True when a line at this level would reach a sink: to skip costly arguments. */
bool log_enabled(LogLevel level, const char *logger);

/*
 * A number put in front of every line of this thread ("assoc=17"), 0 = none. Set by the association's thread.
 */
void log_set_association(unsigned long number);
unsigned long log_association(void);

typedef struct LogSink {
    const char
        *logger; /* lines of this logger and of those below it ("pacs" takes "pacs.database"); "" = all */
    const char *path; /* NULL = stderr */
    LogLevel level;
    size_t max_bytes; /* rotate beyond this size; 0 = never */
    int keep;         /* rotated files kept: path.1 … path.keep */
    bool colour;      /* ANSI colours by level */
} LogSink;

/* Copies what it needs. Creates the file (mode 0640), not its folder. Removes the built-in stderr sink. */
bool log_add_sink(const LogSink *sink, Err *err);
/* Flushes and drops all sinks. */
void log_close(void);

const char *log_level_name(LogLevel level);
bool log_level_parse(const char *name, LogLevel *out); /* any case, blanks trimmed */

#endif
