// SPDX-License-Identifier: MIT
/* px/status: objects of both dialects, lines, what a report gets of them. */
#include "px/px.h"

#include "base_fixture.h"

static json_t *status_with(const PxStatusAsk *ask)
{
    Err err = {0};
    json_t *status = NULL;
    if (!px_status(base, ask, &status, &err))
        fail_msg("%s", err.text);
    assert_non_null(status);
    return status;
}

static json_t *status_of(const char *study, const char *series)
{
    return status_with(&(PxStatusAsk){.study = study, .series = series, .verify = true});
}

static void expect_words(json_t *status, bool ok, const char *study, const char *series, const char *images)
{
    const json_t *state = json_object_get(status, "state");
    assert_string_equal(json_string_value(json_object_get(state, "study")), study);
    assert_string_equal(json_string_value(json_object_get(state, "series")), series);
    assert_string_equal(json_string_value(json_object_get(state, "images")), images);
    assert_int_equal(json_is_true(json_object_get(status, "status")), ok);
    json_decref(status);
}

static void expect_line(const json_t *status, const char *expected)
{
    Buf line;
    buf_init(&line, 0);
    px_status_line(status, "a description", &line);
    char text[400];
    snprintf(text, sizeof text, "%s", buf_cstr(&line));
    for (size_t n = strlen(text); n && text[n - 1] == ' '; n--)
        text[n - 1] = 0;
    assert_string_equal(text, expected);
    buf_free(&line);
}

static void merge(PxTable table, const char *json)
{
    Err err = {0};
    json_t *members = json_loads(json, 0, NULL);
    assert_non_null(members);
    assert_true(px_record_merge(base, table, "1.2.3", "1.2.3.4", members, &err));
    json_decref(members);
}

static void mark(const char *instance, PxMarkKind kind)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    PxObject object;
    assert_true(px_base_object(base, arena, instance, &object, &err));
    PxMark one = {.kind = kind,
                  .sop_instance = object.sop_instance,
                  .series = object.series,
                  .sha256 = object.sha256,
                  .target = "fs /mnt"};
    assert_true(px_marks_add(base, &one, 1, &err));
    arena_free(arena);
}

/* From nothing to registered, in pypx's words. */
static void test_the_way_of_a_series(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), two = SPEC("1.2.3.4.2");
    expect_words(status_of("1.2.3", "1.2.3.4"), false, "StudyNotFound", "NoSeriesFound", "NoImagesFound");
    store_spec(&one);
    expect_words(status_of("1.2.3", "1.2.3.4"), true, "StudyContainsSeriesOK", "SeriesMapMetaOK",
                 "ImagesReceiveCountOK");
    merge(PX_TABLE_RETRIEVE, "{\"NumberOfSeriesRelatedInstances\": \"2\"}");
    expect_words(status_of("1.2.3", "1.2.3.4"), false, "StudyContainsSeriesOK", "SeriesMapMetaOK",
                 "ImagesInFlight");
    store_spec(&two);
    expect_words(status_of("1.2.3", "1.2.3.4"), true, "StudyContainsSeriesOK", "SeriesMapMetaOK",
                 "ImagesAllReceivedOK");
    mark("1.2.3.4.1", PX_MARK_PUSHED);
    expect_words(status_of("1.2.3", "1.2.3.4"), true, "StudyContainsSeriesOK", "SeriesMapMetaOK",
                 "ImagesAllReceivedOK");
    mark("1.2.3.4.2", PX_MARK_PUSHED);
    expect_words(status_of("1.2.3", "1.2.3.4"), true, "StudyContainsSeriesOK", "SeriesMapMetaOK",
                 "ImagesPushedOK");
    mark("1.2.3.4.1", PX_MARK_REGISTERED);
    mark("1.2.3.4.2", PX_MARK_REGISTERED);
    json_t *status = status_of("1.2.3", "1.2.3.4");
    expect_line(status, " [ PACS:002/JSON:002/DCM:002/PUSH:002/REG:002 ] │  a description");
    assert_true(px_status_complete(status));
    expect_words(status, true, "StudyContainsSeriesOK", "SeriesMapMetaOK", "ImagesRegisteredOK");
}

static int64_t count_of(const json_t *status, const char *name)
{
    return json_integer_value(
        json_object_get(json_object_get(json_object_get(status, "images"), name), "count"));
}

/* A file that went away is received, and not packed; a push that failed for all has pypx's sign. */
static void test_counters_are_true(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), two = SPEC("1.2.3.4.2");
    store_spec(&one);
    store_spec(&two);
    merge(PX_TABLE_PUSH, "{\"status\": false}");
    assert_int_equal(unlink(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.1")), 0);
    json_t *status = status_of("1.2.3", "1.2.3.4");
    assert_int_equal(count_of(status, "requested"), -1);
    assert_int_equal(count_of(status, "received"), 2);
    assert_int_equal(count_of(status, "packed"), 1);
    assert_int_equal(count_of(status, "pushed"), -10);
    assert_int_equal(count_of(status, "registered"), 0);
    assert_false(px_status_complete(status));
    expect_line(status, " [ PACS:-01/JSON:002/DCM:001/PUSH:-10/REG:000 ] │  a description");
    json_decref(status);
    mark("1.2.3.4.2", PX_MARK_PUSHED);
    status = status_of("1.2.3", "1.2.3.4");
    assert_int_equal(count_of(status, "pushed"), 1);
    json_decref(status);
}

static void test_series_of_another_study(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), other = SPEC("1.1.1.1.1");
    other.study = "1.1.1";
    other.series = "1.1.1.1";
    store_spec(&one);
    store_spec(&other);
    json_t *status = status_of("1.1.1", "1.2.3.4");
    const json_t *list = json_object_get(json_object_get(status, "study"), "seriesListInStudy");
    assert_true(json_is_false(json_object_get(list, "status")));
    assert_int_equal(json_array_size(json_object_get(list, "seriesList")), 1);
    expect_words(status, false, "StudyDoesNotContainSeries", "SeriesNotInStudy", "NoImagesFound");
    expect_words(status_with(&(PxStatusAsk){.study = "1.1.1", .series = "1.2.3.4"}), true,
                 "StudyDoesNotContainSeries", "SeriesMapMetaOK", "ImagesReceiveCountOK");
    /* No wildcards, no lists, and bytes that are no text. */
    static const char *const odd[] = {"1.2.*", "*", "1.2.3\\1.1.1", "1.2.3'--", "\xff\xfe", "../../x"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        expect_words(status_of(odd[i], odd[i]), false, "StudyNotFound", "NoSeriesFound", "NoImagesFound");
}

static void test_newest(void **state)
{
    Spec one = SPEC("1.2.3.4.1");
    PxStatusAsk ask = {.study = "1.2.3", .series = "1.2.3.4", .dialect = PX_NEWEST};
    json_t *status = status_with(&ask);
    expect_line(status, "   NoStudyFound :   NoSeriesFound :   NoImagesFound │ a description");
    json_decref(status);
    store_spec(&one);
    merge(PX_TABLE_RETRIEVE, "{\"NumberOfSeriesRelatedInstances\": 1}");
    status = status_with(&ask);
    expect_line(status, "  PACS:0001     OXIDCM:0001        CUBE:0000  │  a description");
    json_decref(status);
    mark("1.2.3.4.1", PX_MARK_REGISTERED);
    status = status_with(&ask);
    json_t *expected = json_loads(
        "{\"status\":true,\"state\":{\"study\":\"StudyOK\",\"series\":\"SeriesOK\",\"images\":"
        "\"ImagesPulledAndRegisteredOK\"},\"study\":{\"state\":\"StudyOK\",\"seriesListInStudy\":{\"status\":"
        "true,\"SeriesInstanceUID\":\"1.2.3.4\"},\"status\":true,\"StudyInstanceUID\":\"1.2.3\"},\"series\":{"
        "\"state\":\"SeriesOK\",\"status\":true},\"images\":{\"received\":{\"count\":1},\"requested\":{"
        "\"count\":1},\"packed\":{\"count\":1},\"pushed\":{\"count\":0},\"registered\":{\"count\":1}}}",
        0, NULL);
    assert_true(json_equal(status, expected));
    json_decref(expected);
    json_decref(status);
}

static void test_lines_do_not_talk_to_the_terminal(void **state)
{
    json_t *status = json_pack("{s:b,s:{s:s}}", "status", false, "state", "study", "\x1b[2J\a");
    Buf line;
    buf_init(&line, 0);
    px_status_line(status, "\x1b]0;x\a\r\n", &line);
    for (size_t i = 0; i < line.n; i++)
        assert_true(line.p[i] >= 0x20 && line.p[i] != 0x7F);
    buf_free(&line);
    json_decref(status);
}

static void test_no_database(void **state)
{
    json_t *status =
        px_status_unknown("/nowhere/log", &(PxStatusAsk){.study = "1", .series = "1.2", .verify = true});
    assert_string_equal(json_string_value(json_object_get(status, "error")), "Study not found");
    assert_int_equal(json_object_size(json_object_get(status, "series")), 0);
    expect_words(status, false, "StudyNotFound", "NoSeriesFound", "NoImagesFound");
}

/* -- reports -- */

static void test_annotation(void **state)
{
    json_t *document = json_loads(
        "{\"data\":[{\"StudyInstanceUID\":{\"value\":\"1\"},\"series\":[{\"SeriesDescription\":{\"value\":"
        "\"first\"}},{},{}]},{\"series\":[{}]}],\"then\":{\"do\":true,\"00-retrieve\":{\"study\":[]},"
        "\"01-status\":{\"study\":[{\"2\":[]},{\"1\":[{\"status\":true,\"error\":\"\",\"images\":{}},{"
        "\"status\":false,\"state\":{\"study\":7}}]}]}}}",
        0, NULL);
    assert_non_null(document);
    px_status_annotate(document);
    const json_t *study = json_array_get(json_object_get(document, "data"), 0);
    const json_t *series = json_object_get(study, "series");
    assert_non_null(strstr(px_value(json_array_get(series, 0), "seriesStatus"), "REG:-01 ] │  first"));
    assert_non_null(strstr(px_value(json_array_get(series, 1), "seriesStatus"), " :  "));
    assert_null(px_value(json_array_get(series, 2), "seriesStatus"));
    json_decref(document);
    static const char *const odd[] = {"{}", "{\"data\":7,\"then\":[]}",
                                      "{\"data\":[7],\"then\":{\"0-status\":7}}"};
    for (size_t i = 0; i < 3; i++) {
        document = json_loads(odd[i], 0, NULL);
        px_status_annotate(document);
        json_decref(document);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_base, drop_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_way_of_a_series),
        TEST(test_counters_are_true),
        TEST(test_series_of_another_study),
        TEST(test_newest),
        TEST(test_no_database),
        cmocka_unit_test(test_lines_do_not_talk_to_the_terminal),
        TEST(test_annotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
