// SPDX-License-Identifier: MIT
/* app/logging_config.yml. A plan that is taken can be used: its handlers are there, and its formats write lines that fit. */
#include "fuzz.h"

#include "base/log_format.h"
#include "cli/logging_config.h"

#include <string.h>

static void check_line(const LogHandler *handler)
{
    static const LogRecord record = {.level = LOG_WARNING,
                                     .logger = "pacs.database",
                                     .file = "file.c",
                                     .function = "function",
                                     .line = 12,
                                     .wall_us = 1795348800123456,
                                     .message = "a message that says something"};
    char line[300];
    size_t n =
        handler->format ? log_format_render(handler->format, &record, handler->colour, line, sizeof line) : 0;
    if (handler->format && (n == 0 || n > sizeof line || line[n - 1] != '\n'))
        fuzz_broken();
}

int fuzz_logging(const uint8_t *data, size_t size)
{
    static LogPlan plan;
    Arena *arena = arena_new(0);
    Buf problems;
    bool replace;
    buf_init(&problems, 0);
    LoggingTerms terms = {.folder = "/nowhere", .colour = true};
    if (!logging_config_load(arena, fuzz_file("logging_config.yml", span_of(data, size)), &terms, &plan,
                             &replace, &problems)) {
        if (!problems.n)
            fuzz_broken();
    } else {
        if (plan.handler_count > LOG_MAX_HANDLERS - LOGGING_OWN_HANDLERS ||
            plan.logger_count > LOG_MAX_LOGGERS - LOGGING_OWN_LOGGERS)
            fuzz_broken();
        for (size_t i = 0; i < plan.handler_count; i++)
            check_line(&plan.handlers[i]);
        for (size_t i = 0; i < plan.logger_count; i++)
            if (plan.handler_count < 32 && plan.loggers[i].handlers >> plan.handler_count)
                fuzz_broken();
    }
    buf_free(&problems);
    arena_free(arena);
    return 0;
}
