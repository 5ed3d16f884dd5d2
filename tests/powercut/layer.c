// SPDX-License-Identifier: MIT
/*
 * Preloaded into a program under test: each call that changes a file below the roots is done under one lock and recorded with what it did. A sync is recorded at its beginning
 * and at its end and done outside of the lock, so that others go on meanwhile, as they do on a disk. Rules make calls late, or fail. Memory shared
 * with a file is not followed: SQLite's "-shm" is rebuilt after a crash, and anything else makes the record worthless and says so.
 */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROOTS = 4 };

Control *control;
static char roots[MAX_ROOTS][PATH_MAX];
static int root_count;

/* -- what it is about -- */

static bool is_below(const char *path)
{
    for (int i = 0; i < root_count; i++) {
        size_t n = strlen(roots[i]);
        if (strncmp(path, roots[i], n) == 0 && (path[n] == '/' || path[n] == 0))
            return true;
    }
    return false;
}

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

bool below_roots(int fd, char path[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = CALL4(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (n <= 0)
        return false;
    path[n] = 0;
    return is_below(path) && !ends_in(path, "-shm");
}

static bool stat_of(int fd, const char *name, struct stat *st)
{
    return CALL4(SYS_newfstatat, fd, name, st, *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH) == 0;
}

/* A name in a folder: the last part of a path. */
typedef struct Place {
    bool watched, there; /* below the roots; something has the name */
    int folder;
    uint64_t dir, ino; /* of the folder, of what is there */
    mode_t mode;
    off_t size;
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
} Place;

static void place_free(Place *place)
{
    if (place->folder >= 0)
        CALL1(SYS_close, place->folder);
    place->folder = -1;
}

static void look(Place *place)
{
    struct stat st;
    place->there = stat_of(place->folder, place->name, &st);
    place->ino = place->there ? st.st_ino : 0;
    place->mode = place->there ? st.st_mode : 0;
    place->size = place->there ? st.st_size : 0;
}

/* Where `path` leads to. */
static void place_of(Place *place, int dirfd, const char *path)
{
    char folder[PATH_MAX];
    struct stat st;
    *place = (Place){.folder = -1};
    size_t n = path ? strnlen(path, PATH_MAX) : 0;
    while (n > 1 && n < PATH_MAX && path[n - 1] == '/')
        n--;
    if (n == 0 || n >= PATH_MAX)
        return;
    memcpy(folder, path, n);
    folder[n] = 0;
    char *slash = strrchr(folder, '/');
    snprintf(place->name, sizeof place->name, "%s", slash ? slash + 1 : folder);
    if (slash)
        slash[slash == folder] = 0;
    place->folder = (int)CALL4(SYS_openat, dirfd, slash ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (place->folder < 0)
        return;
    place->watched = below_roots(place->folder, place->path) && !ends_in(place->name, "-shm");
    if (!place->watched || !stat_of(place->folder, "", &st))
        return;
    place->dir = st.st_ino;
    size_t at = strlen(place->path);
    snprintf(place->path + at, sizeof place->path - at, "/%s", place->name);
    look(place);
}

/* -- rules -- */

static uint32_t chance(void)
{
    static _Thread_local uint64_t state;
    if (!state)
        state = (uint64_t)CALL0(SYS_gettid) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33);
}

static void wait_us(uint32_t us)
{
    struct timespec ts = {us / 1000000, (long)(us % 1000000) * 1000};
    if (us)
        CALL4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
}

long spoil(uint32_t op, const char *path)
{
    for (int i = 0; i < RULES; i++) {
        const Rule *rule = &control->rules[i];
        if (!(rule->ops & op) || (*rule->path && !strstr(path, rule->path)))
            continue;
        if (rule->one_in > 1 && chance() % rule->one_in)
            continue;
        wait_us(rule->delay_us ? chance() % rule->delay_us + 1 : 0);
        if (rule->error) {
            __atomic_fetch_add(&control->spoiled, 1, __ATOMIC_RELAXED);
            return -rule->error;
        }
    }
    return 0;
}

/* -- the calls -- */

static long on_open(const TrapCall *call, int dirfd, const char *path, int flags)
{
    Place place;
    struct stat st;
    place_of(&place, dirfd, path);
    long wrong = place.watched ? spoil(OP_CREATE, place.path) : 0;
    if (!place.watched || wrong) {
        place_free(&place);
        return wrong ? wrong : trap_pass(call);
    }
    record_lock();
    look(&place);
    long fd = trap_pass(call);
    if (fd >= 0 && stat_of((int)fd, "", &st) && S_ISREG(st.st_mode)) {
        Event event = {.ino = st.st_ino, .dir1 = place.dir, .flags = st.st_mode};
        if ((flags & O_TMPFILE) == O_TMPFILE) {
            event.type = EVENT_NAMELESS;
            record(event, NULL, NULL, NULL, 0);
        } else if (!place.there) {
            event.type = EVENT_CREATE;
            record(event, place.name, NULL, NULL, 0);
        } else if ((flags & O_TRUNC) && place.size) {
            event.type = EVENT_SIZE;
            record(event, NULL, NULL, NULL, 0);
        }
    }
    record_unlock();
    place_free(&place);
    return fd;
}

/* A regular file below the roots, open for this call. */
static bool is_ours(int fd, struct stat *st, char path[PATH_MAX])
{
    return stat_of(fd, "", st) && S_ISREG(st->st_mode) && below_roots(fd, path);
}

/* `at` < 0: at the file's position, which is behind what was written afterwards. */
static long on_write(const TrapCall *call, int fd, off_t at)
{
    char path[PATH_MAX];
    struct stat st;
    if (!is_ours(fd, &st, path))
        return trap_pass(call);
    long wrong = spoil(OP_WRITE, path);
    if (wrong)
        return wrong;
    record_lock();
    long n = trap_pass(call);
    if (n > 0) {
        if (at < 0)
            at = CALL3(SYS_lseek, fd, 0, SEEK_CUR) - n;
        record_written(fd, st.st_ino, (uint64_t)at, (uint64_t)n);
    }
    record_unlock();
    return n;
}

/* splice and copy_file_range: *at is where, or NULL. */
static long on_copy(const TrapCall *call, int fd, const off_t *at)
{
    return on_write(call, fd, at ? *at : -1);
}

static long on_size(const TrapCall *call, int fd)
{
    char path[PATH_MAX];
    struct stat st;
    if (!is_ours(fd, &st, path))
        return trap_pass(call);
    record_lock();
    long done = trap_pass(call);
    if (done == 0)
        record((Event){.type = EVENT_SIZE, .ino = st.st_ino, .at = (uint64_t)call->a[1]}, NULL, NULL, NULL,
               0);
    record_unlock();
    return done;
}

static long on_truncate(const TrapCall *call, const char *path)
{
    Place place;
    place_of(&place, AT_FDCWD, path);
    record_lock();
    long done = trap_pass(call);
    if (done == 0 && place.watched)
        record((Event){.type = EVENT_SIZE, .ino = place.ino, .at = (uint64_t)call->a[1]}, NULL, NULL, NULL,
               0);
    record_unlock();
    place_free(&place);
    return done;
}

static long on_allocate(const TrapCall *call, int fd)
{
    const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    char path[PATH_MAX];
    struct stat st;
    if (!is_ours(fd, &st, path))
        return trap_pass(call);
    long wrong = spoil(OP_ALLOCATE, path);
    if (wrong)
        return wrong;
    record_lock();
    long done = trap_pass(call);
    if (done == 0 && (call->a[1] & ~known))
        record_refused("fallocate");
    else if (done == 0)
        record((Event){.type = EVENT_ALLOCATE,
                       .ino = st.st_ino,
                       .at = (uint64_t)call->a[2],
                       .length = (uint64_t)call->a[3],
                       .flags = (uint32_t)call->a[1]},
               NULL, NULL, NULL, 0);
    record_unlock();
    return done;
}

static long sync_recorded(const TrapCall *call, uint64_t ino)
{
    record_lock();
    uint64_t number = ++control->next_sync;
    record((Event){.type = EVENT_SYNC_BEGIN, .ino = ino, .at = number}, NULL, NULL, NULL, 0);
    record_unlock();
    long done = trap_pass(call);
    if (done != 0 && call->number != SYS_sync)
        return done;
    record_lock();
    record((Event){.type = EVENT_SYNC_END, .at = number}, NULL, NULL, NULL, 0);
    record_unlock();
    return done;
}

static long on_sync(const TrapCall *call, int fd)
{
    char path[PATH_MAX];
    struct stat st;
    if (!stat_of(fd, "", &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) || !below_roots(fd, path))
        return trap_pass(call);
    long wrong = spoil(S_ISDIR(st.st_mode) ? OP_SYNC_FOLDER : OP_SYNC_FILE, path);
    return wrong ? wrong : sync_recorded(call, st.st_ino);
}

static long on_rename(const TrapCall *call, int from, const char *old, int to, const char *new,
                      uint32_t flags)
{
    Place a, b;
    place_of(&a, from, old);
    place_of(&b, to, new);
    const Place *watched = b.watched ? &b : a.watched ? &a : NULL;
    long wrong = watched ? spoil(OP_NAME, watched->path) : 0;
    if (!wrong) {
        record_lock();
        wrong = trap_pass(call);
        if (wrong == 0 && a.watched != b.watched)
            record_refused("a rename into or out of the roots");
        else if (wrong == 0 && a.watched)
            record((Event){.type = EVENT_RENAME, .dir1 = a.dir, .dir2 = b.dir, .flags = flags}, a.name,
                   b.name, NULL, 0);
        record_unlock();
    }
    place_free(&a);
    place_free(&b);
    return wrong;
}

static long on_link(const TrapCall *call, int to, const char *new)
{
    Place place;
    place_of(&place, to, new);
    long wrong = place.watched ? spoil(OP_NAME, place.path) : 0;
    if (!wrong) {
        record_lock();
        wrong = trap_pass(call);
        if (wrong == 0 && place.watched) {
            look(&place);
            record((Event){.type = EVENT_LINK, .ino = place.ino, .dir2 = place.dir}, NULL, place.name, NULL,
                   0);
        }
        record_unlock();
    }
    place_free(&place);
    return wrong;
}

/* A name that comes or goes. */
static long on_name(const TrapCall *call, int dirfd, const char *path, EventType type)
{
    Place place;
    place_of(&place, dirfd, path);
    long wrong = place.watched ? spoil(OP_NAME, place.path) : 0;
    if (!wrong) {
        record_lock();
        wrong = trap_pass(call);
        if (wrong == 0 && place.watched) {
            if (type == EVENT_MKDIR)
                look(&place);
            record((Event){.type = type, .dir1 = place.dir, .ino = place.ino, .flags = place.mode},
                   place.name, NULL, NULL, 0);
        }
        record_unlock();
    }
    place_free(&place);
    return wrong;
}

static long on_symlink(const TrapCall *call, int dirfd, const char *path)
{
    Place place;
    place_of(&place, dirfd, path);
    record_lock();
    long done = trap_pass(call);
    if (done == 0 && place.watched)
        record_refused("a symbolic link");
    record_unlock();
    place_free(&place);
    return done;
}

static void record_time(int fd, const char *name)
{
    struct stat st;
    if (stat_of(fd, name, &st))
        record((Event){.type = EVENT_TIME,
                       .ino = st.st_ino,
                       .at = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec},
               NULL, NULL, NULL, 0);
}

static long on_time(const TrapCall *call, int dirfd, const char *path)
{
    Place place;
    char own[PATH_MAX];
    place_of(&place, dirfd, path);
    bool watched = path ? place.watched : below_roots(dirfd, own);
    record_lock();
    long done = trap_pass(call);
    if (done == 0 && watched)
        record_time(path ? place.folder : dirfd, path ? place.name : "");
    record_unlock();
    place_free(&place);
    return done;
}

static long on_mmap(const TrapCall *call, int fd)
{
    char path[PATH_MAX];
    struct stat st;
    if (is_ours(fd, &st, path)) {
        record_lock();
        record_refused("memory shared with a file");
        record_unlock();
    }
    return trap_pass(call);
}

/* -- which is which -- */

#define PATH(i) ((const char *)a[i])
#define FD(i)   ((int)a[i])

#ifdef SYS_open
static long answer_old(const TrapCall *call)
{
    const long *a = call->a;
    switch (call->number) {
    case SYS_open:
        return on_open(call, AT_FDCWD, PATH(0), (int)a[1]);
    case SYS_creat:
        return on_open(call, AT_FDCWD, PATH(0), O_CREAT | O_TRUNC);
    case SYS_rename:
        return on_rename(call, AT_FDCWD, PATH(0), AT_FDCWD, PATH(1), 0);
    case SYS_link:
        return on_link(call, AT_FDCWD, PATH(1));
    case SYS_unlink:
        return on_name(call, AT_FDCWD, PATH(0), EVENT_UNLINK);
    case SYS_mkdir:
        return on_name(call, AT_FDCWD, PATH(0), EVENT_MKDIR);
    case SYS_rmdir:
        return on_name(call, AT_FDCWD, PATH(0), EVENT_RMDIR);
    case SYS_symlink:
        return on_symlink(call, AT_FDCWD, PATH(1));
    default:
        return trap_pass(call);
    }
}
#else
#define answer_old trap_pass
#endif

static long answer_names(const TrapCall *call)
{
    const long *a = call->a;
    switch (call->number) {
    case SYS_openat:
        return on_open(call, FD(0), PATH(1), (int)a[2]);
    case SYS_openat2:
        return on_open(call, FD(0), PATH(1), (int)*(const uint64_t *)a[2]);
#ifdef SYS_renameat
    case SYS_renameat:
        return on_rename(call, FD(0), PATH(1), FD(2), PATH(3), 0);
#endif
    case SYS_renameat2:
        return on_rename(call, FD(0), PATH(1), FD(2), PATH(3), (uint32_t)a[4]);
    case SYS_linkat:
        return on_link(call, FD(2), PATH(3));
    case SYS_unlinkat:
        return on_name(call, FD(0), PATH(1), a[2] & AT_REMOVEDIR ? EVENT_RMDIR : EVENT_UNLINK);
    case SYS_mkdirat:
        return on_name(call, FD(0), PATH(1), EVENT_MKDIR);
    case SYS_symlinkat:
        return on_symlink(call, FD(1), PATH(2));
    case SYS_utimensat:
        return on_time(call, FD(0), PATH(1));
    case SYS_truncate:
        return on_truncate(call, PATH(0));
    default:
        return answer_old(call);
    }
}

static long answer(const TrapCall *call)
{
    const long *a = call->a;
    switch (call->number) {
    case SYS_write:
    case SYS_writev:
        return on_write(call, FD(0), -1);
    case SYS_pwrite64:
    case SYS_pwritev:
        return on_write(call, FD(0), (off_t)a[3]);
    case SYS_pwritev2:
        return on_write(call, FD(0), (off_t)a[3]);
    case SYS_sendfile:
        return on_write(call, FD(0), -1);
    case SYS_copy_file_range:
    case SYS_splice:
        return on_copy(call, FD(2), (const off_t *)a[3]);
    case SYS_ftruncate:
        return on_size(call, FD(0));
    case SYS_fallocate:
        return on_allocate(call, FD(0));
    case SYS_fsync:
    case SYS_fdatasync:
        return on_sync(call, FD(0));
    case SYS_syncfs:
    case SYS_sync:
        return sync_recorded(call, 0);
    case SYS_mmap:
        return on_mmap(call, FD(4));
    default:
        return answer_names(call);
    }
}

/* -- the beginning -- */

static bool share_control(void)
{
    const char *path = getenv("POWERCUT_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    long at = fd < 0 ? fd : trap_call(SYS_mmap, 0, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (at < 0)
        return false;
    control = (Control *)at;
    if (__atomic_exchange_n(&control->ready, 1, __ATOMIC_SEQ_CST) == 0) {
        pthread_mutexattr_t shared;
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&control->lock, &shared);
    }
    return true;
}

static void read_roots(const char *list)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", list);
    char *rest = copy, *root;
    while (root_count < MAX_ROOTS && (root = strsep(&rest, ":")))
        if (realpath(root, roots[root_count]))
            root_count++;
}

__attribute__((constructor)) static void begin(void)
{
    const char *list = getenv("POWERCUT_ROOTS");
    if (!list)
        return;
    read_roots(list);
    if (trap_prepare() && share_control() && record_open(getenv("POWERCUT_LOG")) && trap_install(answer))
        return;
    perror("powercut: the layer cannot be set up");
    _exit(98);
}

/* Nobody blocks SIGSYS: a call would end the process. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t own;
    if (set && how != SIG_UNBLOCK) {
        own = *set;
        sigdelset(&own, SIGSYS);
        set = &own;
    }
    return syscall(SYS_rt_sigprocmask, how, set, old, 8) == 0 ? 0 : errno;
}
