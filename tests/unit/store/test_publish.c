// SPDX-License-Identifier: MIT
#include "store_fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void test_group(void **state)
{
    char names[200][64];
    StorePublish group[200];
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "p%d/s%d/e%d/%d", i % 3, i % 7, i % 11, i);
        group[i] = (StorePublish){.put = ended(names[i]), .name = names[i]};
    }
    assert_true(store_publish(store, group, 200));
    assert_int_equal(count_files("data"), 200);
    for (int i = 0; i < 200; i++) {
        char path[80];
        assert_true(group[i].ok);
        assert_null(group[i].put);
        assert_null(group[i].previous);
        snprintf(path, sizeof path, "data/%s", names[i]);
        assert_content(path, names[i]);
    }
}

/* Each member has its own outcome. */
static void test_mixed(void **state)
{
    publish_one("a/taken", "old");
    StorePublish group[] = {
        {.put = ended("1"), .name = "a/new"},   {.put = ended("2"), .name = "a/taken"},
        {.put = ended("3"), .name = "../out"},  {.put = ended("4"), .name = "/etc/out"},
        {.put = ended("5"), .name = "a//b"},    {.put = ended("6"), .name = ""},
        {.put = ended("7"), .name = "a/new/x"}, {.put = ended("8"), .name = "b"},
    };
    static const ErrCode codes[] = {ERR_NONE,    ERR_EXISTS,  ERR_REFUSED, ERR_REFUSED,
                                    ERR_REFUSED, ERR_REFUSED, ERR_IO,      ERR_NONE};
    assert_false(store_publish(store, group, 8));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(group[i].ok, codes[i] == ERR_NONE);
        assert_int_equal(group[i].err.code, codes[i]);
        store_put_abandon(group[i].put);
    }
    assert_content("data/a/taken", "old");
    assert_content("data/a/new", "1");
    assert_content("data/b", "8");
    assert_int_equal(count_files("data"), 3);
    assert_false(file_exists("out"));
}

static void test_replace_and_undo(void **state)
{
    publish_one("p/x", "first");
    StorePublish over = {.put = ended("second"), .name = "p/x", .replace = true};
    assert_true(store_publish(store, &over, 1));
    assert_content("data/p/x", "second");
    assert_non_null(over.previous);
    StorePublish undo = {.put = over.previous, .name = "p/x", .replace = true};
    assert_true(store_publish(store, &undo, 1));
    assert_content("data/p/x", "first");
    store_put_abandon(undo.previous);
    assert_int_equal(count_files("temp"), 2); /* locks only */
}

/* In this process a rename can neither refuse to replace nor exchange from now on, as on some file systems of networks. */
static bool forget_flags_of_rename(void)
{
    enum { FLAGS = offsetof(struct seccomp_data, args) + 4 * sizeof(uint64_t) };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int publish_without_flags(void)
{
    if (!forget_flags_of_rename())
        return 77;
    StorePublish first = {.put = ended("first"), .name = "p/x"};
    if (!store_publish(store, &first, 1))
        return 1;
    StorePublish again = {.put = ended("again"), .name = "p/x"};
    if (store_publish(store, &again, 1) || again.err.code != ERR_EXISTS)
        return 2;
    store_put_abandon(again.put);
    assert_content("data/p/x", "first");
    StorePublish over = {.put = ended("over"), .name = "p/x", .replace = true};
    if (!store_publish(store, &over, 1))
        return 3;
    assert_content("data/p/x", "over");
    if (!over.previous)
        return 4; /* nobody could undo it */
    StorePublish undo = {.put = over.previous, .name = "p/x", .replace = true};
    if (!store_publish(store, &undo, 1) || !undo.previous)
        return 5;
    assert_content("data/p/x", "first");
    StorePublish redo = {.put = undo.previous, .name = "p/x", .replace = true};
    if (!store_publish(store, &redo, 1) || !redo.previous)
        return 6;
    store_put_abandon(redo.previous);
    return 0;
}

static void test_file_system_without_flags(void **state)
{
    pid_t child = fork();
    if (child == 0)
        _exit(publish_without_flags());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* a container that lets nobody filter system calls */
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_content("data/p/x", "over");
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2); /* locks only */
}

/* A link in the place of a folder does not lead out of the archive. */
static void test_link(void **state)
{
    assert_int_equal(mkdir(at("out"), 0750), 0);
    assert_int_equal(symlink(at("out"), at("data/patient")), 0);
    StorePublish one = {.put = ended("x"), .name = "patient/x"};
    assert_false(store_publish(store, &one, 1));
    store_put_abandon(one.put);
    assert_int_equal(count_files("out"), 0);
}

typedef struct Publisher {
    int id;
    bool ok;
} Publisher;

static void *publish_many(void *ctx)
{
    Publisher *p = ctx;
    p->ok = true;
    for (int i = 0; i < 100; i++) {
        char name[64];
        Err err;
        snprintf(name, sizeof name, "p/s%d/%d-%d", i % 3, p->id, i);
        StorePut *put = store_put_begin(store, &err);
        p->ok = p->ok && put && store_put_write(put, SPAN("x"), &err) && store_put_end(put, NULL, &err);
        StorePublish one = {.put = put, .name = name};
        p->ok = p->ok && store_publish(store, &one, 1);
    }
    return NULL;
}

/* Deleting takes folders away under publishers, who must make them again. */
static void *delete_many(void *ctx)
{
    for (int i = 0; i < 300; i++) {
        char name[64];
        Err err;
        snprintf(name, sizeof name, "p/s%d/0-%d", i % 3, i / 3);
        store_delete(store, name, &err);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4], deleter;
    Publisher publishers[4];
    for (int i = 0; i < 4; i++) {
        publishers[i].id = i + 1;
        pthread_create(&threads[i], NULL, publish_many, &publishers[i]);
    }
    pthread_create(&deleter, NULL, delete_many, NULL);
    pthread_join(deleter, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(publishers[i].ok);
    }
    assert_int_equal(count_files("data"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_group, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_mixed, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_replace_and_undo, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_file_system_without_flags, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_link, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_threads, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
