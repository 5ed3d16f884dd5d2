// SPDX-License-Identifier: MIT
#include "web/search_query.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* Parameters as "name=value&…", plain. */
static bool parse(DcmLevel level, const char *study, const char *text, WebSearch *out, Err *err)
{
    HttpParameter parameters[700];
    size_t count = 0;
    Span rest = span_cstr(text), part;
    for (bool more = *text != 0; span_split(&rest, '&', &part, &more);) {
        size_t equals = span_index(part, '=');
        parameters[count++] = (HttpParameter){
            arena_span_cstr(arena, span_sub(part, 0, equals)),
            equals == SIZE_MAX ? "" : arena_span_cstr(arena, span_sub(part, equals + 1, part.n))};
    }
    const char *const path[DCM_LEVEL_COUNT] = {[DCM_LEVEL_STUDY] = study};
    return web_search_parse(arena, level, path, parameters, count, out, err);
}

static WebSearch good(DcmLevel level, const char *study, const char *text)
{
    WebSearch search;
    Err err = {0};
    if (!parse(level, study, text, &search, &err))
        fail_msg("%s: %s", text, err.text);
    return search;
}

static void assert_value(const WebSearch *search, DcmTag tag, const char *value)
{
    const char *found = dcm_text_all(arena, search->keys, tag);
    if (!found)
        fail_msg("%08X is absent", tag);
    assert_string_equal(found, value);
}

/* The study list of a viewer, its parameters as it sends them. */
static void a_viewers_list(void **state)
{
    (void)state;
    WebSearch s =
        good(DCM_LEVEL_STUDY, NULL,
             "PatientName=*x*&00100020=*id*&AccessionNumber=&StudyDescription=&ModalitiesInStudy=CT,MR&"
             "StudyDate=20200101-20201231&StudyInstanceUID=1.2\\3.4&limit=101&offset=0&fuzzymatching=false&"
             "includefield=00081030,00080060,00080090,00100030");
    assert_value(&s, DCM_PatientName, "*x*");
    assert_value(&s, DCM_ModalitiesInStudy, "CT\\MR");
    assert_value(&s, DCM_PatientID, "*id*");
    assert_value(&s, DCM_AccessionNumber, "");
    assert_value(&s, DCM_StudyDate, "20200101-20201231");
    assert_value(&s, DCM_StudyInstanceUID, "1.2\\3.4");
    assert_value(&s, DCM_StudyDescription, "");
    assert_value(&s, DCM_Modality, "");
    assert_non_null(dcm_find(s.keys, DCM_NumberOfStudyRelatedInstances));
    assert_int_equal(s.limit, 101);
    assert_true(s.has_limit);
    assert_false(s.fuzzy || s.all_attributes);
    assert_string_equal(s.matched, "PatientName, PatientID, ModalitiesInStudy, StudyDate, StudyInstanceUID");
}

static void values(void **state)
{
    (void)state;
    WebSearch s =
        good(DCM_LEVEL_IMAGE, "1.2.3", "SOPInstanceUID=1.2,3.4&Rows=512&fuzzymatching=true&includefield=all");
    assert_value(&s, DCM_SOPInstanceUID, "1.2\\3.4");
    assert_value(&s, DCM_StudyInstanceUID, "1.2.3");
    int64_t rows;
    assert_true(dcm_int(s.keys, DCM_Rows, 0, &rows));
    assert_int_equal(rows, 512);
    assert_true(s.fuzzy && s.all_attributes);
    assert_non_null(dcm_find(s.keys, DCM_SeriesInstanceUID)); /* of the levels the path does not name */
    assert_null(dcm_find(s.keys, DCM_PatientName));           /* of the study the path names */

    s = good(DCM_LEVEL_SERIES, NULL, "00400275.ScheduledProcedureStepID=x*&00400275.00401001=y");
    const DcmDataset *item = dcm_item(s.keys, DCM_RequestAttributesSequence, 0);
    assert_string_equal(dcm_text(arena, item, DCM_ScheduledProcedureStepID, 0), "x*");
    assert_string_equal(dcm_text(arena, item, DCM_RequestedProcedureID, 0), "y");
    assert_int_equal(dcm_find(s.keys, DCM_RequestAttributesSequence)->item_count, 1);
    assert_non_null(dcm_find(s.keys, DCM_PatientName));

    s = good(DCM_LEVEL_STUDY, NULL,
             "PatientName=M\xC3\xBCller^*&includefield=PatientAge&includefield=all, ,00081030");
    assert_value(&s, DCM_PatientName, "M\xC3\xBCller^*");
    assert_value(&s, DCM_PatientAge, "");
    assert_true(s.all_attributes);
    assert_false(s.has_limit);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *study, *text, *named;
    } rows[] = {
        {NULL, "Foo=1", "Foo"},
        {NULL, "0010002=1", "0010002"},
        {NULL, "99990010=1", "99990010"},
        {NULL, "PatientID=1&00100020=2", "given twice"},
        {NULL, "PatientID=1&PatientID=1", "given twice"},
        {NULL, "limit=ten", "limit=ten"},
        {NULL, "limit=-1", "limit=-1"},
        {NULL, "limit=99999999999999999999", "limit"},
        {NULL, "offset=", "offset"},
        {NULL, "fuzzymatching=perhaps", "fuzzymatching"},
        {NULL, "includefield=Foo", "includefield"},
        {NULL, "Rows=many", "Rows=many"},
        {NULL, "Rows=65536", "Rows=65536"},
        {NULL, "RequestAttributesSequence=x", "sequence"},
        {NULL, "StudyDate=yesterday", "StudyDate=yesterday"},
        {NULL, "PatientName.PatientID=x", "PatientName is no sequence"},
        {NULL, "PixelData=x", "binary"},
        {NULL, "=x", "\"\""},
        {"1.2", "StudyInstanceUID=1.3", "in the path"},
        {"*", "", "no UID"},
        {"1.2\\1.3", "", "no UID"},
        {"12345678901234567890123456789012345678901234567890123456789012345", "", "no UID"},
        {NULL, "00400275.00400275.00400275.00400275.00400275.00400275.00400275.00400275.00400275.00080050=1",
         "deep"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WebSearch search;
        Err err = {0};
        if (parse(DCM_LEVEL_STUDY, rows[i].study, rows[i].text, &search, &err))
            fail_msg("%s was accepted", rows[i].text);
        assert_int_equal(err.http, 400);
        if (!strstr(err.text, rows[i].named))
            fail_msg("%s: %s", rows[i].text, err.text);
    }
}

static void limits(void **state)
{
    (void)state;
    Buf text;
    buf_init(&text, 0);
    buf_append_cstr(&text, "includefield=");
    for (int i = 0; i < 501; i++)
        buf_append_cstr(&text, "PatientID,");
    WebSearch search;
    Err err = {0};
    assert_false(parse(DCM_LEVEL_STUDY, NULL, buf_cstr(&text), &search, &err));
    assert_non_null(strstr(err.text, "more than 500"));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_viewers_list, setup, teardown),
        cmocka_unit_test_setup_teardown(values, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
