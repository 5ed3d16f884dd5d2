// SPDX-License-Identifier: MIT
#include "index/unsealed.h"

#include "index/internal.h"

static DbStatement *prepare(Db *db, const char *text, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    db_expand(db_dialect(db), text, &sql);
    DbStatement *s = db_prepare(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return s;
}

static bool read_rows(DbStatement *s, Arena *arena, IdxUnsealed *out, size_t limit, size_t *count, Err *err)
{
    bool ok, row = false;
    while ((ok = db_step(s, &row, err)) && row && *count < limit) {
        IdxUnsealed *one = &out[(*count)++];
        idx_file_read(s, arena, &one->file);
        one->id = db_int(s, IDX_FILE_COLUMN_COUNT);
    }
    return ok;
}

bool idx_unsealed(Index *index, Arena *arena, int64_t after, size_t limit, IdxUnsealed **out, size_t *count,
                  Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    DbStatement *s = db ? prepare(db,
                                  "SELECT " IDX_FILE_COLUMNS ", i.file_storage_metadata_dicom_id FROM "
                                  "file_storage_metadata_dicom i WHERE i.sha256 = {no_sha256} AND "
                                  "i.file_storage_metadata_dicom_id > ? "
                                  "ORDER BY i.file_storage_metadata_dicom_id LIMIT ?",
                                  err)
                        : NULL;
    *count = 0;
    *out = arena_alloc(arena, limit * sizeof **out);
    if (s) {
        db_bind_int(s, after);
        db_bind_int(s, (int64_t)limit);
    }
    bool ok = s && read_rows(s, arena, *out, limit, count, err);
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

bool idx_seal(Index *index, const IdxUnsealed *read, const uint8_t sha256[32], Err *err)
{
    const IdxFile *file = &read->file;
    if (!idx_need_transaction(index, err))
        return false;
    DbStatement *s = prepare(index->writer,
                             "UPDATE file_storage_metadata_dicom SET sha256 = ? WHERE "
                             "file_storage_metadata_dicom_id = ? AND content = ? AND filesize = ? AND "
                             "end_us = ? AND sha256 = {no_sha256}",
                             err);
    if (!s)
        return false;
    db_bind_blob(s, span_of(sha256, sizeof file->sha256));
    db_bind_int(s, read->id);
    db_bind_blob(s, span_of(file->content, sizeof file->content));
    db_bind_int(s, (int64_t)file->size);
    db_bind_int(s, file->end_us);
    return db_run(s, err);
}
