// SPDX-License-Identifier: MIT
/* Everything into a tree. Objects come study after study; what cannot be written for one of them does not hold up the others, unless the disk refuses. */
#include "px/tree_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct Exporting {
    const PxExport *wish;
    PxTree *tree;
    PxExported *out;
    char study[65];
    json_t *series; /* of this study, those seen */
} Exporting;

static void count_parents(Exporting *e, const PxObject *object)
{
    if (!e->out->objects || strcmp(e->study, object->study) != 0) {
        snprintf(e->study, sizeof e->study, "%s", object->study);
        json_object_clear(e->series);
        e->out->studies++;
    }
    if (!json_object_get(e->series, object->series)) {
        json_object_set_new(e->series, object->series, json_true());
        e->out->series++;
    }
}

/* Is it the object's fault, not the tree's? */
static bool is_of_object(const Err *why)
{
    return why->code == ERR_NOT_FOUND || why->code == ERR_FORMAT || why->code == ERR_UNSUPPORTED ||
           why->code == ERR_LIMIT;
}

static bool export_object(void *ctx, const PxObject *object, Err *err)
{
    Exporting *e = ctx;
    const PxTreeTold *told = &e->wish->told;
    Err why = {0};
    if (e->wish->stop && atomic_load(e->wish->stop))
        return err_set(err, ERR_CANCELLED,
                       "stopped before the end; the same command goes on where it stopped");
    if (px_tree_object(e->tree, object, &why)) {
        count_parents(e, object);
        e->out->objects++;
        if (told->step)
            told->step(told->ctx, e->out->objects);
        return true;
    }
    if (!is_of_object(&why)) {
        if (err)
            *err = why;
        return false;
    }
    e->out->failed++;
    if (told->passed_over)
        told->passed_over(told->ctx, object->path, why.text);
    return true;
}

/* -- tables -- */

typedef struct Named {
    PxTable table;
    const char *series;
} Named;

typedef struct Names {
    Arena *arena;
    Named *items;
    size_t count, capacity;
} Names;

static bool gather(void *ctx, PxTable table, const char *series, Err *err)
{
    Names *names = ctx;
    (void)err;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 256;
        names->items = realloc(names->items, names->capacity * sizeof *names->items);
        if (!names->items)
            abort();
    }
    names->items[names->count++] = (Named){table, arena_strdup(names->arena, series)};
    return true;
}

static bool export_tables(PxBase *base, Exporting *e, Err *err)
{
    Names names = {.arena = arena_new(0)};
    bool ok = px_records_visit(base, gather, &names, err);
    for (size_t i = 0; ok && i < names.count; i++) {
        ok = px_tree_record(e->tree, names.items[i].table, names.items[i].series, err);
        e->out->records += ok;
    }
    free(names.items);
    arena_free(names.arena);
    return ok;
}

bool px_tree_export(PxBase *base, const PxExport *wish, PxExported *out, Err *err)
{
    *out = (PxExported){0};
    Exporting e = {.wish = wish, .tree = px_tree_open(base, wish->root, err), .out = out};
    if (!e.tree)
        return false;
    e.series = json_object();
    bool ok =
        px_base_objects(base, &(PxSelection){0}, export_object, &e, err) && export_tables(base, &e, err);
    json_decref(e.series);
    px_tree_close(e.tree);
    return ok;
}
