// SPDX-License-Identifier: MIT
/* Lists of studies to be fetched: the table study_list, in which a list is the rows of one id_list. */
#include "index/internal.h"

enum { LIST_MAX = 1000000 };

/* The number that a statement yields; `bound` is its parameter, 0 = it has none. */
static bool one_number(Db *db, const char *sql, int64_t bound, int64_t *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, sql, err);
    if (!s)
        return false;
    if (bound)
        db_bind_int(s, bound);
    bool ok = db_step(s, &row, err);
    if (ok && row)
        *out = db_int(s, 0);
    db_done(s);
    return ok;
}

static bool read_list(Db *db, Arena *arena, int64_t number, const char ***studies, size_t *count, Err *err)
{
    bool row = false, ok;
    size_t n = 0;
    const char **list = arena_alloc(arena, *count * sizeof *list);
    DbStatement *s = db_prepare(
        db, "SELECT study_uid FROM study_list WHERE id_list = ? GROUP BY study_uid ORDER BY min(ids)", err);
    if (!s)
        return false;
    db_bind_int(s, number);
    while ((ok = db_step(s, &row, err)) && row && n < *count)
        list[n++] = arena_span_cstr(arena, db_text(s, 0));
    db_done(s);
    *studies = list;
    *count = n;
    return ok;
}

static bool find_list(Db *db, Arena *arena, int64_t number, const char ***studies, size_t *count, Err *err)
{
    int64_t length = 0;
    if (!number && !one_number(db, "SELECT coalesce(max(id_list), 0) FROM study_list", 0, &number, err))
        return false;
    if (!number)
        return err_set(err, ERR_NOT_FOUND, "index: there is no list of studies yet");
    if (!one_number(db, "SELECT count(DISTINCT study_uid) FROM study_list WHERE id_list = ?", number, &length,
                    err))
        return false;
    if (!length)
        return err_set(err, ERR_NOT_FOUND, "index: there is no list of studies with the number %lld",
                       (long long)number);
    if (length > LIST_MAX)
        return err_set(err, ERR_LIMIT, "index: list %lld has %lld studies; at most %d are taken",
                       (long long)number, (long long)length, LIST_MAX);
    *count = (size_t)length;
    return read_list(db, arena, number, studies, count, err);
}

bool idx_study_list(Index *index, Arena *arena, int64_t number, const char ***studies, size_t *count,
                    Err *err)
{
    Db *db = idx_reader_take(index, IDX_SNAPSHOT, err);
    bool ok = db && find_list(db, arena, number, studies, count, err);
    idx_reader_give(index, db, IDX_SNAPSHOT);
    return ok;
}
