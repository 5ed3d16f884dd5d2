// SPDX-License-Identifier: MIT
/* Opening and closing a directory store. One driver so far: a table of functions comes with the second. */
#include "store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

Store *store_open_directory(const char *root, const char *temp, Err *err)
{
    Store *store = calloc(1, sizeof *store);
    if (!store)
        abort();
    store->session = (Session){.base = -1, .dir = -1, .lock = -1, .unclean_since = INT64_MAX};
    pthread_mutex_init(&store->known_lock, NULL);
    store->root = file_open_dir(root, true, err);
    if (store->root < 0)
        goto failed;
    store->root_path = realpath(root, NULL);
    if (!store->root_path) {
        err_errno(err, errno, "cannot open the data folder %s", root);
        goto failed;
    }
    if (session_open(&store->session, temp, err) && session_can_reach(&store->session, store->root, err))
        return store;
    err_wrap(err, "store %s, temporary files %s", root, temp);
failed:
    store_close(store);
    return NULL;
}

void store_close(Store *store)
{
    if (!store)
        return;
    pool_finish(store->helpers);
    session_close(&store->session);
    if (store->root >= 0)
        close(store->root);
    pthread_mutex_destroy(&store->known_lock);
    free(store->root_path);
    free(store);
}

void store_write_direct(Store *store, bool direct)
{
    store->direct = direct;
}

char *store_path(const Store *store, const char *name)
{
    return file_is_safe_relative(name) ? file_join(store->root_path, name) : NULL;
}

const char *store_name(const Store *store, const char *path)
{
    size_t n = strlen(store->root_path);
    if (strncmp(path, store->root_path, n) != 0 || path[n] != '/' || !file_is_safe_relative(path + n + 1))
        return NULL;
    return path + n + 1;
}

uint64_t store_room(const Store *store, uint64_t *total)
{
    struct statvfs fs;
    *total = 0;
    if (fstatvfs(store->root, &fs) != 0)
        return UINT64_MAX;
    *total = (uint64_t)fs.f_blocks * fs.f_frsize;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}
