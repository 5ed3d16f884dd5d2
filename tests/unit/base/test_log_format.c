// SPDX-License-Identifier: MIT
/* base/log_format: each field, widths and precision, dates, colours, what is refused, what is cut. */
#include "base/log_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static Arena *arena;

static int setup(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static LogRecord record(void)
{
    return (LogRecord){.level = LOG_WARNING,
                       .logger = "pacs.database",
                       .file = "../src/index/sqlite.c",
                       .function = "open_it",
                       .line = 42,
                       .wall_us = INT64_C(1596113824532123), /* 2020-07-30 12:57:04.532123 UTC */
                       .message = "slow"};
}

static const char *render(const LogFormatText *text, bool colour)
{
    static char out[4096];
    Err err = {0};
    LogRecord r = record();
    const LogFormat *format = log_format_compile(arena, text, &err);
    if (!format)
        fail_msg("%s", err.text);
    size_t n = log_format_render(format, &r, colour, out, sizeof out);
    assert_int_equal(out[n - 1], '\n');
    out[n - 1] = 0;
    return out;
}

/* What Python 3.11 prints for the same record. */
static void fields(void **state)
{
    char process[32], thread[32];
    snprintf(process, sizeof process, "%d", (int)getpid());
    snprintf(thread, sizeof thread, "%d", (int)gettid());
    const struct {
        const char *format, *expected;
    } cases[] = {
        {"%(asctime)s", "2020-07-30 12:57:04,532"},
        {"%(name)s|%(name)-20s|%(name)20s|", "pacs.database|pacs.database       |       pacs.database|"},
        {"%(name)-6.4s|%(name)3s|", "pacs  |pacs.database|"},
        {"%(levelname)-8s|%(levelno)d|%(levelno)s|%(levelno)05d", "WARNING |30|30|00030"},
        {"%(filename)-18s|%(module)s|%(funcName)s", "sqlite.c          |sqlite|open_it"},
        {"%(pathname)s", "../src/index/sqlite.c"},
        {"line: %(lineno)d %(lineno)4d %(lineno)-4d|", "line: 42   42 42  |"},
        {"%(message)s 100%% %(message)s", "slow 100% slow"},
        {"%(created)f %(created).1f %(msecs)03d %(msecs).2f", "1596113824.532123 1596113824.5 532 532.12"},
        {"%(process)d", process},
        {"%(thread)d", thread},
        {"%(processName)s %(threadName)s", "MainProcess MainThread"},
        {"", ""},
        {"plain", "plain"},
        {"%(log_color)s%(message)s%(reset)s", "slow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(render(&(LogFormatText){.format = cases[i].format}, false), cases[i].expected);
    assert_string_equal(render(&(LogFormatText){0}, false),
                        "2020-07-30 12:57:04,532 :: pacs.database        :: WARNING  :: slow");
}

static void dates(void **state)
{
    assert_string_equal(render(&(LogFormatText){.format = "%(asctime)s", .dates = "%d.%m.%y %H:%M"}, false),
                        "30.07.20 12:57");
    /* the next format does not see the date of the last */
    assert_string_equal(render(&(LogFormatText){.format = "%(asctime)s"}, false), "2020-07-30 12:57:04,532");
    Err err = {0};
    assert_null(log_format_compile(arena, &(LogFormatText){.dates = ""}, &err));
    char wide[200];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    assert_null(log_format_compile(arena, &(LogFormatText){.dates = wide}, &err));
    assert_non_null(strstr(err.text, "longer"));
}

static void colours(void **state)
{
    LogFormatText text = {.format = "%(log_color)s%(levelname)s%(reset)s %(bold_red)s%(message)s",
                          .coloured = true};
    assert_string_equal(render(&text, true), "\033[33mWARNING\033[0m \033[01;31mslow\033[0m");
    assert_string_equal(render(&text, false), "WARNING slow");
    LogColour own[] = {{LOG_WARNING, "bold_white,bg_blue"}, {LOG_ERROR, "light_cyan"}};
    text.colours = own;
    text.colour_count = 2;
    assert_string_equal(render(&text, true), "\033[01;37m\033[44mWARNING\033[0m \033[01;31mslow\033[0m");
    Err err = {0};
    own[1].names = "ultraviolet";
    assert_null(log_format_compile(arena, &text, &err));
    assert_non_null(strstr(err.text, "'ultraviolet' is no colour; allowed are black"));
}

static void what_is_no_format(void **state)
{
    static const struct {
        const char *format, *problem;
    } cases[] = {
        {"%(nmae)s", "'%(nmae)' is no field; there are asctime, created, filename"},
        {"%(name)d", "behind %(name) one of the letters s is expected"},
        {"%(lineno)x", "behind %(lineno) one of the letters s, d, i, f"},
        {"%(name)", "behind %(name)"},
        {"%(name", "')' is missing"},
        {"50% of", "'% of' is no field"},
        {"%", "is no field"},
        {"%(name)9999999999s", "a width is at most 255"},
        {"%(name).9999999999s", "a width is at most 255"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        assert_null(log_format_compile(arena, &(LogFormatText){.format = cases[i].format}, &err));
        if (!strstr(err.text, cases[i].problem))
            fail_msg("'%s' is not in: %s", cases[i].problem, err.text);
    }
}

static void a_line_is_cut_not_a_character(void **state)
{
    Err err = {0};
    char out[256], message[600];
    const LogFormat *format =
        log_format_compile(arena, &(LogFormatText){.format = "%(message)s", .coloured = true}, &err);
    for (size_t at = 0; at < 4; at++) {
        memset(message, 'x', at);
        for (size_t i = at; i + 3 < sizeof message; i += 3)
            memcpy(message + i, "\xE2\x82\xAC", 4); /* a euro sign */
        LogRecord r = record();
        r.message = message;
        size_t n = log_format_render(format, &r, true, out, sizeof out);
        assert_true(n <= sizeof out);
        assert_memory_equal(out + n - 5, "\033[0m\n", 5);
        assert_memory_equal(out + n - 8, "\xE2\x82\xAC", 3);
    }
    LogRecord r = record();
    size_t n = log_format_render(NULL, &r, false, out, sizeof out);
    assert_int_equal(n, 5);
    assert_memory_equal(out, "slow\n", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(dates),
        cmocka_unit_test(colours),
        cmocka_unit_test(what_is_no_format),
        cmocka_unit_test(a_line_is_cut_not_a_character),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
