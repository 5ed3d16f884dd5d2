// SPDX-License-Identifier: MIT
/* Actions of px-smdb that say where things are. */
#include "cli/px_smdb.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "px/head.h"
#include "px/tables.h"

#include <string.h>

/* -- folders of a patient -- */

typedef struct Images {
    json_t *series, *folders; /* by study */
    json_t *seen;             /* series */
} Images;

static json_t *list_of(json_t *by_study, const char *study)
{
    json_t *list = json_object_get(by_study, study);
    if (!list) {
        list = json_array();
        json_object_set_new(by_study, study, list);
    }
    return list;
}

static json_t *image_of(const PxObject *object, Err *err)
{
    Arena *arena = arena_new(0);
    const DcmDataset *dataset = px_head_read(arena, object->path, NULL, err);
    json_t *series = dataset ? px_tree_series(dataset) : NULL;
    json_t *image = series ? px_tree_image(series, object, err) : NULL;
    json_decref(series);
    arena_free(arena);
    return image;
}

/* The first object of each series stands for it; one whose file is gone leaves that to the next. */
static bool note_first(void *ctx, const PxObject *object, Err *err)
{
    Images *images = ctx;
    const char *slash = strrchr(object->path, '/');
    (void)err;
    if (json_object_get(images->seen, object->series))
        return true;
    json_t *image = image_of(object, NULL), *one = json_object();
    if (image) {
        json_object_set_new(images->seen, object->series, json_true());
        json_object_set(one, object->series, image);
        json_array_append(list_of(images->series, object->study), one);
        json_array_append_new(list_of(images->folders, object->study),
                              json_stringn(object->path, slash ? (size_t)(slash - object->path) : 0));
    }
    json_decref(image);
    json_decref(one);
    return true;
}

json_t *smdb_images_of_patient(PxBase *base, const char *patient, bool *found, Err *err)
{
    Images images = {json_object(), json_object(), json_object()};
    bool ok = px_base_objects(base, &(PxSelection){.patient_id = patient}, note_first, &images, err);
    *found = ok && json_object_size(images.series) > 0;
    json_t *result = ok ? json_pack("{s:b,s:o,s:O,s:O}", "status", *found, "PatientID", px_text(patient),
                                    "d_series", images.series, "d_imageDirs", images.folders)
                        : NULL;
    json_decref(images.series);
    json_decref(images.folders);
    json_decref(images.seen);
    return result;
}

bool smdb_image_dirs_of_patient(Smdb *smdb, Err *err)
{
    bool found;
    const char *patient = smdb_subject(smdb, "");
    json_t *images = smdb_images_of_patient(smdb->base, patient, &found, err);
    if (!images)
        return false;
    json_object_update(smdb->result, images);
    json_decref(images);
    return found ||
           err_set(err, ERR_NOT_FOUND, "nothing of this patient is in %s", px_base_log_path(smdb->base));
}

/* -- the folder of a series -- */

bool smdb_image_dirs_of_series(Smdb *smdb, Err *err)
{
    const char *series = smdb_subject(smdb, smdb->args->series), *folder, *log = px_base_log_path(smdb->base);
    Arena *arena = smdb->cli->arena;
    bool ok = px_base_series_folder(smdb->base, arena, series, &folder, err);
    if (!ok)
        folder = arena_printf(arena, "%s/%s", log, px_tree_name(arena, PX_TREE_IMAGE, series, NULL));
    json_object_set_new(smdb->result, "status", json_boolean(ok));
    json_object_set_new(smdb->result, "error", json_string(""));
    json_object_set_new(smdb->result, series, px_text(folder));
    return ok;
}

bool smdb_series_location(Smdb *smdb, Err *err)
{
    const char *series = smdb_subject(smdb, smdb->args->series), *folder = NULL;
    bool ok = px_base_series_folder(smdb->base, smdb->cli->arena, series, &folder, err);
    json_object_set_new(smdb->result, "status", json_boolean(ok));
    json_object_set_new(smdb->result, smdb->verb, ok ? px_text(folder) : json_null());
    return ok;
}

/* -- which files pypx has of an object's patient, study, series -- */

static bool note_row(void *ctx, const PxSeriesRow *row, Err *err)
{
    (void)row;
    (void)err;
    *(bool *)ctx = true;
    return true;
}

static bool look_for(Smdb *smdb, const PxSelection *what, bool *out, Err *err)
{
    *out = false;
    return px_base_series(smdb->base, what, note_row, out, err);
}

static bool tables_of(Smdb *smdb, const DcmDataset *dataset, json_t **out, Err *err)
{
    Arena *arena = smdb->cli->arena;
    const char *log = px_base_log_path(smdb->base), *file = smdb_file(smdb);
    const char *patient = dcm_text(arena, dataset, DCM_PatientID, 0),
               *study = dcm_text(arena, dataset, DCM_StudyInstanceUID, 0),
               *series = dcm_text(arena, dataset, DCM_SeriesInstanceUID, 0);
    bool one = false, other = false;
    PxThere there;
    PxObject object;
    switch (smdb->verb[1]) {
    case 'a':
        if (!look_for(smdb, &(PxSelection){.patient_id = patient}, &one, err))
            return false;
        *out = px_tables_of_patient(log, patient, one);
        return true;
    case 't':
        if (!look_for(smdb, &(PxSelection){.study = study}, &one, err) ||
            !look_for(smdb, &(PxSelection){.study = study, .series = series}, &other, err))
            return false;
        *out = px_tables_of_study(log, study, one, series, other);
        return true;
    default:
        if (!px_look_at_series(smdb->base, series, &there, err))
            return false;
        there.image =
            px_base_object(smdb->base, arena, dcm_text(arena, dataset, DCM_SOPInstanceUID, 0), &object, NULL);
        *out = px_tables_of_series(log, series, file, &there);
        return true;
    }
}

bool smdb_tables(Smdb *smdb, Err *err)
{
    Arena *arena = smdb->cli->arena;
    const char *file = smdb_file(smdb);
    json_t *tables = NULL;
    const DcmDataset *dataset = px_head_read(arena, file, NULL, err);
    if (!dataset)
        json_object_set_new(smdb->result, "error_message",
                            px_text(arena_printf(arena, "Unable to process a valid DICOM %s", file)));
    if (!dataset || !tables_of(smdb, dataset, &tables, err))
        return err_wrap(err, "%s", file);
    json_object_set_new(smdb->result, smdb->verb, tables);
    return true;
}
