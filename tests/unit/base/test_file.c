// SPDX-License-Identifier: MIT
#include "base/file.h"

#include "counted.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has a folder of its own: top/in is "the archive", top/out is what nobody may reach. */
static char top[64];
static int in = -1;

static const char *at(const char *relative)
{
    static char path[4][512];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", top, relative);
    return out;
}

static int make_top(void **state)
{
    memcpy(top, "/tmp/gantry-file-XXXXXX", sizeof "/tmp/gantry-file-XXXXXX");
    Err err = {0};
    if (!mkdtemp(top) || mkdir(at("in"), 0750) || mkdir(at("out"), 0750))
        return -1;
    if (!file_replace(at("out/secret"), SPAN("secret"), 0640, &err))
        return -1;
    in = file_open_dir(at("in"), false, &err);
    return in < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *position)
{
    return remove(path);
}

static int remove_top(void **state)
{
    close(in);
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void safe_names(void **state)
{
    static const struct {
        const char *path;
        bool safe;
    } cases[] = {
        {"a", true},   {"a/b/c", true}, {"..a/b..", true}, {"...", true},    {".hidden", true},
        {"", false},   {"/a", false},   {"a/", false},     {"a//b", false},  {".", false},
        {"..", false}, {"a/..", false}, {"../a", false},   {"a/./b", false}, {"a/../../b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(file_is_safe_relative(cases[i].path), cases[i].safe);
    char name[300];
    memset(name, 'x', sizeof name);
    name[255] = 0;
    assert_true(file_is_safe_relative(name));
    name[255] = 'x';
    name[256] = 0;
    assert_false(file_is_safe_relative(name));
    char deep[5000];
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = i % 2 ? '/' : 'd';
    deep[sizeof deep - 1] = 0;
    assert_false(file_is_safe_relative(deep));
    deep[4095] = 0;
    assert_true(file_is_safe_relative(deep));
}

static void no_path_leads_out(void **state)
{
    assert_int_equal(symlink("../out", at("in/link")), 0);
    assert_int_equal(symlink("../../out/secret", at("in/file")), 0);
    assert_int_equal(symlink(at("out"), at("in/absolute")), 0);
    const char *paths[] = {"../out/secret",
                           "/etc/passwd",
                           "link/secret",
                           "file",
                           "absolute/secret",
                           "link/../../out/secret",
                           "",
                           "."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        Err err = {0};
        assert_int_equal(file_open_beneath(in, paths[i], O_RDONLY, &err), -1);
        assert_int_not_equal(err.code, ERR_NONE);
        assert_true(strlen(err.text) > 0);
    }
    Err err = {0};
    assert_int_equal(file_open_beneath(in, "link/new", O_WRONLY | O_CREAT, &err), -1);
    assert_int_equal(access(at("out/new"), F_OK), -1);
}

static void no_folder_is_made_outside(void **state)
{
    Err err = {0};
    assert_int_equal(symlink("../out", at("in/link")), 0);
    assert_false(file_make_dirs_beneath(in, "link/made/file", &err));
    assert_int_equal(access(at("out/made"), F_OK), -1);
    assert_false(file_make_dirs_beneath(in, "../made/file", &err));
    assert_false(file_make_dirs_beneath(in, "/tmp/made/file", &err));
    assert_true(file_make_dirs_beneath(in, "file", &err)); /* no folder in it */
    assert_int_equal(file_open_beneath(in, "file", O_RDONLY, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void folders_are_made_beneath(void **state)
{
    Err err = {0};
    assert_true(file_make_dirs_beneath(in, "a/b/c/file", &err));
    assert_true(file_make_dirs_beneath(in, "a/b/c/file", &err));
    assert_true(file_make_dirs_beneath(in, "a/b/d/file", &err));
    int fd = file_open_beneath(in, "a/b/c/file", O_WRONLY | O_CREAT | O_EXCL, &err);
    assert_true(fd >= 0);
    assert_true(file_write_all(fd, "x", 1, &err));
    close(fd);
    struct stat st;
    assert_int_equal(stat(at("in/a/b/c/file"), &st), 0);
    assert_int_equal(st.st_mode & 0137, 0); /* 0640 less the umask */
    assert_int_equal(file_open_beneath(in, "a/b/c/file", O_WRONLY | O_CREAT | O_EXCL, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_false(file_make_dirs_beneath(in, "a/b/c/file/below/x", &err)); /* a file is in the way */
}

/* In this process openat2(2) answers ENOSYS from now on, as on a kernel before 5.6. */
static bool forget_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int check_without_openat2(void)
{
    if (!forget_openat2())
        return 77;
    Err err = {0};
    if (file_open_beneath(in, "link/secret", O_RDONLY, &err) >= 0)
        return 1;
    if (file_open_beneath(in, "file", O_RDONLY, &err) >= 0)
        return 2;
    if (!file_make_dirs_beneath(in, "a/b/real", &err))
        return 3;
    int fd = file_open_beneath(in, "a/b/real", O_RDWR | O_CREAT, &err);
    if (fd < 0 || !file_write_all(fd, "x", 1, &err))
        return 4;
    close(fd);
    fd = file_open_beneath(in, "a/b/real", O_RDONLY, &err);
    if (fd < 0)
        return 5;
    close(fd);
    err_clear(&err);
    if (file_open_beneath(in, "a/none/real", O_RDONLY, &err) >= 0 || err.code != ERR_NOT_FOUND)
        return 6;
    return 0;
}

static void the_same_holds_on_an_old_kernel(void **state)
{
    assert_int_equal(symlink("../out", at("in/link")), 0);
    assert_int_equal(symlink("../out/secret", at("in/file")), 0);
    pid_t child = fork();
    if (child == 0) {
        int failed = check_without_openat2();
        counted();
        _exit(failed);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* a container that lets nobody filter system calls */
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access(at("in/a/b/real"), F_OK), 0);
}

static void folders_with_parents(void **state)
{
    Err err = {0};
    assert_true(file_make_dirs(at("x/y/z"), &err));
    assert_true(file_make_dirs(at("x/y/z/"), &err));
    assert_true(file_make_dirs(top, &err));
    assert_false(file_make_dirs("", &err));
    assert_false(file_make_dirs(at("out/secret"), &err)); /* a file, not a folder */
    assert_false(file_make_dirs(at("out/secret/below"), &err));
    assert_non_null(strstr(err.text, "out/secret/below"));
    int fd = file_open_dir(at("x/new"), true, &err);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_open_dir(at("x/none"), false, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void replacing_is_whole_or_not_at_all(void **state)
{
    Err err = {0};
    Buf buf;
    buf_init(&buf, 100);
    assert_true(file_replace(at("f"), SPAN("first"), 0600, &err));
    assert_true(file_replace(at("f"), SPAN("second"), 0640, &err));
    assert_true(file_read_all(at("f"), 100, &buf, &err));
    assert_string_equal(buf_cstr(&buf), "second");
    struct stat st;
    assert_int_equal(stat(at("f"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_false(file_replace(at("none/f"), SPAN("x"), 0640, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    char endless[5000] = {0};
    memset(endless, 'x', sizeof endless - 1);
    assert_false(file_replace(endless, SPAN("x"), 0640, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(
        file_replace(at("in"), SPAN("x"), 0640, &err)); /* a folder: the temporary file goes away again */
    buf_free(&buf);
}

static void reading_knows_its_limits(void **state)
{
    Err err = {0};
    Buf buf;
    buf_init(&buf, 6);
    assert_true(file_read_all(at("out/secret"), 6, &buf, &err)); /* exactly full */
    assert_int_equal(buf.n, 6);
    buf_clear(&buf);
    assert_false(file_read_all(at("out/secret"), 5, &buf, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(file_read_all(at("out/none"), 5, &buf, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(file_read_all(at("out"), 5, &buf, &err));
    buf_free(&buf);

    char bytes[8] = {0};
    int fd = open(at("out/secret"), O_RDONLY | O_CLOEXEC);
    assert_true(file_read_at(fd, 2, bytes, 4, &err));
    assert_string_equal(bytes, "cret");
    assert_false(file_read_at(fd, 4, bytes, 4, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, "2 bytes early"));
    close(fd);
    assert_false(file_read_at(fd, 0, bytes, 1, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(file_write_all(fd, "x", 1, &err));
    assert_int_equal(err.code, ERR_IO);
}

static void a_full_disk_is_no_space(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        skip();
    Err err = {0};
    assert_false(file_write_all(fd, "x", 1, &err));
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_int_equal(err.dimse, 0xA700);
    close(fd);
}

static void joining(void **state)
{
    static const char *cases[][3] = {{"/a", "b", "/a/b"},
                                     {"/a/", "b", "/a/b"},
                                     {"/a", "/b", "/b"},
                                     {"", "b", "/b"},
                                     {".", "b/c", "./b/c"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *joined = file_join(cases[i][0], cases[i][1]);
        assert_string_equal(joined, cases[i][2]);
        free(joined);
    }
}

static void lying_in(void **state)
{
    static const struct {
        const char *inner, *outer;
        bool lies;
    } cases[] = {{"/a", "/a", true},    {"/a/b", "/a", true}, {"/ab", "/a", false},
                 {"/a", "/a/b", false}, {"/a", "/", true},    {"/", "/", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(file_lies_in(cases[i].inner, cases[i].outer), cases[i].lies);
}

typedef struct Visited {
    int files, stop_after;
    bool saw_hidden, saw_link;
} Visited;

static bool visit(void *ctx, const char *path, Err *err)
{
    Visited *seen = ctx;
    seen->files++;
    seen->saw_hidden |= strstr(path, "/.") != NULL;
    seen->saw_link |= strstr(path, "link") != NULL;
    return seen->files != seen->stop_after || err_set(err, ERR_CANCELLED, "stopped");
}

static void walking(void **state)
{
    Err err = {0};
    assert_true(file_make_dirs(at("w/a/b"), &err));
    assert_true(file_make_dirs(at("w/.hidden"), &err));
    const char *names[] = {"w/1", "w/a/2", "w/a/b/3", "w/.hidden/4", "w/a/.5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(file_replace(at(names[i]), SPAN("x"), 0640, &err));
    assert_int_equal(symlink("../out", at("w/link")), 0);
    assert_int_equal(symlink("..", at("w/a/link")), 0); /* a loop */
    Visited all = {0}, plain = {0}, one = {0}, two = {.stop_after = 2};
    assert_true(file_walk(at("w"), false, visit, &all, &err));
    assert_int_equal(all.files, 5);
    assert_false(all.saw_link);
    assert_true(file_walk(at("w"), true, visit, &plain, &err));
    assert_int_equal(plain.files, 3);
    assert_false(plain.saw_hidden);
    assert_true(file_walk(at("w/1"), true, visit, &one, &err));
    assert_int_equal(one.files, 1);
    assert_false(file_walk(at("w"), false, visit, &two, &err));
    assert_int_equal(two.files, 2);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_false(file_walk(at("none"), false, visit, &one, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void walking_has_a_bottom(void **state)
{
    Err err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s", at("deep"));
    for (int i = 0; i < 70; i++)
        strncat(path, "/d", sizeof path - strlen(path) - 1);
    assert_true(file_make_dirs(path, &err));
    Visited seen = {0};
    assert_false(file_walk(at("deep"), false, visit, &seen, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, make_top, remove_top)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safe_names),
        FILE_TEST(no_path_leads_out),
        FILE_TEST(no_folder_is_made_outside),
        FILE_TEST(folders_are_made_beneath),
        FILE_TEST(the_same_holds_on_an_old_kernel),
        FILE_TEST(folders_with_parents),
        FILE_TEST(replacing_is_whole_or_not_at_all),
        FILE_TEST(reading_knows_its_limits),
        cmocka_unit_test(a_full_disk_is_no_space),
        cmocka_unit_test(joining),
        cmocka_unit_test(lying_in),
        FILE_TEST(walking),
        FILE_TEST(walking_has_a_bottom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
