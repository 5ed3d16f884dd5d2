// SPDX-License-Identifier: MIT
/* Totals, notes, the newest row: single values. */
#include "index/internal.h"

#include <stdio.h>

bool idx_totals(Index *index, IdxTotals *out, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    bool row = false;
    DbStatement *s =
        db ? db_prepare(db, "SELECT patients, studies, series, instances, size FROM totals", err) : NULL;
    bool ok = s && db_step(s, &row, err);
    if (ok && row)
        *out = (IdxTotals){(uint64_t)db_int(s, 0), (uint64_t)db_int(s, 1), (uint64_t)db_int(s, 2),
                           (uint64_t)db_int(s, 3), (uint64_t)db_int(s, 4)};
    else if (ok)
        ok = err_set(err, ERR_DAMAGED, "index: %s has lost its totals; rebuild it with 'manage data index'",
                     index->source->name);
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

bool idx_newest(Index *index, DcmLevel level, int64_t *out, Err *err)
{
    char sql[128];
    const IdxTable *table = &idx_tables[level];
    snprintf(sql, sizeof sql, "SELECT max(%s) FROM %s", table->id, table->name);
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    bool row = false;
    DbStatement *s = db ? db_prepare(db, sql, err) : NULL;
    bool ok = s && db_step(s, &row, err);
    if (ok)
        *out = row ? db_int(s, 0) : 0;
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

bool idx_note_get(Index *index, Arena *arena, const char *name, const char **value, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    bool row = false;
    DbStatement *s = db ? db_prepare(db, "SELECT value FROM note WHERE name = ?", err) : NULL;
    if (s)
        db_bind_cstr(s, name);
    bool ok = s && db_step(s, &row, err);
    if (ok)
        *value = row ? arena_span_cstr(arena, db_text(s, 0)) : "";
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

bool idx_note_set(Index *index, const char *name, const char *value, Err *err)
{
    if (!index->in_transaction)
        return err_set(err, ERR_USAGE, "index: writing without idx_begin");
    DbStatement *s = db_prepare(index->writer,
                                "INSERT INTO note (name, value) VALUES (?, ?) "
                                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                                err);
    if (!s)
        return false;
    db_bind_cstr(s, name);
    db_bind_cstr(s, value ? value : "");
    return db_run(s, err);
}
