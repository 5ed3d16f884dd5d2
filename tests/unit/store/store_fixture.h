// SPDX-License-Identifier: MIT
/* A store in a folder of its own for each test: TOP/data, TOP/temp. Include last, it brings cmocka. */
#ifndef GANTRY_TESTS_STORE_FIXTURE_H
#define GANTRY_TESTS_STORE_FIXTURE_H

#include "base/file.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
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
static Store *store;

static const char *at(const char *relative)
{
    static char path[4][5000];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", top, relative);
    return out;
}

static Store *open_store(void)
{
    Err err = {0};
    Store *opened = store_open_directory(at("data"), at("temp"), &err);
    if (!opened)
        fail_msg("%s", err.text);
    return opened;
}

static int make_store(void **state)
{
    memcpy(top, "/tmp/gantry-store-XXXXXX", sizeof "/tmp/gantry-store-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    store = open_store();
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

static int drop_store(void **state)
{
    store_close(store);
    store = NULL;
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* With such a stack the kernel gives no thread. */
static inline void refuse_threads(bool refuse)
{
    static size_t usual;
    pthread_attr_t attr;
    assert_int_equal(pthread_getattr_default_np(&attr), 0);
    if (refuse)
        pthread_attr_getstacksize(&attr, &usual);
    assert_int_equal(pthread_attr_setstacksize(&attr, refuse ? (size_t)1 << 50 : usual), 0);
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    pthread_attr_destroy(&attr);
}

/* An ended put with this content. */
static inline StorePut *ended(const char *content)
{
    Err err = {0};
    StorePut *put = store_put_begin(store, &err);
    if (!put)
        fail_msg("%s", err.text);
    assert_true(store_put_write(put, span_cstr(content), &err));
    assert_true(store_put_end(put, NULL, &err));
    return put;
}

static inline void publish_one(const char *name, const char *content)
{
    StorePublish one = {.put = ended(content), .name = name, .replace = true};
    if (!store_publish(store, &one, 1))
        fail_msg("%s", one.err.text);
    store_put_abandon(one.previous);
}

static inline bool file_exists(const char *relative)
{
    struct stat st;
    return lstat(at(relative), &st) == 0;
}

static inline void assert_content(const char *relative, const char *content)
{
    Buf text;
    Err err = {0};
    buf_init(&text, 0);
    if (!file_read_all(at(relative), 1 << 20, &text, &err))
        fail_msg("%s", err.text);
    assert_string_equal(buf_cstr(&text), content);
    buf_free(&text);
}

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *walk);
static size_t counted;

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    counted += kind == FTW_F;
    return 0;
}

/* Regular files below a folder. */
static inline size_t count_files(const char *relative)
{
    counted = 0;
    nftw(at(relative), count_entry, 16, FTW_PHYS);
    return counted;
}

#endif
