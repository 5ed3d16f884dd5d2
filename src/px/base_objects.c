// SPDX-License-Identifier: MIT
/* The objects of a BASEMOUNT, by what the index says. */
#include "px/base_internal.h"
#include "px/tree.h"

#include <stdlib.h>
#include <string.h>

void px_hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = 0;
}

static bool is_known(const uint8_t *digest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (digest[i])
            return true;
    return false;
}

static const char *name_of(const PxBase *base, const char *path)
{
    size_t n = strlen(base->settings.data_path);
    bool below = strncmp(path, base->settings.data_path, n) == 0 && path[n] == '/';
    return below ? path + n + 1 : path;
}

static PxObject object_of(const PxBase *base, Arena *arena, const IdxFile *file)
{
    PxObject object = {.sop_instance = file->sop_instance,
                       .sop_class = file->sop_class,
                       .series = file->series,
                       .study = file->study,
                       .patient_id = file->patient_id,
                       .transfer_syntax = file->transfer_syntax,
                       .path = file->path,
                       .name = name_of(base, file->path),
                       .sha256 = "",
                       .size = file->size,
                       .data_offset = file->data_offset};
    if (is_known(file->sha256, sizeof file->sha256)) {
        char *hex = arena_alloc(arena, 2 * sizeof file->sha256 + 1);
        px_hex(file->sha256, sizeof file->sha256, hex);
        object.sha256 = hex;
    }
    return object;
}

bool px_base_files(PxBase *base, const PxSelection *what, PxFileVisit visit, void *ctx, Err *err)
{
    IdxSelection selection = {.patient_ids = &what->patient_id,
                              .patient_count = what->patient_id != NULL,
                              .studies = &what->study,
                              .study_count = what->study != NULL,
                              .series = &what->series,
                              .series_count = what->series != NULL,
                              .everything = !what->patient_id && !what->study && !what->series};
    Index *index = px_base_index(base, err);
    IdxFiles *files = index ? idx_select(index, &selection, err) : NULL;
    Arena *arena = arena_new(0);
    IdxFile file = {0};
    bool ok = files != NULL;
    while (ok && (ok = idx_files_next(files, arena, &file, err)) && file.sop_instance) {
        ok = visit(ctx, &file, err);
        arena_reset(arena);
    }
    idx_files_free(files);
    arena_free(arena);
    return ok;
}

/* -- in order of path, study after study -- */

typedef struct Gathering {
    const PxBase *base;
    Arena *arena; /* of the study at hand */
    char study[65];
    PxObject *objects;
    size_t count, capacity;
    PxVisit visit;
    void *ctx;
} Gathering;

static int by_path(const void *a, const void *b)
{
    return strcmp(((const PxObject *)a)->path, ((const PxObject *)b)->path);
}

static bool hand_out(Gathering *g, Err *err)
{
    bool ok = true;
    if (g->count)
        qsort(g->objects, g->count, sizeof *g->objects, by_path);
    for (size_t i = 0; ok && i < g->count; i++)
        ok = g->visit(g->ctx, &g->objects[i], err);
    g->count = 0;
    arena_reset(g->arena);
    return ok;
}

static IdxFile copied(Arena *arena, const IdxFile *file)
{
    IdxFile out = *file;
    const char **const texts[] = {&out.sop_instance, &out.sop_class,       &out.series, &out.study,
                                  &out.patient_id,   &out.transfer_syntax, &out.path};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_strdup(arena, *texts[i] ? *texts[i] : "");
    return out;
}

static bool gather(void *ctx, const IdxFile *file, Err *err)
{
    Gathering *g = ctx;
    if (g->count && strcmp(g->study, file->study) != 0 && !hand_out(g, err))
        return false;
    if (!g->count)
        snprintf(g->study, sizeof g->study, "%s", file->study);
    if (g->count == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 256;
        g->objects = realloc(g->objects, g->capacity * sizeof *g->objects);
        if (!g->objects)
            abort();
    }
    IdxFile copy = copied(g->arena, file);
    g->objects[g->count++] = object_of(g->base, g->arena, &copy);
    return true;
}

bool px_base_objects(PxBase *base, const PxSelection *what, PxVisit visit, void *ctx, Err *err)
{
    Gathering g = {.base = base, .arena = arena_new(0), .visit = visit, .ctx = ctx};
    bool ok = px_base_files(base, what, gather, &g, err) && hand_out(&g, err);
    arena_free(g.arena);
    free(g.objects);
    return ok;
}

/* -- one -- */

bool px_base_object(PxBase *base, Arena *arena, const char *sop_instance, PxObject *out, Err *err)
{
    Index *index = px_base_index(base, err);
    IdxFile file;
    if (!index || !idx_instance(index, arena, sop_instance, &file, err))
        return false;
    *out = object_of(base, arena, &file);
    return true;
}

typedef struct First {
    char *path; /* the least one so far */
} First;

static bool keep_least(void *ctx, const IdxFile *file, Err *err)
{
    First *first = ctx;
    if (first->path && strcmp(first->path, file->path) <= 0)
        return true;
    free(first->path);
    first->path = strdup(file->path);
    if (!first->path)
        abort();
    return true;
}

bool px_base_series_folder(PxBase *base, Arena *arena, const char *series, const char **out, Err *err)
{
    First first = {0};
    bool ok = px_base_files(base, &(PxSelection){.series = series}, keep_least, &first, err);
    if (ok && !first.path)
        ok = err_set(err, ERR_NOT_FOUND, "nothing of series %s is in %s", series, base->settings.log_path);
    char *slash = ok ? strrchr(first.path, '/') : NULL;
    if (slash)
        *slash = 0;
    if (ok)
        *out = arena_strdup(arena, first.path);
    free(first.path);
    return ok;
}

bool px_base_took(PxBase *base, const char *sop_instance, Err *err)
{
    PxTree *tree;
    PxObject object;
    if (!px_base_tree(base, &tree, err) || !tree)
        return !base->settings.tree;
    Arena *arena = arena_new(0);
    bool ok = px_base_object(base, arena, sop_instance, &object, err) && px_tree_object(tree, &object, err);
    arena_free(arena);
    return ok;
}
