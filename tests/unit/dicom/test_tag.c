// SPDX-License-Identifier: MIT
#include "dicom/tag.h"
#include "dicom/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void constants_are_those_of_the_standard(void **state)
{
    assert_int_equal(DCM_PatientID, DCM_TAG(0x0010, 0x0020));
    assert_int_equal(DCM_PixelData, DCM_TAG(0x7FE0, 0x0010));
    assert_int_equal(DCM_AffectedSOPClassUID, DCM_TAG(0x0000, 0x0002));
    assert_int_equal(DCM_OverlayData, DCM_TAG(0x6000, 0x3000));
    assert_int_equal(DCM_SequenceDelimitationItem, DCM_TAG(0xFFFE, 0xE0DD));
}

static void parts(void **state)
{
    assert_int_equal(DCM_TAG_GROUP(DCM_PixelData), 0x7FE0);
    assert_int_equal(DCM_TAG_ELEMENT(DCM_PixelData), 0x0010);
    assert_true(DCM_TAG_IS_PRIVATE(DCM_TAG(0x0029, 0x1010)));
    assert_false(DCM_TAG_IS_PRIVATE(DCM_PatientID));
    assert_true(DCM_TAG_IS_CREATOR(DCM_TAG(0x0029, 0x0010)));
    assert_true(DCM_TAG_IS_CREATOR(DCM_TAG(0x0029, 0x00FF)));
    assert_false(DCM_TAG_IS_CREATOR(DCM_TAG(0x0029, 0x0100)));
    assert_false(DCM_TAG_IS_CREATOR(DCM_TAG(0x0029, 0x000F)));
    assert_false(DCM_TAG_IS_CREATOR(DCM_TAG(0x0028, 0x0010)));
}

static void formats(void **state)
{
    char text[12], hex[9];
    assert_string_equal(dcm_tag_format(DCM_PixelData, text), "(7fe0,0010)");
    assert_string_equal(dcm_tag_hex(DCM_PixelData, hex), "7FE00010");
    assert_string_equal(dcm_tag_hex(0, hex), "00000000");
}

static void parses(void **state)
{
    static const struct {
        const char *text;
        DcmTag tag;
    } good[] = {
        {"00100020", DCM_PatientID},    {"0010,0020", DCM_PatientID},
        {"(0010,0020)", DCM_PatientID}, {"PatientID", DCM_PatientID},
        {" PatientID ", DCM_PatientID}, {"7fe00010", DCM_PixelData},
        {"(7FE0,0010)", DCM_PixelData}, {"00000000", 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        DcmTag tag = 1;
        if (!dcm_tag_parse(span_cstr(good[i].text), &tag) || tag != good[i].tag)
            fail_msg("%s", good[i].text);
    }
    static const char *const bad[] = {"",           "0010",       "001000200",  "0010002G",
                                      "00,100020",  "(0010,0020", "patientid",  "PatientIDs",
                                      "0010,,0020", "0010,0020,", "(PatientID)"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        DcmTag tag = 77;
        if (dcm_tag_parse(span_cstr(bad[i]), &tag) || tag != 77)
            fail_msg("%s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_those_of_the_standard),
        cmocka_unit_test(parts),
        cmocka_unit_test(formats),
        cmocka_unit_test(parses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
