// SPDX-License-Identifier: MIT
/* Rows whose file is gone, out of the index: one after the other, through the committer, which looks once more. */
#include "archive/archive_internal.h"
#include "archive/indexing.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct Run {
    Archive *archive;
    const ArcPruning *wish;
    ArcPruned *out;
} Run;

static bool see_one(void *ctx, const char *name, Err *err)
{
    *(bool *)ctx = true;
    return err_set(err, ERR_CANCELLED, "one is enough");
}

/* A disk that is not mounted looks like objects that are gone. */
bool archive_has_files(Archive *archive, Err *err)
{
    bool any = false;
    Err ignored;
    store_walk(archive->store, see_one, &any, &ignored);
    return any ||
           err_set(err, ERR_REFUSED,
                   "%s has no files at all; is its disk mounted? Where the archive is empty on purpose, "
                   "'manage database clean' empties the index, too",
                   archive->settings.data_path);
}

static bool is_gone(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

static void release_never(Job *job)
{
    /* Leaked with the run: the committer hangs. */
}

/* `file` and what it points to live in the job's arena. */
static bool remove_row(Run *run, Job *job, Err *err)
{
    job->name = "";
    job->if_gone = true;
    job->release = release_never;
    if (!committer_run(run->archive->committer, job))
        return err_set(err, ERR_TIMEOUT, "the index does not answer");
    if (job->ok) {
        run->out->pruned += job->outcome == ARC_STORED;
        return true;
    }
    if (idx_is_away(&job->err)) {
        *err = job->err;
        return false;
    }
    run->out->failed++;
    return true;
}

static bool look_at(Run *run, Job *job, Err *err)
{
    run->out->seen++;
    if (!is_gone(job->file.path) || (run->wish->own_only && !store_name(run->archive->store, job->file.path)))
        return true;
    run->out->gone++;
    if (run->wish->step)
        run->wish->step(run->wish->ctx, run->out, &job->file);
    return run->wish->dry_run || remove_row(run, job, err);
}

bool arc_prune(Archive *archive, const ArcPruning *wish, ArcPruned *out, Err *err)
{
    *out = (ArcPruned){0};
    Run run = {archive, wish, out};
    if (!archive_has_files(archive, err))
        return false;
    IdxFiles *files = idx_select(archive->index, &(IdxSelection){.everything = true}, err);
    bool ok = files != NULL, more = true;
    while (ok && more) {
        Job *job = malloc(sizeof *job);
        if (!job)
            abort();
        job_init(job, JOB_REMOVE);
        ok = idx_files_next(files, job->arena, &job->file, err);
        more = ok && job->file.sop_instance;
        if (more && wish->stop && atomic_load(wish->stop))
            ok = err_set(err, ERR_CANCELLED, "stopped before the end");
        ok = ok && (!more || look_at(&run, job, err));
        if (ok || err->code != ERR_TIMEOUT) {
            job_destroy(job);
            free(job);
        }
    }
    idx_files_free(files);
    return ok;
}
