// SPDX-License-Identifier: MIT
#include "base/clock.h"
#include "fixture.h"

/* P1: study 1.1 (series 1.1.1, 1.1.2), study 1.2; P2: study 2.1. Three objects each, put in reverse of their numbers. */
static int fill(void **state)
{
    if (fixture_setup(state))
        return -1;
    Fixture *f = *state;
    static const struct {
        const char *patient, *study, *series, *number;
    } series[] = {{"P1", "1.1", "1.1.1", "2"},
                  {"P1", "1.1", "1.1.2", "1"},
                  {"P1", "1.2", "1.2.1", "1"},
                  {"P2", "2.1", "2.1.1", "1"}};
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int s = 0; s < 4; s++)
        for (int i = 3; i >= 1; i--)
            ASSERT_OK(f, put(f, object_of(f->arena, DCM_PatientID, series[s].patient, DCM_StudyInstanceUID,
                                          series[s].study, DCM_SeriesInstanceUID, series[s].series,
                                          DCM_SeriesNumber, series[s].number, DCM_SOPInstanceUID,
                                          arena_printf(f->arena, "%s.%d", series[s].series, i),
                                          DCM_InstanceNumber, arena_printf(f->arena, "%d", i), 0)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    return 0;
}

static const char *selected(Fixture *f, const IdxSelection *selection)
{
    IdxFiles *files = idx_select(f->index, selection, &f->err);
    ASSERT_OK(f, files);
    const char *list = "";
    uint64_t n = 0, objects, bytes;
    for (;; n++) {
        IdxFile file;
        ASSERT_OK(f, idx_files_next(files, f->arena, &file, &f->err));
        if (!file.sop_instance)
            break;
        list = arena_printf(f->arena, "%s%s%s", list, *list ? " " : "", file.sop_instance);
    }
    idx_files_free(files);
    ASSERT_OK(f, idx_select_count(f->index, selection, &objects, &bytes, &f->err));
    assert_int_equal(objects, n);
    assert_int_equal(bytes, n * 1000);
    return list;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__})

static void selections(void **state)
{
    Fixture *f = *state;
    assert_string_equal(selected(f, &(IdxSelection){0}), "");
    assert_string_equal(selected(f, &(IdxSelection){.studies = LIST("1.1"), .study_count = 1}),
                        "1.1.2.1 1.1.2.2 1.1.2.3 1.1.1.1 1.1.1.2 1.1.1.3");
    assert_string_equal(selected(f, &(IdxSelection){.patient_ids = LIST("P2"), .patient_count = 1}),
                        "2.1.1.1 2.1.1.2 2.1.1.3");
    assert_string_equal(selected(f, &(IdxSelection){.patient_ids = LIST("p2"), .patient_count = 1}), "");
    assert_string_equal(selected(f, &(IdxSelection){.patient_ids = LIST("P1"),
                                                    .patient_count = 1,
                                                    .studies = LIST("2.1"),
                                                    .study_count = 1}),
                        "");
    assert_string_equal(
        selected(f, &(IdxSelection){.series = LIST("1.1.2", "2.1.1", "9.9"), .series_count = 3}),
        "1.1.2.1 1.1.2.2 1.1.2.3 2.1.1.1 2.1.1.2 2.1.1.3");
    assert_string_equal(
        selected(f, &(IdxSelection){.instances = LIST("1.2.1.3", "1.2.1.1", "it's \"quoted\""),
                                    .instance_count = 3}),
        "1.2.1.1 1.2.1.3");
    assert_string_equal(selected(f, &(IdxSelection){.studies = LIST("1.1"),
                                                    .study_count = 1,
                                                    .instances = LIST("1.1.1.2", "1.2.1.1"),
                                                    .instance_count = 2}),
                        "1.1.1.2");
    const char *all = selected(f, &(IdxSelection){.everything = true});
    assert_int_equal(strlen(all), 12 * 8 - 1);
    const char *many[3000];
    for (int i = 0; i < 3000; i++)
        many[i] = arena_printf(f->arena, "1.2.1.%d", i);
    assert_string_equal(selected(f, &(IdxSelection){.instances = many, .instance_count = 3000}),
                        "1.2.1.1 1.2.1.2 1.2.1.3");
}

static void removed_meanwhile_is_left_out(void **state)
{
    Fixture *f = *state;
    IdxFiles *files =
        idx_select(f->index, &(IdxSelection){.studies = LIST("1.2"), .study_count = 1}, &f->err);
    IdxFile file;
    ASSERT_OK(f, files && idx_files_next(files, f->arena, &file, &f->err));
    assert_string_equal(file.sop_instance, "1.2.1.1");
    assert_int_equal(file.number, 1);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_remove(f->index, "1.2.1.2", &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    clock_sleep_ms(100); /* what is read ahead is good for a moment only */
    ASSERT_OK(f, idx_files_next(files, f->arena, &file, &f->err));
    assert_string_equal(file.sop_instance, "1.2.1.3");
    ASSERT_OK(f, idx_files_next(files, f->arena, &file, &f->err));
    assert_null(file.sop_instance);
    idx_files_free(files);
}

/* However fast it is read, each object comes once, in order. */
static void at_any_pace(void **state)
{
    Fixture *f = *state;
    enum { ALL = 12 };
    static const bool pauses[ALL] = {[1] = true, [2] = true, [5] = true, [6] = true, [7] = true};
    char *first[ALL];
    IdxFile file;
    IdxFiles *files = idx_select(f->index, &(IdxSelection){.everything = true}, &f->err);
    ASSERT_OK(f, files);
    for (int i = 0; i < ALL; i++) {
        ASSERT_OK(f, idx_files_next(files, f->arena, &file, &f->err));
        first[i] = arena_strdup(f->arena, file.sop_instance);
    }
    idx_files_rewind(files);
    for (int i = 0; i < ALL; i++) {
        ASSERT_OK(f, idx_files_next(files, f->arena, &file, &f->err));
        assert_string_equal(file.sop_instance, first[i]);
        if (pauses[i])
            clock_sleep_ms(30);
    }
    ASSERT_OK(f, idx_files_next(files, f->arena, &file, &f->err));
    assert_null(file.sop_instance);
    idx_files_free(files);
}

static void lists_have_a_limit(void **state)
{
    Fixture *f = *state;
    static const char *many[10001];
    for (int i = 0; i <= 10000; i++)
        many[i] = "1.2.3";
    assert_null(idx_select(f->index, &(IdxSelection){.studies = many, .study_count = 10001}, &f->err));
    assert_int_equal(f->err.code, ERR_LIMIT);
}

static const char *stamp_of(Fixture *f, const char *study, const char *series)
{
    Buf text;
    buf_init(&text, 0);
    IdxSelection selection = {
        .studies = &study, .study_count = 1, .series = &series, .series_count = series != NULL};
    ASSERT_OK(f, idx_stamp(f->index, &selection, &text, &f->err));
    const char *copy = arena_strdup(f->arena, buf_cstr(&text));
    buf_free(&text);
    return copy;
}

static DcmDataset *first_object(Fixture *f)
{
    return object_of(f->arena, DCM_PatientID, "P1", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                     "1.1.1", DCM_SeriesNumber, "2", DCM_SOPInstanceUID, "1.1.1.1", DCM_InstanceNumber, "1",
                     0);
}

/* Another one after each change, even when an object takes the place of one of the same size; the same while nothing changes. */
static void stamps(void **state)
{
    Fixture *f = *state;
    const char *other = stamp_of(f, "1.1", "1.1.2"), *whole = stamp_of(f, "1.1", NULL),
               *before = stamp_of(f, "1.1", "1.1.1"), *after;
    assert_string_not_equal(before, "");
    assert_string_equal(stamp_of(f, "1.1", "1.1.1"), before);
    assert_string_equal(stamp_of(f, "1.1", "2.1.1"), "");
    for (int change = 0; change < 2; change++, before = after) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        ASSERT_OK(f, change == 0 ? put(f, first_object(f)) : idx_remove(f->index, "1.1.1.1", &f->err));
        ASSERT_OK(f, idx_commit(f->index, &f->err));
        after = stamp_of(f, "1.1", "1.1.1");
        assert_string_not_equal(after, before);
        assert_string_not_equal(after, "");
        assert_string_not_equal(stamp_of(f, "1.1", NULL), whole);
        assert_string_equal(stamp_of(f, "1.1", "1.1.2"), other);
    }
}

/* One question for several: each in its place, one that comes twice twice. */
static void several_at_once(void **state)
{
    Fixture *f = *state;
    static const char *const uids[] = {"2.1.1.1", "no such", "1.2.1.3", "", "2.1.1.1", "1.2.1.2"};
    IdxFile files[6];
    ASSERT_OK(f, idx_instances(f->index, f->arena, uids, 6, files, &f->err));
    for (int i = 0; i < 6; i++) {
        IdxFile one;
        bool there = idx_instance(f->index, f->arena, uids[i], &one, &f->err);
        assert_int_equal(files[i].sop_instance != NULL, there);
        if (!there)
            continue;
        assert_string_equal(files[i].sop_instance, uids[i]);
        assert_string_equal(files[i].path, one.path);
        assert_string_equal(files[i].series, one.series);
    }
    assert_null(files[1].sop_instance);
    assert_non_null(files[4].sop_instance);
    ASSERT_OK(f, idx_instances(f->index, f->arena, NULL, 0, NULL, &f->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(selections),
        cmocka_unit_test(at_any_pace),
        cmocka_unit_test(lists_have_a_limit),
        cmocka_unit_test(removed_meanwhile_is_left_out),
        cmocka_unit_test(stamps),
    };
    return cmocka_run_group_tests(tests, fill, fixture_teardown);
}
