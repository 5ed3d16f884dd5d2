// SPDX-License-Identifier: MIT
#include "index/object_row.h"

#include "index/internal.h"

#include "base/clock.h"
#include "dicom/tags.h"
#include "dicom/value.h"

enum { FILE_TEXT_CHARS = 64 };

const char *idx_now(Arena *arena)
{
    char text[32];
    clock_format(clock_wall_us(), true, text);
    return arena_strdup(arena, text);
}

IdxObject idx_object(Arena *arena, const IdxFile *file, const DcmDataset *head)
{
    const char *charset = dcm_text_all(arena, head, DCM_SpecificCharacterSet);
    return (IdxObject){.arena = arena,
                       .file = file,
                       .head = head,
                       .now = idx_now(arena),
                       .charset = charset ? charset : "",
                       .key = {[DCM_LEVEL_PATIENT] = idx_key(arena, span_cstr(file->patient_id)),
                               [DCM_LEVEL_STUDY] = idx_key(arena, span_cstr(file->study)),
                               [DCM_LEVEL_SERIES] = idx_key(arena, span_cstr(file->series)),
                               [DCM_LEVEL_IMAGE] = idx_key(arena, span_cstr(file->sop_instance))}};
}

DcmDataset *idx_object_row(const IdxObject *o, const IdxAttributes *set, DcmLevel level)
{
    const char *const uids[] = {NULL, o->file->study, o->file->series, o->file->sop_instance};
    DcmDataset *row = idx_row_of_object(o->arena, set, o->head, level);
    if (level != DCM_LEVEL_PATIENT)
        dcm_put_utf8(row, dcm_level_unique_key(level), uids[level]);
    else if (!dcm_find(row, DCM_PatientID))
        dcm_put_utf8(row, DCM_PatientID, o->file->patient_id);
    if (level == DCM_LEVEL_IMAGE && o->file->sop_class && *o->file->sop_class)
        dcm_put_utf8(row, DCM_SOPClassUID, o->file->sop_class);
    return row;
}

static void bind_cut(DbStatement *s, const char *text)
{
    if (text)
        db_bind_text(s, idx_cut(span_cstr(text), FILE_TEXT_CHARS));
    else
        db_bind_null(s);
}

static void bind_moment(DbStatement *s, Arena *arena, int64_t us)
{
    char text[32];
    clock_format(us, false, text);
    db_bind_cstr(s, arena_strdup(arena, text));
}

static void bind_file(DbStatement *s, const IdxObject *o)
{
    const IdxFile *f = o->file;
    db_bind_cstr(s, f->storage_method ? f->storage_method : "FS");
    db_bind_cstr(s, f->path ? f->path : "");
    db_bind_int(s, (int64_t)f->size);
    db_bind_int(s, 0);
    bind_moment(s, o->arena, f->begin_us);
    bind_moment(s, o->arena, f->end_us);
    db_bind_text(s, o->key[DCM_LEVEL_SERIES]);
    db_bind_text(s, o->key[DCM_LEVEL_STUDY]);
    db_bind_text(s, o->key[DCM_LEVEL_PATIENT]);
    bind_cut(s, f->transfer_syntax);
    bind_cut(s, f->source_ae);
    db_bind_int(s, (int64_t)f->data_offset);
    db_bind_blob(s, span_of(f->sha256, sizeof f->sha256));
    db_bind_blob(s, span_of(f->content, sizeof f->content));
    db_bind_int(s, f->begin_us);
    db_bind_int(s, f->end_us);
    db_bind_int(s, o->id[DCM_LEVEL_SERIES]);
    db_bind_int(s, o->id[DCM_LEVEL_STUDY]);
    db_bind_int(s, o->id[DCM_LEVEL_PATIENT]);
}

static void bind_extras(DbStatement *s, const IdxObject *o, DcmLevel level)
{
    switch (level) {
    case DCM_LEVEL_STUDY:
        db_bind_text(s, o->key[DCM_LEVEL_PATIENT]);
        db_bind_int(s, o->id[DCM_LEVEL_PATIENT]);
        break;
    case DCM_LEVEL_SERIES:
        db_bind_text(s, o->key[DCM_LEVEL_STUDY]);
        db_bind_text(s, o->key[DCM_LEVEL_PATIENT]);
        db_bind_cstr(s, o->now);
        db_bind_cstr(s, o->now);
        db_bind_int(s, o->id[DCM_LEVEL_STUDY]);
        db_bind_int(s, o->id[DCM_LEVEL_PATIENT]);
        break;
    case DCM_LEVEL_IMAGE:
        bind_file(s, o);
        break;
    case DCM_LEVEL_PATIENT:
        break;
    }
}

bool idx_object_bind(DbStatement *s, const IdxObject *o, const DcmDataset *row, DcmLevel level, bool insert,
                     Err *err)
{
    db_bind_cstr(s, o->now);
    db_bind_cstr(s, o->charset);
    if (!idx_row_bind(s, o->arena, row, level, o->key[level], err))
        return false;
    if (insert || level == DCM_LEVEL_IMAGE)
        bind_extras(s, o, level);
    return true;
}
