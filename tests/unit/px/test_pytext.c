// SPDX-License-Identifier: MIT
/* px/pytext: what Python 3.11 and pydicom 2.3.1 say of the same values. */
#include "px/pytext.h"

#include "dicom/tags.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_real(double value, const char *expected)
{
    Buf out;
    buf_init(&out, 0);
    px_python_real(value, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

static void test_reals(void **state)
{
    expect_real(0.0, "0.0");
    expect_real(-0.0, "-0.0");
    expect_real(0.1, "0.1");
    expect_real(-1.5, "-1.5");
    expect_real(100.0, "100.0");
    expect_real(123456789012345680.0, "1.2345678901234568e+17");
    expect_real(1e16, "1e+16");
    expect_real(9999999999999998.0, "9999999999999998.0");
    expect_real(0.0001, "0.0001");
    expect_real(0.00012345, "0.00012345");
    expect_real(0.00001, "1e-05");
    expect_real(1.7976931348623157e308, "1.7976931348623157e+308");
    expect_real(5e-324, "5e-324");
    expect_real((double)0.1F, "0.10000000149011612");
    expect_real(1.0 / 3.0, "0.3333333333333333");
    expect_real((double)NAN, "nan");
    expect_real(-(double)INFINITY, "-inf");
}

static void expect(DcmTag tag, DcmVr vr, Span raw, const char *expected)
{
    Arena *arena = arena_new(0);
    DcmDataset *dataset = dcm_dataset_new(arena);
    Buf out;
    buf_init(&out, 0);
    dcm_put_utf8(dataset, DCM_SpecificCharacterSet, "ISO_IR 192");
    dcm_put(dataset, tag, vr, raw);
    assert_true(px_python_text(dataset, dcm_find(dataset, tag), &out));
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
    arena_free(arena);
}

static void test_texts(void **state)
{
    expect(DCM_PatientID, DCM_VR_LO, SPAN("LAB 001 X "), "LAB 001 X");
    expect(DCM_PatientID, DCM_VR_LO, SPAN(""), "");
    expect(DCM_PatientName, DCM_VR_PN, SPAN("O'Neil^Mary Jane^^Dr"), "O'Neil^Mary Jane^^Dr");
    expect(DCM_PatientName, DCM_VR_PN, SPAN("^^^^"), "^^^^");
    expect(DCM_PatientName, DCM_VR_PN, SPAN("Wang^XiaoDong=="), "Wang^XiaoDong");
    expect(DCM_OtherPatientNames, DCM_VR_PN, SPAN("a^b\\c^d"), "[a^b, c^d]");
    expect(DCM_ImageType, DCM_VR_CS, SPAN("ORIGINAL\\PRIMARY"), "['ORIGINAL', 'PRIMARY']");
    expect(DCM_ImageType, DCM_VR_CS, SPAN("\\ISO 2022 IR 87"), "['', 'ISO 2022 IR 87']");
    expect(DCM_PixelSpacing, DCM_VR_DS, SPAN("0.1000\\0.1000 "), "[0.1000, 0.1000]");
    expect(DCM_PixelSpacing, DCM_VR_DS, SPAN(" 1.0 \\ 2"), "[1.0, 2]");
    expect(DCM_SeriesNumber, DCM_VR_IS, SPAN(" 012"), "012");
    expect(DCM_SeriesNumber, DCM_VR_IS, SPAN(""), "None");
    expect(DCM_ImageComments, DCM_VR_LT, SPAN("  a\\b\r\n"), "  a\\b\r\n");
    expect(DCM_SeriesDescription, DCM_VR_LO,
           SPAN("Gr\xc3\xb6\xc3\x9f"
                "e"),
           "Größe");
}

static void test_numbers(void **state)
{
    expect(DCM_Rows, DCM_VR_US, SPAN("\x10\x00"), "16");
    expect(DCM_Rows, DCM_VR_US, SPAN(""), "None");
    expect(DCM_AcquisitionMatrix, DCM_VR_US, SPAN("\x00\x01\x00\x00\x00\x00\xa0\x00"), "[256, 0, 0, 160]");
    expect(DCM_SmallestImagePixelValue, DCM_VR_SS, SPAN("\xfe\xff"), "-2");
    expect(DCM_FrameIncrementPointer, DCM_VR_AT, SPAN("\x18\x00\x63\x10"), "(0018, 1063)");
    expect(DCM_RecommendedDisplayFrameRateInFloat, DCM_VR_FL, SPAN("\xcd\xcc\xcc\x3d"),
           "0.10000000149011612");
    expect(DCM_RealWorldValueSlope, DCM_VR_FD, SPAN("\x00\x00\x00\x00\x00\x00\xf8\x3f"), "1.5");
}

static void test_bytes(void **state)
{
    expect(0x00091001, DCM_VR_OB, SPAN("a'\\\n\x00\xff~!"), "b\"a'\\\\\\n\\x00\\xff~!\"");
    expect(0x00091001, DCM_VR_OB, SPAN("'\"\t "), "b'\\'\"\\t '");
    expect(0x00091001, DCM_VR_OB, SPAN(""), "None");
}

static void test_sequences(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *dataset = dcm_dataset_new(arena);
    Buf out;
    buf_init(&out, 0);
    dcm_put_sequence(dataset, DCM_ReferencedImageSequence);
    assert_true(px_python_text(dataset, dcm_find(dataset, DCM_ReferencedImageSequence), &out));
    assert_string_equal(buf_cstr(&out), "[]");
    buf_clear(&out);
    for (int i = 0; i < 2; i++) {
        DcmDataset *item = dcm_add_item(dataset, DCM_ReferencedImageSequence);
        dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, "1.2.3");
        dcm_put_sequence(item, DCM_PurposeOfReferenceCodeSequence);
        dcm_put_utf8(dcm_add_item(item, DCM_PurposeOfReferenceCodeSequence), DCM_CodeValue, "121311");
    }
    assert_true(px_python_text(dataset, dcm_find(dataset, DCM_ReferencedImageSequence), &out));
    static const char item[] = "(0008, 1155) Referenced SOP Instance UID         UI: 1.2.3\n"
                               "(0040, a170)  Purpose of Reference Code Sequence  1 item(s) ---- \n"
                               "   (0008, 0100) Code Value                          SH: '121311'\n"
                               "   ---------";
    char expected[2 * sizeof item + 2];
    snprintf(expected, sizeof expected, "[%s%s]", item, item);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
    arena_free(arena);
}

static void test_what_was_not_read(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *dataset = dcm_dataset_new(arena);
    DcmElement *e = dcm_put(dataset, DCM_EncapsulatedDocument, DCM_VR_OB, SPAN(""));
    Buf out;
    buf_init(&out, 0);
    e->skipped = true;
    assert_false(px_python_text(dataset, e, &out));
    assert_int_equal(out.n, 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reals),     cmocka_unit_test(test_texts),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_sequences), cmocka_unit_test(test_what_was_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
