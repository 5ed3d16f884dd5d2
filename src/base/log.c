// SPDX-License-Identifier: MIT
/*
 * Sinks are added at start and never removed while threads run, so the list is read without a lock; each sink has one
 * mutex around write and rotation. A line is written with a single write(2), so that lines of processes sharing a
 * file do not mix.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SINKS = 32, MAX_LINE = 4096 };

typedef struct Sink {
    LogSink set;
    int fd;
    size_t written;
    pthread_mutex_t lock; /* guards fd and written */
} Sink;

static Sink sinks[MAX_SINKS];
static int sink_count;
static _Thread_local unsigned long association;

static const struct {
    LogLevel level;
    const char *name, *colour;
} levels[] = {
    {LOG_DEBUG, "DEBUG", "\033[36m"},         {LOG_INFO, "INFO", "\033[32m"},
    {LOG_WARNING, "WARNING", "\033[33m"},     {LOG_ERROR, "ERROR", "\033[31m"},
    {LOG_CRITICAL, "CRITICAL", "\033[1;31m"},
};

void log_set_association(unsigned long number)
{
    association = number;
}

unsigned long log_association(void)
{
    return association;
}

const char *log_level_name(LogLevel level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (levels[i].level == level)
            return levels[i].name;
    return "NOTSET";
}

bool log_level_parse(const char *name, LogLevel *out)
{
    Span wanted = span_trim(span_cstr(name));
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (span_eq_nocase(wanted, span_cstr(levels[i].name))) {
            *out = levels[i].level;
            return true;
        }
    return false;
}

/* "pacs" covers "pacs" and "pacs.database", not "pacsx". */
static bool covers(const char *sink_logger, const char *logger)
{
    size_t n = strlen(sink_logger);
    return n == 0 || (strncmp(sink_logger, logger, n) == 0 && (logger[n] == 0 || logger[n] == '.'));
}

bool log_enabled(LogLevel level, const char *logger)
{
    if (sink_count == 0)
        return level >= LOG_WARNING;
    for (int i = 0; i < sink_count; i++)
        if (level >= sinks[i].set.level && covers(sinks[i].set.logger, logger))
            return true;
    return false;
}

static void rotate(Sink *sink)
{
    char from[4200], to[4200];
    for (int i = sink->set.keep - 1; i >= 0; i--) {
        if (i == 0)
            snprintf(from, sizeof from, "%s", sink->set.path);
        else
            snprintf(from, sizeof from, "%s.%d", sink->set.path, i);
        snprintf(to, sizeof to, "%s.%d", sink->set.path, i + 1);
        if (rename(from, to) != 0 && errno != ENOENT)
            break;
    }
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (sink->set.keep ? 0 : O_TRUNC);
    int fd = open(sink->set.path, flags, 0640);
    if (fd < 0)
        return;
    close(sink->fd);
    sink->fd = fd;
    sink->written = 0;
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

static void write_line(Sink *sink, LogLevel level, const char *line, size_t n)
{
    char coloured[MAX_LINE + 32];
    if (sink->set.colour) {
        const char *colour = "";
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            if (levels[i].level == level)
                colour = levels[i].colour;
        int m = snprintf(coloured, sizeof coloured, "%s%.*s\033[0m\n", colour, (int)n - 1, line);
        line = coloured;
        n = (size_t)m;
    }
    pthread_mutex_lock(&sink->lock);
    if (sink->set.path && sink->set.max_bytes && sink->written + n > sink->set.max_bytes && sink->written)
        rotate(sink);
    write_all(sink->fd, line, n);
    sink->written += n;
    pthread_mutex_unlock(&sink->lock);
}

/* Control characters of a peer's text must not forge lines or drive a terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void log_write(LogLevel level, const char *logger, const char *format, ...)
{
    if (!log_enabled(level, logger))
        return;
    char line[MAX_LINE], when[32];
    clock_format(clock_wall_us(), false, when);
    int head = snprintf(line, sizeof line, "%s :: %-20s :: %-8s :: ", when, logger, log_level_name(level));
    if (association)
        head += snprintf(line + head, sizeof line - (size_t)head, "assoc=%lu ", association);
    va_list args;
    va_start(args, format);
    vsnprintf(line + head, sizeof line - (size_t)head - 1, format, args);
    va_end(args);
    make_printable(line + head);
    size_t n = strlen(line);
    line[n++] = '\n';

    if (sink_count == 0)
        write_all(STDERR_FILENO, line, n);
    for (int i = 0; i < sink_count; i++)
        if (level >= sinks[i].set.level && covers(sinks[i].set.logger, logger))
            write_line(&sinks[i], level, line, n);
}

bool log_add_sink(const LogSink *set, Err *err)
{
    if (sink_count == MAX_SINKS)
        return err_set(err, ERR_LIMIT, "log: more than %d handlers", MAX_SINKS);
    Sink sink = {.set = *set, .fd = STDERR_FILENO};
    if (set->path) {
        sink.fd = open(set->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (sink.fd < 0)
            return err_errno(err, errno, "log: cannot open %s", set->path);
        struct stat st;
        sink.written = fstat(sink.fd, &st) == 0 ? (size_t)st.st_size : 0;
        sink.set.path = strdup(set->path);
    }
    sink.set.logger = strdup(set->logger ? set->logger : "");
    pthread_mutex_init(&sink.lock, NULL);
    sinks[sink_count++] = sink;
    return true;
}

void log_close(void)
{
    for (int i = 0; i < sink_count; i++) {
        Sink *sink = &sinks[i];
        if (sink->set.path)
            close(sink->fd);
        free((char *)(uintptr_t)sink->set.path);
        free((char *)(uintptr_t)sink->set.logger);
        pthread_mutex_destroy(&sink->lock);
    }
    sink_count = 0;
}
