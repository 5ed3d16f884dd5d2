// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void bytes_go_out_in_order(void **state)
{
    static const uint8_t expected[] = {0x01, 0x12, 0x34, 0x12, 0x34, 0x56, 0x78, 0x34, 0x12, 0x78, 0x56, 0x34,
                                       0x12, 8,    7,    6,    5,    4,    3,    2,    1,    'a',  'b',  '7'};
    Buf buf;
    buf_init(&buf, 0);
    assert_true(buf_u8(&buf, 1));
    assert_true(buf_u16be(&buf, 0x1234));
    assert_true(buf_u32be(&buf, 0x12345678));
    assert_true(buf_u16le(&buf, 0x1234));
    assert_true(buf_u32le(&buf, 0x12345678));
    assert_true(buf_u64le(&buf, 0x0102030405060708));
    assert_true(buf_append_cstr(&buf, "ab"));
    assert_true(buf_printf(&buf, "%d", 7));
    assert_int_equal(buf.n, sizeof expected);
    assert_memory_equal(buf.p, expected, sizeof expected);
    buf_free(&buf);
}

static void the_limit_is_exact_and_failure_sticks(void **state)
{
    Buf buf;
    buf_init(&buf, 10);
    assert_true(buf_append(&buf, "0123456789", 10));
    assert_string_equal(buf_cstr(&buf), "0123456789");
    assert_false(buf.failed);
    assert_true(buf_append(&buf, "", 0));
    assert_false(buf_u8(&buf, 'x'));
    assert_true(buf.failed);
    assert_int_equal(buf.n, 10);
    buf_consume(&buf, 5);
    assert_false(buf_u8(&buf, 'x')); /* room again, but what was lost stays lost */
    buf_clear(&buf);
    assert_false(buf.failed);
    assert_true(buf_printf(&buf, "%s", "exactly 10"));
    assert_false(buf_printf(&buf, "%d", 1));
    buf_free(&buf);
    assert_int_equal(buf.limit, 10);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_free(&buf);
}

static void an_empty_buf_is_usable(void **state)
{
    Buf buf;
    buf_init(&buf, 0);
    assert_string_equal(buf_cstr(&buf), "");
    assert_int_equal(buf_span(&buf).n, 0);
    assert_true(buf_append_span(&buf, (Span){NULL, 0}));
    buf_consume(&buf, 3);
    assert_int_equal(buf.n, 0);
    buf_free(&buf);
    buf_free(&buf);
}

static void reserve_reads_into_place(void **state)
{
    Buf buf;
    buf_init(&buf, 0);
    buf_append_cstr(&buf, "head ");
    uint8_t *room = buf_reserve(&buf, 100000);
    assert_non_null(room);
    memset(room, 'z', 100000);
    buf.n += 4;
    assert_string_equal(buf_cstr(&buf), "head zzzz");
    buf_consume(&buf, 5);
    assert_string_equal(buf_cstr(&buf), "zzzz");
    buf_consume(&buf, 100);
    assert_string_equal(buf_cstr(&buf), "");
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_out_in_order),
        cmocka_unit_test(the_limit_is_exact_and_failure_sticks),
        cmocka_unit_test(an_empty_buf_is_usable),
        cmocka_unit_test(reserve_reads_into_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
