// SPDX-License-Identifier: MIT
/* An archive that is made where it is missing, and never over what is somebody else's. */
#include "house.h"

#include "cli/making.h"

static char *folder;
static Arena *arena;

static int setup(void **state)
{
    folder = house_folder();
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    house_remove(folder);
    return 0;
}

static const char *in(const char *name)
{
    return arena_printf(arena, "%s/%s", folder, name);
}

static void expect_made(const char *name, bool expected)
{
    Err err = {0};
    bool made = !expected;
    if (!making_missing(arena, in(name), &made, &err))
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(made, expected);
    assert_true(house_has(in(name), "app/settings.yml"));
}

static void missing_folder_and_its_parents(void **state)
{
    expect_made("deep/er/pacs", true);
    assert_true(house_has(in("deep/er/pacs"), "manage"));
    expect_made("deep/er/pacs", false);
}

static void empty_folder_with_mounted_volumes(void **state)
{
    house_write(folder, "pacs/data/P/1/2/3", "an object");
    house_write(folder, "pacs/app/white_list/ours.yml", "X:\n  ip: 127.0.0.1\n");
    assert_int_equal(mkdir(in("pacs/lost+found"), 0700), 0);
    expect_made("pacs", true);
    assert_true(house_has(folder, "pacs/data/P/1/2/3"));
    assert_true(house_has(folder, "pacs/app/white_list/ours.yml"));
}

static void an_archive_is_left_alone(void **state)
{
    house_write(folder, "pacs/app/settings.yml", "port: 104\nAET: X\n");
    house_write(folder, "pacs/strange", "");
    expect_made("pacs", false);
    assert_false(house_has(folder, "pacs/manage"));
}

/* Interrupted before the settings, which come last: the next start goes on, and keeps what was edited meanwhile. */
static void making_goes_on(void **state)
{
    expect_made("pacs", true);
    assert_int_equal(unlink(in("pacs/app/settings.yml")), 0);
    assert_int_equal(unlink(in("pacs/manage.py")), 0);
    house_write(folder, "pacs/app/tags.yml", "# mine\n");
    expect_made("pacs", true);
    assert_true(house_has(folder, "pacs/manage.py"));
    Buf text;
    buf_init(&text, 0);
    assert_true(file_read_all(in("pacs/app/tags.yml"), 1 << 20, &text, NULL));
    assert_string_equal(buf_cstr(&text), "# mine\n");
    buf_free(&text);
}

static void somebody_elses_folder(void **state)
{
    Err err = {0};
    bool made;
    house_write(folder, "home/precious", "1");
    assert_false(making_missing(arena, in("home"), &made, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "precious is in it"));
    assert_false(house_has(folder, "home/app"));
    assert_false(making_missing(arena, in("home/precious"), &made, &err)); /* a file */
    Outcome outcome = RUN(folder, "gantry", "serve", in("home/"));
    assert_int_equal(outcome.code, EXIT_FAILED);
    assert_non_null(strstr(buf_cstr(&outcome.err), "is its disk mounted?"));
    outcome_free(&outcome);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(missing_folder_and_its_parents), CASE(empty_folder_with_mounted_volumes),
        CASE(an_archive_is_left_alone),       CASE(making_goes_on),
        CASE(somebody_elses_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
