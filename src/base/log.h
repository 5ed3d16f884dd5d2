// SPDX-License-Identifier: MIT
/*
 * The log: loggers in a tree of dotted names, handlers that write, formats for lines; what Python's `logging` is, because
 * logging_config.yml is written in its words. Library rooms (base … store) do not log; the services do, once, at the
 * boundary.
 *
 * An event belongs to the logger that is named most exactly ("pacs" for "pacs.database" when that one is not defined). It
 * is dropped below that logger's level, and goes to the handlers of that logger and, as long as they propagate, of those
 * above it; each handler has a level of its own.
 *
 * Rule: a patient's name or other identifying text may appear at LOG_DEBUG only, and a secret never.
 * Thread-safe between log_start and log_close. Before log_start, WARNING and above go to stderr.
 *
 * Writing waits for the disk but for no reader: a line that a terminal or a pipe does not take is dropped, and counted.
 */
#ifndef GANTRY_BASE_LOG_H
#define GANTRY_BASE_LOG_H

#include "base/err.h"
#include "base/log_file.h"

#include <stddef.h>
#include <stdint.h>

typedef enum LogLevel {
    LOG_NOTSET = 0, /* of a logger: that of the one above; of a handler: everything */
    LOG_DEBUG = 10,
    LOG_INFO = 20,
    LOG_WARNING = 30,
    LOG_ERROR = 40,
    LOG_CRITICAL = 50
} LogLevel;

/* `logger` is a dotted subsystem name as in logging_config.yml: "pacs.transaction_dicom", "command_event" … */
#define log_write(level, ...) log_write_from(__FILE__, __LINE__, __func__, (level), __VA_ARGS__)
#define log_debug(...)        log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)         log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...)      log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...)        log_write(LOG_ERROR, __VA_ARGS__)
#define log_critical(...)     log_write(LOG_CRITICAL, __VA_ARGS__)
void log_write_from(const char *file, int line, const char *function, LogLevel level, const char *logger,
                    const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The same of texts that stand one behind the other, none of them NULL: a tenth of printf's work, for what every association says. */
#define log_joined(level, logger, ...)                                                                       \
    log_joined_from(__FILE__, __LINE__, __func__, (level), (logger), (const char *const[]){__VA_ARGS__, NULL})
void log_joined_from(const char *file, int line, const char *function, LogLevel level, const char *logger,
                     const char *const *texts);
/* True when a line at this level would reach a handler: to skip costly arguments. */
bool log_enabled(LogLevel level, const char *logger);

/*
 * A number put in front of every line of this thread ("assoc=17"), 0 = none. Set by the association's thread.
 */
void log_set_association(unsigned long number);
unsigned long log_association(void);

/*
 * While it is on, lines of this thread below WARNING may wait for those behind them and leave in one write: for work that is over in a moment.
 * Turning it off writes what waits.
 */
void log_gather(bool on);

typedef enum LogOutput { LOG_TO_NOTHING, LOG_TO_STDERR, LOG_TO_STDOUT, LOG_TO_FILE } LogOutput;
typedef struct LogFormat LogFormat; /* base/log_format.h */

typedef struct LogHandler {
    LogOutput to;
    int level;
    const LogFormat *format; /* NULL = the message alone */
    bool colour;
    LogFileSettings file;
} LogHandler;

typedef struct LogLogger {
    const char *name; /* "" = root, above all others */
    int level;
    bool propagate;
    bool disabled;     /* says nothing, whatever its level */
    uint32_t handlers; /* bit n: handler n of the plan */
} LogLogger;

enum { LOG_MAX_HANDLERS = 32, LOG_MAX_LOGGERS = 64 };

typedef struct LogPlan {
    LogHandler handlers[LOG_MAX_HANDLERS];
    size_t handler_count;
    LogLogger loggers[LOG_MAX_LOGGERS];
    size_t logger_count;
} LogPlan;

/* Opens the files and puts the plan in force in place of the one before. Names and formats are used until log_close.
   On failure all is as it was. Call it while no other thread logs. */
bool log_start(const LogPlan *plan, Err *err);
/* Opens all files again by their names, for a program that moves log files and then sends a signal. */
void log_reopen(void);
/* The paths of the files that are written. */
void log_each_file(void (*visit)(void *ctx, const char *path), void *ctx);
/* Drops the plan. */
void log_close(void);

/* Control characters, and bytes that are no UTF-8, become '?': a peer's text or a file's name must not forge lines or drive a terminal, nor spoil a log for who reads it. */
void log_make_printable(char *text);

const char *log_level_name(int level);
bool log_level_parse(const char *name, LogLevel *out); /* any case, blanks trimmed */

#endif
