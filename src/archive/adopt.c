// SPDX-License-Identifier: MIT
/*
 * After an unclean stop: objects that were published but not indexed were never acknowledged, but they are complete, and a file that
 * no query finds is worse than one more object. A thread looks at the folders changed since the dead process's last checkpoint,
 * and hands what the index lacks to the committer. A file whose row fits (path, size, not written later) is not read.
 */
#include "archive/archive_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 4096, LOOK_MS = 20 };

/* Clocks are set back now and then. A server that is at work notes the time each minute, so that this is for the last of them; and what comes in in five minutes is
   looked through in seconds. */
#define CLOCK_SLACK_US INT64_C(300000000)
#define MTIME_SLACK_US INT64_C(2000000)
#define SECOND_US      INT64_C(1000000)

struct Adoption {
    Archive *archive;
    pthread_t thread;
    atomic_bool stop, ended;
    Arena *arena; /* for one file at a time */
    size_t adopted, bad;
    bool hangs; /* the committer has not answered */
};

bool adoption_read(Archive *archive, const char *name, Job *job, Inspector *inspector,
                   const atomic_bool *cancel, Err *err)
{
    *inspector = (Inspector){0};
    char *path = store_path(archive->store, name);
    if (!path)
        return err_set(err, ERR_REFUSED, "the file's name is not one of this store");
    bool ok =
        inspect_file(inspector, job->arena, path, idx_last_tag(archive->index), &job->file, cancel, err);
    free(path);
    job->file.storage_method = "FS";
    job->head = inspector->dataset;
    job->name = name;
    return ok;
}

/* What replaces a file is younger than its row says, be it by a microsecond (commit_names.c). Times of whole seconds come from where none finer are known. */
bool adoption_fits(const IdxFile *row, const char *path, const struct stat *st)
{
    int64_t mtime = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
    return strcmp(row->path, path) == 0 && row->size == (uint64_t)st->st_size &&
           mtime <= row->end_us + ((row->end_us % SECOND_US) ? 0 : MTIME_SLACK_US);
}

bool adoption_read_meta(const char *path, DcmFileMeta *meta)
{
    uint8_t head[HEAD];
    bool more;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    if (fd >= 0)
        close(fd);
    return n > 0 && dcm_file_meta_parse(span_of(head, (size_t)n), n == HEAD, meta, &more, NULL);
}

bool adoption_is_indexed(Archive *archive, Arena *arena, const char *name)
{
    const char *slash = strrchr(name, '/'), *uid = slash ? slash + 1 : name;
    char *path = store_path(archive->store, name);
    struct stat st;
    DcmFileMeta meta = {0};
    IdxFile row;
    Err ignored;
    if (path && archive_names_are_foreign(archive))
        uid = adoption_read_meta(path, &meta) ? meta.sop_instance : "";
    bool indexed = path && stat(path, &st) == 0 && idx_instance(archive->index, arena, uid, &row, &ignored) &&
                   adoption_fits(&row, path, &st);
    free(path);
    return indexed;
}

static void release_never(Job *job)
{
    /* The adoption's job and what it points to are leaked: the committer hangs, and the process with it. */
}

static bool adopt(Adoption *a, const char *name, Err *err)
{
    Job *job = malloc(sizeof *job);
    Inspector inspector;
    if (!job)
        abort();
    job_init(job, JOB_ADOPT);
    job->release = release_never;
    bool ok = adoption_read(a->archive, name, job, &inspector, &a->stop, err);
    a->hangs = ok && !committer_run(a->archive->committer, job);
    if (a->hangs)
        return err_set(err, ERR_TIMEOUT, "the index does not answer");
    if (ok && !job->ok)
        *err = job->err;
    a->adopted += ok && job->ok && job->outcome == ARC_STORED;
    ok = ok && job->ok;
    inspector_end(&inspector);
    job_destroy(job);
    free(job);
    return ok;
}

/* Until the index has it, or never will. */
static bool visit(void *ctx, const char *name, Err *err)
{
    Adoption *a = ctx;
    Spool *spool = a->archive->spool;
    Err why;
    do {
        if (!spool_await_index(spool, &a->stop))
            return err_set(err, ERR_CANCELLED, "the archive is being closed");
        arena_reset(a->arena);
        if (adoption_is_indexed(a->archive, a->arena, name) || adopt(a, name, &why))
            return true;
        if (a->hangs || why.code == ERR_CANCELLED || (idx_is_away(&why) && !spool)) {
            *err = why;
            return false;
        }
    } while (idx_is_away(&why));
    a->bad++;
    archive_notice(a->archive, LOG_WARNING, "a file in the data folder is not indexed: %s", why.text);
    return true;
}

static void *adoption_main(void *ctx)
{
    Adoption *a = ctx;
    Archive *archive = a->archive;
    Err err;
    int64_t since = store_unclean_since(archive->store);
    archive_notice(archive, LOG_WARNING,
                   "the archive was not closed properly; looking for objects that are not indexed");
    if (store_walk_changed(archive->store, since - CLOCK_SLACK_US, visit, a, &err)) {
        store_forget_unclean(archive->store);
        archive_notice(archive, LOG_INFO,
                       "%zu objects were indexed after the unclean stop, %zu files could not be", a->adopted,
                       a->bad);
    } else if (err.code != ERR_CANCELLED) {
        archive_notice(archive, LOG_ERROR, "cannot look for objects that are not indexed: %s", err.text);
    }
    atomic_store(&a->ended, true);
    return NULL;
}

Adoption *adoption_start(Archive *archive)
{
    if (store_unclean_since(archive->store) == INT64_MAX)
        return NULL;
    Adoption *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->archive = archive;
    a->arena = arena_new(0);
    if (pthread_create(&a->thread, NULL, adoption_main, a) != 0)
        abort();
    return a;
}

void adoption_stop(Adoption *a, int64_t wait_ms)
{
    if (!a)
        return;
    Deadline deadline = deadline_in(wait_ms);
    while (!atomic_load(&a->ended) && !deadline_passed(deadline))
        clock_sleep_ms(LOOK_MS);
    atomic_store(&a->stop, true);
    pthread_join(a->thread, NULL);
    arena_free(a->arena);
    free(a);
}
