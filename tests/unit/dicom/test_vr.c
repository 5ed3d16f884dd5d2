// SPDX-License-Identifier: MIT
#include "dicom/vr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void letters_and_back(void **state)
{
    for (unsigned vr = DCM_VR_NONE + 1; vr < DCM_VR_COUNT; vr++)
        assert_int_equal(dcm_vr_parse((const uint8_t *)dcm_vr_info((DcmVr)vr)->name), vr);
    assert_int_equal(dcm_vr_parse((const uint8_t *)"UT"), DCM_VR_UT);
    static const char *const none[] = {"XX", "ut", "??", "\0\0", "OX", "[[", "@A"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(dcm_vr_parse((const uint8_t *)none[i]), DCM_VR_NONE);
}

/* PS3.5 §7.1.2: these, and no others, have a reserved field and a 32-bit length. */
static void long_lengths(void **state)
{
    static const char list[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
    for (unsigned vr = DCM_VR_NONE + 1; vr < DCM_VR_COUNT; vr++) {
        const DcmVrInfo *info = dcm_vr_info((DcmVr)vr);
        assert_int_equal(info->long_length, strstr(list, info->name) != NULL);
    }
}

static void units(void **state)
{
    static const struct {
        DcmVr vr;
        unsigned unit, swap;
    } table[] = {{DCM_VR_US, 2, 2}, {DCM_VR_SS, 2, 2}, {DCM_VR_OW, 2, 2}, {DCM_VR_UL, 4, 4},
                 {DCM_VR_SL, 4, 4}, {DCM_VR_FL, 4, 4}, {DCM_VR_OF, 4, 4}, {DCM_VR_OL, 4, 4},
                 {DCM_VR_FD, 8, 8}, {DCM_VR_OD, 8, 8}, {DCM_VR_OV, 8, 8}, {DCM_VR_SV, 8, 8},
                 {DCM_VR_UV, 8, 8}, {DCM_VR_AT, 4, 2}, {DCM_VR_OB, 1, 1}, {DCM_VR_UN, 1, 1},
                 {DCM_VR_LO, 1, 1}, {DCM_VR_SQ, 0, 0}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(dcm_vr_info(table[i].vr)->unit, table[i].unit);
        assert_int_equal(dcm_vr_swap_unit(table[i].vr), table[i].swap);
    }
}

static void text(void **state)
{
    assert_int_equal(dcm_vr_info(DCM_VR_UI)->pad, 0);
    assert_int_equal(dcm_vr_info(DCM_VR_LO)->pad, ' ');
    assert_true(dcm_vr_info(DCM_VR_PN)->charset);
    assert_false(dcm_vr_info(DCM_VR_CS)->charset);
    assert_true(dcm_vr_info(DCM_VR_CS)->text && dcm_vr_info(DCM_VR_CS)->multi);
    assert_false(dcm_vr_info(DCM_VR_LT)->multi);
    assert_false(dcm_vr_info(DCM_VR_UR)->multi);
    assert_true(dcm_vr_info(DCM_VR_UC)->multi);
    assert_int_equal(dcm_vr_info(DCM_VR_LO)->max_length, 64);
    assert_int_equal(dcm_vr_info(DCM_VR_UT)->max_length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_and_back),
        cmocka_unit_test(long_lengths),
        cmocka_unit_test(units),
        cmocka_unit_test(text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
