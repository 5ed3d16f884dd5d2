// SPDX-License-Identifier: MIT
#include "base/watch.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static Watch *watch;

static int setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/gantry-watch-XXXXXX");
    watch = watch_new();
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    watch_free(watch);
    watch_free(NULL);
    return rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Several looks in a row are due only when a second has passed between two of them. */
static bool becomes_quiet(void)
{
    for (int i = 0; i < 100; i++) {
        if (!watch_is_due(watch))
            return true;
        watch_path(watch, folder);
    }
    return false;
}

static void the_first_look_is_due_and_then_none(void **state)
{
    assert_true(watch_is_due(watch));
    watch_path(watch, folder);
    assert_true(becomes_quiet());
}

static void a_change_is_seen_at_once(void **state)
{
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/a", folder);
    snprintf(to, sizeof to, "%s/b", folder);
    watch_path(watch, folder);
    assert_true(becomes_quiet());
    write_file("a", "1");
    assert_true(watch_is_due(watch));
    assert_true(becomes_quiet());
    write_file("a", "2");
    assert_true(watch_is_due(watch));
    assert_true(becomes_quiet());
    assert_int_equal(rename(from, to), 0);
    assert_true(watch_is_due(watch));
    assert_true(becomes_quiet());
    assert_int_equal(unlink(to), 0);
    assert_true(watch_is_due(watch));
}

static void what_cannot_be_watched_is_looked_at_each_time(void **state)
{
    assert_true(watch_is_due(watch));
    for (int i = 0; i < 3; i++) {
        watch_path(watch, "/nonexistent/folder");
        assert_true(watch_is_due(watch));
    }
    watch_path(watch, folder);
    assert_true(becomes_quiet());
    watch_failed(watch);
    assert_true(watch_is_due(watch));
}

static void a_look_is_due_now_and_then_anyway(void **state)
{
    watch_path(watch, folder);
    assert_true(becomes_quiet());
    clock_sleep_ms(1100);
    assert_true(watch_is_due(watch));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_look_is_due_and_then_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_is_seen_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_watched_is_looked_at_each_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_look_is_due_now_and_then_anyway, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
