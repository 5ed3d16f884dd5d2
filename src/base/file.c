// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_DEPTH = 64 };

bool file_make_dirs(const char *path, Err *err)
{
    char *copy = strdup(path);
    if (!copy)
        abort();
    bool ok = true;
    for (char *p = copy + 1; ok && *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        ok = mkdir(copy, 0750) == 0 || errno == EEXIST;
        *p = '/';
    }
    ok = ok && (mkdir(copy, 0750) == 0 || errno == EEXIST);
    if (!ok)
        err_errno(err, errno, "cannot create folder %s", path);
    free(copy);
    return ok;
}

int file_open_dir(const char *path, bool create, Err *err)
{
    if (create && !file_make_dirs(path, err))
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err_errno(err, errno, "cannot open folder %s", path);
    return fd;
}

bool file_is_safe_relative(const char *relative)
{
    Span rest = span_cstr(relative), part;
    bool more = true;
    if (rest.n == 0 || rest.n >= PATH_MAX)
        return false;
    while (span_split(&rest, '/', &part, &more))
        if (part.n == 0 || part.n > NAME_MAX || span_eq_cstr(part, ".") || span_eq_cstr(part, ".."))
            return false;
    return true;
}

static int open_beneath(int dir, const char *relative, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? 0640 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, relative, &how, sizeof how);
    if (fd >= 0 || errno != ENOSYS)
        return fd;
    return openat(dir, relative, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
}

int file_open_beneath(int dir, const char *relative, int flags, Err *err)
{
    if (!file_is_safe_relative(relative)) {
        err_set(err, ERR_REFUSED, "path '%s' is not a plain relative path", relative);
        return -1;
    }
    int fd = open_beneath(dir, relative, flags);
    if (fd < 0)
        err_errno(err, errno, "cannot open %s", relative);
    return fd;
}

static bool make_dir_durably(int dir, const char *path, Err *err)
{
    if (mkdirat(dir, path, 0750) != 0)
        return errno == EEXIST || err_errno(err, errno, "cannot create folder %s", path);
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = 0;
    int fd =
        slash ? open_beneath(dir, parent, O_RDONLY | O_DIRECTORY) : openat(dir, ".", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "cannot open the folder above %s", path);
    bool ok = file_sync(fd, path, err);
    close(fd);
    return ok;
}

bool file_make_dirs_beneath(int dir, const char *relative, Err *err)
{
    if (!file_is_safe_relative(relative))
        return err_set(err, ERR_REFUSED, "path '%s' is not a plain relative path", relative);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", relative);
    char *last = strrchr(path, '/');
    if (!last)
        return true;
    *last = 0;
    int there = open_beneath(dir, path, O_PATH | O_DIRECTORY);
    if (there >= 0) {
        close(there);
        return true;
    }
    for (char *p = path; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (!make_dir_durably(dir, path, err))
            return false;
        *p = '/';
    }
    return make_dir_durably(dir, path, err);
}

bool file_write_all(int fd, const void *p, size_t n, Err *err)
{
    const uint8_t *at = p;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return err_errno(err, done ? errno : ENOSPC, "write of %zu bytes", n);
        at += done;
        n -= (size_t)done;
    }
    return true;
}

bool file_read_at(int fd, uint64_t offset, void *p, size_t n, Err *err)
{
    uint8_t *at = p;
    while (n) {
        ssize_t done = pread(fd, at, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_errno(err, errno, "read at byte %llu", (unsigned long long)offset);
        if (done == 0)
            return err_set(err, ERR_FORMAT, "the file ends at byte %llu, %zu bytes early",
                           (unsigned long long)offset, n);
        at += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

bool file_read_all(const char *path, size_t limit, Buf *out, Err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "cannot open %s", path);
    bool ok = true;
    size_t total = 0;
    for (;;) {
        uint8_t *room = buf_reserve(out, 65536);
        ssize_t done = room ? read(fd, room, 65536) : -1;
        if (done < 0 && room && errno == EINTR)
            continue;
        if (done < 0) {
            ok = room ? err_errno(err, errno, "cannot read %s", path)
                      : err_set(err, ERR_LIMIT, "%s is larger than allowed", path);
            break;
        }
        if (done == 0)
            break;
        out->n += (size_t)done;
        total += (size_t)done;
        if (total > limit) {
            ok = err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, limit);
            break;
        }
    }
    close(fd);
    return ok;
}

bool file_sync(int fd, const char *name, Err *err)
{
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return err_errno(err, errno, "fsync of %s", name);
    return true;
}

static bool sync_folder_of(const char *path, Err *err)
{
    char *folder = strdup(path);
    if (!folder)
        abort();
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        slash++;
    if (slash)
        *slash = 0;
    int fd = file_open_dir(slash ? folder : ".", false, err);
    bool ok = fd >= 0 && file_sync(fd, folder, err);
    if (fd >= 0)
        close(fd);
    free(folder);
    return ok;
}

bool file_replace(const char *path, Span content, unsigned mode, Err *err)
{
    char temp[PATH_MAX];
    if ((size_t)snprintf(temp, sizeof temp, "%s.tmp-XXXXXX", path) >= sizeof temp)
        return err_set(err, ERR_LIMIT, "path %s is too long", path);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "cannot create %s", temp);
    bool ok = file_write_all(fd, content.p, content.n, err) && file_sync(fd, temp, err);
    if (ok && fchmod(fd, (mode_t)mode) != 0)
        ok = err_errno(err, errno, "chmod %s", temp);
    close(fd);
    if (ok && rename(temp, path) != 0)
        ok = err_errno(err, errno, "cannot rename %s to %s", temp, path);
    if (!ok) {
        unlink(temp);
        return false;
    }
    return sync_folder_of(path, err);
}

char *file_join(const char *base, const char *path)
{
    char *out = NULL;
    size_t n = strlen(base);
    const char *slash = n && base[n - 1] == '/' ? "" : "/";
    int done = path[0] == '/' ? asprintf(&out, "%s", path) : asprintf(&out, "%s%s%s", base, slash, path);
    if (done < 0)
        abort();
    return out;
}

static bool walk(const char *path, bool skip_hidden, int depth, FileVisit visit, void *ctx, Err *err);

static bool walk_entry(const char *path, const struct dirent *entry, bool skip_hidden, int depth,
                       FileVisit visit, void *ctx, Err *err)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (skip_hidden && name[0] == '.'))
        return true;
    char *child = file_join(path, name);
    struct stat st;
    bool ok = true;
    if (lstat(child, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            ok = walk(child, skip_hidden, depth + 1, visit, ctx, err);
        else if (S_ISREG(st.st_mode))
            ok = visit(ctx, child, err);
    }
    free(child);
    return ok;
}

static bool walk(const char *path, bool skip_hidden, int depth, FileVisit visit, void *ctx, Err *err)
{
    if (depth > MAX_DEPTH)
        return err_set(err, ERR_LIMIT, "%s is nested deeper than %d folders", path, MAX_DEPTH);
    DIR *dir = opendir(path);
    if (!dir)
        return err_errno(err, errno, "cannot read folder %s", path);
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(dir)))
        ok = walk_entry(path, entry, skip_hidden, depth, visit, ctx, err);
    closedir(dir);
    return ok;
}

bool file_walk(const char *path, bool skip_hidden, FileVisit visit, void *ctx, Err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, errno, "cannot read %s", path);
    if (S_ISREG(st.st_mode))
        return visit(ctx, path, err);
    return walk(path, skip_hidden, 0, visit, ctx, err);
}
