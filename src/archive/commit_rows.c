// SPDX-License-Identifier: MIT
/*
 * The second half of a commit: one index transaction for a group whose objects have their names, then the senders hear of it.
 *
 * When the index refuses a group, its objects are put again one by one. When it refuses an object, what was published is taken back: the object
 * is absent, as its sender is told. If even that fails it stays for adoption at the next start. When the database is away, or went away so that nobody
 * knows whether the group is in it, the objects are noted in the spool.
 */
#include "archive/committer.h"
#include "archive/figures.h"

#include <stdlib.h>
#include <string.h>

static void leave_for_adoption(Archive *archive, const Job *job, const Err *err)
{
    store_leave_unclean(archive->store);
    archive_notice(archive, LOG_ERROR,
                   "object %s is on disk but not in the index and could not be removed (%s); it will be "
                   "indexed at the next start",
                   job->file.sop_instance, err->text);
}

/* The object goes back to being absent, what it replaced comes back. */
static void unpublish(Archive *archive, Job *job, const Err *why)
{
    Err err;
    bool ok = true;
    if (job->plan == PLAN_PUBLISH && job->previous) {
        StorePublish back = {.put = job->previous, .name = job->name, .replace = true};
        ok = store_publish(archive->store, &back, 1);
        err = back.err;
        store_put_abandon(ok ? back.previous : NULL);
        if (ok)
            job->previous = NULL;
    } else if (job->plan == PLAN_PUBLISH) {
        ok = store_delete(archive->store, job->name, &err);
    } else if (job->plan == PLAN_REMOVE && idx_is_away(why)) {
        store_leave_unclean(archive->store); /* the row may be gone: the next start looks */
    }
    if (!ok)
        leave_for_adoption(archive, job, &err);
    job_fail(job, why);
}

static bool wants_index(const Job *job)
{
    return !job->waits && (job->plan == PLAN_PUBLISH || job->plan == PLAN_INDEX || job->plan == PLAN_REMOVE);
}

static bool write_rows(Archive *archive, const Job *job, Err *err)
{
    if (job->plan != PLAN_REMOVE)
        return idx_put(archive->index, &job->file, job->head, err);
    return idx_remove(archive->index, job->file.sop_instance, err) || err->code == ERR_NOT_FOUND;
}

/* Might the others be taken without the one that is at fault? */
static bool is_about_one(const Err *why)
{
    return !idx_is_away(why) && why->code != ERR_NO_SPACE && why->code != ERR_IO;
}

/* The index shall ask about all of them at once. */
static bool announce(CommitRows *c, Job **group, size_t n, Err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (wants_index(group[i]))
            c->expected[count++] = &group[i]->file;
    return count < 2 || idx_expect(c->archive->index, c->expected, count, err);
}

/* What a row leaves elsewhere is noted with it: the power may go before the file has. */
static bool note_replaced(CommitRows *c, Job **group, size_t n, Err *err)
{
    for (size_t i = 0; i < n; i++)
        if (wants_index(group[i]) && group[i]->obsolete && !leftover_note(c->archive, group[i], err))
            return false;
    return idx_replaced_forget(c->archive->index, c->gone, c->gone_count, err);
}

static bool commit(CommitRows *c, Err *err)
{
    bool ok = idx_commit(c->archive->index, err);
    if (ok)
        c->gone_count = 0;
    return ok;
}

/* What is wrong with one object is that object's own affair; `err` is about all of them. */
static bool write_group(CommitRows *c, Job **group, size_t n, Err *err)
{
    Archive *archive = c->archive;
    if (!announce(c, group, n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!wants_index(group[i]) || write_rows(archive, group[i], err))
            continue;
        if (!is_about_one(err))
            return false;
        unpublish(archive, group[i], err);
    }
    return note_replaced(c, group, n, err) && commit(c, err);
}

static bool index_group_alone(CommitRows *c, Job **group, size_t n, Err *err)
{
    if (!idx_begin(c->archive->index, err))
        return false;
    if (write_group(c, group, n, err))
        return true;
    idx_rollback(c->archive->index);
    return false;
}

static bool index_group(CommitRows *c, Job **group, size_t n, Err *err)
{
    pthread_mutex_lock(c->writing);
    bool ok = index_group_alone(c, group, n, err);
    pthread_mutex_unlock(c->writing);
    return ok;
}

/* The index has not taken this job, or nobody knows. */
static void not_indexed(Archive *archive, Job *job, const Err *why)
{
    bool is_away = spool_takes(archive->spool, why);
    if (is_away && job->note.number)
        atomic_store(&archive->leftovers, true); /* nobody knows whether it is noted */
    if (is_away && job->kind == JOB_INGEST)
        job_must_wait(job);
    else
        unpublish(archive, job, why);
}

static void index_one_by_one(CommitRows *c, Job **group, size_t n)
{
    Err err;
    for (size_t i = 0; i < n; i++)
        if (wants_index(group[i]) && !index_group(c, &group[i], 1, &err))
            not_indexed(c->archive, group[i], &err);
}

static void index_all(CommitRows *c, Job **group, size_t n)
{
    size_t wanting = 0;
    for (size_t i = 0; i < n; i++)
        wanting += wants_index(group[i]);
    Err err;
    if (!wanting || index_group(c, group, n, &err))
        return;
    if (wanting > 1 && is_about_one(&err)) {
        index_one_by_one(c, group, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (wants_index(group[i]))
            not_indexed(c->archive, group[i], &err);
}

/* Notes what waits, once for the group. */
static void note_waiting(CommitRows *c, Job **group, size_t n)
{
    size_t count = 0;
    Err err;
    for (size_t i = 0; i < n; i++)
        if (group[i]->waits && (group[i]->ok || group[i]->plan != PLAN_NONE))
            c->names[count++] = group[i]->waits;
    if (!count || spool_add(c->archive->spool, c->names, count, &err))
        return;
    for (size_t i = 0; i < n; i++)
        if (group[i]->waits && (group[i]->ok || group[i]->plan != PLAN_NONE))
            unpublish(c->archive, group[i], &err);
}

/* -- after the fact -- */

static void drop_obsolete(CommitRows *c, const Job *job, const char *name)
{
    Archive *archive = c->archive;
    Err err;
    if (store_delete(archive->store, name, &err) || err.code == ERR_NOT_FOUND) {
        if (job->note.number)
            c->gone[c->gone_count++] = job->note.number;
        return;
    }
    store_leave_unclean(archive->store); /* the next start tries again */
    archive_notice(archive, LOG_WARNING,
                   "object %s was replaced; the old file stays until the next start: %s",
                   job->file.sop_instance, err.text);
}

static void drop_replaced(CommitRows *c, Job *job)
{
    Archive *archive = c->archive;
    if (job->previous && (job->over == OVER_JUNK || job->spoilt)) {
        Err why, err;
        err_set(&why, ERR_EXISTS, "lay under the name of object %s, %s", job->file.sop_instance,
                job->distrusted || job->spoilt ? "and its bytes were not those that had been stored"
                                               : "was in no index and was no such object");
        QuarantineCase orphan = {.path = store_put_path(job->previous), .why = &why};
        if (!quarantine_take(archive->quarantine, &orphan, &err))
            archive_notice(archive, LOG_WARNING, "%s", err.text);
    }
    store_put_abandon(job->previous);
    job->previous = NULL;
    const char *name = job->obsolete ? store_name(archive->store, job->obsolete) : NULL;
    if (job->ok && name)
        drop_obsolete(c, job, name);
}

static void end_claims(Archive *archive, Job *job)
{
    while (job->claim_count)
        store_unclaim(archive->claims, job->claims[--job->claim_count]);
}

static void report(Archive *archive, const Job *job)
{
    static const char *const what[] = {
        [ARC_STORED] = NULL,
        [ARC_SAME] = NULL,
        [ARC_REPLACED] = "it was replaced",
        [ARC_KEPT_FIRST] = "the first is kept, the new one dropped",
        [ARC_KEPT_BOTH] = "both are kept, the index shows the first",
    };
    if (job->ok && what[job->outcome])
        archive_notice(archive, LOG_WARNING, "object %s came again with other content; %s",
                       job->file.sop_instance, what[job->outcome]);
}

void commit_rows(CommitRows *c, Job **group, size_t n)
{
    int64_t began = clock_ns();
    index_all(c, group, n);
    figures_stage("index", began);
    note_waiting(c, group, n);
    for (size_t i = 0; i < n; i++)
        if (group[i]->plan != PLAN_NONE)
            job_settle(group[i], group[i]->outcome);
    for (size_t i = 0; i < n; i++)
        drop_replaced(c, group[i]);
    for (size_t i = 0; i < n; i++)
        if (group[i]->ok && group[i]->removed)
            group[i]->removed(group[i]);
    for (size_t i = 0; i < n; i++)
        end_claims(c->archive, group[i]);
    for (size_t i = 0; i < n; i++)
        report(c->archive, group[i]);
}

/* What is not forgotten now is, at the next start, as its file is not there. */
void commit_rows_end(CommitRows *c)
{
    Index *index = c->archive->index;
    Err ignored;
    if (!c->gone_count || spool_is_away(c->archive->spool, NULL) || !idx_begin(index, &ignored))
        return;
    if (!idx_replaced_forget(index, c->gone, c->gone_count, &ignored) || !commit(c, &ignored))
        idx_rollback(index);
}

void commit_rows_init(CommitRows *c, Archive *archive, pthread_mutex_t *writing, size_t group_max)
{
    *c = (CommitRows){.archive = archive, .writing = writing};
    c->expected = calloc(group_max, sizeof *c->expected);
    c->names = calloc(group_max, sizeof *c->names);
    c->gone = calloc(group_max, sizeof *c->gone);
    if (!c->expected || !c->names || !c->gone)
        abort();
}

void commit_rows_free(CommitRows *c)
{
    free(c->expected);
    free(c->names);
    free(c->gone);
}
