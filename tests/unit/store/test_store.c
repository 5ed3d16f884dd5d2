// SPDX-License-Identifier: MIT
#include "store_fixture.h"

static void test_paths(void **state)
{
    char *path = store_path(store, "p/s/x");
    assert_string_equal(path, at("data/p/s/x"));
    assert_string_equal(store_name(store, path), "p/s/x");
    free(path);
    assert_null(store_path(store, "../x"));
    assert_null(store_name(store, "/etc/passwd"));
    assert_null(store_name(store, at("data2/x")));
    assert_null(store_name(store, at("data/../x")));
    assert_null(store_name(store, at("data")));
}

static void test_free_bytes(void **state)
{
    uint64_t total = 0, free_bytes = store_room(store, &total);
    assert_true(free_bytes > 0 && total >= free_bytes);
}

static void test_bad_folders(void **state)
{
    Err err = {0};
    assert_true(file_replace(at("file"), SPAN("x"), 0640, &err));
    assert_null(store_open_directory(at("file"), at("temp"), &err));
    assert_true(strlen(err.text) > 0);
    assert_null(store_open_directory(at("data"), at("file/temp"), &err));
    store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_free_bytes, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_bad_folders, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
