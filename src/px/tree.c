// SPDX-License-Identifier: MIT
/*
 * Writing a tree. Objects come series by series as a rule, so the model of the last series is kept; where it changes, the files of series, study and patient are looked at
 * and made when they are not there. A file that is damaged is made again.
 */
#include "base/file.h"
#include "px/head.h"
#include "px/tree_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct PxTree {
    PxBase *base;
    int root;
    pthread_mutex_t lock; /* guards the three below */
    char *study, *series; /* the last ones, whose files are all there */
    json_t *model;        /* of the series */
};

/* What is known of one object while its files are written. */
typedef struct Work {
    PxTree *tree;
    Arena *arena;
    const PxObject *object;
    const DcmDataset *dataset; /* read when it is first needed */
} Work;

PxTree *px_tree_open(PxBase *base, const char *root, Err *err)
{
    int fd = file_open_dir(root ? root : px_base_log_path(base), true, err);
    if (fd < 0)
        return NULL;
    PxTree *tree = calloc(1, sizeof *tree);
    if (!tree)
        abort();
    tree->base = base;
    tree->root = fd;
    px_tree_tidy(fd);
    pthread_mutex_init(&tree->lock, NULL);
    return tree;
}

void px_tree_close(PxTree *tree)
{
    if (!tree)
        return;
    json_decref(tree->model);
    free(tree->study);
    free(tree->series);
    pthread_mutex_destroy(&tree->lock);
    close(tree->root);
    free(tree);
}

static const DcmDataset *dataset_of(Work *w, Err *err)
{
    if (!w->dataset)
        w->dataset = px_head_read(w->arena, w->object->path, NULL, err);
    if (!w->dataset)
        err_wrap(err, "object %s", w->object->sop_instance);
    return w->dataset;
}

/* {key: model} of a file, as far as it is there and whole: a new reference to the model. *damaged: it is there, but cannot be used. */
static json_t *read_model(Work *w, const char *name, const char *key, bool *damaged, Err *err)
{
    Err why = {0};
    json_t *file = px_tree_get(w->tree->root, name, &why);
    json_t *model = json_incref(json_object_get(file, key));
    *damaged = why.code != ERR_NOT_FOUND && !json_object_size(model);
    json_decref(file);
    if (why.code != ERR_NONE && why.code != ERR_NOT_FOUND && why.code != ERR_FORMAT && err)
        *err = why;
    if (json_object_size(model))
        return model;
    json_decref(model);
    return NULL;
}

typedef json_t *(*MakeModel)(Work *w);

static json_t *make_study(Work *w)
{
    return px_tree_study(w->dataset);
}

static json_t *make_series(Work *w)
{
    return px_tree_series(w->dataset);
}

static json_t *make_study_series(Work *w)
{
    return px_tree_study_series(w->dataset, w->object);
}

/* The model under `key`, made of this object when the file does not say it. A new reference; NULL and err. */
static json_t *model_of(Work *w, const char *name, const char *key, MakeModel make, Err *err)
{
    bool damaged;
    Err why = {0};
    json_t *model = read_model(w, name, key, &damaged, &why);
    if (model)
        return model;
    if (why.code != ERR_NONE) {
        if (err)
            *err = why;
        return NULL;
    }
    if (!dataset_of(w, err))
        return NULL;
    model = make(w);
    json_t *file = json_object();
    json_object_set(file, key, model);
    bool ok = px_tree_put(w->tree->root, name, file, damaged ? PX_TREE_REPLACE : PX_TREE_FIRST, err);
    json_decref(file);
    if (ok)
        return model;
    json_decref(model);
    return NULL;
}

static bool ensure(Work *w, const char *name, const char *key, MakeModel make, Err *err)
{
    json_t *model = model_of(w, name, key, make, err);
    json_decref(model);
    return model != NULL;
}

/* -- the patient -- */

static bool lists(const json_t *model, const char *study)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(model, "StudyList"), i, item)
    {
        const char *one = json_string_value(item);
        if (one && strcmp(one, study) == 0)
            return true;
    }
    return false;
}

/* Programs that wrote other patients' identifiers into the file, without content, are not followed. */
static json_t *with_study(Work *w, const char *name, const char *patient, Err *err)
{
    bool damaged;
    Err why = {0};
    json_t *model = read_model(w, name, patient, &damaged, &why);
    if (why.code != ERR_NONE && err)
        *err = why;
    if (why.code != ERR_NONE || (!model && !dataset_of(w, err)))
        return NULL;
    if (!model)
        model = px_tree_patient(w->dataset);
    if (!json_is_array(json_object_get(model, "StudyList")))
        json_object_set_new(model, "StudyList", json_array());
    if (!lists(model, w->object->study))
        json_array_append_new(json_object_get(model, "StudyList"), px_text(w->object->study));
    return model;
}

static bool add_study(Work *w, const char *name, const char *patient, Err *err)
{
    int lock = px_tree_lock(w->tree->root, "patientData", err);
    if (lock < 0)
        return false;
    json_t *model = with_study(w, name, patient, err), *file = json_object();
    bool ok = model != NULL;
    if (ok)
        json_object_set_new(file, patient, model);
    ok = ok && px_tree_put(w->tree->root, name, file, PX_TREE_REPLACE, err);
    json_decref(file);
    close(lock);
    return ok;
}

static bool ensure_patient(Work *w, const char *patient, Err *err)
{
    bool damaged;
    const char *name = px_tree_name(w->arena, PX_TREE_PATIENT, patient, NULL);
    json_t *model = read_model(w, name, patient, &damaged, NULL);
    bool there = model && lists(model, w->object->study);
    json_decref(model);
    return there || add_study(w, name, patient, err);
}

/* -- the object -- */

static bool ensure_pack(Work *w, Err *err)
{
    const char *name = px_tree_table_name(w->arena, PX_TABLE_PACK, w->object->series);
    return faccessat(w->tree->root, name, F_OK, 0) == 0 ||
           px_tree_record(w->tree, PX_TABLE_PACK, w->object->series, err);
}

static bool enter_series(Work *w, Err *err)
{
    const PxObject *o = w->object;
    const char *series = px_tree_name(w->arena, PX_TREE_SERIES, o->series, NULL);
    json_t *model = model_of(w, series, o->series, make_series, err);
    const char *patient = json_string_value(json_object_get(model, "PatientID"));
    bool ok = model &&
              ensure(w, px_tree_name(w->arena, PX_TREE_STUDY, o->study, NULL), o->study, make_study, err) &&
              ensure(w, px_tree_name(w->arena, PX_TREE_STUDY_SERIES, o->study, o->series), o->study,
                     make_study_series, err) &&
              ensure_patient(w, patient ? patient : o->patient_id, err) && ensure_pack(w, err);
    if (!ok) {
        json_decref(model);
        return false;
    }
    json_decref(w->tree->model);
    free(w->tree->study);
    free(w->tree->series);
    w->tree->model = model;
    w->tree->study = strdup(o->study);
    w->tree->series = strdup(o->series);
    return true;
}

static bool is_entered(const Work *w)
{
    const PxTree *tree = w->tree;
    return tree->study && tree->series && strcmp(tree->study, w->object->study) == 0 &&
           strcmp(tree->series, w->object->series) == 0;
}

static bool write_object(Work *w, Err *err)
{
    PxTree *tree = w->tree;
    if (!is_entered(w) && !enter_series(w, err))
        return false;
    json_t *image = px_tree_image(tree->model, w->object, err);
    if (!image)
        return false;
    json_t *file = json_object();
    json_object_set_new(file, w->object->series, image);
    const char *name =
        px_tree_name(w->arena, PX_TREE_IMAGE, w->object->series, px_tree_image_name(w->object->path));
    bool ok = px_tree_put(tree->root, name, file, PX_TREE_REPLACE, err);
    json_decref(file);
    return ok;
}

bool px_tree_object(PxTree *tree, const PxObject *object, Err *err)
{
    Work w = {.tree = tree, .arena = arena_new(0), .object = object};
    pthread_mutex_lock(&tree->lock);
    bool ok = write_object(&w, err);
    pthread_mutex_unlock(&tree->lock);
    arena_free(w.arena);
    return ok || err_wrap(err, "tree of JSON records");
}

/* -- tables -- */

/* What lies in the packed tree is packed, whoever put it there. */
static json_t *table_of(PxTree *tree, PxTable table, const char *series, Err *err)
{
    json_t *record = NULL;
    if (!px_record_read(tree->base, table, series, &record, err))
        return NULL;
    if (table != PX_TABLE_PACK)
        return record ? record : json_object();
    record = record ? record : json_object();
    if (!json_object_get(record, "seriesPack"))
        json_object_set_new(record, "seriesPack", json_true());
    return record;
}

/* The table is read under the lock, so that of two writers the later one writes what is newer. */
bool px_tree_record(PxTree *tree, PxTable table, const char *series, Err *err)
{
    int lock = px_tree_lock(tree->root, "seriesData", err);
    if (lock < 0)
        return false;
    Arena *arena = arena_new(0);
    json_t *record = table_of(tree, table, series, err);
    bool ok = record &&
              (!json_object_size(record) || px_tree_put(tree->root, px_tree_table_name(arena, table, series),
                                                        record, PX_TREE_REPLACE, err));
    json_decref(record);
    arena_free(arena);
    close(lock);
    return ok;
}
