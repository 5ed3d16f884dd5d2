// SPDX-License-Identifier: MIT
/*
 * Objects that are found under their names: a process that died gave them those, or a person. What is seen is not yet durable; before a row says that such an object is there, it has to be.
 * Where many are about to be found, one sync of the file system is cheaper than one for each; what came before it needs no other.
 */
#include "store/store_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel's times are a little behind the clock. */
#define BEHIND_US INT64_C(100000)

bool store_settle(Store *store, Err *err)
{
    int64_t now = clock_wall_us() - BEHIND_US;
    if (syncfs(store->root) != 0)
        return err_errno(err, errno, "cannot sync the disk of the data folder");
    atomic_store(&store->settled_us, now);
    return true;
}

/* The last change of the file or its name, in this file system's times. */
static int64_t changed_us(const struct stat *st)
{
    return (int64_t)st->st_ctim.tv_sec * 1000000 + st->st_ctim.tv_nsec / 1000;
}

/* What has gone meanwhile is no error: whoever took it away accounts for it. */
static bool sync_found(Store *store, Folders *folders, const char *name, Err *err)
{
    struct stat st;
    int fd = file_open_beneath(store->root, name, O_RDONLY | O_NONBLOCK, NULL);
    if (fd < 0)
        return errno == ENOENT || err_errno(err, errno, "cannot open an object of the archive");
    bool ok = fstat(fd, &st) == 0 || err_errno(err, errno, "cannot look at an object of the archive");
    if (ok && changed_us(&st) >= atomic_load(&store->settled_us))
        ok = file_sync(fd, "an object of the archive", err) && folders_of_name(folders, name, err) >= 0;
    close(fd);
    return ok;
}

bool store_make_durable(Store *store, const char *const *names, size_t n, Err *err)
{
    Folders folders;
    folders_init(&folders, store);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = sync_found(store, &folders, names[i], err);
    ok = ok && folders_sync(&folders, err);
    folders_free(&folders);
    return ok;
}
