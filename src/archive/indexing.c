// SPDX-License-Identifier: MIT
/*
 * One thread walks, a pool reads, the committer indexes. What waits is bounded at both hand-overs: the walk stands still while the readers
 * are busy, the readers while the committer is.
 */
#include "archive/indexing.h"

#include "archive/archive_internal.h"
#include "base/cond.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKLOG = 64, /* batches of files */
    BATCH = 32,   /* files that the index is asked about at once */
    MAX_THREADS = 64,
    COPIERS = 4, /* for each reading thread: they wait for the disk most of the time */
    LAST_WAIT_MS = 600000,
};

/* Files that the index is asked about at once. */
typedef struct Batch Batch;

typedef struct Run {
    Archive *archive;
    const ArcIndexing *wish;
    bool again, adopts;
    int64_t since_us;  /* then */
    atomic_bool never; /* stands in for a `stop` that was not given */
    const atomic_bool *stop;
    Pool *pool;
    Batch *gathered; /* by the walk */
    uint64_t handed;
    pthread_mutex_t lock; /* guards all below, and the calls of step */
    pthread_cond_t settled;
    size_t under_way; /* with the committer */
    ArcIndexed done;
} Run;

typedef enum End { END_ADDED, END_KNOWN, END_JUNK, END_FAILED, END_DELETED, END_KEPT } End;

/* One file's story is over. */
static void report(Run *run, End end, const char *path, uint64_t bytes, const Err *why)
{
    pthread_mutex_lock(&run->lock);
    ArcIndexed *d = &run->done;
    uint64_t *const counts[] = {
        [END_ADDED] = &d->added,   [END_KNOWN] = &d->known,     [END_JUNK] = &d->junk,
        [END_FAILED] = &d->failed, [END_DELETED] = &d->deleted, [END_KEPT] = &d->kept};
    ++*counts[end];
    d->seen++;
    d->bytes += bytes;
    if (run->wish->step)
        run->wish->step(run->wish->ctx, d, path, why);
    pthread_mutex_unlock(&run->lock);
}

/* What is wrong with a file itself is junk; the rest is our trouble. */
static End end_of(const Err *why)
{
    switch (why->code) {
    case ERR_FORMAT:
    case ERR_LIMIT:
    case ERR_UNSUPPORTED:
    case ERR_MISMATCH:
        return END_JUNK;
    case ERR_NONE:
    case ERR_USAGE:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_REFUSED:
    case ERR_NO_SPACE:
    case ERR_IO:
    case ERR_DAMAGED:
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
        break;
    }
    return END_FAILED;
}

/* -- is it there already? -- */

static bool is_current(const Run *run, const IdxFile *row, const char *path, const struct stat *st)
{
    struct stat other;
    if (strcmp(row->path, path) == 0)
        return adoption_fits(row, path, st);
    if (run->adopts && adoption_is_younger(row, st))
        return false;
    return stat(row->path, &other) == 0 && (uint64_t)other.st_size == row->size;
}

struct Batch {
    size_t count;
    char *paths[BATCH];
    bool known[BATCH];
};

/* Asks about those that have a UID. One that cannot be answered is not known. */
static void ask_index(Run *run, Arena *arena, Batch *b, const char *const uids[BATCH])
{
    const char *asked[BATCH] = {0};
    size_t of[BATCH], n = 0;
    IdxFile rows[BATCH];
    struct stat st;
    for (size_t i = 0; i < b->count; i++)
        if (uids[i] && !b->known[i]) {
            asked[n] = uids[i];
            of[n++] = i;
        }
    if (!idx_instances(run->archive->index, arena, asked, n, rows, NULL))
        return;
    for (size_t i = 0; i < n; i++)
        b->known[of[i]] = rows[i].sop_instance && stat(b->paths[of[i]], &st) == 0 &&
                          is_current(run, &rows[i], b->paths[of[i]], &st);
}

/* By the names that the store gave, then by what the files say. */
static void find_known(Run *run, Batch *b)
{
    const char *named[BATCH] = {0}, *said[BATCH] = {0};
    bool foreign = archive_names_are_foreign(run->archive);
    Arena *arena = arena_new(0);
    DcmFileMeta meta;
    for (size_t i = 0; i < b->count; i++) {
        const char *name = foreign ? NULL : store_name(run->archive->store, b->paths[i]);
        const char *slash = name ? strrchr(name, '/') : NULL;
        named[i] = slash ? slash + 1 : name;
    }
    ask_index(run, arena, b, named);
    for (size_t i = 0; i < b->count; i++)
        if (!b->known[i] && adoption_read_meta(b->paths[i], &meta) && *meta.sop_instance &&
            (!named[i] || strcmp(named[i], meta.sop_instance) != 0))
            said[i] = arena_strdup(arena, meta.sop_instance);
    ask_index(run, arena, b, said);
    arena_free(arena);
}

/* -- in place -- */

typedef struct Item {
    Job job; /* first: release finds the item by it */
    Run *run;
    Inspector inspector;
} Item;

static void item_free(Item *item)
{
    inspector_end(&item->inspector);
    job_destroy(&item->job);
    free(item);
}

/* Called by the committer when the item is permanent, or is not. */
static void item_settled(Job *job)
{
    Item *item = (Item *)job;
    Run *run = item->run;
    bool known = job->ok && job->outcome == ARC_SAME;
    report(run,
           known     ? END_KNOWN
           : job->ok ? END_ADDED
                     : END_FAILED,
           job->file.path, job->file.size, job->ok ? NULL : &job->err);
    item_free(item);
    pthread_mutex_lock(&run->lock);
    if (--run->under_way == 0)
        pthread_cond_broadcast(&run->settled);
    pthread_mutex_unlock(&run->lock);
}

static void index_in_place(Run *run, const char *path)
{
    Item *item = calloc(1, sizeof *item);
    Err err = {0};
    if (!item)
        abort();
    item->run = run;
    job_init(&item->job, JOB_ADOPT);
    item->job.again = run->again;
    item->job.takes_over = run->adopts;
    item->job.release = item_settled;
    bool ok = inspect_file(&item->inspector, item->job.arena, path, idx_last_tag(run->archive->index),
                           &item->job.file, run->stop, &err);
    if (!ok) {
        if (err.code != ERR_CANCELLED)
            report(run, end_of(&err), path, item->job.file.size, &err);
        item_free(item);
        return;
    }
    item->job.file.storage_method = "FS";
    item->job.head = item->inspector.dataset;
    const char *name = store_name(run->archive->store, item->job.file.path);
    item->job.name = name ? name : "";
    pthread_mutex_lock(&run->lock);
    run->under_way++;
    pthread_mutex_unlock(&run->lock);
    committer_submit(run->archive->committer, &item->job);
}

/* -- moved in -- */

/* Is the object that the index shows in the store, and another file than this one? */
static bool is_safe_elsewhere(Run *run, const char *instance, const char *path, Err *err)
{
    Arena *arena = arena_new(0);
    IdxFile row;
    struct stat here, there;
    bool ok = idx_instance(run->archive->index, arena, instance, &row, err);
    if (ok && (!store_name(run->archive->store, row.path) || stat(row.path, &there) != 0 ||
               stat(path, &here) != 0 || (there.st_dev == here.st_dev && there.st_ino == here.st_ino)))
        ok = err_set(err, ERR_REFUSED,
                     "it is the only copy that the archive knows (indexed in place); it stays");
    arena_free(arena);
    return ok;
}

static void move_in(Run *run, const char *path)
{
    DcmFileMeta meta = {0};
    ArcStored stored;
    Err err = {0};
    adoption_read_meta(path, &meta);
    if (store_name(run->archive->store, path)) {
        err_set(&err, ERR_REFUSED, "it lies in the data folder of the archive; it stays");
        report(run, END_KEPT, path, 0, &err);
    } else if (!arc_ingest_file(run->archive, path, *meta.source_ae ? meta.source_ae : NULL, &stored, &err)) {
        report(run, end_of(&err), path, 0, &err);
    } else if (stored.outcome == ARC_KEPT_FIRST) {
        err_set(&err, ERR_EXISTS,
                "the archive keeps other content of this object (duplicates: keep_first); it stays");
        report(run, END_KEPT, path, stored.size, &err);
    } else if (!is_safe_elsewhere(run, stored.sop_instance, path, &err)) {
        report(run, END_KEPT, path, stored.size, &err);
    } else if (unlink(path) != 0) {
        err_errno(&err, errno, "it is in the archive, but cannot be deleted here");
        report(run, END_KEPT, path, stored.size, &err);
    } else {
        report(run, END_DELETED, path, stored.size, NULL);
    }
}

/* -- the walk -- */

static void work(void *ctx, void *item)
{
    Run *run = ctx;
    Batch *b = item;
    if (!run->wish->move_in && !run->again && !run->wish->verify && !atomic_load(run->stop))
        find_known(run, b);
    for (size_t i = 0; i < b->count; i++) {
        const char *path = b->paths[i];
        if (atomic_load(run->stop))
            ; /* not begun: the next run comes to it */
        else if (run->wish->move_in)
            move_in(run, path);
        else if (b->known[i])
            report(run, END_KNOWN, path, 0, NULL);
        else
            index_in_place(run, path);
        free(b->paths[i]);
    }
    free(b);
}

static void forget(Batch *b)
{
    for (size_t i = 0; b && i < b->count; i++)
        free(b->paths[i]);
    free(b);
}

/* What was gathered goes to the readers. */
static bool send_batch(Run *run, Err *err)
{
    Batch *b = run->gathered;
    bool sent = !b;
    while (!sent && !atomic_load(run->stop))
        sent = pool_put(run->pool, b, deadline_in(1000));
    run->gathered = NULL;
    if (sent)
        return true;
    forget(b);
    return err_set(err, ERR_CANCELLED, "stopped before the end; the same command goes on where it stopped");
}

/* Batches grow: a few files are spread over all readers. */
static bool hand_over(Run *run, const char *path, Err *err)
{
    size_t most = run->wish->move_in ? 1 : 1 + run->handed++ / BACKLOG;
    if (!run->gathered && !(run->gathered = calloc(1, sizeof *run->gathered)))
        abort();
    Batch *b = run->gathered;
    if (!(b->paths[b->count++] = strdup(path)))
        abort();
    return b->count < most && b->count < BATCH ? true : send_batch(run, err);
}

static bool is_left_out(const Run *run, const char *path)
{
    const char *const *list = run->wish->leave_out;
    for (; list && *list; list++)
        if (strcmp(*list, path) == 0)
            return true;
    return false;
}

/* The database of the index and its companions. Opening and closing one here would drop the locks that SQLite holds on it in this process. */
static bool is_index(const Run *run, const FTSENT *entry)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    const char *path = run->archive->settings.index_path, *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    struct stat st;
    if (!path || strncmp(entry->fts_name, name, strlen(name)) != 0)
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char one[PATH_MAX];
        snprintf(one, sizeof one, "%s%s", path, suffixes[i]);
        if (stat(one, &st) == 0 && st.st_dev == entry->fts_statp->st_dev &&
            st.st_ino == entry->fts_statp->st_ino)
            return true;
    }
    return false;
}

static void report_unreadable(Run *run, const FTSENT *entry)
{
    Err err = {0};
    err_errno(&err, entry->fts_errno, "cannot be read");
    report(run, END_FAILED, entry->fts_path, 0, &err);
}

/* Settings, or what px-listen keeps beside its store: what lies here is the truth of another archive, or of this one (its trash, its backups). */
static bool is_archive(const char *folder)
{
    static const char *const marks[] = {"app/settings.yml", "log/gantry.sqlite"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        char path[PATH_MAX];
        struct stat st;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, marks[i]) < sizeof path &&
            stat(path, &st) == 0)
            return true;
    }
    return false;
}

/* Files that go where they are moved from: not those of an archive, unless its very data folder was named. */
static bool spare_archive(Run *run, FTS *walk, FTSENT *entry, Err *err)
{
    Err why = {0};
    if (entry->fts_level == 0)
        return err_set(
            err, ERR_REFUSED,
            "%s is an archive, whose files are not moved out of it; name the folder with the files",
            entry->fts_path);
    err_set(&why, ERR_REFUSED, "it is an archive; its files stay");
    report(run, END_KEPT, entry->fts_path, 0, &why);
    fts_set(walk, entry, FTS_SKIP);
    return true;
}

static bool take_entry(Run *run, FTS *walk, FTSENT *entry, Err *err)
{
    bool hidden = !run->wish->folder && entry->fts_level > 0 && entry->fts_name[0] == '.';
    switch (entry->fts_info) {
    case FTS_D:
        if (hidden || is_left_out(run, entry->fts_path))
            fts_set(walk, entry, FTS_SKIP);
        else if (run->wish->move_in && is_archive(entry->fts_path))
            return spare_archive(run, walk, entry, err);
        return true;
    case FTS_F:
        return hidden || is_index(run, entry) || hand_over(run, entry->fts_path, err);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        if (entry->fts_level == 0)
            return err_errno(err, entry->fts_errno, "%s", entry->fts_path);
        if (entry->fts_errno != ENOENT)
            report_unreadable(run, entry);
        return true;
    default:
        return true;
    }
}

static bool walk_folder(Run *run, const char *folder, Err *err)
{
    char *real = realpath(folder, NULL);
    if (!real)
        return err_errno(err, errno, "%s", folder);
    char *const roots[] = {real, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    bool ok = walk != NULL || err_errno(err, errno, "%s", folder);
    while (ok && (entry = fts_read(walk)))
        ok = take_entry(run, walk, entry, err);
    if (walk)
        fts_close(walk);
    free(real);
    return ok;
}

static bool see_changed(void *ctx, const char *name, Err *err)
{
    Run *run = ctx;
    char *path = store_path(run->archive->store, name);
    bool ok = !path || hand_over(run, path, err);
    free(path);
    return ok;
}

static bool walk_index(Run *run, Err *err)
{
    IdxSelection all = {.everything = true, .not_since = run->wish->not_since};
    IdxFiles *files = idx_select(run->archive->index, &all, err);
    Arena *arena = arena_new(0);
    IdxFile file = {0};
    bool ok = files != NULL;
    while (ok && (ok = idx_files_next(files, arena, &file, err)) && file.sop_instance) {
        ok = hand_over(run, file.path, err);
        arena_reset(arena);
    }
    idx_files_free(files);
    arena_free(arena);
    return ok;
}

/* -- the calls -- */

static void wait_settled(Run *run)
{
    Deadline deadline = deadline_in(LAST_WAIT_MS);
    bool in_time = true;
    pthread_mutex_lock(&run->lock);
    while (run->under_way && in_time)
        in_time = cond_wait(&run->settled, &run->lock, deadline);
    pthread_mutex_unlock(&run->lock);
}

static bool walk(Run *run, Err *err)
{
    Archive *archive = run->archive;
    const char *folder = run->wish->folder;
    if (run->adopts) /* little, as a rule: each is made durable by itself */
        return store_walk_changed(archive->store, run->since_us, see_changed, run, err);
    if (!folder && !store_settle(archive->store, err))
        return false;
    return run->again ? walk_index(run, err)
                      : walk_folder(run, folder ? folder : archive->settings.data_path, err);
}

static bool run_all(const Run *what, ArcIndexed *out, Err *err)
{
    static const ArcIndexing nobodys = {0};
    const ArcIndexing *wish = what->wish;
    Run *run = calloc(1, sizeof *run);
    if (!run)
        abort();
    *run = *what;
    run->stop = wish->stop ? wish->stop : &run->never;
    pthread_mutex_init(&run->lock, NULL);
    cond_init(&run->settled);
    size_t threads = wish->threads ? wish->threads : 1;
    threads *= wish->move_in ? COPIERS : 1;
    run->pool = pool_new(threads < MAX_THREADS ? threads : MAX_THREADS, BACKLOG, work, run);
    bool ok = walk(run, err) && send_batch(run, err);
    forget(run->gathered);
    pool_finish(run->pool);
    wait_settled(run);
    if (ok && atomic_load(run->stop))
        ok = err_set(err, ERR_CANCELLED, "stopped before the end; the same command goes on where it stopped");
    pthread_mutex_lock(&run->lock);
    *out = run->done;
    bool hangs = run->under_way > 0;
    run->wish = &nobodys; /* the caller's is gone when they end after all */
    pthread_mutex_unlock(&run->lock);
    if (hangs) /* the committer still has jobs that point to the run, which is leaked */
        return err_set(err, ERR_TIMEOUT, "the index does not answer");
    pthread_cond_destroy(&run->settled);
    pthread_mutex_destroy(&run->lock);
    free(run);
    return ok;
}

bool indexing_halts(Archive *archive, const Err *why, bool *told)
{
    bool away = idx_is_away(why);
    if (!away && why->code != ERR_NO_SPACE && why->code != ERR_UNAVAILABLE)
        return false;
    away = away || spool_is_away(archive->spool, NULL);
    if (!away && !*told)
        archive_notice(archive, LOG_ERROR,
                       "the index takes nothing now; the objects in the data folder wait for it. %s",
                       why->text);
    *told |= !away;
    return true;
}

bool arc_index_folder(Archive *archive, const ArcIndexing *indexing, ArcIndexed *out, Err *err)
{
    bool ok = run_all(&(Run){.archive = archive, .wish = indexing}, out, err);
    if (ok && !indexing->folder && !out->failed)
        healing_note(archive, NULL); /* else a server looks once more, and finds nothing to do */
    return ok;
}

bool arc_index_again(Archive *archive, const ArcIndexing *indexing, ArcIndexed *out, Err *err)
{
    ArcIndexing wish = *indexing;
    wish.folder = NULL;
    wish.move_in = false;
    return run_all(&(Run){.archive = archive, .wish = &wish, .again = true}, out, err);
}

bool arc_index_adopt(Archive *archive, int64_t since_us, const ArcIndexing *indexing, ArcIndexed *out,
                     Err *err)
{
    ArcIndexing wish = *indexing;
    wish.folder = NULL;
    wish.move_in = false;
    return run_all(&(Run){.archive = archive, .wish = &wish, .adopts = true, .since_us = since_us}, out, err);
}
