// SPDX-License-Identifier: MIT
#include "web/http_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void one_range(void **state)
{
    static const struct {
        const char *header;
        uint64_t size;
        RangeAnswer answer;
        uint64_t from, length;
    } rows[] = {
        {NULL, 100, RANGE_WHOLE, 0, 0},
        {"bytes=0-9", 100, RANGE_SOME, 0, 10},
        {"Bytes=0-9", 100, RANGE_SOME, 0, 10},
        {"bytes=90-", 100, RANGE_SOME, 90, 10},
        {"bytes=90-1000", 100, RANGE_SOME, 90, 10},
        {"bytes=-10", 100, RANGE_SOME, 90, 10},
        {"bytes=-1000", 100, RANGE_SOME, 0, 100},
        {"bytes= 1 - 2 ", 100, RANGE_SOME, 1, 2},
        {"bytes=,1-1,", 100, RANGE_SOME, 1, 1},
        {"bytes=99-99", 100, RANGE_SOME, 99, 1},
        {"bytes=100-", 100, RANGE_NONE, 0, 0},
        {"bytes=-0", 100, RANGE_NONE, 0, 0},
        {"bytes=0-", 0, RANGE_NONE, 0, 0},
        {"bytes=-1", 0, RANGE_NONE, 0, 0},
        {"bytes=", 100, RANGE_NONE, 0, 0},
        {"bytes=9-0", 100, RANGE_WHOLE, 0, 0},
        {"bytes=a-b", 100, RANGE_WHOLE, 0, 0},
        {"bytes=1", 100, RANGE_WHOLE, 0, 0},
        {"bytes=-", 100, RANGE_WHOLE, 0, 0},
        {"bytes=--1", 100, RANGE_WHOLE, 0, 0},
        {"bytes=0-9,x", 100, RANGE_WHOLE, 0, 0},
        {"bytes=99999999999999999999-", 100, RANGE_WHOLE, 0, 0},
        {"bytes=0-99999999999999999999", 100, RANGE_WHOLE, 0, 0},
        {"bytes=18446744073709551615-", 100, RANGE_WHOLE, 0, 0},
        {"items=0-9", 100, RANGE_WHOLE, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        HttpRange out[RANGE_MAX];
        size_t count;
        RangeAnswer answer = range_parse(rows[i].header, rows[i].size, out, &count);
        if (answer != rows[i].answer || (answer == RANGE_SOME && (count != 1 || out[0].from != rows[i].from ||
                                                                  out[0].length != rows[i].length)))
            fail_msg("%s of %llu: %d", rows[i].header, (unsigned long long)rows[i].size, (int)answer);
    }
}

static void several_ranges(void **state)
{
    HttpRange out[RANGE_MAX];
    size_t count;
    assert_int_equal(range_parse("bytes=0-1, 500-, 98-99 ,-3", 100, out, &count), RANGE_SOME);
    assert_int_equal(count, 3);
    assert_int_equal(out[1].from, 98);
    assert_int_equal(out[2].from, 97);
    /* More than the whole, or very many: the whole. */
    assert_int_equal(range_parse("bytes=0-,0-,0-", 100, out, &count), RANGE_WHOLE);
    char many[2000] = "bytes=0-0";
    for (int i = 0; i < RANGE_MAX; i++)
        strncat(many, ",1-1", 5);
    assert_int_equal(range_parse(many, 100, out, &count), RANGE_WHOLE);
}

static void texts(void **state)
{
    char content[80];
    range_content((HttpRange){5, 10}, 100, content);
    assert_string_equal(content, "bytes 5-14/100");
    range_content((HttpRange){0}, 100, content);
    assert_string_equal(content, "bytes */100");
    Buf out;
    buf_init(&out, 0);
    range_part_head(&out, "b", "a/b", (HttpRange){0, 1}, 2);
    range_close(&out, "b");
    assert_string_equal(buf_cstr(&out),
                        "\r\n--b\r\nContent-Type: a/b\r\nContent-Range: bytes 0-0/2\r\n\r\n\r\n--b--\r\n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_range), cmocka_unit_test(several_ranges),
                                       cmocka_unit_test(texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
