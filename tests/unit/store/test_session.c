// SPDX-License-Identifier: MIT
#include "store_fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/wait.h>

/* A child that opens the store, leaves a temporary file and dies. */
static void die_with_a_put(void)
{
    pid_t child = fork();
    if (child == 0) {
        Err err;
        Store *own = store_open_directory(at("data"), at("temp"), &err);
        StorePut *put = own ? store_put_begin(own, &err) : NULL;
        if (put && store_put_write(put, SPAN("never acknowledged"), &err) && store_put_end(put, NULL, &err))
            raise(SIGKILL);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void test_dead_process(void **state)
{
    int64_t before = clock_wall_us();
    assert_true(store_unclean_since(store) == INT64_MAX);
    die_with_a_put();
    assert_int_equal(count_files("temp"), 4); /* TEMP/lock, our lock, its lock, its file */
    Store *next = open_store();
    assert_true(store_unclean_since(next) >= before - 1000000);
    assert_true(store_unclean_since(next) <= clock_wall_us());
    assert_int_equal(count_files("temp"),
                     5); /* its file is gone, next's lock has come, and who it is who died */
    store_close(next);

    next = open_store(); /* not repaired yet */
    assert_true(store_unclean_since(next) != INT64_MAX);
    store_forget_unclean(next);
    assert_true(store_unclean_since(next) == INT64_MAX);
    store_close(next);

    next = open_store();
    assert_true(store_unclean_since(next) == INT64_MAX);
    store_close(next);
    assert_int_equal(count_files("temp"), 2);
}

/* Dead, found by one that lives, left by that one, and looked after. */
static void test_accounted(void **state)
{
    Err err;
    assert_true(store_is_accounted(store, &err));
    die_with_a_put();
    assert_false(store_is_accounted(store, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    Store *next = open_store();
    assert_false(store_is_accounted(store, &err));
    assert_false(store_is_accounted(next, &err));
    store_close(next);
    assert_false(store_is_accounted(store, &err));
    next = open_store();
    store_forget_unclean(next);
    assert_true(store_is_accounted(store, &err));
    assert_true(store_is_accounted(next, &err));
    store_close(next);
    assert_true(store_is_accounted(store, &err));
}

/* Another opener leaves the files of a living process alone. */
static void test_living_process(void **state)
{
    StorePut *put = ended("mine");
    Store *other = open_store();
    assert_true(store_unclean_since(other) == INT64_MAX);
    store_close(other);
    assert_int_equal(access(store_put_path(put), F_OK), 0);
    store_put_abandon(put);
}

/* Opens and closes again and again; says whether all who were there before had closed in good order. */
static void come_and_go(void)
{
    enum { TIMES = 1000 };
    for (int i = 0; i < TIMES; i++) {
        Err err;
        Store *own = store_open_directory(at("data"), at("temp"), &err);
        if (!own || store_unclean_since(own) != INT64_MAX)
            _exit(1);
        store_close(own);
    }
    _exit(0);
}

/* One that is seen while it closes is not taken for dead. */
static void test_many_that_close(void **state)
{
    enum { PROCESSES = 8 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            come_and_go();
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

static void test_left_unclean(void **state)
{
    Store *other = open_store();
    store_leave_unclean(other);
    store_close(other);
    other = open_store();
    assert_true(store_unclean_since(other) != INT64_MAX);
    store_close(other);
}

/* What is not ours in the folder stays. */
static void test_foreign_files(void **state)
{
    Err err = {0};
    assert_true(file_replace(at("temp/1.2.840.1"), SPAN("x"), 0640, &err));
    assert_int_equal(mkdir(at("temp/12"), 0750), 0);
    assert_true(file_replace(at("temp/12/77"), SPAN("x"), 0640, &err));
    assert_true(file_replace(at("temp/12/dead"), SPAN(""), 0640, &err)); /* without its lock: a power cut */
    Store *other = open_store();
    store_close(other);
    assert_true(file_exists("temp/1.2.840.1"));
    assert_false(file_exists("temp/12"));
}

/* Whose lock cannot be looked at (no more open files, another's folder) may live. */
static void test_unknown_process(void **state)
{
    Err err;
    assert_int_equal(mkdir(at("temp/12"), 0750), 0);
    assert_true(file_replace(at("temp/12/1"), SPAN("under way"), 0640, &err));
    assert_int_equal(symlink("nowhere", at("temp/12/lock")), 0);
    store_close(open_store());
    assert_true(file_exists("temp/12/1"));
    assert_false(store_is_accounted(store, &err));
    assert_int_equal(err.code, ERR_REFUSED);
}

static void test_other_file_system(void **state)
{
    Err err = {0};
    struct stat here, shm;
    if (stat("/dev/shm", &shm) != 0 || stat(top, &here) != 0 || here.st_dev == shm.st_dev)
        skip();
    assert_null(store_open_directory(at("data"), "/dev/shm/gantry-test-session", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "different file systems"));
    unlink("/dev/shm/gantry-test-session/lock");
    assert_int_equal(rmdir("/dev/shm/gantry-test-session"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dead_process, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_accounted, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_living_process, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_many_that_close, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_left_unclean, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_foreign_files, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_unknown_process, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_other_file_system, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
