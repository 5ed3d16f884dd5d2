// SPDX-License-Identifier: MIT
/* Rows in bulk: what large groups write is what the same objects write one by one, and what cannot be written fails as a whole. */
#include "fixture.h"

#include "index/internal.h"

enum { OBJECTS = 260 };

/* Texts that a transfer in lines could take for something else. */
static const char *const awkward[] = {"",
                                      "\\N",
                                      "a\tb",
                                      "a\nb",
                                      "a\rb",
                                      "\\.",
                                      "\\\\",
                                      "a\\b",
                                      "tab\\tnot",
                                      "\"q\"",
                                      "'q'",
                                      "\xc3\xa9\xe6\xbc\xa2",
                                      "{1,2}",
                                      "\\x41",
                                      "NULL",
                                      "line\\\n",
                                      "%s",
                                      "$1",
                                      "\xf0\x9f\x98\x80",
                                      "last\\"};

static DcmDataset *object(Fixture *f, int i)
{
    int study = i / 20, series = i / 7;
    DcmDataset *ds =
        object_of(f->arena, DCM_PatientID, arena_printf(f->arena, "P%d", study / 2), DCM_PatientName,
                  arena_printf(f->arena, "Doe%d^%s", study / 2, awkward[(size_t)i / 40 % 20]),
                  DCM_StudyInstanceUID, arena_printf(f->arena, "1.%d", study), DCM_SeriesInstanceUID,
                  arena_printf(f->arena, "1.%d.%d", study, series), DCM_SOPInstanceUID,
                  arena_printf(f->arena, "1.%d.%d.%d", study, series, i), DCM_SOPClassUID,
                  i % 3 ? "1.2.840.10008.5.1.4.1.1.2" : "1.2.840.10008.5.1.4.1.1.88.11", DCM_Modality,
                  series % 4 == 3 ? "CT\\ct"
                  : i % 2         ? "CT"
                                  : "MR",
                  DCM_StudyDate, "20200102", 0);
    dcm_put_utf8(ds, DCM_ImageComments, awkward[(size_t)i % 20]);
    dcm_put_utf8(ds, DCM_SeriesDescription, awkward[(size_t)series % 20]);
    /* Comes with a later object of the study only. */
    if (i % 20 > 10)
        dcm_put_utf8(ds, DCM_StudyDescription,
                     arena_printf(f->arena, "d%d %s", study, awkward[(size_t)study % 20]));
    dcm_put_utf8(ds, DCM_ProtocolName, arena_printf(f->arena, "protocol %d", series));
    return ds;
}

/* The objects in an order that mixes studies, `group` in one transaction. */
static void put_all(Fixture *f, int group)
{
    IdxFile files[OBJECTS];
    const IdxFile *expected[OBJECTS];
    DcmDataset *objects[OBJECTS];
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = object(f, i * 37 % OBJECTS);
        files[i] = file_of(f->arena, objects[i]);
        memset(files[i].sha256, i, sizeof files[i].sha256);
        expected[i] = &files[i];
    }
    for (int i = 0; i < OBJECTS; i += group) {
        int n = OBJECTS - i < group ? OBJECTS - i : group;
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        ASSERT_OK(f, group == 1 || idx_expect(f->index, expected + i, (size_t)n, &f->err));
        for (int k = i; k < i + n; k++)
            ASSERT_OK(f, idx_put(f->index, &files[k], objects[k], &f->err));
        ASSERT_OK(f, idx_commit(f->index, &f->err));
    }
}

/* Everything but the numbers of rows and the times, in an order of its own. */
static const char *const dumps[] = {
    "SELECT group_concat(t) FROM (SELECT patient_uid || '|' || patient_name || '|' || newest_study || '|' || "
    "size || '|' || "
    "number_of_patient_related_studies || '|' || number_of_patient_related_series || '|' || "
    "number_of_patient_related_instances AS t FROM patient ORDER BY patient_uid) x",
    "SELECT group_concat(t) FROM (SELECT study_uid || '|' || patient_uid || '|' || study_description || '|' "
    "|| "
    "modalities_in_study || '|' || sop_classes_in_study || '|' || protocol_name || '|' || size || '|' || "
    "number_of_study_related_series || '|' || number_of_study_related_instances AS t FROM study ORDER BY "
    "study_uid) x",
    "SELECT group_concat(t) FROM (SELECT series_uid || '|' || modality || '|' || series_description || '|' "
    "|| "
    "study_uid || '|' || size || '|' || number_of_series_related_instances AS t FROM series ORDER BY "
    "series_uid) x",
    "SELECT group_concat(t) FROM (SELECT instance_uid || '|' || filesize || '|' || e.series_uid || '|' || "
    "file_path || '|' || "
    "begin_us AS t FROM file_storage_metadata_dicom i JOIN series e ON e.series_id = i.series_id ORDER BY "
    "instance_uid) x",
    "SELECT group_concat(t) FROM (SELECT attribute || '|' || value || '|' || study_uid AS t FROM term JOIN "
    "study ON "
    "study_id = id WHERE attribute IN (524385, 524386, 528432, 1577008) ORDER BY "
    "attribute, value, "
    "study_uid) x",
    "SELECT group_concat(t) FROM (SELECT attribute || '|' || value || '|' || series_uid AS t FROM term JOIN "
    "series ON "
    "series_id = id WHERE attribute = 528446 ORDER BY attribute, value, series_uid) x",
    "SELECT count(*) FROM term",
    "SELECT patients || '|' || studies || '|' || series || '|' || instances || '|' || size FROM totals",
};
enum { DUMPS = sizeof dumps / sizeof *dumps };

static void start_again(Fixture *f, const char *schema, const char *file)
{
    idx_close(f->index);
    snprintf(f->schema, sizeof f->schema, "%s", schema);
    snprintf(f->path, sizeof f->path, "%s/%s", f->folder, file);
    ASSERT_OK(f, fixture_open(f));
}

static void remove_file(const Fixture *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
}

static void large_groups_write_what_single_objects_write(void **state)
{
    Fixture *f = *state;
    static const int groups[] = {OBJECTS, 100, 8};
    const char *single[DUMPS], *comments[OBJECTS];
    put_all(f, 1);
    for (size_t i = 0; i < DUMPS; i++)
        single[i] = sql_text(f, dumps[i]);
    DcmDataset *all = object_of(f->arena, DCM_ImageComments, "", DCM_SeriesDescription, "", 0);
    size_t n = ask(f, DCM_LEVEL_IMAGE, all, (DcmMatchOptions){0}, DCM_ImageComments, &comments[0]);
    assert_int_equal(n, OBJECTS);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        remove_file(f);
        start_again(f, arena_printf(f->arena, "Groups of %d", groups[g]), "index.sqlite");
        put_all(f, groups[g]);
        for (size_t i = 0; i < DUMPS; i++)
            assert_string_equal(sql_text(f, dumps[i]), single[i]);
        ask(f, DCM_LEVEL_IMAGE, all, (DcmMatchOptions){0}, DCM_ImageComments, &comments[1]);
        assert_int_equal(strlen(comments[1]), strlen(comments[0]));
    }
    assert_string_equal(
        sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom WHERE length(sha256) = 32"),
        arena_printf(f->arena, "%d", OBJECTS));
}

/* Every text comes back as it was, by whichever way it went in. */
static void awkward_texts_come_back(void **state)
{
    Fixture *f = *state;
    put_all(f, OBJECTS);
    for (int i = 0; i < OBJECTS; i++) {
        DcmDataset *ds = object(f, i),
                   *keys = object_of(f->arena, DCM_ImageComments, "", DCM_SeriesDescription, "", 0);
        const char *got[2], *had;
        dcm_put_utf8(keys, DCM_SOPInstanceUID, dcm_text(f->arena, ds, DCM_SOPInstanceUID, 0));
        for (int k = 0; k < 2; k++) {
            DcmTag tag = k ? DCM_ImageComments : DCM_SeriesDescription;
            assert_int_equal(ask(f, DCM_LEVEL_IMAGE, keys, (DcmMatchOptions){0}, tag, &got[k]), 1);
            had = dcm_text_all(f->arena, ds, tag);
            assert_string_equal(got[k], had ? had : "");
        }
    }
}

/* -- the calls below -- */

static bool note(Db *db, const char *name, int rank, Err *err)
{
    DbStatement *s = db_gather(db, "INSERT INTO note (name, value) VALUES (?, ?)", rank, err);
    if (!s)
        return false;
    db_bind_cstr(s, name);
    db_bind_cstr(s, "x");
    return db_run(s, err);
}

static const char *notes(Fixture *f)
{
    return sql_text(f, "SELECT count(*) FROM note WHERE value = 'x'");
}

static void what_is_undone_is_not_written(void **state)
{
    Fixture *f = *state;
    Err why;
    err_set(&why, ERR_FORMAT, "no such thing");
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    Db *db = f->index->writer;
    ASSERT_OK(f, note(db, "a", 0, &f->err));
    ASSERT_OK(f, db_mark(db, &f->err));
    if (on_postgres(f))
        ASSERT_OK(f, note(db, "b", 0, &f->err));
    db_undo(db, &why);
    assert_false(db_spoilt(db));
    ASSERT_OK(f, db_mark(db, &f->err));
    ASSERT_OK(f, note(db, "c", 0, &f->err));
    ASSERT_OK(f, db_keep(db, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_string_equal(notes(f), "2");
    assert_string_equal(sql_text(f, "SELECT count(*) FROM note WHERE name = 'b'"), "0");
}

/* Rows that are not whole go. */
static void half_a_row_is_none(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    Db *db = f->index->writer;
    ASSERT_OK(f, note(db, "a", 0, &f->err));
    DbStatement *s = db_gather(db, "INSERT INTO note (name, value) VALUES (?, ?)", 0, &f->err);
    db_bind_cstr(s, "half");
    db_done(s);
    ASSERT_OK(f, note(db, "b", 0, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_string_equal(notes(f), "2");
}

/* What is read in between sees them, few or many. */
static void what_is_gathered_is_read(void **state)
{
    Fixture *f = *state;
    static const int counts[] = {3, 200};
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        Db *db = f->index->writer;
        for (int k = 0; k < counts[i]; k++)
            ASSERT_OK(f, note(db, arena_printf(f->arena, "n%zu-%d", i, k), 0, &f->err));
        DbStatement *s = db_prepare(db, "SELECT count(*) FROM note WHERE name LIKE ?", &f->err);
        bool row;
        db_bind_cstr(s, arena_printf(f->arena, "n%zu-%%", i));
        ASSERT_OK(f, db_step(s, &row, &f->err));
        assert_int_equal(db_int(s, 0), counts[i]);
        db_done(s);
        idx_rollback(f->index);
    }
    assert_string_equal(notes(f), "0");
}

static void what_was_written_cannot_be_undone_by_itself(void **state)
{
    Fixture *f = *state;
    Err why;
    err_set(&why, ERR_FORMAT, "no such thing");
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    Db *db = f->index->writer;
    ASSERT_OK(f, db_mark(db, &f->err));
    ASSERT_OK(f, note(db, "a", 0, &f->err));
    DbStatement *s = db_prepare(db, "UPDATE note SET value = 'y' WHERE name = 'a'", &f->err);
    ASSERT_OK(f, db_run(s, &f->err));
    db_undo(db, &why);
    assert_true(db_spoilt(db));
    assert_false(idx_commit(f->index, &f->err));
    assert_string_equal(f->err.text, "no such thing");
    assert_string_equal(notes(f), "0");
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    assert_false(db_spoilt(db));
    ASSERT_OK(f, note(db, "a", 0, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_string_equal(notes(f), "1");
}

/* -- what only a server can refuse -- */

static bool put_group(Fixture *f, int n)
{
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < n; i++)
        ASSERT_OK(f, put(f, object(f, i)));
    return idx_commit(f->index, &f->err);
}

static void a_refused_row_fails_its_group(void **state)
{
    Fixture *f = *state;
    if (!on_postgres(f))
        skip();
    sql_text(f, "ALTER TABLE file_storage_metadata_dicom ADD CHECK (instance_uid <> '1.2.5.41')");
    assert_string_equal(dcm_text(f->arena, object(f, 41), DCM_SOPInstanceUID, 0), "1.2.5.41");
    assert_false(put_group(f, 100));
    assert_false(idx_is_away(&f->err));
    assert_non_null(strstr(f->err.text, "refuses a value"));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM patient"), "0");
    ASSERT_OK(f, put_group(f, 41));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom"), "41");
}

/* Where tables do not let us number rows, they do it themselves. */
static void numbers_that_we_may_not_take(void **state)
{
    Fixture *f = *state;
    if (!on_postgres(f))
        skip();
    sql_text(f,
             arena_printf(f->arena, "REVOKE ALL ON ALL SEQUENCES IN SCHEMA \"%s\" FROM gantry", f->schema));
    ASSERT_OK(f, put_group(f, 100));
    assert_string_equal(
        sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom i JOIN series e ON e.series_id "
                    "= i.series_id JOIN study s ON s.study_id = e.study_id"),
        "100");
}

static void the_server_goes_in_the_middle(void **state)
{
    Fixture *f = *state;
    if (!on_postgres(f))
        skip();
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 100; i++)
        ASSERT_OK(f, put(f, object(f, i)));
    sql_text(f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gantry'");
    assert_false(idx_commit(f->index, &f->err));
    assert_true(idx_is_away(&f->err));
    for (int i = 0; i < 100 && !idx_begin(f->index, &f->err); i++)
        usleep(50000);
    for (int i = 0; i < 100; i++)
        ASSERT_OK(f, put(f, object(f, i)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom"), "100");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(large_groups_write_what_single_objects_write),
        TEST(awkward_texts_come_back),
        TEST(what_is_undone_is_not_written),
        TEST(half_a_row_is_none),
        TEST(what_is_gathered_is_read),
        TEST(what_was_written_cannot_be_undone_by_itself),
        TEST(a_refused_row_fails_its_group),
        TEST(numbers_that_we_may_not_take),
        TEST(the_server_goes_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
