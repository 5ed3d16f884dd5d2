// SPDX-License-Identifier: MIT
/*
 * One thread. It goes over the rows without SHA-256 in the order of their ids, some at a time: reads their files, then writes what was read in one transaction, on a connection of its own.
 * What looks wrong becomes a suspect, which holds up nobody; it is looked at again VERIFY_SETTLE_MS later, as `data verify` does, with the row that the index has then. Rows that were
 * replaced behind the cursor have their turn when it begins anew.
 */
#include "archive/seal.h"

#include "archive/archive_internal.h"
#include "archive/sums.h"
#include "archive/verify_internal.h"
#include "base/cond.h"
#include "base/metrics.h"
#include "index/unsealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, SUSPECTS_MAX = 64, TOLD_MAX = 1024 };
enum { AGAIN_MS = 3600000, LOOK_MS = 60000, PAUSE_MS = 10000, NAP_MS = 20 };

typedef struct Suspect {
    struct Suspect *next;
    Arena *arena;
    IdxUnsealed row;
    Deadline settled;
} Suspect;

/* A finding that the log has. */
typedef struct Told {
    int64_t id, end_us;
    ArcFinding what;
} Told;

/* What was read and is sound. */
typedef struct Sealed {
    const IdxUnsealed *row;
    uint8_t sha256[32];
} Sealed;

struct ArcSeal {
    Archive *archive;
    ArcSealing wish;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* of the naps */
    pthread_cond_t changed;

    /* -- the thread's -- */
    Index *index;    /* a writer of our own, while it works */
    int64_t after;   /* the id of the row that was looked at last */
    Deadline again;  /* then it begins with the first one */
    Deadline look;   /* then it looks for rows, although nobody was there */
    int64_t used_ms; /* archive->used_ms when it last had come to the end */
    bool at_end;     /* no rows behind the cursor */
    Suspect *first, **last;
    size_t suspects;
    Told told[TOLD_MAX];
    size_t told_count;                         /* ever */
    char complaint[sizeof((Err *)NULL)->text]; /* of the database, as the log has it */
};

static bool wait_ms(ArcSeal *seal, int64_t ms)
{
    Deadline deadline = deadline_in(ms > 0 ? ms : 0);
    pthread_mutex_lock(&seal->lock);
    while (!atomic_load(&seal->stop) && !deadline_passed(deadline))
        cond_wait(&seal->changed, &seal->lock, deadline);
    pthread_mutex_unlock(&seal->lock);
    return !atomic_load(&seal->stop);
}

static bool is_quiet(ArcSeal *seal)
{
    return !atomic_load(&seal->stop) && archive_quiet_ms(seal->archive) >= seal->wish.quiet_ms;
}

static bool go_on(void *ctx, uint64_t bytes)
{
    (void)bytes;
    return is_quiet(ctx);
}

/* -- what goes wrong -- */

static bool complain(ArcSeal *seal, const Err *err)
{
    if (strcmp(seal->complaint, err->text) != 0)
        archive_notice(seal->archive, LOG_WARNING, "seal: %s; it is tried again", err->text);
    snprintf(seal->complaint, sizeof seal->complaint, "%s", err->text);
    return false;
}

static bool is_told(const ArcSeal *seal, const Told *one)
{
    for (size_t i = 0; i < seal->told_count && i < TOLD_MAX; i++)
        if (seal->told[i].id == one->id && seal->told[i].end_us == one->end_us &&
            seal->told[i].what == one->what)
            return true;
    return false;
}

static void report(ArcSeal *seal, const IdxUnsealed *row, const Checked *checked)
{
    Told one = {.id = row->id, .end_us = row->file.end_us, .what = checked->what};
    if (is_told(seal, &one) || seal->told_count > TOLD_MAX)
        return;
    if (seal->told_count++ == TOLD_MAX) {
        archive_notice(seal->archive, LOG_ERROR, "seal: more than %d findings; see 'data verify' for all",
                       TOLD_MAX);
        return;
    }
    seal->told[seal->told_count - 1] = one;
    char label[48];
    snprintf(label, sizeof label, "finding=\"%s\"", arc_finding_name(checked->what));
    metric_add(metric_counter("gantry_seal_findings_total", "What sealing found, by kind.", label), 1);
    archive_notice(seal->archive, LOG_ERROR, "seal: %s: object %s: %s; see 'data verify'",
                   arc_finding_name(checked->what), row->file.sop_instance, checked->why.text);
}

/* -- suspects -- */

static void suspect(ArcSeal *seal, const IdxUnsealed *row)
{
    Suspect *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->arena = arena_new(0);
    s->settled = deadline_in(VERIFY_SETTLE_MS);
    s->row.id = row->id;
    idx_file_copy(s->arena, &row->file, &s->row.file);
    *seal->last = s;
    seal->last = &s->next;
    seal->suspects++;
}

static void drop_first(ArcSeal *seal)
{
    Suspect *s = seal->first;
    seal->first = s->next;
    if (!seal->first)
        seal->last = &seal->first;
    seal->suspects--;
    arena_free(s->arena);
    free(s);
}

/* -- writing -- */

static bool write_sealed(ArcSeal *seal, const Sealed *sealed, size_t count, Err *err)
{
    if (!seal->index && !(seal->index = archive_open_index_briefly(seal->archive, err)))
        return false;
    bool ok = idx_begin(seal->index, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = idx_seal(seal->index, sealed[i].row, sealed[i].sha256, err);
    ok = ok && idx_commit(seal->index, err);
    if (!ok)
        idx_rollback(seal->index);
    return ok;
}

static bool commit(ArcSeal *seal, const Sealed *sealed, size_t count)
{
    Err err = {0};
    if (!count)
        return true;
    if (!write_sealed(seal, sealed, count, &err))
        return complain(seal, &err);
    seal->complaint[0] = 0;
    metric_add(
        metric_counter("gantry_seal_objects_total", "Objects that were read back and have a SHA-256.", ""),
        count);
    return true;
}

/* -- suspects, again -- */

/* Servers that share an index on PostgreSQL have folders of their own: what is not here may be on another's machine. And where a whole disk is not mounted, each of its
   objects would be a finding. */
static bool is_missed(ArcSeal *seal)
{
    Err why;
    return seal->archive->index_settings.engine == IDX_SQLITE &&
           (archive_has_files(seal->archive, &why) || complain(seal, &why));
}

/* False when it has to be looked at later. */
static bool settle_checked(ArcSeal *seal, const Suspect *s, const Checked *checked)
{
    Sealed sealed = {.row = &s->row};
    memcpy(sealed.sha256, checked->sha256, sizeof sealed.sha256);
    if (checked->what == ARC_SOUND)
        return commit(seal, &sealed, 1);
    bool at_work = checked_is_fresh(checked) || arc_waiting_in(seal->archive->settings.temp_path);
    if (!at_work && (checked->what != ARC_MISSING || is_missed(seal)))
        report(seal, &s->row, checked);
    return true;
}

/* The same. A row that is another one by now has its own turn. */
static bool settle_one(ArcSeal *seal, const Suspect *s)
{
    IdxFile row;
    Checked checked;
    Err err = {0};
    if (!verify_look_up(seal->archive, s->arena, s->row.file.sop_instance, &row, &err))
        return complain(seal, &err);
    if (!row.sop_instance || !verify_same_row(&row, &s->row.file))
        return true;
    return check_file_to_seal(&row, go_on, seal, &checked) && settle_checked(seal, s, &checked);
}

static bool settle(ArcSeal *seal)
{
    while (seal->first) {
        while (is_quiet(seal) && !deadline_passed(seal->first->settled))
            wait_ms(seal, NAP_MS);
        if (!is_quiet(seal) || !settle_one(seal, seal->first))
            return false;
        drop_first(seal);
    }
    return true;
}

/* -- some rows -- */

typedef struct Batch {
    Arena *arena;
    IdxUnsealed *rows;
    size_t count, seen;
    Sealed sealed[BATCH];
    size_t sealed_count;
} Batch;

/* False when somebody came; what was begun then has its turn again when the cursor begins anew, so that a large object holds up nobody. */
static bool read_back(ArcSeal *seal, Batch *batch, const IdxUnsealed *row, bool *begun)
{
    Checked checked;
    *begun = false;
    if (!sum_is_set(row->file.content, sizeof row->file.content))
        return true; /* nobody knows what it was */
    if (!store_name(seal->archive->store, row->file.path))
        return true; /* another server's */
    if (!is_quiet(seal))
        return false;
    *begun = true;
    if (!check_file_to_seal(&row->file, go_on, seal, &checked))
        return false;
    if (checked.what != ARC_SOUND) {
        suspect(seal, row);
        return true;
    }
    Sealed *sealed = &batch->sealed[batch->sealed_count++];
    sealed->row = row;
    memcpy(sealed->sha256, checked.sha256, sizeof sealed->sha256);
    return true;
}

static bool work_off(ArcSeal *seal, Batch *batch)
{
    Err err = {0};
    if (!idx_unsealed(seal->archive->index, batch->arena, seal->after, BATCH, &batch->rows, &batch->count,
                      &err))
        return complain(seal, &err);
    bool ok = true;
    while (ok && batch->seen < batch->count && seal->suspects < SUSPECTS_MAX) {
        bool begun;
        ok = read_back(seal, batch, &batch->rows[batch->seen], &begun);
        batch->seen += ok || begun;
    }
    if (!commit(seal, batch->sealed, batch->sealed_count))
        return false;
    if (batch->seen)
        seal->after = batch->rows[batch->seen - 1].id;
    seal->at_end = ok && batch->count < BATCH && batch->seen == batch->count;
    return ok;
}

static bool some(ArcSeal *seal)
{
    Batch batch = {.arena = arena_new(0)};
    bool ok = work_off(seal, &batch);
    arena_free(batch.arena);
    return ok && (seal->suspects < SUSPECTS_MAX || settle(seal));
}

/* -- all of them -- */

/* False when somebody came, or the database does not answer. */
static bool run(ArcSeal *seal)
{
    bool ok = true;
    int64_t used_ms = atomic_load_explicit(&seal->archive->used_ms, memory_order_relaxed);
    if (deadline_passed(seal->again)) {
        seal->after = 0;
        seal->again = deadline_in(seal->wish.again_ms);
    }
    for (seal->at_end = false; ok && !seal->at_end;)
        ok = some(seal);
    ok = ok && settle(seal);
    idx_close(seal->index);
    seal->index = NULL;
    if (!ok)
        return false;
    seal->used_ms = used_ms;
    seal->look = deadline_in(seal->wish.again_ms < LOOK_MS ? seal->wish.again_ms : LOOK_MS);
    return true;
}

/* Is there anything new to look for? */
static bool is_due(const ArcSeal *seal)
{
    return deadline_passed(seal->look) ||
           atomic_load_explicit(&seal->archive->used_ms, memory_order_relaxed) != seal->used_ms;
}

static void *seal_main(void *ctx)
{
    ArcSeal *seal = ctx;
    while (spool_await_index(seal->archive->spool, &seal->stop)) {
        int64_t left = seal->wish.quiet_ms - archive_quiet_ms(seal->archive);
        bool on;
        if (left > 0)
            on = wait_ms(seal, left);
        else if (is_due(seal) && !run(seal) && is_quiet(seal))
            on = wait_ms(seal, PAUSE_MS);
        else
            on = wait_ms(seal, seal->wish.quiet_ms < NAP_MS ? NAP_MS : seal->wish.quiet_ms);
        if (!on)
            break;
    }
    return NULL;
}

ArcSeal *arc_seal_start(Archive *archive, const ArcSealing *sealing)
{
    if (sealing->quiet_ms <= 0)
        return NULL;
    ArcSeal *seal = calloc(1, sizeof *seal);
    if (!seal)
        abort();
    seal->archive = archive;
    seal->wish = *sealing;
    if (seal->wish.again_ms <= 0)
        seal->wish.again_ms = AGAIN_MS;
    seal->last = &seal->first;
    seal->look = deadline_in(0);
    seal->again = deadline_in(0);
    pthread_mutex_init(&seal->lock, NULL);
    cond_init(&seal->changed);
    if (pthread_create(&seal->thread, NULL, seal_main, seal) != 0)
        abort();
    return seal;
}

void arc_seal_stop(ArcSeal *seal)
{
    if (!seal)
        return;
    pthread_mutex_lock(&seal->lock);
    atomic_store(&seal->stop, true);
    pthread_cond_broadcast(&seal->changed);
    pthread_mutex_unlock(&seal->lock);
    pthread_join(seal->thread, NULL);
    while (seal->first)
        drop_first(seal);
    pthread_cond_destroy(&seal->changed);
    pthread_mutex_destroy(&seal->lock);
    free(seal);
}
