// SPDX-License-Identifier: MIT
#include "px/pack_result.h"

#include "px/document.h"
#include "px/head.h"
#include "px/tree.h"

#include <string.h>

/* Folder and name of a path; "." for none. */
static json_t *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return json_string(".");
    Buf folder;
    buf_init(&folder, 0);
    buf_append(&folder, path, slash > path ? (size_t)(slash - path) : 1);
    json_t *text = px_text(buf_cstr(&folder));
    buf_free(&folder);
    return text;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* -- d_mapsUpdate -- */

static json_t *under(const char *name, json_t *value)
{
    json_t *object = json_object();
    json_object_set_new(object, name, value);
    return object;
}

static json_t *patient(const DcmDataset *dataset, const PxObject *object)
{
    json_t *model = px_tree_patient(dataset), *studies = json_array();
    json_array_append_new(studies, px_text(object->study));
    json_object_set_new(model, "StudyList", studies);
    return model;
}

static json_t *study(const DcmDataset *dataset, const PxObject *object)
{
    json_t *process = json_object();
    json_object_set_new(process, "status", json_true());
    json_object_set_new(process, "d_studyMeta", under(object->study, px_tree_study(dataset)));
    json_object_set_new(
        process, "d_studySeries",
        under(object->study, json_pack("{s:o,s:o}", "SeriesInstanceUID", px_text(object->series),
                                       "SeriesBaseDir", folder_of(object->path))));
    return process;
}

static json_t *series(const DcmDataset *dataset, const PxObject *object, bool made)
{
    json_t *model = px_tree_series(dataset), *image = px_tree_image(model, object, NULL);
    json_t *update = json_object(), *process = json_object();
    json_object_set_new(update, "status", json_boolean(image != NULL));
    json_object_set_new(update, "updatesMade", json_boolean(made));
    json_object_set_new(update, "image", under(object->series, image ? image : json_object()));
    json_object_set_new(process, "status", json_boolean(image != NULL));
    json_object_set_new(process, "update", update);
    json_decref(model);
    return process;
}

static json_t *maps_update(const PxPacked *packed, const DcmDataset *dataset)
{
    json_t *maps = json_object();
    const PxObject *object = packed->object;
    if (!packed->ok || !dataset)
        return maps;
    json_object_set_new(maps, "status", json_true());
    json_object_set_new(maps, "d_patientData_process", patient(dataset, object));
    json_object_set_new(maps, "d_studyData_process", study(dataset, object));
    json_object_set_new(maps, "d_seriesData_process",
                        series(dataset, object, packed->stored.outcome != ARC_SAME));
    return maps;
}

/* -- d_DICOMfile_save -- */

static json_t *simple(const PxObject *object, const DcmDataset *dataset)
{
    json_t *all = json_object(), *described = dataset ? px_tree_study_series(dataset, object) : NULL, *tag;
    const char *keyword;
    json_object_foreach(json_object_get(described, "DICOM"), keyword, tag)
    {
        json_object_set(all, keyword, json_object_get(tag, "value"));
    }
    json_decref(described);
    return all;
}

static json_t *file_read(const PxPacked *packed, const DcmDataset *dataset)
{
    json_t *read = json_object(), *dicom = json_object();
    bool was_read = packed->object != NULL;
    json_object_set_new(dicom, "str_dicomFile", px_text(packed->source));
    json_object_set_new(dicom, "d_dicomSimple", was_read ? simple(packed->object, dataset) : json_object());
    json_object_set_new(read, "method", json_string("DICOMfile_read"));
    json_object_set_new(read, "status", json_boolean(was_read));
    json_object_set_new(read, "inputPath", folder_of(packed->source));
    json_object_set_new(read, "inputFileName", px_text(name_of(packed->source)));
    json_object_set_new(read, "d_DICOM", dicom);
    json_object_set_new(read, "d_DICOMprocess",
                        json_pack("{s:s,s:b,s:o}", "method", "dcm_dicomDictsProcess", "status", (int)was_read,
                                  "error", px_text(was_read ? "" : packed->err.text)));
    return read;
}

static json_t *file_save(const PxPacked *packed, const DcmDataset *dataset)
{
    const char *path = packed->ok ? packed->object->path : "";
    json_t *save = json_object();
    json_object_set_new(save, "method", json_string("DICOMfile_save"));
    json_object_set_new(save, "outputDir", packed->ok ? folder_of(path) : json_string(""));
    json_object_set_new(save, "outputFile", px_text(name_of(path)));
    json_object_set_new(save, "shutilpath", px_text(path));
    json_object_set_new(save, "status", json_boolean(packed->ok));
    json_object_set_new(save, "errorDir", json_string(""));
    json_object_set_new(save, "errorCopy", px_text(packed->ok ? "" : packed->err.text));
    json_object_set_new(save, "d_DICOMfile_read", file_read(packed, dataset));
    return save;
}

static json_t *cleanup_of(const PxPacked *packed)
{
    Buf message;
    buf_init(&message, 0);
    buf_printf(&message, packed->removed ? "%s successfully deleted" : "%s stays where it is",
               packed->source);
    json_t *cleanup = json_pack("{s:b,s:o,s:o}", "status", (int)packed->removed, "error",
                                px_text(packed->err.text), "message", px_text(buf_cstr(&message)));
    buf_free(&message);
    return cleanup;
}

json_t *px_pack_result(const PxPacked *packed, bool cleanup)
{
    Arena *arena = arena_new(0);
    const DcmDataset *dataset =
        packed->object ? px_head_read(arena, packed->object->path, NULL, &(Err){0}) : NULL;
    json_t *result = json_object();
    json_object_set_new(result, "status", json_boolean(packed->ok));
    json_object_set_new(result, "d_mapsUpdate", maps_update(packed, dataset));
    json_object_set_new(result, "d_DICOMfile_save", file_save(packed, dataset));
    if (cleanup)
        json_object_set_new(result, "cleanup", cleanup_of(packed));
    json_object_set_new(result, "outcome",
                        px_text(packed->ok ? arc_outcome_text(packed->stored.outcome) : "failed"));
    json_object_set_new(result, "beside", json_boolean(packed->ok && packed->stored.beside));
    json_object_set_new(result, "error", px_text(packed->err.text));
    arena_free(arena);
    return result;
}

/* -- a line -- */

static json_t *or_null(bool there, const char *text)
{
    return there ? px_text(text) : json_null();
}

json_t *px_pack_line(const PxPacked *packed)
{
    const PxObject *object = packed->ok ? packed->object : NULL;
    json_t *line = json_object();
    json_object_set_new(line, "src", px_text(packed->source));
    json_object_set_new(line, "dst", or_null(object, object ? object->path : NULL));
    json_object_set_new(line, "err", or_null(packed->err.code, packed->err.text));
    json_object_set_new(line, "outcome",
                        px_text(object ? arc_outcome_text(packed->stored.outcome) : "failed"));
    json_object_set_new(line, "beside", json_boolean(object && packed->stored.beside));
    json_object_set_new(line, "removed", json_boolean(packed->removed));
    json_object_set_new(line, "StudyInstanceUID", or_null(object, object ? object->study : NULL));
    json_object_set_new(line, "SeriesInstanceUID", or_null(object, object ? object->series : NULL));
    json_object_set_new(line, "SOPInstanceUID", or_null(object, object ? object->sop_instance : NULL));
    return line;
}
