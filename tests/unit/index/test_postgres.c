// SPDX-License-Identifier: MIT
/* What only a server can do to us: be away, go away, be slow, refuse, and serve others too. */
#include "index/annotations.h"

#include "fixture.h"

#include "base/clock.h"
#include "index/internal.h"
#include "index/row.h"
#include <pthread.h>

static DcmDataset *instance(Arena *arena, const char *patient, const char *study, int series, int i)
{
    return object_of(arena, DCM_PatientID, patient, DCM_PatientName, "Doe^Jane", DCM_StudyInstanceUID, study,
                     DCM_SeriesInstanceUID, arena_printf(arena, "%s.%d", study, series), DCM_SOPInstanceUID,
                     arena_printf(arena, "%s.%d.%d", study, series, i), DCM_Modality, "CT", DCM_SOPClassUID,
                     "1.2.840.10008.5.1.4.1.1.2", DCM_StudyDate, "20200102", 0);
}

static uint64_t instances(Fixture *f)
{
    IdxTotals totals = {0};
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    return totals.instances;
}

/* Tries while the database is away: it may be in a pause between attempts. */
static bool begin_sometime(Fixture *f)
{
    for (int i = 0; i < 400; i++) {
        if (idx_begin(f->index, &f->err))
            return true;
        if (!idx_is_away(&f->err))
            return false;
        usleep(50000);
    }
    return false;
}

static void store_sometime(Fixture *f, const DcmDataset *ds)
{
    ASSERT_OK(f, begin_sometime(f));
    ASSERT_OK(f, put(f, ds));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

static void assert_says(const Fixture *f, ErrCode code, const char *what)
{
    if (f->err.code != code || !strstr(f->err.text, what))
        fail_msg("%s: %s", err_code_name(f->err.code), f->err.text);
    assert_null(strstr(f->err.text, SERVER_PASSWORD));
}

/* -- away -- */

static void away_at_start(void **state)
{
    Fixture *f = *state;
    TestServer *server = server_get();
    IdxSettings settings = fixture_settings(f);
    idx_close(f->index);
    server_stop(server, SIGINT);
    f->index = idx_open(&settings, &f->err);
    assert_null(f->index);
    assert_says(f, ERR_CLOSED, "db.params.ip");
    assert_true(idx_is_away(&f->err));
    settings.may_be_away = true;
    ASSERT_OK(f, (f->index = idx_open(&settings, &f->err)));
    IdxTotals totals;
    for (int i = 0; i < 50; i++) {
        assert_false(idx_begin(f->index, &f->err));
        assert_true(idx_is_away(&f->err));
        assert_false(idx_totals(f->index, &totals, &f->err));
        assert_true(idx_is_away(&f->err));
    }
    assert_true(server_start(server));
    store_sometime(f, instance(f->arena, "P1", "1.1", 1, 1));
    assert_int_equal(instances(f), 1);
}

static void restarted_while_idle(void **state)
{
    Fixture *f = *state;
    TestServer *server = server_get();
    store(f, instance(f->arena, "P1", "1.1", 1, 1));
    assert_int_equal(instances(f), 1);
    server_stop(server, SIGINT);
    assert_true(server_start(server));
    store(f, instance(f->arena, "P1", "1.1", 1, 2));
    assert_int_equal(instances(f), 2);
    /* Without a word of farewell. */
    server_stop(server, SIGQUIT);
    assert_true(server_start(server));
    assert_int_equal(instances(f), 2);
    store(f, instance(f->arena, "P1", "1.1", 1, 3));
    assert_int_equal(instances(f), 3);
}

static void gone_while_storing(void **state)
{
    Fixture *f = *state;
    TestServer *server = server_get();
    store(f, instance(f->arena, "P1", "1.1", 1, 1));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, put(f, instance(f->arena, "P1", "1.1", 1, 2)));
    server_stop(server, SIGINT);
    put(f, instance(f->arena, "P1", "1.1", 1, 3));
    assert_false(idx_commit(f->index, &f->err));
    assert_true(idx_is_away(&f->err));
    idx_rollback(f->index);
    assert_false(idx_begin(f->index, &f->err));
    assert_true(idx_is_away(&f->err));
    assert_true(server_start(server));
    store_sometime(f, instance(f->arena, "P1", "1.1", 1, 3));
    assert_int_equal(instances(f), 2);
    IdxFile file;
    assert_false(idx_instance(f->index, f->arena, "1.1.1.2", &file, &f->err));
    assert_int_equal(f->err.code, ERR_NOT_FOUND);
}

static void gone_while_answering(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 400; i++)
        ASSERT_OK(f, put(f, instance(f->arena, "P1", "1.1", 1, i)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    IdxQuery query = {.level = DCM_LEVEL_IMAGE, .keys = object_of(f->arena, 0)};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    IdxRow row;
    ASSERT_OK(f, cursor && idx_next(cursor, f->arena, &row, &f->err));
    sql_text(f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gantry' AND state = "
                "'idle in transaction'");
    bool ok = true;
    for (int i = 0; ok && i < 500 && row.attributes; i++)
        ok = idx_next(cursor, f->arena, &row, &f->err);
    idx_cursor_free(cursor);
    assert_false(ok);
    assert_true(idx_is_away(&f->err));
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, query.keys, (DcmMatchOptions){0}, DCM_SOPInstanceUID, NULL),
                     400);
}

/* A server that hangs (or a network that loses everything) costs the time-out, not more. */
static void a_server_that_hangs(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    idx_close(f->index);
    settings.postgres.statement_timeout_ms = 500;
    settings.postgres.connect_timeout_ms = 500;
    ASSERT_OK(f, (f->index = idx_open(&settings, &f->err)));
    store(f, instance(f->arena, "P1", "1.1", 1, 1));
    pid_t backend = (pid_t)strtol(
        sql_text(f, "SELECT pid FROM pg_stat_activity WHERE usename = 'gantry' AND query LIKE 'COMMIT%'"),
        NULL, 10);
    assert_true(backend > 0);
    int64_t start = clock_ns();
    kill(f->server->pid, SIGSTOP);
    kill(backend, SIGSTOP);
    bool ok = idx_begin(f->index, &f->err);
    kill(backend, SIGCONT);
    kill(f->server->pid, SIGCONT);
    assert_false(ok);
    assert_says(f, ERR_CLOSED, "no answer");
    assert_true((clock_ns() - start) / 1000000000 < 60);
    store_sometime(f, instance(f->arena, "P1", "1.1", 1, 2));
    assert_int_equal(instances(f), 2);
}

/* -- refused -- */

static void logins_and_names(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    settings.postgres.password = "wrong-one";
    assert_null(idx_open(&settings, &f->err));
    assert_says(f, ERR_UNAVAILABLE, "db.params.password");
    assert_null(strstr(f->err.text, "wrong-one"));
    settings = fixture_settings(f);
    settings.postgres.database = "nowhere";
    settings.postgres.host = "127.0.0.1";
    assert_null(idx_open(&settings, &f->err));
    assert_says(f, ERR_UNAVAILABLE, "nowhere");
    settings = fixture_settings(f);
    settings.postgres.schema = "";
    assert_null(idx_open(&settings, &f->err));
    assert_says(f, ERR_USAGE, "db.params.schema");
    settings.may_be_away = true;
    settings.postgres.schema = "fresh; DROP";
    sql_text(f, "REVOKE CREATE ON DATABASE postgres FROM gantry");
    Index *index = idx_open(&settings, &f->err);
    sql_text(f, "GRANT CREATE ON DATABASE postgres TO gantry");
    assert_null(index);
    assert_says(f, ERR_UNAVAILABLE, "fresh; DROP");
    ASSERT_OK(f, (index = idx_open(&settings, &f->err)));
    idx_close(index);
}

/* A row that could not be read is no row that is not there: the object of it waits for the database. */
static void gone_while_a_parent_is_read(void **state)
{
    Fixture *f = *state;
    store(f, instance(f->arena, "P1", "1.1", 1, 1));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_row_load(f->index->writer, f->arena, DCM_LEVEL_PATIENT, 1, &f->err));
    assert_null(idx_row_load(f->index->writer, f->arena, DCM_LEVEL_PATIENT, 99, &f->err));
    assert_int_equal(f->err.code, ERR_DAMAGED);
    sql_text(f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'gantry'");
    assert_null(idx_row_load(f->index->writer, f->arena, DCM_LEVEL_PATIENT, 1, &f->err));
    assert_true(idx_is_away(&f->err));
    idx_rollback(f->index);
}

/* Who was let in before waits until he is again; who never was hears why. */
static void a_login_is_locked(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    settings.may_be_away = true;
    store(f, instance(f->arena, "P1", "1.1", 1, 1));
    sql_text(f, "ALTER ROLE gantry NOLOGIN");
    Index *other = idx_open(&settings, &f->err);
    Err why = f->err;
    sql_text(f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'gantry'");
    bool began = idx_begin(f->index, &f->err);
    sql_text(f, "ALTER ROLE gantry LOGIN");
    assert_null(other);
    assert_false(began);
    assert_says(f, ERR_CLOSED, "not permitted to log in");
    assert_true(idx_is_away(&f->err));
    f->err = why;
    assert_says(f, ERR_UNAVAILABLE, "see db.params.login");
    store_sometime(f, instance(f->arena, "P1", "1.1", 1, 2));
    assert_int_equal(instances(f), 2);
}

/* That passes, so that objects wait for it; and the next one may have a place, so that nobody is kept from trying. */
static void no_connection_left(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    sql_text(f, "ALTER ROLE gantry CONNECTION LIMIT 0");
    Index *refused = idx_open(&settings, &f->err);
    settings.may_be_away = true;
    Index *waiting = idx_open(&settings, NULL);
    sql_text(f, "ALTER ROLE gantry CONNECTION LIMIT -1");
    assert_null(refused);
    assert_says(f, ERR_CLOSED, "raise max_connections");
    assert_true(idx_is_away(&f->err));
    assert_non_null(waiting);
    bool began = idx_begin(waiting, &f->err);
    idx_close(waiting);
    ASSERT_OK(f, began);
}

static void another_writer_holds_on(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    settings.busy_timeout_ms = 200;
    Index *other;
    ASSERT_OK(f, (other = idx_open(&settings, &f->err)));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    bool began = idx_begin(other, &f->err);
    Err why = f->err;
    idx_rollback(f->index);
    bool began_later = idx_begin(other, &f->err);
    idx_close(other);
    assert_false(began);
    f->err = why;
    assert_says(f, ERR_TIMEOUT, "another server");
    assert_true(idx_is_away(&f->err));
    assert_true(began_later);
}

#define TRIGGER(state)                                                                                       \
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.instance_uid = " \
    "'1.1.1.2' THEN RAISE EXCEPTION 'Doe^Jane' USING ERRCODE = '" state "'; END IF; RETURN NEW; END$$; "     \
    "GRANT EXECUTE ON FUNCTION refuse() TO public"

/* The group fails as a whole and says why, without the values; its members can be put one by one. */
static void the_server_refuses_one_of_a_group(void **state)
{
    Fixture *f = *state;
    sql_text(f, TRIGGER("22001"));
    sql_text(
        f, "CREATE TRIGGER refuse BEFORE INSERT ON file_storage_metadata_dicom FOR EACH ROW EXECUTE FUNCTION "
           "refuse()");
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 1; i <= 3; i++)
        ASSERT_OK(f, put(f, instance(f->arena, "P1", "1.1", 1, i)));
    assert_false(idx_commit(f->index, &f->err));
    assert_says(f, ERR_INTERNAL, "22001");
    assert_null(strstr(f->err.text, "Doe"));
    for (int i = 1; i <= 3; i++) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        bool ok = put(f, instance(f->arena, "P1", "1.1", 1, i)) && idx_commit(f->index, &f->err);
        idx_rollback(f->index);
        assert_int_equal(ok, i != 2);
    }
    assert_int_equal(instances(f), 2);
    sql_text(f, TRIGGER("53100"));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    bool ok = put(f, instance(f->arena, "P1", "1.1", 1, 2)) && idx_commit(f->index, &f->err);
    assert_false(ok);
    assert_says(f, ERR_NO_SPACE, "disk is full");
}

/* -- others -- */

enum { SERVERS = 3, GROUPS = 12, GROUP = 8 };

typedef struct Server {
    const Fixture *f;
    int number, failures;
} Server;

/* All write to the same patient and studies; each removes some of its own. */
static void *serve(void *arg)
{
    Server *server = arg;
    Arena *arena = arena_new(0);
    IdxSettings settings = fixture_settings(server->f);
    Err err;
    settings.busy_timeout_ms = 60000;
    Index *index = idx_open(&settings, &err);
    bool ok = index != NULL;
    for (int g = 0; ok && g < GROUPS; g++) {
        ok = idx_begin(index, &err);
        for (int i = 0; ok && i < GROUP; i++) {
            const DcmDataset *ds = instance(arena, "P1", g % 2 ? "1.1" : "1.2", server->number % 2,
                                            (server->number * GROUPS + g) * GROUP + i);
            IdxFile file = file_of(arena, ds);
            ok = idx_put(index, &file, ds, &err) && (i || idx_remove(index, file.sop_instance, &err));
        }
        ok = ok && idx_commit(index, &err);
    }
    if (!ok)
        fprintf(stderr, "server %d: %s\n", server->number, err.text);
    server->failures = !ok;
    idx_close(index);
    arena_free(arena);
    return NULL;
}

static void several_servers_on_one_schema(void **state)
{
    Fixture *f = *state;
    pthread_t threads[SERVERS];
    Server servers[SERVERS];
    for (int i = 0; i < SERVERS; i++) {
        servers[i] = (Server){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &servers[i]), 0);
    }
    for (int i = 0; i < SERVERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(servers[i].failures, 0);
    IdxTotals totals;
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_int_equal(totals.patients, 1);
    assert_int_equal(totals.studies, 2);
    assert_int_equal(totals.series, 4);
    assert_int_equal(totals.instances, SERVERS * GROUPS * (GROUP - 1));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM file_storage_metadata_dicom"),
                        arena_printf(f->arena, "%d", SERVERS * GROUPS * (GROUP - 1)));
    assert_string_equal(sql_text(f, "SELECT sum(number_of_series_related_instances) FROM series"),
                        arena_printf(f->arena, "%d", SERVERS * GROUPS * (GROUP - 1)));
    assert_string_equal(sql_text(f, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND "
                                    "tablename LIKE 'tmp%'"),
                        "0");
}

/* Existing SQL names the schema. */
static void names_with_the_schema(void **state)
{
    Fixture *f = *state;
    store(f, instance(f->arena, "P1", "1.1", 1, 1));
    assert_string_equal(
        sql_text(f, arena_printf(f->arena, "SELECT study_uid || date_study FROM \"%s\".study", f->schema)),
        "1.120200102");
    assert_string_equal(
        sql_text(f, arena_printf(f->arena, "SELECT sum_instance FROM \"%s\".tools_modality", f->schema)),
        "1");
}

/* -- a schema that SPHERE filled -- */

#define D8 "d8ins timestamp, d8maj timestamp, d8del timestamp, "

static const char sphere[] =
    "CREATE SCHEMA pacs; SET search_path TO pacs;"
    "CREATE TABLE patient (" D8
    "patient_uid varchar(64) NOT NULL, patient_name varchar(128), patient_sex varchar(64), "
    "patient_birth_date varchar(64), ethnic_group varchar(16), patient_id bigserial PRIMARY KEY);"
    "CREATE UNIQUE INDEX ix_pacs_patient_patient_uid ON patient (patient_uid);"
    "CREATE TABLE study (" D8
    "study_uid varchar(64) NOT NULL UNIQUE, patient_uid varchar(64) NOT NULL, date_study "
    "varchar(10), institution_name varchar(256), accession_number varchar(256), protocol_name varchar(512), "
    "study_description varchar(512), study_id bigint PRIMARY KEY, patient_id bigint REFERENCES patient "
    "(patient_id));"
    "CREATE TABLE series (" D8 "series_uid varchar(64) NOT NULL, study_uid varchar(64) NOT NULL, patient_uid "
    "varchar(64) NOT NULL, modality varchar(10), manufacturer varchar(256), manufacturer_model_name "
    "varchar(256), "
    "body_part_examined varchar(256), series_date varchar(256), station_name varchar(256), "
    "series_description "
    "varchar(512), dt_first_insertion timestamp, dt_completion timestamp, series_id bigserial PRIMARY KEY, "
    "study_id "
    "bigint REFERENCES study (study_id), patient_id bigint REFERENCES patient (patient_id));"
    "CREATE UNIQUE INDEX ix_pacs_series_series_uid ON series (series_uid);"
    "CREATE TABLE file_storage_metadata_dicom (" D8
    "storage_method varchar(64) NOT NULL, file_path varchar(512) NOT "
    "NULL, filesize bigint NOT NULL, storage_status integer NOT NULL, dt_deb_storage timestamp, "
    "dt_end_storage "
    "timestamp, instance_uid varchar(64) NOT NULL, series_uid varchar(64) NOT NULL, study_uid varchar(64) "
    "NOT NULL, "
    "patient_uid varchar(64) NOT NULL, file_storage_metadata_dicom_id bigserial PRIMARY KEY, series_id "
    "bigint "
    "REFERENCES series (series_id), study_id bigint REFERENCES study (study_id), patient_id bigint "
    "REFERENCES patient "
    "(patient_id));"
    "CREATE UNIQUE INDEX ix_pacs_file_instance_uid ON file_storage_metadata_dicom (instance_uid);"
    "CREATE TABLE mapping_annotation (" D8 "mapping_annotation_id bigint PRIMARY KEY, uid_dicom_source "
    "varchar(64) NOT NULL, level_dicom_source varchar(16) NOT NULL, uid_annotation varchar(64) NOT NULL "
    "UNIQUE, file_storage_metadata_dicom_id bigint REFERENCES file_storage_metadata_dicom);"
    "CREATE VIEW tools_modality AS SELECT modality, count(*) AS sum_patient FROM series GROUP BY modality;"
    "INSERT INTO patient (d8ins, patient_uid, patient_name, patient_sex) VALUES (now(), 'P1', 'Doe^Jane', "
    "'F'), "
    "(now(), 'P2', 'Roe^Jim', NULL);"
    "INSERT INTO study (study_uid, patient_uid, date_study, accession_number, study_id, patient_id) VALUES "
    "('1.1', "
    "'P1', '20200102', 'A1', 7, 1), ('1.2', 'P2', '20210102', '', 8, 2);"
    "INSERT INTO series (series_uid, study_uid, patient_uid, modality, study_id, patient_id) VALUES "
    "('1.1.1', '1.1', "
    "'P1', 'CT', 7, 1), ('1.1.2', '1.1', 'P1', 'Unknown', 7, 1), ('1.2.1', '1.2', 'P2', 'MR', 8, 2);"
    "INSERT INTO file_storage_metadata_dicom (storage_method, file_path, filesize, storage_status, "
    "dt_deb_storage, "
    "dt_end_storage, instance_uid, series_uid, study_uid, patient_uid, series_id, study_id, patient_id) "
    "SELECT 'FS', "
    "'/data/' || e.series_uid || '.' || n, 1000, 0, now(), now(), e.series_uid || '.' || n, e.series_uid, "
    "e.study_uid, "
    "e.patient_uid, e.series_id, e.study_id, e.patient_id FROM series e, generate_series(1, 2) n;"
    "INSERT INTO mapping_annotation SELECT now(), NULL, NULL, 3, instance_uid, 'instance', '123', "
    "file_storage_metadata_dicom_id FROM file_storage_metadata_dicom WHERE instance_uid = '1.2.1.1';"
    "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'pacs' LOOP "
    "EXECUTE "
    "format('ALTER TABLE %I OWNER TO gantry', t); END LOOP; END $$; ALTER VIEW tools_modality OWNER TO "
    "gantry; ALTER "
    "SCHEMA pacs OWNER TO gantry";

static void a_schema_of_sphere_becomes_ours(void **state)
{
    Fixture *f = *state;
    const char *text;
    IdxFile file;
    idx_close(f->index);
    sql_text(f, sphere);
    snprintf(f->schema, sizeof f->schema, "pacs");
    ASSERT_OK(f, fixture_open(f));
    assert_int_equal(instances(f), 6);
    ASSERT_OK(f, idx_instance(f->index, f->arena, "1.1.1.2", &file, &f->err));
    assert_string_equal(file.path, "/data/1.1.1.2");
    DcmDataset *keys = object_of(f->arena, DCM_PatientName, "doe*", DCM_ModalitiesInStudy, "CT",
                                 DCM_NumberOfStudyRelatedInstances, "", 0);
    assert_int_equal(ask(f, DCM_LEVEL_STUDY, keys, (DcmMatchOptions){.fold_names = true},
                         DCM_NumberOfStudyRelatedInstances, &text),
                     1);
    assert_string_equal(text, "4");
    keys = object_of(f->arena, DCM_AccessionNumber, "A1", 0);
    assert_int_equal(ask(f, DCM_LEVEL_STUDY, keys, (DcmMatchOptions){0}, DCM_StudyInstanceUID, NULL), 1);
    /* It goes on: the same study under another patient, more of the same, the same again. */
    store(f, instance(f->arena, "P9", "1.1", 1, 1));
    store(f, instance(f->arena, "P1", "1.1", 1, 9));
    assert_int_equal(instances(f), 7);
    assert_string_equal(sql_text(f, "SELECT count(*) || ',' || sum(sum_instance) FROM tools_modality"),
                        "3,7");
    assert_string_equal(sql_text(f, "SELECT count(ethnic_group) FROM patient"), "0");
    /* An annotation outlives its instance, and others follow it. */
    IdxAnnotation annotation = {.uid = "2.25.1",
                                .source = "1.1.1.2",
                                .level = DCM_LEVEL_IMAGE,
                                .path = "/notes/2.25.1",
                                .media_type = "",
                                .name = "",
                                .author = ""};
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_remove(f->index, "1.2.1.1", &f->err));
    ASSERT_OK(f, idx_annotation_put(f->index, &annotation, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    store(f, instance(f->arena, "P2", "1.2", 1, 1));
    assert_string_equal(sql_text(f, "SELECT string_agg(mapping_annotation_id || '=' || uid_annotation, ' ' "
                                    "ORDER BY 1) FROM mapping_annotation"),
                        "3=123 4=2.25.1");
    idx_close(f->index);
    ASSERT_OK(f, fixture_open(f));
    assert_int_equal(instances(f), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(away_at_start),
        TEST(restarted_while_idle),
        TEST(gone_while_storing),
        TEST(gone_while_answering),
        TEST(a_server_that_hangs),
        TEST(logins_and_names),
        TEST(a_login_is_locked),
        TEST(gone_while_a_parent_is_read),
        TEST(no_connection_left),
        TEST(another_writer_holds_on),
        TEST(the_server_refuses_one_of_a_group),
        TEST(several_servers_on_one_schema),
        TEST(names_with_the_schema),
        TEST(a_schema_of_sphere_becomes_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
