// SPDX-License-Identifier: MIT
/* Notes of files that were replaced, on both drivers. */
#include "index/replaced.h"

#include "fixture.h"

enum { NOTES = 5 };

static IdxReplaced note_of(int64_t number, const char *path)
{
    return (IdxReplaced){.number = number,
                         .sop_instance = "1.1.1.1",
                         .path = path,
                         .size = 5000000000,
                         .end_us = 1700000000500000};
}

static void put_note(Fixture *f, int64_t number, const char *path)
{
    IdxReplaced note = note_of(number, path);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_replaced_note(f->index, &note, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

static size_t list(Fixture *f, int64_t after, size_t limit, IdxReplaced **out)
{
    size_t n = 99;
    ASSERT_OK(f, idx_replaced_list(f->index, f->arena, after, limit, out, &n, &f->err));
    return n;
}

static void noted_and_forgotten(void **state)
{
    Fixture *f = *state;
    IdxReplaced *notes;
    assert_int_equal(list(f, 0, NOTES, &notes), 0);
    put_note(f, INT64_MAX, "/data/größe/b");
    put_note(f, 7, "/data/a");
    assert_int_equal(list(f, 0, NOTES, &notes), 2);
    assert_int_equal(notes[0].number, 7);
    assert_int_equal(notes[1].number, INT64_MAX);
    assert_string_equal(notes[1].path, "/data/größe/b");
    assert_string_equal(notes[1].sop_instance, "1.1.1.1");
    assert_int_equal(notes[1].size, 5000000000);
    assert_int_equal(notes[1].end_us, 1700000000500000);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_replaced_forget(f->index, (int64_t[]){7, 8}, 2, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_int_equal(list(f, 0, NOTES, &notes), 1);
    assert_int_equal(notes[0].number, INT64_MAX);
}

static void some_at_a_time(void **state)
{
    Fixture *f = *state;
    IdxReplaced *notes;
    for (int i = 1; i <= NOTES; i++)
        put_note(f, i, "/data/a");
    assert_int_equal(list(f, 0, 3, &notes), 3);
    assert_int_equal(list(f, notes[2].number, 3, &notes), 2);
    assert_int_equal(notes[1].number, NOTES);
    assert_int_equal(list(f, NOTES, 3, &notes), 0);
}

/* What is taken back was not noted; and both belong into a transaction. */
static void with_the_transaction(void **state)
{
    Fixture *f = *state;
    IdxReplaced note = note_of(1, "/data/a"), *notes;
    assert_false(idx_replaced_note(f->index, &note, &f->err));
    assert_int_equal(f->err.code, ERR_USAGE);
    assert_false(idx_replaced_forget(f->index, (int64_t[]){1}, 1, &f->err));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_replaced_note(f->index, &note, &f->err));
    idx_rollback(f->index);
    assert_int_equal(list(f, 0, NOTES, &notes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(noted_and_forgotten, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(some_at_a_time, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(with_the_transaction, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
