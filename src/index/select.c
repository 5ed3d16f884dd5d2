// SPDX-License-Identifier: MIT
/*
 * Selections of objects, for retrieving. The ids of the selected rows are read in order when the selection is opened (8 bytes each), so that
 * no reader's snapshot is held while objects travel; the rows themselves are read when they are asked for, some at a time: those not asked for soon are read
 * again, and then no more at a time than were asked for. An object that was removed meanwhile is left out.
 */
#include "base/clock.h"
#include "index/internal.h"
#include "index/row.h"
#include "index/search.h"

#include <stdlib.h>
#include <string.h>

#define FROM_TREE                                                                                            \
    " FROM patient p JOIN study s ON s.patient_id = p.patient_id JOIN series e ON e.study_id = s.study_id "  \
    "JOIN file_storage_metadata_dicom i ON i.series_id = e.series_id WHERE true"

enum { BATCH = 32, BATCH_MS = 20 };

struct IdxFiles {
    Index *index;
    int64_t *ids;
    size_t count, capacity, at;
    Arena *arena; /* strings of the batch */
    IdxFile batch[BATCH];
    size_t batch_at, batch_end; /* what is read of ids: [at, end) */
    size_t batch_size;          /* of the next one */
    Deadline batch_until;
};

/* -- one object -- */

static const char *text(DbStatement *s, Arena *arena, int column)
{
    return arena_span_cstr(arena, db_text(s, column));
}

static void bytes(DbStatement *s, int column, uint8_t *out, size_t n)
{
    Span blob = db_blob(s, column);
    memset(out, 0, n);
    if (blob.n == n)
        memcpy(out, blob.p, n);
}

void idx_file_read(DbStatement *s, Arena *arena, IdxFile *out)
{
    *out = (IdxFile){.sop_instance = text(s, arena, 0),
                     .sop_class = text(s, arena, 1),
                     .series = text(s, arena, 2),
                     .study = text(s, arena, 3),
                     .patient_id = text(s, arena, 4),
                     .transfer_syntax = text(s, arena, 5),
                     .path = text(s, arena, 6),
                     .storage_method = text(s, arena, 7),
                     .source_ae = text(s, arena, 8),
                     .size = (uint64_t)db_int(s, 9),
                     .data_offset = (uint64_t)db_int(s, 10),
                     .begin_us = db_int(s, 13),
                     .end_us = db_int(s, 14),
                     .number = (int32_t)db_int(s, 15)};
    bytes(s, 11, out->sha256, sizeof out->sha256);
    bytes(s, 12, out->content, sizeof out->content);
}

void idx_file_copy(Arena *arena, const IdxFile *from, IdxFile *out)
{
    *out = *from;
    const char **texts[] = {&out->sop_instance, &out->sop_class,      &out->series,
                            &out->study,        &out->patient_id,     &out->transfer_syntax,
                            &out->path,         &out->storage_method, &out->source_ae};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = *texts[i] ? arena_strdup(arena, *texts[i]) : NULL;
}

static bool look_up(Db *db, Arena *arena, const char *sop_instance, IdxFile *out, Err *err)
{
    Arena *scratch = arena_new(0);
    bool found = false;
    DbStatement *s = db_prepare(
        db, "SELECT " IDX_FILE_COLUMNS " FROM file_storage_metadata_dicom i WHERE i.instance_uid = ?", err);
    if (s)
        db_bind_text(s, idx_key(scratch, span_cstr(sop_instance)));
    bool ok = s && db_step(s, &found, err);
    if (ok && found)
        idx_file_read(s, arena, out);
    else if (ok)
        ok = err_set(err, ERR_NOT_FOUND, "index: no instance %s", sop_instance);
    db_done(s);
    arena_free(scratch);
    return ok;
}

bool idx_instance(Index *index, Arena *arena, const char *sop_instance, IdxFile *out, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    bool ok = db && look_up(db, arena, sop_instance, out, err);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

typedef struct Asked {
    Span key;
    size_t at; /* in the caller's list */
} Asked;

static int by_key(const void *a, const void *b)
{
    return span_cmp(((const Asked *)a)->key, ((const Asked *)b)->key);
}

static void give(const Asked *asked, size_t count, const IdxFile *file, IdxFile *out)
{
    Asked wanted = {.key = span_cstr(file->sop_instance)};
    const Asked *found = bsearch(&wanted, asked, count, sizeof *asked, by_key);
    if (!found)
        return;
    while (found > asked && span_eq(found[-1].key, wanted.key))
        found--;
    for (; found < asked + count && span_eq(found->key, wanted.key); found++)
        out[found->at] = *file;
}

static bool look_up_several(Db *db, Arena *arena, const char *const *uids, size_t count, IdxFile *out,
                            Err *err)
{
    Arena *scratch = arena_new(0);
    Asked *asked = arena_alloc(scratch, count * sizeof *asked);
    IdxSql sql;
    bool row = true;
    for (size_t i = 0; i < count; i++) {
        asked[i] = (Asked){idx_key(scratch, span_cstr(uids[i])), i};
        out[i] = (IdxFile){0};
    }
    qsort(asked, count, sizeof *asked, by_key);
    idx_sql_init(&sql, db_dialect(db), scratch);
    buf_append_cstr(&sql.text, "SELECT " IDX_FILE_COLUMNS " FROM file_storage_metadata_dicom i WHERE ");
    bool ok = idx_sql_among(&sql, "i.instance_uid", uids, count, err);
    DbStatement *s = ok ? idx_sql_prepare(&sql, db, DB_LOOK, err) : NULL;
    ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        IdxFile file;
        idx_file_read(s, arena, &file);
        give(asked, count, &file, out);
    }
    db_done(s);
    idx_sql_free(&sql);
    arena_free(scratch);
    return ok;
}

bool idx_instances(Index *index, Arena *arena, const char *const *uids, size_t count, IdxFile *out, Err *err)
{
    if (!count)
        return true;
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    bool ok = db && look_up_several(db, arena, uids, count, out, err);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

bool idx_instance_written(Index *index, Arena *arena, const char *sop_instance, IdxFile *out, Err *err)
{
    return look_up(index->writer, arena, sop_instance, out, err);
}

/* -- selections -- */

static bool among(IdxSql *sql, const char *column, const char *const *values, size_t count, Err *err)
{
    if (!count)
        return true;
    buf_append_cstr(&sql->text, " AND ");
    return idx_sql_among(sql, column, values, count, err);
}

static bool conditions(IdxSql *sql, const IdxSelection *sel, Err *err)
{
    bool nothing = !sel->patient_count && !sel->study_count && !sel->series_count && !sel->instance_count;
    if (nothing && !sel->everything)
        buf_append_cstr(&sql->text, " AND false");
    if (sel->not_since) {
        buf_append_cstr(&sql->text, " AND (i.d8maj IS NULL OR i.d8maj < ?)");
        idx_sql_text(sql, span_cstr(sel->not_since));
    }
    return among(sql, "p.patient_uid", sel->patient_ids, sel->patient_count, err) &&
           among(sql, "s.study_uid", sel->studies, sel->study_count, err) &&
           among(sql, "e.series_uid", sel->series, sel->series_count, err) &&
           among(sql, "i.instance_uid", sel->instances, sel->instance_count, err);
}

static void add_id(IdxFiles *files, int64_t id)
{
    if (files->count == files->capacity) {
        files->capacity = files->capacity ? files->capacity * 2 : 256;
        int64_t *bigger = realloc(files->ids, files->capacity * sizeof *bigger);
        if (!bigger)
            abort();
        files->ids = bigger;
    }
    files->ids[files->count++] = id;
}

IdxFiles *idx_select(Index *index, const IdxSelection *selection, Err *err)
{
    Arena *arena = arena_new(0);
    IdxFiles *files = calloc(1, sizeof *files);
    if (!files)
        abort();
    files->index = index;
    files->arena = arena_new(0);
    IdxSql sql;
    idx_sql_init(&sql, db_source_dialect(index->source), arena);
    buf_append_cstr(&sql.text, "SELECT i.file_storage_metadata_dicom_id" FROM_TREE);
    bool ok = conditions(&sql, selection, err), row = true;
    buf_append_cstr(&sql.text, " ORDER BY s.study_id, e.series_number NULLS FIRST, e.series_id, "
                               "i.instance_number NULLS FIRST, "
                               "i.file_storage_metadata_dicom_id");
    Db *db = ok ? idx_reader_take(index, IDX_SNAPSHOT, err) : NULL;
    DbStatement *s = db ? idx_sql_prepare(&sql, db, DB_ROWS, err) : NULL;
    ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row)
        add_id(files, db_int(s, 0));
    db_done(s);
    idx_reader_give(index, db, IDX_SNAPSHOT);
    idx_sql_free(&sql);
    arena_free(arena);
    if (ok)
        return files;
    idx_files_free(files);
    return NULL;
}

/* Where no list is below the level of the counters, they are the answer. */
static const char *count_sql(const IdxSelection *sel)
{
    if (sel->instance_count || sel->not_since)
        return "SELECT count(*), CAST(coalesce(sum(i.filesize), 0) AS BIGINT)" FROM_TREE;
    if (sel->series_count)
        return "SELECT CAST(coalesce(sum(e.number_of_series_related_instances), 0) AS BIGINT), "
               "CAST(coalesce(sum(e.size), 0) AS BIGINT) FROM patient p "
               "JOIN study s ON s.patient_id = p.patient_id JOIN series e ON e.study_id = s.study_id WHERE "
               "true";
    if (sel->study_count)
        return "SELECT CAST(coalesce(sum(s.number_of_study_related_instances), 0) AS BIGINT), "
               "CAST(coalesce(sum(s.size), 0) AS BIGINT) FROM patient p "
               "JOIN study s ON s.patient_id = p.patient_id WHERE true";
    if (sel->patient_count)
        return "SELECT CAST(coalesce(sum(p.number_of_patient_related_instances), 0) AS BIGINT), "
               "CAST(coalesce(sum(p.size), 0) AS BIGINT) FROM patient p WHERE true";
    return sel->everything ? "SELECT instances, size FROM totals WHERE true" : "SELECT 0, 0 WHERE true";
}

bool idx_select_count(Index *index, const IdxSelection *selection, uint64_t *objects, uint64_t *bytes_out,
                      Err *err)
{
    Arena *arena = arena_new(0);
    IdxSql sql;
    idx_sql_init(&sql, db_source_dialect(index->source), arena);
    buf_append_cstr(&sql.text, count_sql(selection));
    bool row = false, ok = conditions(&sql, selection, err);
    Db *db = ok ? idx_reader_take(index, IDX_ONE_LOOK, err) : NULL;
    DbStatement *s = db ? idx_sql_prepare(&sql, db, DB_LOOK, err) : NULL;
    ok = s && db_step(s, &row, err);
    if (ok) {
        *objects = row ? (uint64_t)db_int(s, 0) : 0;
        *bytes_out = row ? (uint64_t)db_int(s, 1) : 0;
    }
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    idx_sql_free(&sql);
    arena_free(arena);
    return ok;
}

bool idx_stamp(Index *index, const IdxSelection *selection, Buf *out, Err *err)
{
    Arena *arena = arena_new(0);
    IdxSelection series = {.studies = selection->studies,
                           .study_count = selection->study_count,
                           .series = selection->series,
                           .series_count = selection->series_count};
    IdxSql sql;
    idx_sql_init(&sql, db_source_dialect(index->source), arena);
    buf_append_cstr(&sql.text, "SELECT e.series_id, e.number_of_series_related_instances, e.size, "
                               "CAST(e.dt_completion AS TEXT), CAST(e.d8maj AS TEXT) "
                               "FROM study s JOIN series e ON e.study_id = s.study_id WHERE true");
    bool row = true, ok = conditions(&sql, &series, err);
    buf_append_cstr(&sql.text, " ORDER BY e.series_id");
    Db *db = ok ? idx_reader_take(index, IDX_ONE_LOOK, err) : NULL;
    DbStatement *s = db ? idx_sql_prepare(&sql, db, DB_LOOK, err) : NULL;
    ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        buf_printf(out, "%lld %lld %lld ", (long long)db_int(s, 0), (long long)db_int(s, 1),
                   (long long)db_int(s, 2));
        buf_append_span(out, db_text(s, 3));
        buf_u8(out, ' ');
        buf_append_span(out, db_text(s, 4));
        buf_u8(out, ';');
    }
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    idx_sql_free(&sql);
    arena_free(arena);
    return ok;
}

/* -- the rows of a selection -- */

#define EIGHT "?, ?, ?, ?, ?, ?, ?, ?"

/* The next rows, each in the place of its id; those that are gone have no SOP Instance UID. */
static bool read_batch(IdxFiles *files, Db *db, Err *err)
{
    DbStatement *s = db_prepare(
        db,
        "SELECT " IDX_FILE_COLUMNS ", i.file_storage_metadata_dicom_id FROM file_storage_metadata_dicom i "
        "WHERE i.file_storage_metadata_dicom_id IN (" EIGHT ", " EIGHT ", " EIGHT ", " EIGHT ")",
        err);
    const int64_t *ids = files->ids + files->at;
    size_t n = files->count - files->at < files->batch_size ? files->count - files->at : files->batch_size;
    bool ok = s != NULL, row = true;
    for (size_t i = 0; ok && i < BATCH; i++)
        db_bind_int(s, i < n ? ids[i] : -1);
    arena_reset(files->arena);
    memset(files->batch, 0, sizeof files->batch);
    while (ok && (ok = db_step(s, &row, err)) && row) {
        int64_t id = db_int(s, IDX_FILE_COLUMN_COUNT);
        for (size_t i = 0; i < n; i++)
            if (ids[i] == id)
                idx_file_read(s, files->arena, &files->batch[i]);
    }
    db_done(s);
    files->batch_at = files->at;
    files->batch_end = ok ? files->at + n : files->at;
    files->batch_until = deadline_in(BATCH_MS);
    return ok;
}

/* As many as were used in time last time; more when those were too few. */
static void choose_batch_size(IdxFiles *files)
{
    size_t read = files->batch_end - files->batch_at, used = files->at - files->batch_at;
    if (!read || files->at < files->batch_at || files->at > files->batch_end)
        files->batch_size = BATCH;
    else if (used == read)
        files->batch_size = 2 * used < BATCH ? 2 * used : BATCH;
    else
        files->batch_size = used ? used : 1;
}

static bool next_batch(IdxFiles *files, Err *err)
{
    choose_batch_size(files);
    Db *db = idx_reader_take(files->index, IDX_ONE_LOOK, err);
    bool ok = db && read_batch(files, db, err);
    idx_reader_give(files->index, db, IDX_ONE_LOOK);
    return ok;
}

bool idx_files_next(IdxFiles *files, Arena *arena, IdxFile *out, Err *err)
{
    *out = (IdxFile){0};
    while (!out->sop_instance && files->at < files->count) {
        bool there = files->at >= files->batch_at && files->at < files->batch_end;
        if ((!there || deadline_passed(files->batch_until)) && !next_batch(files, err))
            return false;
        const IdxFile *file = &files->batch[files->at++ - files->batch_at];
        if (file->sop_instance)
            idx_file_copy(arena, file, out);
    }
    return true;
}

void idx_files_rewind(IdxFiles *files)
{
    files->at = 0;
}

void idx_files_free(IdxFiles *files)
{
    if (!files)
        return;
    arena_free(files->arena);
    free(files->ids);
    free(files);
}
