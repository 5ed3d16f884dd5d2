// SPDX-License-Identifier: MIT
#include "archive/journal.h"

#include <dirent.h>
#include <limits.h>

#include "archive_fixture.h"

static Err err;

static int make_folder(void **state)
{
    memcpy(top, "/tmp/gantry-journal-XXXXXX", sizeof "/tmp/gantry-journal-XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

static int drop_folder(void **state)
{
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void append(Journal *journal, const char *one, const char *two)
{
    const char *const names[] = {one, two};
    if (!journal_append(journal, names, two ? 2 : 1, &err))
        fail_msg("%s", err.text);
}

static void assert_next(Journal *journal, const char *name)
{
    char found[PATH_MAX];
    assert_true(journal_next(journal, found, sizeof found));
    assert_string_equal(found, name);
}

static void assert_end(Journal *journal)
{
    char found[PATH_MAX];
    assert_false(journal_next(journal, found, sizeof found));
}

static void test_in_order_and_gone_at_the_end(void **state)
{
    Journal *journal = journal_new(top, &err);
    assert_end(journal);
    append(journal, "P/1/2/3", "P/1/2/4");
    append(journal, "Müller %2F/1/2/5", NULL);
    assert_int_equal(journal_left(journal), 3);
    assert_next(journal, "P/1/2/3");
    journal_rewind(journal);
    assert_next(journal, "P/1/2/3");
    assert_next(journal, "P/1/2/4");
    journal_done(journal);
    assert_int_equal(journal_left(journal), 1);
    assert_next(journal, "Müller %2F/1/2/5");
    assert_end(journal);
    assert_null(journal_take_over(top)); /* it is ours */
    journal_done(journal);
    journal_close(journal);
    assert_int_equal(count_files(""), 0);
}

/* What is not done is there for the next process, from where the last one was. */
static void test_taken_over(void **state)
{
    Journal *first = journal_new(top, &err), *second = journal_new(top, &err);
    append(first, "a/1", "a/2");
    append(second, "b/1", NULL);
    assert_next(first, "a/1");
    journal_done(first);
    journal_close(first);
    journal_close(second);
    assert_int_equal(count_files(""), 2);
    assert_int_equal(journal_left_in(top), 2);
    first = journal_take_over(top);
    second = journal_take_over(top);
    assert_null(journal_take_over(top));
    assert_false(journal_takes(first));
    assert_int_equal(journal_left(first), 1);
    assert_next(first, "a/2");
    assert_end(first);
    assert_next(second, "b/1");
    journal_done(first);
    journal_done(second);
    journal_close(first);
    journal_close(second);
    assert_int_equal(count_files(""), 0);
}

static void spoil(const char *text)
{
    Journal *journal = journal_new(top, &err);
    char path[128] = "";
    append(journal, "a/1", "a/2");
    journal_close(journal);
    DIR *folder = opendir(top);
    struct dirent *entry;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] == 'w')
            snprintf(path, sizeof path, "%s/%.64s", top, entry->d_name);
    closedir(folder);
    FILE *file = fopen(path, "a");
    fputs(text, file);
    fclose(file);
}

/* Lines that a power cut left half written, or damage. */
static void test_damaged_lines_are_passed_over(void **state)
{
    static char garbage[20000];
    memset(garbage, 'x', sizeof garbage - 1);
    const char *const tails[] = {"0123456789abcdef a/3\n", "0123", "\n\n \n",
                                 "0123456789abcdef ../../etc/passwd\n", garbage};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        spoil(tails[i]);
        Journal *journal = journal_take_over(top);
        assert_next(journal, "a/1");
        assert_next(journal, "a/2");
        assert_end(journal);
        journal_done(journal);
        assert_int_equal(journal_left(journal), 0);
        journal_close(journal);
        assert_int_equal(count_files(""), 0);
    }
}

static void test_half_a_header(void **state)
{
    Err why;
    assert_true(file_replace(at("waiting-0000000000000001"), SPAN("gantry wai"), 0640, &why));
    Journal *journal = journal_take_over(top);
    assert_end(journal);
    journal_done(journal);
    journal_close(journal);
    assert_int_equal(count_files(""), 0);
}

static void test_no_folder(void **state)
{
    assert_null(journal_new(at("not/there"), &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(journal_take_over(at("not/there")));
    assert_int_equal(journal_left_in(at("not/there")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_order_and_gone_at_the_end),
        TEST(test_taken_over),
        TEST(test_damaged_lines_are_passed_over),
        TEST(test_half_a_header),
        TEST(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
