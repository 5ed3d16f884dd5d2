// SPDX-License-Identifier: MIT
/* Numbers as text, against what printf and strtod say. */
#include "base/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_integers(void **state)
{
    char text[NUMBER_TEXT];
    assert_int_equal(number_u64(0, text), 1);
    assert_string_equal(text, "0");
    assert_int_equal(number_u64(UINT64_MAX, text), 20);
    assert_string_equal(text, "18446744073709551615");
    assert_int_equal(number_i64(-1, text), 2);
    assert_string_equal(text, "-1");
    assert_int_equal(number_i64(INT64_MIN, text), 20);
    assert_string_equal(text, "-9223372036854775808");
    assert_int_equal(number_i64(INT64_MAX, text), 19);
}

/* The shortest text of at least 15 (6) digits that reads back the same. */
static void expect_double(double value)
{
    char text[NUMBER_TEXT], expected[NUMBER_TEXT];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(expected, sizeof expected, "%.*g", digits, value);
        if (strtod(expected, NULL) == value)
            break;
    }
    size_t n = number_double(value, text);
    assert_string_equal(text, expected);
    assert_int_equal(n, strlen(text));
}

static void expect_float(float value)
{
    char text[NUMBER_TEXT], expected[NUMBER_TEXT];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(expected, sizeof expected, "%.*g", digits, (double)value);
        if (strtof(expected, NULL) == value)
            break;
    }
    size_t n = number_float(value, text);
    assert_string_equal(text, expected);
    assert_int_equal(n, strlen(text));
}

static uint64_t random_state;
static uint64_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 32 ^ random_state << 16;
}

static void test_edges(void **state)
{
    static const double values[] = {
        0,         -0.0,       1,        -1,        0.5,      0.1,     0.3,   1e-4, 0.000099999,
        9.9999e-5, 1e5,        999999,   999999.5,  1e6,      1e7,     1e14,  1e15, 1e16,
        1e22,      1e300,      5e-324,   0.1 + 0.2, 1.0 / 3,  2.0 / 3, 100.5, 1e-5, 123456.7,
        1234567.8, 0.00012345, 99.99999, 999.99995, 16777216, 1e21,
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        expect_double(values[i]);
        expect_double(-values[i]);
        expect_float((float)values[i]);
        expect_float((float)-values[i]);
    }
}

static void test_random_bits(void **state)
{
    random_state = 1;
    for (int i = 0; i < 50000; i++) {
        union {
            uint64_t bits;
            double d;
        } full = {.bits = next_random()};
        union {
            uint32_t bits;
            float f;
        } single = {.bits = (uint32_t)next_random()};
        if (isfinite(full.d))
            expect_double(full.d);
        if (isfinite(single.f))
            expect_float(single.f);
    }
}

/* What is measured: few digits, and any floats of such a size. */
static void test_likely_numbers(void **state)
{
    random_state = 2;
    for (int i = 0; i < 100000; i++) {
        double digits = (double)(next_random() % 100000000), power = pow(10, (double)(next_random() % 12));
        expect_double(digits / power);
        expect_float((float)(digits / power));
        expect_float(-(float)(digits / (power * 3)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_random_bits),
        cmocka_unit_test(test_likely_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
