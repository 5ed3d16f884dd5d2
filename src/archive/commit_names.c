// SPDX-License-Identifier: MIT
/*
 * The first half of a commit: what is to be done with each object of a group (plan.c), and its name. A name that is taken by something else is looked into.
 */
#include "archive/committer.h"
#include "archive/figures.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 4, CLAIM_WAIT_MS = 20000 };

static const char *final_name(const Job *job)
{
    return job->plan == PLAN_VARIANT ? job->variant : job->name;
}

static bool set_path(Archive *archive, Job *job)
{
    char *path = store_path(archive->store, final_name(job));
    if (!path)
        return err_set(&job->err, ERR_INTERNAL, "the layout made a name the store refuses");
    job->file.path = arena_strdup(job->arena, path);
    free(path);
    return true;
}

static bool index_found_alone(Archive *archive, const Job *found, Err *err)
{
    if (!idx_begin(archive->index, err))
        return false;
    if (idx_put(archive->index, &found->file, found->head, err) && idx_commit(archive->index, err))
        return true;
    idx_rollback(archive->index);
    return false;
}

/* Indexes an object that was found in place, in a transaction of its own. */
static bool index_found(CommitNames *c, const Job *found, Err *err)
{
    pthread_mutex_lock(c->writing);
    bool ok = index_found_alone(c->archive, found, err);
    pthread_mutex_unlock(c->writing);
    return ok;
}

/* Who verifies or tidies up has it for a moment; *news = it is ours now and was not before. */
static bool claim(const CommitNames *c, Job *job, uint64_t key, bool *news)
{
    Err err;
    for (unsigned i = 0; i < job->claim_count; i++)
        if (job->claims[i] == key)
            return true;
    if (!store_claim(c->archive->claims, key, c->claim_until, &err)) {
        job_fail(job, &err);
        return false;
    }
    job->claims[job->claim_count++] = key;
    *news = true;
    return true;
}

/* Both stay: this one gets a name of its own. */
static void go_beside(Job *job)
{
    if (!job->plain)
        job->plain = job->name;
    job->name = layout_beside(job->arena, job->plain, job->file.sop_instance, ++job->beside);
    job->over = OVER_NOTHING;
    err_set(&job->err, ERR_EXISTS, "again in the next round");
}

/* The name is taken by a file the index does not know (an index that was lost, a stop between publishing and indexing) or cannot be asked
   about. Other content of the same UID is indexed, and the new object meets it in the next round; anything else makes room. */
static void meet_orphan(CommitNames *c, Job *job)
{
    Archive *archive = c->archive;
    if (job_name_is_taken(archive, job, job->file.path)) {
        go_beside(job);
        return;
    }
    Job orphan;
    Inspector inspector;
    Err err;
    bool news;
    if (!claim(c, job, claim_of_object(job->file.sop_instance), &news))
        return;
    job_init(&orphan, JOB_ADOPT);
    bool good = adoption_read(archive, job->name, &orphan, &inspector, NULL, &err) &&
                strcmp(orphan.file.sop_instance, job->file.sop_instance) == 0;
    bool durable = !good || store_make_durable(archive->store, &job->name, 1, &err);
    bool settled =
        job->obsolete || job_same_content(&orphan.file, &job->file); /* it was replaced once before */
    job->over = !good ? OVER_JUNK : settled ? OVER_SAME : OVER_OTHER;
    if (!durable || (job->over == OVER_OTHER && !job->waits && !index_found(c, &orphan, &err) &&
                     !spool_takes(archive->spool, &err)))
        job_fail(job, &err);
    else
        err_set(&job->err, ERR_EXISTS, "again in the next round");
    inspector_end(&inspector);
    job_destroy(&orphan);
}

static void take_publish_result(CommitNames *c, Job *job, StorePublish *member)
{
    job->put = member->put;
    if (member->ok) {
        job->previous = member->previous;
        return;
    }
    if (member->err.code != ERR_EXISTS) {
        job_fail(job, &member->err);
    } else if (job->plan == PLAN_VARIANT) {
        job_leave_to_sender(job); /* its name says its content, but who knows what became of its bytes */
    } else if (job->rounds < MAX_ROUNDS) {
        job->plan = PLAN_NONE;
        job->ok = false;
        meet_orphan(c, job);
    } else {
        job_fail(job, &member->err);
    }
}

/* Under a foreign layout the name of an object that lay elsewhere may be another object's. */
static bool replaces(const Archive *archive, const Job *job)
{
    if (job->plan == PLAN_VARIANT)
        return job->spoilt;
    return job->over != OVER_NOTHING ||
           (job->outcome == ARC_REPLACED && !(job->obsolete && archive_names_are_foreign(archive)));
}

/* A file that takes over another's name has a later time than the other's row says: so a start after a power cut sees that this is not the row's file (adoption_fits). The
   sender's thread has seen to that, unless others replaced it meanwhile, or the clock was set back. */
static bool make_younger(Job *job)
{
    int64_t now = clock_wall_us();
    if (job->stamped && job->file.end_us > job->older_us)
        return true;
    job->file.end_us = now > job->older_us ? now : job->older_us + 1;
    job->stamped = store_put_stamp(job->put, job->file.end_us, &job->err);
    return job->stamped;
}

static void publish(CommitNames *c, Job **group, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        Job *job = group[i];
        if (job->plan != PLAN_PUBLISH && job->plan != PLAN_VARIANT)
            continue;
        bool replace = replaces(c->archive, job);
        if (!set_path(c->archive, job) || (replace && !make_younger(job))) {
            job->plan = PLAN_NONE;
            continue;
        }
        c->published[count] = job;
        c->publish[count++] = (StorePublish){.put = job->put, .name = final_name(job), .replace = replace};
    }
    int64_t began = clock_ns();
    if (count) {
        store_publish(c->archive->store, c->publish, count);
        figures_stage("publish", began);
    }
    for (size_t i = 0; i < count; i++)
        take_publish_result(c, c->published[i], &c->publish[i]);
}

/* One question to the index for all of them; whoever has no answer from it asks by himself. */
static void look_up_all(CommitNames *c, Job **group, size_t n)
{
    Archive *archive = c->archive;
    Err err;
    arena_reset(c->seen);
    for (size_t i = 0; i < n; i++)
        group[i]->looked = false;
    if (n < 2 || spool_is_away(archive->spool, NULL))
        return;
    IdxFile *files = arena_alloc(c->seen, n * sizeof *files);
    for (size_t i = 0; i < n; i++)
        c->uids[i] = group[i]->file.sop_instance;
    if (!idx_instances(archive->index, c->seen, c->uids, n, files, &err)) {
        spool_takes(archive->spool, &err);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        group[i]->looked = true;
        group[i]->seen = files[i].sop_instance ? &files[i] : NULL;
    }
}

static bool wants_claim(const Job *job)
{
    if (job->plan == PLAN_VARIANT)
        return job->spoilt;
    return job->plan != PLAN_NONE && (job->known || job->over != OVER_NOTHING);
}

static int by_claim(const void *a, const void *b)
{
    uint64_t x = (*(Job *const *)a)->hash, y = (*(Job *const *)b)->hash;
    return (x > y) - (x < y);
}

/* What there is of an object changes under a claim. What was decided before that is decided again. All processes claim in the same order: two that want the
   same objects would otherwise wait for each other. */
static void claim_all(CommitNames *c, Job **group, size_t n)
{
    size_t wanting = 0, claimed = 0;
    for (size_t i = 0; i < n; i++)
        if (wants_claim(group[i]))
            c->published[wanting++] = group[i];
    qsort(c->published, wanting, sizeof(Job *), by_claim);
    for (size_t i = 0; i < wanting; i++) {
        Job *job = c->published[i];
        bool news = false;
        bool unnamed = job->over == OVER_JUNK || job->plan == PLAN_VARIANT;
        if (claim(c, job, job->hash, &news) &&
            (!unnamed || claim(c, job, claim_of_name(final_name(job)), &news)) && news)
            c->published[claimed++] = job;
    }
    if (claimed)
        look_up_all(c, c->published, claimed);
    for (size_t i = 0; i < claimed; i++)
        plan_job(c->archive, c->published[i]);
}

static bool is_found(const Job *job)
{
    return job->plan == PLAN_INDEX && job->kind == JOB_ADOPT;
}

/* Objects that were found in the store may be seen before they are durable; a row that outlived its file would be a lie. */
static void secure_found(CommitNames *c, Job **group, size_t n)
{
    Store *store = c->archive->store;
    size_t count = 0;
    Err err;
    for (size_t i = 0; i < n; i++) {
        const char *name = is_found(group[i]) ? store_name(store, group[i]->file.path) : NULL;
        if (name)
            c->found[count++] = name;
    }
    if (count == 0 || store_make_durable(store, c->found, count, &err))
        return;
    for (size_t i = 0; i < n; i++)
        if (is_found(group[i]))
            job_fail(group[i], &err);
}

void commit_names(CommitNames *c, Job **group, size_t n)
{
    c->claim_until = deadline_in(CLAIM_WAIT_MS); /* for all of them together: who comes next waits, too */
    look_up_all(c, group, n);
    for (size_t i = 0; i < n; i++) {
        group[i]->rounds++;
        err_clear(&group[i]->err);
        plan_job(c->archive, group[i]);
    }
    claim_all(c, group, n);
    secure_found(c, group, n);
    publish(c, group, n);
}

bool commit_goes_again(const Job *job)
{
    return !job->ok && job->kind == JOB_INGEST && job->err.code == ERR_EXISTS && job->rounds < MAX_ROUNDS;
}

void commit_names_init(CommitNames *c, Archive *archive, pthread_mutex_t *writing, size_t group_max)
{
    *c = (CommitNames){.archive = archive, .writing = writing};
    c->publish = calloc(group_max, sizeof *c->publish);
    c->published = calloc(group_max, sizeof *c->published);
    c->uids = calloc(group_max, sizeof *c->uids);
    c->found = calloc(group_max, sizeof *c->found);
    c->seen = arena_new(0);
    if (!c->publish || !c->published || !c->uids || !c->found)
        abort();
}

void commit_names_free(CommitNames *c)
{
    free(c->publish);
    free(c->published);
    free(c->uids);
    free(c->found);
    arena_free(c->seen);
}
