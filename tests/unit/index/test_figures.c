// SPDX-License-Identifier: MIT
/* Totals and the views that the monitor reads. */
#include "fixture.h"

static DcmDataset *instance(Fixture *f, const char *study, const char *series, int number,
                            const char *modality)
{
    return object_of(f->arena, DCM_PatientID, "P1", DCM_StudyInstanceUID, study, DCM_SeriesInstanceUID,
                     series, DCM_SOPInstanceUID, arena_printf(f->arena, "%s.%d", series, number),
                     DCM_Modality, modality, 0);
}

static void views_of_an_empty_archive(void **state)
{
    Fixture *f = *state;
    IdxTotals totals;
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_int_equal(totals.instances, 0);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM tools_modality"), "0");
    assert_string_equal(sql_text(f, "SELECT count(*) FROM tools_speed"), "0");
}

static void modalities(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "1.1", "1.1.1", 1, "CT"));
    store(f, instance(f, "1.1", "1.1.2", 1, "MR"));
    store(f, instance(f, "1.1", "1.1.2", 2, "MR"));
    store(f, instance(f, "1.2", "1.2.1", 1, "MR"));
    assert_string_equal(
        sql_text(f,
                 "SELECT group_concat(modality || ':' || sum_patient || ':' || sum_studies || ':' || "
                 "sum_series || ':' || sum_instance || ':' || size || ':' || sum_error) FROM tools_modality"),
        "MR:1:2:2:3:3000:0,CT:1:1:1:1:1000:0");
    sql_text(f, "UPDATE file_storage_metadata_dicom SET storage_status = 1 WHERE instance_uid = '1.1.1.1'");
    assert_string_equal(sql_text(f, "SELECT sum_error FROM tools_modality WHERE modality = 'CT'"), "1");
}

static void speed_never_divides_by_zero(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "1.1", "1.1.1", 1, "CT"));
    assert_string_equal(
        sql_text(f, "SELECT CAST(time AS BIGINT) || ',' || CAST(file IS NULL AS INTEGER) || ',' || "
                    "CAST(size IS NULL AS INTEGER) FROM tools_speed"),
        "0,1,1");
    store(f, instance(f, "1.1", "1.1.1", 2, "CT"));
    assert_string_equal(sql_text(f, "SELECT (file IS NULL) FROM tools_speed"), "1");
    DcmDataset *third = instance(f, "1.1", "1.1.1", 3, "CT");
    IdxFile file = file_of(f->arena, third);
    file.end_us += 2000000;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_put(f->index, &file, third, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_string_equal(sql_text(f, "SELECT CAST(time * 10 AS BIGINT) || ',' || CAST(file * 10 AS BIGINT) || "
                                    "',' || CAST(size * 10 AS BIGINT) FROM tools_speed"),
                        "20,15,15000");
}

static void totals_follow(void **state)
{
    Fixture *f = *state;
    IdxTotals totals;
    store(f, instance(f, "1.1", "1.1.1", 1, "CT"));
    store(f, instance(f, "1.1", "1.1.2", 1, "MR"));
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_int_equal(totals.patients, 1);
    assert_int_equal(totals.studies, 1);
    assert_int_equal(totals.series, 2);
    assert_int_equal(totals.instances, 2);
    assert_int_equal(totals.bytes, 2000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(views_of_an_empty_archive),
        TEST(modalities),
        TEST(speed_never_divides_by_zero),
        TEST(totals_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
