// SPDX-License-Identifier: MIT
#include "fixture.h"

#include "dicom/dict.h"
#include "index/attributes.h"

static void rows_are_in_order_and_known(void **state)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        size_t n, keys = 0;
        const IdxAttribute *a = idx_attributes(&idx_base_attributes, (DcmLevel)level, &n);
        assert_true(n > 20);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(a[i].level, level);
            assert_true(i == 0 || a[i].tag > a[i - 1].tag);
            assert_non_null(dcm_dict(a[i].tag));
            assert_true((a[i].column == NULL) == (a[i].kind == IDX_KEPT));
            keys += a[i].kind == IDX_KEY;
            if (a[i].kind == IDX_KEY) {
                assert_int_equal(a[i].tag, dcm_level_unique_key((DcmLevel)level));
                assert_string_equal(a[i].column, idx_tables[level].uid);
            }
        }
        assert_int_equal(keys, 1);
    }
}

static void columns_are_different(void **state)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        size_t n;
        const IdxAttribute *a = idx_attributes(&idx_base_attributes, (DcmLevel)level, &n);
        for (size_t i = 0; i < n; i++)
            for (size_t k = i + 1; a[i].column && k < n; k++)
                assert_true(!a[k].column || strcmp(a[i].column, a[k].column) != 0);
    }
}

static void a_key_finds_its_level(void **state)
{
    static const struct {
        DcmTag tag;
        DcmLevel query, row;
    } cases[] = {
        {DCM_PatientName, DCM_LEVEL_PATIENT, DCM_LEVEL_PATIENT},
        {DCM_PatientName, DCM_LEVEL_IMAGE, DCM_LEVEL_PATIENT},
        {DCM_Modality, DCM_LEVEL_STUDY, DCM_LEVEL_SERIES},
        {DCM_SOPInstanceUID, DCM_LEVEL_PATIENT, DCM_LEVEL_IMAGE},
        {DCM_ProtocolName, DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY},
        {DCM_ProtocolName, DCM_LEVEL_STUDY, DCM_LEVEL_STUDY},
        {DCM_ProtocolName, DCM_LEVEL_SERIES, DCM_LEVEL_SERIES},
        {DCM_ProtocolName, DCM_LEVEL_IMAGE, DCM_LEVEL_SERIES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const IdxAttribute *a = idx_attribute(&idx_base_attributes, cases[i].tag, cases[i].query);
        assert_non_null(a);
        assert_int_equal(a->tag, cases[i].tag);
        assert_int_equal(a->level, cases[i].row);
    }
    assert_null(idx_attribute(&idx_base_attributes, DCM_PixelData, DCM_LEVEL_IMAGE));
    assert_null(idx_attribute(&idx_base_attributes, 0, DCM_LEVEL_IMAGE));
    assert_null(idx_attribute(&idx_base_attributes, 0xFFFFFFFF, DCM_LEVEL_PATIENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_in_order_and_known),
        cmocka_unit_test(columns_are_different),
        cmocka_unit_test(a_key_finds_its_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
