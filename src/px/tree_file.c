// SPDX-License-Identifier: MIT
/*
 * Files of a tree, read and written whole. The temporary file lies in the root, where pypx does not count files. Nothing is synced: the tree is a copy.
 * A lock is flock(2) on a folder: it ends with its process and leaves no file.
 */
#include "px/tree_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY ".tree-"

enum { LOCK_WAIT_MS = 30000, LOCK_STEP_MS = 5 };

/* -- reading -- */

static bool read_text(int fd, Buf *out, Err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(err, errno, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FORMAT, "is no regular file");
    if (st.st_size > PX_TREE_FILE_MAX)
        return err_set(err, ERR_FORMAT, "is larger than %d MiB", PX_TREE_FILE_MAX >> 20);
    uint8_t *to = buf_reserve(out, (size_t)st.st_size + 1);
    if (!to || !file_read_at(fd, 0, to, (size_t)st.st_size, err))
        return to != NULL || err_set(err, ERR_LIMIT, "is too large");
    out->n += (size_t)st.st_size;
    return true;
}

json_t *px_tree_get(int root, const char *name, Err *err)
{
    Buf text;
    json_t *value = NULL;
    json_error_t problem;
    int fd = openat(root, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_errno(err, errno, "%s", name);
        return NULL;
    }
    buf_init(&text, 0);
    if (read_text(fd, &text, err)) {
        value = json_loadb((const char *)text.p, text.n, 0, &problem);
        if (!value)
            err_set(err, ERR_FORMAT, "is damaged: no JSON from line %d, column %d on", problem.line,
                    problem.column);
        else if (!json_is_object(value))
            err_set(err, ERR_FORMAT, "is damaged: no JSON object");
    }
    close(fd);
    buf_free(&text);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

/* -- writing -- */

static bool write_temporary(int root, const char *temporary, const json_t *value, Err *err)
{
    Buf text;
    buf_init(&text, 0);
    px_document_write(value, false, &text);
    int fd = openat(root, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool ok = fd >= 0 || err_errno(err, errno, "cannot create a file");
    ok = ok && file_write_all(fd, text.p, text.n - 1, err); /* without the newline */
    if (fd >= 0 && close(fd) != 0)
        ok = ok && err_errno(err, errno, "cannot write a file");
    buf_free(&text);
    return ok;
}

/* File systems that cannot keep what is there (NFS) replace it: the same was going to be said. */
static bool move_into_place(int root, const char *temporary, const char *name, PxTreePut how, Err *err)
{
    bool first = how == PX_TREE_FIRST;
    for (bool folders = false;;) {
        if ((first ? renameat2(root, temporary, root, name, RENAME_NOREPLACE)
                   : renameat(root, temporary, root, name)) == 0)
            return true;
        if (first && errno == EEXIST) {
            unlinkat(root, temporary, 0);
            return true;
        }
        if (first && (errno == EINVAL || errno == ENOSYS)) {
            first = false;
        } else if (errno == ENOENT && !folders) {
            folders = true;
            if (!file_make_dirs_beneath(root, name, err))
                return false;
        } else {
            return err_errno(err, errno, "cannot write");
        }
    }
}

static bool is_old(int root, const char *name)
{
    enum { HOUR = 3600 };
    struct stat st;
    return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           time(NULL) - st.st_mtime > HOUR;
}

void px_tree_tidy(int root)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (!dir && fd >= 0)
        close(fd);
    while (dir && (entry = readdir(dir)))
        if (strncmp(entry->d_name, TEMPORARY, sizeof TEMPORARY - 1) == 0 && is_old(root, entry->d_name))
            unlinkat(root, entry->d_name, 0);
    if (dir)
        closedir(dir);
}

bool px_tree_put(int root, const char *name, const json_t *value, PxTreePut how, Err *err)
{
    static atomic_uint counter;
    char temporary[64];
    snprintf(temporary, sizeof temporary, TEMPORARY "%ld-%u", (long)getpid(), atomic_fetch_add(&counter, 1));
    if (write_temporary(root, temporary, value, err) && move_into_place(root, temporary, name, how, err))
        return true;
    unlinkat(root, temporary, 0);
    return err_wrap(err, "%s", name);
}

/* -- locking -- */

int px_tree_lock(int root, const char *folder, Err *err)
{
    if (mkdirat(root, folder, 0750) != 0 && errno != EEXIST) {
        err_errno(err, errno, "cannot create %s", folder);
        return -1;
    }
    int fd = openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 || err_errno(err, errno, "%s", folder);
    Deadline deadline = deadline_in(LOCK_WAIT_MS);
    while (ok && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            ok = err_errno(err, errno, "cannot lock %s", folder);
        else if (deadline_passed(deadline))
            ok = err_set(err, ERR_TIMEOUT, "another program has kept %s locked for %d s; try again", folder,
                         LOCK_WAIT_MS / 1000);
        else
            clock_sleep_ms(LOCK_STEP_MS);
    }
    if (ok)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}
