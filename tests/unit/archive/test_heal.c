// SPDX-License-Identifier: MIT
/* An index that is lost, or empty, or that of another place: an archive that outlasts its index fills it again. */
#include "archive/archive_internal.h"
#include "archive/indexing.h"

#include <sqlite3.h>

#include "archive_fixture.h"

#define LOOKS "is not known to have all objects"
enum { OBJECTS = 20 };

static int make_server(void **state)
{
    if (make_archive(state))
        return -1;
    settings.outlasts_index = true;
    reopen_archive();
    return 0;
}

static Spec numbered(char uid[32], int i)
{
    snprintf(uid, 32, "1.2.3.4.%d", i);
    return SPEC(uid);
}

static void store_some(void)
{
    char uid[32];
    for (int i = 0; i < OBJECTS; i++) {
        Spec spec = numbered(uid, i);
        store_spec(&spec);
    }
}

static bool has_note(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_open(at("index.sqlite"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    sqlite3_prepare_v2(db, "SELECT 1 FROM note WHERE name LIKE 'store %' AND value = 'indexed'", -1, &s,
                       NULL);
    bool found = sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    sqlite3_close(db);
    return found;
}

static void until_noted(void)
{
    Deadline deadline = deadline_in(60000);
    while (!has_note()) {
        if (deadline_passed(deadline))
            fail_msg("no note: %s", notices);
        clock_sleep_ms(5);
    }
}

static void run_sql(const char *text)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(at("index.sqlite"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

static void close_for_now(void)
{
    arc_close(archive);
    notices[0] = 0;
}

static void remove_index(void)
{
    close_for_now();
    unlink(at("index.sqlite"));
    unlink(at("index.sqlite-wal"));
    unlink(at("index.sqlite-shm"));
}

static void assert_all_stored(void)
{
    char uid[32];
    for (int i = 0; i < OBJECTS; i++) {
        Spec spec = numbered(uid, i);
        assert_stored_spec(&spec);
    }
    assert_int_equal(count_instances(), OBJECTS);
}

static void test_lost(void **state)
{
    store_some();
    until_noted();
    remove_index();
    open_archive();
    until_noticed("the index is complete: 20 files seen, 20 added, 0 not");
    assert_true(was_noticed(LOOKS));
    assert_all_stored();
    assert_true(has_note());
}

static void test_not_lost(void **state)
{
    store_some();
    until_noted();
    close_for_now();
    open_archive();
    clock_sleep_ms(100);
    assert_all_stored();
    close_for_now();
    open_archive();
    assert_false(was_noticed(LOOKS));
}

/* A pass that was cut short: some rows are there. */
static void test_half_of_it(void **state)
{
    store_some();
    until_noted();
    run_sql("UPDATE note SET value = 'begun' WHERE name LIKE 'store %'");
    for (int i = 0; i < OBJECTS / 2; i++) {
        char name[96];
        snprintf(name, sizeof name, "data/P1/1.2.3/1.2.3.4/1.2.3.4.%d", i);
        Job job;
        job_init(&job, JOB_REMOVE);
        assert_true(find_instance(job.arena, strrchr(name, '/') + 1, &job.file));
        job.name = "";
        assert_true(committer_run(archive->committer, &job) && job.ok);
        job_destroy(&job);
    }
    close_for_now();
    open_archive();
    until_noticed("the index is complete: 20 files seen, 10 added, 0 not");
    assert_all_stored();
}

/* Nobody has noted anything, and its rows have files: SPHERE's index, or that of an older version. */
static void test_without_a_note(void **state)
{
    store_some();
    until_noted();
    run_sql("DELETE FROM note WHERE name LIKE 'store %'");
    close_for_now();
    open_archive();
    until_noted();
    assert_false(was_noticed(LOOKS));
    assert_all_stored();
}

/* The whole archive was moved: rows have the old paths. */
static void test_moved_elsewhere(void **state)
{
    char old[64];
    store_some();
    until_noted();
    close_for_now();
    memcpy(old, top, sizeof old);
    top[strlen(top) - 1] ^= 1;
    assert_int_equal(rename(old, top), 0);
    open_archive();
    until_noticed("the index is complete: 20 files seen, 20 added, 0 not");
    assert_all_stored();
}

/* The database comes later than the server. */
static void test_lost_and_away(void **state)
{
    store_some();
    remove_index();
    open_archive();
    until_noticed("the index is complete");
    run_sql("UPDATE note SET value = 'begun' WHERE name LIKE 'store %'");
    close_for_now();
    sqlite3 *locker = NULL;
    IdxSettings impatient = {.sqlite_path = settings.index_path, .busy_timeout_ms = 100};
    settings.index = &impatient;
    assert_int_equal(sqlite3_open(at("index.sqlite"), &locker), SQLITE_OK);
    assert_int_equal(sqlite3_exec(locker, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    open_archive();
    clock_sleep_ms(300);
    assert_false(was_noticed("the index is complete"));
    assert_int_equal(sqlite3_exec(locker, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(locker);
    until_noticed("the index is complete");
    assert_all_stored();
}

/* While it goes on, objects come in. */
static void test_stores_meanwhile(void **state)
{
    store_some();
    remove_index();
    open_archive();
    Spec late = SPEC("1.2.9.9");
    store_spec(&late);
    until_noticed("the index is complete");
    assert_stored_spec(&late);
    assert_int_equal(count_instances(), OBJECTS + 1);
}

/* A program that is no server stores something before the first server comes: the index is no longer empty, and not complete. */
static void test_a_tool_comes_first(void **state)
{
    store_some();
    remove_index();
    settings.outlasts_index = false;
    open_archive();
    Spec late = SPEC("1.2.9.9");
    store_spec(&late);
    assert_int_equal(count_instances(), 1);
    settings.outlasts_index = true;
    reopen_archive();
    until_noticed("the index is complete");
    assert_int_equal(count_instances(), OBJECTS + 1);
}

/* -- rows whose file is gone -- */

static void test_prune(void **state)
{
    Err err = {0};
    ArcPruned out;
    store_some();
    unlink(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.3"));
    unlink(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.7"));
    assert_true(arc_prune(archive, &(ArcPruning){.dry_run = true}, &out, &err));
    assert_int_equal(out.seen, OBJECTS);
    assert_int_equal(out.gone, 2);
    assert_int_equal(out.pruned, 0);
    assert_int_equal(count_instances(), OBJECTS);
    assert_true(arc_prune(archive, &(ArcPruning){0}, &out, &err));
    assert_int_equal(out.pruned, 2);
    assert_int_equal(count_instances(), OBJECTS - 2);
    assert_true(arc_prune(archive, &(ArcPruning){0}, &out, &err));
    assert_int_equal(out.gone, 0);
    assert_false(was_noticed("replaced"));
}

/* As when its disk is not mounted. */
static void test_prune_refuses_an_empty_folder(void **state)
{
    Err err = {0};
    ArcPruned out;
    store_some();
    assert_int_equal(rename(at("data/P1"), at("elsewhere")), 0);
    assert_false(arc_prune(archive, &(ArcPruning){0}, &out, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "mounted"));
    assert_int_equal(count_instances(), OBJECTS);
}

/* What is opened beside the archive's own index makes no empty one in the place of one that is gone. */
static void test_index_vanishes(void **state)
{
    Err err = {0};
    store_some();
    until_noted();
    char *away = strdup(at("index.away"));
    assert_int_equal(rename(at("index.sqlite"), away), 0);
    Index *apart = archive_open_index_apart(archive, &err),
          *briefly = archive_open_index_briefly(archive, &err);
    bool made = access(at("index.sqlite"), F_OK) == 0;
    assert_int_equal(rename(away, at("index.sqlite")), 0);
    free(away);
    assert_null(apart);
    assert_null(briefly);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_false(made);
    assert_int_equal(count_instances(), OBJECTS);
}

static void test_prune_is_stopped(void **state)
{
    Err err = {0};
    ArcPruned out;
    atomic_bool stop = true;
    store_some();
    assert_false(arc_prune(archive, &(ArcPruning){.stop = &stop}, &out, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_server, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lost),
        TEST(test_not_lost),
        TEST(test_half_of_it),
        TEST(test_moved_elsewhere),
        TEST(test_lost_and_away),
        TEST(test_without_a_note),
        TEST(test_stores_meanwhile),
        TEST(test_a_tool_comes_first),
        TEST(test_prune),
        TEST(test_prune_refuses_an_empty_folder),
        TEST(test_prune_is_stopped),
        TEST(test_index_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
