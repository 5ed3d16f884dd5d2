// SPDX-License-Identifier: MIT
#include "base/log.h"

#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
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

static int remove_folder(void **state)
{
    log_close();
    const char *names[] = {"a.log", "a.log.1", "a.log.2", "a.log.3", "b.log"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

static void add(const char *name, const char *logger, LogLevel level, size_t max_bytes, int keep)
{
    Err err = {0};
    LogSink sink = {
        .logger = logger, .path = path_of(name), .level = level, .max_bytes = max_bytes, .keep = keep};
    assert_true(log_add_sink(&sink, &err));
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

static void lines_go_to_the_sinks_of_their_logger(void **state)
{
    add("a.log", "pacs", LOG_INFO, 0, 0);
    add("b.log", "", LOG_ERROR, 0, 0);
    log_info("pacs", "one");
    log_info("pacs.database", "two");
    log_info("pacsx", "three");
    log_debug("pacs", "four");
    log_error("other", "five");
    const char *a = content("a.log");
    assert_non_null(strstr(a, " :: pacs                 :: INFO     :: one\n"));
    assert_non_null(strstr(a, "two"));
    assert_null(strstr(a, "three"));
    assert_null(strstr(a, "four"));
    assert_null(strstr(a, "five"));
    assert_non_null(strstr(content("b.log"), "five"));
    assert_null(strstr(content("b.log"), "one"));
    assert_true(log_enabled(LOG_INFO, "pacs.x"));
    assert_false(log_enabled(LOG_DEBUG, "pacs.x"));
    assert_true(log_enabled(LOG_ERROR, "anything"));
    struct stat st;
    assert_int_equal(stat(path_of("a.log"), &st), 0);
    assert_int_equal(st.st_mode & 0137, 0); /* 0640 less the umask */
}

static void a_peer_cannot_forge_a_line(void **state)
{
    add("a.log", "", LOG_DEBUG, 0, 0);
    log_warning("pacs", "AE %s", "EVIL\n2026-01-01 :: pacs :: INFO :: forged\033[31m\x7f\r");
    const char *text = content("a.log");
    assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_null(strchr(text, '\x7f'));
    assert_non_null(strstr(text, "EVIL?2026"));
}

static void long_lines_are_cut(void **state)
{
    add("a.log", "", LOG_DEBUG, 0, 0);
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
    add("a.log", "", LOG_DEBUG, 0, 0);
    log_set_association(17);
    assert_int_equal(log_association(), 17);
    log_info("pacs", "in");
    log_set_association(0);
    log_info("pacs", "out");
    assert_non_null(strstr(content("a.log"), ":: assoc=17 in\n"));
    assert_non_null(strstr(content("a.log"), ":: out\n"));
}

static void files_rotate(void **state)
{
    add("a.log", "", LOG_DEBUG, 300, 2);
    for (int i = 0; i < 40; i++)
        log_info("pacs", "line %d", i);
    assert_non_null(strstr(content("a.log"), "line 39\n"));
    assert_non_null(content("a.log.1"));
    assert_non_null(content("a.log.2"));
    assert_null(content("a.log.3"));
    assert_true(strlen(content("a.log.1")) <= 300);
    /* the newest rotated file ends where the current one begins */
    int first;
    assert_int_equal(sscanf(strstr(content("a.log"), "line "), "line %d", &first), 1);
    char before[32];
    snprintf(before, sizeof before, "line %d\n", first - 1);
    assert_non_null(strstr(content("a.log.1"), before));
}

static void a_file_that_is_there_counts_towards_the_limit(void **state)
{
    Err err = {0};
    char old[400];
    memset(old, 'o', sizeof old);
    assert_true(file_replace(path_of("a.log"), span_of(old, sizeof old), 0640, &err));
    add("a.log", "", LOG_DEBUG, 300, 1);
    log_info("pacs", "fresh");
    assert_int_equal(strlen(content("a.log.1")), sizeof old);
    assert_true(strlen(content("a.log")) < 200);
}

static void colour_is_by_level(void **state)
{
    Err err = {0};
    LogSink sink = {.logger = "", .path = path_of("a.log"), .level = LOG_DEBUG, .colour = true};
    assert_true(log_add_sink(&sink, &err));
    log_error("pacs", "red");
    const char *text = content("a.log");
    assert_memory_equal(text, "\033[31m", 5);
    assert_non_null(strstr(text, "red\033[0m\n"));
}

static void levels_have_names(void **state)
{
    LogLevel level = LOG_DEBUG;
    assert_true(log_level_parse(" Warning ", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_string_equal(log_level_name(LOG_CRITICAL), "CRITICAL");
}

static void an_impossible_file_is_an_error(void **state)
{
    Err err = {0};
    LogSink sink = {.logger = "", .path = path_of("no/such/folder.log"), .level = LOG_INFO};
    assert_false(log_add_sink(&sink, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "folder.log"));
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
    add("a.log", "", LOG_DEBUG, 0, 0);
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

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(lines_go_to_the_sinks_of_their_logger),
        LOG_TEST(a_peer_cannot_forge_a_line),
        LOG_TEST(long_lines_are_cut),
        LOG_TEST(the_association_is_named),
        LOG_TEST(files_rotate),
        LOG_TEST(a_file_that_is_there_counts_towards_the_limit),
        LOG_TEST(colour_is_by_level),
        LOG_TEST(an_impossible_file_is_an_error),
        LOG_TEST(threads_do_not_mix_lines),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
