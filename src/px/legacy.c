// SPDX-License-Identifier: MIT
#include "px/legacy.h"

#include "base/file.h"
#include "dicom/dict.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "px/head.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VALUE_MAX = 64, LEVELS = 3 };

static const char no_value[] = "no value provided";
static const char receiving[] = "receiving.series", received[] = "series.info";

/* -- names -- */

/* Each character outside is one '.', however many bytes it has. */
static void append_safe(Buf *out, const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && n < VALUE_MAX; p++) {
        if ((*p & 0xC0) == 0x80)
            continue;
        buf_u8(out, *p < 0x80 && isalnum(*p) ? *p : '.');
        n++;
    }
}

static const char *value_of(Arena *arena, const DcmDataset *dataset, DcmTag tag)
{
    const char *value = dcm_text_all(arena, dataset, tag);
    return value && *value ? value : no_value;
}

static void append_folder(Buf *out, Arena *arena, const DcmDataset *dataset, const DcmTag *tags, size_t count)
{
    size_t from = out->n;
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_u8(out, '-');
        append_safe(out, value_of(arena, dataset, tags[i]));
    }
    if (out->p[from] == '.') /* a folder that begins with a dot is not looked into */
        out->p[from] = '_';
    buf_u8(out, '/');
}

const char *px_legacy_path(Arena *arena, const DcmDataset *dataset)
{
    static const DcmTag patient[] = {DCM_PatientID, DCM_PatientName},
                        study[] = {DCM_StudyDescription, DCM_StudyDate, DCM_StudyInstanceUID},
                        series[] = {DCM_SeriesDescription, DCM_SeriesDate, DCM_SeriesInstanceUID};
    Buf out;
    int64_t number = 0;
    buf_init(&out, 0);
    append_folder(&out, arena, dataset, patient, 2);
    append_folder(&out, arena, dataset, study, 3);
    append_folder(&out, arena, dataset, series, 3);
    if (dcm_int(dataset, DCM_InstanceNumber, 0, &number) && number >= 0)
        buf_printf(&out, "%05" PRId64 "-", number);
    else
        buf_append_cstr(&out, "no.value.provided-");
    append_safe(&out, value_of(arena, dataset, DCM_SOPInstanceUID));
    buf_append_cstr(&out, ".dcm");
    const char *path = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return path;
}

/* -- the files beside the objects -- */

typedef struct Level {
    const char *section, *file, *map;
    DcmTag id;
    DcmTag tags[8]; /* 0 = no more */
} Level;

/* From the series up, as the folders are. */
static const Level levels[LEVELS] = {
    {"SERIES",
     receiving,
     "series_map",
     DCM_SeriesInstanceUID,
     {DCM_SeriesInstanceUID, DCM_SeriesNumber, DCM_SeriesDescription, DCM_SeriesDate, DCM_Modality,
      DCM_ProtocolName}},
    {"STUDY",
     "study.info",
     "study_map",
     DCM_StudyInstanceUID,
     {DCM_StudyInstanceUID, DCM_StudyDescription, DCM_StudyDate, DCM_AccessionNumber,
      DCM_PerformedStationAETitle}},
    {"PATIENT",
     "patient.info",
     "patient_map",
     DCM_PatientID,
     {DCM_PatientID, DCM_PatientName, DCM_PatientBirthDate, DCM_PatientSex, DCM_PatientAge}},
};

/* A value is one line. */
static void append_member(Buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s = ", name);
    for (const char *p = value; *p; p++)
        buf_u8(out, (unsigned char)*p < 0x20 ? ' ' : (uint8_t)*p);
    buf_u8(out, '\n');
}

static bool write_info(const Level *level, Arena *arena, const char *folder, const DcmDataset *dataset,
                       Err *err)
{
    char *path = file_join(folder, level->file);
    bool ok = true;
    if (access(path, F_OK) != 0) {
        Buf out;
        buf_init(&out, 0);
        buf_printf(&out, "[%s]\n", level->section);
        for (const DcmTag *tag = level->tags; *tag; tag++)
            append_member(&out, dcm_dict(*tag)->keyword, value_of(arena, dataset, *tag));
        buf_u8(&out, '\n');
        ok = file_replace(path, buf_span(&out), 0640, err);
        buf_free(&out);
    }
    free(path);
    return ok;
}

static bool write_map(const Level *level, PxBase *base, Arena *arena, const char *folder,
                      const DcmDataset *dataset, Err *err)
{
    const char *id = value_of(arena, dataset, level->id);
    Buf name;
    buf_init(&name, 0);
    append_safe(&name, id);
    const char *map = arena_printf(arena, "%s/%s", px_base_log_path(base), level->map);
    const char *path = arena_printf(arena, "%s/%s.json", map, buf_cstr(&name));
    buf_free(&name);
    json_t *entry = json_object();
    json_object_set_new(entry, id, json_string(folder));
    char *text = json_dumps(entry, JSON_INDENT(4));
    bool ok = file_make_dirs(map, err) && text && file_replace(path, span_cstr(text), 0640, err);
    free(text);
    json_decref(entry);
    return ok;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, slash && slash > path ? (size_t)(slash - path) : 1);
    if (!folder)
        abort();
    return folder;
}

bool px_legacy_begin(PxBase *base, const char *sop_instance, Err *err)
{
    Arena *arena = arena_new(0);
    PxObject object;
    const DcmDataset *dataset = NULL;
    bool ok = px_base_object(base, arena, sop_instance, &object, err) &&
              (dataset = px_head_read(arena, object.path, NULL, err)) != NULL;
    char *folder = ok ? folder_of(object.path) : NULL;
    for (int i = 0; ok && i < LEVELS; i++) {
        ok = write_info(&levels[i], arena, folder, dataset, err) &&
             write_map(&levels[i], base, arena, folder, dataset, err);
        char *above = folder_of(folder);
        free(folder);
        folder = above;
    }
    free(folder);
    arena_free(arena);
    return ok;
}

bool px_legacy_end(PxBase *base, const char *sop_instance, Err *err)
{
    Arena *arena = arena_new(0);
    PxObject object;
    bool ok = px_base_object(base, arena, sop_instance, &object, err);
    if (ok) {
        char *folder = folder_of(object.path), *from = file_join(folder, receiving),
             *to = file_join(folder, received);
        ok = rename(from, to) == 0 || errno == ENOENT || err_errno(err, errno, "cannot rename %s", from);
        free(folder);
        free(from);
        free(to);
    }
    arena_free(arena);
    return ok;
}
