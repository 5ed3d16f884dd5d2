// SPDX-License-Identifier: MIT
#include "base/log.h"

#include "base/file.h"
#include "base/log_format.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    memcpy(folder, "/tmp/gantry-log-XXXXXX", sizeof "/tmp/gantry-log-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[4][128];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static Arena *arena;
static LogPlan plan;

static int remove_folder(void **state)
{
    log_close();
    arena_free(arena);
    arena = NULL;
    plan = (LogPlan){0};
    const char *names[] = {"a.log", "a.log.1", "b.log"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

static uint32_t handler(const char *name, int level)
{
    if (!arena)
        arena = arena_new(0);
    LogHandler *out = &plan.handlers[plan.handler_count];
    *out = (LogHandler){.to = LOG_TO_FILE,
                        .level = level,
                        .format = log_format_compile(arena, &(LogFormatText){0}, NULL),
                        .file = {.path = arena_strdup(arena, path_of(name))}};
    return UINT32_C(1) << plan.handler_count++;
}

static LogLogger *logger(const char *name, int level, uint32_t handlers)
{
    LogLogger *out = &plan.loggers[plan.logger_count++];
    *out = (LogLogger){.name = name, .level = level, .propagate = true, .handlers = handlers};
    return out;
}

static void start(void)
{
    Err err = {0};
    if (!log_start(&plan, &err))
        fail_msg("%s", err.text);
}

/* All into a.log. */
static void start_plainly(void)
{
    logger("", LOG_NOTSET, handler("a.log", LOG_NOTSET));
    start();
}

static const char *content(const char *name)
{
    static Buf buf;
    buf_free(&buf);
    buf_init(&buf, 1 << 20);
    Err err = {0};
    if (!file_read_all(path_of(name), 1 << 20, &buf, &err))
        return NULL;
    return buf_cstr(&buf);
}

static void lines_go_to_the_handlers_of_their_logger(void **state)
{
    logger("pacs", LOG_INFO, handler("a.log", LOG_NOTSET));
    logger("", LOG_DEBUG, handler("b.log", LOG_ERROR));
    start();
    log_info("pacs", "one");
    log_info("pacs.database", "two");
    log_error("pacsx", "three");
    log_debug("pacs", "four");
    log_error("other", "five");
    log_error("pacs.x.y", "six");
    const char *a = content("a.log");
    assert_non_null(strstr(a, " :: pacs                 :: INFO     :: one\n"));
    assert_non_null(strstr(a, "two"));
    assert_null(strstr(a, "three"));
    assert_null(strstr(a, "four"));
    assert_null(strstr(a, "five"));
    assert_non_null(strstr(a, "six"));
    const char *b = content("b.log");
    assert_non_null(strstr(b, "five"));
    assert_non_null(strstr(b, "six"));
    assert_null(strstr(b, "one"));
    assert_true(log_enabled(LOG_INFO, "pacs.x"));
    assert_false(log_enabled(LOG_DEBUG, "pacs.x"));
    assert_false(log_enabled(LOG_WARNING, "anything"));
    assert_true(log_enabled(LOG_ERROR, "anything"));
}

/* The level of the logger decides, that of those above does not; NOTSET takes the one above. */
static void levels_and_propagation(void **state)
{
    uint32_t a = handler("a.log", LOG_DEBUG), b = handler("b.log", LOG_WARNING);
    logger("", LOG_ERROR, a);
    logger("loud", LOG_DEBUG, 0);
    logger("loud.inherits", LOG_NOTSET, b);
    logger("alone", LOG_DEBUG, b)->propagate = false;
    logger("off", LOG_DEBUG, a)->disabled = true;
    start();
    log_debug("loud", "to a though root is ERROR");
    log_debug("loud.inherits.deep", "below b");
    log_warning("loud.inherits", "to both once");
    log_warning("alone.child", "b only");
    log_info("alone", "nowhere");
    log_critical("off.child", "silenced");
    log_warning("unnamed", "below root");
    const char *text = content("a.log");
    assert_non_null(strstr(text, "to a though"));
    assert_non_null(strstr(text, "below b"));
    assert_non_null(strstr(text, "to both once"));
    assert_null(strstr(text, "b only"));
    assert_null(strstr(text, "silenced"));
    assert_null(strstr(text, "below root"));
    text = content("b.log");
    assert_null(strstr(text, "below b"));
    assert_non_null(strstr(text, "to both once"));
    assert_non_null(strstr(text, "b only"));
    assert_null(strstr(text, "nowhere"));
    assert_false(log_enabled(LOG_INFO, "alone"));
    assert_false(log_enabled(LOG_CRITICAL, "off"));
}

static void without_loggers_nothing_is_logged(void **state)
{
    handler("a.log", LOG_DEBUG);
    start();
    log_critical("pacs", "unheard");
    assert_false(log_enabled(LOG_CRITICAL, "pacs"));
    assert_string_equal(content("a.log"), "");
}

static void a_plan_that_cannot_be_leaves_the_one_before(void **state)
{
    start_plainly();
    LogPlan bad = plan;
    bad.handlers[bad.handler_count] =
        (LogHandler){.to = LOG_TO_FILE, .file = {.path = "/no/such/folder/c.log"}};
    bad.handler_count++;
    Err err = {0};
    assert_false(log_start(&bad, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "c.log"));
    log_info("pacs", "still here");
    assert_non_null(strstr(content("a.log"), "still here"));
}

static void the_place_in_the_source_is_known(void **state)
{
    uint32_t a = handler("a.log", LOG_DEBUG);
    LogFormatText text = {.format = "%(filename)s %(lineno)d %(funcName)s %(message)s"};
    plan.handlers[0].format = log_format_compile(arena, &text, NULL);
    logger("", LOG_DEBUG, a);
    start();
    char expected[128];
    snprintf(expected, sizeof expected, "test_log.c %d %s here\n", __LINE__ + 1, __func__);
    log_info("pacs", "here");
    assert_string_equal(content("a.log"), expected);
}

static void a_peer_cannot_forge_a_line(void **state)
{
    start_plainly();
    log_warning("pacs", "AE %s",
                "EVIL\n2026-01-01 :: pacs :: INFO :: forged\033[31m\x7f\r \xC2\x9B"
                "31m \xC3\xA9");
    const char *text = content("a.log");
    assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_null(strchr(text, '\x7f'));
    assert_non_null(strstr(text, "EVIL?2026"));
    assert_non_null(strstr(text, " ??31m \xC3\xA9\n"));
}

/* One such byte, and a program that reads the log as UTF-8 takes none of it; others take 9B for the beginning of a command. */
static void what_is_no_utf8_is_not_written(void **state)
{
    char cut[] = "\xE2\x82", whole[] = "\xE2\x82\xAC \xF0\x9F\x98\x80 \xC3\xA9";
    start_plainly();
    log_warning("pacs", "%s",
                "A\x9B"
                "1mB\xFF\xC3 \xED\xA0\x80\xC0\xAF\xF0\x9F\x98");
    assert_non_null(strstr(content("a.log"), "A?1mB?? ????????\n"));
    log_make_printable(cut);
    assert_string_equal(cut, "??");
    log_make_printable(whole);
    assert_string_equal(whole, "\xE2\x82\xAC \xF0\x9F\x98\x80 \xC3\xA9");
}

static void long_lines_are_cut(void **state)
{
    start_plainly();
    char text[20000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_info("pacs", "%s", text);
    log_info("pacs", "next");
    const char *lines = content("a.log");
    assert_true(strchr(lines, '\n') - lines < 5000);
    assert_non_null(strstr(lines, "next\n"));
}

static void the_association_is_named(void **state)
{
    start_plainly();
    log_set_association(17);
    assert_int_equal(log_association(), 17);
    log_info("pacs", "in");
    log_set_association(0);
    log_info("pacs", "out");
    assert_non_null(strstr(content("a.log"), ":: assoc=17 in\n"));
    assert_non_null(strstr(content("a.log"), ":: out\n"));
}

static void joined_texts_are_one_line(void **state)
{
    char much[3000];
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = 0;
    start_plainly();
    log_set_association(4711);
    log_joined(LOG_INFO, "pacs", "a", "", "b %s c", "\n");
    log_joined(LOG_INFO, "pacs", much, "y", much, "z");
    log_set_association(0);
    assert_non_null(strstr(content("a.log"), ":: assoc=4711 ab %s c?\n"));
    assert_non_null(strstr(content("a.log"), "xyx"));
    assert_null(strstr(content("a.log"), "z"));
}

static void files_are_opened_again(void **state)
{
    start_plainly();
    log_info("pacs", "one");
    assert_int_equal(rename(path_of("a.log"), path_of("a.log.1")), 0);
    log_reopen();
    assert_string_equal(content("a.log"), "");
    log_info("pacs", "two");
    assert_non_null(strstr(content("a.log"), "two"));
    assert_null(strstr(content("a.log.1"), "two"));
}

/* A pipe that is full and that nobody reads: lines are dropped, the program goes on, and the reader hears of it. */
static void a_console_that_is_not_read_holds_nobody_up(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fflush(NULL);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    plan.handlers[plan.handler_count++] = (LogHandler){.to = LOG_TO_STDERR};
    logger("", LOG_DEBUG, 1);
    start();
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (int i = 0; i < 500; i++)
        log_info("pacs", "%s", text);
    char out[4096];
    while (read(ends[0], out, sizeof out) > 0)
        continue;
    log_info("pacs", "at last");
    ssize_t n = read(ends[0], out, sizeof out - 1);
    close(ends[0]);
    log_info("pacs", "to nobody"); /* SIGPIPE is ignored, as by the program */
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(n > 0);
    out[n] = 0;
    assert_non_null(strstr(out, "lines are missing here"));
    assert_non_null(strstr(out, "at last\n"));
}

static void a_full_disk_is_told_once(void **state)
{
    plan.handlers[plan.handler_count++] = (LogHandler){.to = LOG_TO_FILE, .file = {.path = "/dev/full"}};
    logger("", LOG_DEBUG, 1);
    int saved = dup(STDERR_FILENO), out = open(path_of("b.log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDERR_FILENO);
    start();
    for (int i = 0; i < 10; i++)
        log_info("pacs", "line");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(out);
    const char *text = content("b.log");
    assert_non_null(
        strstr(text, "log: cannot write /dev/full: No space left on device; lines of this log are lost"));
    assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
}

static void before_a_plan_warnings_go_to_stderr(void **state)
{
    int saved = dup(STDERR_FILENO), out = open(path_of("b.log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDERR_FILENO);
    log_warning("pacs", "early");
    log_info("pacs", "unimportant");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(out);
    assert_non_null(strstr(content("b.log"), " :: pacs                 :: WARNING  :: early\n"));
    assert_null(strstr(content("b.log"), "unimportant"));
}

static void levels_have_names(void **state)
{
    LogLevel level = LOG_DEBUG;
    assert_true(log_level_parse(" Warning ", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_string_equal(log_level_name(LOG_CRITICAL), "CRITICAL");
    assert_true(log_level_parse("notset", &level));
    assert_int_equal(level, LOG_NOTSET);
}

static void *write_lines(void *arg)
{
    log_set_association((unsigned long)(uintptr_t)arg);
    for (int i = 0; i < 200; i++)
        log_info("pacs", "a line of thread %lu ends here.", log_association());
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    start_plainly();
    pthread_t thread[4];
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, write_lines, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    Span rest = span_cstr(content("a.log")), line;
    bool more = true;
    int whole = 0;
    while (span_split(&rest, '\n', &line, &more))
        whole += span_ends(line, SPAN(" ends here."));
    assert_int_equal(whole, 800);
}

static void gathered_lines_leave_together(void **state)
{
    logger("pacs", LOG_NOTSET, handler("a.log", LOG_NOTSET));
    logger("other", LOG_NOTSET, handler("b.log", LOG_NOTSET));
    start();
    log_gather(true);
    log_info("pacs", "one");
    log_info("pacs", "two");
    assert_string_equal(content("a.log"), "");
    log_warning("pacs", "three");
    const char *two = strstr(content("a.log"), "two");
    assert_non_null(two);
    assert_non_null(strstr(two, "three"));
    log_info("pacs", "four");
    log_info("other", "five"); /* another file */
    assert_non_null(strstr(content("a.log"), "four"));
    assert_string_equal(content("b.log"), "");
    log_info("other", "%0600d", 6);
    log_info("other", "%0600d", 7);
    assert_non_null(strstr(content("b.log"), "00006\n"));
    assert_null(strstr(content("b.log"), "00007\n"));
    log_info("other", "%03000d", 8);
    assert_non_null(strstr(content("b.log"), "00008\n"));
    log_info("other", "nine");
    log_gather(false);
    assert_non_null(strstr(content("b.log"), "nine"));
    log_info("other", "ten");
    assert_non_null(strstr(content("b.log"), "ten"));
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        LOG_TEST(before_a_plan_warnings_go_to_stderr),
        LOG_TEST(lines_go_to_the_handlers_of_their_logger),
        LOG_TEST(levels_and_propagation),
        LOG_TEST(without_loggers_nothing_is_logged),
        LOG_TEST(a_plan_that_cannot_be_leaves_the_one_before),
        LOG_TEST(the_place_in_the_source_is_known),
        LOG_TEST(a_peer_cannot_forge_a_line),
        LOG_TEST(what_is_no_utf8_is_not_written),
        LOG_TEST(long_lines_are_cut),
        LOG_TEST(the_association_is_named),
        LOG_TEST(joined_texts_are_one_line),
        LOG_TEST(files_are_opened_again),
        LOG_TEST(a_console_that_is_not_read_holds_nobody_up),
        LOG_TEST(a_full_disk_is_told_once),
        LOG_TEST(threads_do_not_mix_lines),
        LOG_TEST(gathered_lines_leave_together),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
