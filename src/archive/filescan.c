// SPDX-License-Identifier: MIT
/*
 * Heads of files into scratch indexes. The scan's own thread walks and puts; a pool reads. What was read is put in the order in which the files
 * were written, which is the order in which the index saw them: where objects contradict each other about their study, the same one wins.
 *
 * The scratch index is opened with all the connections that it will need, then its name is removed: however the process ends, nothing stays.
 */
#include "archive/filescan.h"

#include "archive/archive_internal.h"
#include "archive/filewalk.h"
#include "base/cond.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    BATCH = 2000,    /* objects, then the batch ends with the patient */
    LISTED = 16384,  /* files known and not yet read */
    WINDOW = 32,     /* files being read, or read and not yet put */
    ASK_MS = 50,     /* between two questions whether to stop */
    THREADS_MAX = 8, /* that read */
    SCANS_MAX = 2,   /* of one archive at one time */
    PLACE_WAIT_MS = 30000,
    LONGEST_MS = 3600000,
};

typedef struct Listed {
    const char *path;
    int64_t mtime_us;
} Listed;

/* A file being read. */
typedef struct Slot {
    const char *path;
    Arena *arena;
    Inspector inspector;
    IdxFile file;
    Err err;
    bool ok, done; /* done: guarded by the scan's lock */
} Slot;

struct ArcFileScan {
    ArcFileWish wish;
    FileWalk *walk;
    Index *index;
    bool ended, gathering; /* no more patients; the index's transaction is open */
    uint64_t objects;      /* in the index */
    uint64_t unreadable;
    Arena *paths;
    Listed *list;
    size_t listed;
    Slot slots[WINDOW];
    Pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t read;
    atomic_bool abandoned; /* what is not read yet need not be */
    int64_t asked_ms;
    Deadline deadline;
    atomic_uint *running; /* scans of the archive; NULL = not counted */
};

/* -- reading, by the pool -- */

/* In place of the digest of the content, which nobody has computed: it changes when the file does. */
static void stand_in_digest(IdxFile *file)
{
    XXH128_canonical_t canonical;
    XXH128_hash_t hash =
        XXH3_128bits_withSeed(file->path, strlen(file->path), (uint64_t)file->end_us ^ file->size << 24);
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(file->content, canonical.digest, sizeof file->content);
}

static void read_file(void *ctx, void *item)
{
    ArcFileScan *s = ctx;
    Slot *slot = item;
    arena_reset(slot->arena);
    slot->inspector = (Inspector){0};
    slot->file = (IdxFile){.storage_method = "FS"};
    slot->err = (Err){0};
    slot->ok = !atomic_load(&s->abandoned) &&
               inspect_head(&slot->inspector, slot->arena, slot->path,
                            s->wish.like ? idx_last_tag(s->wish.like) : 0, &slot->file, &slot->err);
    if (slot->ok)
        stand_in_digest(&slot->file);
    pthread_mutex_lock(&s->lock);
    slot->done = true;
    pthread_cond_signal(&s->read);
    pthread_mutex_unlock(&s->lock);
}

static size_t thread_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 2 ? 2 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
}

/* -- opening and closing -- */

ArcFileScan *arc_filescan_open(const ArcFileWish *wish, Err *err)
{
    static const IdxSelection any = {.everything = true};
    FileWalk *walk = filewalk_open(wish->data_path, wish->temp_path, wish->foreign_names ? &any : &wish->only,
                                   wish->whole_patients, err);
    if (!walk)
        return NULL;
    ArcFileScan *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->wish = *wish;
    s->walk = walk;
    s->paths = arena_new(0);
    s->list = calloc(LISTED, sizeof *s->list);
    if (!s->list)
        abort();
    for (int i = 0; i < WINDOW; i++)
        s->slots[i].arena = arena_new(0);
    pthread_mutex_init(&s->lock, NULL);
    cond_init(&s->read);
    s->pool = pool_new(thread_count(), WINDOW, read_file, s);
    s->deadline = deadline_in(LONGEST_MS);
    const IdxSelection *only = &wish->only;
    s->ended = !only->everything && !only->patient_count && !only->study_count && !only->series_count &&
               !only->instance_count;
    return s;
}

static void drop_index(ArcFileScan *s)
{
    if (s->gathering)
        idx_rollback(s->index);
    idx_close(s->index);
    s->index = NULL;
    s->gathering = false;
    s->objects = 0;
}

void arc_filescan_leave(ArcFileScan *s)
{
    if (s->pool)
        pool_finish(s->pool);
    s->pool = NULL;
    s->ended = true;
    if (s->running)
        atomic_fetch_sub(s->running, 1);
    s->running = NULL;
    free(s->list);
    s->list = NULL;
}

void arc_filescan_close(ArcFileScan *s)
{
    if (!s)
        return;
    arc_filescan_leave(s);
    drop_index(s);
    filewalk_close(s->walk);
    for (int i = 0; i < WINDOW; i++)
        arena_free(s->slots[i].arena);
    pthread_cond_destroy(&s->read);
    pthread_mutex_destroy(&s->lock);
    arena_free(s->paths);
    free(s);
}

uint64_t arc_filescan_unreadable(const ArcFileScan *s)
{
    return s->unreadable + filewalk_unreadable(s->walk);
}

/* Waits a little for one of the few places. */
static bool take_place(atomic_uint *running, const ArcFileWish *wish, Err *err)
{
    Deadline deadline = deadline_in(PLACE_WAIT_MS);
    while (atomic_fetch_add(running, 1) >= SCANS_MAX) {
        atomic_fetch_sub(running, 1);
        if (wish->stopped && wish->stopped(wish->stopped_ctx))
            return err_set(err, ERR_CANCELLED, "the search in the files was cancelled");
        if (deadline_passed(deadline))
            return err_set(err, ERR_LIMIT, "%d searches in the files are running; ask again later",
                           SCANS_MAX);
        clock_sleep_ms(ASK_MS);
    }
    return true;
}

bool archive_may_scan(Archive *archive, Err *err, uint16_t dimse)
{
    if (!idx_is_away(err))
        return false;
    if (archive->settings.search_in_file) {
        archive_notice(archive, LOG_WARNING, "searching in the files, because: %s", err->text);
        err_clear(err);
        return true;
    }
    err_wrap(err, "the database cannot be reached, search_in_file is off");
    err->dimse = dimse;
    return false;
}

ArcFileScan *archive_scan_files(Archive *archive, const ArcFileWish *wish, Err *err)
{
    ArcFileWish own = *wish;
    own.data_path = archive->settings.data_path;
    own.temp_path = archive->settings.temp_path;
    own.like = archive->index;
    own.foreign_names = archive_names_are_foreign(archive);
    if (!take_place(&archive->file_scans, &own, err))
        return NULL;
    ArcFileScan *scan = arc_filescan_open(&own, err);
    if (scan)
        scan->running = &archive->file_scans;
    else
        atomic_fetch_sub(&archive->file_scans, 1);
    return scan;
}

/* -- the scratch index -- */

/* The writing connection and a reading one are open afterwards; no other is needed. */
static bool open_connections(Index *index, Err *err)
{
    IdxTotals totals;
    if (!idx_begin(index, err) || !idx_commit(index, err))
        return false;
    return idx_totals(index, &totals, err);
}

static bool make_index(ArcFileScan *s, Err *err)
{
    char folder[4200], path[4300];
    snprintf(folder, sizeof folder, "%s/scan-XXXXXX", s->wish.temp_path);
    if (!file_make_dirs(s->wish.temp_path, err))
        return false;
    if (!mkdtemp(folder))
        return err_errno(err, errno, "cannot make a folder for the search in the files in %s",
                         s->wish.temp_path);
    snprintf(path, sizeof path, "%s/index", folder);
    s->index = idx_open(&(IdxSettings){.sqlite_path = path,
                                       .scratch = true,
                                       .readers = 1,
                                       .no_more_readers = true,
                                       .like = s->wish.like},
                        err);
    bool ok = s->index && open_connections(s->index, err);
    unlink(path);
    rmdir(folder);
    s->gathering = ok && idx_begin(s->index, err);
    return s->gathering;
}

/* -- gathering -- */

static bool may_go_on(ArcFileScan *s, Err *err)
{
    int64_t now = clock_ms();
    if (now - s->asked_ms < ASK_MS)
        return true;
    s->asked_ms = now;
    if (s->wish.stopped && s->wish.stopped(s->wish.stopped_ctx))
        return err_set(err, ERR_CANCELLED, "the search in the files was cancelled");
    return !deadline_passed(s->deadline) ||
           err_set(err, ERR_TIMEOUT, "the search in the files took longer than %d minutes; narrow the query",
                   LONGEST_MS / 60000);
}

/* Is the file no object, or gone? */
static bool is_nothing(const Err *why)
{
    return why->code == ERR_FORMAT || why->code == ERR_LIMIT || why->code == ERR_UNSUPPORTED ||
           why->code == ERR_MISMATCH || why->code == ERR_NOT_FOUND;
}

static bool put_slot(ArcFileScan *s, Slot *slot, Err *err)
{
    bool ok = true;
    if (slot->ok) {
        ok = (s->index || make_index(s, err)) && idx_put(s->index, &slot->file, slot->inspector.dataset, err);
        s->objects++;
    } else if (!is_nothing(&slot->err)) {
        s->unreadable++;
    }
    inspector_end(&slot->inspector);
    return ok;
}

static bool wait_for(ArcFileScan *s, Slot *slot, Err *err)
{
    bool ok = true;
    pthread_mutex_lock(&s->lock);
    while (ok && !slot->done) {
        cond_wait(&s->read, &s->lock, deadline_in(ASK_MS));
        pthread_mutex_unlock(&s->lock);
        ok = may_go_on(s, err);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* Those that were handed out come back before anything else is done. */
static void abandon(ArcFileScan *s, size_t from, size_t to)
{
    atomic_store(&s->abandoned, true);
    for (; from < to; from++) {
        Slot *slot = &s->slots[from % WINDOW];
        pthread_mutex_lock(&s->lock);
        while (!slot->done)
            cond_wait(&s->read, &s->lock, deadline_in(ASK_MS));
        pthread_mutex_unlock(&s->lock);
        inspector_end(&slot->inspector);
    }
}

static void hand_out(ArcFileScan *s, size_t i)
{
    Slot *slot = &s->slots[i % WINDOW];
    slot->path = s->list[i].path;
    slot->done = false;
    while (!pool_put(s->pool, slot, deadline_in(ASK_MS)))
        ;
}

static int by_time(const void *a, const void *b)
{
    const Listed *x = a, *y = b;
    if (x->mtime_us != y->mtime_us)
        return x->mtime_us < y->mtime_us ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* Reads and puts what is listed. */
static bool work_off(ArcFileScan *s, Err *err)
{
    size_t out = 0, handed = 0;
    bool ok = true;
    qsort(s->list, s->listed, sizeof *s->list, by_time);
    while (ok && out < s->listed) {
        while (handed < s->listed && handed - out < WINDOW)
            hand_out(s, handed++);
        Slot *slot = &s->slots[out % WINDOW];
        ok = may_go_on(s, err) && wait_for(s, slot, err);
        if (ok) {
            ok = put_slot(s, slot, err);
            out++;
        }
    }
    abandon(s, out, handed);
    atomic_store(&s->abandoned, false);
    s->listed = 0;
    arena_reset(s->paths);
    return ok;
}

static bool list_patient(ArcFileScan *s, Err *err)
{
    WalkedFile file;
    while ((file = filewalk_file(s->walk)).path) {
        s->list[s->listed++] = (Listed){arena_strdup(s->paths, file.path), file.mtime_us};
        if (!may_go_on(s, err) || (s->listed == LISTED && !work_off(s, err)))
            return false;
    }
    return true;
}

static bool gather(ArcFileScan *s, Err *err)
{
    bool ok = true, enter;
    while (ok && !s->ended && (s->wish.at_once || s->wish.foreign_names || s->objects + s->listed < BATCH)) {
        ok = may_go_on(s, err) && filewalk_patient(s->walk, &enter, &s->ended, err);
        if (ok && enter)
            ok = list_patient(s, err);
    }
    return ok && work_off(s, err);
}

bool arc_filescan_next(ArcFileScan *s, Index **index, Err *err)
{
    drop_index(s);
    *index = NULL;
    while (!s->index && !s->ended)
        if (!gather(s, err))
            return false;
    if (!s->index)
        return true;
    s->gathering = false;
    if (!idx_commit(s->index, err))
        return false;
    *index = s->index;
    return true;
}
