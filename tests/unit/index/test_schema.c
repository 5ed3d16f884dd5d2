// SPDX-License-Identifier: MIT
/* The tables as SPHERE's users know them, versions, migration, and databases that cannot be used. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>

/* The type of a column, in the words of the standard. */
static const char *type_of(Fixture *f, const char *table, Span column)
{
    if (!on_postgres(f))
        return sql_text(f,
                        arena_printf(f->arena, "SELECT type FROM pragma_table_info('%s') WHERE name = '%.*s'",
                                     table, SPAN_FMT(column)));
    return sql_text(
        f, arena_printf(
               f->arena,
               "SELECT replace(replace(replace(replace(upper(format_type(atttypid, atttypmod)), "
               "'CHARACTER VARYING', 'VARCHAR'), ' WITHOUT TIME ZONE', ''), 'VARCHAR(4096)', "
               "'VARCHAR(512)'), 'BYTEA', 'BLOB') FROM pg_attribute WHERE attrelid = '%s'::regclass AND "
               "attname = '%.*s'",
               table, SPAN_FMT(column)));
}

/* Numbers of rows are BIGINT there. */
static bool is_type(const Fixture *f, Span expected, const char *found)
{
    return span_eq_cstr(expected, found) ||
           (on_postgres(f) && span_eq_cstr(expected, "INTEGER") && strcmp(found, "BIGINT") == 0);
}

static void columns_of_the_base_schema(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *table, *columns; /* SPHERE's, each with its type */
    } tables[] = {
        {"patient",
         "d8ins TIMESTAMP,d8maj TIMESTAMP,d8del TIMESTAMP,patient_uid VARCHAR(64),patient_name VARCHAR(128),"
         "patient_sex VARCHAR(64),patient_birth_date VARCHAR(64),patient_id INTEGER"},
        {"study",
         "d8ins TIMESTAMP,d8maj TIMESTAMP,d8del TIMESTAMP,study_uid VARCHAR(64),patient_uid VARCHAR(64),"
         "date_study VARCHAR(10),institution_name VARCHAR(256),accession_number VARCHAR(256),"
         "protocol_name VARCHAR(512),study_description VARCHAR(512),study_id INTEGER,patient_id BIGINT"},
        {"series",
         "d8ins TIMESTAMP,d8maj TIMESTAMP,d8del TIMESTAMP,series_uid VARCHAR(64),study_uid VARCHAR(64),"
         "patient_uid VARCHAR(64),modality VARCHAR(10),manufacturer VARCHAR(256),"
         "manufacturer_model_name VARCHAR(256),body_part_examined VARCHAR(256),series_date VARCHAR(256),"
         "station_name VARCHAR(256),series_description VARCHAR(512),dt_first_insertion TIMESTAMP,"
         "dt_completion TIMESTAMP,series_id INTEGER,study_id BIGINT,patient_id BIGINT"},
        {"file_storage_metadata_dicom",
         "d8ins TIMESTAMP,d8maj TIMESTAMP,d8del TIMESTAMP,storage_method VARCHAR(64),file_path VARCHAR(512),"
         "filesize BIGINT,storage_status INTEGER,dt_deb_storage TIMESTAMP,dt_end_storage TIMESTAMP,"
         "instance_uid VARCHAR(64),series_uid VARCHAR(64),study_uid VARCHAR(64),patient_uid VARCHAR(64),"
         "file_storage_metadata_dicom_id INTEGER,series_id BIGINT,study_id BIGINT,patient_id BIGINT"},
        {"study_list",
         "d8ins TIMESTAMP,ids INTEGER,study_uid VARCHAR(64),id_list INTEGER,d_load VARCHAR(16)"},
        {"mapping_annotation", "mapping_annotation_id INTEGER,uid_dicom_source VARCHAR(64),"
                               "level_dicom_source VARCHAR(16),uid_annotation VARCHAR(64),"
                               "file_storage_metadata_dicom_id BIGINT"},
    };
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        Span rest = span_cstr(tables[t].columns), part;
        bool more = true;
        while (span_split(&rest, ',', &part, &more)) {
            size_t blank = span_index(part, ' ');
            Span name = span_sub(part, 0, blank), type = span_sub(part, blank + 1, part.n);
            const char *found = type_of(f, tables[t].table, name);
            if (!is_type(f, type, found))
                fail_msg("%s.%.*s is %s", tables[t].table, SPAN_FMT(name), found);
        }
    }
}

static void times_of_a_row(void **state)
{
    Fixture *f = *state;
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", 0));
    assert_string_equal(
        sql_text(f, on_postgres(f)
                        ? "SELECT abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - d8ins)) < 60 FROM patient"
                        : "SELECT abs(julianday('now') - julianday(d8ins)) < 0.001 FROM patient"),
        "1");
    assert_string_equal(sql_text(f, "SELECT d8maj IS NULL AND d8del IS NULL FROM study"), "1");
    assert_string_equal(
        sql_text(f, "SELECT dt_first_insertion IS NOT NULL AND dt_completion >= dt_first_insertion "
                    "FROM series"),
        "1");
    assert_string_equal(
        sql_text(
            f,
            "SELECT storage_method || storage_status || CAST((dt_end_storage > dt_deb_storage) AS INTEGER) "
            "FROM file_storage_metadata_dicom"),
        "FS01");
}

static void opening_again_keeps_what_is_there(void **state)
{
    Fixture *f = *state;
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", 0));
    idx_close(f->index);
    ASSERT_OK(f, fixture_open(f));
    IdxFile file;
    ASSERT_OK(f, idx_instance(f->index, f->arena, "1.1.1.1", &file, &f->err));
    if (on_postgres(f)) {
        assert_string_equal(sql_text(f, "SELECT count(*) || ',' || max(version) FROM schema_version"), "1,7");
        return;
    }
    assert_string_equal(sql_text(f, "PRAGMA journal_mode"), "wal");
    assert_string_equal(sql_text(f, "PRAGMA user_version"), "7");
}

static const char *indexes_of_study(Fixture *f)
{
    return sql_text(f, on_postgres(f)
                           ? "SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE "
                             "schemaname = current_schema() AND tablename = 'study'"
                           : "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE "
                             "type = 'index' AND tbl_name = 'study' ORDER BY name)");
}

/* Version 1 had fewer terms (3 no pieces of names) and no index of the dates of series; a list of a study could be too long for its column. 5 had
   another index of a patient's studies. */
static void an_older_version_is_brought_up_to_date(void **state)
{
    Fixture *f = *state;
    static const char terms[] =
        "SELECT group_concat(line) FROM (SELECT CAST(attribute AS TEXT) || '=' || value AS "
        "line FROM term ORDER BY attribute, value) t";
    store(f,
          object_of(f->arena, DCM_PatientID, "P", DCM_PatientName, "Doe^Jane", DCM_PatientSex, "F",
                    DCM_StudyInstanceUID, "1.1", DCM_InstitutionName, "Clinic", DCM_StudyDate,
                    "20200101\\20210101", DCM_SeriesInstanceUID, "1.1.1", DCM_Modality, "CT", DCM_StationName,
                    "CT01", DCM_SOPClassUID, "1.2.840.10008.5.1.4.1.1.2", DCM_SOPInstanceUID, "1.1.1.1", 0));
    const char *before = sql_text(f, terms);
    assert_non_null(strstr(before, "=clinic"));
    assert_non_null(strstr(before, "=ct01"));
    assert_non_null(strstr(before, "524385=ct"));
    idx_close(f->index);
    sql_text(f, "DELETE FROM term WHERE attribute <> 1048592");
    sql_text(f, "DROP INDEX ix_series_date");
    sql_text(f, "DROP TABLE file_storage_metadata_annotation");
    sql_text(f, on_postgres(f) ? "UPDATE schema_version SET version = 1" : "PRAGMA user_version = 1");
    ASSERT_OK(f, fixture_open(f));
    assert_string_equal(sql_text(f, terms), before);
    assert_string_equal(
        sql_text(f, on_postgres(f) ? "SELECT max(version) FROM schema_version" : "PRAGMA user_version"), "7");
    sql_text(f, "DROP INDEX ix_series_date");
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_annotation"), "0");
    idx_close(f->index);
    assert_non_null(strstr(before, "1=jan"));
    sql_text(f, "DELETE FROM term WHERE attribute = 1");
    sql_text(f, "DROP TABLE replaced_file");
    const char *indexes = indexes_of_study(f);
    sql_text(f, "DROP INDEX ix_study_of_patient");
    sql_text(f, "DROP INDEX ix_file_storage_metadata_dicom_unsealed");
    sql_text(f, "CREATE INDEX ix_study_patient_id ON study (patient_id, date_study)");
    sql_text(f, on_postgres(f) ? "UPDATE schema_version SET version = 3 WHERE version = 7"
                               : "PRAGMA user_version = 3");
    ASSERT_OK(f, fixture_open(f));
    assert_string_equal(sql_text(f, terms), before);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM replaced_file"), "0");
    sql_text(f, "DROP INDEX ix_file_storage_metadata_dicom_unsealed");
    assert_string_equal(indexes_of_study(f), indexes);
}

static void a_column_that_is_missing_is_added(void **state)
{
    Fixture *f = *state;
    idx_close(f->index);
    sql_text(f, "ALTER TABLE series DROP COLUMN station_name");
    ASSERT_OK(f, fixture_open(f));
    assert_string_equal(type_of(f, "series", SPAN("station_name")), "VARCHAR(256)");
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", DCM_StationName, "here", 0));
    assert_string_equal(sql_text(f, "SELECT station_name FROM series"), "here");
}

static void assert_refused(Fixture *f, ErrCode code, const char *says)
{
    f->index = NULL;
    assert_null(fixture_open(f));
    assert_int_equal(f->err.code, code);
    assert_non_null(strstr(f->err.text, on_postgres(f) ? f->schema : f->path));
    if (!strstr(f->err.text, says))
        fail_msg("%s", f->err.text);
}

static void a_newer_version_is_refused(void **state)
{
    Fixture *f = *state;
    idx_close(f->index);
    sql_text(f,
             on_postgres(f) ? "INSERT INTO schema_version VALUES (99, now())" : "PRAGMA user_version = 99");
    assert_refused(f, ERR_UNSUPPORTED, "newer");
}

static void the_database_of_another_program_is_refused(void **state)
{
    Fixture *f = *state;
    idx_close(f->index);
    unlink(f->path);
    if (on_postgres(f)) {
        snprintf(f->schema, sizeof f->schema, "of_another");
        sql_text(f, "CREATE SCHEMA of_another; GRANT USAGE ON SCHEMA of_another TO gantry");
    }
    sql_text(f, "CREATE TABLE patient (a INTEGER)");
    assert_refused(f, ERR_UNSUPPORTED, "another program");
}

static void damage(const Fixture *f, long offset, size_t n)
{
    FILE *file = fopen(f->path, "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    for (size_t i = 0; i < n; i++)
        fputc(0xA5, file);
    fclose(file);
}

static void what_is_no_database_is_refused(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    idx_close(f->index);
    damage(f, 0, 8192);
    assert_refused(f, ERR_UNAVAILABLE, "manage data index");
}

static void a_damaged_page_is_an_error_with_advice(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 200; i++)
        ASSERT_OK(f, put(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1",
                                      DCM_SeriesInstanceUID, "1.1.1", DCM_SOPInstanceUID,
                                      arena_printf(f->arena, "1.1.1.%d", i), 0)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    idx_close(f->index);
    f->index = NULL;
    long pages = strtol(sql_text(f, "PRAGMA page_count"), NULL, 10);
    damage(f, 4096 * 5, (size_t)(pages - 5) * 4096);
    bool refused = !fixture_open(f);
    if (!refused) {
        IdxFile file;
        refused = !idx_instance(f->index, f->arena, "1.1.1.7", &file, &f->err);
    }
    assert_true(refused);
    assert_int_equal(f->err.code, ERR_DAMAGED);
    assert_non_null(strstr(f->err.text, "manage data index"));
    assert_non_null(strstr(f->err.text, f->path));
}

/* Nobody may take what an index cannot tell for what it does not have: whoever looks for files that no row names would remove them. */
static void an_index_that_lost_a_table_says_nothing_is_missing(void **state)
{
    Fixture *f = *state;
    IdxFile file;
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", 0));
    sql_text(f, "ALTER TABLE file_storage_metadata_dicom RENAME TO elsewhere");
    assert_false(idx_instance(f->index, f->arena, "1.1.1.1", &file, &f->err));
    assert_int_equal(f->err.code, ERR_UNAVAILABLE);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    assert_false(idx_instance_written(f->index, f->arena, "1.1.1.1", &file, &f->err));
    assert_int_equal(f->err.code, ERR_UNAVAILABLE);
    idx_rollback(f->index);
    sql_text(f, "ALTER TABLE elsewhere RENAME TO file_storage_metadata_dicom");
    ASSERT_OK(f, idx_instance(f->index, f->arena, "1.1.1.1", &file, &f->err));
}

/* Beside those who use it, nobody makes an empty one in its place. */
static void what_must_exist_is_not_made(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    char *nowhere = arena_printf(f->arena, "%s.nowhere", f->path);
    settings.must_exist = true;
    Index *there = idx_open(&settings, &f->err);
    ASSERT_OK(f, there);
    idx_close(there);
    settings.sqlite_path = nowhere;
    settings.postgres.schema = "nowhere";
    assert_null(idx_open(&settings, &f->err));
    assert_int_equal(f->err.code, ERR_UNAVAILABLE);
    if (on_postgres(f))
        assert_string_equal(sql_text(f, "SELECT count(*) FROM pg_namespace WHERE nspname = 'nowhere'"), "0");
    else
        assert_int_equal(access(nowhere, F_OK), -1);
}

static void a_damaged_row_is_the_fault_of_the_index(void **state)
{
    Fixture *f = *state;
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", 0));
    sql_text(f, on_postgres(f) ? "UPDATE study SET attributes = '\\x08'"
                               : "UPDATE study SET attributes = X'08'");
    IdxQuery query = {.level = DCM_LEVEL_STUDY, .keys = object_of(f->arena, 0), .all_attributes = true};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    IdxRow row;
    ASSERT_OK(f, cursor);
    assert_false(idx_next(cursor, f->arena, &row, &f->err));
    idx_cursor_free(cursor);
    assert_int_equal(f->err.code, ERR_DAMAGED);
    assert_non_null(strstr(f->err.text, "index: study 1: damaged attributes: "));
}

static void an_index_without_its_file_says_nothing_is_missing(void **state)
{
    Fixture *f = *state;
    IdxFile file;
    if (on_postgres(f))
        skip();
    char *away = arena_printf(f->arena, "%s.away", f->path);
    assert_int_equal(rename(f->path, away), 0);
    bool found = idx_instance(f->index, f->arena, "1.1.1.1", &file, &f->err);
    assert_int_equal(rename(away, f->path), 0);
    assert_false(found);
    assert_int_equal(f->err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(f->err.text, f->path));
}

/* A child process holds the write lock until a byte comes. */
static pid_t lock_elsewhere(const Fixture *f, int *release)
{
    int ready[2], go[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *db;
        bool ok = sqlite3_open(f->path, &db) == SQLITE_OK &&
                  sqlite3_exec(db, "BEGIN IMMEDIATE; INSERT INTO note VALUES ('a', 'b')", NULL, NULL, NULL) ==
                      SQLITE_OK &&
                  write(ready[1], "r", 1) == 1;
        close(go[1]);
        _exit(!(ok && read(go[0], &byte, 1) >= 0));
    }
    close(ready[1]);
    close(go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *release = go[1];
    return child;
}

static void a_locked_database_says_who_locks_it(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    int release, status;
    idx_close(f->index);
    pid_t child = lock_elsewhere(f, &release);
    f->index = idx_open(&(IdxSettings){.sqlite_path = f->path, .busy_timeout_ms = 50}, &f->err);
    bool refused = !f->index;
    close(release);
    waitpid(child, &status, 0);
    assert_true(refused);
    assert_int_equal(f->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(f->err.text, f->path));
    assert_non_null(strstr(f->err.text, arena_printf(f->arena, "process %ld", (long)child)));
    assert_non_null(strstr(f->err.text, "try again"));
    ASSERT_OK(f, fixture_open(f));
}

static void a_lock_while_running_fails_begin_only(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    int release, status;
    idx_close(f->index);
    f->index = idx_open(&(IdxSettings){.sqlite_path = f->path, .busy_timeout_ms = 50}, &f->err);
    pid_t child = lock_elsewhere(f, &release);
    bool began = idx_begin(f->index, &f->err);
    IdxTotals totals;
    Err other;
    bool read_on = idx_totals(f->index, &totals, &other);
    close(release);
    waitpid(child, &status, 0);
    assert_false(began);
    assert_int_equal(f->err.code, ERR_TIMEOUT);
    assert_true(read_on);
    store(f, object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID,
                       "1.1.1", DCM_SOPInstanceUID, "1.1.1.1", 0));
}

static void a_folder_that_is_not_there(void **state)
{
    Fixture *f = *state;
    if (on_postgres(f))
        skip();
    Err err;
    assert_null(idx_open(&(IdxSettings){.sqlite_path = "/nowhere/index.sqlite"}, &err));
    assert_non_null(strstr(err.text, "/nowhere/index.sqlite"));
    assert_null(idx_open(&(IdxSettings){.sqlite_path = ""}, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(f->index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(columns_of_the_base_schema),
        TEST(times_of_a_row),
        TEST(opening_again_keeps_what_is_there),
        TEST(an_older_version_is_brought_up_to_date),
        TEST(a_column_that_is_missing_is_added),
        TEST(a_newer_version_is_refused),
        TEST(the_database_of_another_program_is_refused),
        TEST(what_is_no_database_is_refused),
        TEST(a_damaged_page_is_an_error_with_advice),
        TEST(an_index_that_lost_a_table_says_nothing_is_missing),
        TEST(what_must_exist_is_not_made),
        TEST(a_damaged_row_is_the_fault_of_the_index),
        TEST(an_index_without_its_file_says_nothing_is_missing),
        TEST(a_locked_database_says_who_locks_it),
        TEST(a_lock_while_running_fails_begin_only),
        TEST(a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
