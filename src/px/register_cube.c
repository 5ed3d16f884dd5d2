// SPDX-License-Identifier: MIT
/*
 * CUBE is asked what it has of a series, then told of what it lacks: image by image, or the folder of the series. Several requests run at a time, each on a connection of
 * its own; an image or a series belongs to one thread while it is worked on. When CUBE becomes unusable in the midst, the rest is not tried.
 */
#include "px/register_internal.h"

#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct Work {
    Run *run;
    Notes *notes;
    void (*step)(struct Work *work, PxCube *cube, void *item);
    pthread_mutex_t lock; /* guards all below */
    PxCube *idle[PX_REGISTER_JOBS_MAX];
    size_t idle_count;
    bool unusable;
    Err why;
} Work;

static bool fail(Result *result, const Err *err)
{
    result->word = RESULT_FAILED;
    result->err = *err;
    return false;
}

/* -- CUBE becomes unusable -- */

static void give_up(Work *work, const Err *why)
{
    pthread_mutex_lock(&work->lock);
    if (!work->unusable)
        work->why = *why;
    work->unusable = true;
    pthread_mutex_unlock(&work->lock);
}

static bool may_try(Work *work, Result *result)
{
    pthread_mutex_lock(&work->lock);
    bool ok = !work->unusable;
    if (!ok) {
        fail(result, &work->why);
        err_wrap(&result->err, "not tried, because CUBE failed before");
    }
    pthread_mutex_unlock(&work->lock);
    return ok;
}

/* -- what is there already -- */

static void list_differences(Result *result)
{
    Buf names;
    buf_init(&names, 0);
    size_t i;
    json_t *one;
    json_array_foreach(result->differences, i, one)
    {
        buf_printf(&names, "%s%s", i ? ", " : "", json_string_value(json_object_get(one, "field")));
    }
    Err err = {0};
    err_set(&err, ERR_EXISTS, "CUBE has it already, but with another %s; remove it there to register it anew",
            buf_cstr(&names));
    buf_free(&names);
    fail(result, &err);
}

/* Takes `there`. */
static void judge_existing(Result *result, const json_t *fields, json_t *there)
{
    json_decref(result->info);
    json_decref(result->differences);
    result->info = there;
    result->differences = px_register_differences(fields, there);
    result->word = RESULT_SAME;
    if (json_array_size(result->differences))
        list_differences(result);
}

static json_t *search(Work *work, PxCube *cube, PxRegisterApi api, const PxParameter *keys, size_t n,
                      Result *result)
{
    Err err = {0};
    json_t *found = px_cube_search(cube, api, keys, n, &err);
    if (!found) {
        give_up(work, &err);
        fail(result, &err);
    }
    return found;
}

static json_t *by_path(json_t *items)
{
    json_t *map = json_object();
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        const char *path = json_string_value(json_object_get(item, "fname"));
        if (path)
            json_object_set(map, path, item);
    }
    return map;
}

/* {path: fields} of what CUBE has below the series' folder, or of the series. NULL where CUBE offers no search; false when CUBE failed. */
static bool find_files(Work *work, PxCube *cube, const Series *series, bool by_folder, Result *result,
                       json_t **out)
{
    Arena *arena = arena_new(0);
    const PxParameter series_key = {"SeriesInstanceUID", series->uid};
    const PxParameter pacs_key = {"pacs_identifier", work->run->pacs_name};
    const PxParameter folder_key = {"fname", arena_printf(arena, "%s/", series->directory)};
    const PxParameter tries[][2] = {
        {series_key, pacs_key}, {series_key, {NULL, NULL}}, {folder_key, {NULL, NULL}}};
    json_t *items = json_null();
    for (size_t i = by_folder ? 2 : 0; i < 3 && json_is_null(items); i++)
        if (!(items = search(work, cube, PX_REGISTER_FILES, tries[i], tries[i][1].name ? 2 : 1, result)))
            break;
    arena_free(arena);
    *out = json_is_array(items) ? by_path(items) : NULL;
    bool ok = items != NULL;
    json_decref(items);
    return ok;
}

/* The one that was searched for; NULL = it is not among them, whatever else the search found. */
static json_t *pick(const json_t *found, const char *field, const char *wanted)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)found, i, item)
    {
        const char *value = json_string_value(json_object_get(item, field));
        if (value && !strcmp(value, wanted))
            return item;
    }
    return NULL;
}

/* -- image by image -- */

static void find_series(Work *work, PxCube *cube, void *item)
{
    Series *series = item;
    if (may_try(work, &series->result))
        find_files(work, cube, series, false, &series->result, &series->found);
}

static json_t *with_place(const json_t *fields, const char *pacs_name, const char *path)
{
    json_t *all = json_copy((json_t *)(uintptr_t)fields);
    json_object_set_new(all, "pacs_name", json_string(pacs_name));
    json_object_set_new(all, "path", json_string(path));
    return all;
}

/* CUBE refused it. Another one may have been quicker, or an answer was lost: then it is there. */
static void look_again(Work *work, PxCube *cube, Image *image, const Err *refusal)
{
    const PxParameter key = {"fname_exact", image->object};
    fail(&image->result, refusal);
    json_t *found = search(work, cube, PX_REGISTER_FILES, &key, 1, &image->result);
    json_t *one = pick(found, "fname", image->object);
    if (one)
        judge_existing(&image->result, image->fields, json_incref(one));
    json_decref(found);
}

static void register_image(Work *work, PxCube *cube, void *item)
{
    Image *image = item;
    Run *run = work->run;
    if (!may_try(work, &image->result))
        return;
    json_t *fields = with_place(image->fields, run->pacs_name, image->object);
    Err err = {0};
    PxCubeOutcome outcome =
        px_cube_add(cube, PX_REGISTER_FILES, fields, &image->result.info, &image->result.message, &err);
    json_decref(fields);
    if (outcome == PX_CUBE_DONE) {
        image->result.word = RESULT_REGISTERED;
    } else if (outcome == PX_CUBE_REFUSED) {
        look_again(work, cube, image, &err);
    } else {
        give_up(work, &err);
        fail(&image->result, &err);
    }
    if (register_ok(&image->result))
        register_notes_image(work->notes, image);
}

/* -- the folder of a series -- */

static bool is_below(const char *directory, const char *path)
{
    size_t n = strlen(directory);
    return !strncmp(path, directory, n) && path[n] == '/' && !strchr(path + n + 1, '/');
}

static bool is_pushed(const Series *series, const char *object)
{
    for (size_t from = 0, to = series->pushed_count; from < to;) {
        size_t middle = (from + to) / 2;
        int order = strcmp(series->pushed[middle].object, object);
        if (!order)
            return true;
        *(order < 0 ? &from : &to) = order < 0 ? middle + 1 : middle;
    }
    return false;
}

/* Everything of it must lie in one folder, because CUBE counts what is in there. */
static bool check_folder(Series *series, Err *err)
{
    size_t pushed = 0;
    for (size_t i = 0; i < series->pushed_count; i++)
        pushed += is_below(series->directory, series->pushed[i].object);
    series->number = pushed;
    for (size_t i = 0; i < series->count; i++) {
        const Image *image = series->images[i];
        if (image->result.word == RESULT_FAILED) {
            *err = image->result.err;
            return err_wrap(err, "%s", image->sop_instance);
        }
        if (!is_below(series->directory, image->object))
            return err_set(err, ERR_MISMATCH,
                           "its images lie in several folders of the storage, but CUBE registers a folder; "
                           "use --perFile");
        size_t n = strlen(image->object);
        if (n < 4 || strcmp(image->object + n - 4, ".dcm") != 0)
            return err_set(err, ERR_MISMATCH,
                           "CUBE counts names that end in .dcm only; push with such an --imageTemplate");
        series->number += !is_pushed(series, image->object);
    }
    if (pushed && pushed < series->held)
        return err_set(err, ERR_MISMATCH,
                       "%zu of its %zu images are pushed; push the others too, then register", pushed,
                       series->held);
    return true;
}

static json_t *fields_of_series(const Run *run, const Series *series)
{
    json_t *fields = with_place(series->images[0]->fields, run->pacs_name, series->directory);
    json_object_set_new(fields, "ndicom", json_integer((json_int_t)series->number));
    return fields;
}

/* CUBE knows the series; does it have all images? It takes a series once and adds nothing to it. */
static void count_there(Work *work, PxCube *cube, Series *series)
{
    json_t *there;
    Result *result = &series->result;
    if (!find_files(work, cube, series, true, result, &there) || !there)
        return;
    size_t have = 0;
    for (size_t i = 0; i < series->count; i++)
        have += json_object_get(there, series->images[i]->object) != NULL;
    json_decref(there);
    if (have == series->count)
        return;
    Err err = {0};
    err_set(
        &err, ERR_EXISTS,
        "CUBE has the series with %zu of %zu images and adds none to it; remove it there to register it anew",
        have, series->count);
    fail(result, &err);
}

/* True when CUBE has the series, and when it failed: then all is said. */
static bool is_there(Work *work, PxCube *cube, Series *series)
{
    const PxParameter keys[] = {{"SeriesInstanceUID", series->uid},
                                {"pacs_identifier", work->run->pacs_name}};
    json_t *found = search(work, cube, PX_REGISTER_SERIES, keys, 2, &series->result);
    json_t *one = pick(found, "SeriesInstanceUID", series->uid);
    bool there = !found || one;
    if (one) {
        json_t *ours = json_copy(series->images[0]->fields);
        json_object_set_new(ours, "folder_path", json_string(series->directory));
        judge_existing(&series->result, ours, json_incref(one));
        json_decref(ours);
        if (series->result.word == RESULT_SAME)
            count_there(work, cube, series);
    }
    json_decref(found);
    return there;
}

static void tell_series(Work *work, PxCube *cube, Series *series)
{
    Result *result = &series->result;
    Err err = {0};
    json_t *fields = fields_of_series(work->run, series);
    PxCubeOutcome outcome =
        px_cube_add(cube, PX_REGISTER_SERIES, fields, &result->info, &result->message, &err);
    json_decref(fields);
    if (outcome == PX_CUBE_DONE) {
        result->word = RESULT_REGISTERED;
        return;
    }
    fail(result, &err);
    if (outcome == PX_CUBE_REFUSED)
        is_there(work, cube, series);
    else
        give_up(work, &err);
}

static void register_series(Work *work, PxCube *cube, void *item)
{
    Series *series = item;
    Err err = {0};
    if (!may_try(work, &series->result))
        return;
    if (!check_folder(series, &err))
        fail(&series->result, &err);
    else if (!is_there(work, cube, series))
        tell_series(work, cube, series);
    if (register_ok(&series->result))
        register_notes_series(work->notes, series);
}

/* -- several at a time -- */

static PxCube *take_cube(Work *work)
{
    pthread_mutex_lock(&work->lock);
    PxCube *cube = work->idle_count ? work->idle[--work->idle_count] : NULL;
    pthread_mutex_unlock(&work->lock);
    return cube ? cube : px_cube_another(work->run->cube);
}

static void do_one(void *ctx, void *item)
{
    Work *work = ctx;
    PxCube *cube = take_cube(work);
    work->step(work, cube, item);
    pthread_mutex_lock(&work->lock);
    work->idle[work->idle_count++] = cube;
    pthread_mutex_unlock(&work->lock);
}

static void do_all(Work *work, void (*step)(Work *work, PxCube *cube, void *item), void **items, size_t n)
{
    unsigned jobs = work->run->ask->jobs ? work->run->ask->jobs : 1;
    jobs = jobs < PX_REGISTER_JOBS_MAX ? jobs : PX_REGISTER_JOBS_MAX;
    if (!n)
        return;
    work->step = step;
    Pool *pool = pool_new(n < jobs ? n : jobs, n, do_one, work);
    for (size_t i = 0; i < n; i++)
        pool_put(pool, items[i], CLOCK_NEVER);
    pool_finish(pool);
}

static void do_series(Work *work, void (*step)(Work *work, PxCube *cube, void *item))
{
    Run *run = work->run;
    void **items = arena_alloc(run->arena, (run->series_count + 1) * sizeof *items);
    for (size_t i = 0; i < run->series_count; i++)
        items[i] = &run->series[i];
    do_all(work, step, items, run->series_count);
}

/* Those that CUBE does not have. */
static void do_images(Work *work)
{
    Run *run = work->run;
    size_t n = 0;
    void **items = arena_alloc(run->arena, (run->count + 1) * sizeof *items);
    for (size_t s = 0; s < run->series_count; s++)
        for (size_t i = 0; i < run->series[s].count; i++) {
            Series *series = &run->series[s];
            Image *image = series->images[i];
            json_t *there = json_object_get(series->found, image->object);
            if (image->result.word == RESULT_FAILED)
                continue;
            if (series->result.word == RESULT_FAILED)
                fail(&image->result, &series->result.err);
            else if (there)
                judge_existing(&image->result, image->fields, json_incref(there));
            else
                items[n++] = image;
            if (register_ok(&image->result))
                register_notes_image(work->notes, image);
        }
    do_all(work, register_image, items, n);
}

static void set_directories(Run *run)
{
    for (size_t s = 0; s < run->series_count; s++) {
        const char *object = run->series[s].images[0]->object, *slash = strrchr(object, '/');
        run->series[s].directory =
            slash ? arena_span_cstr(run->arena, span_of(object, (size_t)(slash - object))) : object;
    }
}

void register_all(Run *run, Notes *notes)
{
    Work work = {.run = run, .notes = notes};
    pthread_mutex_init(&work.lock, NULL);
    set_directories(run);
    if (run->api == PX_REGISTER_SERIES) {
        do_series(&work, register_series);
    } else {
        do_series(&work, find_series);
        do_images(&work);
    }
    for (size_t i = 0; i < work.idle_count; i++)
        px_cube_close(work.idle[i]);
    pthread_mutex_destroy(&work.lock);
}
