// SPDX-License-Identifier: MIT
/*
 * Temporary files by process. TEMP/<number>/ belongs to one process, which holds a flock(2) on its file `lock` as long as it lives;
 * a folder whose lock can be had belongs to a process that died. Its temporary files were never acknowledged and are
 * removed; the folder stays as the memory of an unclean stop until store_forget_unclean. The lock file's
 * modification time is the process's last checkpoint.
 *
 * TEMP/lock is held for the moment of opening, so that two openers do not take each other's new folder for a dead one. Who finds a dead
 * one's folder holds its lock from then on, so that of many processes one sees to what it left; the others take it for
 * one that lives, but for the file `dead` that lies in it by then. When that one goes without having finished, the next opener finds it.
 */
#include "store/store_internal.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_WAIT_MS = 10000, OPEN_STEP_MS = 1, MAX_TRIES = 1000 };

static bool is_number(const char *name)
{
    size_t n = strspn(name, "0123456789");
    return n > 0 && n < 24 && name[n] == 0;
}

static bool lock_base(int base, int *lock, Err *err)
{
    *lock = openat(base, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (*lock < 0)
        return err_errno(err, errno, "cannot create the lock of the folder for temporary files");
    Deadline deadline = deadline_in(OPEN_WAIT_MS);
    while (flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, errno, "cannot lock the folder for temporary files");
        if (deadline_passed(deadline))
            return err_set(err, ERR_TIMEOUT,
                           "another process has been opening this archive for %d s; stop it and try again",
                           OPEN_WAIT_MS / 1000);
        clock_sleep_ms(OPEN_STEP_MS);
    }
    return true;
}

static void empty_folder(int dir)
{
    int fd = dup(dir);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        if (fd >= 0)
            close(fd);
        return;
    }
    rewinddir(entries);
    const struct dirent *entry;
    while ((entry = readdir(entries)))
        if (is_number(entry->d_name))
            unlinkat(dir, entry->d_name, 0);
    closedir(entries);
}

static void note_dead(Session *session, const char *name, int lock, int64_t since_us)
{
    DeadSession *more = realloc(session->dead, (session->dead_count + 1) * sizeof *more);
    if (!more)
        abort();
    session->dead = more;
    DeadSession *dead = &session->dead[session->dead_count++];
    snprintf(dead->name, sizeof dead->name, "%s", name);
    dead->lock = lock;
    if (since_us < session->unclean_since)
        session->unclean_since = since_us;
}

/* Clears the folder if its process is dead. */
static void inspect(Session *session, const char *name)
{
    int dir = openat(session->base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return;
    int lock = openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    bool gone = lock < 0 && errno == ENOENT; /* otherwise nobody knows: it may live */
    if (gone) {                              /* it was about to go, and its names went in another order */
        empty_folder(dir);
        unlinkat(dir, "dead", 0);
        unlinkat(session->base, name, AT_REMOVEDIR);
    } else if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && fstat(lock, &st) == 0 && st.st_nlink > 0) {
        /* A lock without a name is that of a process which was about to close, and has. */
        empty_folder(dir);
        close(openat(dir, "dead", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
        note_dead(session, name, lock, (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000);
        lock = -1;
    }
    if (lock >= 0)
        close(lock);
    close(dir);
}

static bool inspect_all(Session *session, Err *err)
{
    int fd = dup(session->base);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        if (fd >= 0)
            close(fd);
        return err_errno(err, errno, "cannot read the folder for temporary files");
    }
    rewinddir(entries);
    const struct dirent *entry;
    while ((entry = readdir(entries)))
        if (is_number(entry->d_name))
            inspect(session, entry->d_name);
    closedir(entries);
    return true;
}

static bool make_own(Session *session, Err *err)
{
    int64_t number = clock_wall_us();
    for (int i = 0;; i++) {
        snprintf(session->name, sizeof session->name, "%lld", (long long)number + i);
        if (mkdirat(session->base, session->name, 0750) == 0)
            break;
        if (errno != EEXIST || i == MAX_TRIES)
            return err_errno(err, errno, "cannot create a folder for temporary files");
    }
    session->dir = openat(session->base, session->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (session->dir >= 0)
        session->lock = openat(session->dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (session->lock < 0 || flock(session->lock, LOCK_EX | LOCK_NB) != 0)
        return err_errno(err, errno, "cannot lock the folder for temporary files");
    return true;
}

bool session_make_durable(Session *session, Err *err)
{
    if (atomic_load(&session->durable))
        return true;
    bool ok = file_sync(session->dir, "the folder for temporary files", err) &&
              file_sync(session->base, "the folder for temporary files", err);
    atomic_store(&session->durable, ok);
    return ok;
}

bool session_open(Session *session, const char *temp, Err *err)
{
    *session = (Session){.base = -1, .dir = -1, .lock = -1, .unclean_since = INT64_MAX};
    int base_lock = -1;
    session->base = file_open_dir(temp, true, err);
    bool ok = session->base >= 0 && lock_base(session->base, &base_lock, err) && inspect_all(session, err) &&
              make_own(session, err);
    if (base_lock >= 0)
        close(base_lock);
    char *base_path = ok ? realpath(temp, NULL) : NULL;
    if (base_path)
        session->path = file_join(base_path, session->name);
    else if (ok)
        ok = err_errno(err, errno, "cannot find %s", temp);
    free(base_path);
    if (!ok)
        session_close(session);
    return ok;
}

void session_close(Session *session)
{
    if (session->dir >= 0) {
        empty_folder(session->dir);
        if (!atomic_load(&session->stays)) {
            unlinkat(session->dir, "lock", 0);
            unlinkat(session->base, session->name, AT_REMOVEDIR);
        }
        close(session->dir);
    }
    if (session->lock >= 0)
        close(session->lock);
    if (session->base >= 0)
        close(session->base);
    for (size_t i = 0; i < session->dead_count; i++)
        close(session->dead[i].lock);
    free(session->path);
    free(session->dead);
    *session = (Session){.base = -1, .dir = -1, .lock = -1, .unclean_since = INT64_MAX};
}

bool session_can_reach(const Session *session, int root, Err *err)
{
    char there[64];
    snprintf(there, sizeof there, ".probe-%s", session->name);
    int fd = openat(session->dir, "0", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_errno(err, errno, "cannot create temporary files");
    close(fd);
    if (renameat(session->dir, "0", root, there) == 0)
        return unlinkat(root, there, 0) == 0 || err_errno(err, errno, "cannot delete in the data folder");
    int reason = errno;
    unlinkat(session->dir, "0", 0);
    if (reason == EXDEV)
        return err_set(err, ERR_USAGE,
                       "the folder for temporary files and the data folder are on different file systems; "
                       "files could not appear whole; set tmp_path to a folder beside the data");
    return err_errno(err, reason, "cannot create files in the data folder");
}

int64_t store_unclean_since(const Store *store)
{
    return store->session.unclean_since;
}

void store_forget_unclean(Store *store)
{
    Session *session = &store->session;
    for (size_t i = 0; i < session->dead_count; i++) {
        const DeadSession *dead = &session->dead[i];
        int dir = openat(session->base, dead->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir >= 0) {
            unlinkat(dir, "dead", 0);
            unlinkat(dir, "lock", 0);
            close(dir);
            unlinkat(session->base, dead->name, AT_REMOVEDIR);
        }
        close(dead->lock);
    }
    session->dead_count = 0;
    session->unclean_since = INT64_MAX;
}

/* Its process is dead, and nobody has accounted for it yet; or nobody can say. */
static bool is_dead(const Session *session, const char *name)
{
    int dir = openat(session->base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int lock = dir < 0 ? -1 : openat(dir, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    bool dead = lock < 0 && errno != ENOENT && errno != ENOTDIR;
    if (lock >= 0)
        dead = fstatat(dir, "dead", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
               (flock(lock, LOCK_SH | LOCK_NB) == 0 && fstat(lock, &st) == 0 && st.st_nlink > 0);
    if (lock >= 0)
        close(lock);
    if (dir >= 0)
        close(dir);
    return dead;
}

/* Who opens at this moment and finds a dead one has said so when we have the lock. */
bool store_is_accounted(Store *store, Err *err)
{
    const Session *session = &store->session;
    int base_lock = -1;
    bool ok = lock_base(session->base, &base_lock, err);
    int folder = ok ? openat(session->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *entries = folder >= 0 ? fdopendir(folder) : NULL;
    const struct dirent *entry;
    if (ok && !entries)
        ok = err_errno(err, errno, "cannot read the folder for temporary files");
    if (!entries && folder >= 0)
        close(folder);
    while (ok && (entry = readdir(entries)))
        if (is_number(entry->d_name) && is_dead(session, entry->d_name))
            ok = err_set(
                err, ERR_REFUSED,
                "a process that was at work here has died, and its objects are not all looked after yet");
    if (entries)
        closedir(entries);
    if (base_lock >= 0)
        close(base_lock);
    return ok;
}

void store_leave_unclean(Store *store)
{
    atomic_store(&store->session.stays, true);
}

void store_checkpoint(Store *store)
{
    if (atomic_load(&store->session.stays))
        return;
    futimens(store->session.lock, NULL);
}
