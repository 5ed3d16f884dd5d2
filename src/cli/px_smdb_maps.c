// SPDX-License-Identifier: MIT
/* Actions of px-smdb that read objects again: files that are not in the database, or have changed under its hands. */
#include "archive/indexing.h"
#include "cli/px_smdb.h"
#include "cli/stopping.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "px/head.h"

#include <string.h>
#include <unistd.h>

/* Of the file, or of every file in the folder. */
static bool index_again(Smdb *smdb, const char *path, uint64_t *added, Err *err)
{
    Archive *archive = px_base_archive(smdb->base, err);
    ArcIndexed counts = {0};
    ArcIndexing wish = {.folder = path, .verify = true, .threads = 1, .stop = stopping_watch()};
    bool ok = archive && arc_index_folder(archive, &wish, &counts, err);
    *added = counts.added;
    return ok;
}

/* -- what pypx tells of a file -- */

static bool note_study(void *ctx, const PxSeriesRow *row, Err *err)
{
    json_t *list = ctx, *item;
    size_t i;
    (void)err;
    json_array_foreach(list, i, item) if (strcmp(json_string_value(item), row->study) == 0) return true;
    json_array_append_new(list, px_text(row->study));
    return true;
}

static json_t *keyed(const char *key, json_t *value)
{
    json_t *object = json_object();
    json_object_set_new(object, key, value);
    return object;
}

static json_t *maps_of(const DcmDataset *dataset, const PxObject *object, json_t *studies, bool changed,
                       Err *err)
{
    json_t *series = px_tree_series(dataset), *image = px_tree_image(series, object, err);
    json_decref(series);
    if (!image)
        return NULL;
    json_t *patient = px_tree_patient(dataset);
    json_object_set(patient, "StudyList", studies);
    json_t *study = json_pack("{s:b,s:o,s:o}", "status", true, "d_studyMeta",
                              keyed(object->study, px_tree_study(dataset)), "d_studySeries",
                              keyed(object->study, px_tree_study_series(dataset, object)));
    json_t *update = json_pack("{s:b,s:b,s:o}", "status", true, "updatesMade", changed, "image",
                               keyed(object->series, image));
    return json_pack("{s:b,s:o,s:o,s:{s:b,s:o}}", "status", true, "d_patientData_process", patient,
                     "d_studyData_process", study, "d_seriesData_process", "status", true, "update", update);
}

/* A tree that is there is kept up to date. */
static bool update_tree(Smdb *smdb, const PxObject *object, Err *err)
{
    const char *log = px_base_log_path(smdb->base);
    if (access(arena_printf(smdb->cli->arena, "%s/seriesData", log), F_OK) != 0)
        return true;
    PxTree *tree = px_tree_open(smdb->base, NULL, err);
    bool ok = tree && px_tree_object(tree, object, err);
    px_tree_close(tree);
    return ok;
}

/* {"status", "mapsUpdateForFile"}; NULL and err. */
static json_t *tell(Smdb *smdb, const char *path, bool changed, Err *err)
{
    Arena *arena = arena_new(0);
    const DcmDataset *dataset = px_head_read(arena, path, NULL, err);
    json_t *studies = json_array(), *maps = NULL;
    PxObject object;
    if (dataset &&
        px_base_object(smdb->base, arena, dcm_text(arena, dataset, DCM_SOPInstanceUID, 0), &object, err) &&
        px_base_series(smdb->base, &(PxSelection){.patient_id = object.patient_id}, note_study, studies,
                       err) &&
        update_tree(smdb, &object, err))
        maps = maps_of(dataset, &object, studies, changed, err);
    json_decref(studies);
    arena_free(arena);
    return maps;
}

/* -- the actions -- */

bool smdb_maps_of_file(Smdb *smdb, Err *err)
{
    const char *path = smdb_file(smdb);
    uint64_t added = 0;
    json_t *maps = NULL;
    bool ok = px_head_read(smdb->cli->arena, path, NULL, err) && index_again(smdb, path, &added, err) &&
              (maps = tell(smdb, path, added > 0, err));
    json_object_set_new(smdb->result, "status", json_boolean(ok));
    if (ok)
        json_object_set_new(smdb->result, smdb->verb, maps);
    return ok || err_wrap(err, "%.300s", path);
}

typedef struct Paths {
    Smdb *smdb;
    json_t *folders, *files; /* names are members */
} Paths;

static bool note_path(void *ctx, const PxObject *object, Err *err)
{
    Paths *paths = ctx;
    const char *slash = strrchr(object->path, '/');
    (void)err;
    Arena *arena = arena_new(0);
    json_object_set_new(
        paths->folders,
        arena_span_cstr(arena, span_of(object->path, slash ? (size_t)(slash - object->path) : 0)),
        json_true());
    json_object_set_new(paths->files, object->path, json_true());
    arena_free(arena);
    return true;
}

static bool tell_all(Smdb *smdb, const char *patient, Paths *paths, Err *err)
{
    const char *folder, *path;
    json_t *value;
    uint64_t added;
    bool ok = true;
    json_object_foreach(paths->folders, folder, value) ok = ok && index_again(smdb, folder, &added, err);
    ok = ok && px_base_objects(smdb->base, &(PxSelection){.patient_id = patient}, note_path, paths, err);
    json_object_foreach(paths->files, path, value)
    {
        Err why = {0};
        json_t *maps = ok ? tell(smdb, path, false, &why) : NULL;
        if (maps)
            json_object_set_new(smdb->result, path,
                                json_pack("{s:b,s:o}", "status", true, "mapsUpdateForFile", maps));
        else if (ok)
            json_object_set_new(smdb->result, path,
                                json_pack("{s:b,s:s}", "status", false, "error", why.text));
    }
    return ok;
}

bool smdb_maps_of_patient(Smdb *smdb, Err *err)
{
    bool found = false;
    const char *patient = smdb_subject(smdb, "");
    Paths paths = {smdb, json_object(), json_object()};
    json_t *images = smdb_images_of_patient(smdb->base, patient, &found, err);
    bool ok = images != NULL;
    if (ok) {
        json_object_set_new(smdb->result, "d_imageInfo", images);
        json_object_set_new(smdb->result, "status", json_boolean(found));
    }
    ok = ok && (found || err_set(err, ERR_NOT_FOUND, "nothing of this patient is in %s",
                                 px_base_log_path(smdb->base)));
    ok = ok && px_base_objects(smdb->base, &(PxSelection){.patient_id = patient}, note_path, &paths, err) &&
         tell_all(smdb, patient, &paths, err);
    json_decref(paths.folders);
    json_decref(paths.files);
    return ok;
}
