// SPDX-License-Identifier: MIT
#include "dicom/tags.h"
#include "dicom/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;
static DcmDataset *ds;

static int setup(void **state)
{
    arena = arena_new(0);
    ds = dcm_dataset_new(arena);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static void counts(void **state)
{
    dcm_put_utf8(ds, DCM_ImageType, "ORIGINAL\\PRIMARY\\\\M");
    dcm_put_utf8(ds, DCM_PatientComments, "a\\b");
    dcm_put_utf8(ds, DCM_PatientID, "");
    dcm_put(ds, DCM_Rows, DCM_VR_US, SPAN("\1\0\2\0\3\0"));
    dcm_add_item(ds, DCM_ReferencedImageSequence);
    dcm_put(ds, DCM_PixelData, DCM_VR_OW, SPAN("\1\2\3\4"));
    assert_int_equal(dcm_value_count(ds, DCM_ImageType), 4);
    assert_int_equal(dcm_value_count(ds, DCM_PatientComments), 1);
    assert_int_equal(dcm_value_count(ds, DCM_PatientID), 0);
    assert_int_equal(dcm_value_count(ds, DCM_PatientName), 0);
    assert_int_equal(dcm_value_count(ds, DCM_Rows), 3);
    assert_int_equal(dcm_value_count(ds, DCM_ReferencedImageSequence), 1);
    assert_int_equal(dcm_value_count(ds, DCM_PixelData), 1);
}

static void text(void **state)
{
    dcm_put_utf8(ds, DCM_ImageType, "ORIGINAL\\ PRIMARY \\\\M");
    dcm_put_utf8(ds, DCM_PatientComments, "  a\\b  ");
    assert_true(span_eq(dcm_text_raw(ds, DCM_ImageType, 1), SPAN("PRIMARY")));
    assert_string_equal(dcm_text(arena, ds, DCM_ImageType, 0), "ORIGINAL");
    assert_string_equal(dcm_text(arena, ds, DCM_ImageType, 2), "");
    assert_string_equal(dcm_text(arena, ds, DCM_ImageType, 3), "M");
    assert_string_equal(dcm_text(arena, ds, DCM_ImageType, 4), "");
    assert_string_equal(dcm_text_all(arena, ds, DCM_ImageType), "ORIGINAL\\PRIMARY\\\\M");
    assert_string_equal(dcm_text(arena, ds, DCM_PatientComments, 0), "  a\\b");
    assert_string_equal(dcm_text(arena, ds, DCM_PatientComments, 1), "");
    assert_null(dcm_text_all(arena, ds, DCM_PatientID));
    dcm_put_utf8(ds, DCM_PatientID, "");
    assert_string_equal(dcm_text_all(arena, ds, DCM_PatientID), "");
    assert_string_equal(dcm_text(arena, ds, DCM_PatientName, 0), "");
}

/* 0x5C is the second byte of a character in GB18030, and separates nothing. */
static void split_respects_the_character_set(void **state)
{
    dcm_put_utf8(ds, DCM_SpecificCharacterSet, "GB18030");
    dcm_put(ds, DCM_OtherPatientNames, DCM_VR_PN, SPAN("\x81\x5C\\B"));
    assert_int_equal(dcm_value_count(ds, DCM_OtherPatientNames), 2);
    assert_string_equal(dcm_text(arena, ds, DCM_OtherPatientNames, 0), "\xE4\xB9\x97"); /* U+4E57 */
    assert_string_equal(dcm_text(arena, ds, DCM_OtherPatientNames, 1), "B");
}

static void uids(void **state)
{
    char uid[65] = "?";
    assert_false(dcm_uid(ds, DCM_SOPInstanceUID, uid));
    dcm_put(ds, DCM_SOPInstanceUID, DCM_VR_UI, SPAN(""));
    assert_false(dcm_uid(ds, DCM_SOPInstanceUID, uid));
    dcm_put(ds, DCM_SOPInstanceUID, DCM_VR_UI, SPAN("1.2.840\\1.3"));
    assert_true(dcm_uid(ds, DCM_SOPInstanceUID, uid));
    assert_string_equal(uid, "1.2.840");
    char sixty_five[66];
    memset(sixty_five, '1', 65);
    dcm_put(ds, DCM_SOPInstanceUID, DCM_VR_UI, span_of(sixty_five, 65));
    assert_false(dcm_uid(ds, DCM_SOPInstanceUID, uid));
    dcm_put(ds, DCM_SOPInstanceUID, DCM_VR_UI, span_of(sixty_five, 64));
    assert_true(dcm_uid(ds, DCM_SOPInstanceUID, uid));
}

static void numbers(void **state)
{
    static const struct {
        DcmVr vr;
        Span raw;
        int64_t integer;
        double real;
        const char *text;
    } table[] = {
        {DCM_VR_US, SPAN("\xFE\xFF"), 65534, 65534, "65534"},
        {DCM_VR_SS, SPAN("\xFE\xFF"), -2, -2, "-2"},
        {DCM_VR_UL, SPAN("\xFE\xFF\xFF\xFF"), 4294967294, 4294967294.0, "4294967294"},
        {DCM_VR_SL, SPAN("\xFE\xFF\xFF\xFF"), -2, -2, "-2"},
        {DCM_VR_SV, SPAN("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), -2, -2, "-2"},
        {DCM_VR_UV, SPAN("\2\0\0\0\0\0\0\0"), 2, 2, "2"},
        {DCM_VR_AT, SPAN("\x10\0\x20\0"), 0x00100020, 0x00100020, "00100020"},
        {DCM_VR_IS, SPAN(" -12 "), -12, -12, "-12"},
        {DCM_VR_DS, SPAN("1.5e1 "), 15, 15, "1.5e1"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t integer = 0;
        double real = 0;
        dcm_put(ds, DCM_Rows, table[i].vr, table[i].raw);
        if (!dcm_int(ds, DCM_Rows, 0, &integer) || integer != table[i].integer ||
            !dcm_real(ds, DCM_Rows, 0, &real) || real != table[i].real)
            fail_msg("row %zu: %lld %g", i, (long long)integer, real);
        assert_string_equal(dcm_text(arena, ds, DCM_Rows, 0), table[i].text);
        assert_false(dcm_int(ds, DCM_Rows, 1, &integer));
    }
}

static void reals(void **state)
{
    double real;
    int64_t integer;
    dcm_put(ds, DCM_PixelSpacing, DCM_VR_DS, SPAN("0.5\\.25"));
    assert_true(dcm_real(ds, DCM_PixelSpacing, 1, &real) && real == 0.25);
    assert_false(dcm_int(ds, DCM_PixelSpacing, 0, &integer));
    dcm_put(ds, DCM_PixelSpacing, DCM_VR_FL, SPAN("\0\0\x20\x40"));
    assert_true(dcm_real(ds, DCM_PixelSpacing, 0, &real) && real == 2.5);
    assert_string_equal(dcm_text(arena, ds, DCM_PixelSpacing, 0), "2.5");
    dcm_put(ds, DCM_PixelSpacing, DCM_VR_FD, SPAN("\0\0\0\0\0\0\x04\x40"));
    assert_true(dcm_real(ds, DCM_PixelSpacing, 0, &real) && real == 2.5);
    dcm_put(ds, DCM_PixelSpacing, DCM_VR_UV, SPAN("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"));
    assert_true(dcm_real(ds, DCM_PixelSpacing, 0, &real) && real > 1.8e19);
    assert_false(dcm_int(ds, DCM_PixelSpacing, 0, &integer));
    assert_string_equal(dcm_text(arena, ds, DCM_PixelSpacing, 0), "18446744073709551615");
}

static void malformed_numbers(void **state)
{
    int64_t integer = 7;
    double real = 7;
    static const char *const bad[] = {"", "x", "1 2", "1.5", "0x10", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dcm_put(ds, DCM_InstanceNumber, DCM_VR_IS, span_cstr(bad[i]));
        if (dcm_int(ds, DCM_InstanceNumber, 0, &integer))
            fail_msg("%s", bad[i]);
    }
    dcm_put(ds, DCM_Rows, DCM_VR_US, SPAN(""));
    assert_false(dcm_int(ds, DCM_Rows, 0, &integer));
    assert_false(dcm_int(ds, DCM_Columns, 0, &integer));
    assert_false(dcm_real(ds, DCM_Columns, 0, &real));
    dcm_put_utf8(ds, DCM_PatientID, "12");
    assert_false(dcm_int(ds, DCM_PatientID, 0, &integer));
    assert_int_equal(integer, 7);
}

static void big_endian_and_unknown(void **state)
{
    int64_t integer;
    ds->big_endian = true;
    dcm_put(ds, DCM_Rows, DCM_VR_US, SPAN("\1\2"));
    dcm_put(ds, DCM_Columns, DCM_VR_UN, SPAN("\1\2")); /* UN is little endian always */
    dcm_put(ds, DCM_PatientID, DCM_VR_UN, SPAN("AB "));
    assert_true(dcm_int(ds, DCM_Rows, 0, &integer) && integer == 0x0102);
    assert_true(dcm_int(ds, DCM_Columns, 0, &integer) && integer == 0x0201);
    assert_string_equal(dcm_text(arena, ds, DCM_PatientID, 0), "AB");
}

static const char *describe(DcmTag tag)
{
    Buf out;
    buf_init(&out, 0);
    dcm_element_describe(ds, dcm_find(ds, tag), &out);
    const char *text = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return text;
}

static void descriptions(void **state)
{
    dcm_put_utf8(ds, DCM_PatientID, "ABC");
    dcm_put_u16(ds, DCM_Rows, 512);
    dcm_put(ds, DCM_PixelData, DCM_VR_OB, SPAN("0123456789abcdefX"));
    dcm_put_utf8(ds, DCM_PatientComments, "line\r\nline");
    dcm_add_item(ds, DCM_ReferencedImageSequence);
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2.3");
    dcm_put_utf8(ds, DCM_SeriesNumber, "7");
    assert_string_equal(describe(DCM_StudyInstanceUID),
                        "(0020, 000d) Study Instance UID                  UI: 1.2.3");
    assert_string_equal(describe(DCM_SeriesNumber),
                        "(0020, 0011) Series Number                       IS: \"7\"");
    assert_string_equal(describe(DCM_PatientID),
                        "(0010, 0020) Patient ID                          LO: 'ABC'");
    assert_string_equal(describe(DCM_Rows), "(0028, 0010) Rows                                US: 512");
    assert_string_equal(describe(DCM_PixelData),
                        "(7fe0, 0010) Pixel Data                          OB: "
                        "30\\31\\32\\33\\34\\35\\36\\37\\38\\39\\61\\62\\63\\64\\65\\66 ... (18 bytes)");
    assert_string_equal(describe(DCM_PatientComments),
                        "(0010, 4000) Patient Comments                    LT: 'line..line'");
    assert_string_equal(describe(DCM_ReferencedImageSequence),
                        "(0008, 1140) Referenced Image Sequence           SQ: 1 item");
    char all[201];
    memset(all, 'x', 200);
    all[200] = 0;
    dcm_put_utf8(ds, DCM_PatientComments, all);
    assert_int_equal(strlen(describe(DCM_PatientComments)),
                     strlen("(0010, 4000) Patient Comments                    LT: '' ...") + 80);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(counts),
        TEST(text),
        TEST(split_respects_the_character_set),
        TEST(uids),
        TEST(numbers),
        TEST(reals),
        TEST(malformed_numbers),
        TEST(big_endian_and_unknown),
        TEST(descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
