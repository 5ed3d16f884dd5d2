// SPDX-License-Identifier: MIT
/*
 * First the caller's thread walks over the store and asks the index about each file; then it reads the rows and a pool of threads reads their files. What
 * looks wrong waits as a suspect for VERIFY_SETTLE_MS and is then looked at again: between the name of an object and its row lies a moment.
 */
#include "archive/verify.h"

#include "archive/verify_internal.h"
#include "base/textset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 64, MAX_THREADS = 64, SUSPECTS_MAX = 4096, ROUNDS = 5, NAP_MS = 50 };

typedef struct Suspect {
    struct Suspect *next;
    Arena *arena;
    IdxFile row;      /* of a row; else */
    const char *name; /* of a file of the store */
    Deadline settled;
} Suspect;

typedef struct Run {
    Archive *archive;
    const ArcVerify *wish;
    const atomic_bool *stop;
    atomic_bool never;  /* stands in for a `stop` that was not given */
    atomic_bool broken; /* the caller's thread gave up */
    Pace pace;
    Arena *misplaced_arena;
    TextSet misplaced;    /* UIDs; their rows need not be called missing as well */
    Trashed *trashed;     /* read when it is needed */
    pthread_mutex_t lock; /* guards all below, and the calls of step */
    ArcVerified done;
    Suspect *first, **last;
    size_t suspects;
} Run;

const char *arc_finding_name(ArcFinding finding)
{
    static const char *const names[ARC_FINDINGS] = {
        [ARC_SOUND] = "sound",           [ARC_MISSING] = "missing",       [ARC_WRONG_SIZE] = "wrong_size",
        [ARC_DAMAGED] = "damaged",       [ARC_UNREADABLE] = "unreadable", [ARC_UNINDEXED] = "unindexed",
        [ARC_MISPLACED] = "wrong_place",
    };
    return names[finding];
}

static bool is_over(Run *run)
{
    return atomic_load(run->stop) || atomic_load(&run->broken);
}

static bool cancelled(Err *err)
{
    return err_set(err, ERR_CANCELLED, "stopped before the end");
}

/* -- counting and saying -- */

static void counted(Run *run, const IdxFile *row, const Checked *checked)
{
    pthread_mutex_lock(&run->lock);
    run->done.checked++;
    run->done.bytes += checked->bytes;
    run->done.without += checked->without;
    snprintf(run->done.last, sizeof run->done.last, "%s", row->sop_instance);
    if (run->wish->step)
        run->wish->step(run->wish->ctx, &run->done, NULL);
    pthread_mutex_unlock(&run->lock);
}

static void report(Run *run, const ArcFound *found)
{
    pthread_mutex_lock(&run->lock);
    run->done.found[found->what]++;
    run->done.findings++;
    run->done.repaired += found->repaired;
    if (run->wish->step)
        run->wish->step(run->wish->ctx, &run->done, found);
    pthread_mutex_unlock(&run->lock);
}

static void count_one(Run *run, uint64_t *counter)
{
    pthread_mutex_lock(&run->lock);
    ++*counter;
    pthread_mutex_unlock(&run->lock);
}

/* -- suspects -- */

static void suspect(Run *run, const IdxFile *row, const char *name)
{
    Suspect *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->arena = arena_new(0);
    s->settled = deadline_in(VERIFY_SETTLE_MS);
    if (row)
        idx_file_copy(s->arena, row, &s->row);
    else
        s->name = arena_strdup(s->arena, name);
    pthread_mutex_lock(&run->lock);
    *run->last = s;
    run->last = &s->next;
    run->suspects++;
    pthread_mutex_unlock(&run->lock);
}

static Suspect *next_suspect(Run *run)
{
    pthread_mutex_lock(&run->lock);
    Suspect *s = run->first;
    if (s) {
        run->first = s->next;
        run->suspects--;
        if (!run->first)
            run->last = &run->first;
    }
    pthread_mutex_unlock(&run->lock);
    return s;
}

static bool wait_until(Run *run, Deadline deadline)
{
    while (!deadline_passed(deadline) && !is_over(run))
        clock_sleep_ms(NAP_MS);
    return !is_over(run);
}

bool verify_look_up(Archive *archive, Arena *arena, const char *sop_instance, IdxFile *out, Err *err)
{
    Err why;
    if (idx_instance(archive->index, arena, sop_instance, out, &why))
        return true;
    *out = (IdxFile){0};
    if (why.code == ERR_NOT_FOUND)
        return true;
    *err = why;
    return false;
}

/* Only a repair that leaves the index hanging ends the run. */
static bool repaired(ArcFound *found, bool ok, const Err *why, Err *err)
{
    found->repaired = ok;
    found->unrepaired = ok ? NULL : why;
    if (ok || (why->code != ERR_TIMEOUT && !idx_is_away(why)))
        return true;
    *err = *why;
    return false;
}

/* *changed = it was not what it was found to be when it came to its repair. */
static bool settle_finding(Run *run, Arena *arena, const IdxFile *row, const Checked *checked, bool *changed,
                           Err *err)
{
    ArcFound found = {
        .what = checked->what, .sop_instance = row->sop_instance, .path = row->path, .why = &checked->why};
    Err why = {0};
    bool ok = true;
    if (run->wish->trash_folder && !run->trashed)
        run->trashed = trashed_read(run->wish->trash_folder);
    if (run->trashed && checked->what != ARC_UNREADABLE)
        found.copy = trashed_copy(run->trashed, arena, row, &run->pace, run->stop);
    if (run->wish->repair && checked->what == ARC_MISSING) {
        ok = repaired(&found, repair_missing(run->archive, row, run->stop, &why), &why, err);
    } else if (run->wish->repair && checked->what == ARC_UNREADABLE) {
        err_set(&why, ERR_IO, "mend what keeps it from being read; nothing was changed");
        found.unrepaired = &why;
    } else if (run->wish->repair) {
        ok = repaired(
            &found, repair_damaged(run->archive, row, row->sop_instance, row->path, checked, run->stop, &why),
            &why, err);
    }
    *changed = ok && found.unrepaired && why.code == ERR_MISMATCH;
    if (!*changed)
        report(run, &found);
    return ok;
}

static bool settle_row_as(Run *run, Arena *arena, const IdxFile *row, const Checked *checked, bool *changed,
                          Err *err)
{
    *changed = false;
    if (checked->what == ARC_MISSING && run->misplaced.count &&
        !textset_add(&run->misplaced, row->sop_instance))
        return true;
    return settle_finding(run, arena, row, checked, changed, err);
}

static bool settle_row(Run *run, Suspect *s, Err *err)
{
    IdxFile row;
    Checked checked = {0};
    for (int round = 0; round < ROUNDS; round++) {
        if (!verify_look_up(run->archive, s->arena, s->row.sop_instance, &row, err))
            return false;
        if (!row.sop_instance)
            return true; /* deleted meanwhile */
        if (!check_file(&row, &run->pace, run->stop, &checked))
            return cancelled(err);
        if (checked.what == ARC_SOUND)
            return true;
        if (arc_waiting_in(run->archive->settings.temp_path)) {
            count_one(run, &run->done.waiting); /* its row, perhaps */
            return true;
        }
        if (verify_same_row(&row, &s->row) && !checked_is_fresh(&checked)) {
            bool changed;
            if (!settle_row_as(run, s->arena, &row, &checked, &changed, err))
                return false;
            if (!changed)
                return true;
        }
        s->row = row;
        if (!wait_until(run, deadline_in(VERIFY_SETTLE_MS)))
            return cancelled(err);
    }
    return true; /* it changes faster than it can be looked at: somebody is at work on it */
}

/* -- a file of the store -- */

typedef enum Held { HELD_KNOWN, HELD_COPY, HELD_MISPLACED, HELD_UNKNOWN } Held;

static bool ask_for(Run *run, Arena *arena, const char *uid, const char *path, Held *held, Err *err)
{
    IdxFile row;
    struct stat st;
    if (!verify_look_up(run->archive, arena, uid, &row, err))
        return false;
    if (row.sop_instance)
        *held = !strcmp(row.path, path) ? HELD_KNOWN : stat(row.path, &st) == 0 ? HELD_COPY : HELD_MISPLACED;
    return true;
}

/* By the name, then by what the file says. *uid is "" when neither tells. */
static bool hold(Run *run, Arena *arena, const char *name, const char *path, Held *held, const char **uid,
                 Err *err)
{
    const char *slash = strrchr(name, '/'), *named = slash ? slash + 1 : name;
    DcmFileMeta meta = {0};
    *held = HELD_UNKNOWN;
    *uid = named;
    if (!archive_names_are_foreign(run->archive) && !ask_for(run, arena, named, path, held, err))
        return false;
    if (*held == HELD_KNOWN)
        return true;
    bool told = adoption_read_meta(path, &meta) && *meta.sop_instance;
    if (*held == HELD_UNKNOWN || (told && strcmp(meta.sop_instance, named) != 0)) {
        *held = HELD_UNKNOWN;
        *uid = told ? arena_strdup(arena, meta.sop_instance) : "";
        return !told || ask_for(run, arena, *uid, path, held, err);
    }
    return true;
}

/* The name of a second file of an object says what its bytes are. */
static bool has_its_name(Arena *arena, const char *name, const IdxFile *file)
{
    const char *mark = layout_variant_mark(name);
    return !mark || strcmp(mark, layout_variant_mark(layout_variant(arena, "", file->content))) == 0;
}

/* A file without a row is read: is it an object at all? */
static void inspect(Run *run, Arena *arena, const char *name, const char *path, Checked *checked)
{
    Inspector inspector;
    IdxFile file = {0};
    Err err = {0};
    if (stat(path, &checked->file) != 0)
        memset(&checked->file, 0, sizeof checked->file);
    bool ok =
        inspect_file(&inspector, arena, path, idx_last_tag(run->archive->index), &file, run->stop, &err);
    inspector_end(&inspector);
    checked->bytes = file.size;
    if (ok && !has_its_name(arena, name, &file))
        ok = err_set(&err, ERR_FORMAT, "its bytes are not those that were stored: the checksum differs");
    if (ok)
        return;
    bool own_fault = err.code == ERR_FORMAT || err.code == ERR_LIMIT || err.code == ERR_UNSUPPORTED ||
                     err.code == ERR_MISMATCH;
    checked->what = own_fault ? ARC_DAMAGED : ARC_UNREADABLE;
    checked->why = err;
}

static bool repair_file(Run *run, ArcFound *found, const char *name, const Checked *checked, Err *err)
{
    Err why = {0};
    bool ok = false;
    if (found->what == ARC_UNREADABLE)
        err_set(&why, ERR_IO, "mend what keeps it from being read; nothing was changed");
    else if (found->what == ARC_DAMAGED)
        ok = repair_damaged(run->archive, NULL, found->sop_instance, found->path, checked, run->stop, &why);
    else
        ok = repair_unindexed(run->archive, name, run->stop, &why);
    if (!ok && found->what == ARC_DAMAGED && why.code == ERR_MISMATCH)
        return true; /* somebody is at work on it */
    bool going = repaired(found, ok, &why, err);
    report(run, found);
    return going;
}

static bool settle_unknown(Run *run, Suspect *s, const char *path, const char *uid, Held held, Err *err)
{
    static const Err unindexed = {.code = ERR_NOT_FOUND, .text = "the index does not have it"};
    static const Err misplaced = {.code = ERR_MISMATCH,
                                  .text = "the index says another place, where it is not"};
    Checked checked = {0};
    if (arc_waiting_in(run->archive->settings.temp_path)) {
        count_one(run, &run->done.waiting);
        return true;
    }
    inspect(run, s->arena, s->name, path, &checked);
    if (!pace_wait(&run->pace, checked.bytes, run->stop))
        return cancelled(err);
    if (checked.what == ARC_UNREADABLE && access(path, F_OK) != 0)
        return true;
    if (checked.what == ARC_SOUND && held == HELD_COPY)
        return true;
    ArcFound found = {.what = checked.what, .sop_instance = uid, .path = path, .why = &checked.why};
    if (checked.what == ARC_SOUND) {
        found.what = held == HELD_MISPLACED ? ARC_MISPLACED : ARC_UNINDEXED;
        found.why = held == HELD_MISPLACED ? &misplaced : &unindexed;
        if (held == HELD_MISPLACED)
            textset_add(&run->misplaced, uid);
    }
    if (run->wish->repair)
        return repair_file(run, &found, s->name, &checked, err);
    report(run, &found);
    return true;
}

static bool settle_file(Run *run, Suspect *s, Err *err)
{
    char *path = store_path(run->archive->store, s->name);
    const char *uid;
    Held held;
    struct stat st;
    bool ok = true;
    if (path && stat(path, &st) == 0) {
        ok = hold(run, s->arena, s->name, path, &held, &uid, err);
        if (ok && held == HELD_COPY)
            count_one(run, &run->done.copies);
        if (ok && held != HELD_KNOWN && (held != HELD_COPY || layout_variant_mark(s->name)))
            ok = settle_unknown(run, s, path, uid, held, err);
    }
    free(path);
    return ok;
}

/* All suspects, each when its time has come. */
static bool settle(Run *run, Err *err)
{
    Suspect *s;
    bool ok = true;
    while (ok && (s = next_suspect(run))) {
        ok = wait_until(run, s->settled) ? (s->name ? settle_file(run, s, err) : settle_row(run, s, err))
                                         : cancelled(err);
        arena_free(s->arena);
        free(s);
    }
    return ok;
}

static bool settle_many(Run *run, Err *err)
{
    pthread_mutex_lock(&run->lock);
    bool many = run->suspects >= SUSPECTS_MAX;
    pthread_mutex_unlock(&run->lock);
    return !many || settle(run, err);
}

/* -- the two ways -- */

static bool see_file(void *ctx, const char *name, Err *err)
{
    Run *run = ctx;
    Held held;
    const char *uid;
    char *path = store_path(run->archive->store, name);
    Arena *arena = arena_new(0);
    bool ok = !is_over(run) || cancelled(err);
    if (ok && path && (ok = hold(run, arena, name, path, &held, &uid, err))) {
        count_one(run, &run->done.files);
        if (held != HELD_KNOWN)
            suspect(run, NULL, name);
    }
    arena_free(arena);
    free(path);
    return ok && settle_many(run, err);
}

typedef struct Item {
    Arena *arena;
    IdxFile row;
} Item;

static void item_free(Item *item)
{
    arena_free(item->arena);
    free(item);
}

static void work(void *ctx, void *what)
{
    Run *run = ctx;
    Item *item = what;
    Checked checked;
    if (!is_over(run) && check_file(&item->row, &run->pace, run->stop, &checked)) {
        counted(run, &item->row, &checked);
        if (checked.what != ARC_SOUND)
            suspect(run, &item->row, NULL);
    }
    item_free(item);
}

static bool hand_over(Run *run, Pool *pool, Item *item, Err *err)
{
    while (!is_over(run))
        if (pool_put(pool, item, deadline_in(1000)))
            return settle_many(run, err);
    item_free(item);
    return cancelled(err);
}

/* Past the rows that were read before; to the first one when the object is not there any more. */
static bool pass_over(Run *run, IdxFiles *files, Err *err)
{
    Arena *arena = arena_new(0);
    IdxFile row = {0};
    bool ok = true, found = run->wish->after == NULL;
    while (ok && !found) {
        arena_reset(arena);
        ok = (!is_over(run) || cancelled(err)) && idx_files_next(files, arena, &row, err);
        if (ok && !row.sop_instance)
            break;
        found = ok && strcmp(row.sop_instance, run->wish->after) == 0;
    }
    if (ok && !found)
        idx_files_rewind(files);
    arena_free(arena);
    return ok;
}

static bool see_rows(Run *run, Err *err)
{
    size_t threads = run->wish->threads ? run->wish->threads : 1;
    IdxFiles *files = idx_select(run->archive->index, &run->wish->selection, err);
    if (!files)
        return false;
    Pool *pool = pool_new(threads < MAX_THREADS ? threads : MAX_THREADS, BACKLOG, work, run);
    bool ok = pass_over(run, files, err), more = true;
    while (ok && more) {
        Item *item = calloc(1, sizeof *item);
        if (!item)
            abort();
        item->arena = arena_new(0);
        ok = idx_files_next(files, item->arena, &item->row, err);
        more = ok && item->row.sop_instance;
        if (more)
            ok = hand_over(run, pool, item, err);
        else
            item_free(item);
    }
    if (!ok)
        atomic_store(&run->broken, true);
    pool_finish(pool);
    idx_files_free(files);
    return ok;
}

static bool run_all(Run *run, Err *err)
{
    const IdxSelection *selection = &run->wish->selection;
    uint64_t bytes;
    if (run->wish->repair && !adoption_await(run->archive->adoption, run->stop))
        return cancelled(err);
    if (!idx_select_count(run->archive->index, selection, &run->done.total, &bytes, err))
        return false;
    if (!run->done.total && !selection->everything)
        return err_set(err, ERR_NOT_FOUND, "nothing in the archive is selected");
    if (selection->everything && run->done.total && !archive_has_files(run->archive, err))
        return false;
    if (selection->everything && (!store_walk(run->archive->store, see_file, run, err) || !settle(run, err)))
        return false;
    return see_rows(run, err) && settle(run, err);
}

bool arc_verify(Archive *archive, const ArcVerify *verify, ArcVerified *out, Err *err)
{
    Run run = {.archive = archive, .wish = verify, .pace.bytes_per_second = verify->bytes_per_second};
    Suspect *s;
    run.stop = verify->stop ? verify->stop : &run.never;
    run.last = &run.first;
    run.misplaced_arena = arena_new(0);
    run.misplaced = textset_of(run.misplaced_arena);
    pthread_mutex_init(&run.lock, NULL);
    pthread_mutex_init(&run.pace.lock, NULL);
    bool ok = run_all(&run, err);
    if (ok && atomic_load(run.stop))
        ok = cancelled(err);
    while ((s = next_suspect(&run))) {
        arena_free(s->arena);
        free(s);
    }
    *out = run.done;
    trashed_free(run.trashed);
    textset_free(&run.misplaced);
    arena_free(run.misplaced_arena);
    pthread_mutex_destroy(&run.pace.lock);
    pthread_mutex_destroy(&run.lock);
    return ok;
}
