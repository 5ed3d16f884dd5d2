// SPDX-License-Identifier: MIT
/* Loading lists of studies to fetch, figures by modality and speed, and the end of the tables. */
#include "index/internal.h"
#include "index/row.h"
#include "index/schema.h"
#include "index/tables.h"

#include <string.h>

/* -- study_list -- */

static bool number_of(Db *db, const char *sql, int64_t *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, sql, err);
    bool ok = s && db_step(s, &row, err);
    *out = ok && row ? db_int(s, 0) : 0;
    db_done(s);
    return ok;
}

#define LAST_LIST "SELECT coalesce(max(id_list), 0) FROM study_list"

static bool add_rows(Index *index, const char *const *studies, size_t count, const char *day, int64_t number,
                     Err *err)
{
    Arena *arena = arena_new(0);
    const char *now = idx_now(arena);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        DbStatement *s =
            db_prepare(index->writer,
                       "INSERT INTO study_list (d8ins, study_uid, id_list, d_load) VALUES (?, ?, ?, ?)", err);
        ok = s != NULL;
        if (!ok)
            break;
        db_bind_cstr(s, now);
        db_bind_cstr(s, studies[i]);
        db_bind_int(s, number);
        db_bind_cstr(s, day);
        ok = db_run(s, err);
    }
    arena_free(arena);
    return ok;
}

bool idx_study_list_add(Index *index, const char *const *studies, size_t count, const char *day,
                        int64_t *number, Err *err)
{
    if (!idx_begin(index, err))
        return false;
    bool ok = number_of(index->writer, LAST_LIST, number, err) &&
              add_rows(index, studies, count, day, ++*number, err) && idx_commit(index, err);
    if (!ok)
        idx_rollback(index);
    return ok;
}

/* -- figures -- */

static uint64_t figure(DbStatement *s, int column)
{
    int64_t value = db_int(s, column);
    return value > 0 ? (uint64_t)value : 0;
}

bool idx_modalities(Index *index, Arena *arena, IdxModality **out, size_t *count, Err *err)
{
    static const char sql[] = "SELECT modality, sum_patient, sum_studies, sum_series, sum_instance, size, "
                              "sum_error FROM tools_modality";
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    DbStatement *s = db ? db_prepare(db, sql, err) : NULL;
    bool ok = s != NULL, row = true;
    size_t capacity = 0;
    *out = NULL;
    *count = 0;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            IdxModality *more = arena_alloc(arena, capacity * sizeof *more);
            if (*count)
                memcpy(more, *out, *count * sizeof *more);
            *out = more;
        }
        (*out)[(*count)++] = (IdxModality){.modality = arena_span_cstr(arena, db_text(s, 0)),
                                           .patients = figure(s, 1),
                                           .studies = figure(s, 2),
                                           .series = figure(s, 3),
                                           .instances = figure(s, 4),
                                           .bytes = figure(s, 5),
                                           .errors = figure(s, 6)};
    }
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

static bool read_double(DbStatement *s, int column, double *out)
{
    return !db_is_null(s, column) && span_to_double(db_text(s, column), out);
}

bool idx_speed(Index *index, IdxSpeed *out, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    DbStatement *s = db ? db_prepare(db, "SELECT time, file, size FROM tools_speed", err) : NULL;
    bool row = false;
    bool ok = s && db_step(s, &row, err);
    *out = (IdxSpeed){.any = ok && row};
    if (out->any) {
        read_double(s, 0, &out->seconds);
        out->measurable =
            read_double(s, 1, &out->files_per_second) && read_double(s, 2, &out->bytes_per_second);
    }
    db_done(s);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

/* -- the end -- */

bool idx_drop(Index *index, Err *err)
{
    if (index->in_transaction)
        return err_set(err, ERR_USAGE, "index: a transaction is open");
    bool changed;
    if (!idx_writer(index, err) || !db_begin(index->writer, &changed, err))
        return false;
    if (idx_schema_drop(index->writer, err))
        return db_commit(index->writer, err);
    db_rollback(index->writer);
    return false;
}
