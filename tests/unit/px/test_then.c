// SPDX-License-Identifier: MIT
/* px/then: verbs, their arguments, delays, and what report tells. */
#include "golden.h"

static void verbs(void **state)
{
    PxVerbs verbs;
    Err err = {0};
    assert_true(px_verbs_parse(&verbs, "", &err));
    assert_int_equal(verbs.count, 0);
    assert_true(px_verbs_parse(&verbs, "retrieve, report,retrieve", &err));
    assert_int_equal(verbs.count, 3);
    assert_int_equal(verbs.items[1], PX_VERB_REPORT);
    assert_false(px_verbs_parse(&verbs, "report,push", &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_false(px_verbs_parse(&verbs, "nosuchverb", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(
        px_verbs_parse(&verbs,
                       "report,report,report,report,report,report,report,report,report,report,report,"
                       "report,report,report,report,report,report",
                       &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void arguments(void **state)
{
    PxVerbs verbs;
    Err err = {0};
    assert_true(px_verbs_parse(&verbs, "report,retrieve", &err));
    static const char *const good[] = {"", " ", "{};{}", "[{}, {}]"};
    for (size_t i = 0; i < 4; i++)
        assert_true(px_verbs_check_arguments(&verbs, good[i], &err));
    static const char *const bad[] = {"{}", "{},{}", "[{}]", "{};{\"db\":1}", "{", "[{},[]]"};
    for (size_t i = 0; i < 6; i++)
        assert_false(px_verbs_check_arguments(&verbs, bad[i], &err));
}

static void delays(void **state)
{
    PxDelay delay;
    Err err = {0};
    assert_true(px_delay_parse(&delay, "2.9", &err));
    assert_int_equal(delay.seconds, 2);
    assert_false(delay.dynamic);
    assert_true(px_delay_parse(&delay, "dynamic", &err));
    assert_true(delay.dynamic);
    assert_true(px_delay_parse(&delay, "dynamic:6", &err));
    assert_int_equal(delay.seconds, 6);
    static const char *const bad[] = {"", "x", "-1", "dynamic:", "dynamic:0", "dynamicx", "1e9", "nan"};
    for (size_t i = 0; i < 8; i++)
        assert_false(px_delay_parse(&delay, bad[i], &err));
}

static void report_tells_as_pypx(void **state)
{
    Arena *arena = arena_new(0);
    json_t *document = golden_document(arena, "spaces.json"), *results;
    char *text = NULL;
    size_t n = 0;
    PxThen then = {.feedback = open_memstream(&text, &n)};
    Err err = {0};
    assert_true(px_verbs_parse(&then.verbs, "report", &err));
    assert_true(px_then(&then, document, &results, &err));
    fclose(then.feedback);
    char *expected = golden_plain(arena, golden_text(arena, "then-report-feedback.txt"), false);
    assert_string_equal(text, expected);
    free(text);
    Buf out;
    buf_init(&out, 0);
    px_document_write(results, true, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"do\": true, \"00-report\": {\"study\": [{\"1.2.826.0.1.3680043.8.498.7777.1\": "
                        "[{}, {}]}]}}\n");
    buf_free(&out);
    json_decref(results);
    json_decref(document);
    arena_free(arena);
}

static void nothing_to_do(void **state)
{
    json_t *document = json_pack("{s[]}", "data"), *results;
    PxThen then = {.verbs = {.count = 1}};
    Err err = {0};
    assert_true(px_then(&then, document, &results, &err));
    assert_true(json_is_false(json_object_get(results, "do")));
    json_decref(results);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs),         cmocka_unit_test(arguments),
        cmocka_unit_test(delays),        cmocka_unit_test(report_tells_as_pypx),
        cmocka_unit_test(nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
