// SPDX-License-Identifier: MIT
/* That syncs happen is for tests/system/test_powercut.py; here is what may be asked. */
#include "store_fixture.h"

static void test_found(void **state)
{
    Err err = {0};
    const char *names[] = {"p/s/x", "p/s/gone", "p/gone/x", "p/s/y"};
    publish_one("p/s/x", "0123456789");
    assert_true(file_replace(at("data/p/s/y"), SPAN("by hand"), 0600, &err));
    assert_true(store_make_durable(store, names, 4, &err)); /* what has gone is another's affair */
    assert_true(store_make_durable(store, names, 0, &err));
    assert_true(store_settle(store, &err));
    assert_true(store_make_durable(store, names, 4, &err));
}

static void test_what_is_no_object(void **state)
{
    Err err = {0};
    const char *const link = "p/link";
    publish_one("p/x", "x");
    assert_true(file_replace(at("secret"), SPAN("s"), 0600, &err));
    assert_int_equal(symlink(at("secret"), at("data/p/link")), 0);
    assert_false(store_make_durable(store, &link, 1, &err));
    assert_int_equal(err.code, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_what_is_no_object, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("found", tests, NULL, NULL);
}
