// SPDX-License-Identifier: MIT
/* What a generator of UIDs answers. */
#include "web/annotation_uid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *read(const char *text)
{
    static char out[DCM_UID_MAX + 1];
    return web_annotation_uid_read(span_cstr(text), out) ? out : NULL;
}

static void dictionaries(void **state)
{
    static const struct {
        const char *text, *uid;
    } rows[] = {
        {"{\"uuid\": \"1.2.3\"}", "1.2.3"},
        {"{'uuid': '1.2.3'}", "1.2.3"},
        {" {\n\t\"uuid\" : \"1.2.3\" }\r\n", "1.2.3"},
        {"{'a': 'x', \"uuid\": '2.25.7', 'b': None}", "2.25.7"},
        {"{'uuid': 311973204578214312345678901234567890123}", "311973204578214312345678901234567890123"},
        {"{'uuid': '1.2.3',}", "1.2.3"}, /* as Python allows */
        {"{'uuid': '1', 'uuid': '2'}", "2"},
        {"{\"uuid\": \"00000000-0000-0000-0000-000000000000\"}", "2.25.0"},
        {"{\"uuid\": \"F81D4FAE-7dec-11d0-a765-00a0c91e6bf6\"}",
         "2.25.329800735698586629295641978511506172918"}, /* RFC 4122's; PS3.5 B.2 */
        {"{\"uuid\": \"ffffffff-ffff-ffff-ffff-ffffffffffff\"}",
         "2.25.340282366920938463463374607431768211455"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *uid = read(rows[i].text);
        if (!uid || strcmp(uid, rows[i].uid) != 0)
            fail_msg("%s: %s", rows[i].text, uid ? uid : "none");
    }
}

static void what_is_none(void **state)
{
    static const char *const rows[] = {
        "",
        "{",
        "{}",
        "1.2.3",
        "'1.2.3'",
        "['uuid', '1.2.3']",
        "{'uuid'}",
        "{'uuid': }",
        "{'uuid': ''}",
        "{'uuid': None}",
        "{'id': '1.2.3'}",
        "{'uuid': '1.2.3'",
        "{'uuid': '1.2.3}",
        "{'uuid': '1.2.3\"}",
        "{'uuid': '1.2.3'} x",
        "{'uuid': '1.2.3'}{",
        "{'uuid': '1.2.3' 'a': 1}",
        "{'uuid': '1.2.3', , }",
        "{'uuid': {'uuid': '1.2.3'}}",
        "{'uuid': ['1.2.3']}",
        "{'uuid': '1..3'}",
        "{'uuid': '1.02'}",
        "{'uuid': '.'}",
        "{'uuid': '..'}",
        "{'uuid': '../1'}",
        "{'uuid': '1.2.\\u0033'}",
        "{'uuid': -1}",
        "{'uuid': 1e5}",
        "{'uuid': ' 1.2'}",
        "{'uuid': 'f81d4fae-7dec-11d0-a765-00a0c91e6bf'}",
        "{'uuid': 'f81d4fae-7dec-11d0-a765-00a0c91e6bfg'}",
        "{'uuid': 'f81d4fae07dec-11d0-a765-00a0c91e6bf6'}",
        "{'uuid': '1.2345678901234567890123456789012345678901234567890123456789012345'}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read(rows[i]))
            fail_msg("%s: %s", rows[i], read(rows[i]));
    char out[DCM_UID_MAX + 1];
    assert_false(web_annotation_uid_read(SPAN("{'uuid'\0: '1'}"), out));
    assert_false(web_annotation_uid_read(SPAN("\0"), out));
}

static void made_here(void **state)
{
    char one[DCM_UID_MAX + 1], two[DCM_UID_MAX + 1];
    bool own = false;
    Err err = {0};
    assert_true(web_annotation_uid(WEB_UID_INTERNAL, NULL, NULL, one, &own, &err));
    assert_true(web_annotation_uid(WEB_UID_INTERNAL, NULL, NULL, two, &own, &err));
    assert_true(own);
    assert_int_equal(strncmp(one, "2.25.", 5), 0);
    assert_true(dcm_uid_valid(span_cstr(one), true));
    assert_string_not_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dictionaries), cmocka_unit_test(what_is_none),
                                       cmocka_unit_test(made_here)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
