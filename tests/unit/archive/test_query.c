// SPDX-License-Identifier: MIT
#include "dicom/value.h"

#include "archive_fixture.h"

static Arena *arena;

static int setup(void **state)
{
    arena = arena_new(0);
    if (make_archive(state) != 0)
        return -1;
    for (int i = 0; i < 6; i++) {
        char uid[32], series[32];
        Spec spec = SPEC(uid);
        snprintf(uid, sizeof uid, "1.2.3.%d.%d", i / 2, i);
        snprintf(series, sizeof series, "1.2.3.%d", i / 2);
        spec.series = series;
        spec.patient_id = i < 4 ? "P1" : "P2";
        spec.study = i < 4 ? "1.2.3" : "1.2.4";
        store_spec(&spec);
    }
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return drop_archive(state);
}

static DcmDataset *keys_of(DcmTag tag, const char *value)
{
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, tag, value);
    return keys;
}

/* Matches as "value value …" of the level's unique key, sorted by arrival. */
static size_t count_matches(const ArcAsk *ask)
{
    Err err = {0};
    ArcQuery *query = arc_query_open(archive, ask, &err);
    if (!query)
        fail_msg("%s", err.text);
    size_t n = 0;
    IdxRow row;
    for (;; n++) {
        if (!arc_query_next(query, arena, &row, &err))
            fail_msg("%s", err.text);
        if (!row.attributes)
            break;
        assert_non_null(dcm_find(row.attributes, dcm_level_unique_key(ask->level)));
    }
    arc_query_close(query);
    return n;
}

static void test_levels(void **state)
{
    static const struct {
        DcmLevel level;
        DcmTag tag;
        const char *value;
        size_t matches;
    } cases[] = {
        {DCM_LEVEL_PATIENT, DCM_PatientID, "", 2},
        {DCM_LEVEL_PATIENT, DCM_PatientID, "P1", 1},
        {DCM_LEVEL_PATIENT, DCM_PatientID, "P*", 2},
        {DCM_LEVEL_STUDY, DCM_StudyInstanceUID, "1.2.4", 1},
        {DCM_LEVEL_STUDY, DCM_PatientID, "P1", 1},
        {DCM_LEVEL_SERIES, DCM_StudyInstanceUID, "1.2.3", 2},
        {DCM_LEVEL_SERIES, DCM_SeriesInstanceUID, "1.2.3.0\\1.2.3.2", 2},
        {DCM_LEVEL_IMAGE, DCM_SeriesInstanceUID, "1.2.3.1", 2},
        {DCM_LEVEL_IMAGE, DCM_SOPInstanceUID, "", 6}, /* no upper keys: tolerated */
        {DCM_LEVEL_IMAGE, DCM_SOPInstanceUID, "9.9", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ArcAsk ask = {.model = ARC_STUDY_ROOT, .level = cases[i].level};
        ask.keys = keys_of(cases[i].tag, cases[i].value);
        if (count_matches(&ask) != cases[i].matches)
            fail_msg("case %zu: %zu matches", i, count_matches(&ask));
        ask.model = ARC_PATIENT_ROOT;
        assert_int_equal(count_matches(&ask), cases[i].matches);
    }
}

static void test_limit(void **state)
{
    ArcAsk ask = {.level = DCM_LEVEL_IMAGE, .keys = keys_of(DCM_PatientID, ""), .limit = 4};
    assert_int_equal(count_matches(&ask), 4);
    ask.offset = 3;
    assert_int_equal(count_matches(&ask), 3);
}

static void test_model(void **state)
{
    static const struct {
        ArcModel model;
        DcmLevel level;
        bool ok;
    } cases[] = {
        {ARC_PATIENT_STUDY_ONLY, DCM_LEVEL_PATIENT, true}, {ARC_PATIENT_STUDY_ONLY, DCM_LEVEL_STUDY, true},
        {ARC_PATIENT_STUDY_ONLY, DCM_LEVEL_SERIES, false}, {ARC_PATIENT_STUDY_ONLY, DCM_LEVEL_IMAGE, false},
        {ARC_STUDY_ROOT, DCM_LEVEL_PATIENT, true},         {ARC_PATIENT_ROOT, (DcmLevel)9, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        ArcAsk ask = {.model = cases[i].model, .level = cases[i].level, .keys = keys_of(DCM_PatientID, "")};
        ArcQuery *query = arc_query_open(archive, &ask, &err);
        assert_int_equal(query != NULL, cases[i].ok);
        if (!cases[i].ok) {
            assert_int_equal(err.code, ERR_MISMATCH);
            assert_int_equal(err.dimse, 0xA900);
        }
        arc_query_close(query);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_levels), TEST(test_limit), TEST(test_model)};
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
