// SPDX-License-Identifier: MIT
#include "store_fixture.h"

#include <sys/time.h>

typedef struct Seen {
    char names[512];
    size_t n;
    size_t stop_after;
} Seen;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool see(void *ctx, const char *name, Err *err)
{
    Seen *seen = ctx;
    snprintf(seen->names + strlen(seen->names), sizeof seen->names - strlen(seen->names), "%s ", name);
    if (++seen->n == seen->stop_after)
        return err_set(err, ERR_CANCELLED, "enough");
    return true;
}

/* Names in order, as the walk has none. */
static const char *sorted(Seen *seen)
{
    static char out[512];
    char *parts[32], *rest = seen->names;
    size_t n = 0;
    for (char *part; (part = strtok_r(n ? NULL : seen->names, " ", &rest)) && n < 32;)
        parts[n++] = part;
    qsort(parts, n, sizeof *parts, by_text);
    out[0] = 0;
    for (size_t i = 0; i < n; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s ", parts[i]);
    return out;
}

static void age(const char *relative)
{
    struct timeval old[2] = {{1000000000, 0}, {1000000000, 0}};
    assert_int_equal(utimes(at(relative), old), 0);
}

static void test_all(void **state)
{
    Err err = {0};
    Seen seen = {0};
    publish_one("a/b/c/1", "x");
    publish_one("a/b/2", "x");
    publish_one("3", "x");
    assert_int_equal(mkdir(at("data/.hidden"), 0750), 0);
    assert_true(file_replace(at("data/.hidden/4"), SPAN("x"), 0640, &err));
    assert_true(file_replace(at("data/a/.5"), SPAN("x"), 0640, &err));
    assert_int_equal(symlink(at("temp"), at("data/link")), 0);
    assert_true(store_walk(store, see, &seen, &err));
    assert_string_equal(sorted(&seen), "3 a/b/2 a/b/c/1 ");
}

static void test_changed(void **state)
{
    Err err = {0};
    Seen seen = {0};
    publish_one("old/s/e/1", "x");
    publish_one("old/s/new/2", "x");
    publish_one("other/s/e/3", "x");
    static const char *const folders[] = {"data/old/s/e", "data/old/s", "data/old", "data/other/s/e",
                                          "data/other/s", "data/other", "data"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        age(folders[i]);
    assert_true(store_walk_changed(store, INT64_C(1500000000) * 1000000, see, &seen, &err));
    assert_string_equal(sorted(&seen), "old/s/new/2 ");
}

static void test_stops(void **state)
{
    Err err = {0};
    Seen seen = {.stop_after = 2};
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d/x", i);
        publish_one(name, "x");
    }
    assert_false(store_walk(store, see, &seen, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(seen.n, 2);
}

/* Temporary files inside the data folder are no objects. */
static void test_temp_inside(void **state)
{
    Err err = {0};
    Seen seen = {0};
    Store *inside = store_open_directory(at("data2"), at("data2/temp"), &err);
    assert_non_null(inside);
    StorePut *put = store_put_begin(inside, &err);
    assert_non_null(put);
    assert_true(store_walk(inside, see, &seen, &err));
    assert_int_equal(seen.n, 0);
    store_put_abandon(put);
    store_close(inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_changed, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_stops, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_temp_inside, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
