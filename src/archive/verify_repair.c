// SPDX-License-Identifier: MIT
/* What verification found, put right. All of it goes through the committer, which looks once more at what the index has. */
#include "archive/manifest.h"
#include "archive/trash.h"
#include "archive/verify_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void release_never(Job *job)
{
    /* Leaked: the committer hangs. */
}

/* Runs the job and frees it. */
static bool run_job(Archive *archive, Job *job, Err *err)
{
    if (!committer_run(archive->committer, job))
        return err_set(err, ERR_TIMEOUT, "the index does not answer");
    bool ok = job->ok;
    if (!ok)
        *err = job->err;
    job_destroy(job);
    free(job);
    return ok;
}

static Job *new_job(JobKind kind)
{
    Job *job = malloc(sizeof *job);
    if (!job)
        abort();
    job_init(job, kind);
    job->name = "";
    job->release = release_never;
    return job;
}

static bool remove_row(Archive *archive, const IdxFile *row, bool if_gone, Err *err)
{
    Job *job = new_job(JOB_REMOVE);
    job->if_gone = if_gone;
    idx_file_copy(job->arena, row, &job->file);
    return run_job(archive, job, err);
}

/* A disk that is not mounted looks like objects that are gone. */
static bool folder_is_there(const char *path, Err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, slash ? (size_t)(slash - path) : 0);
    bool there = folder && *folder && access(folder, F_OK) == 0;
    free(folder);
    return there || err_set(err, ERR_REFUSED,
                            "it was indexed in place, and its folder is gone as well; is its disk mounted? "
                            "'data index --prune' takes out such rows, too");
}

bool repair_missing(Archive *archive, const IdxFile *row, Err *err)
{
    bool ours = store_name(archive->store, row->path) != NULL;
    return (ours ? archive_has_files(archive, err) : folder_is_there(row->path, err)) &&
           remove_row(archive, row, true, err);
}

static bool is_file(const char *path, const struct stat *file)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

bool repair_damaged(Archive *archive, const IdxFile *row, const char *path, const Checked *checked, Err *err)
{
    const char *name = store_name(archive->store, path);
    Err why = checked->why;
    if (!name)
        return err_set(err, ERR_REFUSED, "it was indexed in place; the file is not ours to move");
    err_wrap(&why, "found by 'data verify' as %s", path);
    QuarantineCase object = {.path = path, .why = &why, .leave = &checked->file};
    if (row) {
        object.transfer_syntax = row->transfer_syntax;
        object.sop_class = row->sop_class;
        object.sop_instance = row->sop_instance;
        object.source_ae = row->source_ae;
    }
    /* It is in both places for a moment, in neither never. */
    if (!quarantine_take(archive->quarantine, &object, err) || (row && !remove_row(archive, row, false, err)))
        return false;
    return !is_file(path, &checked->file) || store_delete(archive->store, name, err);
}

bool repair_unindexed(Archive *archive, const char *name, const atomic_bool *stop, Err *err)
{
    Inspector inspector;
    Job *job = new_job(JOB_ADOPT);
    name = arena_strdup(job->arena, name);
    bool read = adoption_read(archive, name, job, &inspector, stop, err);
    bool ok = read && run_job(archive, job, err);
    if (!read) {
        job_destroy(job);
        free(job);
    }
    if (ok || !read || err->code != ERR_TIMEOUT)
        inspector_end(&inspector);
    return ok;
}

/* -- the trash -- */

typedef struct Entry {
    uint8_t sha256[32];
    uint64_t file;
    const char *batch;
} Entry;

struct Trashed {
    Arena *arena;
    const char *folder;
    Entry *entries; /* by digest */
    size_t count, capacity;
};

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const Entry *)a)->sha256, ((const Entry *)b)->sha256, sizeof((const Entry *)a)->sha256);
}

static void add(Trashed *t, const char *batch, const ManifestEntry *from)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 256;
        t->entries = realloc(t->entries, t->capacity * sizeof *t->entries);
        if (!t->entries)
            abort();
    }
    Entry *entry = &t->entries[t->count++];
    *entry = (Entry){.file = from->file, .batch = batch};
    memcpy(entry->sha256, from->sha256, sizeof entry->sha256);
}

static void read_batch(Trashed *t, const char *batch)
{
    Arena *arena = arena_new(0);
    FILE *file = fopen(arena_printf(arena, "%s/%s/" MANIFEST_NAME, t->folder, batch), "re");
    ManifestHead head;
    ManifestEntry entry;
    bool more = file && manifest_read_head(file, arena, &head, NULL);
    while (more) {
        arena_reset(arena);
        if (!manifest_read(file, arena, &entry, &more, NULL))
            break;
        if (more && !entry.outside)
            add(t, batch, &entry);
    }
    if (file)
        fclose(file);
    arena_free(arena);
}

Trashed *trashed_read(const char *folder)
{
    Trashed *t = calloc(1, sizeof *t);
    ArcBatch *batches;
    size_t n;
    if (!t)
        abort();
    t->arena = arena_new(0);
    t->folder = folder;
    if (arc_trash_list(t->arena, folder, &batches, &n, NULL))
        for (size_t i = 0; i < n; i++)
            read_batch(t, batches[i].name);
    if (t->count)
        qsort(t->entries, t->count, sizeof *t->entries, by_digest);
    return t;
}

const char *trashed_copy(const Trashed *t, Arena *arena, const IdxFile *row, Pace *pace,
                         const atomic_bool *stop)
{
    static const uint8_t none[sizeof row->sha256];
    Entry key = {0};
    memcpy(key.sha256, row->sha256, sizeof key.sha256);
    const Entry *entry = t->count && memcmp(row->sha256, none, sizeof none) != 0
                             ? bsearch(&key, t->entries, t->count, sizeof *t->entries, by_digest)
                             : NULL;
    if (!entry)
        return NULL;
    IdxFile copy = *row;
    Checked checked;
    copy.path = arena_printf(arena, "%s/%s/%llu", t->folder, entry->batch, (unsigned long long)entry->file);
    return check_file(&copy, pace, stop, &checked) && checked.what == ARC_SOUND ? copy.path : NULL;
}

void trashed_free(Trashed *t)
{
    if (!t)
        return;
    free(t->entries);
    arena_free(t->arena);
    free(t);
}
