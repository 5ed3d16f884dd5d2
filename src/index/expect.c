// SPDX-License-Identifier: MIT
#include "index/expect.h"

#include "index/internal.h"
#include "index/row.h"
#include "index/schema.h"
#include "index/search.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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
    expected->count = expected->parent_count = expected->parent_capacity = 0;
    expected->parents = NULL;
    expected->remembers = false;
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

static bool expect_instances(IdxExpected *expected, Db *db, const IdxFile *const *files, size_t count,
                             Err *err)
{
    const char **uids = arena_alloc(expected->arena, count * sizeof *uids);
    expected->rows = arena_alloc(expected->arena, count * sizeof *expected->rows);
    for (size_t i = 0; i < count; i++) {
        uids[i] = files[i]->sop_instance;
        expected->rows[i] =
            (struct IdxExpectedRow){.key = idx_key(expected->arena, span_cstr(uids[i])), .known = true};
    }
    qsort(expected->rows, count, sizeof *expected->rows, by_key);
    /* Of the same one twice, only one is known once. */
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!n || !span_eq(expected->rows[n - 1].key, expected->rows[i].key))
            expected->rows[n++] = expected->rows[i];
    expected->count = n;
    if (ask(expected, db, uids, count, err))
        return true;
    expected->count = 0;
    return false;
}

/* -- parents -- */

static IdxExpectedParent **slot_of(const IdxExpected *expected, DcmLevel level, int64_t above, Span key)
{
    uint64_t hash = XXH3_64bits_withSeed(key.p ? key.p : (const uint8_t *)"", key.n,
                                         (uint64_t)above * DCM_LEVEL_COUNT + (uint64_t)level);
    size_t i = hash & (expected->parent_capacity - 1);
    for (;; i = (i + 1) & (expected->parent_capacity - 1)) {
        const IdxExpectedParent *p = expected->parents[i];
        if (!p || (p->level == level && p->above == above && span_eq(p->key, key)))
            return &expected->parents[i];
    }
}

IdxExpectedParent *idx_expected_parent(const IdxExpected *expected, DcmLevel level, int64_t above, Span key)
{
    return expected->parent_count ? *slot_of(expected, level, above, key) : NULL;
}

static void grow(IdxExpected *expected)
{
    enum { SLOTS = 64 };
    IdxExpected bigger = *expected;
    bigger.parent_capacity = expected->parent_capacity ? expected->parent_capacity * 2 : SLOTS;
    bigger.parents = arena_alloc(expected->arena, bigger.parent_capacity * sizeof *bigger.parents);
    for (size_t i = 0; i < expected->parent_capacity; i++) {
        IdxExpectedParent *p = expected->parents[i];
        if (p)
            *slot_of(&bigger, p->level, p->above, p->key) = p;
    }
    *expected = bigger;
}

void idx_expected_remember(IdxExpected *expected, DcmLevel level, int64_t above, Span key, int64_t id,
                           const DcmDataset *row)
{
    if (!expected->remembers)
        return;
    if (expected->parent_count * 2 >= expected->parent_capacity)
        grow(expected);
    IdxExpectedParent **slot = slot_of(expected, level, above, key);
    if (!*slot) {
        *slot = arena_alloc(expected->arena, sizeof **slot);
        **slot = (IdxExpectedParent){.level = level, .above = above, .key = arena_span(expected->arena, key)};
        expected->parent_count++;
    }
    (*slot)->id = id;
    (*slot)->row = row ? idx_row_copy(expected->arena, row) : NULL;
}

void idx_expected_made(IdxExpected *expected, DcmLevel level, int64_t above, Span key, int64_t id,
                       const DcmDataset *row)
{
    idx_expected_remember(expected, level, above, key, id, row);
    if (expected->remembers)
        (*slot_of(expected, level, above, key))->made = true;
}

/* What is asked about at one level. */
typedef struct Wanted {
    DcmLevel level;
    const char **uids;
    size_t count;
} Wanted;

static bool read_parents(IdxExpected *expected, Db *db, const Wanted *wanted, Err *err)
{
    static const char *const above[] = {"0", "s.patient_id", "e.study_id"};
    const IdxTable *table = &idx_tables[wanted->level];
    int columns = idx_sql_column_count(db_attributes(db), wanted->level, NULL);
    bool row = true;
    IdxSql sql;
    idx_sql_init(&sql, db_dialect(db), expected->arena);
    buf_append_cstr(&sql.text, "SELECT ");
    idx_sql_columns(&sql.text, db_attributes(db), wanted->level, NULL);
    buf_printf(&sql.text, ", %s.%s, %s FROM %s %s WHERE ", table->alias, table->uid, above[wanted->level],
               table->name, table->alias);
    bool ok = idx_sql_among(&sql, arena_printf(expected->arena, "%s.%s", table->alias, table->uid),
                            wanted->uids, wanted->count, err);
    DbStatement *s = ok ? idx_sql_prepare(&sql, db, DB_LOOK, err) : NULL;
    ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        const DcmDataset *attributes = idx_row_read(s, 0, expected->arena, wanted->level, false, NULL, err);
        IdxExpectedParent *p =
            idx_expected_parent(expected, wanted->level, db_int(s, columns + 1), db_text(s, columns));
        ok = attributes != NULL;
        if (p && ok) {
            p->id = db_int(s, 0);
            p->row = attributes;
        }
    }
    db_done(s);
    idx_sql_free(&sql);
    return ok;
}

/* `above` has the row above of each file, and gets that of this level: 0 = there is none yet. */
static bool expect_level(Index *index, DcmLevel level, const IdxFile *const *files, size_t count,
                         int64_t *above, Err *err)
{
    IdxExpected *expected = &index->expected;
    Wanted wanted = {.level = level, .uids = arena_alloc(expected->arena, count * sizeof *wanted.uids)};
    Span *keys = arena_alloc(expected->arena, count * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        const char *const uids[] = {files[i]->patient_id, files[i]->study, files[i]->series};
        keys[i] = idx_key(expected->arena, span_cstr(uids[level]));
        if (above[i] < 0 || idx_parent_known(index, level, above[i], keys[i]) ||
            idx_expected_parent(expected, level, above[i], keys[i]))
            continue;
        idx_expected_remember(expected, level, above[i], keys[i], 0, NULL);
        wanted.uids[wanted.count++] = uids[level] ? uids[level] : "";
    }
    if (wanted.count && !read_parents(expected, index->writer, &wanted, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        const IdxExpectedParent *p =
            above[i] < 0 ? NULL : idx_expected_parent(expected, level, above[i], keys[i]);
        int64_t known = above[i] < 0 ? 0 : idx_parent_known(index, level, above[i], keys[i]);
        above[i] = known ? known : p && p->id ? p->id : -1;
    }
    return true;
}

/* For less the questions cost more than they save. */
enum { ENOUGH = 24 };

bool idx_expect(Index *index, const IdxFile *const *files, size_t count, Err *err)
{
    IdxExpected *expected = &index->expected;
    if (!index->in_transaction)
        return err_set(err, ERR_USAGE, "index: writing without idx_begin");
    idx_expected_clear(expected);
    if (!expected->arena)
        expected->arena = arena_new(0);
    if (!count || count > IDX_LIST_MAX)
        return true;
    if (!expect_instances(expected, index->writer, files, count, err))
        return false;
    expected->remembers = db_gathers(index->writer) && count >= ENOUGH;
    if (!expected->remembers)
        return true;
    int64_t *above = arena_alloc(expected->arena, count * sizeof *above);
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        if (!expect_level(index, (DcmLevel)level, files, count, above, err))
            return false;
    return true;
}
