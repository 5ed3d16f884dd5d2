// SPDX-License-Identifier: MIT
/*
 * Group commit. One thread takes whatever waits and makes it permanent in one pass: names (store_publish syncs each folder once),
 * then one index transaction. While it does so the next group gathers, so that the cost of a commit is shared by as many as
 * there are senders; a lone sender waits for nobody.
 *
 * plan.c says what is to be done with each object. Of two objects with one UID in one group the second waits for the next group, and so sees the first.
 *
 * When the index refuses a group, its objects are put again one by one. When it refuses an object, what was published is taken back: the object
 * is absent, as its sender is told. If even that fails it stays for adoption at the next start. When the database is away, or went away so that nobody
 * knows whether the group is in it, the objects are published and noted in the spool.
 */
#include "archive/archive_internal.h"
#include "archive/figures.h"

#include "base/cond.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PUT_WAIT_MS = 60000, COMMIT_WAIT_MS = 600000, CHECKPOINT_MS = 60000, MAX_ROUNDS = 4 };

struct Committer {
    Archive *archive;
    Queue *queue;
    pthread_t thread;
    size_t group_max;
    Job **group;           /* [group_max] */
    StorePublish *publish; /* [group_max] */
    Job **published;       /* [group_max], whose `publish` it is */
    const char **expected; /* [group_max], for lists of UIDs or names */
    Deadline checkpoint;
};

/* -- names -- */

static bool set_path(Archive *archive, Job *job)
{
    char *path = store_path(archive->store, job->name);
    if (!path)
        return err_set(&job->err, ERR_INTERNAL, "the layout made a name the store refuses");
    job->file.path = arena_strdup(job->arena, path);
    free(path);
    return true;
}

/* Indexes an object that was found in place, in a transaction of its own. */
static bool index_found(Archive *archive, const Job *found, Err *err)
{
    if (!idx_begin(archive->index, err))
        return false;
    if (idx_put(archive->index, &found->file, found->head, err) && idx_commit(archive->index, err))
        return true;
    idx_rollback(archive->index);
    return false;
}

/* Did a layout give another object the same name? */
static bool is_taken(Archive *archive, const Job *job)
{
    if (!archive_names_are_foreign(archive))
        return false;
    Arena *arena = arena_new(0);
    Inspector inspector;
    IdxFile there = {0};
    Err ignored;
    bool taken = inspect_head(&inspector, arena, job->file.path, 0, &there, &ignored) &&
                 strcmp(there.sop_instance, job->file.sop_instance) != 0;
    inspector_end(&inspector);
    arena_free(arena);
    return taken;
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
static void meet_orphan(Committer *c, Job *job)
{
    Archive *archive = c->archive;
    if (is_taken(archive, job)) {
        go_beside(job);
        return;
    }
    Job orphan;
    Inspector inspector;
    Err err;
    job_init(&orphan, JOB_ADOPT);
    bool good = adoption_read(archive, job->name, &orphan, &inspector, NULL, &err) &&
                strcmp(orphan.file.sop_instance, job->file.sop_instance) == 0;
    job->over = !good ? OVER_JUNK : job_same_content(&orphan.file, &job->file) ? OVER_SAME : OVER_OTHER;
    if (job->over == OVER_OTHER && !job->waits && !index_found(archive, &orphan, &err) &&
        !spool_takes(archive->spool, &err))
        job_fail(job, &err);
    else
        err_set(&job->err, ERR_EXISTS, "again in the next round");
    inspector_end(&inspector);
    job_destroy(&orphan);
}

static void take_publish_result(Committer *c, Job *job, StorePublish *member)
{
    job->put = member->put;
    if (member->ok) {
        job->previous = member->previous;
        return;
    }
    if (member->err.code != ERR_EXISTS) {
        job_fail(job, &member->err);
    } else if (job->plan == PLAN_VARIANT) {
        job_settle(job, ARC_SAME); /* its name says its content */
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
    return job->over != OVER_NOTHING ||
           (job->outcome == ARC_REPLACED && !(job->obsolete && archive_names_are_foreign(archive)));
}

static void publish(Committer *c, Job **group, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        Job *job = group[i];
        if (job->plan != PLAN_PUBLISH && job->plan != PLAN_VARIANT)
            continue;
        if (!set_path(c->archive, job)) {
            job->plan = PLAN_NONE;
            continue;
        }
        c->published[count] = job;
        c->publish[count++] = (StorePublish){
            .put = job->put,
            .name = job->name,
            .replace = replaces(c->archive, job),
        };
    }
    int64_t began = clock_ns();
    if (count) {
        store_publish(c->archive->store, c->publish, count);
        figures_stage("publish", began);
    }
    for (size_t i = 0; i < count; i++)
        take_publish_result(c, c->published[i], &c->publish[i]);
}

/* -- index -- */

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
static bool announce(Committer *c, Job **group, size_t n, Err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (wants_index(group[i]))
            c->expected[count++] = group[i]->file.sop_instance;
    return count < 2 || idx_expect(c->archive->index, c->expected, count, err);
}

/* What is wrong with one object is that object's own affair; `err` is about all of them. */
static bool write_group(Committer *c, Job **group, size_t n, Err *err)
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
    return idx_commit(archive->index, err);
}

static bool index_group(Committer *c, Job **group, size_t n, Err *err)
{
    if (!idx_begin(c->archive->index, err))
        return false;
    if (write_group(c, group, n, err))
        return true;
    idx_rollback(c->archive->index);
    return false;
}

/* The index has not taken this job, or nobody knows. */
static void not_indexed(Archive *archive, Job *job, const Err *why)
{
    bool is_away = spool_takes(archive->spool, why);
    if (is_away && job->kind == JOB_INGEST)
        job_must_wait(job);
    else
        unpublish(archive, job, why);
}

static void index_one_by_one(Committer *c, Job **group, size_t n)
{
    Err err;
    for (size_t i = 0; i < n; i++)
        if (wants_index(group[i]) && !index_group(c, &group[i], 1, &err))
            not_indexed(c->archive, group[i], &err);
}

static void index_all(Committer *c, Job **group, size_t n)
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
static void note_waiting(Committer *c, Job **group, size_t n)
{
    size_t count = 0;
    Err err;
    for (size_t i = 0; i < n; i++)
        if (group[i]->waits && (group[i]->ok || group[i]->plan != PLAN_NONE))
            c->expected[count++] = group[i]->waits;
    if (!count || spool_add(c->archive->spool, c->expected, count, &err))
        return;
    for (size_t i = 0; i < n; i++)
        if (group[i]->waits && (group[i]->ok || group[i]->plan != PLAN_NONE))
            unpublish(c->archive, group[i], &err);
}

static void make_permanent(Committer *c, Job **group, size_t n)
{
    int64_t began = clock_ns();
    index_all(c, group, n);
    figures_stage("index", began);
    note_waiting(c, group, n);
    for (size_t i = 0; i < n; i++)
        if (group[i]->plan != PLAN_NONE)
            job_settle(group[i], group[i]->outcome);
}

/* -- after the fact -- */

static void drop_replaced(Archive *archive, Job *job)
{
    if (job->previous && job->over == OVER_JUNK) {
        Err why, err;
        err_set(&why, ERR_EXISTS, "lay under the name of object %s, was in no index and was no such object",
                job->file.sop_instance);
        QuarantineCase orphan = {.path = store_put_path(job->previous), .why = &why};
        if (!quarantine_take(archive->quarantine, &orphan, &err))
            archive_notice(archive, LOG_WARNING, "%s", err.text);
    }
    store_put_abandon(job->previous);
    job->previous = NULL;
    const char *name = job->obsolete ? store_name(archive->store, job->obsolete) : NULL;
    Err err;
    if (job->ok && name && !store_delete(archive->store, name, &err) && err.code != ERR_NOT_FOUND)
        archive_notice(archive, LOG_WARNING, "object %s was replaced; the old file stays: %s",
                       job->file.sop_instance, err.text);
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

static void finish(Archive *archive, Job *job)
{
    drop_replaced(archive, job);
    report(archive, job);
    pthread_mutex_lock(&job->lock);
    job->done = true;
    bool forsaken = job->forsaken;
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
    if (forsaken)
        job->release(job);
}

/* -- groups -- */

static bool has_earlier(Job **group, size_t n, const Job *job)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(group[i]->file.sop_instance, job->file.sop_instance) == 0)
            return true;
    return false;
}

/* Moves jobs that must see an earlier one of the group behind the others; returns how many take part. */
static size_t part_group(Job **group, size_t n)
{
    size_t part = 0;
    for (size_t i = 0; i < n; i++) {
        Job *job = group[i];
        if (has_earlier(group, part, job))
            continue;
        memmove(&group[part + 1], &group[part], (i - part) * sizeof *group);
        group[part++] = job;
    }
    return part;
}

static bool goes_again(const Job *job)
{
    return !job->ok && job->kind == JOB_INGEST && job->err.code == ERR_EXISTS && job->rounds < MAX_ROUNDS;
}

/* Commits a group; what must go again is left at the front. Returns how many those are. */
static size_t commit_group(Committer *c, Job **group, size_t n)
{
    size_t part = part_group(group, n), again = 0;
    for (size_t i = 0; i < part; i++) {
        group[i]->rounds++;
        err_clear(&group[i]->err);
        plan_job(c->archive, group[i]);
    }
    publish(c, group, part);
    make_permanent(c, group, part);
    for (size_t i = 0; i < part; i++) {
        if (goes_again(group[i]))
            group[again++] = group[i];
        else
            finish(c->archive, group[i]);
    }
    memmove(&group[again], &group[part], (n - part) * sizeof *group);
    return again + n - part;
}

static void *committer_main(void *ctx)
{
    Committer *c = ctx;
    size_t kept = 0;
    for (;;) {
        size_t n = kept;
        if (n < c->group_max)
            n += queue_take_many(c->queue, (void **)(c->group + n), c->group_max - n,
                                 kept ? deadline_in(0) : CLOCK_NEVER);
        if (n == 0)
            return NULL;
        kept = commit_group(c, c->group, n);
        if (deadline_passed(c->checkpoint)) {
            store_checkpoint(c->archive->store);
            c->checkpoint = deadline_in(CHECKPOINT_MS);
        }
    }
}

Committer *committer_start(Archive *archive, size_t group_max)
{
    Committer *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->archive = archive;
    c->group_max = group_max;
    c->queue = queue_new(4 * group_max);
    c->group = calloc(group_max, sizeof *c->group);
    c->publish = calloc(group_max, sizeof *c->publish);
    c->published = calloc(group_max, sizeof *c->published);
    c->expected = calloc(group_max, sizeof *c->expected);
    c->checkpoint = deadline_in(CHECKPOINT_MS);
    if (!c->group || !c->publish || !c->published || !c->expected ||
        pthread_create(&c->thread, NULL, committer_main, c) != 0)
        abort();
    return c;
}

void committer_stop(Committer *c)
{
    queue_close(c->queue);
    pthread_join(c->thread, NULL);
    queue_free(c->queue);
    free(c->group);
    free(c->publish);
    free(c->published);
    free(c->expected);
    free(c);
}

size_t committer_waiting(const Committer *c)
{
    return queue_length(c->queue);
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
    if (!queue_put(c->queue, job, deadline_in(PUT_WAIT_MS))) {
        job->ok = err_set(&job->err, ERR_LIMIT, "too many objects wait to be stored; try again later");
        return true;
    }
    return wait_done(job);
}

void committer_submit(Committer *c, Job *job)
{
    job->forsaken = true;
    if (queue_put(c->queue, job, deadline_in(PUT_WAIT_MS)))
        return;
    job->ok = err_set(&job->err, ERR_TIMEOUT, "the disk or the index does not answer");
    job->release(job);
}
