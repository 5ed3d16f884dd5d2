// SPDX-License-Identifier: MIT
/* px/register_fields: what CUBE is told of an image, for every kind of value that CUBE would refuse. */
#include "px/register_fields.h"

#include "dicom/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static DcmDataset *image(Arena *arena)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_PatientID, "LAB 001 X");
    dcm_put_utf8(ds, DCM_StudyDate, "20130308");
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2");
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, "1.2.3");
    return ds;
}

static json_t *must_make(const DcmDataset *ds, PxRegisterApi api, json_t *changed)
{
    Err err = {0};
    json_t *fields = px_register_fields(ds, api, changed, &err);
    if (!fields)
        fail_msg("%s", err.text);
    return fields;
}

/* Compares with a document that is written with ' for ". */
static void assert_json(const json_t *value, const char *expected)
{
    char text[2000];
    snprintf(text, sizeof text, "%s", expected);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(wanted);
    char *have = json_dumps(value, JSON_ENCODE_ANY);
    if (!json_equal(value, wanted))
        fail_msg("%s instead of %s", have, text);
    free(have);
    json_decref(wanted);
}

static void a_whole_one(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = image(arena);
    dcm_put_utf8(ds, DCM_PatientName, "Oneil^Mary Jane^^Dr");
    dcm_put_utf8(ds, DCM_PatientBirthDate, "20100203");
    dcm_put_utf8(ds, DCM_PatientAge, "003Y");
    dcm_put_utf8(ds, DCM_PatientSex, "F");
    dcm_put_utf8(ds, DCM_ProtocolName, "PROTO SAG");
    dcm_put_utf8(ds, DCM_StudyDescription, "Brain w/o  Contrast [x] 1_2");
    dcm_put_utf8(ds, DCM_Modality, "CT");
    dcm_put_utf8(ds, DCM_SeriesDescription, "AX T2 (fs) [x] & more");
    dcm_put_utf8(ds, DCM_AccessionNumber, "ACC-100/7");
    json_t *changed = json_array(), *fields = must_make(ds, PX_REGISTER_FILES, changed);
    char *text = json_dumps(fields, 0);
    assert_string_equal(
        text,
        "{\"PatientID\": \"LAB 001 X\", \"PatientName\": \"Oneil^Mary Jane^^Dr\", \"PatientBirthDate\": "
        "\"2010-02-03\", \"PatientAge\": \"1095\", \"PatientSex\": \"F\", \"ProtocolName\": \"PROTO SAG\", "
        "\"StudyDate\": \"2013-03-08\", \"StudyDescription\": \"Brain w/o  Contrast [x] 1_2\", "
        "\"StudyInstanceUID\": \"1.2\", \"Modality\": \"CT\", \"SeriesDescription\": \"AX T2 (fs) [x] & "
        "more\", "
        "\"SeriesInstanceUID\": \"1.2.3\", \"AccessionNumber\": \"ACC-100/7\"}");
    free(text);
    assert_int_equal(json_array_size(changed), 0);
    json_decref(fields);
    fields = must_make(ds, PX_REGISTER_SERIES, NULL);
    assert_int_equal(json_integer_value(json_object_get(fields, "PatientAge")), 1095);
    json_decref(fields);
    json_decref(changed);
    arena_free(arena);
}

static void what_is_missing(void **state)
{
    Arena *arena = arena_new(0);
    json_t *changed = json_array(), *fields = must_make(image(arena), PX_REGISTER_FILES, changed);
    assert_json(fields,
                "{'PatientID': 'LAB 001 X', 'PatientName': '', 'PatientBirthDate': null, 'PatientAge': null, "
                "'PatientSex': '', 'ProtocolName': '', 'StudyDate': '2013-03-08', 'StudyDescription': '', "
                "'StudyInstanceUID': '1.2', 'Modality': '', 'SeriesDescription': '', 'SeriesInstanceUID': "
                "'1.2.3', 'AccessionNumber': ''}");
    assert_int_equal(json_array_size(changed), 0);
    json_decref(changed);
    json_decref(fields);
    arena_free(arena);
}

static void what_must_be_there(void **state)
{
    static const DcmTag tags[] = {DCM_PatientID, DCM_StudyDate, DCM_StudyInstanceUID, DCM_SeriesInstanceUID};
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < 4; i++)
        for (int empty = 0; empty < 2; empty++) {
            Err err = {0};
            DcmDataset *ds = image(arena);
            if (empty)
                dcm_put_utf8(ds, tags[i], "");
            else
                dcm_remove(ds, tags[i]);
            assert_null(px_register_fields(ds, PX_REGISTER_FILES, NULL, &err));
            assert_int_equal(err.code, ERR_MISMATCH);
            assert_non_null(strstr(err.text, "is missing"));
        }
    DcmDataset *ds = image(arena);
    Err err = {0};
    dcm_put(ds, DCM_StudyDate, DCM_VR_DA, SPAN("2013"));
    assert_null(px_register_fields(ds, PX_REGISTER_FILES, NULL, &err));
    assert_string_equal(err.text, "StudyDate is unreadable, and CUBE registers nothing without it");
    ds = image(arena);
    dcm_put(ds, DCM_PatientID, DCM_VR_LO,
            SPAN("a\x01"
                 "b"));
    assert_null(px_register_fields(ds, PX_REGISTER_FILES, NULL, &err));
    assert_non_null(strstr(err.text, "control characters"));
    arena_free(arena);
}

static void what_cube_would_refuse(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = image(arena);
    char name[401];
    memset(name, 'n', 400);
    name[400] = '\0';
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("\\ISO 2022 IR 87"));
    dcm_put(ds, DCM_PatientName, DCM_VR_PN, SPAN("Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"));
    dcm_put(ds, DCM_PatientBirthDate, DCM_VR_DA, SPAN("1999 ABCD"));
    dcm_put(ds, DCM_PatientAge, DCM_VR_AS, SPAN("old"));
    dcm_put(ds, DCM_PatientSex, DCM_VR_CS, SPAN("UNKNOWN"));
    dcm_put(ds, DCM_ProtocolName, DCM_VR_LO, span_of(name, 65));
    dcm_put(ds, DCM_StudyDescription, DCM_VR_LO, SPAN("a\r\nb\x07"));
    dcm_put(ds, DCM_StudyDate, DCM_VR_DA, SPAN("2013.03.08"));
    json_t *changed = json_array(), *fields = must_make(ds, PX_REGISTER_FILES, changed);
    assert_string_equal(json_string_value(json_object_get(fields, "PatientName")),
                        "Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e");
    assert_true(json_is_null(json_object_get(fields, "PatientBirthDate")));
    assert_true(json_is_null(json_object_get(fields, "PatientAge")));
    assert_json(json_object_get(fields, "PatientSex"), "''");
    assert_int_equal(json_string_length(json_object_get(fields, "ProtocolName")), 64);
    assert_json(json_object_get(fields, "StudyDescription"), "'a  b'");
    assert_json(json_object_get(fields, "StudyDate"), "'2013-03-08'");
    assert_json(changed,
                "['PatientBirthDate', 'PatientAge', 'PatientSex', 'ProtocolName', 'StudyDescription']");
    json_decref(changed);
    json_decref(fields);
    arena_free(arena);
}

static void ages(void **state)
{
    static const struct {
        const char *text;
        int64_t days; /* -1: none */
    } cases[] = {{"003Y", 1095}, {"010M", 300},  {"02W", 14}, {"001D", 1},   {"000D", 0},
                 {"45", 16425},  {" 7y ", 2555}, {"", -1},    {"Y", -1},     {"-1Y", -1},
                 {"1.5Y", -1},   {"+3Y", -1},    {"old", -1}, {"99999D", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t days = -1;
        assert_int_equal(px_age_days(cases[i].text, &days), cases[i].days >= 0);
        assert_int_equal(days, cases[i].days);
    }
    Arena *arena = arena_new(0);
    DcmDataset *ds = image(arena);
    dcm_put_utf8(ds, DCM_PatientBirthDate, "20100203");
    json_t *fields = must_make(ds, PX_REGISTER_FILES, NULL);
    assert_json(json_object_get(fields, "PatientAge"), "'1129'");
    json_decref(fields);
    arena_free(arena);
}

static void names_and_paths(void **state)
{
    static const char *const good[] = {
        "ORT", "a", "12345678901234567890", "org.fnndsc oxi",
        "\xe5\xb1\xb1\xe7\x94\xb0\xe5\xb1\xb1\xe7\x94\xb0\xe5\xb1\xb1\xe7\x94\xb0\xe5\xb1\xb1"};
    static const char *const bad[] = {"", "123456789012345678901", "a,b", "a/b", " a", "a\n", "\xff"};
    Err err = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(px_pacs_name_check(good[i], &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(px_pacs_name_check(bad[i], &err));
    assert_true(px_object_path_check("SERVICES/PACS/ORT/a/b.dcm", "ORT", &err));
    assert_false(px_object_path_check("SERVICES/PACS/ORT/", "ORT", &err));
    assert_false(px_object_path_check("SERVICES/PACS/ORT2/a.dcm", "ORT", &err));
    assert_false(px_object_path_check("/SERVICES/PACS/ORT/a.dcm", "ORT", &err));
    assert_false(px_object_path_check("SERVICES/PACS/ORT/a,b.dcm", "ORT", &err));
    char path[600] = "SERVICES/PACS/ORT/";
    memset(path + 18, 'x', 512 - 18);
    assert_true(px_object_path_check(path, "ORT", &err));
    path[512] = 'x';
    assert_false(px_object_path_check(path, "ORT", &err));
}

static void differences(void **state)
{
    json_t *ours = json_pack("{ss sn ss ss}", "a", "1", "b", "c", "x", "d", "");
    json_t *theirs = json_pack("{si ss ss sn}", "a", 1, "b", "", "c", "y", "d");
    json_t *found = px_register_differences(ours, theirs);
    assert_json(found, "[{'field': 'c', 'here': 'x', 'CUBE': 'y'}]");
    json_decref(found);
    json_object_del(theirs, "c");
    found = px_register_differences(ours, theirs);
    assert_json(found, "[]");
    json_decref(found);
    json_decref(theirs);
    json_decref(ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(what_must_be_there),
        cmocka_unit_test(what_cube_would_refuse),
        cmocka_unit_test(ages),
        cmocka_unit_test(names_and_paths),
        cmocka_unit_test(differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
