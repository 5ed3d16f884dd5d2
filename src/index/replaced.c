// SPDX-License-Identifier: MIT
#include "index/replaced.h"

#include "index/internal.h"
#include "index/row.h"

enum { UID_CHARS = 64 };

bool idx_replaced_note(Index *index, const IdxReplaced *note, Err *err)
{
    if (!idx_need_transaction(index, err))
        return false;
    DbStatement *s = db_prepare(index->writer,
                                "INSERT INTO replaced_file (note, d8ins, instance_uid, file_path, filesize, "
                                "end_us) VALUES (?, ?, ?, ?, ?, ?)",
                                err);
    if (!s)
        return false;
    Arena *arena = arena_new(0);
    db_bind_int(s, note->number);
    db_bind_cstr(s, idx_now(arena));
    db_bind_text(s, idx_cut(span_cstr(note->sop_instance), UID_CHARS));
    db_bind_cstr(s, note->path);
    db_bind_int(s, (int64_t)note->size);
    db_bind_int(s, note->end_us);
    bool ok = db_run(s, err);
    arena_free(arena);
    return ok;
}

bool idx_replaced_forget(Index *index, const int64_t *numbers, size_t count, Err *err)
{
    bool ok = idx_need_transaction(index, err);
    for (size_t i = 0; ok && i < count; i++) {
        DbStatement *s = db_prepare(index->writer, "DELETE FROM replaced_file WHERE note = ?", err);
        ok = s != NULL;
        if (ok)
            db_bind_int(s, numbers[i]);
        ok = ok && db_run(s, err);
    }
    return ok;
}

static bool read_notes(DbStatement *s, Arena *arena, IdxReplaced *out, size_t limit, size_t *count, Err *err)
{
    bool ok, row = false;
    while ((ok = db_step(s, &row, err)) && row && *count < limit)
        out[(*count)++] = (IdxReplaced){.number = db_int(s, 0),
                                        .sop_instance = arena_span_cstr(arena, db_text(s, 1)),
                                        .path = arena_span_cstr(arena, db_text(s, 2)),
                                        .size = (uint64_t)db_int(s, 3),
                                        .end_us = db_int(s, 4)};
    return ok;
}

bool idx_replaced_list(Index *index, Arena *arena, int64_t after, size_t limit, IdxReplaced **out,
                       size_t *count, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    DbStatement *s =
        db ? db_prepare(db,
                        "SELECT note, instance_uid, file_path, filesize, end_us FROM replaced_file "
                        "WHERE note > ? ORDER BY note LIMIT ?",
                        err)
           : NULL;
    *count = 0;
    *out = arena_alloc(arena, limit * sizeof **out);
    if (s) {
        db_bind_int(s, after);
        db_bind_int(s, (int64_t)limit);
    }
    bool ok = s && read_notes(s, arena, *out, limit, count, err);
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}
