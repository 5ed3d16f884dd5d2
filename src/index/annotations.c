// SPDX-License-Identifier: MIT
#include "index/annotations.h"

#include "base/clock.h"
#include "index/internal.h"
#include "index/row.h"

#include <string.h>
#include <strings.h>

enum { MEDIA_CHARS = 255, NAME_CHARS = 255, AUTHOR_CHARS = 64 };

static const struct {
    const char *name, *find;
} levels[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_STUDY] = {"study", "SELECT study_id FROM study WHERE study_uid = ?"},
    [DCM_LEVEL_SERIES] = {"series", "SELECT series_id FROM series WHERE series_uid = ?"},
    [DCM_LEVEL_IMAGE] = {"instance", "SELECT file_storage_metadata_dicom_id FROM file_storage_metadata_dicom "
                                     "WHERE instance_uid = ?"},
};

const char *idx_annotation_level_name(DcmLevel level)
{
    return levels[level].name ? levels[level].name : "patient";
}

bool idx_annotation_level(Span name, DcmLevel *out)
{
    for (int level = DCM_LEVEL_STUDY; level < DCM_LEVEL_COUNT; level++)
        if (span_eq_nocase(name, span_cstr(levels[level].name))) {
            *out = (DcmLevel)level;
            return true;
        }
    return false;
}

/* -- in -- */

/* The first column of the first row; 0 when there is none. */
static bool find_id(Db *db, const char *sql, const char *uid, int64_t *id, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, sql, err);
    if (!s)
        return false;
    db_bind_cstr(s, uid);
    bool ok = db_step(s, &row, err);
    *id = ok && row ? db_int(s, 0) : 0;
    db_done(s);
    return ok;
}

static bool insert_mapping(Db *db, const IdxAnnotation *a, const char *now, int64_t instance, Err *err)
{
    DbStatement *s =
        db_prepare(db,
                   "INSERT INTO mapping_annotation (d8ins, uid_dicom_source, level_dicom_source, "
                   "uid_annotation, file_storage_metadata_dicom_id) VALUES (?, ?, ?, ?, ?)",
                   err);
    if (!s)
        return false;
    db_bind_cstr(s, now);
    db_bind_cstr(s, a->source);
    db_bind_cstr(s, levels[a->level].name);
    db_bind_cstr(s, a->uid);
    if (instance)
        db_bind_int(s, instance);
    else
        db_bind_null(s);
    return db_run(s, err);
}

static void bind_text(DbStatement *s, const char *text, int chars)
{
    db_bind_text(s, idx_cut(span_cstr(text), chars));
}

static bool insert_file(Db *db, Arena *arena, const IdxAnnotation *a, const char *now, Err *err)
{
    char begin[32], end[32];
    clock_format(a->begin_us, false, begin);
    clock_format(a->end_us, false, end);
    DbStatement *s = db_prepare(
        db,
        "INSERT INTO file_storage_metadata_annotation (d8ins, uid_annotation, uid_dicom_source, "
        "storage_method, dt_deb_storage, dt_end_storage, storage_status, filesize, file_path, media_type, "
        "file_name, author, sha256, begin_us, end_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        err);
    if (!s)
        return false;
    db_bind_cstr(s, now);
    db_bind_cstr(s, a->uid);
    db_bind_cstr(s, a->source);
    db_bind_cstr(s, "api_annotation");
    db_bind_cstr(s, arena_strdup(arena, begin));
    db_bind_cstr(s, arena_strdup(arena, end));
    db_bind_int(s, 0);
    db_bind_int(s, (int64_t)a->size);
    db_bind_cstr(s, a->path);
    bind_text(s, a->media_type, MEDIA_CHARS);
    bind_text(s, a->name, NAME_CHARS);
    bind_text(s, a->author, AUTHOR_CHARS);
    db_bind_blob(s, span_of(a->sha256, sizeof a->sha256));
    db_bind_int(s, a->begin_us);
    db_bind_int(s, a->end_us);
    return db_run(s, err);
}

/* The ids of the source and of the annotation; 0 = there is none. */
static bool find_both(Db *db, const IdxAnnotation *a, int64_t *source, int64_t *there, Err *err)
{
    return find_id(db, levels[a->level].find, a->source, source, err) &&
           find_id(db, "SELECT mapping_annotation_id FROM mapping_annotation WHERE uid_annotation = ?",
                   a->uid, there, err);
}

static bool insert(Db *db, const IdxAnnotation *a, int64_t source, Err *err)
{
    Arena *arena = arena_new(0);
    const char *now = idx_now(arena);
    bool ok = insert_mapping(db, a, now, a->level == DCM_LEVEL_IMAGE ? source : 0, err) &&
              insert_file(db, arena, a, now, err);
    arena_free(arena);
    return ok;
}

bool idx_annotation_put(Index *index, const IdxAnnotation *a, Err *err)
{
    int64_t source, there;
    if (!find_both(index->writer, a, &source, &there, err))
        return false;
    if (!source)
        return err_set(err, ERR_NOT_FOUND, "index: no %s %s", levels[a->level].name, a->source);
    if (there)
        return err_set(err, ERR_EXISTS, "index: there is an annotation %s already", a->uid);
    return insert(index->writer, a, source, err);
}

bool idx_annotation_restore(Index *index, const IdxAnnotation *a, Err *err)
{
    int64_t source, there;
    return find_both(index->writer, a, &source, &there, err) &&
           (there || insert(index->writer, a, source, err));
}

static bool remove_row(Db *db, const char *sql, const char *uid, Err *err)
{
    DbStatement *s = db_prepare(db, sql, err);
    if (!s)
        return false;
    db_bind_cstr(s, uid);
    return db_run(s, err);
}

bool idx_annotation_remove(Index *index, const char *uid, Err *err)
{
    Db *db = index->writer;
    int64_t id;
    if (!find_id(db, "SELECT mapping_annotation_id FROM mapping_annotation WHERE uid_annotation = ?", uid,
                 &id, err))
        return false;
    if (!id)
        return err_set(err, ERR_NOT_FOUND, "index: no annotation %s", uid);
    return remove_row(db, "DELETE FROM file_storage_metadata_annotation WHERE uid_annotation = ?", uid,
                      err) &&
           remove_row(db, "DELETE FROM mapping_annotation WHERE uid_annotation = ?", uid, err);
}

/* -- out -- */

/* Rows that SPHERE left have no file: they are not listed. */
#define SELECT_ANNOTATIONS                                                                                   \
    "SELECT m.uid_annotation, m.uid_dicom_source, m.level_dicom_source, f.file_path, f.media_type, "         \
    "f.file_name, f.author, f.filesize, f.sha256, f.begin_us, f.end_us FROM mapping_annotation m "           \
    "JOIN file_storage_metadata_annotation f ON f.uid_annotation = m.uid_annotation WHERE "

static IdxAnnotation read_row(DbStatement *s, Arena *arena)
{
    IdxAnnotation a = {.uid = arena_span_cstr(arena, db_text(s, 0)),
                       .source = arena_span_cstr(arena, db_text(s, 1)),
                       .level = DCM_LEVEL_IMAGE,
                       .path = arena_span_cstr(arena, db_text(s, 3)),
                       .media_type = arena_span_cstr(arena, db_text(s, 4)),
                       .name = arena_span_cstr(arena, db_text(s, 5)),
                       .author = arena_span_cstr(arena, db_text(s, 6)),
                       .size = (uint64_t)db_int(s, 7),
                       .begin_us = db_int(s, 9),
                       .end_us = db_int(s, 10)};
    idx_annotation_level(db_text(s, 2), &a.level);
    Span digest = db_blob(s, 8);
    if (digest.n == sizeof a.sha256)
        memcpy(a.sha256, digest.p, digest.n);
    return a;
}

bool idx_annotation(Index *index, Arena *arena, const char *uid, IdxAnnotation *out, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    DbStatement *s = db ? db_prepare(db, SELECT_ANNOTATIONS "m.uid_annotation = ?", err) : NULL;
    bool row = false;
    if (s)
        db_bind_cstr(s, uid);
    bool ok = s && db_step(s, &row, err);
    if (ok && row)
        *out = read_row(s, arena);
    else if (ok)
        ok = err_set(err, ERR_NOT_FOUND, "index: no annotation %s", uid);
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

static DbStatement *prepare_list(Db *db, const IdxAnnotationAsk *ask, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, SELECT_ANNOTATIONS "true");
    if (ask->source)
        buf_append_cstr(&sql, " AND m.uid_dicom_source = ?");
    if (ask->level != DCM_LEVEL_PATIENT)
        buf_append_cstr(&sql, " AND m.level_dicom_source = ?");
    buf_append_cstr(&sql, " ORDER BY m.mapping_annotation_id LIMIT ? OFFSET ?");
    DbStatement *s = db_prepare(db, buf_cstr(&sql), err);
    buf_free(&sql);
    if (!s)
        return NULL;
    if (ask->source)
        db_bind_cstr(s, ask->source);
    if (ask->level != DCM_LEVEL_PATIENT)
        db_bind_cstr(s, levels[ask->level].name);
    db_bind_int(s, (int64_t)ask->limit);
    db_bind_int(s, (int64_t)ask->offset);
    return s;
}

bool idx_annotations(Index *index, Arena *arena, const IdxAnnotationAsk *ask, IdxAnnotation **out,
                     size_t *count, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    DbStatement *s = db ? prepare_list(db, ask, err) : NULL;
    bool ok = s != NULL, row = true;
    size_t capacity = 0;
    *out = NULL;
    *count = 0;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            IdxAnnotation *more = arena_alloc(arena, capacity * sizeof *more);
            if (*count)
                memcpy(more, *out, *count * sizeof *more);
            *out = more;
        }
        (*out)[(*count)++] = read_row(s, arena);
    }
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}
