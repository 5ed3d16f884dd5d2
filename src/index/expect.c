// SPDX-License-Identifier: MIT
#include "index/expect.h"

#include "index/internal.h"
#include "index/row.h"
#include "index/search.h"

#include <stdlib.h>
#include <string.h>

struct IdxExpectedRow {
    Span key;
    IdxExisting existing;
    bool known;
};

#define COLUMNS                                                                                              \
    "instance_uid, file_storage_metadata_dicom_id, patient_id, study_id, series_id, filesize, "              \
    "sop_class_uid "                                                                                         \
    "FROM file_storage_metadata_dicom WHERE "

void idx_expected_clear(IdxExpected *expected)
{
    expected->count = 0;
    if (expected->arena)
        arena_reset(expected->arena);
}

void idx_expected_free(IdxExpected *expected)
{
    arena_free(expected->arena);
    *expected = (IdxExpected){0};
}

static void read_existing(DbStatement *s, Arena *arena, IdxExisting *out)
{
    out->id = db_int(s, 1);
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        out->parents[level] = db_int(s, 2 + level);
    out->size = db_int(s, 5);
    out->class = arena_span(arena, db_text(s, 6));
}

static int by_key(const void *a, const void *b)
{
    return span_cmp(((const struct IdxExpectedRow *)a)->key, ((const struct IdxExpectedRow *)b)->key);
}

static struct IdxExpectedRow *find(const IdxExpected *expected, Span key)
{
    struct IdxExpectedRow wanted = {.key = key};
    return expected->count ? bsearch(&wanted, expected->rows, expected->count, sizeof *expected->rows, by_key)
                           : NULL;
}

bool idx_existing(IdxExpected *expected, Db *db, Arena *arena, Span key, IdxExisting *out, Err *err)
{
    struct IdxExpectedRow *row = find(expected, key);
    if (row && row->known) {
        *out = row->existing;
        row->known = false;
        return true;
    }
    bool found = false;
    DbStatement *s = db_prepare(db, "SELECT " COLUMNS "instance_uid = ?", err);
    if (!s)
        return false;
    *out = (IdxExisting){0};
    db_bind_text(s, key);
    bool ok = db_step(s, &found, err);
    if (found)
        read_existing(s, arena, out);
    db_done(s);
    return ok;
}

/* Marks what is there. */
static bool ask(IdxExpected *expected, Db *db, const char *const *uids, size_t count, Err *err)
{
    IdxSql sql;
    bool row = true;
    idx_sql_init(&sql, db_dialect(db), expected->arena);
    buf_append_cstr(&sql.text, "SELECT " COLUMNS);
    bool ok = idx_sql_among(&sql, "instance_uid", uids, count, err);
    DbStatement *s = ok ? idx_sql_prepare(&sql, db, DB_LOOK, err) : NULL;
    ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        struct IdxExpectedRow *known = find(expected, db_text(s, 0));
        if (known)
            read_existing(s, expected->arena, &known->existing);
    }
    db_done(s);
    idx_sql_free(&sql);
    return ok;
}

bool idx_expect(Index *index, const char *const *uids, size_t count, Err *err)
{
    IdxExpected *expected = &index->expected;
    if (!index->in_transaction)
        return err_set(err, ERR_USAGE, "index: writing without idx_begin");
    idx_expected_clear(expected);
    if (!expected->arena)
        expected->arena = arena_new(0);
    if (!count || count > IDX_LIST_MAX)
        return true;
    expected->rows = arena_alloc(expected->arena, count * sizeof *expected->rows);
    for (size_t i = 0; i < count; i++)
        expected->rows[i] =
            (struct IdxExpectedRow){.key = idx_key(expected->arena, span_cstr(uids[i])), .known = true};
    qsort(expected->rows, count, sizeof *expected->rows, by_key);
    /* Of the same one twice, only one is known once. */
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!n || !span_eq(expected->rows[n - 1].key, expected->rows[i].key))
            expected->rows[n++] = expected->rows[i];
    expected->count = n;
    if (ask(expected, index->writer, uids, count, err))
        return true;
    expected->count = 0;
    return false;
}
