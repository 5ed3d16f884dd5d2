// SPDX-License-Identifier: MIT
/*
 * While the database is away. Objects go on being published; the committer notes their names in a journal (journal.h) before they are acknowledged, and
 * a thread of the spool brings the index up to date when the database is back. What one process leaves, by a stop in time or by dying, the next one takes over.
 *
 * Whether the database is there is known in one place: the first call of the archive that fails because it cannot be reached (idx_is_away) says so,
 * and from then on nobody waits for it but the spool's thread, which knocks with growing pauses, on connections of its own and with little
 * patience. It counts as there when a transaction can be begun.
 *
 * The journal has no limit but the disk: a line for each object, about 200 bytes. Objects are handed to the committer a few at a time, so that those
 * that come in meanwhile are not kept waiting.
 */
#include "archive/archive_internal.h"
#include "archive/journal.h"

#include "base/cond.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 32,
    PAUSE_FIRST_MS = 250,
    PAUSE_MAX_MS = 15000,
    SETTLE_WAIT_MS = 600000,
    LOOK_MS = 200,
};

struct Spool {
    Archive *archive;
    pthread_t thread;
    atomic_bool stop, away;
    atomic_size_t waiting;

    pthread_mutex_t lock; /* guards `why` and `told`, and the changes of `away` */
    pthread_cond_t changed;
    Err why, told; /* what the log had of it last */

    pthread_mutex_t writing; /* guards the journals; held while one is written and synced */
    Journal **journals;      /* oldest first */
    size_t count;

    size_t indexed, failed; /* the thread's: since nothing waited */
};

/* -- there or not -- */

bool spool_is_away(Spool *spool, Err *why)
{
    if (!spool || !atomic_load(&spool->away))
        return false;
    if (why) {
        pthread_mutex_lock(&spool->lock);
        *why = spool->why;
        pthread_mutex_unlock(&spool->lock);
    }
    return true;
}

bool spool_takes(Spool *spool, const Err *err)
{
    if (!spool || !idx_is_away(err))
        return false;
    pthread_mutex_lock(&spool->lock);
    bool news = !atomic_load(&spool->away);
    spool->why = *err;
    if (news)
        spool->told = *err;
    atomic_store(&spool->away, true);
    pthread_cond_broadcast(&spool->changed);
    pthread_mutex_unlock(&spool->lock);
    if (news)
        archive_database_notice(
            spool->archive, LOG_ERROR,
            "the database is away; objects are kept and will be indexed when it is back. %s", err->text);
    return true;
}

bool spool_may_pass(const Err *why)
{
    return idx_is_away(why) || why->code == ERR_NO_SPACE || why->code == ERR_IO || why->code == ERR_LIMIT ||
           why->code == ERR_UNAVAILABLE;
}

static void is_back(Spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    atomic_store(&spool->away, false);
    pthread_cond_broadcast(&spool->changed);
    pthread_mutex_unlock(&spool->lock);
    archive_database_notice(spool->archive, LOG_WARNING,
                            "the database is back; %zu objects wait to be indexed", spool_waiting(spool));
}

bool spool_await_index(Spool *spool, const atomic_bool *stop)
{
    if (!spool)
        return !atomic_load(stop);
    pthread_mutex_lock(&spool->lock);
    while (atomic_load(&spool->away) && !atomic_load(stop) && !atomic_load(&spool->stop))
        cond_wait(&spool->changed, &spool->lock, deadline_in(LOOK_MS));
    pthread_mutex_unlock(&spool->lock);
    return !atomic_load(stop) && !atomic_load(&spool->stop);
}

/* Nothing to do: waits for news. */
static void idle(Spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    if (!atomic_load(&spool->stop) && !atomic_load(&spool->away) && !spool_waiting(spool))
        cond_wait(&spool->changed, &spool->lock, deadline_in(PAUSE_MAX_MS));
    pthread_mutex_unlock(&spool->lock);
}

static void pause_for(Spool *spool, int64_t ms)
{
    Deadline deadline = deadline_in(ms);
    pthread_mutex_lock(&spool->lock);
    while (!atomic_load(&spool->stop) && !deadline_passed(deadline))
        cond_wait(&spool->changed, &spool->lock, deadline);
    pthread_mutex_unlock(&spool->lock);
}

/* Can a transaction be begun? */
static bool knock(Spool *spool, Err *err)
{
    Archive *archive = spool->archive;
    Index *index = archive_open_index_briefly(archive, err);
    bool ok = index && idx_begin(index, err);
    idx_close(index);
    const char *ignored;
    Arena *arena = arena_new(0);
    ok = ok && idx_note_get(archive->index, arena, "", &ignored, err);
    arena_free(arena);
    return ok;
}

/* It answers, but what it says does not pass by itself (a login that it refuses): somebody has to hear of that, once. */
static void tell_refusal(Spool *spool, const Err *said)
{
    if (idx_is_away(said) || said->code == ERR_LIMIT)
        return;
    pthread_mutex_lock(&spool->lock);
    bool news = strcmp(spool->told.text, said->text) != 0;
    spool->told = *said;
    err_set(&spool->why, ERR_CLOSED, "%s", said->text);
    pthread_mutex_unlock(&spool->lock);
    if (news)
        archive_database_notice(spool->archive, LOG_ERROR,
                                "the database stays away until somebody sees to it; objects are kept. %s",
                                said->text);
}

/* -- the journals -- */

static void count_waiting(Spool *spool)
{
    size_t n = 0;
    for (size_t i = 0; i < spool->count; i++)
        n += journal_left(spool->journals[i]);
    atomic_store(&spool->waiting, n);
}

static void keep_journal(Spool *spool, Journal *journal)
{
    spool->journals = realloc(spool->journals, (spool->count + 1) * sizeof(Journal *));
    if (!spool->journals)
        abort();
    spool->journals[spool->count++] = journal;
}

bool spool_add(Spool *spool, const char *const *names, size_t n, Err *err)
{
    pthread_mutex_lock(&spool->writing);
    if (!spool->count || !journal_takes(spool->journals[spool->count - 1])) {
        Journal *fresh = journal_new(spool->archive->settings.temp_path, err);
        if (!fresh) {
            pthread_mutex_unlock(&spool->writing);
            return false;
        }
        keep_journal(spool, fresh);
    }
    bool ok = journal_append(spool->journals[spool->count - 1], names, n, err);
    count_waiting(spool);
    pthread_mutex_unlock(&spool->writing);
    pthread_mutex_lock(&spool->lock);
    pthread_cond_broadcast(&spool->changed);
    pthread_mutex_unlock(&spool->lock);
    return ok;
}

static bool next_name(Spool *spool, char name[PATH_MAX])
{
    pthread_mutex_lock(&spool->writing);
    bool found = spool->count && journal_next(spool->journals[0], name, PATH_MAX);
    pthread_mutex_unlock(&spool->writing);
    return found;
}

/* What was read since the last call is indexed, or has to come again. A journal at its end goes. */
static void batch_ended(Spool *spool, bool done)
{
    pthread_mutex_lock(&spool->writing);
    if (spool->count && !done)
        journal_rewind(spool->journals[0]);
    else if (spool->count)
        journal_done(spool->journals[0]);
    if (spool->count && !journal_left(spool->journals[0])) {
        journal_close(spool->journals[0]);
        memmove(spool->journals, spool->journals + 1, --spool->count * sizeof(Journal *));
    }
    count_waiting(spool);
    pthread_mutex_unlock(&spool->writing);
}

static void take_over(Spool *spool)
{
    Journal *journal;
    while ((journal = journal_take_over(spool->archive->settings.temp_path))) {
        if (journal_left(journal))
            keep_journal(spool, journal);
        else
            journal_close(journal);
    }
    count_waiting(spool);
}

size_t spool_waiting(const Spool *spool)
{
    return spool ? atomic_load(&spool->waiting) : 0;
}

size_t arc_waiting_in(const char *temp_path)
{
    return journal_left_in(temp_path);
}

/* -- catching up -- */

typedef struct Batch {
    Spool *spool;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t settled;
    size_t under_way, indexed, failed;
    bool again; /* the database went away or has no room: all of them come again */
    Err why;    /* then */
} Batch;

typedef struct Item {
    Job job; /* first: release finds the item by it */
    Batch *batch;
    Inspector inspector;
    char name[];
} Item;

static void item_free(Item *item)
{
    inspector_end(&item->inspector);
    job_destroy(&item->job);
    free(item);
}

static void report_failed(Spool *spool, const char *name, const Err *why)
{
    if (why->code == ERR_NOT_FOUND)
        archive_database_notice(spool->archive, LOG_WARNING,
                                "an object that waited to be indexed is gone: %s", why->text);
    else
        archive_database_notice(
            spool->archive, LOG_ERROR,
            "an object that waited cannot be indexed (%s); it stays under %s, 'manage data index' tries "
            "again",
            why->text, strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
}

/* Called by the committer. */
static void item_settled(Job *job)
{
    Item *item = (Item *)job;
    Batch *batch = item->batch;
    bool again = !job->ok && spool_may_pass(&job->err);
    if (!job->ok && !again)
        report_failed(batch->spool, item->name, &job->err);
    pthread_mutex_lock(&batch->lock);
    if (again && !batch->again)
        batch->why = job->err;
    batch->again = batch->again || again;
    batch->indexed += job->ok;
    batch->failed += !job->ok && !again;
    if (--batch->under_way == 0)
        pthread_cond_broadcast(&batch->settled);
    pthread_mutex_unlock(&batch->lock);
    item_free(item);
}

/* NULL when it cannot be read: that is settled then. */
static Item *read_item(Batch *batch, const char *name)
{
    Spool *spool = batch->spool;
    size_t n = strlen(name) + 1;
    Item *item = calloc(1, sizeof *item + n);
    Err err = {0};
    if (!item)
        abort();
    memcpy(item->name, name, n);
    item->batch = batch;
    job_init(&item->job, JOB_WAITED);
    item->job.release = item_settled;
    if (adoption_read(spool->archive, item->name, &item->job, &item->inspector, &spool->stop, &err))
        return item;
    if (err.code == ERR_CANCELLED)
        batch->again = true;
    else
        batch->failed++;
    if (err.code != ERR_CANCELLED)
        report_failed(spool, name, &err);
    item_free(item);
    return NULL;
}

/* All of them are read before the first is handed over, so that they share transactions. */
static void hand_over(Batch *batch)
{
    Spool *spool = batch->spool;
    Item *items[BATCH];
    char name[PATH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < BATCH && !atomic_load(&spool->stop) && next_name(spool, name); i++)
        if ((items[n] = read_item(batch, name)))
            n++;
    batch->under_way = n;
    for (size_t i = 0; i < n; i++)
        committer_submit(spool->archive->committer, &items[i]->job);
}

static bool wait_settled(Batch *batch)
{
    Deadline deadline = deadline_in(SETTLE_WAIT_MS);
    bool in_time = true;
    pthread_mutex_lock(&batch->lock);
    while (batch->under_way && in_time)
        in_time = cond_wait(&batch->settled, &batch->lock, deadline);
    bool settled = batch->under_way == 0;
    pthread_mutex_unlock(&batch->lock);
    return settled;
}

/* Indexes the next few. False when the committer hangs: then what it still has is leaked. */
static bool run_batch(Spool *spool, bool *again)
{
    Batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        abort();
    batch->spool = spool;
    pthread_mutex_init(&batch->lock, NULL);
    cond_init(&batch->settled);
    hand_over(batch);
    if (!wait_settled(batch))
        return false;
    *again = batch->again;
    if (batch->again && batch->why.code && !idx_is_away(&batch->why))
        archive_database_notice(spool->archive, LOG_ERROR, "what waits cannot be indexed now: %s",
                                batch->why.text);
    spool->indexed += *again ? 0 : batch->indexed;
    spool->failed += *again ? 0 : batch->failed;
    pthread_cond_destroy(&batch->settled);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
    return true;
}

/* False when something has to come again later. */
static bool catch_up(Spool *spool)
{
    bool again = false;
    while (!again && spool_waiting(spool) && !atomic_load(&spool->stop)) {
        if (!run_batch(spool, &again)) {
            archive_database_notice(spool->archive, LOG_ERROR,
                                    "the index does not answer; what waits is indexed at the next start");
            atomic_store(&spool->stop, true);
            return false;
        }
        batch_ended(spool, !again);
    }
    if (again || spool_waiting(spool) || !(spool->indexed + spool->failed))
        return !again;
    archive_database_notice(spool->archive, LOG_INFO, "%zu objects that waited are indexed, %zu could not be",
                            spool->indexed, spool->failed);
    spool->indexed = spool->failed = 0;
    return true;
}

/* What an outage kept from being removed, or a process that died; once all that waits has its row. */
static bool look_for_leftovers(Spool *spool)
{
    Err err;
    if (leftovers_look(spool->archive, &spool->stop, &err) || spool_takes(spool, &err) ||
        err.code == ERR_CANCELLED)
        return true;
    archive_notice(spool->archive, LOG_WARNING, "files that were replaced cannot be removed now: %s",
                   err.text);
    return false;
}

static void *spool_main(void *ctx)
{
    Spool *spool = ctx;
    int64_t pause = PAUSE_FIRST_MS;
    while (!atomic_load(&spool->stop)) {
        Err err;
        bool well;
        if (!atomic_load(&spool->away)) {
            well = catch_up(spool) && look_for_leftovers(spool);
            if (well)
                idle(spool);
        } else if ((well = knock(spool, &err))) {
            is_back(spool);
        } else {
            tell_refusal(spool, &err);
        }
        if (!well)
            pause_for(spool, pause);
        pause = well ? PAUSE_FIRST_MS : 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
    }
    return NULL;
}

/* -- the calls -- */

void spool_start(Archive *archive)
{
    Spool *spool = calloc(1, sizeof *spool);
    const char *ignored;
    Err err;
    if (!spool)
        abort();
    spool->archive = archive;
    archive->spool = spool; /* before the thread that gives jobs to the committer */
    pthread_mutex_init(&spool->lock, NULL);
    pthread_mutex_init(&spool->writing, NULL);
    cond_init(&spool->changed);
    take_over(spool);
    if (!idx_note_get(archive->index, archive->strings, "", &ignored, &err))
        spool_takes(spool, &err);
    if (pthread_create(&spool->thread, NULL, spool_main, spool) != 0)
        abort();
}

void spool_stop(Spool *spool)
{
    if (!spool)
        return;
    pthread_mutex_lock(&spool->lock);
    atomic_store(&spool->stop, true);
    pthread_cond_broadcast(&spool->changed);
    pthread_mutex_unlock(&spool->lock);
    pthread_join(spool->thread, NULL);
}

void spool_free(Spool *spool)
{
    if (!spool)
        return;
    for (size_t i = 0; i < spool->count; i++)
        journal_close(spool->journals[i]);
    free(spool->journals);
    pthread_cond_destroy(&spool->changed);
    pthread_mutex_destroy(&spool->writing);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}
