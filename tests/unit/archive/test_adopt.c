// SPDX-License-Identifier: MIT
/* Processes that die: fork before any thread is started here, so that the child is a process like any other. */
#include "archive/archive_internal.h"
#include "archive/journal.h"
#include "dicom/part10.h"

#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "archive_fixture.h"

static int make_top(void **state)
{
    memcpy(top, "/tmp/gantry-archive-XXXXXX", sizeof "/tmp/gantry-archive-XXXXXX");
    settings = (ArcSettings){.duplicates = ARC_REPLACE, .check_class = true};
    archive = NULL;
    return mkdtemp(top) ? 0 : -1;
}

static void await_repair(void)
{
    Deadline deadline = deadline_in(60000);
    while (!was_noticed("indexed after the unclean stop")) {
        if (deadline_passed(deadline))
            fail_msg("no adoption: %s", notices);
        clock_sleep_ms(5);
    }
}

static void open_and_repair(void)
{
    notices[0] = 0;
    open_archive();
    await_repair();
}

static void close_again(void)
{
    arc_close(archive);
    archive = NULL;
}

/* A child that runs `act` on a store and dies. */
static void die_after(void (*act)(Store *store))
{
    pid_t child = fork();
    if (child == 0) {
        Err err;
        Store *store = store_open_directory(at("data"), at("temp"), &err);
        if (store)
            act(store);
        raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void publish_file(Store *store, const char *name, const Spec *spec, size_t cut)
{
    Err err;
    Buf bytes;
    buf_init(&bytes, 0);
    dcm_file_meta_write(&bytes, spec->sop_class, spec->instance, DCM_UID_ExplicitVRLittleEndian, NULL, &err);
    encode(spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    StorePut *put = store_put_begin(store, &err);
    StorePublish one = {.put = put, .name = name, .replace = true};
    if (!put || !store_put_write(put, span_sub(buf_span(&bytes), 0, bytes.n - cut), &err) ||
        !store_put_end(put, NULL, &err) || !store_publish(store, &one, 1))
        _exit(1);
}

static void leave_unindexed(Store *store)
{
    Spec one = SPEC("1.2.3.4.5"), two = SPEC("1.2.3.4.6"), odd = SPEC("1.2.3.4.7");
    publish_file(store, "P1/1.2.3/1.2.3.4/1.2.3.4.5", &one, 0);
    publish_file(store, "P1/1.2.3/1.2.3.4/1.2.3.4.6", &two, 3);
    publish_file(store, "elsewhere/file.dcm", &odd, 0);
}

static void test_published_not_indexed(void **state)
{
    Spec one = SPEC("1.2.3.4.5"), odd = SPEC("1.2.3.4.7");
    die_after(leave_unindexed);
    open_and_repair();
    assert_stored_spec(&one);
    assert_stored_spec(&odd);
    assert_int_equal(count_instances(), 2);
    assert_true(was_noticed("2 objects were indexed after the unclean stop, 1 files could not be"));
    assert_int_equal(count_files("data"), 3); /* nothing is deleted */
    close_again();
    notices[0] = 0;
    open_archive(); /* all is well now */
    assert_int_equal(count_instances(), 2);
    close_again();
    assert_false(was_noticed("unclean"));
}

static void replace_unindexed(Store *store)
{
    Spec other = SPEC("1.2.3.4.5");
    other.fill = 9;
    publish_file(store, "P1/1.2.3/1.2.3.4/1.2.3.4.5", &other, 0);
}

/* The file was replaced, the row not: same size, later time. */
static void test_replaced_not_indexed(void **state)
{
    Spec first = SPEC("1.2.3.4.5"), other = first;
    other.fill = 9;
    pid_t child = fork();
    if (child == 0) {
        open_archive();
        store_spec(&first);
        close_again();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    clock_sleep_ms(
        20); /* the committer sees to that: a store alone has the clock of the kernel, which is coarse */
    die_after(replace_unindexed);
    open_and_repair();
    assert_stored_spec(&other);
    assert_int_equal(store_spec(&other), ARC_SAME);
    close_again();
}

/* -- one that replaces another elsewhere, and has no row -- */

static void replace_elsewhere(Store *store)
{
    Spec other = SPEC("1.2.3.4.5"), stray = SPEC("1.2.3.4.6");
    other.patient_id = "P2";
    stray.fill = 9;
    clock_sleep_ms(20);
    publish_file(store, "P2/1.2.3/1.2.3.4/1.2.3.4.5", &other, 0);
    publish_file(store, "copies/1.2.3.4.6", &stray, 0);
}

/* It takes over, as where the name is the same; a copy that somebody has put elsewhere does not. */
static void test_replaced_elsewhere_not_indexed(void **state)
{
    Spec other = SPEC("1.2.3.4.5"), one = SPEC("1.2.3.4.6");
    pid_t child = fork();
    if (child == 0) {
        Spec first = SPEC("1.2.3.4.5");
        open_archive();
        store_spec(&first);
        store_spec(&one);
        close_again();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    die_after(replace_elsewhere);
    open_and_repair();
    other.patient_id = "P2";
    assert_stored_spec(&other);
    assert_stored_spec(&one);
    assert_int_equal(count_instances(), 2);
    assert_int_equal(count_files("data"), 3);
    assert_int_equal(access(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.5"), F_OK), -1);
    close_again();
}

/* -- many -- */
enum { MANY = 200 };

static void leave_many(Store *store)
{
    for (int i = 0; i < MANY; i++) {
        char uid[24], name[64];
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        snprintf(name, sizeof name, "P1/1.2.3/1.2.3.4/%s", uid);
        Spec spec = SPEC(uid);
        publish_file(store, name, &spec, 0);
    }
}

static void leave_many_that_wait(Store *store)
{
    Err err;
    leave_many(store);
    Journal *journal = journal_new(at("temp"), &err);
    for (int i = 0; journal && i < MANY; i++) {
        char name[64];
        const char *one = name;
        snprintf(name, sizeof name, "P1/1.2.3/1.2.3.4/1.2.3.4.%d", i);
        if (!journal_append(journal, &one, 1, &err))
            _exit(1);
    }
    if (!journal)
        _exit(1);
}

/* Transactions that the committer has made so far. */
static unsigned long count_groups(void)
{
    static const char name[] = "gantry_ingest_seconds_count{stage=\"index\"} ";
    Buf text;
    buf_init(&text, 0);
    metrics_write(&text);
    const char *line = strstr(buf_cstr(&text), name);
    unsigned long n = line ? strtoul(line + strlen(name), NULL, 10) : 0;
    buf_free(&text);
    return n;
}

/* They go into the index in groups, not one by one: while it does not take any, they come to wait for it together. */
static void test_many(void **state)
{
    sqlite3 *lock;
    Deadline deadline = deadline_in(60000);
    die_after(leave_many);
    notices[0] = 0;
    open_archive();
    assert_int_equal(sqlite3_open(at("index.sqlite"), &lock), SQLITE_OK);
    sqlite3_busy_timeout(lock, 30000);
    assert_int_equal(sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    unsigned long before = count_groups();
    size_t left = MANY - count_instances(); /* some were faster than we */
    while (committer_waiting(archive->committer) + 64 < left) {
        if (deadline_passed(deadline))
            fail_msg("only %zu of %zu wait", committer_waiting(archive->committer), left);
        clock_sleep_ms(1);
    }
    assert_int_equal(sqlite3_close(lock), SQLITE_OK); /* with its transaction */
    await_repair();
    assert_int_equal(count_instances(), MANY);
    assert_in_range(count_groups() - before, 0, left / 2 + 1);
    close_again();
}

/* What was acknowledged is the spool's, which takes many at a time; what else there may be comes after that. */
static void test_many_that_wait(void **state)
{
    settings.outlasts_index = true;
    die_after(leave_many_that_wait);
    open_and_repair();
    assert_int_equal(count_instances(), MANY);
    assert_true(was_noticed("200 objects that waited are indexed"));
    assert_true(was_noticed("0 objects were indexed after the unclean stop"));
    close_again();
}

/* -- kill -9 in the middle of everything -- */
enum { ROUNDS = 12, THREADS = 4, UID_LENGTH = 32 };

static int acknowledged; /* pipe to the parent */
static int kill_round;

static Spec numbered(char uid[UID_LENGTH], int round, int thread, int i)
{
    snprintf(uid, UID_LENGTH, "1.2.%d.%d.%d", round, thread, i);
    Spec spec = SPEC(uid);
    spec.fill = (uint8_t)(round * 31 + thread * 7 + i);
    spec.pixels = i % 9 == 0 ? 700000 : 3000 + (size_t)i % 50;
    spec.pixels += spec.pixels % 2;
    return spec;
}

static void *ingest_and_tell(void *ctx)
{
    int thread = (int)(intptr_t)ctx;
    for (int i = 0;; i++) {
        char uid[UID_LENGTH] = {0};
        Err err;
        Spec spec = numbered(uid, kill_round, thread, i);
        if (!ingest_spec(&spec, NULL, &err) || write(acknowledged, uid, UID_LENGTH) != UID_LENGTH)
            _exit(1);
    }
    return NULL;
}

static void child_main(void)
{
    open_archive();
    pthread_t thread;
    for (int i = 1; i < THREADS; i++)
        pthread_create(&thread, NULL, ingest_and_tell, (void *)(intptr_t)i);
    ingest_and_tell(NULL);
}

/* Reads acknowledgements, kills the child `ms` after the first, returns how many came. */
static size_t run_and_kill(int ms, char (*uids)[UID_LENGTH], size_t max)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        acknowledged = ends[1];
        child_main();
    }
    close(ends[1]);
    size_t n = 0;
    Deadline deadline = deadline_in(30000);
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    while (n < max && !deadline_passed(deadline) && poll(&wait, 1, deadline_poll_ms(deadline)) > 0) {
        if (read(ends[0], uids[n], UID_LENGTH) != UID_LENGTH)
            break;
        if (n++ == 0)
            deadline = deadline_in(ms);
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    while (n < max && read(ends[0], uids[n], UID_LENGTH) == UID_LENGTH)
        n++;
    close(ends[0]);
    return n;
}

static void check_acknowledged(const char *uid)
{
    char again[UID_LENGTH];
    int round, thread, i;
    assert_int_equal(sscanf(uid, "1.2.%d.%d.%d", &round, &thread, &i), 3);
    Spec spec = numbered(again, round, thread, i);
    assert_string_equal(again, uid);
    assert_stored_spec(&spec);
}

static void test_killed(void **state)
{
    enum { MAX = 20000 };
    static char uids[MAX][UID_LENGTH];
    size_t n = 0;
    for (kill_round = 0; kill_round < ROUNDS; kill_round++) {
        size_t came = run_and_kill(3 + kill_round * 11 % 70, uids + n, MAX - n);
        assert_true(came > 0);
        n += came;
        open_and_repair();
        for (size_t i = kill_round % 3 == 2 ? 0 : n - came; i < n; i++)
            check_acknowledged(uids[i]);
        assert_int_equal(count_files("data"), count_instances()); /* none is half there */
        assert_int_equal(count_files("temp"), 2);
        assert_int_equal(count_files("quarantine"), 0);
        close_again();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_top, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_published_not_indexed),
                                       TEST(test_replaced_not_indexed),
                                       TEST(test_replaced_elsewhere_not_indexed),
                                       TEST(test_many),
                                       TEST(test_many_that_wait),
                                       TEST(test_killed)};
    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
