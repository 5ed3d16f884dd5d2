// SPDX-License-Identifier: MIT
/*
 * The layout of a line of the log, written as Python's logging writes it: a text with %(asctime)s, %(name)-20s,
 * %(lineno)d and so on, and the colours of `colorlog`: %(log_color)s, %(reset)s, %(bold_red)s. A format is compiled once
 * and then only read, by any number of threads.
 */
#ifndef GANTRY_BASE_LOG_FORMAT_H
#define GANTRY_BASE_LOG_FORMAT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

/* What there is to say of one event. */
typedef struct LogRecord {
    int level;
    const char *logger, *file, *function;
    int line;
    int64_t wall_us;
    const char *message; /* printable, one line */
} LogRecord;

/* One of log_colors: "DEBUG" in "cyan", "CRITICAL" in "bold_red,bg_white". */
typedef struct LogColour {
    int level;
    const char *names;
} LogColour;

typedef struct LogFormatText {
    const char *format; /* NULL = LOG_FORMAT_DEFAULT */
    const char *dates;  /* as strftime(3); NULL = "2026-11-21 13:05:09,123" */
    bool coloured;      /* a line ends with the reset of colours */
    const LogColour *colours;
    size_t colour_count; /* what is not named here has the colour that it usually has */
} LogFormatText;

#define LOG_FORMAT_DEFAULT          "%(asctime)s :: %(name)-20s :: %(levelname)-8s :: %(message)s"
#define LOG_FORMAT_DEFAULT_COLOURED "%(log_color)s" LOG_FORMAT_DEFAULT

/* In the arena. NULL and err for a text that is none: an unknown field, a wrong conversion, an unknown colour. */
const LogFormat *log_format_compile(Arena *arena, const LogFormatText *text, Err *err);
/* The line with its line feed into `out` of at least 256 bytes; what does not fit is cut. Its length. */
size_t log_format_render(const LogFormat *format, const LogRecord *record, bool colour, char *out,
                         size_t size);

#endif
