// SPDX-License-Identifier: MIT
/* The DICOM JSON model written: one element of each VR, then structure, bulk data and limits. */
#include "dicom/dicom.h"

#include <setjmp.h>
#include <stdarg.h>
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

static void check_with(const DcmDataset *ds, const DcmJsonOptions *options, const char *expected)
{
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    assert_true(dcm_json_write(&w, ds, options, &err));
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

#define RAW(literal) literal, sizeof(literal) - 1

typedef struct Row {
    DcmVr vr;
    const char *raw;
    size_t n;
    const char *json; /* behind "vr": "XX" */
} Row;

static const Row rows[] = {
    {DCM_VR_AE, RAW("PACS  "), ",\"Value\":[\"PACS\"]"},
    {DCM_VR_AS, RAW("034Y"), ",\"Value\":[\"034Y\"]"},
    {DCM_VR_CS, RAW("ORIGINAL\\PRIMARY\\AXIAL "), ",\"Value\":[\"ORIGINAL\",\"PRIMARY\",\"AXIAL\"]"},
    {DCM_VR_CS, RAW("A\\\\B"), ",\"Value\":[\"A\",null,\"B\"]"},
    {DCM_VR_CS, RAW("A\\"), ",\"Value\":[\"A\",null]"},
    {DCM_VR_CS, RAW(""), ""},
    {DCM_VR_CS, RAW("  "), ""},
    {DCM_VR_DA, RAW("20040119"), ",\"Value\":[\"20040119\"]"},
    {DCM_VR_TM, RAW("103000.5"), ",\"Value\":[\"103000.5\"]"},
    {DCM_VR_DT, RAW("20040119103000+0100 "), ",\"Value\":[\"20040119103000+0100\"]"},
    {DCM_VR_UI, RAW("1.2.840\0"), ",\"Value\":[\"1.2.840\"]"},
    {DCM_VR_UR, RAW("http://a/b\\c"), ",\"Value\":[\"http://a/b\\\\c\"]"},
    {DCM_VR_SH, RAW("a\"b"), ",\"Value\":[\"a\\\"b\"]"},
    {DCM_VR_LO, RAW("\xc3\xa4\\ b "), ",\"Value\":[\"ä\",\" b\"]"},
    {DCM_VR_LT, RAW("a\\b\r\nc "), ",\"Value\":[\"a\\\\b\\r\\nc\"]"},
    {DCM_VR_UT, RAW("x\x01"), ",\"Value\":[\"x\\u0001\"]"},
    {DCM_VR_UC, RAW("a\\b"), ",\"Value\":[\"a\",\"b\"]"},
    {DCM_VR_ST, RAW("a\\b"), ",\"Value\":[\"a\\\\b\"]"},
    {DCM_VR_PN, RAW("Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e="),
     ",\"Value\":[{\"Alphabetic\":\"Yamada^Tarou\",\"Ideographic\":\"山田^太郎\"}]"},
    {DCM_VR_PN, RAW("==a^^^"), ",\"Value\":[{\"Phonetic\":\"a\"}]"},
    {DCM_VR_PN, RAW("A^B^^^\\^\\C"), ",\"Value\":[{\"Alphabetic\":\"A^B\"},null,{\"Alphabetic\":\"C\"}]"},
    {DCM_VR_PN, RAW("^^^^"), ""},
    {DCM_VR_IS, RAW("1\\-2\\+3\\007 "), ",\"Value\":[1,-2,3,7]"},
    {DCM_VR_IS, RAW("2147483648\\1.5\\x\\"), ",\"Value\":[\"2147483648\",\"1.5\",\"x\",null]"},
    {DCM_VR_DS, RAW("1.50\\-0.0\\ 2 \\1E+3\\1e-3"), ",\"Value\":[1.50,-0.0,2,1e+3,1e-3]"},
    {DCM_VR_DS, RAW("+1\\.5\\-.5\\1.\\007.25"), ",\"Value\":[1,0.5,-0.5,1,7.25]"},
    {DCM_VR_DS, RAW("1e999\\1,5\\.\\1e\\-\\0x10\\nan"),
     ",\"Value\":[\"1e999\",\"1,5\",\".\",\"1e\",\"-\",\"0x10\",\"nan\"]"},
    {DCM_VR_DS, RAW("-9226744073709551616\\-0.30517578125000001"),
     ",\"Value\":[\"-9226744073709551616\",-0.30517578125000001]"},
    {DCM_VR_AT, RAW("\x10\x00\x20\x00\xe0\x7f\x10\x00"), ",\"Value\":[\"00100020\",\"7FE00010\"]"},
    {DCM_VR_US, RAW("\x01\x00\xff\xff"), ",\"Value\":[1,65535]"},
    {DCM_VR_SS, RAW("\x01\x00\xff\xff"), ",\"Value\":[1,-1]"},
    {DCM_VR_UL, RAW("\xff\xff\xff\xff"), ",\"Value\":[4294967295]"},
    {DCM_VR_SL, RAW("\xff\xff\xff\xff"), ",\"Value\":[-1]"},
    {DCM_VR_US, RAW("\x01\x00\x02"), ",\"Value\":[1]"},
    {DCM_VR_UV, RAW("\x01\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
     ",\"Value\":[1,\"18446744073709551615\"]"},
    {DCM_VR_SV, RAW("\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x80"),
     ",\"Value\":[-1,\"-9223372036854775808\"]"},
    {DCM_VR_FL, RAW("\xcd\xcc\xcc\x3d\0\0\x80\x3f"), ",\"Value\":[0.1,1]"},
    {DCM_VR_FL, RAW("\0\0\xc0\x7f\0\0\x80\x7f\0\0\x80\xff\0\0\0\x80"),
     ",\"Value\":[\"NaN\",\"Infinity\",\"-Infinity\",-0]"},
    {DCM_VR_FD, RAW("\x9a\x99\x99\x99\x99\x99\xb9\x3f\x9c\x75\x00\x88\x3c\xe4\x37\x7e"),
     ",\"Value\":[0.1,1e+300]"},
    {DCM_VR_OB, RAW("\x01\x02\x03\x04"), ",\"InlineBinary\":\"AQIDBA==\""},
    {DCM_VR_OB, RAW("\x01\x02"), ",\"InlineBinary\":\"AQI=\""},
    {DCM_VR_OW, RAW("\x01\x02\x03\x04\x05\x06"), ",\"InlineBinary\":\"AQIDBAUG\""},
    {DCM_VR_OB, RAW(""), ""},
    {DCM_VR_UN, RAW("ab"), ",\"InlineBinary\":\"YWI=\""},
    {DCM_VR_NONE, RAW("ab"), ",\"InlineBinary\":\"YWI=\""},
    {DCM_VR_OV, RAW("\x01\x02\x03\x04\x05\x06\x07\x08"), ",\"InlineBinary\":\"AQIDBAUGBwg=\""},
};

/* One element (0008,1111) of any VR, its text in UTF-8. */
static DcmDataset *one(DcmVr vr, const char *raw, size_t n)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    DcmElement *e = dcm_put(ds, DCM_TAG(0x0008, 0x1111), vr == DCM_VR_NONE ? DCM_VR_UN : vr, (Span){NULL, 0});
    e->vr = vr;
    e->value = span_of(raw, n);
    return ds;
}

static void test_every_vr(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *expected = arena_printf(
            arena, "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},\"00081111\":{\"vr\":\"%s\"%s}}",
            rows[i].vr == DCM_VR_NONE ? "UN" : dcm_vr_info(rows[i].vr)->name, rows[i].json);
        check_with(one(rows[i].vr, rows[i].raw, rows[i].n), NULL, expected);
    }
}

static void test_big_endian(void **state)
{
    static const Row big[] = {
        {DCM_VR_US, RAW("\x01\x02"), ",\"Value\":[258]"},
        {DCM_VR_DS, RAW("-9226744073709551616\\-0.30517578125000001"),
         ",\"Value\":[\"-9226744073709551616\",-0.30517578125000001]"},
        {DCM_VR_AT, RAW("\x00\x10\x00\x20"), ",\"Value\":[\"00100020\"]"},
        {DCM_VR_FD, RAW("\x3f\xf0\0\0\0\0\0\0"), ",\"Value\":[1]"},
        {DCM_VR_OW, RAW("\x02\x01\x04\x03"), ",\"InlineBinary\":\"AQIDBA==\""},
        {DCM_VR_OD, RAW("\x08\x07\x06\x05\x04\x03\x02\x01"), ",\"InlineBinary\":\"AQIDBAUGBwg=\""},
        {DCM_VR_OW, RAW("\x02\x01\x04"), ",\"InlineBinary\":\"AQIE\""},
        {DCM_VR_UN, RAW("\x01\x02"), ",\"InlineBinary\":\"AQI=\""},
    };
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        DcmDataset *ds = one(big[i].vr, big[i].raw, big[i].n);
        ds->big_endian = true;
        dcm_remove(ds, DCM_SpecificCharacterSet);
        check_with(ds, NULL,
                   arena_printf(arena, "{\"00081111\":{\"vr\":\"%s\"%s}}", dcm_vr_info(big[i].vr)->name,
                                big[i].json));
    }
}

static void test_charset(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("\\ISO 2022 IR 87"));
    dcm_put_utf8(ds, DCM_PatientName, "Yamada^Tarou=山田^太郎");
    dcm_put_utf8(ds, DCM_OtherPatientNames, "山\\田");
    check_with(
        ds, NULL,
        "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},\"00100010\":{\"vr\":\"PN\",\"Value\":"
        "[{\"Alphabetic\":\"Yamada^Tarou\",\"Ideographic\":\"山田^太郎\"}]},\"00101001\":{\"vr\":\"PN\","
        "\"Value\":[{\"Alphabetic\":\"山\"},{\"Alphabetic\":\"田\"}]}}");
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("GBK"));
    dcm_put(ds, DCM_PatientName, DCM_VR_PN, SPAN("\x8f\x5c"));
    dcm_remove(ds, DCM_OtherPatientNames);
    check_with(ds, NULL,
               "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},"
               "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"廫\"}]}}");
}

static DcmDataset *nested(void)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_TAG(0x0002, 0x0010), DCM_VR_UI, SPAN("1.2"));
    dcm_put(ds, DCM_TAG(0x0008, 0x0000), DCM_VR_UL, SPAN("\x04\0\0\0"));
    dcm_put_sequence(ds, DCM_ReferencedStudySequence);
    dcm_put_sequence(ds, DCM_ReferencedSeriesSequence);
    dcm_put_utf8(dcm_add_item(ds, DCM_ReferencedSeriesSequence), DCM_SeriesInstanceUID, "1.2.3");
    dcm_add_item(ds, DCM_ReferencedSeriesSequence);
    dcm_put(dcm_add_item(ds, DCM_ReferencedSeriesSequence), DCM_TAG(0x0009, 0x1010), DCM_VR_OB, SPAN("abcd"));
    return ds;
}

static void test_structure(void **state)
{
    check_with(dcm_dataset_new(arena), NULL, "{}");
    check_with(
        nested(), NULL,
        "{\"00081110\":{\"vr\":\"SQ\"},\"00081115\":{\"vr\":\"SQ\",\"Value\":[{\"0020000E\":{\"vr\":\"UI\","
        "\"Value\":[\"1.2.3\"]}},{},{\"00091010\":{\"vr\":\"OB\",\"InlineBinary\":\"YWJjZA==\"}}]}}");
}

static bool uri_of_path(void *ctx, const char *path, const DcmElement *e, Buf *out)
{
    return buf_printf(out, "bulk/%s", path);
}

static bool no_uri(void *ctx, const char *path, const DcmElement *e, Buf *out)
{
    buf_append_cstr(out, "half a");
    return false;
}

static void test_bulk(void **state)
{
    DcmJsonOptions options = {.bulk_threshold = 3, .bulk_uri = uri_of_path};
    DcmDataset *ds = nested();
    dcm_remove(ds, DCM_ReferencedStudySequence);
    check_with(
        ds, &options,
        "{\"00081115\":{\"vr\":\"SQ\",\"Value\":[{\"0020000E\":{\"vr\":\"UI\",\"Value\":[\"1.2.3\"]}},{},"
        "{\"00091010\":{\"vr\":\"OB\",\"BulkDataURI\":\"bulk/00081115/2/00091010\"}}]}}");
    ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_PixelData, DCM_VR_OW, SPAN("abcd"));
    options.bulk_threshold = 4;
    check_with(ds, &options, "{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"YWJjZA==\"}}");
    options.bulk_threshold = 0;
    check_with(ds, &options, "{\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"bulk/7FE00010\"}}");
    options.bulk_uri = no_uri;
    check_with(ds, &options, "{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"YWJjZA==\"}}");
    DcmElement *e = (DcmElement *)(uintptr_t)dcm_find(ds, DCM_PixelData);
    e->skipped = true;
    check_with(ds, &options, "{}");
    check_with(ds, NULL, "{}");
    options.bulk_uri = uri_of_path;
    check_with(ds, &options, "{\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"bulk/7FE00010\"}}");
    ds = dcm_dataset_new(arena); /* encapsulated: bulk or nothing */
    dcm_add_fragment(ds, DCM_PixelData, DCM_VR_OB, SPAN(""));
    dcm_add_fragment(ds, DCM_PixelData, DCM_VR_OB, SPAN("abcd"));
    check_with(ds, NULL, "{}");
    check_with(ds, &options, "{\"7FE00010\":{\"vr\":\"OB\",\"BulkDataURI\":\"bulk/7FE00010\"}}");
}

static void test_limit(void **state)
{
    Buf out;
    Err err = {0};
    buf_init(&out, 64);
    JsonWriter w = json_writer(&out);
    assert_false(dcm_json_write(&w, nested(), NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vr),  cmocka_unit_test(test_big_endian), cmocka_unit_test(test_charset),
        cmocka_unit_test(test_structure), cmocka_unit_test(test_bulk),       cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
