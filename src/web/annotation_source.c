// SPDX-License-Identifier: MIT
#include "web/annotation_source.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What of `path` is behind `folder`; NULL when it is not in it. */
static const char *inside(const char *folder, const char *path)
{
    size_t n = strlen(folder);
    while (n && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* The same when the folder is reached through links. */
static const char *relative_to(const char *folder, const char *path)
{
    if (path[0] != '/')
        return path;
    const char *rest = inside(folder, path);
    char *real = rest ? NULL : realpath(folder, NULL);
    if (real)
        rest = inside(real, path);
    free(real);
    return rest;
}

static bool judge(const struct stat *st, Err *err)
{
    if (S_ISREG(st->st_mode))
        return true;
    return err_set(err, ERR_USAGE,
                   S_ISDIR(st->st_mode)   ? "file_path is a directory, not a file"
                   : S_ISLNK(st->st_mode) ? "file_path is a symbolic link, which is not followed"
                                          : "file_path is no regular file");
}

/* Looked at before it is opened: opening a device may do something. */
static int open_regular(int dir, const char *relative, Err *err)
{
    struct stat seen, opened;
    Err why = {0};
    int look = file_open_beneath(dir, relative, O_PATH | O_NOFOLLOW, &why);
    if (look < 0) {
        err_set(err, ERR_USAGE,
                why.code == ERR_NOT_FOUND ? "file_path does not exist"
                                          : "file_path cannot be reached: it may lead through a link");
        return -1;
    }
    bool ok = (fstat(look, &seen) == 0 || err_errno(err, errno, "file_path")) && judge(&seen, err);
    close(look);
    int fd = ok ? file_open_beneath(dir, relative, O_RDONLY | O_NONBLOCK | O_NOCTTY, &why) : -1;
    if (fd >= 0 && fstat(fd, &opened) == 0 && opened.st_ino == seen.st_ino && opened.st_dev == seen.st_dev)
        return fd;
    if (ok)
        err_set(err, ERR_USAGE, "file_path cannot be read by the archive");
    if (fd >= 0)
        close(fd);
    return -1;
}

int web_annotation_source(const char *const *folders, const char *path, Err *err)
{
    bool may = false;
    for (size_t i = 0; folders && folders[i]; i++) {
        const char *relative = relative_to(folders[i], path);
        if (!relative || !file_is_safe_relative(relative))
            continue;
        int dir = file_open_dir(folders[i], false, NULL);
        if (dir < 0)
            continue;
        may = true;
        int fd = open_regular(dir, relative, err);
        close(dir);
        if (fd >= 0)
            return fd;
    }
    if (!may)
        err_set(
            err, ERR_REFUSED,
            "file_path is not in a folder from which annotations may be taken (api.annotation.folders); send "
            "the file itself to /annotations");
    return -1;
}
