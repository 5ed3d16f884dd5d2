// SPDX-License-Identifier: MIT
#include "dicom/dict.h"
#include "dicom/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void elements(void **state)
{
    const DcmDictEntry *e = dcm_dict(DCM_PatientName);
    assert_string_equal(e->keyword, "PatientName");
    assert_string_equal(e->name, "Patient's Name");
    assert_string_equal(e->vm, "1");
    assert_int_equal(e->vr, DCM_VR_PN);
    assert_int_equal(e->alternative, DCM_VR_NONE);
    assert_false(e->retired);
    e = dcm_dict(DCM_SmallestImagePixelValue);
    assert_int_equal(e->vr, DCM_VR_US);
    assert_int_equal(e->alternative, DCM_VR_SS);
    e = dcm_dict(DCM_PixelData);
    assert_int_equal(e->vr, DCM_VR_OB);
    assert_int_equal(e->alternative, DCM_VR_OW);
    assert_true(dcm_dict(DCM_TAG(0x0008, 0x0001))->retired);
}

static void repeating_groups(void **state)
{
    assert_string_equal(dcm_dict(DCM_TAG(0x6000, 0x3000))->keyword, "OverlayData");
    assert_string_equal(dcm_dict(DCM_TAG(0x601E, 0x3000))->keyword, "OverlayData");
    assert_string_equal(dcm_dict(DCM_TAG(0x5002, 0x0005))->keyword, "CurveDimensions");
    assert_string_equal(dcm_dict(DCM_TAG(0x0020, 0x3105))->keyword, "SourceImageIDs");
    assert_string_equal(dcm_dict(DCM_TAG(0x0028, 0x0420))->keyword, "RowsForNthOrderCoefficients");
    assert_string_equal(dcm_dict(DCM_TAG(0x0028, 0x0400))->keyword, "TransformLabel");
    assert_string_equal(dcm_dict(DCM_TAG(0x7FE0, 0x0010))->keyword, "PixelData");
    assert_string_equal(dcm_dict(DCM_TAG(0x7F00, 0x0010))->keyword, "VariablePixelData");
    assert_null(dcm_dict(DCM_TAG(0x6001, 0x3000)));
    assert_null(dcm_dict(DCM_TAG(0x6000, 0x3001)));
    assert_null(dcm_dict(DCM_TAG(0x0010, 0x0021) + 0x0F00));
}

static void keywords(void **state)
{
    assert_int_equal(dcm_dict_keyword(SPAN("StudyInstanceUID"))->tag, DCM_StudyInstanceUID);
    assert_int_equal(dcm_dict_keyword(SPAN("OverlayData"))->tag, DCM_OverlayData);
    assert_null(dcm_dict_keyword(SPAN("studyinstanceuid")));
    assert_null(dcm_dict_keyword(SPAN("")));
    assert_null(dcm_dict_keyword(SPAN("StudyInstanceUIDs")));
}

/* Every entry is found by its tag and by its keyword, and the order is that of the tags. */
static void the_whole_table(void **state)
{
    assert_true(dcm_dict_count() > 5000);
    for (size_t i = 0; i < dcm_dict_count(); i++) {
        const DcmDictEntry *e = dcm_dict_at(i);
        assert_true(i == 0 || dcm_dict_at(i - 1)->tag <= e->tag);
        if (e->mask == UINT32_MAX)
            assert_ptr_equal(dcm_dict(e->tag), e);
        if (*e->keyword)
            assert_string_equal(dcm_dict_keyword(span_cstr(e->keyword))->keyword, e->keyword);
    }
    assert_null(dcm_dict_at(dcm_dict_count()));
}

static void vr_for_implicit(void **state)
{
    static const struct {
        DcmTag tag;
        const char *creator;
        DcmVr vr;
    } table[] = {
        {DCM_PatientID, "", DCM_VR_LO},
        {DCM_PixelData, "", DCM_VR_OW},
        {DCM_OverlayData, "", DCM_VR_OW},
        {DCM_LUTData, "", DCM_VR_OW},
        {DCM_SmallestImagePixelValue, "", DCM_VR_US},
        {DCM_TAG(0x0008, 0x0000), "", DCM_VR_UL},
        {DCM_TAG(0x0029, 0x0000), "", DCM_VR_UL},
        {DCM_TAG(0x0029, 0x0010), "", DCM_VR_LO},
        {DCM_TAG(0x0029, 0x1010), "SIEMENS CSA HEADER", DCM_VR_OB},
        {DCM_TAG(0x0029, 0x1110), "SIEMENS CSA HEADER", DCM_VR_OB}, /* whatever the block */
        {DCM_TAG(0x0029, 0x1010), "SIEMENS CSA HEADER ", DCM_VR_OB},
        {DCM_TAG(0x0029, 0x10FE), "SIEMENS CSA HEADER", DCM_VR_UN},
        {DCM_TAG(0x0029, 0x1010), "", DCM_VR_UN},
        {DCM_TAG(0x0029, 0x1010), "NOBODY", DCM_VR_UN},
        {DCM_TAG(0x0043, 0x1027), "GEMS_PARM_01", DCM_VR_SH},
        {DCM_TAG(0x0009, 0x0002), "", DCM_VR_UN},
        {DCM_TAG(0x0010, 0x0F21), "", DCM_VR_UN},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (dcm_dict_vr(table[i].tag, span_cstr(table[i].creator)) != table[i].vr)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),        cmocka_unit_test(repeating_groups), cmocka_unit_test(keywords),
        cmocka_unit_test(the_whole_table), cmocka_unit_test(vr_for_implicit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
