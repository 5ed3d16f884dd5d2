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

/* Durably: a folder made is in its parent after a power cut. False with errno. */
static bool make_dir(const char *path)
{
    struct stat st;
    if (mkdir(path, 0750) == 0)
        return sync_folder_of(path, NULL);
    if (errno != EEXIST || stat(path, &st) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode);
}

bool file_make_dirs(const char *path, Err *err)
{
    char *copy = strdup(path);
    if (!copy)
        abort();
    bool ok = true;
    for (char *slash = strchr(copy, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        ok = slash == copy || make_dir(copy);
        *slash = '/';
    }
    ok = ok && make_dir(copy);
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

/* A folder that is really in `parent`, not a link out of it. */
static int open_folder_in(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* For kernels without openat2: one folder after the other, no link followed. `path` is safe and is cut up here. */
static int open_by_walking(int dir, char *path, int flags)
{
    int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *name = path;
    for (char *slash = strchr(name, '/'); slash && at >= 0; slash = strchr(name, '/')) {
        *slash = 0;
        int next = open_folder_in(at, name);
        close(at);
        at = next;
        name = slash + 1;
    }
    if (at < 0)
        return -1;
    int fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC, 0640);
    int number = errno;
    close(at);
    errno = number;
    return fd;
}

static int open_beneath(int dir, const char *relative, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? 0640 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, relative, &how, sizeof how);
    if (fd >= 0 || errno != ENOSYS)
        return fd;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", relative);
    return open_by_walking(dir, path, flags);
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

/* Opens folder `name` of `parent`, made (durably) if it is not there. -1 with errno on failure. */
static int enter_folder(int parent, const char *name)
{
    int fd = open_folder_in(parent, name);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(parent, name, 0750) == 0 ? fsync(parent) != 0 : errno != EEXIST)
        return -1;
    return open_folder_in(parent, name);
}

static bool make_each_folder(int dir, char *path)
{
    int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *name = path;
    for (char *slash = strchr(name, '/'); slash && at >= 0; slash = strchr(name, '/')) {
        *slash = 0;
        int next = enter_folder(at, name);
        int number = errno;
        close(at);
        errno = number;
        at = next;
        name = slash + 1;
    }
    if (at < 0)
        return false;
    close(at);
    return true;
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
    *last = '/';
    return make_each_folder(dir, path) || err_errno(err, errno, "cannot create the folders of %s", relative);
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

static bool read_up_to(int fd, const char *path, size_t limit, Buf *out, Err *err)
{
    uint8_t chunk[16384];
    for (size_t total = 0;;) {
        ssize_t done = read(fd, chunk, sizeof chunk);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_errno(err, errno, "cannot read %s", path);
        if (done == 0)
            return true;
        total += (size_t)done;
        if (total > limit || !buf_append(out, chunk, (size_t)done))
            return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, limit);
    }
}

bool file_read_all(const char *path, size_t limit, Buf *out, Err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "cannot open %s", path);
    bool ok = read_up_to(fd, path, limit, out, err);
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

bool file_replace(const char *path, Span content, unsigned mode, Err *err)
{
    char temp[PATH_MAX];
    if ((size_t)snprintf(temp, sizeof temp, "%s.tmp-XXXXXX", path) >= sizeof temp)
        return err_set(err, ERR_LIMIT, "path %s is too long", path);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "cannot write %s", path);
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

bool file_lies_in(const char *inner, const char *outer)
{
    size_t n = strlen(outer);
    return strncmp(inner, outer, n) == 0 && (inner[n] == 0 || inner[n] == '/' || strcmp(outer, "/") == 0);
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
    while (ok) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            ok = errno == 0 || err_errno(err, errno, "cannot read folder %s", path);
            break;
        }
        ok = walk_entry(path, entry, skip_hidden, depth, visit, ctx, err);
    }
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

bool file_is_for_everybody(const char *path)
{
    struct stat st;
    char *real = realpath(path, NULL), *slash;
    bool open = real && stat(real, &st) == 0 && (st.st_mode & S_IROTH);
    while (open && (slash = strrchr(real, '/')) && slash != real) {
        *slash = 0;
        open = stat(real, &st) == 0 && (st.st_mode & S_IXOTH);
    }
    free(real);
    return open;
}
