// SPDX-License-Identifier: MIT
/*
 * What verification found, put right. What lacks a row goes through the committer, as any object. What is taken out is decided under a claim on the object (store.h) and inside a transaction of the index,
 * after all that was verified has been held against what there is once more: the committer has the same claim from before a file gets its name until the row says so, so that a replacement
 * that is on its way, however long that takes, is never taken for damage. Both are held for a moment only.
 */
#include "archive/manifest.h"
#include "archive/sums.h"
#include "archive/trash.h"
#include "archive/verify_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLAIM_WAIT_MS = 60000, CLAIM_NAP_MS = 50 };

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

/* Something that is taken out of the archive. */
typedef struct Removal {
    Archive *archive;
    const atomic_bool *stop;
    const IdxFile *row;       /* NULL = it has none */
    const char *sop_instance; /* "" = not known */
    const char *path;         /* of its file */
    const struct stat *file;  /* as it was looked at; NULL = it was not there */
    Index *index;             /* a writer of our own */
    StoreClaims *claims;      /* the same */
    uint64_t keys[2];
    size_t key_count;
    bool done; /* its row is out, or it had none and nobody else has it */
} Removal;

bool verify_same_row(const IdxFile *a, const IdxFile *b)
{
    return strcmp(a->path, b->path) == 0 && a->size == b->size && a->end_us == b->end_us &&
           memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0 &&
           memcmp(a->content, b->content, sizeof a->content) == 0;
}

static bool changed(Err *err)
{
    return err_set(err, ERR_MISMATCH, "it has changed meanwhile; nothing was done");
}

static bool same_file(const char *path, const struct stat *file)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return !file && (errno == ENOENT || errno == ENOTDIR);
    return file && st.st_dev == file->st_dev && st.st_ino == file->st_ino && st.st_size == file->st_size &&
           st.st_mtim.tv_sec == file->st_mtim.tv_sec && st.st_mtim.tv_nsec == file->st_mtim.tv_nsec;
}

static bool same_row(const Removal *r, Err *err)
{
    Arena *arena = arena_new(0);
    IdxFile row;
    Err why;
    bool named = *r->sop_instance;
    bool known = named && idx_instance_written(r->index, arena, r->sop_instance, &row, &why);
    bool ok = known || !named || why.code == ERR_NOT_FOUND;
    if (!ok)
        *err = why;
    else if (r->row ? !known || !verify_same_row(&row, r->row) : known && strcmp(row.path, r->path) == 0)
        ok = changed(err);
    arena_free(arena);
    return ok;
}

/* Is what was found still so, and nobody's unfinished work? */
static bool still_holds(const Removal *r, Err *err)
{
    Archive *archive = r->archive;
    if (arc_waiting_in(archive->settings.temp_path))
        return changed(err); /* another row of it may be on its way */
    return (!r->file || store_is_accounted(archive->store, err)) && same_row(r, err) &&
           (same_file(r->path, r->file) || changed(err));
}

static void end_claims(const Removal *r)
{
    for (size_t i = 0; i < r->key_count; i++)
        store_unclaim(r->claims, r->keys[i]);
}

static bool claim(const Removal *r)
{
    for (size_t i = 0; i < r->key_count; i++)
        if (!store_claim(r->claims, r->keys[i], deadline_in(0), NULL)) {
            end_claims(r);
            return false;
        }
    return true;
}

/* Both the claims and a transaction. Who has a claim may be waiting for the transaction, so that claims are only tried once that is ours. */
static bool begin(const Removal *r, Err *err)
{
    Deadline deadline = deadline_in(CLAIM_WAIT_MS);
    while (!atomic_load(r->stop)) {
        bool is_free = claim(r);
        end_claims(r);
        if (is_free && !idx_begin(r->index, err))
            return false;
        if (is_free && claim(r))
            return true;
        idx_rollback(r->index);
        if (deadline_passed(deadline))
            return err_set(err, ERR_LIMIT, "the archive has been at work on it for %d s; nothing was done",
                           CLAIM_WAIT_MS / 1000);
        clock_sleep_ms(CLAIM_NAP_MS);
    }
    return err_set(err, ERR_CANCELLED, "stopped before the end");
}

static bool take_out_claimed(Removal *r, Err *err)
{
    r->done = still_holds(r, err) && (!r->row || idx_remove(r->index, r->sop_instance, err)) &&
              idx_commit(r->index, err);
    const char *name = r->file ? store_name(r->archive->store, r->path) : NULL;
    return r->done && (!name || store_delete(r->archive->store, name, err));
}

/* The row, durably, then the file's name. */
static bool take_out(Removal *r, Err *err)
{
    if (*r->sop_instance)
        r->keys[r->key_count++] = claim_of_object(r->sop_instance);
    if (!r->row)
        r->keys[r->key_count++] = claim_of_name(store_name(r->archive->store, r->path));
    r->claims = store_claims_open(r->archive->store, err);
    r->index = r->claims ? archive_open_index_apart(r->archive, err) : NULL;
    bool ok = r->index && begin(r, err) && take_out_claimed(r, err);
    idx_close(r->index); /* with what was begun */
    store_claims_close(r->claims);
    return ok;
}

bool repair_missing(Archive *archive, const IdxFile *row, const atomic_bool *stop, Err *err)
{
    Removal removal = {
        .archive = archive, .stop = stop, .row = row, .sop_instance = row->sop_instance, .path = row->path};
    bool ours = store_name(archive->store, row->path) != NULL;
    return (ours ? archive_has_files(archive, err) : folder_is_there(row->path, err)) &&
           take_out(&removal, err);
}

bool repair_damaged(Archive *archive, const IdxFile *row, const char *sop_instance, const char *path,
                    const Checked *checked, const atomic_bool *stop, Err *err)
{
    char kept[PATH_MAX];
    Err why = checked->why;
    if (!store_name(archive->store, path))
        return err_set(err, ERR_REFUSED, "it was indexed in place; the file is not ours to move");
    err_wrap(&why, "found by 'data verify' as %s", path);
    QuarantineCase object = {.path = path, .why = &why, .leave = &checked->file, .kept = kept};
    if (row) {
        object.transfer_syntax = row->transfer_syntax;
        object.sop_class = row->sop_class;
        object.sop_instance = row->sop_instance;
        object.source_ae = row->source_ae;
    }
    Removal removal = {.archive = archive,
                       .stop = stop,
                       .row = row,
                       .sop_instance = sop_instance,
                       .path = path,
                       .file = &checked->file};
    /* It is in both places for a moment, in neither never. */
    if (!quarantine_take(archive->quarantine, &object, err))
        return false;
    bool ok = take_out(&removal, err);
    if (!removal.done)
        quarantine_give_back(archive->quarantine, kept);
    return ok;
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

/* What a copy is found by: its SHA-256; or its size and the checksum of its data set. */
typedef struct Key {
    uint8_t sha256[32], content[16];
    uint64_t size; /* with `content` */
} Key;

typedef struct Entry {
    Key key;
    uint64_t file;
    const char *batch;
} Entry;

struct Trashed {
    Arena *arena;
    const char *folder;
    Entry *entries; /* by key; an object whose checksums are both known is there twice */
    size_t count, capacity;
};

static int by_key(const void *a, const void *b)
{
    return memcmp(&((const Entry *)a)->key, &((const Entry *)b)->key, sizeof(Key));
}

/* False when it is not known. Keys are compared as bytes; they have no gaps. */
static bool key_of_sha256(const uint8_t sha256[32], Key *out)
{
    *out = (Key){0};
    memcpy(out->sha256, sha256, sizeof out->sha256);
    return sum_is_set(out->sha256, sizeof out->sha256);
}

static bool key_of_content(const uint8_t content[16], uint64_t size, Key *out)
{
    *out = (Key){.size = size};
    memcpy(out->content, content, sizeof out->content);
    return sum_is_set(out->content, sizeof out->content);
}

static void add(Trashed *t, const char *batch, uint64_t file, const Key *key)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 256;
        t->entries = realloc(t->entries, t->capacity * sizeof *t->entries);
        if (!t->entries)
            abort();
    }
    Entry *entry = &t->entries[t->count++];
    *entry = (Entry){.key = *key, .file = file, .batch = batch};
}

static void add_each(Trashed *t, const char *batch, const ManifestEntry *from)
{
    Key key;
    if (key_of_sha256(from->sha256, &key))
        add(t, batch, from->file, &key);
    if (key_of_content(from->content, from->size, &key))
        add(t, batch, from->file, &key);
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
            add_each(t, batch, &entry);
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
        qsort(t->entries, t->count, sizeof *t->entries, by_key);
    return t;
}

static const Entry *find(const Trashed *t, const Key *key)
{
    Entry wanted = {.key = *key};
    return t->count ? bsearch(&wanted, t->entries, t->count, sizeof *t->entries, by_key) : NULL;
}

const char *trashed_copy(const Trashed *t, Arena *arena, const IdxFile *row, Pace *pace,
                         const atomic_bool *stop)
{
    Key key;
    const Entry *entry = key_of_sha256(row->sha256, &key) ? find(t, &key) : NULL;
    if (!entry && key_of_content(row->content, row->size, &key))
        entry = find(t, &key);
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
