// SPDX-License-Identifier: MIT
/* Lists of studies to be fetched. */
#include "fixture.h"

static void lists(void **state)
{
    Fixture *f = *state;
    const char **studies = NULL;
    size_t count = 0;
    assert_false(idx_study_list(f->index, f->arena, 0, &studies, &count, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    sql_text(f, "INSERT INTO study_list (study_uid, id_list, d_load) VALUES ('1.9', 1, '2026-01-01'), "
                "('1.2', 2, '2026-01-02'), ('1.3', 2, '2026-01-02'), ('1.2', 2, '2026-01-02'), ('1.1', 2, "
                "'2026-01-02')");
    f->err = (Err){0};
    ASSERT_OK(f, idx_study_list(f->index, f->arena, 0, &studies, &count, &f->err));
    assert_int_equal(count, 3);
    assert_string_equal(studies[0], "1.2");
    assert_string_equal(studies[1], "1.3");
    assert_string_equal(studies[2], "1.1");
    ASSERT_OK(f, idx_study_list(f->index, f->arena, 1, &studies, &count, &f->err));
    assert_int_equal(count, 1);
    assert_string_equal(studies[0], "1.9");
    assert_false(idx_study_list(f->index, f->arena, 3, &studies, &count, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, fixture_setup, fixture_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
