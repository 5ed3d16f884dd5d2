// SPDX-License-Identifier: MIT
#include "store_fixture.h"

static void test_read(void **state)
{
    Err err = {0};
    char text[16];
    publish_one("p/s/x", "0123456789");
    StoreObject *object = store_get(store, "p/s/x", &err);
    assert_non_null(object);
    assert_int_equal(store_object_size(object), 10);
    assert_int_equal(store_object_read(object, 4, text, 3, &err), 3);
    assert_memory_equal(text, "456", 3);
    assert_int_equal(store_object_read(object, 8, text, 16, &err), 2);
    assert_int_equal(store_object_read(object, 10, text, 16, &err), 0);
    assert_int_equal(store_object_read(object, UINT64_MAX, text, 16, &err), 0);
    assert_true(store_object_fd(object) >= 0);
    store_object_close(object);
    store_object_close(NULL);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *name;
        ErrCode code;
    } cases[] = {{"absent", ERR_NOT_FOUND},      {"p/absent", ERR_NOT_FOUND}, {"../secret", ERR_REFUSED},
                 {"/etc/passwd", ERR_REFUSED},   {"p", ERR_NOT_FOUND},        {"p/link", ERR_IO},
                 {"p/../../secret", ERR_REFUSED}};
    Err err = {0};
    publish_one("p/x", "x");
    assert_true(file_replace(at("secret"), SPAN("s"), 0600, &err));
    assert_int_equal(symlink(at("secret"), at("data/p/link")), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(store_get(store, cases[i].name, &err));
        assert_int_equal(err.code, cases[i].code);
    }
}

/* Folders that become empty go, others stay; the next object makes them again. */
static void test_delete(void **state)
{
    Err err = {0};
    publish_one("p/s1/e/x", "x");
    publish_one("p/s1/e/y", "y");
    publish_one("p/s2/e/z", "z");
    assert_true(store_delete(store, "p/s1/e/x", &err));
    assert_true(file_exists("data/p/s1/e/y"));
    assert_true(store_delete(store, "p/s1/e/y", &err));
    assert_false(file_exists("data/p/s1"));
    assert_true(file_exists("data/p/s2/e/z"));
    assert_true(store_delete(store, "p/s2/e/z", &err));
    assert_false(file_exists("data/p"));
    assert_true(file_exists("data"));
    assert_false(store_delete(store, "p/s2/e/z", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(store_delete(store, "../temp", &err));
    assert_int_equal(err.code, ERR_REFUSED);
    publish_one("p/s1/e/x", "again");
    assert_content("data/p/s1/e/x", "again");
    publish_one("top", "t");
    assert_true(store_delete(store, "top", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_refusals, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_delete, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
