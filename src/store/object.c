// SPDX-License-Identifier: MIT
/* Reading and deleting objects by name. */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct StoreObject {
    int fd;
    uint64_t size;
};

/* A name has a patient's identifier in it, so errors do not say it. */
static int open_beneath(Store *store, const char *path, int flags, Err *err)
{
    if (!file_is_safe_relative(path)) {
        err_set(err, ERR_REFUSED, "an object's name is not a plain relative path");
        return -1;
    }
    int fd = file_open_beneath(store->root, path, flags, NULL);
    if (fd < 0)
        err_errno(err, errno, "cannot open an object or a folder of the archive");
    return fd;
}

StoreObject *store_get(Store *store, const char *name, Err *err)
{
    int fd = open_beneath(store, name, O_RDONLY | O_NONBLOCK, err);
    if (fd < 0)
        return NULL;
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_NOT_FOUND, "the object is no regular file");
        close(fd);
        return NULL;
    }
    StoreObject *object = malloc(sizeof *object);
    if (!object)
        abort();
    *object = (StoreObject){fd, (uint64_t)st.st_size};
    return object;
}

uint64_t store_object_size(const StoreObject *object)
{
    return object->size;
}

ssize_t store_object_read(StoreObject *object, uint64_t offset, void *p, size_t n, Err *err)
{
    if (offset > INT64_MAX)
        return 0;
    ssize_t done;
    do
        done = pread(object->fd, p, n, (off_t)offset);
    while (done < 0 && errno == EINTR);
    if (done < 0)
        err_errno(err, errno, "cannot read an object at byte %llu", (unsigned long long)offset);
    return done;
}

int store_object_fd(const StoreObject *object)
{
    return object->fd;
}

void store_object_close(StoreObject *object)
{
    if (!object)
        return;
    close(object->fd);
    free(object);
}

/* The folder of path[0..end) as a descriptor; the root when there is no slash. Cuts `path` there. */
static int open_parent(Store *store, char *path, Err *err)
{
    char *slash = strrchr(path, '/');
    if (slash) {
        *slash = 0;
        return open_beneath(store, path, O_RDONLY | O_DIRECTORY, err);
    }
    int fd = fcntl(store->root, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        err_errno(err, errno, "cannot open the data folder");
    return fd;
}

/* Removes the folder `path` and those above it as long as they are empty. */
static void remove_empty(Store *store, char *path)
{
    bool removed = true;
    while (removed && *path) {
        const char *last = last_part(path);
        char part[NAME_MAX + 1];
        snprintf(part, sizeof part, "%s", last);
        if (last == path)
            *path = 0;
        int parent = *path ? open_parent(store, path, NULL) : fcntl(store->root, F_DUPFD_CLOEXEC, 0);
        removed = parent >= 0 && unlinkat(parent, part, AT_REMOVEDIR) == 0;
        if (removed)
            folders_forget(store);
        if (parent >= 0)
            close(parent);
    }
}

bool store_delete(Store *store, const char *name, Err *err)
{
    if (!file_is_safe_relative(name))
        return err_set(err, ERR_REFUSED, "an object's name is not a plain relative path");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", name);
    bool in_folder = strchr(path, '/') != NULL;
    int parent = open_parent(store, path, err);
    if (parent < 0)
        return false;
    bool ok = unlinkat(parent, last_part(name), 0) == 0;
    ok = ok ? file_sync(parent, "a folder of the archive", err)
            : err_errno(err, errno, "cannot delete an object");
    close(parent);
    if (ok && in_folder)
        remove_empty(store, path);
    return ok;
}
