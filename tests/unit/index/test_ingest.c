// SPDX-License-Identifier: MIT
#include "fixture.h"

#include "base/file.h"
#include "dicom/part10.h"
#include "index/attributes.h"
#include "index/internal.h"
#include "index/replaced.h"

#define CT "1.2.840.10008.5.1.4.1.1.2"
#define SR "1.2.840.10008.5.1.4.1.1.88.11"

static DcmDataset *instance(Fixture *f, const char *patient, const char *study, const char *series,
                            const char *sop)
{
    return object_of(f->arena, DCM_PatientID, patient, DCM_PatientName, "Doe^Jane", DCM_StudyInstanceUID,
                     study, DCM_SeriesInstanceUID, series, DCM_SOPInstanceUID, sop, DCM_SOPClassUID, CT,
                     DCM_Modality, "CT", DCM_StudyDate, "20200102", 0);
}

static void assert_totals(Fixture *f, uint64_t patients, uint64_t studies, uint64_t series,
                          uint64_t instances)
{
    IdxTotals t;
    ASSERT_OK(f, idx_totals(f->index, &t, &f->err));
    assert_int_equal(t.patients, patients);
    assert_int_equal(t.studies, studies);
    assert_int_equal(t.series, series);
    assert_int_equal(t.instances, instances);
}

static void a_put_is_found(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1"));
    IdxFile file;
    ASSERT_OK(f, idx_instance(f->index, f->arena, "1.1.1.1", &file, &f->err));
    assert_string_equal(file.study, "1.1");
    assert_string_equal(file.series, "1.1.1");
    assert_string_equal(file.patient_id, "P1");
    assert_string_equal(file.sop_class, CT);
    assert_string_equal(file.path, "/data/1.1.1.1");
    assert_string_equal(file.source_ae, "TESTER");
    assert_int_equal(file.size, 1000);
    assert_int_equal(file.data_offset, 400);
    assert_int_equal(file.end_us, 1700000000500000);
    assert_totals(f, 1, 1, 1, 1);
    assert_false(idx_instance(f->index, f->arena, "1.1.1.2", &file, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
}

static void counters_follow(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int study = 1; study <= 2; study++)
        for (int series = 1; series <= 3; series++)
            for (int i = 1; i <= 4; i++)
                ASSERT_OK(f, put(f, instance(f, "P1", arena_printf(f->arena, "1.%d", study),
                                             arena_printf(f->arena, "1.%d.%d", study, series),
                                             arena_printf(f->arena, "1.%d.%d.%d", study, series, i))));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 1, 2, 6, 24);
    assert_string_equal(
        sql_text(f, "SELECT number_of_patient_related_studies || ',' || number_of_patient_related_series "
                    "|| ',' || number_of_patient_related_instances || ',' || size FROM patient"),
        "2,6,24,24000");
    assert_string_equal(
        sql_text(f, "SELECT number_of_study_related_series || ',' || number_of_study_related_instances "
                    "|| ',' || modalities_in_study || ',' || sop_classes_in_study FROM study LIMIT 1"),
        "3,12,CT," CT);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 1; i <= 4; i++)
        ASSERT_OK(f, idx_remove(f->index, arena_printf(f->arena, "1.1.1.%d", i), &f->err));
    assert_false(idx_remove(f->index, "1.1.1.1", &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 1, 2, 5, 20);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM series WHERE series_uid = '1.1.1'"), "0");
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int study = 1; study <= 2; study++)
        for (int series = study == 1 ? 2 : 1; series <= 3; series++)
            for (int i = 1; i <= 4; i++)
                ASSERT_OK(
                    f, idx_remove(f->index, arena_printf(f->arena, "1.%d.%d.%d", study, series, i), &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 0, 0, 0, 0);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM patient"), "0");
    assert_string_equal(sql_text(f, "SELECT count(*) FROM term"), "0");
    assert_string_equal(sql_text(f, "SELECT size FROM totals"), "0");
}

static void removed_and_put_in_one_transaction(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1"));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_remove(f->index, "1.1.1.1", &f->err));
    ASSERT_OK(f, put(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1")));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 1, 1, 1, 1);
    assert_string_equal(sql_text(f, "SELECT sop_classes_in_study FROM study"), CT);
}

static void sent_again_updates(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1"));
    assert_string_equal(sql_text(f, "SELECT d8maj FROM study"), "(null)");
    DcmDataset *again = instance(f, "P1", "1.1", "1.1.1", "1.1.1.1");
    dcm_put_utf8(again, DCM_StudyDescription, "Head");
    dcm_put_utf8(again, DCM_StudyDate, "20210304");
    dcm_put_utf8(again, DCM_PatientName, "Roe^Jane");
    dcm_put_utf8(again, DCM_Modality, "MR");
    dcm_put_utf8(again, DCM_SOPClassUID, SR);
    store(f, again);
    assert_totals(f, 1, 1, 1, 1);
    assert_string_equal(sql_text(f, "SELECT date_study || study_description || modalities_in_study || "
                                    "sop_classes_in_study FROM study WHERE d8maj IS NOT NULL"),
                        "20210304HeadMR" SR);
    assert_string_equal(
        sql_text(f, "SELECT patient_name || newest_study FROM patient WHERE d8maj IS NOT NULL"),
        "Roe^Jane20210304");
    assert_string_equal(sql_text(f, "SELECT d8maj IS NOT NULL FROM file_storage_metadata_dicom"), "1");
    DcmDataset *keys = object_of(f->arena, DCM_PatientName, "Doe*", 0);
    assert_int_equal(ask(f, DCM_LEVEL_PATIENT, keys, (DcmMatchOptions){0}, DCM_PatientID, NULL), 0);
    dcm_put_utf8(keys, DCM_PatientName, "Roe^Jane");
    assert_int_equal(ask(f, DCM_LEVEL_PATIENT, keys, (DcmMatchOptions){0}, DCM_PatientID, NULL), 1);
}

static void a_new_object_fills_gaps_only(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1"));
    DcmDataset *second = instance(f, "P1", "1.1", "1.1.1", "1.1.1.2");
    dcm_put_utf8(second, DCM_StudyDescription, "Head");
    dcm_put_utf8(second, DCM_StudyDate, "20210304");
    store(f, second);
    assert_string_equal(sql_text(f, "SELECT date_study || study_description FROM study"), "20200102Head");
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.3"));
    assert_string_equal(sql_text(f, "SELECT date_study || study_description FROM study"), "20200102Head");
}

/* Of slices whose times differ the first has its way, and none of them keeps a later one from filling what all lack. Sent again, one has its own. */
static void slices_that_differ(void **state)
{
    Fixture *f = *state;
    char uid[] = "1.1.1.0", time[] = "100000";
    for (char i = '1'; i <= '5'; i++) {
        uid[6] = i;
        time[5] = i;
        DcmDataset *slice = instance(f, "P1", "1.1", "1.1.1", uid);
        dcm_put_utf8(slice, DCM_StudyTime, time);
        dcm_put_utf8(slice, DCM_SeriesTime, time);
        if (i == '4')
            dcm_put_utf8(slice, DCM_AccessionNumber, "A4");
        if (i == '5')
            dcm_put_utf8(slice, DCM_AccessionNumber, "A5");
        store(f, slice);
        assert_string_equal(sql_text(f, "SELECT coalesce(accession_number, '') FROM study"),
                            i < '4' ? "" : "A4");
    }
    assert_string_equal(sql_text(f, "SELECT study_time || series_time FROM study, series"), "100001100001");
    DcmDataset *again = instance(f, "P1", "1.1", "1.1.1", "1.1.1.3");
    dcm_put_utf8(again, DCM_StudyTime, "110000");
    store(f, again);
    assert_string_equal(sql_text(f, "SELECT study_time FROM study"), "110000");
}

static void sent_again_under_another_patient_moves(void **state)
{
    Fixture *f = *state;
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1"));
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.2"));
    store(f, instance(f, "P2", "1.1", "1.1.1", "1.1.1.1"));
    assert_totals(f, 2, 2, 2, 2);
    store(f, instance(f, "P2", "1.1", "1.1.1", "1.1.1.2"));
    assert_totals(f, 1, 1, 1, 2);
    assert_string_equal(sql_text(f, "SELECT patient_uid FROM study"), "P2");
}

static void rollback_forgets(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, put(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1")));
    IdxFile file;
    ASSERT_OK(f, idx_instance_written(f->index, f->arena, "1.1.1.1", &file, &f->err));
    assert_false(idx_instance(f->index, f->arena, "1.1.1.1", &file, &f->err));
    idx_rollback(f->index);
    assert_totals(f, 0, 0, 0, 0);
    store(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1"));
    assert_totals(f, 1, 1, 1, 1);
}

static void a_failed_put_leaves_the_others(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, put(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.1")));
    assert_false(put(f, instance(f, "P9", "1.9", "", "1.9.1.1")));
    assert_int_equal(f->err.code, ERR_FORMAT);
    ASSERT_OK(f, put(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.2")));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 1, 1, 1, 2);
    assert_false(put(f, instance(f, "P1", "1.1", "1.1.1", "1.1.1.3")));
    assert_int_equal(f->err.code, ERR_USAGE);
}

static void absent_modality_is_unknown_in_the_column_only(void **state)
{
    Fixture *f = *state;
    const char *modality;
    DcmDataset *ds = instance(f, "P1", "1.1", "1.1.1", "1.1.1.1");
    dcm_remove(ds, DCM_Modality);
    store(f, ds);
    assert_string_equal(sql_text(f, "SELECT modality FROM series"), "Unknown");
    assert_string_equal(sql_text(f, "SELECT modalities_in_study FROM study"), "(null)");
    DcmDataset *keys = object_of(f->arena, DCM_Modality, "Unknown", 0);
    assert_int_equal(ask(f, DCM_LEVEL_SERIES, keys, (DcmMatchOptions){0}, DCM_Modality, NULL), 0);
    dcm_put_utf8(keys, DCM_Modality, "");
    assert_int_equal(ask(f, DCM_LEVEL_SERIES, keys, (DcmMatchOptions){0}, DCM_Modality, &modality), 1);
    assert_string_equal(modality, "");
}

static void long_values_are_cut_in_columns_and_kept(void **state)
{
    Fixture *f = *state;
    char name[400], id[400];
    const char *text;
    for (int i = 0; i < 100; i++) {
        snprintf(name + 3 * i, sizeof name - 3 * (size_t)i, "\xe5\xb1\xb1");
        snprintf(id + 3 * i, sizeof id - 3 * (size_t)i, "\xe3\x81\x82");
    }
    DcmDataset *ds = instance(f, id, "1.1", "1.1.1", "1.1.1.1");
    dcm_put_utf8(ds, DCM_PatientSex, name);
    dcm_put_utf8(ds, DCM_PatientName, name);
    dcm_put_utf8(ds, DCM_Modality, "LONGMODALITY16CH");
    store(f, ds);
    assert_string_equal(sql_text(f, "SELECT length(patient_sex) || ',' || length(patient_uid) FROM patient"),
                        "64,64");
    assert_string_equal(sql_text(f, "SELECT modality FROM series"), "LONGMODALI");
    DcmDataset *keys = object_of(f->arena, DCM_PatientID, id, DCM_PatientSex, name, DCM_PatientName, name, 0);
    assert_int_equal(ask(f, DCM_LEVEL_PATIENT, keys, (DcmMatchOptions){0}, DCM_PatientID, &text), 1);
    assert_string_equal(text, id);
    id[297] = 'x';
    id[298] = 0;
    dcm_put_utf8(keys, DCM_PatientID, id);
    assert_int_equal(ask(f, DCM_LEVEL_PATIENT, keys, (DcmMatchOptions){0}, DCM_PatientID, NULL), 0);
    keys =
        object_of(f->arena, DCM_Modality, "LONGMODALITY16CH", DCM_ModalitiesInStudy, "LONGMODALITY16CH", 0);
    assert_int_equal(ask(f, DCM_LEVEL_SERIES, keys, (DcmMatchOptions){0}, DCM_Modality, &text), 1);
    assert_string_equal(text, "LONGMODALITY16CH");
}

/* What a strict database would refuse. */
static void values_that_columns_cannot_take(void **state)
{
    Fixture *f = *state;
    DcmDataset *ds = instance(f, "P\xff", "1.1", "1.1.1", "1.1.1.1");
    dcm_put(ds, DCM_PatientID, DCM_VR_LO, SPAN("P\xff"));
    dcm_put(ds, DCM_PatientName, DCM_VR_PN, span_of("A\0B\xfe^C", 6));
    dcm_put(ds, DCM_StudyDescription, DCM_VR_LO, span_of("\xed\xa0\x80 half \xf0\x9f", 11));
    dcm_put_utf8(ds, DCM_SeriesNumber, "99999999999");
    dcm_put_utf8(ds, DCM_InstanceNumber, "-9223372036854775808");
    dcm_put_utf8(ds, DCM_StudyDate, "20200230 and more than ten");
    dcm_put_utf8(ds, DCM_StudyTime, "quarter past the hour of ten");
    IdxFile file = file_of(f->arena, ds);
    char path[1200];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = 0;
    file.path = path;
    file.source_ae = file.transfer_syntax = path + 1000;
    file.patient_id = "P\xff";
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_put(f->index, &file, ds, &f->err));
    ASSERT_OK(f, put(f, instance(f, "P", "1.1", "1.1.1", "1.1.1.2")));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 2, 2, 2, 2);
    IdxFile back;
    ASSERT_OK(f, idx_instance(f->index, f->arena, "1.1.1.1", &back, &f->err));
    assert_string_equal(back.path, path);
    assert_int_equal(strlen(back.source_ae), 64);
    DcmDataset *keys = object_of(f->arena, DCM_StudyInstanceUID, "1.1", DCM_SeriesNumber, "99999999999", 0);
    assert_int_equal(ask(f, DCM_LEVEL_SERIES, keys, (DcmMatchOptions){0}, DCM_SeriesNumber, NULL), 1);
    /* Sent again it is the same. */
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_put(f->index, &file, ds, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_totals(f, 2, 2, 2, 2);
}

static void notes_are_kept(void **state)
{
    Fixture *f = *state;
    const char *value;
    ASSERT_OK(f, idx_note_get(f->index, f->arena, "clean-stop", &value, &f->err));
    assert_string_equal(value, "");
    assert_false(idx_note_set(f->index, "clean-stop", "1", &f->err));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_note_set(f->index, "clean-stop", "1", &f->err));
    ASSERT_OK(f, idx_note_set(f->index, "clean-stop", "2", &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    idx_close(f->index);
    ASSERT_OK(f, fixture_open(f));
    ASSERT_OK(f, idx_note_get(f->index, f->arena, "clean-stop", &value, &f->err));
    assert_string_equal(value, "2");
}

/* -- chance -- */

enum { CHANGES = 3000 };

static uint64_t chance_state = 0x9E3779B97F4A7C15u;

static uint32_t chance(uint32_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 32) % below;
}

/* One of 3 x 3 x 3 x 6 objects; an instance keeps its UID under another series now and then. */
static DcmDataset *random_instance(Fixture *f)
{
    static const char *const modalities[] = {"CT", "MR", "CT\\PT", ""}, *const classes[] = {CT, SR};
    static const char *const dates[] = {"20200101", "20210101", "20220101", "", "broken"};
    int patient = (int)chance(3), study = (int)chance(3), series = (int)chance(3), i = (int)chance(6);
    int from = chance(20) ? series : (int)chance(3);
    DcmDataset *ds =
        instance(f, arena_printf(f->arena, "P%d", patient), arena_printf(f->arena, "1.%d.%d", patient, study),
                 arena_printf(f->arena, "1.%d.%d.%d", patient, study, series),
                 arena_printf(f->arena, "1.%d.%d.%d.%d", patient, study, from, i));
    dcm_put_utf8(ds, DCM_Modality, modalities[chance(4)]);
    dcm_put_utf8(ds, DCM_SOPClassUID, classes[chance(2)]);
    dcm_put_utf8(ds, DCM_StudyDate, dates[chance(5)]);
    dcm_put_utf8(ds, DCM_AccessionNumber, arena_printf(f->arena, "A%u", chance(4)));
    return ds;
}

static void random_change(Fixture *f)
{
    DcmDataset *ds = random_instance(f);
    IdxFile file = file_of(f->arena, ds);
    file.size = 100 + chance(100);
    if (chance(3))
        ASSERT_OK(f, idx_put(f->index, &file, ds, &f->err));
    else if (!idx_remove(f->index, file.sop_instance, &f->err))
        assert_int_equal(f->err.code, ERR_NOT_FOUND);
}

/* Each counts rows that say something else than the rows below them. */
static const char *const contradictions[] = {
    "SELECT count(*) FROM series e WHERE number_of_series_related_instances <> (SELECT count(*) FROM "
    "file_storage_metadata_dicom i WHERE i.series_id = e.series_id) OR size <> (SELECT total(filesize) FROM "
    "file_storage_metadata_dicom i WHERE i.series_id = e.series_id) OR number_of_series_related_instances = "
    "0",
    "SELECT count(*) FROM study s WHERE number_of_study_related_series <> (SELECT count(*) FROM series e "
    "WHERE "
    "e.study_id = s.study_id) OR number_of_study_related_instances <> (SELECT count(*) FROM "
    "file_storage_metadata_dicom "
    "i WHERE i.study_id = s.study_id) OR size <> (SELECT total(size) FROM series e WHERE e.study_id = "
    "s.study_id) OR "
    "number_of_study_related_instances = 0",
    "SELECT count(*) FROM patient p WHERE number_of_patient_related_studies <> (SELECT count(*) FROM study s "
    "WHERE "
    "s.patient_id = p.patient_id) OR number_of_patient_related_series <> (SELECT count(*) FROM series e "
    "WHERE "
    "e.patient_id = p.patient_id) OR number_of_patient_related_instances <> (SELECT count(*) FROM "
    "file_storage_metadata_dicom i WHERE i.patient_id = p.patient_id) OR size <> (SELECT total(size) FROM "
    "study s WHERE "
    "s.patient_id = p.patient_id)",
    "SELECT count(*) FROM patient p WHERE newest_study IS DISTINCT FROM (SELECT max(date_study) FROM study s "
    "WHERE "
    "s.patient_id = "
    "p.patient_id)",
    "SELECT count(*) FROM totals WHERE patients <> (SELECT count(*) FROM patient) OR studies <> (SELECT "
    "count(*) FROM "
    "study) OR series <> (SELECT count(*) FROM series) OR instances <> (SELECT count(*) FROM "
    "file_storage_metadata_dicom) OR size <> (SELECT total(filesize) FROM file_storage_metadata_dicom)",
    /* every class is listed, and nothing else */
    "SELECT count(*) FROM study s WHERE (SELECT total(length(sop_class_uid) + 1) FROM (SELECT DISTINCT "
    "sop_class_uid FROM "
    "file_storage_metadata_dicom i WHERE i.study_id = s.study_id) AS classes) <> "
    "length(sop_classes_in_study) + 1 OR "
    "EXISTS (SELECT 1 "
    "FROM file_storage_metadata_dicom i WHERE i.study_id = s.study_id AND instr(sop_classes_in_study, "
    "sop_class_uid) = 0)",
    "SELECT count(*) FROM study s WHERE EXISTS (SELECT 1 FROM series e WHERE e.study_id = s.study_id AND "
    "e.modality IN "
    "('CT', 'MR') AND instr(modalities_in_study, modality) = 0) OR (instr(modalities_in_study, 'MR') > 0 AND "
    "NOT EXISTS "
    "(SELECT 1 FROM series e WHERE e.study_id = s.study_id AND e.modality = 'MR'))",
    /* terms: one PatientID per patient, one accession number per study, none of rows that are gone */
    "SELECT (SELECT count(*) FROM term WHERE attribute = 1048608) <> (SELECT count(*) FROM patient)",
    "SELECT count(*) FROM study s WHERE (SELECT group_concat(value) FROM term WHERE attribute = 524368 "
    "AND id = "
    "study_id) IS DISTINCT FROM lower(accession_number)",
    "SELECT count(*) FROM term WHERE attribute = 524368 AND id NOT IN (SELECT study_id FROM study)",
};

static void assert_no_contradiction(Fixture *f)
{
    for (size_t i = 0; i < sizeof contradictions / sizeof *contradictions; i++) {
        const char *n = sql_text(f, contradictions[i]);
        if (strcmp(n, "0") != 0)
            fail_msg("%s of\n%s", n, contradictions[i]);
    }
}

/* Some that come, some that do not, some twice. */
static void expect_some(Fixture *f)
{
    IdxFile files[20];
    const IdxFile *expected[20];
    for (int i = 0; i < 20; i++) {
        files[i] = file_of(f->arena, random_instance(f));
        expected[i] = &files[i];
        if (chance(10) == 0)
            files[i].study = files[i].series = files[i].patient_id = NULL;
    }
    ASSERT_OK(f, idx_expect(f->index, expected, chance(20), &f->err));
}

static void random_changes_leave_no_contradiction(void **state)
{
    Fixture *f = *state;
    for (int done = 0; done < CHANGES;) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        if (chance(2))
            expect_some(f);
        for (uint32_t n = 1 + chance(chance(2) ? 3 : 40); n > 0; n--, done++)
            random_change(f);
        if (chance(8) == 0)
            idx_rollback(f->index);
        else
            ASSERT_OK(f, idx_commit(f->index, &f->err));
        if (chance(4) == 0)
            assert_no_contradiction(f);
    }
    assert_no_contradiction(f);
    if (on_postgres(f))
        return;
    assert_int_equal(strcmp(sql_text(f, "PRAGMA integrity_check"), "ok"), 0);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM pragma_foreign_key_check"), "0");
}

/* -- real files -- */

typedef struct RealFiles {
    Fixture *f;
    int put, compared;
} RealFiles;

static void compare_answer(RealFiles *r, const DcmDataset *object, const char *path)
{
    Arena *arena = r->f->arena;
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_copy(keys, object, dcm_find(object, DCM_SOPInstanceUID));
    IdxQuery query = {.level = DCM_LEVEL_IMAGE, .keys = keys, .all_attributes = true};
    IdxCursor *cursor = idx_query(r->f->index, &query, &r->f->err);
    IdxRow row;
    ASSERT_OK(r->f, cursor && idx_next(cursor, arena, &row, &r->f->err));
    assert_non_null(row.attributes);
    for (size_t i = 0; i < row.attributes->count; i++) {
        const DcmElement *e = &row.attributes->elements[i];
        const DcmElement *original = dcm_find(object, e->tag);
        const IdxAttribute *a = idx_attribute(&idx_base_attributes, e->tag, DCM_LEVEL_IMAGE);
        /* Parents speak for all objects of the test; the instance speaks for itself. */
        if (!a || a->level != DCM_LEVEL_IMAGE || !original || e->vr == DCM_VR_SQ)
            continue;
        const char *ours = dcm_element_text_all(arena, row.attributes, e);
        const char *theirs = dcm_element_text_all(arena, object, original);
        if (strcmp(ours, theirs) != 0)
            fail_msg("%s (%08x): '%s' for '%s'", path, (unsigned)e->tag, ours, theirs);
        r->compared++;
    }
    idx_cursor_free(cursor);
}

static bool put_real_file(void *ctx, const char *path, Err *err)
{
    RealFiles *r = ctx;
    Arena *arena = arena_new(0);
    Buf bytes;
    char uid[65];
    buf_init(&bytes, 0);
    DcmDataset *object = NULL;
    if (file_read_all(path, 64 << 20, &bytes, NULL))
        object =
            dcm_file_parse(arena, buf_span(&bytes),
                           &(DcmReadOptions){.stop_before = DCM_PixelData, .max_value = 65536}, NULL, NULL);
    if (object && dcm_uid(object, DCM_SOPInstanceUID, uid) && dcm_uid(object, DCM_StudyInstanceUID, uid) &&
        dcm_uid(object, DCM_SeriesInstanceUID, uid)) {
        ASSERT_OK(r->f, idx_begin(r->f->index, &r->f->err));
        if (!put(r->f, object))
            fail_msg("%s: %s", path, r->f->err.text);
        ASSERT_OK(r->f, idx_commit(r->f->index, &r->f->err));
        compare_answer(r, object, path);
        r->put++;
    }
    buf_free(&bytes);
    arena_free(arena);
    return true;
}

static void real_files_come_back_as_they_are(void **state)
{
    Fixture *f = *state;
    RealFiles r = {.f = f};
    ASSERT_OK(f, file_walk(getenv("GANTRY_TEST_DATA"), true, put_real_file, &r, &f->err));
    print_message("%d files, %d values\n", r.put, r.compared);
    assert_true(r.put > 50);
}

/* When the disk is full SQLite may undo the whole transaction: what comes after must not be stored alone, nor the commit succeed. */
static void a_transaction_undone_stays_undone(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip(); /* what SQLite does */
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, db_exec(f->index->writer, "PRAGMA max_page_count=1", &f->err)); /* no more than now */
    bool going = true;
    for (int i = 0; going && i < 10000; i++)
        going = put(f, instance(f, "P1", "1", "1.1", arena_printf(f->arena, "1.1.%d", i)));
    assert_false(going);
    assert_int_equal(f->err.code, ERR_NO_SPACE);
    assert_false(put(f, instance(f, "P2", "2", "2.1", "2.1.1")));
    assert_false(idx_commit(f->index, &f->err));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom"), "0");
    assert_totals(f, 0, 0, 0, 0);
    ASSERT_OK(f, db_exec(f->index->writer, "PRAGMA max_page_count=1000000", &f->err));
    store(f, instance(f, "P2", "2", "2.1", "2.1.1"));
    assert_totals(f, 1, 1, 1, 1);
}

/* Full in the midst of an object, of which something was written: whatever is written next says so. */
static void a_transaction_undone_says_why(void **state)
{
    Fixture *f = *state;
    bool midst = false;
    if (on_postgres(f))
        skip(); /* what SQLite does */
    for (int i = 0; !midst && i < 100; i++) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        ASSERT_OK(f, db_exec(f->index->writer, "PRAGMA max_page_count=1", &f->err)); /* no more than now */
        for (int k = 0; db_in_transaction(f->index->writer) && k < 10000; k++) {
            const char *id = arena_printf(f->arena, "1.%d.%d", i, k);
            midst = put(f, instance(f, id, id, id, id));
        }
        if (midst) {
            assert_false(idx_replaced_forget(f->index, NULL, 0, &f->err));
            assert_int_equal(f->err.code, ERR_NO_SPACE);
        }
        idx_rollback(f->index);
        ASSERT_OK(f, db_exec(f->index->writer, "PRAGMA max_page_count=1000000", &f->err));
        const char *id = arena_printf(f->arena, "2.%d", i);
        store(f, instance(f, id, id, id, id)); /* to meet the end elsewhere next time */
    }
    assert_true(midst);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_is_found),
        TEST(counters_follow),
        TEST(removed_and_put_in_one_transaction),
        TEST(sent_again_updates),
        TEST(a_new_object_fills_gaps_only),
        TEST(slices_that_differ),
        TEST(sent_again_under_another_patient_moves),
        TEST(rollback_forgets),
        TEST(a_failed_put_leaves_the_others),
        TEST(a_transaction_undone_stays_undone),
        TEST(a_transaction_undone_says_why),
        TEST(absent_modality_is_unknown_in_the_column_only),
        TEST(long_values_are_cut_in_columns_and_kept),
        TEST(values_that_columns_cannot_take),
        TEST(notes_are_kept),
        TEST(random_changes_leave_no_contradiction),
        TEST(real_files_come_back_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
