// SPDX-License-Identifier: MIT
/*
 * Walking over all objects, or over those in folders that changed since a moment. Publishing renames a file into its folder, which sets the
 * folder's modification time; so an unchanged folder holds nothing new. Links are not followed, hidden names and
 * the folder for temporary files are passed over. What vanishes during the walk is no error.
 */
#include "store/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 64 };

typedef struct Walk {
    FileVisit visit;
    void *ctx;
    int64_t since_us;
    struct stat temp;
    char path[PATH_MAX]; /* relative to the root, of the entry at hand */
} Walk;

static bool walk_folder(Walk *w, int parent, size_t n, int depth, Err *err);

static unsigned char type_of(int dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static bool walk_entry(Walk *w, int dir, const struct dirent *entry, size_t n, bool changed, int depth,
                       Err *err)
{
    if (entry->d_name[0] == '.')
        return true;
    unsigned char type = type_of(dir, entry);
    if (type != DT_DIR && (type != DT_REG || !changed))
        return true;
    int more = snprintf(w->path + n, sizeof w->path - n, "%s%s", n ? "/" : "", entry->d_name);
    if (more < 0 || (size_t)more >= sizeof w->path - n)
        return err_set(err, ERR_LIMIT, "a path in the data folder is too long");
    if (type == DT_REG)
        return w->visit(w->ctx, w->path, err);
    return walk_folder(w, dir, n + (size_t)more, depth + 1, err);
}

/* Reads the folder last added to w->path; `parent` holds it. */
static bool walk_folder(Walk *w, int parent, size_t n, int depth, Err *err)
{
    if (depth > MAX_DEPTH)
        return err_set(err, ERR_LIMIT, "the data folder is nested deeper than %d folders", MAX_DEPTH);
    w->path[n] = 0;
    int fd = openat(parent, n ? last_part(w->path) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT || err_errno(err, errno, "cannot read a folder of the archive");
    struct stat st;
    bool stated = fstat(fd, &st) == 0;
    int64_t mtime = stated ? (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000 : INT64_MAX;
    bool changed = mtime >= w->since_us;
    bool is_temp = stated && st.st_dev == w->temp.st_dev && st.st_ino == w->temp.st_ino;
    /* Two links: no subfolders, where the file system counts them. */
    DIR *entries = is_temp || (!changed && st.st_nlink == 2) ? NULL : fdopendir(fd);
    if (!entries) {
        close(fd);
        return true;
    }
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(entries)))
        ok = walk_entry(w, fd, entry, n, changed, depth, err);
    closedir(entries);
    return ok;
}

bool store_walk_changed(Store *store, int64_t since_us, FileVisit visit, void *ctx, Err *err)
{
    Walk w = {.visit = visit, .ctx = ctx, .since_us = since_us};
    if (fstat(store->session.base, &w.temp) != 0)
        return err_errno(err, errno, "cannot look at the folder for temporary files");
    return walk_folder(&w, store->root, 0, 0, err);
}

bool store_walk(Store *store, FileVisit visit, void *ctx, Err *err)
{
    return store_walk_changed(store, INT64_MIN, visit, ctx, err);
}
