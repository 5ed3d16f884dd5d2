// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_document_is_written_with_its_commas(void **state)
{
    Buf buf;
    buf_init(&buf, 0);
    JsonWriter w = json_writer(&buf);
    json_begin_object(&w);
    json_member(&w, "a", "x");
    json_member_int(&w, "b", -5);
    json_key(&w, "c");
    json_begin_array(&w);
    json_int(&w, 1);
    json_bool(&w, true);
    json_nothing(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_raw(&w, SPAN("{\"r\":1}"));
    json_end_array(&w);
    json_member(&w, "d", NULL);
    json_end_object(&w);
    assert_string_equal(buf_cstr(&buf),
                        "{\"a\":\"x\",\"b\":-5,\"c\":[1,true,null,{},[],{\"r\":1}],\"d\":null}");
    buf_free(&buf);
}

static void text_is_quoted(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
        {"\0\x01\x1f", 3, "\"\\u0000\\u0001\\u001f\""},
        {"\x7f", 1, "\"\x7f\""},
        {"Grün 日本 😀", 17, "\"Grün 日本 😀\""},
        {"\xff", 1, "\"\xEF\xBF\xBD\""},
        {"a\xc3", 2, "\"a\xEF\xBF\xBD\""},                               /* cut in the middle */
        {"\xc0\xaf", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* overlong */
        {"\xed\xa0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* > U+10FFFF */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf buf;
        buf_init(&buf, 0);
        JsonWriter w = json_writer(&buf);
        json_text(&w, span_of(cases[i].text, cases[i].n));
        assert_string_equal(buf_cstr(&buf), cases[i].json);
        buf_free(&buf);
    }
}

static void numbers_read_back_the_same(void **state)
{
    static const struct {
        double value;
        const char *json;
    } cases[] = {
        {0.1, "0.1"},
        {1.0, "1"},
        {-2.5, "-2.5"},
        {1e300, "1e+300"},
        {0.1 + 0.2, "0.30000000000000004"},
        {NAN, "null"},
        {INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf buf;
        buf_init(&buf, 0);
        JsonWriter w = json_writer(&buf);
        json_double(&w, cases[i].value);
        assert_string_equal(buf_cstr(&buf), cases[i].json);
        buf_free(&buf);
    }
    Buf buf;
    buf_init(&buf, 0);
    JsonWriter w = json_writer(&buf);
    json_int(&w, INT64_MIN);
    assert_string_equal(buf_cstr(&buf), "-9223372036854775808");
    buf_free(&buf);
}

static void a_full_buffer_is_seen(void **state)
{
    Buf buf;
    buf_init(&buf, 8);
    JsonWriter w = json_writer(&buf);
    json_begin_object(&w);
    json_member(&w, "key", "a value that does not fit");
    json_end_object(&w);
    assert_true(buf.failed);
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_written_with_its_commas),
        cmocka_unit_test(text_is_quoted),
        cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test(a_full_buffer_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
