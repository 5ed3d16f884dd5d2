// SPDX-License-Identifier: MIT
/* Annotations: rows of two tables, on both drivers. */
#include "index/annotations.h"

#include "fixture.h"

static void store_instance(Fixture *f)
{
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", 0));
}

static IdxAnnotation annotation_of(const char *uid, const char *source, DcmLevel level)
{
    IdxAnnotation a = {.uid = uid,
                       .source = source,
                       .level = level,
                       .path = "/notes/2.25.1",
                       .media_type = "text/plain",
                       .name = "größe.txt",
                       .author = "jane",
                       .size = 5000000000,
                       .begin_us = 1700000000000000,
                       .end_us = 1700000000500000};
    memset(a.sha256, 0xAB, sizeof a.sha256);
    return a;
}

static bool put_annotation(Fixture *f, const IdxAnnotation *a)
{
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    bool ok = idx_annotation_put(f->index, a, &f->err);
    if (ok)
        ASSERT_OK(f, idx_commit(f->index, &f->err));
    else
        idx_rollback(f->index);
    return ok;
}

static size_t list(Fixture *f, const char *source, DcmLevel level, uint64_t limit, uint64_t offset,
                   IdxAnnotation **out)
{
    size_t n = 99;
    IdxAnnotationAsk ask = {.source = source, .level = level, .limit = limit, .offset = offset};
    ASSERT_OK(f, idx_annotations(f->index, f->arena, &ask, out, &n, &f->err));
    return n;
}

static void names_of_levels(void **state)
{
    DcmLevel level;
    assert_true(idx_annotation_level(SPAN("InStance"), &level));
    assert_int_equal(level, DCM_LEVEL_IMAGE);
    assert_true(idx_annotation_level(SPAN("SERIES"), &level));
    assert_int_equal(level, DCM_LEVEL_SERIES);
    assert_true(idx_annotation_level(SPAN("study"), &level));
    assert_int_equal(level, DCM_LEVEL_STUDY);
    assert_false(idx_annotation_level(SPAN("patient"), &level));
    assert_false(idx_annotation_level(SPAN("stud"), &level));
    assert_false(idx_annotation_level(SPAN(""), &level));
    assert_string_equal(idx_annotation_level_name(DCM_LEVEL_IMAGE), "instance");
}

static void what_is_put_comes_back(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    IdxAnnotation a = annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_IMAGE), b;
    ASSERT_OK(f, put_annotation(f, &a));
    ASSERT_OK(f, idx_annotation(f->index, f->arena, "2.25.1", &b, &f->err));
    assert_string_equal(b.uid, "2.25.1");
    assert_string_equal(b.source, "1.1.1.1");
    assert_int_equal(b.level, DCM_LEVEL_IMAGE);
    assert_string_equal(b.path, a.path);
    assert_string_equal(b.media_type, "text/plain");
    assert_string_equal(b.name, "größe.txt");
    assert_string_equal(b.author, "jane");
    assert_int_equal(b.size, 5000000000);
    assert_memory_equal(b.sha256, a.sha256, sizeof a.sha256);
    assert_int_equal(b.begin_us, a.begin_us);
    assert_int_equal(b.end_us, a.end_us);
    assert_string_equal(
        sql_text(f, "SELECT f.storage_method || f.storage_status || ',' || m.uid_dicom_source || ',' || "
                    "level_dicom_source || ',' || i.instance_uid FROM mapping_annotation m JOIN "
                    "file_storage_metadata_annotation f ON f.uid_annotation = m.uid_annotation JOIN "
                    "file_storage_metadata_dicom i ON i.file_storage_metadata_dicom_id = "
                    "m.file_storage_metadata_dicom_id"),
        "api_annotation0,1.1.1.1,instance,1.1.1.1");
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom"), "1");
}

static void lists(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    IdxAnnotation all[] = {annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_IMAGE),
                           annotation_of("2.25.2", "1.1.1", DCM_LEVEL_SERIES),
                           annotation_of("2.25.3", "1.1", DCM_LEVEL_STUDY),
                           annotation_of("2.25.4", "1.1.1.1", DCM_LEVEL_IMAGE)};
    IdxAnnotation *found;
    for (int i = 0; i < 4; i++)
        ASSERT_OK(f, put_annotation(f, &all[i]));
    assert_int_equal(list(f, NULL, DCM_LEVEL_PATIENT, 100, 0, &found), 4);
    assert_string_equal(found[3].uid, "2.25.4");
    assert_int_equal(list(f, "1.1.1.1", DCM_LEVEL_PATIENT, 100, 0, &found), 2);
    assert_int_equal(list(f, "1.1.1.1", DCM_LEVEL_STUDY, 100, 0, &found), 0);
    assert_int_equal(list(f, NULL, DCM_LEVEL_STUDY, 100, 0, &found), 1);
    assert_string_equal(found[0].source, "1.1");
    assert_int_equal(list(f, NULL, DCM_LEVEL_PATIENT, 2, 1, &found), 2);
    assert_string_equal(found[0].uid, "2.25.2");
    assert_string_equal(found[1].uid, "2.25.3");
    assert_int_equal(list(f, "' OR 1=1 --", DCM_LEVEL_PATIENT, 2, 0, &found), 0);
}

static void sources_that_are_not_there(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    IdxAnnotation unknown = annotation_of("2.25.1", "1.1.1.2", DCM_LEVEL_IMAGE),
                  other_level = annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_SERIES);
    assert_false(put_annotation(f, &unknown));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    assert_false(put_annotation(f, &other_level));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM mapping_annotation"), "0");
    assert_false(idx_annotation(f->index, f->arena, "2.25.1", &unknown, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
}

static void a_uid_is_taken_once(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    IdxAnnotation a = annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_IMAGE),
                  b = annotation_of("2.25.1", "1.1.1", DCM_LEVEL_SERIES);
    ASSERT_OK(f, put_annotation(f, &a));
    assert_false(put_annotation(f, &b));
    assert_int_equal(f->err.code, ERR_EXISTS);
    assert_string_equal(sql_text(f, "SELECT level_dicom_source FROM mapping_annotation"), "instance");
}

static void removing(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    IdxAnnotation a = annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_IMAGE);
    ASSERT_OK(f, put_annotation(f, &a));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    assert_false(idx_annotation_remove(f->index, "2.25.2", &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
    ASSERT_OK(f, idx_annotation_remove(f->index, "2.25.1", &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM mapping_annotation"), "0");
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_annotation"), "0");
}

/* The instance may come again, from the trash or from its sender. */
static void it_outlives_its_instance(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    IdxAnnotation a = annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_IMAGE), *found;
    ASSERT_OK(f, put_annotation(f, &a));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_remove(f->index, "1.1.1.1", &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_int_equal(list(f, "1.1.1.1", DCM_LEVEL_IMAGE, 10, 0, &found), 1);
    assert_string_equal(sql_text(f, "SELECT file_storage_metadata_dicom_id IS NULL FROM mapping_annotation"),
                        "1");
}

static void texts_that_are_too_long(void **state)
{
    Fixture *f = *state;
    store_instance(f);
    char name[700];
    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xC3\xA9", 3);
    IdxAnnotation a = annotation_of("2.25.1", "1.1.1.1", DCM_LEVEL_IMAGE), b;
    a.name = name;
    ASSERT_OK(f, put_annotation(f, &a));
    ASSERT_OK(f, idx_annotation(f->index, f->arena, "2.25.1", &b, &f->err));
    assert_int_equal(strlen(b.name), 510);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_levels), TEST(what_is_put_comes_back),  TEST(lists),
        TEST(sources_that_are_not_there),  TEST(a_uid_is_taken_once),     TEST(removing),
        TEST(it_outlives_its_instance),    TEST(texts_that_are_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
