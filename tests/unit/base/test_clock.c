// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void deadlines(void **state)
{
    assert_true(deadline_in(-1) == CLOCK_NEVER);
    assert_true(deadline_in(INT64_MAX) == CLOCK_NEVER);
    assert_false(deadline_passed(CLOCK_NEVER));
    assert_int_equal(deadline_poll_ms(CLOCK_NEVER), -1);
    assert_true(deadline_passed(deadline_in(0)));
    assert_int_equal(deadline_poll_ms(deadline_in(0)), 0);
    Deadline far = deadline_in(1000000);
    assert_false(deadline_passed(far));
    int left = deadline_poll_ms(far);
    assert_true(left > 900000 && left <= 1000000);
    assert_int_equal(deadline_poll_ms(CLOCK_NEVER - 1), INT32_MAX);
    assert_true(deadline_min(CLOCK_NEVER, far) == far);
}

static void time_goes_forward(void **state)
{
    int64_t before = clock_ns();
    clock_sleep_ms(5);
    int64_t after = clock_ns();
    assert_true(after - before >= 5000000);
    clock_sleep_ms(-1);
    assert_true(clock_wall_us() > 1600000000000000);
}

static void wall_time_as_text(void **state)
{
    char text[32];
    clock_format(1596110224832535, true, text);
    assert_string_equal(text, "2020-07-30 11:57:04.832535");
    clock_format(0, true, text);
    assert_string_equal(text, "1970-01-01 00:00:00.000000");
    clock_format(INT64_C(253402300799999999), true, text);
    assert_string_equal(text, "9999-12-31 23:59:59.999999");
    clock_format(INT64_C(253402300800000000), true, text);
    assert_string_equal(text, "10000-01-01 00:00:00.000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines),
        cmocka_unit_test(time_goes_forward),
        cmocka_unit_test(wall_time_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
