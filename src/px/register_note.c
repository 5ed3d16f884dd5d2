// SPDX-License-Identifier: MIT
/* Marks of images that CUBE has are written some at a time while the run goes on, so that its progress is seen and a run that is killed leaves few to be asked for
   again; the record of a series is written at the end. */
#include "px/register_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GROUP = 32 };

struct Notes {
    const Run *run;
    const char *target;
    pthread_mutex_t lock; /* guards all below */
    PxMark marks[GROUP];  /* not yet written */
    size_t count;
    bool failed;
    Err why;
};

Notes *register_notes_new(const Run *run)
{
    if (!run->ask->base)
        return NULL;
    Notes *notes = calloc(1, sizeof *notes);
    if (!notes)
        abort();
    notes->run = run;
    notes->target = arena_printf(run->arena, "cube %s", px_cube_url(run->cube));
    pthread_mutex_init(&notes->lock, NULL);
    return notes;
}

/* -- marks -- */

static void write_group(Notes *notes)
{
    if (!notes->failed)
        notes->failed = !px_marks_add(notes->run->ask->base, notes->marks, notes->count, &notes->why);
    notes->count = 0;
}

static void add(Notes *notes, const Series *series, const Pushed *object)
{
    pthread_mutex_lock(&notes->lock);
    notes->marks[notes->count++] = (PxMark){.kind = PX_MARK_REGISTERED,
                                            .sop_instance = object->sop_instance,
                                            .series = series->uid,
                                            .sha256 = object->sha256,
                                            .target = notes->target,
                                            .name = object->object,
                                            .check = "",
                                            .size = object->size};
    if (notes->count == GROUP)
        write_group(notes);
    pthread_mutex_unlock(&notes->lock);
}

void register_notes_image(Notes *notes, const Image *image)
{
    if (notes && image->in_base)
        add(notes, image->of, &(Pushed){image->sop_instance, image->sha256, image->object, image->size});
}

static bool is_in_directory(const Series *series, const char *object)
{
    size_t n = strlen(series->directory);
    return !strncmp(object, series->directory, n) && object[n] == '/';
}

void register_notes_series(Notes *notes, const Series *series)
{
    for (size_t i = 0; notes && i < series->pushed_count; i++)
        if (is_in_directory(series, series->pushed[i].object))
            add(notes, series, &series->pushed[i]);
    for (size_t i = 0; i < series->count; i++)
        register_notes_image(notes, series->images[i]);
}

/* -- records -- */

static json_t *timestamp(void)
{
    char words[32];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(words, sizeof words, "%Y-%m-%d, %H:%M:%S", &local);
    return json_string(words);
}

static bool write_record(const Run *run, const Series *series, Err *err)
{
    size_t done = 0;
    for (size_t i = 0; i < series->count; i++)
        done += register_ok(register_result(run, series->images[i]));
    const Image *last = series->images[series->count - 1];
    const char *path = run->api == PX_REGISTER_SERIES ? series->directory : last->object;
    json_t *members = json_pack(
        "{so s{sI sI} so s{ss ss}}", "info", register_answer(register_result(run, last), path),
        "objectCounter", "current", (json_int_t)done, "total", (json_int_t)series->count, "timestamp",
        timestamp(), "CUBE", "url", px_cube_url(run->cube), "username", run->ask->cube.user);
    bool ok = px_record_merge(run->ask->base, PX_TABLE_REGISTER, series->study, series->uid, members, err);
    json_decref(members);
    return ok;
}

bool register_notes_end(Notes *notes, Err *err)
{
    if (!notes)
        return true;
    const Run *run = notes->run;
    write_group(notes);
    bool ok = !notes->failed;
    if (!ok && err)
        *err = notes->why;
    for (size_t i = 0; ok && i < run->series_count; i++)
        ok = write_record(run, &run->series[i], err);
    pthread_mutex_destroy(&notes->lock);
    free(notes);
    return ok || err_wrap(err, "CUBE was told, but it could not be noted in the px database");
}
