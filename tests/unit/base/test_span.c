// SPDX-License-Identifier: MIT
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void comparing(void **state)
{
    assert_true(span_eq(SPAN("abc"), SPAN("abc")));
    assert_false(span_eq(SPAN("abc"), SPAN("abd")));
    assert_false(span_eq(SPAN("abc"), SPAN("abcd")));
    assert_true(span_eq((Span){NULL, 0}, SPAN("")));
    assert_true(span_eq_cstr(SPAN("x"), "x"));
    assert_true(span_eq_cstr((Span){NULL, 0}, NULL));
    assert_true(span_eq_nocase(SPAN("GaNtRy"), SPAN("gantry")));
    assert_false(span_eq_nocase(SPAN("a\0b"), SPAN("a\0c"))); /* does not stop at a NUL */
    assert_false(span_eq_nocase(SPAN("@"), SPAN("`")));
    assert_true(span_cmp(SPAN("a"), SPAN("b")) < 0);
    assert_true(span_cmp(SPAN("b"), SPAN("a")) > 0);
    assert_true(span_cmp(SPAN("a"), SPAN("aa")) < 0);
    assert_true(span_cmp(SPAN("\xff"), SPAN("a")) > 0);
    assert_int_equal(span_cmp(SPAN("ab"), SPAN("ab")), 0);
    assert_true(span_starts(SPAN("1.2.840"), SPAN("1.2.")));
    assert_false(span_starts(SPAN("1"), SPAN("1.2.")));
    assert_true(span_ends(SPAN("1.2.840"), SPAN(".840")));
    assert_false(span_ends(SPAN("40"), SPAN(".840")));
}

static void parts_clamp(void **state)
{
    assert_true(span_eq_cstr(span_sub(SPAN("abcdef"), 2, 3), "cde"));
    assert_true(span_eq_cstr(span_sub(SPAN("abcdef"), 2, SIZE_MAX), "cdef"));
    assert_int_equal(span_sub(SPAN("abc"), 3, 1).n, 0);
    assert_int_equal(span_sub(SPAN("abc"), SIZE_MAX, SIZE_MAX).n, 0);
    assert_int_equal(span_index(SPAN("a\\\\b"), '\\'), 1);
    assert_int_equal(span_index(SPAN("abc"), 'x'), SIZE_MAX);
    assert_int_equal(span_index((Span){NULL, 0}, 'x'), SIZE_MAX);
}

static void trimming(void **state)
{
    assert_true(span_eq_cstr(span_trim(SPAN("  a b  ")), "a b"));
    assert_true(span_eq_cstr(span_trim(SPAN("1.2\0")), "1.2"));
    assert_true(span_eq_cstr(span_trim(SPAN("   ")), ""));
    assert_true(span_eq_cstr(span_rtrim(SPAN("  a \0 ")), "  a"));
}

static void splitting(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        const char *parts[4];
    } cases[] = {
        {"a\\b\\c", 3, {"a", "b", "c"}},
        {"", 1, {""}},
        {"\\", 2, {"", ""}},
        {"a", 1, {"a"}},
        {"a\\", 2, {"a", ""}},
        {"\\\\", 3, {"", "", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Span rest = span_cstr(cases[i].text), part;
        bool more = true;
        size_t n = 0;
        while (span_split(&rest, '\\', &part, &more)) {
            assert_true(n < cases[i].count);
            assert_true(span_eq_cstr(part, cases[i].parts[n++]));
        }
        assert_int_equal(n, cases[i].count);
    }
}

static void whole_numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", 0, 10, true, 0},
        {" 42 ", 0, 100, true, 42},
        {"+7", 0, 100, true, 7},
        {"-7", -10, 10, true, -7},
        {"007", 0, 100, true, 7},
        {"9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX},
        {"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
        {"11", 0, 10, false, 0},
        {"-1", 0, 10, false, 0},
        {"", 0, 10, false, 0},
        {" ", 0, 10, false, 0},
        {"-", -10, 10, false, 0},
        {"+-5", -10, 10, false, 0},
        {"1 2", 0, 100, false, 0},
        {"0x10", 0, 100, false, 0},
        {"1.0", 0, 100, false, 0},
        {"\t5", 0, 100, false, 0},
        {"00000000000000000000000000000000000001", 0, 100, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 12345;
        assert_int_equal(span_to_i64(span_cstr(cases[i].text), cases[i].min, cases[i].max, &value),
                         cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 12345);
    }
    int64_t value = 0;
    assert_false(span_to_i64(SPAN("1\0002"), 0, 100, &value));
}

static void decimal_numbers(void **state)
{
    double value = 0;
    assert_true(span_to_double(SPAN(" -1.5e2 "), &value));
    assert_true(value < -149.9 && value > -150.1);
    assert_true(span_to_double(SPAN(".5"), &value));
    const char *bad[] = {"", "nan", "inf", "1e999", "1,5", "0x1p3", "1.5.5", "e5", "-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(span_to_double(span_cstr(bad[i]), &value));
}

static void copying_truncates_and_terminates(void **state)
{
    char out[4];
    assert_true(span_copy(SPAN("abc"), out, sizeof out));
    assert_string_equal(out, "abc");
    assert_false(span_copy(SPAN("abcd"), out, sizeof out));
    assert_string_equal(out, "abc");
    assert_true(span_copy((Span){NULL, 0}, out, sizeof out));
    assert_string_equal(out, "");
}

static void test_hexadecimal_digits(void **state)
{
    char out[9];
    assert_string_equal(span_hex(SPAN("\x00\x1f\xa0\xff"), out), "001fa0ff");
    assert_string_equal(span_hex((Span){NULL, 0}, out), "");
    uint8_t bytes[4] = {9, 9, 9, 9};
    assert_true(span_from_hex("001fa0ff", bytes, 4));
    assert_memory_equal(bytes, "\x00\x1f\xa0\xff", 4);
    static const char *const wrong[] = {NULL, "", "001fa0f", "001fa0ff0", "001FA0FF", "001fa0fg", " 01fa0ff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(span_from_hex(wrong[i], bytes, 4));
    assert_memory_equal(bytes, "\x00\x1f\xa0\xff", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),       cmocka_unit_test(test_hexadecimal_digits),
        cmocka_unit_test(parts_clamp),     cmocka_unit_test(trimming),
        cmocka_unit_test(splitting),       cmocka_unit_test(whole_numbers),
        cmocka_unit_test(decimal_numbers), cmocka_unit_test(copying_truncates_and_terminates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
