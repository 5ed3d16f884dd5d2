// SPDX-License-Identifier: MIT
#include "dicom/dicom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;

static int make_arena(void **state)
{
    arena = arena_new(0);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(arena);
    return 0;
}

static DcmDataset *dataset_in(const char *charset)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    if (charset)
        dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, span_cstr(charset));
    return ds;
}

/* A data set of one element; text NULL: without it. */
static DcmDataset *with(DcmTag tag, const char *text)
{
    DcmDataset *ds = dataset_in("ISO_IR 192");
    if (text)
        dcm_put_utf8(ds, tag, text);
    return ds;
}

static void check(DcmTag tag, const char *key, const char *candidate, DcmMatchOptions options, bool expected)
{
    bool matches = dcm_match(with(tag, key), with(tag, candidate), &options);
    if (matches != expected)
        fail_msg("%08x: key '%s' %s '%s'", tag, key, matches ? "matches" : "misses",
                 candidate ? candidate : "(absent)");
}

typedef struct Row {
    DcmTag tag;
    const char *key, *candidate;
    bool expected;
} Row;

#define CHECK_ROWS(rows, ...)                                                                                \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                               \
    check((rows)[i].tag, (rows)[i].key, (rows)[i].candidate, (DcmMatchOptions){__VA_ARGS__},                 \
          (rows)[i].expected)

static void test_text(void **state)
{
    static const Row rows[] = {
        {DCM_PatientID, "", NULL, true},
        {DCM_PatientID, "", "123", true},
        {DCM_PatientID, "*", NULL, true},
        {DCM_PatientID, "**", NULL, true},
        {DCM_PatientID, "?", NULL, false},
        {DCM_PatientID, "123", NULL, false},
        {DCM_PatientID, "123", "", false},
        {DCM_PatientID, "123", "123", true},
        {DCM_PatientID, " 123 ", "  123", true},
        {DCM_PatientID, "123", "0123", false},
        {DCM_PatientID, "abc", "ABC", false},
        {DCM_PatientID, "12*", "123", true},
        {DCM_PatientID, "*23", "123", true},
        {DCM_PatientID, "1?3", "123", true},
        {DCM_PatientID, "1?", "123", false},
        {DCM_PatientID, "[0-9]*", "123", false},
        {DCM_StudyDescription, "Schädel?CT", "Schädel-CT", true},
        {DCM_StudyDescription, "Sch?del-CT", "Schädel-CT", true},
        {DCM_ModalitiesInStudy, "CT", "MR\\CT", true},
        {DCM_ModalitiesInStudy, "CT\\PT", "MR\\PT", true},
        {DCM_ModalitiesInStudy, "CT\\PT", "MR\\US", false},
        {DCM_ModalitiesInStudy, "C?", "MR\\CT", true},
        {DCM_ModalitiesInStudy, "MR\\CT", "MR", true},
        {DCM_ModalitiesInStudy, "\\CT", "MR\\", false},
        {DCM_StudyComments, "a\\b*", "a\\bc", true}, /* LT: the backslash is text */
        {DCM_StudyComments, "bc", "a\\bc", false},
        {DCM_StudyComments, " a", "a", false},
        {DCM_RetrieveAETitle, "PACS*", "PACS1 ", true},
        {DCM_RetrieveURL, "http://*", "http://a/b", true},
        {DCM_PatientAge, "034Y", "034Y", true},
        {DCM_PatientAge, "03?Y", "034Y", false},
    };
    CHECK_ROWS(rows, 0);
}

static void test_names(void **state)
{
    static const Row strict[] = {
        {DCM_PatientName, "Smith^John", "Smith^John", true},
        {DCM_PatientName, "Smith^John", "Smith^John^^^", true},
        {DCM_PatientName, "Smith^John^^^=", "Smith^John", true},
        {DCM_PatientName, "smith^john", "Smith^John", false},
        {DCM_PatientName, "Smith*", "Smith^John", true},
        {DCM_PatientName, "Smith^*", "Smith", false},
        {DCM_PatientName, "Smith", "Smith^John", false},
        {DCM_PatientName, "Yamada^Tarou=山田^太郎", "Yamada^Tarou^^=山田^太郎=", true},
        {DCM_PatientName, "Yamada^Tarou=山?^太郎", "Yamada^Tarou^^=山田^太郎=", true},
        {DCM_PatientName, "*山田*", "Yamada^Tarou=山田^太郎", true},
        {DCM_PatientName, "山田^太郎", "Yamada^Tarou=山田^太郎", false},
        {DCM_PatientName, "Yamada^Tarou", "Yamada^Tarou=山田^太郎", false},
        {DCM_PatientName, "Jerome", "Jérôme", false},
    };
    static const Row caseless[] = {
        {DCM_PatientName, "smith^john", "SMITH^John", true}, {DCM_PatientName, "sm?th*", "SMITH^John", true},
        {DCM_PatientName, "MÜLLER", "müller", true},         {DCM_PatientName, "muller", "müller", false},
        {DCM_PatientName, "strasse", "Straße", true},        {DCM_PatientID, "abc", "ABC", false},
    };
    static const Row accentless[] = {
        {DCM_PatientName, "buc^jerome", "Buc^Jérôme", true},
        {DCM_PatientName, "BUC^JÉRÔME", "Buc^Jerome", true},
        {DCM_PatientName, "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", true},
        {DCM_PatientName, "やまだ*", "Yamada^Tarou=山田^太郎=やまだ^たろう", true},
        {DCM_PatientName, "yamada^tarou", "Yamada^Tarou=山田^太郎", true},
        {DCM_PatientName, "tarou", "Yamada^Tarou=山田^太郎", false},
        {DCM_PatientName, "=山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう", true},
        {DCM_PatientName, "Yamada*==やまだ^たろう", "Yamada^Tarou=山田^太郎=やまだ^たろう", true},
        {DCM_PatientName, "=山田*", "山田^太郎", false},
        {DCM_PatientName, "Yamada*=高橋*", "Yamada^Tarou=山田^太郎", false},
        {DCM_PatientName, "ﾔﾏﾀﾞ", "ヤマダ", true},
    };
    static const Row caseless_text[] = {
        {DCM_PatientID, "abc", "ABC", true},
        {DCM_StudyDescription, "*SCHÄDEL*", "ct Schädel", true},
        {DCM_StudyDescription, "*schadel*", "ct Schädel", false},
        {DCM_ModalitiesInStudy, "ct", "MR\\CT", true},
        {DCM_RetrieveAETitle, "pacs", "PACS", false},
        {DCM_PatientName, "smith", "Smith", false},
    };
    CHECK_ROWS(strict, 0);
    CHECK_ROWS(caseless, .fold_names = true);
    CHECK_ROWS(accentless, .fold_accents = true);
    CHECK_ROWS(caseless_text, .fold_text = true);
}

/* Key and candidate each in a set of its own. */
static void test_charsets(void **state)
{
    static const struct {
        const char *key_set, *candidate_set, *name;
    } rows[] = {
        {"ISO_IR 100", "ISO_IR 192", "Buc^Jérôme"},
        {"\\ISO 2022 IR 87", "ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"},
        {"GB18030", "\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东="},
        {"\\ISO 2022 IR 149", "ISO_IR 192", "Hong^Gildong=洪^吉洞=홍^길동"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmDataset *keys = dataset_in(rows[i].key_set), *candidate = dataset_in(rows[i].candidate_set);
        dcm_put_utf8(keys, DCM_PatientName, rows[i].name);
        dcm_put_utf8(candidate, DCM_PatientName, rows[i].name);
        assert_true(dcm_match(keys, candidate, NULL));
        dcm_put_utf8(candidate, DCM_PatientName, "Other");
        assert_false(dcm_match(keys, candidate, NULL));
    }
    /* a second byte that is 0x5C does not part values */
    DcmDataset *keys = dataset_in("GBK"), *candidate = dataset_in("GBK");
    dcm_put(keys, DCM_OtherPatientNames, DCM_VR_PN, SPAN("\x8f\x5c"));
    dcm_put(candidate, DCM_OtherPatientNames, DCM_VR_PN, SPAN("A\\\x8f\x5c\\B"));
    assert_true(dcm_match(keys, candidate, NULL));
    dcm_put(candidate, DCM_OtherPatientNames, DCM_VR_PN, SPAN("A\\\x8f\x5d\\B"));
    assert_false(dcm_match(keys, candidate, NULL));
}

static void test_uids_and_numbers(void **state)
{
    static const Row rows[] = {
        {DCM_StudyInstanceUID, "1.2.3", "1.2.3", true},
        {DCM_StudyInstanceUID, "1.2", "1.2.3", false},
        {DCM_StudyInstanceUID, "1.2.4\\1.2.3\\1.2.5", "1.2.3", true},
        {DCM_StudyInstanceUID, "1.2.*", "1.2.3", false},
        {DCM_StudyInstanceUID, "*", "1.2.3", true},
        {DCM_StudyInstanceUID, "1.2.4\\", "1.2.3", false},
        {DCM_SOPClassesInStudy, "1.2", "1.3\\1.2", true},
        {DCM_SeriesNumber, "1", "1", true},
        {DCM_SeriesNumber, "01", "1 ", true},
        {DCM_SeriesNumber, "+1", "1", true},
        {DCM_SeriesNumber, "1", "11", false},
        {DCM_SeriesNumber, "1*", "11", false},
        {DCM_SeriesNumber, "*", NULL, true},
        {DCM_SeriesNumber, "x", "x", true},
        {DCM_SliceThickness, "2.5", "2.50", true},
        {DCM_SliceThickness, "2.5", "25E-1", true},
        {DCM_SliceThickness, "2.5", "2.51", false},
        {DCM_ImagePositionPatient, "3", "1\\2\\3.0", true},
    };
    CHECK_ROWS(rows, 0);
}

static DcmDataset *with_raw(DcmTag tag, DcmVr vr, Span raw, bool big_endian)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    ds->big_endian = big_endian;
    dcm_put(ds, tag, vr, raw);
    return ds;
}

static void test_binary(void **state)
{
    static const struct {
        DcmVr vr;
        const char *key, *candidate;
        size_t key_n, candidate_n;
        bool big, expected; /* big: the candidate is big endian */
    } rows[] = {
        {DCM_VR_US, "\x00\x02", "\x00\x02", 2, 2, false, true},
        {DCM_VR_US, "\x00\x02", "\x02\x00", 2, 2, true, true},
        {DCM_VR_US, "\x00\x02", "\x00\x02", 2, 2, true, false},
        {DCM_VR_US, "\x00\x02", "\x01\x00\x00\x02", 2, 4, false, true},
        {DCM_VR_US, "\x00\x02", "\x00", 2, 1, false, false},
        {DCM_VR_AT, "\x08\x00\x60\x00", "\x00\x08\x00\x60", 4, 4, true, true},
        {DCM_VR_FL, "\x00\x00\x00\x00", "\x00\x00\x00\x80", 4, 4, false, true},  /* zero, minus zero */
        {DCM_VR_FL, "\x00\x00\xc0\x7f", "\x00\x00\xc0\x7f", 4, 4, false, false}, /* not a number */
        {DCM_VR_FD, "\0\0\0\0\0\0\xf0\x3f", "\x3f\xf0\0\0\0\0\0\0", 8, 8, true, true},
        {DCM_VR_SV, "\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 8, true, true},
        {DCM_VR_OW, "\x01\x02\x03\x04", "\x02\x01\x04\x03", 4, 4, true, true},
        {DCM_VR_OW, "\x01\x02\x03\x04", "\x01\x02\x03\x04", 4, 4, true, false},
        {DCM_VR_OW, "\x01\x02\x03\x04", "\x01\x02", 4, 2, true, false},
        {DCM_VR_OB, "\x01\x02", "\x01\x02", 2, 2, true, true},
        {DCM_VR_UN, "\x01\x02", "\x01\x03", 2, 2, false, false},
        {DCM_VR_US, "", "\x01\x03", 0, 2, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmDataset *keys =
            with_raw(DCM_TAG(0x0028, 0x0106), rows[i].vr, span_of(rows[i].key, rows[i].key_n), false);
        DcmDataset *candidate = with_raw(DCM_TAG(0x0028, 0x0106), rows[i].vr,
                                         span_of(rows[i].candidate, rows[i].candidate_n), rows[i].big);
        if (dcm_match(keys, candidate, NULL) != rows[i].expected)
            fail_msg("row %zu", i);
    }
}

static void test_dates_and_times(void **state)
{
    static const Row rows[] = {
        {DCM_StudyDate, "20040119", "20040119", true},
        {DCM_StudyDate, "20040119", "2004.01.19", true},
        {DCM_StudyDate, "20040119-20040201", "20040201", true},
        {DCM_StudyDate, "20040119-20040201", "20040202", false},
        {DCM_StudyDate, "-20040201", "19990101", true},
        {DCM_StudyDate, "20040201-", "19990101", false},
        {DCM_StudyDate, "20040201-", NULL, false},
        {DCM_StudyDate, "20040201-", "rubbish", false},
        {DCM_StudyDate, "", NULL, true},
        {DCM_StudyDate, "*", NULL, true},
        {DCM_StudyDate, "2004*", "20040119", true},
        {DCM_StudyDate, "2004*", "20050119", false},
        {DCM_StudyDate, "2004", "20040119", true},
        {DCM_StudyDate, "20040201-20040101", "20040115", false},
        {DCM_StudyDate, "20040119\\20040120", "20040120", true},
        {DCM_StudyTime, "10", "103000", true},
        {DCM_StudyTime, "1030", "1030", true},
        {DCM_StudyTime, "10-11", "115959.999999", true},
        {DCM_StudyTime, "1000-1100", "1101", false},
        {DCM_StudyTime, "103000", "1030", true},
        {DCM_StudyTime, "103015", "1030", false},
        {DCM_AcquisitionDateTime, "20040119", "20040119103000", true},
        {DCM_AcquisitionDateTime, "2004011910-2004011911", "20040119113000", true},
        {DCM_AcquisitionDateTime, "20040119103000+0100", "20040119093000+0000", true},
        {DCM_AcquisitionDateTime, "20040119-0500", "20040119030000+0000", false},
        {DCM_AcquisitionDateTime, "20040119-0500", "20040120040000+0000", true},
        {DCM_AcquisitionDateTime, "20040119-", "20040118", false},
    };
    CHECK_ROWS(rows, 0);
}

static void test_utc_offsets(void **state)
{
    DcmMatchOptions berlin = {.utc_offset_minutes = 60};
    DcmTag tag = DCM_AcquisitionDateTime;
    check(tag, "20040119093000+0000", "20040119103000", berlin, true);
    check(tag, "20040119103000", "20040119103000", berlin, true);
    check(tag, "20040119103000", "20040119093000+0000", berlin, true);
    DcmDataset *candidate = with(tag, "20040119103000");
    dcm_put_utf8(candidate, DCM_TimezoneOffsetFromUTC, "-0500");
    assert_true(dcm_match(with(tag, "20040119153000+0000"), candidate, &berlin));
    assert_false(dcm_match(with(tag, "20040119103000"), candidate, &berlin));
}

static void test_combined(void **state)
{
    static const struct {
        const char *key_date, *key_time, *date, *time;
        bool combined, apart;
    } rows[] = {
        {"20040101-20040103", "1000-1200", "20040102", "2300", true, false},
        {"20040101-20040103", "1000-1200", "20040101", "0900", false, false},
        {"20040101-20040103", "1000-1200", "20040103", "1200", true, true},
        {"20040101-20040103", "1000-1200", "20040103", "1201", false, false},
        {"20040101-", "1000-", "20040105", "0100", true, false},
        {"-20040103", "-1200", "20040101", "2300", true, false},
        {"20040101-20040103", "1000-", "20040103", "2359", true, true},
        {"20040101-20040103", "-1200", "20040101", "0000", true, true},
        {"20040101", "10-12", "20040101", "1100", true, true},
        {"20040101", "10-12", "20040101", "1300", false, false},
        {"20040101-20040103", "", "20040102", NULL, true, true},
        {"", "10-12", "20040102", "1100", true, true},
        {"", "10-12", "20040102", "1300", false, false},
        {"20040101-20040103", "1000-1200", "20040102", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmDataset *keys = with(DCM_StudyDate, rows[i].key_date);
        dcm_put_utf8(keys, DCM_StudyTime, rows[i].key_time);
        DcmDataset *candidate = with(DCM_StudyDate, rows[i].date);
        if (rows[i].time)
            dcm_put_utf8(candidate, DCM_StudyTime, rows[i].time);
        DcmMatchOptions combined = {.combined_datetime = true};
        if (dcm_match(keys, candidate, &combined) != rows[i].combined)
            fail_msg("row %zu, combined", i);
        if (dcm_match(keys, candidate, NULL) != rows[i].apart)
            fail_msg("row %zu, apart", i);
    }
}

static DcmDataset *request(const char *code, const char *meaning)
{
    DcmDataset *ds = dataset_in(NULL);
    dcm_put_sequence(ds, DCM_RequestAttributesSequence);
    if (code) {
        DcmDataset *item = dcm_add_item(ds, DCM_RequestAttributesSequence);
        dcm_put_utf8(item, DCM_RequestedProcedureID, code);
        if (meaning)
            dcm_put_utf8(item, DCM_ScheduledProcedureStepID, meaning);
    }
    return ds;
}

static void test_sequences(void **state)
{
    DcmDataset *candidate = request("P1", "S1");
    DcmDataset *second = dcm_add_item(candidate, DCM_RequestAttributesSequence);
    dcm_put_utf8(second, DCM_RequestedProcedureID, "P2");
    dcm_put_utf8(second, DCM_ScheduledProcedureStepID, "S2");
    assert_true(dcm_match(request("P1", "S1"), candidate, NULL));
    assert_true(dcm_match(request("P2", NULL), candidate, NULL));
    assert_true(dcm_match(request("P*", "?2"), candidate, NULL));
    assert_false(dcm_match(request("P1", "S2"), candidate, NULL)); /* no one item has both */
    assert_true(dcm_match(request(NULL, NULL), candidate, NULL));
    assert_true(dcm_match(request("", "*"), dataset_in(NULL), NULL));
    assert_true(dcm_match(request(NULL, NULL), dataset_in(NULL), NULL));
    assert_false(dcm_match(request("P1", NULL), dataset_in(NULL), NULL));
    assert_false(dcm_match(request("P1", NULL), request(NULL, NULL), NULL));
    assert_false(dcm_match(request("P1", NULL), with(DCM_RequestAttributesSequence, NULL), NULL));
}

static void test_what_is_no_key(void **state)
{
    assert_false(dcm_match_is_key(DCM_SpecificCharacterSet));
    assert_false(dcm_match_is_key(DCM_QueryRetrieveLevel));
    assert_false(dcm_match_is_key(DCM_TAG(0x0008, 0x0053)));
    assert_false(dcm_match_is_key(DCM_TimezoneOffsetFromUTC));
    assert_false(dcm_match_is_key(DCM_TAG(0x0010, 0x0000)));
    assert_false(dcm_match_is_key(DCM_TAG(0x0002, 0x0010)));
    assert_false(dcm_match_is_key(DCM_TAG(0x0009, 0x0010)));
    assert_true(dcm_match_is_key(DCM_PatientID));
    assert_true(dcm_match_is_key(DCM_TAG(0x0009, 0x1001)));
    check(DCM_QueryRetrieveLevel, "STUDY", NULL, (DcmMatchOptions){0}, true);
}

static DcmDataset *private_element(DcmTag block, const char *creator, const char *value)
{
    DcmDataset *ds = dataset_in(NULL);
    dcm_put(ds, DCM_TAG(0x0029, block), DCM_VR_LO, span_cstr(creator));
    dcm_put(ds, DCM_TAG(0x0029, block << 8 | 1), DCM_VR_LO, span_cstr(value));
    return ds;
}

static void test_private_keys(void **state)
{
    DcmDataset *keys = private_element(0x10, "ACME", "X");
    assert_true(dcm_match(keys, private_element(0x10, "ACME", "X"), NULL));
    assert_true(dcm_match(keys, private_element(0x42, "ACME", "X"), NULL));
    assert_false(dcm_match(keys, private_element(0x42, "ACME", "Y"), NULL));
    assert_false(dcm_match(keys, private_element(0x10, "OTHER", "X"), NULL));
}

static void test_all_keys_count(void **state)
{
    DcmDataset *keys = with(DCM_PatientID, "1"), *candidate = with(DCM_PatientID, "1");
    dcm_put_utf8(keys, DCM_StudyDate, "20040101-");
    assert_false(dcm_match(keys, candidate, NULL));
    dcm_put_utf8(candidate, DCM_StudyDate, "20040102");
    assert_true(dcm_match(keys, candidate, NULL));
    assert_true(dcm_match(dataset_in(NULL), candidate, NULL));
    DcmDataset *other = with(DCM_PatientID, "2");
    dcm_put_utf8(other, DCM_StudyDate, "20040102");
    assert_false(dcm_match(keys, other, NULL));
    assert_true(dcm_match_element(keys, dcm_find(keys, DCM_StudyDate), other, NULL));
    assert_false(dcm_match_element(keys, dcm_find(keys, DCM_PatientID), other, NULL));
}

static void test_skipped(void **state)
{
    DcmDataset *keys = with(DCM_PatientID, "1"), *candidate = with(DCM_PatientID, "1");
    DcmElement *e = (DcmElement *)(uintptr_t)dcm_find(candidate, DCM_PatientID);
    e->skipped = true;
    e->value = (Span){NULL, 0};
    assert_false(dcm_match(keys, candidate, NULL));
    assert_true(dcm_match(with(DCM_PatientID, ""), candidate, NULL));
}

static void test_universal(void **state)
{
    static const struct {
        DcmTag tag;
        const char *key;
        bool universal;
    } rows[] = {
        {DCM_PatientID, "", true},    {DCM_PatientID, "  ", true},   {DCM_PatientID, "*", true},
        {DCM_PatientID, "*a", false}, {DCM_PatientID, "?", false},   {DCM_StudyDate, "*", true},
        {DCM_StudyDate, "-", false},  {DCM_SeriesNumber, "*", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmDataset *keys = with(rows[i].tag, rows[i].key);
        assert_int_equal(dcm_match_is_universal(keys, dcm_find(keys, rows[i].tag)), rows[i].universal);
    }
    DcmDataset *nested = request("*", "");
    assert_true(dcm_match_is_universal(nested, &nested->elements[0]));
    nested = request("*", "1");
    assert_false(dcm_match_is_universal(nested, &nested->elements[0]));
}

static void test_wildcard(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool expected;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"?", "", false},
        {"?", "é", true},
        {"?", "e\xCC\x81", false},
        {"??", "é", false},
        {"a*", "a", true},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"a*b", "ab", true},
        {"a*b", "a", false},
        {"ab*ba", "aba", false}, /* head and tail may not share */
        {"ab*ba", "abba", true},
        {"*ab*ab*", "abab", true},
        {"*ab*ab*", "aab", false},
        {"*a?c*", "xxabxabcx", true},
        {"*a?c", "xxabcabc", true},
        {"*?a?*", "xa", false},
        {"*?a?*", "xax", true},
        {"?*?", "ab", true},
        {"?*?", "a", false},
        {"**a**", "bab", true},
        {"*山?*", "x山田y", true},
        {"*?山", "山山", true},
        {"*?山*田?", "x山田田y", true},
        {"a?c*",
         "a\xff"
         "cd",
         true},
        {"\xff*", "\xff", true},
        {"*\xc3?z*",
         "\xc3"
         "az",
         true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (dcm_wildcard(span_cstr(rows[i].pattern), span_cstr(rows[i].text)) != rows[i].expected)
            fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].text);
}

/* The plain meaning of a pattern, in exponential time. */
static bool slow(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return slow(pattern + 1, text) || (*text && slow(pattern, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) && slow(pattern + 1, text + 1);
}

/* All patterns of up to six characters of "ab?*" against all texts of up to seven of "ab". */
static void test_wildcard_exhaustively(void **state)
{
    for (unsigned p = 1; p < 1 << 13; p++) {
        char pattern[8] = "", text[9];
        for (unsigned rest = p, n = 0; rest > 1; rest >>= 2)
            pattern[n++] = "ab?*"[rest & 3], pattern[n] = 0;
        for (unsigned t = 1; t < 1 << 8; t++) {
            unsigned n = 0;
            for (unsigned rest = t; rest > 1; rest >>= 1)
                text[n++] = "ab"[rest & 1];
            text[n] = 0;
            if (dcm_wildcard(span_cstr(pattern), span_cstr(text)) != slow(pattern, text))
                fail_msg("'%s' on '%s'", pattern, text);
        }
    }
}

/* Would take years by trying again; the test's time limit is the assertion. */
static void test_hostile_wildcards(void **state)
{
    enum { LENGTH = 1 << 20 };
    char *text = arena_alloc(arena, LENGTH), *pattern = arena_alloc(arena, LENGTH);
    memset(text, 'a', LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        pattern[i] = "*a?a"[i % 4];
    pattern[LENGTH - 1] = 'b';
    assert_false(dcm_wildcard(span_of(pattern, LENGTH), span_of(text, LENGTH)));
    memset(pattern, 'a', LENGTH);
    pattern[0] = '*';
    pattern[LENGTH / 2] = 'b';
    pattern[LENGTH - 1] = '*';
    assert_false(dcm_wildcard(span_of(pattern, LENGTH), span_of(text, LENGTH)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_uids_and_numbers),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_dates_and_times),
        cmocka_unit_test(test_utc_offsets),
        cmocka_unit_test(test_combined),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_what_is_no_key),
        cmocka_unit_test(test_private_keys),
        cmocka_unit_test(test_all_keys_count),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_universal),
        cmocka_unit_test(test_wildcard),
        cmocka_unit_test(test_wildcard_exhaustively),
        cmocka_unit_test(test_hostile_wildcards),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
