// SPDX-License-Identifier: MIT
/* What the tests of the commands share: a folder of their own, and the program run in this process with its output caught. */
#ifndef GANTRY_TEST_CLI_HOUSE_H
#define GANTRY_TEST_CLI_HOUSE_H

#include "base/file.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static inline char *house_folder(void)
{
    char path[] = "/tmp/test_cli_XXXXXX";
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static inline int house_remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static inline void house_remove(char *folder)
{
    nftw(folder, house_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

static inline void house_write(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_true(file_make_dirs(path, NULL));
    *slash = '/';
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline bool house_has(const char *folder, const char *name)
{
    char path[512];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &st) == 0;
}

typedef struct Outcome {
    int code;
    Buf out, err;
} Outcome;

static inline void outcome_free(Outcome *outcome)
{
    buf_free(&outcome->out);
    buf_free(&outcome->err);
}

/* Words up to a NULL. */
static inline Outcome house_run(const char *folder, const char *const *words)
{
    char out_path[512], err_path[512];
    snprintf(out_path, sizeof out_path, "%s/.stdout", folder);
    snprintf(err_path, sizeof err_path, "%s/.stderr", folder);
    int argc = 0;
    char *argv[32] = {NULL};
    for (; words[argc]; argc++)
        argv[argc] = (char *)words[argc];
    fflush(NULL);
    int saved_out = dup(1), saved_err = dup(2);
    int out = open(out_path, O_RDWR | O_CREAT | O_TRUNC, 0600),
        err = open(err_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(err, 2);
    Outcome outcome = {.code = cli_main(argc, argv)};
    fflush(NULL);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    close(out);
    close(err);
    buf_init(&outcome.out, 0);
    buf_init(&outcome.err, 0);
    file_read_all(out_path, 1 << 22, &outcome.out, NULL);
    file_read_all(err_path, 1 << 22, &outcome.err, NULL);
    buf_cstr(&outcome.out);
    buf_cstr(&outcome.err);
    unlink(out_path);
    unlink(err_path);
    return outcome;
}
#define RUN(folder, ...) house_run((folder), (const char *const[]){__VA_ARGS__, NULL})

static inline void assert_contains(Buf *text, const char *part)
{
    if (!strstr(buf_cstr(text), part)) {
        fputs(buf_cstr(text), stderr);
        fail_msg("not there: %s", part);
    }
}

#endif
