// SPDX-License-Identifier: MIT
#include "px/place.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As mkdir -p, by the umask. */
static bool make_base(const char *path, Err *err)
{
    char copy[PATH_MAX];
    if (!span_copy(span_cstr(path), copy, sizeof copy))
        return err_set(err, ERR_LIMIT, "the path of a folder is too long");
    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return err_errno(err, errno, "cannot create folder %s", path);
        if (!slash)
            return true;
        *slash = '/';
    }
}

/* It can only be asked for by setting it, which must not happen in two threads at once. */
static mode_t mask;
static void ask_mask(void)
{
    mask = umask(0);
    umask(mask);
}

bool px_place_open(PxPlace *place, const char *path, bool create, Err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_mask);
    *place = (PxPlace){.base = -1, .at = -1};
    if (create && !make_base(path, err))
        return false;
    place->base = file_open_dir(path, false, err);
    return place->base >= 0;
}

bool px_place_settle(PxPlace *place, Err *err)
{
    if (place->at >= 0 && place->unsynced && !file_sync(place->at, "a folder", err))
        return false;
    place->unsynced = false;
    return true;
}

static void leave_folder(PxPlace *place)
{
    if (place->at >= 0)
        close(place->at);
    free(place->folder);
    place->at = -1;
    place->folder = NULL;
}

void px_place_close(PxPlace *place)
{
    leave_folder(place);
    if (place->base >= 0)
        close(place->base);
    place->base = -1;
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Opens a folder below `base`, made part by part. */
static int make_folders(PxPlace *place, const char *folder, Err *err)
{
    char path[PATH_MAX];
    span_copy(span_cstr(folder), path, sizeof path);
    int at = openat(place->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (char *part = path, *slash; at >= 0 && part; part = slash ? slash + 1 : NULL) {
        slash = strchr(part, '/');
        if (slash)
            *slash = 0;
        bool made = mkdirat(at, part, 0777) == 0;
        int number = errno;
        int next =
            made && fsync(at) != 0 ? -1 : openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (made || number == EEXIST) /* else why it cannot be made says more than that it is not there */
            number = errno;
        close(at);
        errno = number;
        at = next;
    }
    if (at < 0)
        err_errno(err, errno, "cannot create the folders");
    return at;
}

/* Makes the folder of `name` the open one. False with err->code ERR_NOT_FOUND when it is not there and is not to be made. */
static bool enter_folder(PxPlace *place, const char *name, bool create, Err *err)
{
    if (!file_is_safe_relative(name))
        return err_set(err, ERR_REFUSED,
                       "the name is no plain relative path and could lead out of the folder");
    const char *last = last_part(name);
    char folder[PATH_MAX] = "";
    if (last != name)
        span_copy(span_of(name, (size_t)(last - name) - 1), folder, sizeof folder);
    if (place->folder && !strcmp(place->folder, folder))
        return true;
    if (!px_place_settle(place, err))
        return false;
    leave_folder(place);
    int at = *folder ? file_open_beneath(place->base, folder, O_RDONLY | O_DIRECTORY, NULL)
                     : openat(place->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 && create && *folder)
        at = make_folders(place, folder, err);
    else if (at < 0) /* without its name, which may be a patient's */
        err_errno(err, errno, "cannot open the folder");
    if (at < 0)
        return false;
    place->at = at;
    place->folder = strdup(folder);
    if (!place->folder)
        abort();
    return true;
}

/* -- writing -- */

/* A file without a name leaves nothing when we are killed; it gets one through /proc. */
static bool has_proc;
static void ask_proc(void)
{
    has_proc = access("/proc/self/fd", X_OK) == 0;
}

static void new_name(char out[PX_PLACED_NAME])
{
    static atomic_uint counter;
    snprintf(out, PX_PLACED_NAME, ".px-%d-%u-%llx", (int)getpid(), atomic_fetch_add(&counter, 1),
             (unsigned long long)clock_ns());
}

static int open_named(PxPlaced *placed)
{
    int fd = -1;
    for (int again = 0; fd < 0 && again < 100; again++) {
        new_name(placed->temp);
        fd = openat(placed->place->at, placed->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0666 & ~mask);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        *placed->temp = 0;
    return fd;
}

bool px_placed_begin(PxPlace *place, const char *name, PxPlaced *out, Err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_proc);
    *out = (PxPlaced){.place = place, .last = last_part(name), .fd = -1};
    if (!enter_folder(place, name, true, err))
        return false;
    if (has_proc)
        out->fd = openat(place->at, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0666 & ~mask);
    if (out->fd < 0)
        out->fd = open_named(out);
    return out->fd >= 0 || err_errno(err, errno, "cannot write");
}

/* Another name for an open file, in the open folder. */
static bool give_name(const PxPlaced *placed, int fd, const char *name)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, placed->place->at, name, AT_SYMLINK_FOLLOW) == 0;
}

bool px_placed_link(PxPlaced *placed, int fd)
{
    char name[PX_PLACED_NAME];
    new_name(name);
    if (!give_name(placed, fd, name))
        return false;
    if (*placed->temp)
        unlinkat(placed->place->at, placed->temp, 0);
    memcpy(placed->temp, name, sizeof name);
    return true;
}

bool px_placed_write(PxPlaced *placed, Span bytes, Err *err)
{
    return file_write_all(placed->fd, bytes.p, bytes.n, err);
}

bool px_placed_restart(PxPlaced *placed, Err *err)
{
    return (lseek(placed->fd, 0, SEEK_SET) == 0 && ftruncate(placed->fd, 0) == 0) ||
           err_errno(err, errno, "cannot write");
}

void px_placed_abandon(PxPlaced *placed)
{
    if (placed->fd < 0)
        return;
    close(placed->fd);
    placed->fd = -1;
    if (*placed->temp)
        unlinkat(placed->place->at, placed->temp, 0);
}

static bool name_it(PxPlaced *placed)
{
    int at = placed->place->at;
    if (!*placed->temp) {
        if (give_name(placed, placed->fd, placed->last))
            return true;
        if (errno != EEXIST || !px_placed_link(placed, placed->fd))
            return false;
    }
    if (renameat(at, placed->temp, at, placed->last) != 0)
        return false;
    unlinkat(at, placed->temp, 0); /* it is still there when both were names of one file */
    return true;
}

bool px_placed_end(PxPlaced *placed, Err *err)
{
    bool ok = file_sync(placed->fd, "a file", err);
    if (ok && !name_it(placed))
        ok = err_errno(err, errno, "cannot give the file its name");
    if (!ok) {
        px_placed_abandon(placed);
        return false;
    }
    close(placed->fd);
    placed->fd = -1;
    placed->place->unsynced = true;
    return true;
}

/* -- reading and removing -- */

bool px_place_read(PxPlace *place, const char *name, int *fd, uint64_t *size, Err *err)
{
    Err problem = {0};
    struct stat st;
    *fd = -1;
    if (!enter_folder(place, name, false, &problem)) {
        if (problem.code == ERR_NOT_FOUND)
            return true;
        if (err)
            *err = problem;
        return false;
    }
    int at = openat(place->at, last_part(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (at < 0)
        return errno == ENOENT || err_errno(err, errno, "cannot open");
    if (fstat(at, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(at);
        return err_set(err, ERR_EXISTS, "something that is no file has the name");
    }
    *fd = at;
    *size = (uint64_t)st.st_size;
    return true;
}

bool px_place_remove(PxPlace *place, const char *name, Err *err)
{
    Err problem = {0};
    if (!enter_folder(place, name, false, &problem)) {
        if (problem.code != ERR_NOT_FOUND && err)
            *err = problem;
        return problem.code == ERR_NOT_FOUND;
    }
    if (unlinkat(place->at, last_part(name), 0) != 0 && errno != ENOENT)
        return err_errno(err, errno, "cannot delete");
    place->unsynced = true;
    char path[PATH_MAX];
    span_copy(span_cstr(name), path, sizeof path);
    for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
        *slash = 0;
        if (unlinkat(place->base, path, AT_REMOVEDIR) != 0)
            break;
        if (place->folder && !strcmp(place->folder, path)) {
            place->unsynced = false;
            leave_folder(place);
        }
    }
    return true;
}
