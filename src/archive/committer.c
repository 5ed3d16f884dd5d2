// SPDX-License-Identifier: MIT
/*
 * Group commit. One thread takes whatever waits, decides what is to be done with it and gives it its names (commit_names.c: each folder is synced once);
 * another takes whatever has its names and indexes it in one transaction (commit_rows.c). While either is at work the next group gathers, so that the cost
 * of a commit is shared by as many as there are senders. One or two wait for nobody. Several wait a moment for those whose last bytes are being written and synced: with eight
 * senders of CT images a transaction then has five rows in place of two and a half, and an object costs a sixth less of the processor.
 *
 * An object whose UID is that of another one that is under way waits until that one is done, and so sees it.
 */
#include "archive/committer.h"

#include "base/cond.h"

#include <stdlib.h>
#include <string.h>

enum { PUT_WAIT_MS = 60000, COMMIT_WAIT_MS = 600000, CHECKPOINT_MS = 60000, JOIN_MS = 3, JOIN_FROM = 3 };

struct Committer {
    Archive *archive;
    size_t group_max;
    Queue *arriving, *named;
    pthread_t namer, indexer;
    CommitNames names;
    CommitRows rows;
    Job **to_name, **to_hand, **to_index; /* [group_max] */
    Deadline checkpoint;
    atomic_size_t coming; /* so many are expected (committer_expect) */
    pthread_mutex_t writing;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t indexed;
    Job **under_way; /* [3 * group_max] from the namer to the indexer, in their order */
    size_t under_way_count;
};

/* -- from one thread to the other -- */

static bool is_of(Job **jobs, size_t n, const Job *job)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[i]->hash == job->hash && strcmp(jobs[i]->file.sop_instance, job->file.sop_instance) == 0)
            return true;
    return false;
}

static bool is_under_way(Committer *c, const Job *job)
{
    pthread_mutex_lock(&c->lock);
    bool is = is_of(c->under_way, c->under_way_count, job);
    pthread_mutex_unlock(&c->lock);
    return is;
}

/* All at once: one by one, the first would be indexed alone. */
static void hand_over(Committer *c, Job **group, size_t n)
{
    pthread_mutex_lock(&c->lock);
    memcpy(c->under_way + c->under_way_count, group, n * sizeof *group);
    c->under_way_count += n;
    pthread_mutex_unlock(&c->lock);
    queue_put_many(c->named, (void *const *)group, n, CLOCK_NEVER);
}

/* The first n of what is under way are done. */
static void take_off(Committer *c, size_t n)
{
    pthread_mutex_lock(&c->lock);
    c->under_way_count -= n;
    memmove(c->under_way, c->under_way + n, c->under_way_count * sizeof *c->under_way);
    pthread_cond_signal(&c->indexed);
    pthread_mutex_unlock(&c->lock);
}

static void await_indexer(Committer *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->under_way_count)
        pthread_cond_wait(&c->indexed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* -- names -- */

/* Moves jobs that must see an earlier one behind the others; returns how many take part. */
static size_t part_group(Committer *c, Job **group, size_t n)
{
    size_t part = 0;
    for (size_t i = 0; i < n; i++) {
        Job *job = group[i];
        job->hash = claim_of_object(job->file.sop_instance);
        if (is_of(group, part, job) || is_under_way(c, job))
            continue;
        memmove(&group[part + 1], &group[part], (i - part) * sizeof *group);
        group[part++] = job;
    }
    return part;
}

/* Gives a group its names and hands it on; what must go again is left at the front. Returns how many those are. */
static size_t name_group(Committer *c, Job **group, size_t n)
{
    size_t part = part_group(c, group, n), again = 0, done = 0;
    commit_names(&c->names, group, part);
    for (size_t i = 0; i < part; i++) {
        if (commit_goes_again(group[i]))
            group[again++] = group[i];
        else
            c->to_hand[done++] = group[i];
    }
    hand_over(c, c->to_hand, done);
    memmove(&group[again], &group[part], (n - part) * sizeof *group);
    return again + n - part;
}

/* A few leave the processor idle, and would only be later. Nothing else than what comes waits. */
static bool is_worth_waiting(Committer *c, size_t n)
{
    size_t coming = atomic_load(&c->coming), ingests = 0;
    for (size_t i = 0; i < n; i++)
        ingests += c->to_name[i]->kind == JOB_INGEST;
    return coming && ingests && ingests + coming >= JOIN_FROM;
}

/* Puts what arrives behind the `kept` of to_name, and waits for those who are expected when it is worth it. Returns how many there are. */
static size_t gather(Committer *c, size_t kept)
{
    void **group = (void **)c->to_name;
    size_t n = kept;
    if (n < c->group_max)
        n += queue_take_many(c->arriving, group + n, c->group_max - n, kept ? deadline_in(0) : CLOCK_NEVER);
    Deadline until = deadline_in(JOIN_MS);
    while (n && n < c->group_max && is_worth_waiting(c, n) && !deadline_passed(until))
        n += queue_take_many(c->arriving, group + n, c->group_max - n, until);
    return n;
}

static void *namer_main(void *ctx)
{
    Committer *c = ctx;
    size_t kept = 0;
    for (;;) {
        if (kept)
            await_indexer(c);
        size_t n = gather(c, kept);
        if (n == 0)
            break;
        kept = name_group(c, c->to_name, n);
        if (deadline_passed(c->checkpoint)) {
            store_checkpoint(c->archive->store);
            c->checkpoint = deadline_in(CHECKPOINT_MS);
        }
    }
    queue_close(c->named);
    return NULL;
}

/* -- rows -- */

static void wake(Job *job)
{
    pthread_mutex_lock(&job->lock);
    job->done = true;
    bool forsaken = job->forsaken;
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
    if (forsaken)
        job->release(job);
}

static void *indexer_main(void *ctx)
{
    Committer *c = ctx;
    size_t n;
    while ((n = queue_take_many(c->named, (void **)c->to_index, c->group_max, CLOCK_NEVER))) {
        commit_rows(&c->rows, c->to_index, n);
        take_off(c, n);
        for (size_t i = 0; i < n; i++)
            wake(c->to_index[i]);
    }
    commit_rows_end(&c->rows);
    return NULL;
}

/* -- both -- */

Committer *committer_start(Archive *archive, size_t group_max)
{
    Committer *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->archive = archive;
    c->group_max = group_max;
    c->arriving = queue_new(4 * group_max);
    c->named = queue_new(group_max);
    c->to_name = calloc(group_max, sizeof *c->to_name);
    c->to_hand = calloc(group_max, sizeof *c->to_hand);
    c->to_index = calloc(group_max, sizeof *c->to_index);
    c->under_way = calloc(3 * group_max, sizeof *c->under_way);
    c->checkpoint = deadline_in(CHECKPOINT_MS);
    pthread_mutex_init(&c->writing, NULL);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->indexed, NULL);
    commit_names_init(&c->names, archive, &c->writing, group_max);
    commit_rows_init(&c->rows, archive, &c->writing, group_max);
    if (!c->to_name || !c->to_hand || !c->to_index || !c->under_way ||
        pthread_create(&c->namer, NULL, namer_main, c) != 0 ||
        pthread_create(&c->indexer, NULL, indexer_main, c) != 0)
        abort();
    return c;
}

void committer_stop(Committer *c)
{
    queue_close(c->arriving);
    pthread_join(c->namer, NULL);
    pthread_join(c->indexer, NULL);
    queue_free(c->arriving);
    queue_free(c->named);
    commit_names_free(&c->names);
    commit_rows_free(&c->rows);
    pthread_cond_destroy(&c->indexed);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->writing);
    free(c->to_name);
    free(c->to_hand);
    free(c->to_index);
    free(c->under_way);
    free(c);
}

void committer_expect(Committer *c)
{
    atomic_fetch_add(&c->coming, 1);
}

void committer_expect_no_more(Committer *c)
{
    atomic_fetch_sub(&c->coming, 1);
}

size_t committer_waiting(Committer *c)
{
    pthread_mutex_lock(&c->lock);
    size_t n = c->under_way_count;
    pthread_mutex_unlock(&c->lock);
    return n + queue_length(c->arriving);
}

/* -- jobs -- */

void job_init(Job *job, JobKind kind)
{
    *job = (Job){.kind = kind, .arena = arena_new(0)};
    err_clear(&job->err);
    pthread_mutex_init(&job->lock, NULL);
    cond_init(&job->changed);
}

void job_destroy(Job *job)
{
    store_put_abandon(job->put);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    arena_free(job->arena);
}

static bool wait_done(Job *job)
{
    Deadline deadline = deadline_in(COMMIT_WAIT_MS);
    bool in_time = true;
    pthread_mutex_lock(&job->lock);
    while (!job->done && in_time)
        in_time = cond_wait(&job->changed, &job->lock, deadline);
    bool done = job->done;
    job->forsaken = !done;
    pthread_mutex_unlock(&job->lock);
    return done;
}

bool committer_run(Committer *c, Job *job)
{
    if (!queue_put(c->arriving, job, deadline_in(PUT_WAIT_MS))) {
        job->ok = err_set(&job->err, ERR_LIMIT, "too many objects wait to be stored; try again later");
        return true;
    }
    return wait_done(job);
}

void committer_submit(Committer *c, Job *job)
{
    job->forsaken = true;
    if (queue_put(c->arriving, job, deadline_in(PUT_WAIT_MS)))
        return;
    job->ok = err_set(&job->err, ERR_TIMEOUT, "the disk or the index does not answer");
    job->release(job);
}
