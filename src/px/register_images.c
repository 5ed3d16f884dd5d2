// SPDX-License-Identifier: MIT
/* What is known of the images before CUBE is asked: their attributes, their series, whether and where they were pushed. */
#include "px/register_internal.h"

#include "dicom/tags.h"
#include "dicom/value.h"
#include "px/head.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char storage_top[] = "SERVICES/PACS/";

/* The part of a name in some storage (a folder, a container) that CUBE knows it by; NULL when there is none. */
static const char *cube_path(const char *name)
{
    size_t n = strlen(storage_top);
    if (!strncmp(name, storage_top, n))
        return name;
    for (const char *at = name; (at = strstr(at, storage_top)); at++)
        if (at[-1] == '/')
            return at;
    return NULL;
}

static bool is_of_pacs(const Run *run, const char *path)
{
    size_t top = strlen(storage_top), n = strlen(run->pacs_name);
    return path && !strncmp(path + top, run->pacs_name, n) && path[top + n] == '/';
}

static bool find_pacs_name(Run *run, const PxRegisterFiles *files, Err *err)
{
    run->pacs_name = run->ask->pacs_name;
    if (run->pacs_name && *run->pacs_name)
        return px_pacs_name_check(run->pacs_name, err);
    const char *path = files->count && files->items[0].object ? cube_path(files->items[0].object) : NULL;
    if (!path)
        return err_set(err, ERR_USAGE,
                       "--swiftServicesPACS NAME is required: the PACS that the images are from, as when "
                       "they were pushed");
    path += strlen(storage_top);
    run->pacs_name = arena_span_cstr(run->arena, span_of(path, strcspn(path, "/")));
    return px_pacs_name_check(run->pacs_name, err);
}

/* -- attributes -- */

static bool fail(Image *image, const Err *err)
{
    image->result.word = RESULT_FAILED;
    image->result.err = *err;
    return false;
}

static const char *uid_of(Run *run, const DcmDataset *dataset, DcmTag tag)
{
    char uid[65];
    return dcm_uid(dataset, tag, uid) ? arena_strdup(run->arena, uid) : "";
}

static bool read_attributes(Run *run, Image *image, Arena *scratch)
{
    Err err = {0};
    DcmDataset *dataset = px_head_read(scratch, image->path, NULL, &err);
    if (!dataset)
        return fail(image, &err);
    image->changed = json_array();
    image->fields = px_register_fields(dataset, run->api, image->changed, &err);
    if (!image->fields)
        return fail(image, &err);
    image->sop_instance = uid_of(run, dataset, DCM_SOPInstanceUID);
    image->study = uid_of(run, dataset, DCM_StudyInstanceUID);
    image->series = uid_of(run, dataset, DCM_SeriesInstanceUID);
    if (!*image->study || !*image->series) {
        err_set(&err, ERR_FORMAT, "the UID of its study or of its series is too long");
        return fail(image, &err);
    }
    const char *path = px_templates_path(run->ask->templates, scratch, dataset, &err);
    if (path)
        image->templated = arena_printf(run->arena, "%s%s/%s", storage_top, run->pacs_name, path);
    else
        image->result.err = err; /* for when nothing else says the path */
    image->readable = true;
    return true;
}

static void begin_image(Run *run, Image *image, const PxRegisterFile *file)
{
    const char *slash = strrchr(file->path, '/');
    buf_init(&image->result.message, 0);
    image->path = file->path;
    image->folder =
        slash ? arena_span_cstr(run->arena, span_of(file->path, (size_t)(slash - file->path))) : "";
    image->name = slash ? slash + 1 : file->path;
    if (slash == file->path)
        image->folder = "/";
    const char *object = file->object ? cube_path(file->object) : NULL;
    image->object = object ? object : file->object;
    image->pushed = object && file->pushed;
}

/* -- series -- */

static int by_series(const void *a, const void *b)
{
    const Image *first = *(Image *const *)a, *second = *(Image *const *)b;
    int order = strcmp(first->series, second->series);
    return order ? order : first < second ? -1 : first > second;
}

static void group(Run *run)
{
    Image **order = arena_alloc(run->arena, (run->count + 1) * sizeof *order);
    size_t n = 0;
    for (size_t i = 0; i < run->count; i++)
        if (run->images[i].readable)
            order[n++] = &run->images[i];
    if (n)
        qsort(order, n, sizeof *order, by_series);
    run->series = arena_alloc(run->arena, (n + 1) * sizeof *run->series);
    for (size_t i = 0; i < n; i++) {
        Series *series = run->series_count ? &run->series[run->series_count - 1] : NULL;
        if (!series || strcmp(series->uid, order[i]->series) != 0) {
            series = &run->series[run->series_count++];
            *series = (Series){.uid = order[i]->series, .study = order[i]->study, .images = &order[i]};
            buf_init(&series->result.message, 0);
        }
        order[i]->of = series;
        series->count++;
    }
}

/* -- what the base knows of a series -- */

typedef struct Held {
    const char *sop_instance, *path, *sha256, *object;
    uint64_t size;
} Held;

typedef struct Gathering {
    Run *run;
    Held *items; /* by sop_instance */
    size_t count, capacity;
} Gathering;

static bool take_object(void *ctx, const PxObject *object, Err *err)
{
    Gathering *g = ctx;
    if (g->count == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 256;
        g->items = realloc(g->items, g->capacity * sizeof *g->items);
        if (!g->items)
            abort();
    }
    Arena *arena = g->run->arena;
    g->items[g->count++] = (Held){.sop_instance = arena_strdup(arena, object->sop_instance),
                                  .path = arena_strdup(arena, object->path),
                                  .sha256 = arena_strdup(arena, object->sha256),
                                  .size = object->size};
    return true;
}

static int by_instance(const void *a, const void *b)
{
    return strcmp(((const Held *)a)->sop_instance, ((const Held *)b)->sop_instance);
}

static Held *find_held(const Gathering *g, const char *sop_instance)
{
    Held key = {.sop_instance = sop_instance};
    return g->count ? bsearch(&key, g->items, g->count, sizeof *g->items, by_instance) : NULL;
}

static bool take_mark(void *ctx, const PxMark *mark, Err *err)
{
    Gathering *g = ctx;
    Held *held = find_held(g, mark->sop_instance);
    const char *path = cube_path(mark->name);
    if (held && *held->sha256 && !strcmp(held->sha256, mark->sha256) && is_of_pacs(g->run, path))
        held->object = arena_strdup(g->run->arena, path);
    return true;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static int by_object(const void *a, const void *b)
{
    return strcmp(((const Pushed *)a)->object, ((const Pushed *)b)->object);
}

static void take_held(Run *run, Series *series, const Gathering *g)
{
    series->held = g->count;
    series->pushed = arena_alloc(run->arena, (g->count + 1) * sizeof *series->pushed);
    for (size_t i = 0; i < g->count; i++) {
        const Held *held = &g->items[i];
        if (held->object)
            series->pushed[series->pushed_count++] =
                (Pushed){held->sop_instance, held->sha256, held->object, held->size};
    }
    if (series->pushed_count)
        qsort(series->pushed, series->pushed_count, sizeof *series->pushed, by_object);
    for (size_t i = 0; i < series->count; i++) {
        Image *image = series->images[i];
        const Held *held = find_held(g, image->sop_instance);
        if (!held || !is_same_file(held->path, image->path))
            continue;
        image->in_base = true;
        image->sha256 = held->sha256;
        image->size = held->size;
        if (held->object) {
            image->object = held->object;
            image->pushed = true;
        }
    }
}

static bool ask_base(Run *run, Series *series, Err *err)
{
    PxBase *base = run->ask->base;
    Gathering g = {.run = run};
    PxSelection selection = {.series = series->uid};
    bool ok = px_base_objects(base, &selection, take_object, &g, err);
    if (g.count)
        qsort(g.items, g.count, sizeof *g.items, by_instance);
    ok = ok && px_marks_visit(base, PX_MARK_PUSHED, series->uid, take_mark, &g, err);
    if (ok)
        take_held(run, series, &g);
    free(g.items);
    return ok;
}

/* -- paths in the storage -- */

static void settle_path(Run *run, Image *image)
{
    Err err = image->result.err;
    if (!image->object)
        image->object = image->templated;
    if (!image->object) {
        fail(image, &err);
        image->object = "";
    } else if (!px_object_path_check(image->object, run->pacs_name, &err)) {
        fail(image, &err);
    }
}

static void warn_of_unknown(const Run *run)
{
    size_t unknown = 0, n = 0;
    for (size_t i = 0; i < run->count; i++) {
        n += run->images[i].readable;
        unknown += run->images[i].readable && !run->images[i].pushed;
    }
    if (!unknown || !run->ask->warn)
        return;
    Buf text;
    buf_init(&text, 0);
    buf_printf(
        &text,
        "%zu of %zu images are not known to be pushed as %s%s/…; CUBE takes only what lies in its storage",
        unknown, n, storage_top, run->pacs_name);
    run->ask->warn(run->ask->warn_ctx, buf_cstr(&text));
    buf_free(&text);
}

/* -- all -- */

bool register_read_images(Run *run, const PxRegisterFiles *files, Err *err)
{
    if (!find_pacs_name(run, files, err))
        return false;
    run->images = arena_alloc(run->arena, (files->count + 1) * sizeof *run->images);
    Arena *scratch = arena_new(0);
    for (size_t i = 0; i < files->count; i++) {
        Image *image = &run->images[run->count++];
        begin_image(run, image, &files->items[i]);
        read_attributes(run, image, scratch);
        arena_reset(scratch);
    }
    arena_free(scratch);
    group(run);
    for (size_t i = 0; run->ask->base && i < run->series_count; i++)
        if (!ask_base(run, &run->series[i], err))
            return false;
    for (size_t i = 0; i < run->count; i++)
        if (run->images[i].readable)
            settle_path(run, &run->images[i]);
    warn_of_unknown(run);
    return true;
}

static void free_result(Result *result)
{
    buf_free(&result->message);
    json_decref(result->info);
    json_decref(result->differences);
}

void register_free(Run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        json_decref(run->images[i].fields);
        json_decref(run->images[i].changed);
        free_result(&run->images[i].result);
    }
    for (size_t i = 0; i < run->series_count; i++) {
        json_decref(run->series[i].found);
        free_result(&run->series[i].result);
    }
    free_result(&run->opening);
    px_cube_close(run->cube);
    arena_free(run->arena);
}
