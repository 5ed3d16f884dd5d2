// SPDX-License-Identifier: MIT
/*
 * The database goes away and comes back. SQLite: another connection keeps the write lock. PostgreSQL (GANTRY_TEST_ENGINE=postgresql): the server is
 * stopped as if its power failed, and started again.
 */
#include "archive/archive_internal.h"

#include "../index/server.h"
#include <glob.h>
#include <sqlite3.h>

#include "archive_fixture.h"

static TestServer *server; /* NULL: SQLite */
static IdxSettings index_settings;
static sqlite3 *locker;
static char schema[32];

static int make_outlasting(void **state)
{
    static char path[80];
    static int number;
    const char *engine = getenv("GANTRY_TEST_ENGINE");
    if (engine && strcmp(engine, "postgresql") == 0 && !(server = server_get()))
        return -1;
    memcpy(top, "/tmp/gantry-archive-XXXXXX", sizeof "/tmp/gantry-archive-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(path, sizeof path, "%s/index.sqlite", top);
    snprintf(schema, sizeof schema, "waiting_%d", ++number);
    index_settings =
        (IdxSettings){.sqlite_path = path, .busy_timeout_ms = server ? 10000 : 100, .readers = 2};
    if (server) {
        index_settings.engine = IDX_POSTGRESQL;
        index_settings.postgres = (IdxPostgres){.host = server->folder,
                                                .port = server->port,
                                                .database = "postgres",
                                                .schema = schema,
                                                .login = "gantry",
                                                .password = SERVER_PASSWORD,
                                                .connect_timeout_ms = 5000,
                                                .statement_timeout_ms = 20000};
    }
    settings = (ArcSettings){
        .duplicates = ARC_REPLACE, .check_class = true, .outlasts_index = true, .index = &index_settings};
    notices[0] = 0;
    open_archive();
    return 0;
}

static void run_sql(sqlite3 *db, const char *text)
{
    char *message = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

static void go_away(void)
{
    if (server) {
        server_stop(server, SIGQUIT);
        return;
    }
    assert_int_equal(sqlite3_open(at("index.sqlite"), &locker), SQLITE_OK);
    sqlite3_busy_timeout(locker, 10000);
    run_sql(locker, "BEGIN IMMEDIATE");
}

static void come_back(void)
{
    if (server) {
        assert_true(server_start(server));
        return;
    }
    if (locker)
        run_sql(locker, "ROLLBACK");
    sqlite3_close(locker);
    locker = NULL;
}

static int drop_outlasting(void **state)
{
    if (server ? server->pid <= 0 : locker != NULL)
        come_back();
    return drop_archive(state);
}

static void until_caught_up(void)
{
    Deadline deadline = deadline_in(60000);
    while (arc_ingest_waiting(archive) || arc_index_is_away(archive, NULL)) {
        if (deadline_passed(deadline))
            fail_msg("%zu wait: %s", arc_ingest_waiting(archive), notices);
        clock_sleep_ms(5);
    }
}

static Spec filled(const char *uid, uint8_t fill)
{
    Spec spec = SPEC(uid);
    spec.fill = fill;
    return spec;
}

static void test_objects_wait(void **state)
{
    Spec before = filled("1.2.3.4.1", 1), one = filled("1.2.3.4.2", 2), two = filled("1.2.3.4.3", 3);
    store_spec(&before);
    go_away();
    assert_int_equal(store_spec(&one), ARC_STORED);
    assert_int_equal(store_spec(&two), ARC_STORED);
    assert_int_equal(store_spec(&one), ARC_SAME);
    assert_int_equal(store_spec(&before), ARC_SAME);
    assert_true(arc_index_is_away(archive, NULL));
    assert_true(arc_ingest_waiting(archive) >= 2);
    assert_int_equal(count_files("data"), 3);
    come_back();
    until_caught_up();
    assert_stored_spec(&before);
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    assert_int_equal(count_instances(), 3);
    assert_int_equal(count_files("temp"), 2); /* the journal has gone */
    assert_true(was_noticed("the database is away"));
    assert_true(was_noticed("the database is back"));
    assert_false(was_noticed("Doe"));
}

static void test_policies_while_away(void **state)
{
    for (int policy = ARC_KEEP_FIRST; policy <= ARC_REPLACE; policy++) {
        char uids[2][32];
        snprintf(uids[0], sizeof uids[0], "1.2.3.4.%d.1", policy);
        snprintf(uids[1], sizeof uids[1], "1.2.3.4.%d.2", policy);
        settings.duplicates = (ArcDuplicates)policy;
        reopen_archive();
        Spec known = filled(uids[0], 1), known_other = filled(uids[0], 2);
        Spec fresh = filled(uids[1], 3), fresh_other = filled(uids[1], 4);
        static const ArcOutcome outcomes[] = {ARC_KEPT_FIRST, ARC_KEPT_BOTH, ARC_REPLACED};
        store_spec(&known);
        go_away();
        assert_int_equal(store_spec(&known_other), outcomes[policy]);
        assert_int_equal(store_spec(&fresh), ARC_STORED);
        assert_int_equal(store_spec(&fresh_other), outcomes[policy]);
        come_back();
        until_caught_up();
        assert_stored_spec(policy == ARC_REPLACE ? &known_other : &known);
        assert_stored_spec(policy == ARC_REPLACE ? &fresh_other : &fresh);
    }
    assert_int_equal(count_instances(), 6);
    assert_int_equal(count_files("data"), 8); /* two of them are variants */
    assert_int_equal(count_files("temp"), 2);
}

/* The same UID of another patient: what replaces goes by time, though the index cannot be asked. */
static void test_replaced_elsewhere(void **state)
{
    Spec known = filled("1.2.3.4.1", 1), moved = filled("1.2.3.4.1", 2);
    Spec first = filled("1.2.3.4.2", 3), second = filled("1.2.3.4.2", 4);
    moved.patient_id = second.patient_id = "P2";
    store_spec(&known);
    clock_sleep_ms(20); /* file times are coarse */
    go_away();
    store_spec(&moved);
    store_spec(&first);
    clock_sleep_ms(20);
    store_spec(&second);
    assert_int_equal(count_files("data"), 4);
    come_back();
    until_caught_up();
    assert_stored_spec(&moved);
    assert_stored_spec(&second);
    assert_int_equal(count_files("data"), 2);
    assert_int_equal(count_instances(), 2);
}

static void test_kept_both_elsewhere(void **state)
{
    Spec first = filled("1.2.3.4.2", 3), second = filled("1.2.3.4.2", 4);
    second.patient_id = "P2";
    settings.duplicates = ARC_KEEP_BOTH;
    reopen_archive();
    go_away();
    store_spec(&first);
    store_spec(&second);
    come_back();
    until_caught_up();
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 2);
    assert_int_equal(count_instances(), 1);
}

/* The index cannot be asked what lies there: both files are held against the objects that came. */
static void test_damaged_second_file(void **state)
{
    Spec first = filled("1.2.3.4.2", 3), second = filled("1.2.3.4.2", 4);
    settings.duplicates = ARC_KEEP_BOTH;
    reopen_archive();
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_int_equal(store_spec(&second), ARC_KEPT_BOTH);
    go_away();
    assert_int_equal(store_spec(&second), ARC_SAME);
    glob_t found;
    assert_int_equal(glob(at("data/P1/1.2.3/1.2.3.4/*%+*"), 0, NULL, &found), 0);
    damage(found.gl_pathv[0]);
    globfree(&found);
    assert_int_equal(store_spec(&second), ARC_KEPT_BOTH);
    assert_int_equal(store_spec(&second), ARC_SAME);
    assert_int_equal(count_files("quarantine"), 2);
    come_back();
    until_caught_up();
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 2);
    assert_int_equal(count_instances(), 1);
}

/* Stopped in time while they wait, and started while the database is still away. */
static void test_over_a_restart(void **state)
{
    Spec one = filled("1.2.3.4.2", 2), two = filled("1.2.3.4.3", 3);
    go_away();
    store_spec(&one);
    reopen_archive();
    assert_true(arc_index_is_away(archive, NULL));
    assert_int_equal(arc_ingest_waiting(archive), 1);
    store_spec(&two);
    assert_int_equal(arc_ingest_waiting(archive), 2);
    reopen_archive();
    come_back();
    until_caught_up();
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    assert_int_equal(count_instances(), 2);
}

/* What waits vanished, or is no object any more: said, and the rest goes on. */
static void test_waiting_files_vanish(void **state)
{
    Spec one = filled("1.2.3.4.2", 2), two = filled("1.2.3.4.3", 3), three = filled("1.2.3.4.4", 3);
    Err err = {0};
    go_away();
    store_spec(&one);
    store_spec(&two);
    store_spec(&three);
    assert_int_equal(unlink(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.2")), 0);
    assert_true(file_replace(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.3"), SPAN("no DICOM at all"), 0640, &err));
    come_back();
    until_caught_up();
    assert_stored_spec(&three);
    assert_int_equal(count_instances(), 1);
    assert_true(was_noticed("is gone"));
    assert_true(was_noticed("cannot be indexed"));
    assert_int_equal(count_files("temp"), 2);
}

/* An archive that may not: refused, and nothing is left. */
static void test_without_leave(void **state)
{
    Err err = {0};
    Spec one = filled("1.2.3.4.2", 2);
    settings.outlasts_index = false;
    reopen_archive();
    go_away();
    assert_false(ingest_spec(&one, NULL, &err));
    assert_int_equal(err.dimse, 0x0110);
    assert_int_equal(count_files("data"), 0);
    assert_int_equal(arc_ingest_waiting(archive), 0);
    come_back();
}

/* No journal can be made: refused, and what was there is there. */
static void test_no_journal(void **state)
{
    Err err = {0};
    Spec one = filled("1.2.3.4.2", 2), other = filled("1.2.3.4.2", 3);
    store_spec(&one);
    go_away();
    const char *path = archive->settings.temp_path;
    archive->settings.temp_path = at("not/there");
    assert_false(ingest_spec(&other, NULL, &err));
    archive->settings.temp_path = path;
    assert_int_equal(count_files("data"), 1);
    come_back();
    until_caught_up();
    assert_stored_spec(&one);
}

/* -- eight senders, the database comes and goes -- */
enum { SENDERS = 8, EACH = 60 };
static atomic_int stored;

static void *send_many(void *ctx)
{
    for (int i = 0; i < EACH; i++) {
        char uid[64];
        Err err = {0};
        snprintf(uid, sizeof uid, "1.2.%d.%d", (int)(intptr_t)ctx, i);
        Spec spec = filled(uid, (uint8_t)i);
        if (!ingest_spec(&spec, NULL, &err))
            print_error("%s\n", err.text);
        else
            atomic_fetch_add(&stored, 1);
        if (i % 10 == 9)
            store_spec(&spec);
    }
    return NULL;
}

static void test_many_senders(void **state)
{
    pthread_t threads[SENDERS];
    atomic_store(&stored, 0);
    for (int i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_many, (void *)(intptr_t)i);
    for (int i = 0; i < 3 && atomic_load(&stored) < SENDERS * EACH; i++) {
        clock_sleep_ms(20);
        go_away();
        clock_sleep_ms(150);
        come_back();
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&stored), SENDERS * EACH);
    until_caught_up();
    assert_int_equal(count_instances(), SENDERS * EACH);
    assert_int_equal(count_files("data"), SENDERS * EACH);
    for (int s = 0; s < SENDERS; s++)
        for (int i = 0; i < EACH; i++) {
            char uid[64];
            snprintf(uid, sizeof uid, "1.2.%d.%d", s, i);
            Spec spec = filled(uid, (uint8_t)i);
            assert_stored_spec(&spec);
        }
    assert_int_equal(count_files("temp"), 2);
}

/* -- PostgreSQL only -- */

static void on_server(const char *text)
{
    PGconn *db = server_connect(server, schema);
    PGresult *result = PQexec(db, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(db));
    PQclear(result);
    PQfinish(db);
}

/* A server that hangs is as good as away; what it finishes when it wakes up counts once. */
static void test_hanging_server(void **state)
{
    if (!server)
        skip();
    Spec before = filled("1.2.3.4.1", 1), one = filled("1.2.3.4.2", 2), two = filled("1.2.3.4.3", 2);
    index_settings.postgres.statement_timeout_ms = 1000;
    reopen_archive();
    store_spec(&before);
    on_server("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    on_server("SELECT pg_reload_conf()");
    clock_sleep_ms(200);
    store_spec(&one); /* its COMMIT is not answered: nobody knows */
    assert_true(arc_index_is_away(archive, NULL));
    store_spec(&two);
    assert_true(arc_ingest_waiting(archive) >= 2);
    on_server("ALTER SYSTEM RESET synchronous_standby_names");
    on_server("SELECT pg_reload_conf()");
    until_caught_up();
    assert_stored_spec(&one);
    assert_stored_spec(&two);
    assert_int_equal(count_instances(), 3);
}

static int times_noticed(const char *text)
{
    int n = 0;
    pthread_mutex_lock(&notices_lock);
    for (const char *at = notices; (at = strstr(at, text)); at++)
        n++;
    pthread_mutex_unlock(&notices_lock);
    return n;
}

/* Objects of one round of a test. */
static void some_of(size_t round, char uids[][32], Spec *specs, int n)
{
    for (int k = 0; k < n; k++) {
        snprintf(uids[k], sizeof uids[k], "1.2.%zu.%d", round, k);
        specs[k] = filled(uids[k], (uint8_t)k);
    }
}

/* Whoever let us in and does so no more is away, whatever the reason; what to do is said once. */
static void test_refused_login(void **state)
{
    if (!server)
        skip();
    static const struct {
        const char *refuse, *allow, *said;
    } ways[] = {
        {"ALTER ROLE gantry PASSWORD 'another'", "ALTER ROLE gantry PASSWORD 'Se''cret \\word'",
         "refuses the login 'gantry' (password authentication failed"},
        {"ALTER ROLE gantry NOLOGIN", "ALTER ROLE gantry LOGIN", "not permitted to log in"},
        {"REVOKE CONNECT ON DATABASE postgres FROM public", "GRANT CONNECT ON DATABASE postgres TO public",
         "permission denied for database"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char uids[3][32];
        Spec specs[3];
        some_of(i, uids, specs, 3);
        forget_notices();
        store_spec(&specs[0]);
        on_server(ways[i].refuse);
        on_server("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gantry'");
        store_spec(&specs[1]);
        assert_true(arc_index_is_away(archive, NULL));
        store_spec(&specs[2]);
        assert_int_equal(arc_ingest_waiting(archive), 2);
        until_noticed(ways[i].said);
        on_server(ways[i].allow);
        until_caught_up();
        for (int k = 0; k < 3; k++)
            assert_stored_spec(&specs[k]);
        assert_int_equal(count_instances(), 3 * (i + 1));
        assert_int_equal(times_noticed(ways[i].said), 1);
        assert_true(was_noticed("db.params.login"));
    }
}

static void *send_one(void *uid)
{
    Err err = {0};
    Spec spec = filled(uid, 7);
    return (void *)(intptr_t)ingest_spec(&spec, NULL, &err);
}

/* One row that the database refuses: only that object is. */
static void test_one_bad_row(void **state)
{
    if (!server)
        skip();
    enum { N = 24, BAD = 5 };
    static char uids[N][32];
    pthread_t threads[N];
    on_server("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
              "$$BEGIN IF NEW.instance_uid = '1.2.5' THEN RAISE EXCEPTION 'refused by the test'; END IF; "
              "RETURN NEW; END$$");
    on_server("CREATE TRIGGER refuse BEFORE INSERT ON file_storage_metadata_dicom FOR EACH ROW "
              "EXECUTE FUNCTION refuse()");
    for (int i = 0; i < N; i++)
        snprintf(uids[i], sizeof uids[i], "1.2.%d", i);
    for (int i = 0; i < N; i++)
        pthread_create(&threads[i], NULL, send_one, uids[i]);
    for (int i = 0; i < N; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_int_equal((intptr_t)ok, i != BAD);
    }
    assert_int_equal(count_instances(), N - 1);
    assert_int_equal(count_files("data"), N - 1);
    assert_false(arc_index_is_away(archive, NULL));
}

/* A trigger that refuses an object, or all. */
static void refuse_with(const char *sqlstate, const char *uid)
{
    char text[512];
    snprintf(text, sizeof text,
             "CREATE OR REPLACE FUNCTION refuse_with() RETURNS trigger LANGUAGE plpgsql AS "
             "$$BEGIN IF NEW.instance_uid LIKE '%s' THEN RAISE EXCEPTION 'no' USING ERRCODE = '%s'; END IF; "
             "RETURN NEW; END$$",
             uid, sqlstate);
    on_server(text);
    on_server("CREATE TRIGGER refuse_with BEFORE INSERT ON file_storage_metadata_dicom FOR EACH ROW "
              "EXECUTE FUNCTION refuse_with()");
}

/* It is back, but takes nothing: what waits goes on waiting until it does. */
static void test_it_is_back_and_takes_nothing(void **state)
{
    if (!server)
        skip();
    static const struct {
        const char *sqlstate, *said;
    } ways[] = {{"53100", "its disk is full"}, {"53200", "out of memory"}, {"42501", "GRANT it"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char uids[2][32];
        Spec specs[2];
        some_of(i, uids, specs, 2);
        forget_notices();
        refuse_with(ways[i].sqlstate, "%");
        go_away();
        store_spec(&specs[0]);
        store_spec(&specs[1]);
        come_back();
        until_noticed("what waits cannot be indexed now");
        until_noticed(ways[i].said);
        assert_int_equal(arc_ingest_waiting(archive), 2);
        on_server("DROP TRIGGER refuse_with ON file_storage_metadata_dicom");
        until_caught_up();
        assert_stored_spec(&specs[0]);
        assert_stored_spec(&specs[1]);
    }
}

/* One that meets damage in the index holds up nobody behind it. */
static void test_damage_is_passed_over(void **state)
{
    if (!server)
        skip();
    Spec one = filled("1.2.3.4.2", 2), two = filled("1.2.3.4.3", 3);
    refuse_with("XX001", one.instance);
    go_away();
    store_spec(&one);
    store_spec(&two);
    come_back();
    until_caught_up();
    assert_true(was_noticed("an object that waited cannot be indexed (index: "));
    assert_true(was_noticed("its data are damaged"));
    assert_stored_spec(&two);
    assert_int_equal(count_instances(), 1);
    assert_int_equal(count_files("data"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_outlasting, drop_outlasting)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_objects_wait),
        TEST(test_policies_while_away),
        TEST(test_replaced_elsewhere),
        TEST(test_kept_both_elsewhere),
        TEST(test_over_a_restart),
        TEST(test_waiting_files_vanish),
        TEST(test_damaged_second_file),
        TEST(test_without_leave),
        TEST(test_no_journal),
        TEST(test_many_senders),
        TEST(test_hanging_server),
        TEST(test_refused_login),
        TEST(test_one_bad_row),
        TEST(test_it_is_back_and_takes_nothing),
        TEST(test_damage_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
