// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_fills_code_statuses_and_text(void **state)
{
    Err err = {0};
    assert_false(err_set(&err, ERR_MISMATCH, "class %s", "1.2"));
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_int_equal(err.dimse, 0xA900);
    assert_int_equal(err.http, 409);
    assert_string_equal(err.text, "class 1.2");
    err_clear(&err);
    assert_int_equal(err.code, ERR_NONE);
    assert_string_equal(err.text, "");
}

static void errno_becomes_a_code_and_a_reason(void **state)
{
    static const struct {
        int number;
        ErrCode code;
    } cases[] = {
        {ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE},   {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},
        {EACCES, ERR_IO},       {ECONNRESET, ERR_CLOSED}, {EPIPE, ERR_CLOSED},     {ETIMEDOUT, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        assert_false(err_errno(&err, cases[i].number, "write %s", "/srv/a"));
        assert_int_equal(err.code, cases[i].code);
        assert_memory_equal(err.text, "write /srv/a: ", 14);
        assert_true(strlen(err.text) > 14);
    }
    Err err = {0};
    err_errno(&err, ENOENT, "open x");
    assert_string_equal(err.text, "open x: No such file or directory");
}

static void wrapping_puts_words_in_front(void **state)
{
    Err err = {0};
    err_set(&err, ERR_NO_SPACE, "write");
    assert_false(err_wrap(&err, "store %d", 7));
    assert_string_equal(err.text, "store 7: write");
    assert_int_equal(err.code, ERR_NO_SPACE);
}

static void long_texts_are_cut_not_overrun(void **state)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    Err err = {0};
    err_set(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void a_caller_need_not_ask_why(void **state)
{
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_false(err_errno(NULL, EIO, "x"));
    assert_false(err_wrap(NULL, "x"));
    err_clear(NULL);
}

static void every_code_has_a_name_of_its_own(void **state)
{
    for (int a = ERR_NONE; a <= ERR_INTERNAL; a++) {
        assert_non_null(err_code_name((ErrCode)a));
        for (int b = ERR_NONE; b < a; b++)
            assert_string_not_equal(err_code_name((ErrCode)a), err_code_name((ErrCode)b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_statuses_and_text),
        cmocka_unit_test(errno_becomes_a_code_and_a_reason),
        cmocka_unit_test(wrapping_puts_words_in_front),
        cmocka_unit_test(long_texts_are_cut_not_overrun),
        cmocka_unit_test(a_caller_need_not_ask_why),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
