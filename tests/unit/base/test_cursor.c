// SPDX-License-Identifier: MIT
#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void numbers_in_both_orders(void **state)
{
    Cursor little = cur_of(span_of(bytes, sizeof bytes), false),
           big = cur_of(span_of(bytes, sizeof bytes), true);
    assert_int_equal(cur_u8(&little), 1);
    assert_int_equal(cur_u16(&little), 0x0302);
    assert_int_equal(cur_u32(&little), 0x07060504);
    assert_true(cur_u64(&little) == 0x0F0E0D0C0B0A0908);
    assert_int_equal(cur_u8(&big), 1);
    assert_int_equal(cur_u16(&big), 0x0203);
    assert_int_equal(cur_u32(&big), 0x04050607);
    assert_true(cur_u64(&big) == 0x08090A0B0C0D0E0F);
    assert_int_equal(cur_left(&little), 0);
    assert_false(little.failed);
}

static void a_failure_sticks_and_moves_nothing(void **state)
{
    Cursor c = cur_of(span_of(bytes, 3), false);
    assert_int_equal(cur_u32(&c), 0);
    assert_true(c.failed);
    assert_int_equal(c.at, 0);
    assert_int_equal(cur_u8(&c), 0);
    assert_int_equal(cur_left(&c), 0);
    assert_int_equal(cur_take(&c, 1).n, 0);
    assert_int_equal(cur_peek(&c, 1).n, 0);
}

static void lengths_near_the_end_of_memory(void **state)
{
    Cursor c = cur_of(span_of(bytes, sizeof bytes), false);
    cur_skip(&c, 5);
    assert_int_equal(cur_peek(&c, SIZE_MAX).n, 0);
    assert_int_equal(cur_peek(&c, SIZE_MAX - 2).n, 0);
    assert_false(c.failed);
    assert_int_equal(cur_take(&c, SIZE_MAX - 4).n, 0);
    assert_true(c.failed);
}

static void takes_and_peeks(void **state)
{
    Cursor c = cur_of(span_of(bytes, sizeof bytes), false);
    assert_ptr_equal(cur_peek(&c, 4).p, bytes);
    assert_ptr_equal(cur_take(&c, 4).p, bytes);
    assert_ptr_equal(cur_take(&c, 11).p, bytes + 4);
    assert_int_equal(cur_take(&c, 0).n, 0);
    assert_false(c.failed);
    cur_skip(&c, 1);
    assert_true(c.failed);
    Cursor none = cur_of((Span){NULL, 0}, true);
    assert_int_equal(cur_take(&none, 0).n, 0);
    assert_false(none.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_both_orders),
        cmocka_unit_test(a_failure_sticks_and_moves_nothing),
        cmocka_unit_test(lengths_near_the_end_of_memory),
        cmocka_unit_test(takes_and_peeks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
