// SPDX-License-Identifier: MIT
/* Files that were replaced by ones elsewhere and are still there: what goes, and what stays. */
#include "archive/archive_internal.h"
#include "archive/journal.h"

#include "archive_fixture.h"

#define UID      "1.2.3.4.5"
#define OLD_NAME "data/P1/1.2.3/1.2.3.4/" UID
#define NEW_NAME "data/P2/1.2.3/1.2.3.4/" UID

static void remove_leftovers(void)
{
    Err err = {0};
    if (!leftovers_remove(archive, NULL, &err))
        fail_msg("%s", err.text);
}

static size_t count_notes(void)
{
    Arena *arena = arena_new(0);
    IdxReplaced *notes;
    size_t n = 0;
    Err err = {0};
    if (!idx_replaced_list(archive->index, arena, 0, 100, &notes, &n, &err))
        fail_msg("%s", err.text);
    arena_free(arena);
    return n;
}

static bool is_there(const char *name)
{
    return access(at(name), F_OK) == 0;
}

/* A writer beside the committer. */
static void note(const IdxFile *file)
{
    static int64_t number;
    Err err = {0};
    Index *index = archive_open_index_apart(archive, &err);
    IdxReplaced one = {.number = ++number,
                       .sop_instance = UID,
                       .path = file->path,
                       .size = file->size,
                       .end_us = file->end_us};
    if (!index || !idx_begin(index, &err) || !idx_replaced_note(index, &one, &err) ||
        !idx_commit(index, &err))
        fail_msg("%s", err.text);
    idx_close(index);
}

/* The object under P1, then under P2; the first file is there and noted, as if nobody had come to remove it. */
static void replace_and_leave(void)
{
    Spec first = SPEC(UID), other = first;
    Arena *arena = arena_new(0);
    IdxFile row;
    other.patient_id = "P2";
    store_spec(&first);
    assert_true(find_instance(arena, UID, &row));
    assert_int_equal(link(row.path, at("aside")), 0);
    assert_int_equal(store_spec(&other), ARC_REPLACED);
    assert_false(is_there(OLD_NAME));
    assert_int_equal(mkdir(at("data/P1"), 0750), 0);
    assert_int_equal(mkdir(at("data/P1/1.2.3"), 0750), 0);
    assert_int_equal(mkdir(at("data/P1/1.2.3/1.2.3.4"), 0750), 0);
    assert_int_equal(rename(at("aside"), row.path), 0);
    note(&row);
    arena_free(arena);
}

/* The committer forgets what it removed with its next rows, or when it goes. */
static void test_nothing_is_left(void **state)
{
    Spec first = SPEC(UID), other = first, next = SPEC("1.2.3.4.6");
    other.patient_id = "P2";
    store_spec(&first);
    assert_int_equal(store_spec(&other), ARC_REPLACED);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_notes(), 1);
    store_spec(&next);
    assert_int_equal(count_notes(), 0);
    assert_int_equal(store_spec(&first), ARC_REPLACED);
    reopen_archive();
    assert_int_equal(count_notes(), 0);
    assert_int_equal(count_files("data"), 2);
}

static void test_what_was_left_goes(void **state)
{
    replace_and_leave();
    remove_leftovers();
    assert_false(is_there("data/P1"));
    assert_true(is_there(NEW_NAME));
    assert_true(was_noticed("1 files that had been replaced were still there"));
    remove_leftovers();
    store_spec(&(Spec){
        .patient_id = "P3", .study = "1.9", .series = "1.9.1", .instance = "1.9.1.1", .sop_class = CT_CLASS});
    assert_int_equal(count_notes(), 0);
}

/* By a server that starts. */
static void test_at_a_start(void **state)
{
    replace_and_leave();
    settings.outlasts_index = true;
    reopen_archive();
    Deadline deadline = deadline_in(60000);
    while (is_there(OLD_NAME) && !deadline_passed(deadline))
        clock_sleep_ms(5);
    assert_false(is_there(OLD_NAME));
}

/* The object came back under its old name: the same content, then other. */
static void test_it_is_wanted_again(void **state)
{
    Spec first = SPEC(UID);
    replace_and_leave();
    assert_int_equal(store_spec(&first), ARC_REPLACED);
    remove_leftovers();
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 1);
    reopen_archive();
    assert_int_equal(count_notes(), 0);
}

/* Another file has the name, of which the index knows nothing yet. */
static void test_another_has_its_name(void **state)
{
    replace_and_leave();
    struct timespec later[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    clock_sleep_ms(20);
    assert_int_equal(utimensat(AT_FDCWD, at(OLD_NAME), later, 0), 0);
    remove_leftovers();
    assert_true(is_there(OLD_NAME));
    assert_int_equal(count_notes(), 0);
}

/* What replaced it is not there: this may be the last one. */
static void test_the_last_one_stays(void **state)
{
    replace_and_leave();
    assert_int_equal(rename(at(NEW_NAME), at("aside")), 0);
    remove_leftovers();
    assert_true(is_there(OLD_NAME));
    assert_int_equal(rename(at("aside"), at(NEW_NAME)), 0);
    remove_leftovers();
    assert_false(is_there(OLD_NAME));
}

static void test_somebody_is_at_work_on_it(void **state)
{
    Err err;
    replace_and_leave();
    StoreClaims *claims = store_claims_open(archive->store, &err);
    assert_true(store_claim(claims, claim_of_object(UID), deadline_in(0), &err));
    remove_leftovers();
    assert_true(is_there(OLD_NAME));
    store_claims_close(claims);
    remove_leftovers();
    assert_false(is_there(OLD_NAME));
}

/* It may have been acknowledged again, while the database was away. */
static void test_something_waits(void **state)
{
    Err err;
    replace_and_leave();
    Journal *journal = journal_new(at("temp"), &err);
    assert_non_null(journal);
    assert_true(journal_append(journal, &(const char *){"P1/1.2.3/1.2.3.4/" UID}, 1, &err));
    remove_leftovers();
    assert_true(is_there(OLD_NAME));
    char name[100];
    assert_true(journal_next(journal, name, sizeof name));
    journal_done(journal);
    journal_close(journal);
    remove_leftovers();
    assert_false(is_there(OLD_NAME));
}

/* What replaced it was deleted since: the object is not to come back. */
static void test_it_was_deleted(void **state)
{
    Err err = {0};
    replace_and_leave();
    Index *index = archive_open_index_apart(archive, &err);
    assert_true(index && idx_begin(index, &err) && idx_remove(index, UID, &err) && idx_commit(index, &err));
    idx_close(index);
    remove_leftovers();
    assert_false(is_there(OLD_NAME));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_left),    TEST(test_what_was_left_goes),   TEST(test_at_a_start),
        TEST(test_it_is_wanted_again), TEST(test_another_has_its_name), TEST(test_the_last_one_stays),
        TEST(test_something_waits),    TEST(test_it_was_deleted),       TEST(test_somebody_is_at_work_on_it),
    };
    return cmocka_run_group_tests_name("leftovers", tests, NULL, NULL);
}
