// SPDX-License-Identifier: MIT
/* Listings, look-ups, lists of studies and figures as the commands ask for them; taking the tables away. */
#include "fixture.h"

#include "index/tables.h"

static DcmDataset *instance(Fixture *f, const char *patient, const char *study, const char *series,
                            int number, const char *modality)
{
    return object_of(f->arena, DCM_PatientID, patient, DCM_StudyInstanceUID, study, DCM_SeriesInstanceUID,
                     series, DCM_SOPInstanceUID, arena_printf(f->arena, "%s.%d", series, number),
                     DCM_Modality, modality, 0);
}

/* Patient A: study 1.1 with a CT and an MR series; patient B: study 1.2 with a CT series. */
static void fill(Fixture *f)
{
    store(f, instance(f, "A", "1.1", "1.1.1", 1, "CT"));
    store(f, instance(f, "A", "1.1", "1.1.1", 2, "CT"));
    store(f, instance(f, "A", "1.1", "1.1.2", 1, "MR"));
    store(f, instance(f, "B", "1.2", "1.2.1", 1, "CT"));
}

static size_t column_of(Fixture *f, DcmLevel level, const char *name)
{
    size_t n;
    const IdxColumn *columns = idx_columns(idx_attributes_of(f->index), f->arena, level, &n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(columns[i].name, name))
            return i;
    fail_msg("no column %s", name);
    return 0;
}

/* The level's keys, joined by blanks. */
static const char *list(Fixture *f, const IdxListAsk *ask)
{
    size_t key = column_of(f, ask->level, idx_tables[ask->level].uid);
    IdxListing *listing = idx_list(f->index, ask, &f->err);
    const char *joined = "";
    bool row = true;
    ASSERT_OK(f, listing);
    for (;;) {
        Span value = {NULL, 0};
        ASSERT_OK(f, idx_list_next(listing, &row, &f->err));
        if (!row)
            break;
        assert_true(idx_list_value(listing, key, &value));
        joined = arena_printf(f->arena, "%s%s%.*s", joined, *joined ? " " : "", SPAN_FMT(value));
    }
    idx_list_close(listing);
    return joined;
}

static void rows_by_any_level(void **state)
{
    Fixture *f = *state;
    fill(f);
    static const struct {
        DcmLevel level, by;
        bool modality;
        const char *values[3];
        const char *expected;
    } cases[] = {
        {DCM_LEVEL_PATIENT, DCM_LEVEL_PATIENT, false, {NULL}, "A B"},
        {DCM_LEVEL_IMAGE, DCM_LEVEL_PATIENT, false, {NULL}, "1.1.1.1 1.1.1.2 1.1.2.1 1.2.1.1"},
        {DCM_LEVEL_IMAGE, DCM_LEVEL_PATIENT, false, {"B"}, "1.2.1.1"},
        {DCM_LEVEL_IMAGE, DCM_LEVEL_SERIES, false, {"1.1.1"}, "1.1.1.1 1.1.1.2"},
        {DCM_LEVEL_SERIES, DCM_LEVEL_STUDY, false, {"1.1"}, "1.1.1 1.1.2"},
        {DCM_LEVEL_PATIENT, DCM_LEVEL_SERIES, false, {"1.1.2"}, "A"},
        {DCM_LEVEL_PATIENT, DCM_LEVEL_IMAGE, false, {"1.2.1.1", "1.1.1.1"}, "A B"},
        {DCM_LEVEL_STUDY, DCM_LEVEL_STUDY, false, {"1.2", "9", "1.1"}, "1.1 1.2"},
        {DCM_LEVEL_STUDY, DCM_LEVEL_STUDY, true, {"MR"}, "1.1"},
        {DCM_LEVEL_SERIES, DCM_LEVEL_STUDY, true, {"CT"}, "1.1.1 1.2.1"},
        {DCM_LEVEL_IMAGE, DCM_LEVEL_STUDY, true, {"MR", "US"}, "1.1.2.1"},
        {DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY, true, {"CT"}, "A B"},
        {DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY, false, {"' OR 1=1"}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;
        while (n < 3 && cases[i].values[n])
            n++;
        IdxListAsk ask = {cases[i].level, cases[i].by, cases[i].modality, cases[i].values, n};
        assert_string_equal(list(f, &ask), cases[i].expected);
    }
}

static void columns_have_their_values(void **state)
{
    Fixture *f = *state;
    fill(f);
    IdxListing *listing = idx_list(f->index, &(IdxListAsk){.level = DCM_LEVEL_STUDY}, &f->err);
    bool row = false;
    Span value = {0};
    ASSERT_OK(f, listing && idx_list_next(listing, &row, &f->err));
    assert_true(row && idx_list_value(listing, column_of(f, DCM_LEVEL_STUDY, "patient_uid"), &value));
    assert_true(span_eq_cstr(value, "A"));
    assert_true(
        idx_list_value(listing, column_of(f, DCM_LEVEL_STUDY, "number_of_study_related_instances"), &value));
    assert_true(span_eq_cstr(value, "3"));
    assert_true(idx_list_value(listing, column_of(f, DCM_LEVEL_STUDY, "size"), &value));
    assert_true(span_eq_cstr(value, "3000"));
    assert_false(idx_list_value(listing, column_of(f, DCM_LEVEL_STUDY, "institution_name"), &value));
    idx_list_close(listing);
}

static void too_many_values_are_refused(void **state)
{
    Fixture *f = *state;
    static const char *values[10001];
    for (size_t i = 0; i < 10001; i++)
        values[i] = "1.2";
    IdxListAsk ask = {.level = DCM_LEVEL_STUDY, .by = DCM_LEVEL_STUDY, .values = values, .count = 10001};
    assert_null(idx_list(f->index, &ask, &f->err));
    assert_int_equal(f->err.code, ERR_LIMIT);
}

static bool join_key(void *ctx, const char *key, Err *err)
{
    buf_printf(ctx, "%s ", key);
    return true;
}

static void keys_and_their_relatives(void **state)
{
    Fixture *f = *state;
    fill(f);
    static const struct {
        DcmLevel from, to;
        const char *key, *expected;
    } cases[] = {{DCM_LEVEL_PATIENT, DCM_LEVEL_IMAGE, "A", "1.1.1.1 1.1.1.2 1.1.2.1 "},
                 {DCM_LEVEL_STUDY, DCM_LEVEL_SERIES, "1.1", "1.1.1 1.1.2 "},
                 {DCM_LEVEL_IMAGE, DCM_LEVEL_PATIENT, "1.2.1.1", "B "},
                 {DCM_LEVEL_SERIES, DCM_LEVEL_SERIES, "1.2.1", "1.2.1 "},
                 {DCM_LEVEL_STUDY, DCM_LEVEL_PATIENT, "9", ""}};
    IdxLookup *lookup = idx_lookup_open(f->index, &f->err);
    ASSERT_OK(f, lookup);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf joined;
        buf_init(&joined, 0);
        bool found = !*cases[i].expected;
        ASSERT_OK(f, idx_lookup_has(lookup, cases[i].from, cases[i].key, &found, &f->err));
        assert_int_equal(found, *cases[i].expected != 0);
        ASSERT_OK(f, idx_lookup_related(lookup, cases[i].from, cases[i].key, cases[i].to, join_key, &joined,
                                        &f->err));
        assert_string_equal(buf_cstr(&joined), cases[i].expected);
        buf_free(&joined);
    }
    idx_lookup_close(lookup);
}

static void lists_of_studies(void **state)
{
    Fixture *f = *state;
    const char *one[] = {"1.1", "1.2"}, *two[] = {"1.3"}, **studies;
    int64_t number;
    size_t n;
    assert_false(idx_study_list(f->index, f->arena, 0, &studies, &n, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    ASSERT_OK(f, idx_study_list_add(f->index, one, 2, "2026-11-21", &number, &f->err));
    assert_int_equal(number, 1);
    ASSERT_OK(f, idx_study_list_add(f->index, two, 1, "2026-11-22", &number, &f->err));
    assert_int_equal(number, 2);
    ASSERT_OK(f, idx_study_list(f->index, f->arena, 0, &studies, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(studies[0], "1.3");
    ASSERT_OK(f, idx_study_list(f->index, f->arena, 1, &studies, &n, &f->err));
    assert_int_equal(n, 2);
    assert_string_equal(studies[1], "1.2");
    assert_false(idx_study_list(f->index, f->arena, 7, &studies, &n, &f->err));
}

static void figures(void **state)
{
    Fixture *f = *state;
    IdxModality *rows;
    IdxSpeed speed;
    size_t n;
    ASSERT_OK(f, idx_modalities(f->index, f->arena, &rows, &n, &f->err));
    assert_int_equal(n, 0);
    ASSERT_OK(f, idx_speed(f->index, &speed, &f->err));
    assert_false(speed.any);
    fill(f);
    ASSERT_OK(f, idx_modalities(f->index, f->arena, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].modality, "CT");
    assert_int_equal(rows[0].patients, 2);
    assert_int_equal(rows[0].instances, 3);
    assert_int_equal(rows[0].bytes, 3000);
    ASSERT_OK(f, idx_speed(f->index, &speed, &f->err));
    assert_true(speed.any);
    assert_false(speed.measurable); /* the fixture's files all end at one moment */
}

static void the_end(void **state)
{
    Fixture *f = *state;
    fill(f);
    ASSERT_OK(f, idx_drop(f->index, &f->err));
    idx_close(f->index);
    ASSERT_OK(f, fixture_open(f));
    assert_string_equal(list(f, &(IdxListAsk){.level = DCM_LEVEL_PATIENT}), "");
    fill(f);
    assert_string_equal(list(f, &(IdxListAsk){.level = DCM_LEVEL_PATIENT}), "A B");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_by_any_level),
        TEST(columns_have_their_values),
        TEST(too_many_values_are_refused),
        TEST(keys_and_their_relatives),
        TEST(lists_of_studies),
        TEST(figures),
        TEST(the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
