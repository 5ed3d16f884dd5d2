// SPDX-License-Identifier: MIT
/* Which files of this machine a client may name. */
#include "web/annotation_source.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];

static const char *at(const char *relative)
{
    static char path[32][256];
    static int next;
    char *out = path[next++ % 32];
    snprintf(out, sizeof path[0], "%s/%s", top, relative);
    return out;
}

static void make_file(const char *relative)
{
    int fd = open(at(relative), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, relative, strlen(relative)), strlen(relative));
    close(fd);
}

static int setup(void **state)
{
    memcpy(top, "/tmp/gantry-source-XXXXXX", sizeof "/tmp/gantry-source-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    mkdir(at("in"), 0700);
    mkdir(at("in/deep"), 0700);
    mkdir(at("second"), 0700);
    make_file("in/one");
    make_file("in/deep/two");
    make_file("second/three");
    make_file("secret");
    return symlink("in", at("alias")) || symlink("../secret", at("in/link")) || symlink(top, at("in/up")) ||
           mkfifo(at("in/fifo"), 0600);
}

static int teardown(void **state)
{
    static const char *const files[] = {"in/one", "in/deep/two", "second/three", "secret",
                                        "alias",  "in/link",     "in/up",        "in/fifo"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(at(files[i]));
    rmdir(at("in/deep"));
    rmdir(at("in"));
    rmdir(at("second"));
    return rmdir(top);
}

/* The content, or NULL and the code. */
static const char *content(const char *path, ErrCode *code)
{
    static char text[64];
    static char folder[4][256];
    const char *const folders[] = {folder[0], folder[1], folder[2], folder[3], NULL};
    static const char *const names[] = {"in", "second", "absent", "alias/"};
    for (size_t i = 0; i < 4; i++)
        snprintf(folder[i], sizeof folder[i], "%s/%s", top, names[i]);
    Err err = {0};
    int fd = web_annotation_source(folders, path, &err);
    *code = err.code;
    if (fd < 0) {
        assert_null(strstr(err.text, top));
        return NULL;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void files_inside(void **state)
{
    ErrCode code;
    assert_string_equal(content("one", &code), "in/one");
    assert_string_equal(content("deep/two", &code), "in/deep/two");
    assert_string_equal(content("three", &code), "second/three");
    assert_string_equal(content(at("in/deep/two"), &code), "in/deep/two");
    assert_string_equal(content(at("alias/one"), &code), "in/one");
    assert_string_equal(content(at("second/three"), &code), "second/three");
}

static void files_outside(void **state)
{
    const char *const paths[] = {
        "/etc/passwd", "/no/such", "..",        "../secret",           "deep/../../secret", at("secret"),
        top,           "/",        at("in2/a"), at("in/../secret"),    at("in//one"),       "",
        at("in"),      ".",        "./one",     at("in/deep/./../one")};
    ErrCode code;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_null(content(paths[i], &code));
        if (code != ERR_REFUSED)
            fail_msg("%s", paths[i]);
    }
}

static void what_is_no_file(void **state)
{
    static const char *const paths[] = {"deep", "link", "up/secret", "up",
                                        "fifo", "none", "one/more",  "deep/no"};
    ErrCode code;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_null(content(paths[i], &code));
        if (code != ERR_USAGE)
            fail_msg("%s", paths[i]);
    }
}

static void no_folders(void **state)
{
    static const char *const none[] = {NULL};
    Err err = {0};
    assert_int_equal(web_annotation_source(none, at("in/one"), &err), -1);
    assert_int_equal(err.http, 403);
    assert_int_equal(web_annotation_source(NULL, "one", &err), -1);
    assert_int_equal(err.http, 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_inside), cmocka_unit_test(files_outside),
                                       cmocka_unit_test(what_is_no_file), cmocka_unit_test(no_folders)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
