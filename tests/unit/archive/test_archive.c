// SPDX-License-Identifier: MIT
#include "archive_fixture.h"

static void test_incomplete_settings(void **state)
{
    Err err = {0};
    ArcSettings bad = settings;
    bad.index_path = NULL;
    assert_null(arc_open(&bad, &err));
    assert_int_equal(err.code, ERR_USAGE);
    arc_close(NULL);
}

static void test_unusable_paths(void **state)
{
    Err err = {0};
    assert_true(file_replace(at("file"), SPAN("x"), 0640, &err));
    for (int i = 0; i < 3; i++) {
        ArcSettings bad = settings;
        if (i == 0)
            bad.data_path = at("file/data");
        if (i == 1)
            bad.temp_path = at("file/temp");
        if (i == 2)
            bad.index_path = at("file/index.sqlite");
        err_clear(&err);
        assert_null(arc_open(&bad, &err));
        assert_non_null(strstr(err.text, at("file")));
    }
    assert_int_equal(count_files("temp"), 2); /* nothing but ours is left behind */
}

/* What was stored is there after a clean stop, and nothing is looked for. */
static void test_reopen(void **state)
{
    Spec spec = SPEC("1.2.3.4.5");
    store_spec(&spec);
    reopen_archive();
    assert_stored_spec(&spec);
    assert_false(was_noticed("not closed properly"));
}

/* A second opener (a command beside the server) neither disturbs the first nor believes that it died. */
static void test_two_at_once(void **state)
{
    Err err = {0};
    Archive *first = archive;
    Spec a = SPEC("1.2.3.4.5"), b = SPEC("1.2.3.4.6"), c = SPEC("1.2.3.4.7");
    store_spec(&a);
    archive = arc_open(&settings, &err);
    assert_non_null(archive);
    store_spec(&b);
    assert_int_equal(store_spec(&a), ARC_SAME);
    arc_close(archive);
    archive = first;
    store_spec(&c);
    assert_stored_spec(&b);
    assert_int_equal(count_instances(), 3);
    assert_false(was_noticed("not closed properly"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_incomplete_settings), TEST(test_unusable_paths),
                                       TEST(test_reopen), TEST(test_two_at_once)};
    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
