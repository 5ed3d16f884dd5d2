// SPDX-License-Identifier: MIT
/* Threads take the files some at a time, push them, make them durable, and mark them. */
#include "px/push_internal.h"

#include "px/report.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL = 4, GROUP_MAX = 32 };

typedef struct Run {
    const PxPush *push;
    PxPushFiles *files;
    size_t group;

    pthread_mutex_t lock; /* guards all below */
    size_t next, done;
    bool stopped;
    Err first; /* what went wrong first */
} Run;

static void note(Run *run, const Err *err)
{
    pthread_mutex_lock(&run->lock);
    if (!run->first.code)
        run->first = *err;
    pthread_mutex_unlock(&run->lock);
}

static void stop(Run *run)
{
    pthread_mutex_lock(&run->lock);
    run->stopped = true;
    pthread_mutex_unlock(&run->lock);
}

/* -- one file -- */

static PxObject object_of(const PxPushFile *file)
{
    return (PxObject){.sop_instance = file->sop_instance,
                      .series = file->series,
                      .study = file->study,
                      .path = file->path,
                      .sha256 = file->sha256,
                      .size = file->size};
}

/* It was pushed, and nobody has taken it away there since. */
static bool has_mark(const PxPush *push, PxLane *lane, PxPushFile *file, Arena *arena, bool *unreachable,
                     Err *err)
{
    if (push->again || !push->base || !file->in_base)
        return false;
    PxObject object = object_of(file);
    PxMark mark;
    bool found = false;
    if (!px_mark_find(push->base, PX_MARK_PUSHED, px_storage_target(push->storage), &object, arena, &mark,
                      &found, err) ||
        !found)
        return false;
    /* A folder's names are absolute. */
    size_t n = strlen(mark.name), m = strlen(file->name);
    if (n < m || strcmp(mark.name + n - m, file->name) != 0)
        return false;
    bool there = false;
    if (!px_lane_has(lane, file->name, mark.check, mark.size, &there, unreachable, err) || !there)
        return false;
    file->receipt = (PxReceipt){.name = mark.name, .size = mark.size, .was_there = true};
    return true;
}

static void push_file(Run *run, PxLane *lane, PxPushFile *file, Arena *arena)
{
    const PxPush *push = run->push;
    Err err = {0};
    bool unreachable = false;
    file->tried = true;
    file->marked = has_mark(push, lane, file, arena, &unreachable, &err);
    if (file->marked) {
        file->done = true;
        return;
    }
    PxParcel parcel = {.path = file->path,
                       .name = file->name,
                       .sop_class = file->sop_class,
                       .sop_instance = file->sop_instance,
                       .transfer_syntax = file->transfer_syntax,
                       .data_offset = file->data_offset};
    file->done = !err.code && px_lane_put(lane, arena, &parcel, &file->receipt, &unreachable, &err);
    if (file->done)
        return;
    file->error = arena_strdup(arena, err.text);
    note(run, &err);
    if (unreachable)
        stop(run);
}

/* -- a group of files -- */

static void undo(Run *run, PxPushFile *group, size_t n, Arena *arena, const Err *err)
{
    for (size_t i = 0; i < n; i++)
        if (group[i].done && !group[i].marked) {
            group[i].done = false;
            group[i].error = arena_strdup(arena, err->text);
        }
    note(run, err);
    stop(run);
}

/* What went there is what the database knows; a PACS does not say sizes. */
static bool is_as_known(const PxPushFile *file)
{
    return file->in_base && *file->sha256 && (!file->receipt.size || file->receipt.size == file->size);
}

static void mark_group(Run *run, PxPushFile *group, size_t n, Arena *arena)
{
    const PxPush *push = run->push;
    PxMark marks[GROUP_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (group[i].done && !group[i].marked && is_as_known(&group[i]))
            marks[count++] = (PxMark){.kind = PX_MARK_PUSHED,
                                      .sop_instance = group[i].sop_instance,
                                      .series = group[i].series,
                                      .sha256 = group[i].sha256,
                                      .target = px_storage_target(push->storage),
                                      .name = group[i].receipt.name,
                                      .check = group[i].receipt.check,
                                      .size = group[i].size};
    Err err = {0};
    if (!count || !push->base || px_marks_add(push->base, marks, count, &err))
        return;
    err_wrap(&err, "pushed, but not noted");
    undo(run, group, n, arena, &err);
}

static void tell(Run *run, const PxPushFile *group, size_t n, Arena *arena)
{
    const PxPush *push = run->push;
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < n && push->trace; i++)
        if (group[i].tried)
            fprintf(push->trace, "%s %s -> %s\n",
                    !group[i].done               ? "failed"
                    : group[i].receipt.was_there ? "is there"
                                                 : "pushed",
                    px_for_people(arena, group[i].path),
                    px_for_people(arena, group[i].done ? group[i].receipt.name : group[i].error));
    run->done += n;
    if (push->progress)
        push->progress(push->progress_ctx, run->done);
    pthread_mutex_unlock(&run->lock);
}

static size_t take_group(Run *run, PxPushFile **group)
{
    pthread_mutex_lock(&run->lock);
    size_t left = run->files->count - run->next, n = left < run->group ? left : run->group;
    if (run->stopped)
        n = 0;
    *group = &run->files->items[run->next];
    run->next += n;
    pthread_mutex_unlock(&run->lock);
    return n;
}

static bool is_stopped(Run *run)
{
    pthread_mutex_lock(&run->lock);
    bool stopped = run->stopped;
    pthread_mutex_unlock(&run->lock);
    return stopped;
}

/* The arena of a thread lives as long as the run: results point into it. */
static void work_group(Run *run, PxLane *lane, PxPushFile *group, size_t n, Arena *arena)
{
    Err err = {0};
    for (size_t i = 0; i < n && !is_stopped(run); i++)
        if (!group[i].error && !group[i].same)
            push_file(run, lane, &group[i], arena);
    if (px_lane_settle(lane, &err))
        mark_group(run, group, n, arena);
    else
        undo(run, group, n, arena, &err);
    tell(run, group, n, arena);
}

typedef struct Worker {
    Run *run;
    Arena *arena;
    pthread_t thread;
} Worker;

static void *work(void *ctx)
{
    Worker *worker = ctx;
    PxLane *lane = px_lane_open(worker->run->push->storage);
    PxPushFile *group;
    size_t n;
    while ((n = take_group(worker->run, &group)))
        work_group(worker->run, lane, group, n, worker->arena);
    px_lane_close(lane);
    return NULL;
}

/* -- all -- */

static unsigned workers_of(const PxPush *push, size_t files)
{
    unsigned n = push->parallel ? push->parallel : PARALLEL;
    n = n < PX_PUSH_PARALLEL_MAX ? n : PX_PUSH_PARALLEL_MAX;
    return files < n ? (unsigned)files : n;
}

static void run_all(Run *run, Worker *workers, unsigned n)
{
    unsigned started = 0;
    while (started + 1 < n && pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++;
    work(&workers[started]);
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
}

/* Those with the name and the content of another share its fate; those nobody came to were not tried. */
static void finish_rest(Run *run, PxPushTotals *totals)
{
    Arena *arena = run->files->arena;
    const char *why = arena_printf(arena, "not tried: %s", run->first.text);
    *totals = (PxPushTotals){.files = run->files->count};
    for (size_t i = 0; i < run->files->count; i++) {
        PxPushFile *file = &run->files->items[i];
        if (file->same) {
            file->done = file->same->done;
            file->error = file->done ? NULL : file->same->error;
            file->receipt = file->same->receipt;
            file->receipt.was_there = true;
        }
        if (!file->done && !file->error)
            file->error = arena_strdup(arena, why);
        totals->pushed += file->done;
        totals->there += file->done && file->receipt.was_there;
        totals->failed += !file->done;
        totals->bytes += file->done && !file->receipt.was_there ? file->receipt.size : 0;
    }
}

/* The file whose failure was the first, or any other that failed. */
static const PxPushFile *to_blame(const PxPushFiles *files, const Err *first)
{
    const PxPushFile *any = NULL;
    for (size_t i = 0; i < files->count; i++) {
        const PxPushFile *file = &files->items[i];
        if (file->done)
            continue;
        if (!strcmp(file->error, first->text))
            return file;
        any = any ? any : file;
    }
    return any;
}

static bool judge(const PxPushFiles *files, const PxPushTotals *totals, Err *err)
{
    if (!totals->failed)
        return true;
    const PxPushFile *file = to_blame(files, err);
    const char *slash = strrchr(file->path, '/');
    return err_set(err, err->code ? err->code : ERR_FORMAT,
                   "%" PRIu64 " of %" PRIu64 " files were not pushed; %.100s: %s", totals->failed,
                   totals->files, slash ? slash + 1 : file->path, file->error);
}

bool px_push(const PxPush *push, PxPushFiles *files, json_t **result, PxPushTotals *totals, Err *err)
{
    Run run = {.push = push, .files = files};
    Worker workers[PX_PUSH_PARALLEL_MAX] = {0};
    unsigned n = workers_of(push, files->count);
    bool ok = px_push_name_all(push, files, &run.first);
    run.group = n ? files->count / (n * 4) + 1 : 1;
    run.group = run.group < GROUP_MAX ? run.group : GROUP_MAX;
    pthread_mutex_init(&run.lock, NULL);
    for (unsigned i = 0; i < n; i++)
        workers[i] = (Worker){.run = &run, .arena = arena_new(0)};
    if (ok)
        run_all(&run, workers, n);
    finish_rest(&run, totals);
    ok = ok && judge(files, totals, &run.first);
    Err problem = {0};
    if (!px_push_record(push, files, &problem) && ok) {
        run.first = problem;
        ok = false;
    }
    *result = px_push_result(push, files, totals, &run.first);
    if (!ok && err)
        *err = run.first;
    pthread_mutex_destroy(&run.lock);
    for (unsigned i = 0; i < n; i++)
        arena_free(workers[i].arena);
    return ok;
}
