// SPDX-License-Identifier: MIT
#include "archive/mirror.h"

#include "base/file.h"
#include "base/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_PREFIX ".export-"
#define PART_SUFFIX ".part"
enum { BACKLOG = 64, CHUNK = 1 << 20, MAX_THREADS = 64 };

typedef struct Run {
    const ArcMirror *wish;
    char *from, *to; /* links resolved */
    int target;      /* the folder */
    atomic_bool never;
    const atomic_bool *stop;
    Pool *pool;
    atomic_uint next_temporary;
    pthread_mutex_t lock; /* guards the two below, and the calls of step */
    ArcMirrored done;
    Err first; /* failure */
} Run;

typedef enum End { END_COPIED, END_SAME, END_NEWER, END_FAILED } End;

static void report(Run *run, End end, const char *path, uint64_t bytes, const Err *why)
{
    pthread_mutex_lock(&run->lock);
    ArcMirrored *d = &run->done;
    uint64_t *const counts[] = {
        [END_COPIED] = &d->copied, [END_SAME] = &d->same, [END_NEWER] = &d->newer, [END_FAILED] = &d->failed};
    ++*counts[end];
    d->seen++;
    d->bytes += bytes;
    if (end == END_FAILED && d->failed == 1)
        run->first = *why;
    if (run->wish->step)
        run->wish->step(run->wish->ctx, d, path, why);
    pthread_mutex_unlock(&run->lock);
}

/* -- one file -- */

static bool same_time(const struct stat *a, const struct stat *b)
{
    /* Some file systems keep whole seconds, FAT two of them. */
    int64_t apart = (int64_t)a->st_mtim.tv_sec - b->st_mtim.tv_sec;
    return apart >= -2 && apart <= 2;
}

static bool same_content(int a, int b)
{
    uint8_t *one = malloc(CHUNK), *two = malloc(CHUNK);
    if (!one || !two)
        abort();
    bool same = true;
    off_t at = 0;
    for (;;) {
        ssize_t n = pread(a, one, CHUNK, at), m = n > 0 ? pread(b, two, (size_t)n, at) : 0;
        same = n >= 0 && (n == 0 || (m == n && memcmp(one, two, (size_t)n) == 0));
        if (n <= 0 || !same)
            break;
        at += n;
    }
    free(one);
    free(two);
    return same;
}

static bool copy_bytes(int from, int to, Err *err)
{
    uint8_t *chunk = malloc(CHUNK);
    ssize_t n;
    off_t at = 0;
    bool ok = true;
    if (!chunk)
        abort();
    while (ok && (n = pread(from, chunk, CHUNK, at)) != 0) {
        ok = n > 0 ? file_write_all(to, chunk, (size_t)n, err) : err_errno(err, errno, "cannot read it");
        at += n;
    }
    free(chunk);
    return ok;
}

static bool write_copy(Run *run, int from, const struct stat *st, const char *temporary, Err *err)
{
    int to = openat(run->target, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (to < 0)
        return err_errno(err, errno, "cannot write in %s", run->wish->to);
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    bool ok = copy_bytes(from, to, err) &&
              (futimens(to, times) == 0 || err_errno(err, errno, "cannot set the time of the copy")) &&
              file_sync(to, "the copy", err);
    if (close(to) != 0 && ok)
        ok = err_errno(err, errno, "cannot write in %s", run->wish->to);
    return ok;
}

static bool copy_file(Run *run, int from, const struct stat *st, const char *name, Err *err)
{
    char temporary[64];
    snprintf(temporary, sizeof temporary, PART_PREFIX "%ld-%u" PART_SUFFIX, (long)getpid(),
             atomic_fetch_add(&run->next_temporary, 1));
    bool ok = file_make_dirs_beneath(run->target, name, err) && write_copy(run, from, st, temporary, err);
    if (ok && renameat(run->target, temporary, run->target, name) != 0)
        ok = err_errno(err, errno, "cannot write in %s", run->wish->to);
    if (!ok)
        unlinkat(run->target, temporary, 0);
    return ok;
}

/* What is to be done with a file that the target has already. */
static End compare(int from, const struct stat *ours, int there)
{
    struct stat theirs;
    if (fstat(there, &theirs) != 0)
        return END_COPIED;
    if (theirs.st_size == ours->st_size && same_time(ours, &theirs))
        return END_SAME;
    if (theirs.st_size == ours->st_size && same_content(from, there)) {
        const struct timespec times[] = {ours->st_atim, ours->st_mtim};
        futimens(there, times); /* next time it is quicker; without the right to it is not */
        return END_SAME;
    }
    return theirs.st_mtim.tv_sec > ours->st_mtim.tv_sec ? END_NEWER : END_COPIED;
}

static End mirror_open(Run *run, int from, const char *name, uint64_t *bytes, Err *err)
{
    struct stat st;
    if (fstat(from, &st) != 0) {
        err_errno(err, errno, "cannot look at it");
        return END_FAILED;
    }
    int there = openat(run->target, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    End end = there < 0 ? END_COPIED : compare(from, &st, there);
    if (there >= 0)
        close(there);
    if (end == END_NEWER)
        err_set(err, ERR_EXISTS, "the target has a newer file with other content; it was left as it is");
    if (end != END_COPIED)
        return end;
    *bytes = (uint64_t)st.st_size;
    return copy_file(run, from, &st, name, err) ? END_COPIED : END_FAILED;
}

static void mirror_file(Run *run, const char *name)
{
    char *path = file_join(run->from, name);
    Err err = {0};
    uint64_t bytes = 0;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (from >= 0) {
        End end = mirror_open(run, from, name, &bytes, &err);
        report(run, end, path, end == END_COPIED ? bytes : 0, err.code ? &err : NULL);
        close(from);
    } else if (errno != ENOENT) { /* a server may have replaced or deleted it */
        err_errno(&err, errno, "cannot read it");
        report(run, END_FAILED, path, 0, &err);
    }
    free(path);
}

static void work(void *ctx, void *item)
{
    Run *run = ctx;
    if (!atomic_load(run->stop))
        mirror_file(run, item);
    free(item);
}

/* -- the walk -- */

/* A target that takes nothing is one error, not one for each file. */
static bool is_hopeless(Run *run, Err *err)
{
    enum { PATIENCE = 16 };
    pthread_mutex_lock(&run->lock);
    bool hopeless = run->done.failed >= PATIENCE && run->done.failed == run->done.seen;
    if (hopeless)
        *err = run->first;
    pthread_mutex_unlock(&run->lock);
    return hopeless;
}

static bool hand_over(Run *run, const char *path, Err *err)
{
    char *name = strdup(path + strlen(run->from) + 1);
    if (!name)
        abort();
    while (!atomic_load(run->stop) && !is_hopeless(run, err))
        if (pool_put(run->pool, name, deadline_in(1000)))
            return true;
    free(name);
    return err->code ? false
                     : err_set(err, ERR_CANCELLED,
                               "stopped before the end; the same command goes on where it stopped");
}

static bool take_entry(Run *run, FTS *walk, FTSENT *entry, Err *err)
{
    bool hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';
    if (entry->fts_info == FTS_D && hidden)
        fts_set(walk, entry, FTS_SKIP);
    if (entry->fts_info == FTS_F && !hidden)
        return hand_over(run, entry->fts_path, err);
    bool failed = entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS;
    if (failed && entry->fts_level == 0)
        return err_errno(err, entry->fts_errno, "%s", entry->fts_path);
    if (failed && entry->fts_errno != ENOENT) {
        Err why = {0};
        err_errno(&why, entry->fts_errno, "cannot be read");
        report(run, END_FAILED, entry->fts_path, 0, &why);
    }
    return true;
}

static bool walk(Run *run, Err *err)
{
    char *const roots[] = {run->from, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    bool ok = fts != NULL || err_errno(err, errno, "%s", run->from);
    while (ok && (entry = fts_read(fts)))
        ok = take_entry(run, fts, entry, err);
    if (fts)
        fts_close(fts);
    return ok;
}

/* Copies that an earlier run did not finish. */
static void drop_leftovers(Run *run)
{
    int fd = dup(run->target);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (!entries && fd >= 0)
        close(fd);
    while (entries && (entry = readdir(entries)))
        if (!strncmp(entry->d_name, PART_PREFIX, strlen(PART_PREFIX)) && strstr(entry->d_name, PART_SUFFIX))
            unlinkat(run->target, entry->d_name, 0);
    if (entries)
        closedir(entries);
}

static bool open_folders(Run *run, Err *err)
{
    run->from = realpath(run->wish->from, NULL);
    if (!run->from)
        return err_errno(err, errno, "%s", run->wish->from);
    run->target = file_open_dir(run->wish->to, true, err);
    if (run->target < 0)
        return err_wrap(err, "the target cannot be used");
    run->to = realpath(run->wish->to, NULL);
    if (!run->to)
        return err_errno(err, errno, "%s", run->wish->to);
    if (file_lies_in(run->to, run->from) || file_lies_in(run->from, run->to))
        return err_set(err, ERR_USAGE, "the target %s and the data folder %s lie in one another", run->to,
                       run->from);
    if (faccessat(run->target, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return err_errno(err, errno, "the target %s cannot be written to", run->to);
    drop_leftovers(run);
    return true;
}

bool arc_mirror(const ArcMirror *mirror, ArcMirrored *out, Err *err)
{
    Run run = {.wish = mirror, .target = -1};
    Err own = {0};
    run.stop = mirror->stop ? mirror->stop : &run.never;
    pthread_mutex_init(&run.lock, NULL);
    bool ok = open_folders(&run, &own);
    if (ok) {
        size_t threads = mirror->threads ? mirror->threads : 1;
        run.pool = pool_new(threads < MAX_THREADS ? threads : MAX_THREADS, BACKLOG, work, &run);
        ok = walk(&run, &own);
        pool_finish(run.pool);
    }
    *out = run.done;
    if (ok && atomic_load(run.stop))
        ok =
            err_set(&own, ERR_CANCELLED, "stopped before the end; the same command goes on where it stopped");
    if (ok && run.done.failed) {
        own = run.first;
        ok = err_wrap(&own, "%llu files could not be copied; the first", (unsigned long long)run.done.failed);
    }
    if (!ok && err)
        *err = own;
    if (run.target >= 0)
        close(run.target);
    free(run.from);
    free(run.to);
    pthread_mutex_destroy(&run.lock);
    return ok;
}
