// SPDX-License-Identifier: MIT
/* Deleting: part by part, each through link, manifest, rows, names, in this order (see trash.h). */
#include "archive/trash.h"

#include "archive/archive_internal.h"
#include "archive/manifest.h"
#include "base/cond.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PART = 1000, CHUNK = 1 << 20, LAST_WAIT_MS = 600000 };

typedef struct Run {
    Archive *archive;
    const ArcTrash *wish;
    int batch; /* the folder */
    FILE *manifest;
    uint64_t next;
    pthread_mutex_t lock; /* guards all below, and the calls of step */
    pthread_cond_t settled;
    size_t under_way;
    ArcTrashed done;
    Err first;
} Run;

/* One object on its way out. */
typedef struct Item {
    Job job; /* first: release finds the item by it */
    Run *run;
    uint64_t number;
    struct stat linked; /* the file that went into the trash */
    bool outside, missing;
} Item;

static void report(Run *run, const IdxFile *file, bool outside, const Err *why)
{
    pthread_mutex_lock(&run->lock);
    if (why && !run->done.left++)
        run->first = *why;
    if (!why) {
        run->done.objects++;
        run->done.outside += outside;
        run->done.bytes += outside ? 0 : file->size;
    }
    if (run->wish->step)
        run->wish->step(run->wish->ctx, &run->done, file->sop_instance, why);
    pthread_mutex_unlock(&run->lock);
}

/* -- into the trash -- */

static bool copy_into(Run *run, const char *path, const char *name, Err *err)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = openat(run->batch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    uint8_t *chunk = malloc(CHUNK);
    ssize_t n = -1;
    if (!chunk)
        abort();
    bool ok = from >= 0 && to >= 0;
    while (ok && (n = read(from, chunk, CHUNK)) > 0)
        ok = file_write_all(to, chunk, (size_t)n, err);
    if (from < 0 || to < 0 || n < 0)
        ok = err_errno(err, errno, "cannot copy it into the trash");
    ok = ok && file_sync(to, "the copy in the trash", err);
    free(chunk);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return ok;
}

static bool put_into_trash(Item *item, Err *err)
{
    char name[24];
    const char *path = item->job.file.path;
    snprintf(name, sizeof name, "%llu", (unsigned long long)item->number);
    if (stat(path, &item->linked) != 0) {
        item->missing = errno == ENOENT;
        return item->missing || err_errno(err, errno, "cannot look at the file");
    }
    if (linkat(AT_FDCWD, path, item->run->batch, name, 0) == 0)
        return true;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP)
        return copy_into(item->run, path, name, err);
    return err_errno(err, errno, "cannot link it into the trash");
}

/* -- out of the archive -- */

/* Another process may have found our file, nameless in its eyes, between the row's end and the name's end, and indexed it. */
static void put_back_if_adopted(const Item *item)
{
    Arena *arena = arena_new(0);
    IdxFile row;
    char name[24];
    snprintf(name, sizeof name, "%llu", (unsigned long long)item->number);
    if (idx_instance(item->run->archive->index, arena, item->job.file.sop_instance, &row, NULL) &&
        strcmp(row.path, item->job.file.path) == 0 && access(row.path, F_OK) != 0)
        (void)!linkat(item->run->batch, name, AT_FDCWD, row.path, 0);
    arena_free(arena);
}

/* Nobody who replaces the object can come in between (Job.removed); who finds the file and takes it for one without a row can. */
static void remove_name(Job *job)
{
    const Item *item = (const Item *)job;
    Archive *archive = item->run->archive;
    const char *name = store_name(archive->store, item->job.file.path);
    struct stat st;
    Err err;
    if (item->missing || !name || stat(item->job.file.path, &st) != 0 || st.st_dev != item->linked.st_dev ||
        st.st_ino != item->linked.st_ino)
        return;
    if (!store_delete(archive->store, name, &err))
        archive_notice(archive, LOG_WARNING, "object %s was deleted; its file stays: %s",
                       item->job.file.sop_instance, err.text);
    put_back_if_adopted(item);
}

static void item_free(Item *item)
{
    job_destroy(&item->job);
    free(item);
}

static void item_settled(Job *job)
{
    Item *item = (Item *)job;
    Run *run = item->run;
    report(run, &job->file, item->outside, job->ok ? NULL : &job->err);
    item_free(item);
    pthread_mutex_lock(&run->lock);
    if (--run->under_way == 0)
        pthread_cond_broadcast(&run->settled);
    pthread_mutex_unlock(&run->lock);
}

static bool wait_settled(Run *run, Err *err)
{
    Deadline deadline = deadline_in(LAST_WAIT_MS);
    bool in_time = true;
    pthread_mutex_lock(&run->lock);
    while (run->under_way && in_time)
        in_time = cond_wait(&run->settled, &run->lock, deadline);
    bool ok = run->under_way == 0;
    pthread_mutex_unlock(&run->lock);
    return ok || err_set(err, ERR_TIMEOUT, "the index does not answer");
}

static Item *new_item(Run *run, const IdxFile *file)
{
    Item *item = calloc(1, sizeof *item);
    if (!item)
        abort();
    job_init(&item->job, JOB_REMOVE);
    Arena *arena = item->job.arena;
    item->run = run;
    item->job.file = *file;
    item->job.file.sop_instance = arena_strdup(arena, file->sop_instance);
    item->job.file.path = arena_strdup(arena, file->path);
    item->job.file.transfer_syntax = arena_strdup(arena, file->transfer_syntax);
    item->job.release = item_settled;
    item->outside = !store_name(run->archive->store, file->path);
    if (!item->outside)
        item->job.removed = remove_name;
    return item;
}

static bool note(Run *run, Item *item, Err *err)
{
    const IdxFile *file = &item->job.file;
    ManifestEntry entry = {.file = item->number,
                           .sop_instance = file->sop_instance,
                           .path = file->path,
                           .size = file->size,
                           .data_offset = file->data_offset,
                           .outside = item->outside};
    memcpy(entry.sha256, file->sha256, sizeof entry.sha256);
    memcpy(entry.content, file->content, sizeof entry.content);
    return manifest_write(run->manifest, &entry, err);
}

/* Up to PART objects into the trash; `items` are those that can go. */
static bool gather_part(Run *run, IdxFiles *files, Item **items, size_t *count, bool *end, Err *err)
{
    Arena *arena = arena_new(0);
    IdxFile file;
    bool ok = true;
    *count = 0;
    while (ok && !*end && *count < PART) {
        arena_reset(arena);
        ok = idx_files_next(files, arena, &file, err);
        *end = ok && !file.sop_instance;
        if (!ok || *end)
            break;
        Item *item = new_item(run, &file);
        Err why;
        item->number = ++run->next;
        if (!item->outside && !put_into_trash(item, &why)) {
            report(run, &file, false, &why);
            item_free(item);
            continue;
        }
        items[(*count)++] = item;
        ok = note(run, item, err);
    }
    arena_free(arena);
    return ok && manifest_sync(run->manifest, err) && file_sync(run->batch, "the folder in the trash", err);
}

static bool delete_part(Run *run, IdxFiles *files, bool *end, Err *err)
{
    Item **items = calloc(PART, sizeof *items);
    size_t count = 0;
    if (!items)
        abort();
    bool ok = gather_part(run, files, items, &count, end, err);
    run->under_way = ok ? count : 0;
    for (size_t i = 0; i < count; i++)
        if (ok)
            committer_submit(run->archive->committer, &items[i]->job);
        else
            item_free(items[i]);
    free(items);
    return ok && wait_settled(run, err);
}

/* -- the batch -- */

static bool make_batch(Run *run, const ManifestHead *head, Err *err)
{
    enum { TRIES = 100 };
    int64_t now = clock_wall_us();
    int trash = file_open_dir(run->wish->folder, true, err);
    if (trash < 0)
        return err_wrap(err, "the trash cannot be used");
    for (int i = 0; i < TRIES; i++) {
        time_t seconds = (time_t)((now + i) / 1000000);
        struct tm when;
        char day[32];
        localtime_r(&seconds, &when);
        strftime(day, sizeof day, "%Y%m%d-%H%M%S", &when);
        snprintf(run->done.batch, sizeof run->done.batch, "%s-%06d", day, (int)((now + i) % 1000000));
        if (mkdirat(trash, run->done.batch, 0750) == 0 || errno != EEXIST)
            break;
    }
    run->batch = openat(trash, run->done.batch, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int fd = run->batch < 0
                 ? -1
                 : openat(run->batch, MANIFEST_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    run->manifest = fd < 0 ? NULL : fdopen(fd, "w");
    bool ok = run->manifest || err_errno(err, errno, "cannot make a folder in %s", run->wish->folder);
    ok = ok && manifest_write_head(run->manifest, head, err) && file_sync(trash, "the trash", err);
    close(trash);
    return ok;
}

static bool delete_all(Run *run, const IdxSelection *selection, Err *err)
{
    char when[32];
    ManifestHead head = {.what = run->wish->what, .when = when};
    clock_format(clock_wall_us(), false, when);
    if (!idx_select_count(run->archive->index, selection, &head.objects, &head.bytes, err))
        return false;
    if (!head.objects)
        return err_set(err, ERR_NOT_FOUND, "nothing in the archive is selected");
    IdxFiles *files = idx_select(run->archive->index, selection, err);
    bool ok = files && make_batch(run, &head, err), end = false;
    while (ok && !end) {
        ok = delete_part(run, files, &end, err);
        if (ok && !end && run->wish->stop && atomic_load(run->wish->stop))
            ok = err_set(err, ERR_CANCELLED,
                         "stopped before the end; the same command goes on where it stopped");
    }
    idx_files_free(files);
    return ok;
}

bool arc_delete(Archive *archive, const ArcTrash *trash, const IdxSelection *selection, ArcTrashed *out,
                Err *err)
{
    Run run = {.archive = archive, .wish = trash, .batch = -1};
    pthread_mutex_init(&run.lock, NULL);
    cond_init(&run.settled);
    bool ok = delete_all(&run, selection, err);
    if (run.manifest)
        fclose(run.manifest);
    if (run.batch >= 0)
        close(run.batch);
    if (run.batch >= 0 && !run.done.objects) {
        arc_trash_purge(trash->folder, run.done.batch, NULL);
        run.done.batch[0] = 0;
    }
    *out = run.done;
    if (ok && run.done.left) {
        *err = run.first;
        ok = err_wrap(err, "%llu objects stay; the first", (unsigned long long)run.done.left);
    }
    pthread_cond_destroy(&run.settled);
    pthread_mutex_destroy(&run.lock);
    return ok;
}
