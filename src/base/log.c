// SPDX-License-Identifier: MIT
/*
 * A plan is worked out once into routes: for each logger that it names, the level below which nothing is to be done and
 * the handlers above it in the tree. They change only while no thread logs, so they are read without a lock. A line is
 * written with a single write(2), so that lines of processes sharing a file do not mix; lines that were gathered leave together.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_format.h"
#include "base/number.h"
#include "base/outlet.h"
#include "base/span.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line fits into one write to a pipe (PIPE_BUF): it comes out whole. */
enum { MAX_MESSAGE = 3600, MAX_LINE = 4096, GATHERED = 1024 };

typedef struct Output {
    LogHandler set;
    LogFile *file;
    atomic_bool failing;  /* the file: said on stderr, once for each outage */
    pthread_mutex_t lock; /* the stream: guards what follows */
    Outlet outlet;
    uint64_t dropped;
    bool torn; /* of the last line that was dropped some went */
} Output;

typedef struct Route {
    const char *name;
    size_t n;
    int level; /* that of the logger and the lowest of the handlers, whichever is higher */
    uint32_t handlers;
} Route;

static Output outputs[LOG_MAX_HANDLERS];
static size_t output_count;
static Outlet aside = {.fd = STDERR_FILENO}; /* under the lock */
static pthread_mutex_t aside_lock = PTHREAD_MUTEX_INITIALIZER;
static Route routes[LOG_MAX_LOGGERS + 1]; /* longest name first; root is the last */
static size_t route_count;                /* 0: there is no plan */
static _Thread_local unsigned long association;
/* What is written now. Not on the stack, where the compiler clears 8 KB for each line. */
static _Thread_local struct {
    char message[MAX_MESSAGE];
    char line[MAX_LINE];
} at_hand;
static _Thread_local struct {
    bool on;
    Output *output; /* of all that waits */
    size_t n;
    char text[GATHERED];
} waiting;

static const struct {
    LogLevel level;
    const char *name;
} levels[] = {
    {LOG_NOTSET, "NOTSET"},   {LOG_DEBUG, "DEBUG"}, {LOG_INFO, "INFO"},
    {LOG_WARNING, "WARNING"}, {LOG_ERROR, "ERROR"}, {LOG_CRITICAL, "CRITICAL"},
};

void log_set_association(unsigned long number)
{
    association = number;
}

unsigned long log_association(void)
{
    return association;
}

const char *log_level_name(int level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if ((int)levels[i].level == level)
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

/* -- routes -- */

/* "pacs" is above "pacs.database" and is "pacs", but is not above "pacsx". */
static bool is_at_or_above(const char *above, size_t n, const char *logger)
{
    return n == 0 || (strncmp(above, logger, n) == 0 && (logger[n] == 0 || logger[n] == '.'));
}

static const Route *route_of(const char *logger)
{
    size_t i = 0;
    while (i + 1 < route_count && !is_at_or_above(routes[i].name, routes[i].n, logger))
        i++;
    return &routes[i];
}

/* NULL: there is no plan. */
static const Route *find_route(const char *logger)
{
    return route_count ? route_of(logger) : NULL;
}

static bool takes(const Route *route, LogLevel level)
{
    return route ? (int)level >= route->level : level >= LOG_WARNING;
}

bool log_enabled(LogLevel level, const char *logger)
{
    return takes(find_route(logger), level);
}

/* The logger right above; NULL for root. */
static const LogLogger *parent_of(const LogPlan *plan, const LogLogger *logger)
{
    const LogLogger *best = NULL;
    size_t n = strlen(logger->name);
    for (size_t i = 0; i < plan->logger_count; i++) {
        const LogLogger *other = &plan->loggers[i];
        size_t m = strlen(other->name);
        if (m < n && is_at_or_above(other->name, m, logger->name) && (!best || m > strlen(best->name)))
            best = other;
    }
    return best;
}

static Route make_route(const LogPlan *plan, const LogLogger *logger)
{
    Route route = {.name = logger->name, .n = strlen(logger->name), .level = LOG_NOTSET};
    bool found = false;
    for (const LogLogger *l = logger; l && !found; l = parent_of(plan, l)) {
        route.level = l->level;
        found = l->level != LOG_NOTSET;
    }
    for (const LogLogger *l = logger; l; l = l->propagate ? parent_of(plan, l) : NULL)
        route.handlers |= l->handlers;
    int lowest = INT32_MAX;
    for (size_t i = 0; i < plan->handler_count; i++)
        if (route.handlers >> i & 1 && plan->handlers[i].to != LOG_TO_NOTHING &&
            plan->handlers[i].level < lowest)
            lowest = plan->handlers[i].level;
    if (logger->disabled)
        lowest = INT32_MAX;
    route.level = route.level > lowest ? route.level : lowest;
    return route;
}

static int longest_first(const void *a, const void *b)
{
    size_t x = ((const Route *)a)->n, y = ((const Route *)b)->n;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void make_routes(const LogPlan *plan)
{
    size_t n = 0;
    bool has_root = false;
    for (size_t i = 0; i < plan->logger_count; i++) {
        has_root = has_root || !*plan->loggers[i].name;
        routes[n++] = make_route(plan, &plan->loggers[i]);
    }
    if (!has_root)
        routes[n++] = (Route){.name = "", .level = INT32_MAX};
    qsort(routes, n, sizeof *routes, longest_first);
    route_count = n;
}

/* -- writing -- */

static void write_stream(Output *output, const char *line, size_t n)
{
    char note[96];
    pthread_mutex_lock(&output->lock);
    bool heard = true;
    if (output->dropped) {
        int m = snprintf(note, sizeof note, "%s(%" PRIu64 " lines are missing here: nobody took them)\n",
                         output->torn ? "\n" : "", output->dropped);
        ssize_t went = outlet_write(&output->outlet, note, (size_t)m);
        heard = went == m;
        output->torn = output->torn || (went > 0 && !heard);
    }
    if (heard) {
        ssize_t went = outlet_write(&output->outlet, line, n);
        output->torn = went > 0 && (size_t)went < n;
        output->dropped = 0;
        heard = went < 0 || (size_t)went == n;
    }
    output->dropped += !heard;
    pthread_mutex_unlock(&output->lock);
}

/* Beside all handlers. */
static void write_aside(const char *text, size_t n)
{
    pthread_mutex_lock(&aside_lock);
    outlet_write(&aside, text, n);
    pthread_mutex_unlock(&aside_lock);
}

static void write_file(Output *output, const char *line, size_t n)
{
    Err err = {0};
    bool ok = log_file_write(output->file, line, n, &err);
    if (atomic_load_explicit(&output->failing, memory_order_relaxed) == !ok)
        return;
    if (!atomic_exchange(&output->failing, !ok) && !ok) {
        char text[sizeof err.text + 64];
        int m =
            snprintf(text, sizeof text, "%s; lines of this log are lost until it can be written\n", err.text);
        write_aside(text, (size_t)m);
    }
}

static void write_waiting(void)
{
    if (waiting.n)
        write_file(waiting.output, waiting.text, waiting.n);
    waiting.n = 0;
}

static void write_or_gather(Output *output, int level, const char *line, size_t n)
{
    if (!waiting.on || level >= LOG_WARNING || output != waiting.output || n > GATHERED - waiting.n)
        write_waiting();
    waiting.output = output;
    if (!waiting.on || level >= LOG_WARNING || n > GATHERED) {
        write_file(output, line, n);
        return;
    }
    memcpy(waiting.text + waiting.n, line, n);
    waiting.n += n;
}

void log_gather(bool on)
{
    waiting.on = on;
    if (!on)
        write_waiting();
}

/* C1 ones come as two bytes of UTF-8, or alone. */
void log_make_printable(char *text)
{
    enum { LONGEST = 4 };
    for (uint8_t *p = (uint8_t *)text; *p;) {
        size_t n = *p < 0x80 ? 1 : span_utf8_length(span_of(p, strnlen((char *)p, LONGEST)));
        if (*p < 0x20 || *p == 0x7f || n == 0)
            *p = '?';
        else if (*p == 0xC2 && p[1] < 0xA0)
            *p = p[1] = '?';
        p += n ? n : 1;
    }
}

static void deliver(const LogRecord *record, uint32_t handlers)
{
    for (size_t i = 0; i < output_count; i++) {
        Output *output = &outputs[i];
        if (!(handlers >> i & 1) || record->level < output->set.level || output->set.to == LOG_TO_NOTHING)
            continue;
        size_t n = log_format_render(output->set.format, record, output->set.colour, at_hand.line,
                                     sizeof at_hand.line);
        if (output->file)
            write_or_gather(output, record->level, at_hand.line, n);
        else
            write_stream(output, at_hand.line, n);
    }
}

/* Without a plan. */
static void write_plainly(const LogRecord *record)
{
    char when[32];
    clock_format(record->wall_us, false, when);
    int n = snprintf(at_hand.line, sizeof at_hand.line, "%.23s :: %-20s :: %-8s :: %s\n", when,
                     record->logger, log_level_name(record->level), record->message);
    write_aside(at_hand.line, (size_t)n);
}

/* What a message begins with; its length. */
static size_t begin_message(void)
{
    static const char head[] = "assoc=";
    size_t n = strlen(head);
    if (!association)
        return 0;
    memcpy(at_hand.message, head, n);
    n += number_u64(association, at_hand.message + n);
    at_hand.message[n++] = ' ';
    return n;
}

static void end_message(const Route *route, LogRecord record)
{
    log_make_printable(at_hand.message);
    record.wall_us = clock_wall_us();
    record.message = at_hand.message;
    if (route)
        deliver(&record, route->handlers);
    else
        write_plainly(&record);
}

void log_write_from(const char *file, int line, const char *function, LogLevel level, const char *logger,
                    const char *format, ...)
{
    const Route *route = find_route(logger);
    if (!takes(route, level))
        return;
    size_t head = begin_message();
    va_list args;
    va_start(args, format);
    vsnprintf(at_hand.message + head, sizeof at_hand.message - head, format, args);
    va_end(args);
    end_message(route, (LogRecord){(int)level, logger, file, function, line});
}

void log_joined_from(const char *file, int line, const char *function, LogLevel level, const char *logger,
                     const char *const *texts)
{
    const Route *route = find_route(logger);
    if (!takes(route, level))
        return;
    size_t n = begin_message();
    for (; *texts; texts++) {
        size_t more = strlen(*texts), room = sizeof at_hand.message - 1 - n;
        more = more < room ? more : room;
        memcpy(at_hand.message + n, *texts, more);
        n += more;
    }
    at_hand.message[n] = 0;
    end_message(route, (LogRecord){(int)level, logger, file, function, line});
}

/* -- a plan comes and goes -- */

static bool open_output(Output *output, const LogHandler *handler, Err *err)
{
    *output = (Output){.set = *handler};
    if (handler->to == LOG_TO_FILE)
        output->file = log_file_open(&handler->file, err);
    else
        outlet_open(&output->outlet, handler->to == LOG_TO_STDOUT ? STDOUT_FILENO : STDERR_FILENO);
    return output->file || handler->to != LOG_TO_FILE;
}

static void close_outputs(Output *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        log_file_close(list[i].file);
        outlet_close(&list[i].outlet);
    }
}

static void open_aside(void)
{
    pthread_mutex_lock(&aside_lock);
    outlet_close(&aside);
    outlet_open(&aside, STDERR_FILENO);
    pthread_mutex_unlock(&aside_lock);
}

bool log_start(const LogPlan *plan, Err *err)
{
    Output *fresh = calloc(LOG_MAX_HANDLERS, sizeof *fresh);
    if (!fresh)
        return err_set(err, ERR_LIMIT, "log: no memory");
    size_t n = 0;
    while (n < plan->handler_count && open_output(&fresh[n], &plan->handlers[n], err))
        n++;
    bool ok = n == plan->handler_count;
    if (ok) {
        log_close();
        open_aside();
        memcpy(outputs, fresh, sizeof outputs);
        output_count = n;
        for (size_t i = 0; i < n; i++)
            pthread_mutex_init(&outputs[i].lock, NULL);
        make_routes(plan);
    } else {
        close_outputs(fresh, n);
    }
    free(fresh);
    return ok;
}

void log_each_file(void (*visit)(void *ctx, const char *path), void *ctx)
{
    for (size_t i = 0; i < output_count; i++)
        if (outputs[i].file)
            visit(ctx, log_file_path(outputs[i].file));
}

void log_reopen(void)
{
    for (size_t i = 0; i < output_count; i++)
        if (outputs[i].file)
            log_file_reopen(outputs[i].file);
}

void log_close(void)
{
    close_outputs(outputs, output_count);
    for (size_t i = 0; i < output_count; i++)
        pthread_mutex_destroy(&outputs[i].lock);
    output_count = route_count = 0;
}
