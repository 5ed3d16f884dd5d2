// SPDX-License-Identifier: MIT
/* px/document: records as pypx wrote them, text of all character sets, input that is no document. */
#include "golden.h"

#include "dicom/tags.h"

static void a_record(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *match = dcm_dataset_new(arena);
    dcm_put(match, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 100"));
    dcm_put(match, DCM_PatientName, DCM_VR_PN, SPAN("Buc^J\xe9r\xf4me"));
    dcm_put(match, DCM_ModalitiesInStudy, DCM_VR_CS, SPAN("MR\\SR"));
    dcm_put(match, DCM_SeriesDescription, DCM_VR_LO, SPAN(" AX T2 (fs) [x] "));
    dcm_put(match, DCM_PatientAge, DCM_VR_AS, SPAN(""));
    json_t *record = px_record(match, 3);
    Buf out;
    buf_init(&out, 0);
    px_document_write(record, true, &out);
    assert_string_equal(buf_cstr(&out), "{\"uid\": {\"tag\": 0, \"value\": 3, \"label\": \"uid\"}, "
                                        "\"SpecificCharacterSet\": {\"tag\": \"0008,0005\", \"value\": "
                                        "\"ISO_IR 100\", \"label\": \"SpecificCharacterSet\"}, "
                                        "\"ModalitiesInStudy\": {\"tag\": \"0008,0061\", \"value\": "
                                        "\"MR\\\\SR\", \"label\": \"ModalitiesInStudy\"}, "
                                        "\"SeriesDescription\": {\"tag\": \"0008,103e\", \"value\": \"AX T2 "
                                        "(fs) [x]\", \"label\": \"SeriesDescription\"}, "
                                        "\"PatientName\": {\"tag\": \"0010,0010\", \"value\": "
                                        "\"Buc^J\\u00e9r\\u00f4me\", \"label\": \"PatientName\"}, "
                                        "\"PatientAge\": {\"tag\": \"0010,1010\", \"value\": \"no value "
                                        "provided for 0010,1010\", \"label\": \"PatientAge\"}}\n");
    assert_string_equal(px_value(record, "PatientName"), "Buc^J\xc3\xa9r\xc3\xb4me");
    assert_null(px_value(record, "PatientAge"));
    assert_null(px_value(record, "StudyDate"));
    buf_free(&out);
    json_decref(record);
    arena_free(arena);
}

/* Names of files may be in any character set. */
static void text_that_is_no_utf8(void **state)
{
    static const struct {
        const char *text, *value;
    } rows[] = {{"a\xff\xfe.dcm", "a\xEF\xBF\xBD\xEF\xBF\xBD.dcm"},
                {"J\xc3\xa9r\xf4me", "J\xc3\xa9r\xEF\xBF\xBDme"},
                {"\xc3", "\xEF\xBF\xBD"},
                {NULL, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *value = px_text(rows[i].text);
        assert_string_equal(json_string_value(value), rows[i].value);
        json_decref(value);
    }
}

static void counts(void **state)
{
    uint64_t n;
    json_t *record =
        json_pack("{s{ss}s{ss}s{ss}}", "a", "value", "12", "b", "value", "-1", "c", "value", "x");
    assert_true(px_count(record, "a", &n));
    assert_int_equal(n, 12);
    assert_false(px_count(record, "b", &n));
    assert_false(px_count(record, "c", &n));
    assert_false(px_count(record, "d", &n));
    json_decref(record);
}

static void what_is_no_document(void **state)
{
    static const char *const texts[] = {"", " \n", "{", "[]", "nonsense Doe^Jane", "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Err err = {0};
        assert_null(px_document_read(span_cstr(texts[i]), &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_null(strstr(err.text, "Doe"));
    }
    /* Nested without end. */
    Arena *arena = arena_new(0);
    enum { DEEP = 100000 };
    char *deep = arena_alloc(arena, DEEP + 1);
    memset(deep, '[', DEEP);
    Err err = {0};
    assert_null(px_document_read(span_cstr(deep), &err));
    arena_free(arena);
}

static void keys(void **state)
{
    Arena *arena = arena_new(0);
    PxKeys all, keys;
    Err err = {0};
    px_keys_default(&all);
    assert_int_equal(all.count, 26);
    assert_false(px_keys_constrain(&all));
    assert_true(px_keys_parse(&keys, arena, "PatientName, StudyDate", &err));
    assert_int_equal(keys.count, 5); /* with the three that the query needs */
    /* A constraint that is not to be returned constrains all the same. */
    assert_true(px_keys_set(&keys, "PatientID", "X", &err));
    assert_string_equal(px_keys_value(&keys, "PatientID"), "X");
    assert_true(px_keys_constrain(&keys));
    for (size_t i = 1; i < keys.count; i++)
        assert_true(strcmp(keys.items[i - 1].keyword, keys.items[i].keyword) < 0);
    assert_false(px_keys_parse(&keys, arena, "NoSuchKeyword", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(px_keys_parse(&keys, arena, "ReferencedSeriesSequence", &err));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record), cmocka_unit_test(text_that_is_no_utf8),
        cmocka_unit_test(counts),   cmocka_unit_test(what_is_no_document),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
