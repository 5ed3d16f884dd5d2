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
    assert_true(px_verbs_parse(&verbs, "report,retrieve,status,push,register", &err));
    assert_int_equal(verbs.items[4], PX_VERB_REGISTER);
    assert_string_equal(px_verb_name(verbs.items[3]), "push");
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
    assert_true(px_verbs_parse(&verbs, "report,push", &err));
    static const char *const good[] = {
        "", " ", "{};{}", "[{}, {}]", " {} ;\n{\"swift\": \"local\"} ", "{\"x\": \"a;b\"};{}", "[{},{}] "};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        json_t *list = px_verbs_arguments(&verbs, good[i], &err);
        assert_int_equal(json_array_size(list), 2);
        json_decref(list);
    }
    static const char *const bad[] = {"{}",       "{},{}", "[{}]",      "{",   "[{},[]]",    "{};",   ";{}",
                                      "{};{};{}", "{} {}", "[{}];[{}]", "1;2", "[{},{}];{}", "{};{}x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(px_verbs_arguments(&verbs, bad[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_null(px_verbs_arguments(&verbs, "{}", &err));
    assert_non_null(strstr(err.text, "1 objects for 2 verbs"));
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
    PxThen then = {.doers = {px_doer_report}, .count = 1, .feedback.to = open_memstream(&text, &n)};
    Err err = {0};
    assert_true(px_then(&then, document, &results, &err));
    fclose(then.feedback.to);
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
    PxThen then = {.doers = {px_doer_report}, .count = 1};
    Err err = {0};
    assert_true(px_then(&then, document, &results, &err));
    assert_true(json_is_false(json_object_get(results, "do")));
    json_decref(results);
    json_decref(document);
}

/* Fails for every series but the last. */
static bool refuse(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    size_t *seen = ctx;
    bool last = !strcmp(target->series, "1.2.826.0.1.3680043.8.498.7777.1.2");
    *result = px_outcome(last, json_array(), "", 0);
    ++*seen;
    return last || err_set(err, ERR_REFUSED, "number %zu", *seen);
}

static void a_series_that_fails_does_not_hold_up_the_rest(void **state)
{
    Arena *arena = arena_new(0);
    json_t *document = golden_document(arena, "spaces.json"), *results;
    size_t seen = 0;
    PxDoer doer = {.verb = PX_VERB_PUSH, .ctx = &seen, .run = refuse};
    PxThen then = {.doers = {doer, px_doer_report, doer}, .count = 3};
    Err err = {0};
    assert_false(px_then(&then, document, &results, &err));
    assert_int_equal(seen, 4);
    assert_string_equal(err.text, "push failed for 1 of 2 series, push failed for 1 of 2 series: number 1");
    assert_int_equal(json_object_size(results), 4);
    assert_non_null(json_object_get(results, "02-push"));
    json_decref(results);
    json_decref(document);
    arena_free(arena);
}

/* What a peer calls a UID goes to the terminal and into requests. */
static void uids_that_are_none(void **state)
{
    static const char *const uids[] = {"1.2\x1b[31m", "1.2\nFAKE", "1 2", "",
                                       "1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6"};
    for (size_t i = 0; i < sizeof uids / sizeof *uids; i++) {
        json_t *results, *document = json_pack("{s[{s{ss}s[{s{ss}}]}]}", "data", "StudyInstanceUID", "value",
                                               "1.2", "series", "SeriesInstanceUID", "value", uids[i]);
        PxThen then = {.doers = {px_doer_report}, .count = 1};
        Err err = {0};
        assert_false(px_then(&then, document, &results, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        json_decref(results);
        json_decref(document);
    }
}

static bool never(void *ctx, const json_t *document, Err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no database");
}

static void a_verb_that_cannot_begin(void **state)
{
    Arena *arena = arena_new(0);
    json_t *document = golden_document(arena, "spaces.json"), *results;
    PxThen then = {.doers = {{.verb = PX_VERB_STATUS, .begin = never}, px_doer_report}, .count = 2};
    Err err = {0};
    assert_false(px_then(&then, document, &results, &err));
    assert_string_equal(err.text, "status could not begin: no database");
    assert_int_equal(json_array_size(json_object_get(json_object_get(results, "00-status"), "study")), 0);
    assert_int_equal(json_array_size(json_object_get(json_object_get(results, "01-report"), "study")), 1);
    json_decref(results);
    json_decref(document);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs),
        cmocka_unit_test(arguments),
        cmocka_unit_test(delays),
        cmocka_unit_test(report_tells_as_pypx),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(a_series_that_fails_does_not_hold_up_the_rest),
        cmocka_unit_test(uids_that_are_none),
        cmocka_unit_test(a_verb_that_cannot_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
