// SPDX-License-Identifier: MIT
/* Bringing back what was deleted, and the trash itself. */
#include "archive/archive_internal.h"
#include "archive/manifest.h"
#include "archive/sums.h"
#include "archive/trash.h"
#include "archive/verify_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

typedef struct Run {
    Archive *archive;
    const ArcTrash *wish;
    int batch;
    ArcTrashed done;
    Err first;
} Run;

/* -- one object -- */

static bool copy_to_put(int from, StorePut *put, Sums *sums, Err *err)
{
    uint8_t *chunk = malloc(CHUNK);
    ssize_t n = 0;
    bool ok = true;
    if (!chunk)
        abort();
    while (ok && (n = read(from, chunk, CHUNK)) > 0) {
        sums_take(sums, span_of(chunk, (size_t)n));
        ok = store_put_write(put, span_of(chunk, (size_t)n), err);
    }
    free(chunk);
    return ok && (n == 0 || err_errno(err, errno, "cannot read it in the trash"));
}

/* The whole file where its SHA-256 is known, else its data set, else (objects that SPHERE stored) nothing but its size. */
static bool is_what_was_deleted(const ManifestEntry *entry, const struct stat *st, const uint8_t sha256[32],
                                const uint8_t content[16])
{
    if (sum_is_set(entry->sha256, sizeof entry->sha256))
        return memcmp(sha256, entry->sha256, sizeof entry->sha256) == 0;
    return (uint64_t)st->st_size == entry->size &&
           (!sum_is_set(entry->content, sizeof entry->content) ||
            memcmp(content, entry->content, sizeof entry->content) == 0);
}

/* Its bytes into the store, compared. */
static bool copy_back(const ManifestEntry *entry, int from, StorePut *put, Err *err)
{
    uint8_t sha256[sizeof entry->sha256], content[sizeof entry->content];
    struct stat st;
    bool by_sha256 = sum_is_set(entry->sha256, sizeof entry->sha256);
    Sums *sums = sums_new(by_sha256, !by_sha256, entry->data_offset);
    bool ok = copy_to_put(from, put, sums, err) && store_put_end(put, NULL, err);
    sums_end(sums, sha256, content);
    if (ok && fstat(from, &st) != 0)
        ok = err_errno(err, errno, "cannot look at it in the trash");
    if (ok && !is_what_was_deleted(entry, &st, sha256, content))
        ok = err_set(err, ERR_FORMAT, "its copy in the trash is not what was deleted");
    return ok;
}

/* Under its old name in the store, durable. A file that has the name already is left to what follows: it may be the object itself. */
static bool publish(Run *run, const ManifestEntry *entry, const char *name, Err *err)
{
    char file[24];
    snprintf(file, sizeof file, "%llu", (unsigned long long)entry->file);
    int from = openat(run->batch, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return access(entry->path, F_OK) == 0 || err_errno(err, errno, "it is not in the trash");
    StorePut *put = store_put_begin(run->archive->store, err);
    bool ok = put && copy_back(entry, from, put, err);
    if (ok) {
        StorePublish member = {.put = put, .name = name};
        ok = store_publish(run->archive->store, &member, 1);
        put = member.put;
        if (!ok && member.err.code == ERR_EXISTS)
            ok = true;
        else if (!ok)
            *err = member.err;
        else
            put = NULL;
    }
    store_put_abandon(put);
    close(from);
    return ok;
}

static bool index_again(Run *run, const ManifestEntry *entry, Err *err)
{
    Job *job = calloc(1, sizeof *job);
    Inspector inspector;
    if (!job)
        abort();
    job_init(job, JOB_ADOPT);
    bool ok = inspect_file(&inspector, job->arena, entry->path, idx_last_tag(run->archive->index), &job->file,
                           NULL, err);
    job->file.storage_method = "FS";
    job->head = inspector.dataset;
    job->name = "";
    if (ok && strcmp(job->file.sop_instance, entry->sop_instance) != 0)
        ok = err_set(err, ERR_MISMATCH, "another object has its place");
    if (ok && !committer_run(run->archive->committer,
                             job)) /* leaked: the committer hangs, and the process with it */
        return err_set(err, ERR_TIMEOUT, "the index does not answer");
    if (ok && !job->ok) {
        *err = job->err;
        ok = false;
    }
    inspector_end(&inspector);
    job_destroy(job);
    free(job);
    return ok;
}

/* Is the object of this row the one that was deleted? Where the row or the manifest has no SHA-256 the data sets are compared; where the manifest is older than that, the file is read. */
static bool is_same(const IdxFile *row, const ManifestEntry *entry)
{
    static const atomic_bool never;
    bool row_sha = sum_is_set(row->sha256, sizeof row->sha256);
    bool entry_sha = sum_is_set(entry->sha256, sizeof entry->sha256);
    if (row_sha && entry_sha)
        return memcmp(row->sha256, entry->sha256, sizeof row->sha256) == 0;
    if (sum_is_set(entry->content, sizeof entry->content))
        return row->size == entry->size && memcmp(row->content, entry->content, sizeof row->content) == 0;
    if (!entry_sha)
        return false;
    IdxFile there = *row;
    Pace any = {.bytes_per_second = 0};
    Checked checked;
    memcpy(there.sha256, entry->sha256, sizeof there.sha256);
    return check_file(&there, &any, &never, &checked) && checked.what == ARC_SOUND;
}

static bool is_in_archive(Run *run, const ManifestEntry *entry, bool *same)
{
    Arena *arena = arena_new(0);
    IdxFile row;
    bool found = idx_instance(run->archive->index, arena, entry->sop_instance, &row, NULL) &&
                 access(row.path, F_OK) == 0;
    *same = found && is_same(&row, entry);
    arena_free(arena);
    return found;
}

static bool bring_back(Run *run, const ManifestEntry *entry, Err *err)
{
    bool same = false;
    const char *name = store_name(run->archive->store, entry->path);
    if (is_in_archive(run, entry, &same))
        return same ||
               err_set(err, ERR_EXISTS,
                       "the object is in the archive again, with other bytes; its copy stays in the trash");
    if (!entry->outside && !name)
        return err_set(err, ERR_REFUSED, "its place is no longer in the data folder of this archive");
    return (entry->outside || publish(run, entry, name, err)) && index_again(run, entry, err);
}

static void restore(Run *run, const ManifestEntry *entry)
{
    char file[24];
    Err why;
    bool ok = bring_back(run, entry, &why);
    snprintf(file, sizeof file, "%llu", (unsigned long long)entry->file);
    if (ok) {
        run->done.objects++;
        run->done.outside += entry->outside;
        run->done.bytes += entry->outside ? 0 : entry->size;
        if (!entry->outside)
            unlinkat(run->batch, file, 0);
    } else if (!run->done.left++) {
        run->first = why;
    }
    if (run->wish->step)
        run->wish->step(run->wish->ctx, &run->done, entry->sop_instance, ok ? NULL : &why);
}

/* -- the batch -- */

static bool is_batch_name(const char *name)
{
    return *name && strlen(name) < sizeof((ArcTrashed *)NULL)->batch && !name[strspn(name, "0123456789-")];
}

static int open_batch(const char *folder, const char *batch, Err *err)
{
    int trash = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = trash < 0 || !is_batch_name(batch)
                 ? -1
                 : openat(trash, batch, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (trash >= 0)
        close(trash);
    if (fd < 0)
        err_set(err, ERR_NOT_FOUND, "there is no batch %.60s in the trash", batch);
    return fd;
}

static FILE *open_manifest(int batch, Err *err)
{
    int fd = openat(batch, MANIFEST_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file)
        err_errno(err, errno, "cannot read the manifest");
    return file;
}

static bool restore_all(Run *run, Err *err)
{
    FILE *manifest = open_manifest(run->batch, err);
    Arena *arena = arena_new(0);
    ManifestHead head;
    ManifestEntry entry;
    bool more = true, ok = manifest && manifest_read_head(manifest, arena, &head, err);
    while (ok && (ok = manifest_read(manifest, arena, &entry, &more, err)) && more) {
        restore(run, &entry);
        arena_reset(arena);
        if (run->wish->stop && atomic_load(run->wish->stop))
            ok = err_set(err, ERR_CANCELLED,
                         "stopped before the end; the same command goes on where it stopped");
    }
    if (manifest)
        fclose(manifest);
    arena_free(arena);
    return ok;
}

bool arc_undelete(Archive *archive, const ArcTrash *trash, const char *batch, ArcTrashed *out, Err *err)
{
    Run run = {.archive = archive, .wish = trash};
    *out = (ArcTrashed){0};
    run.batch = open_batch(trash->folder, batch, err);
    if (run.batch < 0)
        return false;
    snprintf(run.done.batch, sizeof run.done.batch, "%s", batch);
    bool ok = restore_all(&run, err);
    close(run.batch);
    *out = run.done;
    if (ok && run.done.left) {
        *err = run.first;
        return err_wrap(err, "%llu objects could not be brought back; the first",
                        (unsigned long long)run.done.left);
    }
    return ok && arc_trash_purge(trash->folder, batch, err);
}

bool arc_trash_purge(const char *folder, const char *batch, Err *err)
{
    int fd = open_batch(folder, batch, err);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        return false;
    const struct dirent *entry;
    while ((entry = readdir(entries)))
        if (strcmp(entry->d_name, MANIFEST_NAME) != 0)
            unlinkat(fd, entry->d_name, 0);
    unlinkat(fd, MANIFEST_NAME, 0);
    closedir(entries);
    char *path = file_join(folder, batch);
    bool ok = rmdir(path) == 0 || err_errno(err, errno, "cannot delete %s", path);
    free(path);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ArcBatch *)a)->name, ((const ArcBatch *)b)->name);
}

static void read_batch(Arena *arena, const char *folder, ArcBatch *batch)
{
    ManifestHead head = {.what = "(its manifest cannot be read)", .when = ""};
    int fd = open_batch(folder, batch->name, NULL);
    FILE *manifest = fd < 0 ? NULL : open_manifest(fd, NULL);
    if (manifest) {
        manifest_read_head(manifest, arena, &head, NULL);
        fclose(manifest);
    }
    if (fd >= 0)
        close(fd);
    batch->what = head.what ? head.what : "";
    batch->when = head.when ? head.when : "";
    batch->objects = head.objects;
    batch->bytes = head.bytes;
}

bool arc_trash_list(Arena *arena, const char *folder, ArcBatch **out, size_t *count, Err *err)
{
    DIR *entries = opendir(folder);
    size_t capacity = 0;
    *out = NULL;
    *count = 0;
    if (!entries)
        return errno == ENOENT || err_errno(err, errno, "%s", folder);
    const struct dirent *entry;
    while ((entry = readdir(entries))) {
        if (!is_batch_name(entry->d_name))
            continue;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 32;
            ArcBatch *more = arena_alloc(arena, capacity * sizeof *more);
            if (*count)
                memcpy(more, *out, *count * sizeof *more);
            *out = more;
        }
        (*out)[(*count)++] = (ArcBatch){.name = arena_strdup(arena, entry->d_name)};
    }
    closedir(entries);
    if (*count)
        qsort(*out, *count, sizeof **out, by_name);
    for (size_t i = 0; i < *count; i++)
        read_batch(arena, folder, &(*out)[i]);
    return true;
}
