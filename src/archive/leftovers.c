// SPDX-License-Identifier: MIT
/*
 * Files that were replaced by ones elsewhere (another patient, another study). The transaction that writes the new row notes the old file; the committer removes it then and forgets the
 * note with its next rows. What it did not come to, because its process died or the disk refused, is removed here: by servers at every start and after an outage, by others after an unclean stop.
 *
 * A file is removed when it is still the one that was noted, no row shows it, nothing waits for the database, and what replaced it is there, or was deleted since. All that is looked at
 * under a claim on the object and inside a transaction, so that nobody brings it back meanwhile.
 */
#include "archive/archive_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { PART = 16, BY_NAME = 1 };

uint64_t claim_of_object(const char *sop_instance)
{
    return XXH3_64bits(sop_instance, strlen(sop_instance));
}

uint64_t claim_of_name(const char *name)
{
    return XXH3_64bits_withSeed(name, strlen(name), BY_NAME);
}

bool leftover_note(Archive *archive, Job *job, Err *err)
{
    int64_t number = 0;
    if (!store_name(archive->store, job->obsolete))
        return true; /* not ours to remove */
    while (number <= 0)
        if (getrandom(&number, sizeof number, 0) == sizeof number)
            number &= INT64_MAX;
    job->note.number = number;
    return idx_replaced_note(archive->index, &job->note, err);
}

/* -- what is left -- */

typedef enum Fate {
    FATE_STAYS,  /* and its note */
    FATE_FORGET, /* there is no such file, or it is wanted */
    FATE_REMOVE,
} Fate;

typedef struct Sweep {
    Archive *archive;
    Index *index;        /* a writer of our own */
    StoreClaims *claims; /* the same */
    Arena *arena;
    size_t removed;
    bool again; /* something waits: look again later */
} Sweep;

/* Another object, or other content, may have its name. */
static bool is_as_noted(const IdxReplaced *note, const struct stat *st)
{
    IdxFile then = {.path = note->path, .size = note->size, .end_us = note->end_us};
    DcmFileMeta meta = {0};
    return S_ISREG(st->st_mode) && adoption_fits(&then, note->path, st) &&
           adoption_read_meta(note->path, &meta) && strcmp(meta.sop_instance, note->sop_instance) == 0;
}

static bool decide(Sweep *sweep, const IdxReplaced *note, Fate *fate, Err *err)
{
    struct stat st;
    IdxFile row;
    Err why;
    *fate = FATE_FORGET;
    if (!store_name(sweep->archive->store, note->path))
        return true;
    if (stat(note->path, &st) != 0) {
        *fate = errno == ENOENT || errno == ENOTDIR ? FATE_FORGET : FATE_STAYS;
        return true;
    }
    bool known = idx_instance_written(sweep->index, sweep->arena, note->sop_instance, &row, &why);
    if (!known && why.code != ERR_NOT_FOUND) {
        *err = why;
        return false;
    }
    if ((!known || strcmp(row.path, note->path) != 0) && is_as_noted(note, &st))
        *fate = known && !job_file_is_there(&row) ? FATE_STAYS : FATE_REMOVE;
    return true;
}

/* Is it done with? */
static bool carry_out(Sweep *sweep, const IdxReplaced *note, Fate fate)
{
    Archive *archive = sweep->archive;
    Err err;
    if (fate != FATE_REMOVE)
        return fate == FATE_FORGET;
    bool ok = store_delete(archive->store, store_name(archive->store, note->path), &err);
    if (!ok && err.code != ERR_NOT_FOUND) {
        store_leave_unclean(archive->store);
        archive_notice(archive, LOG_WARNING,
                       "object %s was replaced; the old file stays until the next start: %s",
                       note->sop_instance, err.text);
        return false;
    }
    sweep->removed += ok;
    return true;
}

static bool sweep_claimed(Sweep *sweep, IdxReplaced *const *notes, size_t n, Err *err)
{
    int64_t done[PART];
    size_t count = 0;
    if (arc_waiting_in(sweep->archive->settings.temp_path)) {
        sweep->again = true;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        Fate fate;
        if (!decide(sweep, notes[i], &fate, err))
            return false;
        if (carry_out(sweep, notes[i], fate))
            done[count++] = notes[i]->number;
    }
    return idx_replaced_forget(sweep->index, done, count, err) && idx_commit(sweep->index, err);
}

/* The transaction comes first, the claims are only tried: who has one may wait for the other. */
static bool sweep_part(Sweep *sweep, IdxReplaced *notes, size_t n, Err *err)
{
    IdxReplaced *claimed[PART];
    size_t count = 0;
    if (!idx_begin(sweep->index, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (store_claim(sweep->claims, claim_of_object(notes[i].sop_instance), deadline_in(0), NULL))
            claimed[count++] = &notes[i]; /* of the others somebody takes care at this moment */
    bool ok = sweep_claimed(sweep, claimed, count, err);
    idx_rollback(sweep->index); /* when that did not get to the end */
    for (size_t i = 0; i < count; i++)
        store_unclaim(sweep->claims, claim_of_object(claimed[i]->sop_instance));
    return ok;
}

static bool sweep_all(Sweep *sweep, const atomic_bool *stop, Err *err)
{
    Archive *archive = sweep->archive;
    IdxReplaced *notes;
    int64_t after = 0;
    size_t n;
    for (;;) {
        arena_reset(sweep->arena);
        if (!idx_replaced_list(archive->index, sweep->arena, after, PART, &notes, &n, err))
            return false;
        if (n == 0 || sweep->again)
            return true;
        if (stop && atomic_load(stop))
            return err_set(err, ERR_CANCELLED, "the archive is being closed");
        if (!sweep->claims && !(sweep->claims = store_claims_open(archive->store, err)))
            return false;
        if (!sweep->index && !(sweep->index = archive_open_index_apart(archive, err)))
            return false;
        after = notes[n - 1].number;
        if (!sweep_part(sweep, notes, n, err))
            return false;
    }
}

bool leftovers_remove(Archive *archive, const atomic_bool *stop, Err *err)
{
    Sweep sweep = {.archive = archive, .arena = arena_new(0)};
    bool ok = sweep_all(&sweep, stop, err);
    if (sweep.again)
        atomic_store(&archive->leftovers, true);
    if (sweep.removed)
        archive_notice(archive, LOG_INFO, "%zu files that had been replaced were still there and are removed",
                       sweep.removed);
    idx_close(sweep.index);
    store_claims_close(sweep.claims);
    arena_free(sweep.arena);
    return ok;
}

bool leftovers_look(Archive *archive, const atomic_bool *stop, Err *err)
{
    if (!atomic_exchange(&archive->leftovers, false))
        return true;
    if (leftovers_remove(archive, stop, err))
        return true;
    atomic_store(&archive->leftovers, true);
    return false;
}
