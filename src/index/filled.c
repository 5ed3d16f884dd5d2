// SPDX-License-Identifier: MIT
#include "index/filled.h"

#include "index/extended.h"
#include "index/internal.h"
#include "index/schema.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define BASE    "filled base"
#define FILLING "filling"

/* -- notes -- */

static const char *note_name(Arena *arena, const IdxAttribute *a)
{
    return arena_printf(arena, "filled %s.%s", idx_tables[a->level].name, a->column);
}

/* What the note of a column says. */
static const char *meaning(Arena *arena, const IdxAttribute *a)
{
    return arena_printf(arena, "%s/%d", idx_chain_text(arena, a->parents, a->parent_count, a->tag), a->chars);
}

static bool get(Db *db, Arena *arena, const char *name, const char **value, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, "SELECT value FROM note WHERE name = ?", err);
    if (!s)
        return false;
    db_bind_cstr(s, name);
    bool ok = db_step(s, &row, err);
    *value = ok && row ? arena_span_cstr(arena, db_text(s, 0)) : "";
    db_done(s);
    return ok;
}

static bool set(Db *db, const char *name, const char *value, Err *err)
{
    DbStatement *s = db_prepare(db,
                                "INSERT INTO note (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
                                "SET value = excluded.value",
                                err);
    if (!s)
        return false;
    db_bind_cstr(s, name);
    db_bind_cstr(s, value);
    return db_run(s, err);
}

static bool forget(Db *db, const char *name, Err *err)
{
    DbStatement *s = db_prepare(db, "DELETE FROM note WHERE name = ?", err);
    if (!s)
        return false;
    db_bind_cstr(s, name);
    return db_run(s, err);
}

/* The extended attributes that have a column, one after the other; begin with *at = 0. NULL behind the last. */
static const IdxAttribute *next_extended(const IdxAttributes *attributes, size_t *at)
{
    while (*at < attributes->count) {
        const IdxAttribute *a = &attributes->rows[(*at)++];
        if (a->vr != DCM_VR_NONE)
            return a;
    }
    return NULL;
}

/* The same for the same attributes, in text. */
static const char *signature(Arena *arena, const IdxAttributes *attributes)
{
    size_t at = 0;
    const IdxAttribute *a;
    Buf all;
    buf_init(&all, 0);
    while ((a = next_extended(attributes, &at)))
        buf_printf(&all, "%s=%s;", note_name(arena, a), meaning(arena, a));
    unsigned long long hash = XXH3_64bits(all.p ? all.p : (const uint8_t *)"", all.n);
    buf_free(&all);
    return arena_printf(arena, "%016llx", hash);
}

/* Is the fill that is noted one for just our attributes? */
static bool is_own_fill(Db *db, Arena *arena, const char *noted)
{
    return span_starts(span_cstr(noted), span_cstr(signature(arena, db_attributes(db))));
}

static bool set_all(Db *db, Arena *arena, Err *err)
{
    size_t at = 0;
    const IdxAttribute *a;
    bool ok = set(db, BASE, "1", err) && forget(db, FILLING, err);
    while (ok && (a = next_extended(db_attributes(db), &at)))
        ok = set(db, note_name(arena, a), meaning(arena, a), err);
    return ok;
}

static bool count_waiting(Db *db, Arena *arena, IdxFilling *out, Err *err)
{
    size_t at = 0;
    const IdxAttribute *a;
    const char *value = "";
    bool ok = get(db, arena, BASE, &value, err);
    *out = (IdxFilling){.extended = db_attributes(db)->extended, .base = *value != 0};
    while (ok && (a = next_extended(db_attributes(db), &at))) {
        ok = get(db, arena, note_name(arena, a), &value, err);
        out->waiting += ok && strcmp(value, meaning(arena, a)) != 0;
    }
    ok = ok && get(db, arena, FILLING, &value, err);
    out->begun = ok && is_own_fill(db, arena, value);
    return ok;
}

/* -- for the room -- */

static bool is_empty(Db *db, bool *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, "SELECT 1 FROM file_storage_metadata_dicom LIMIT 1", err);
    bool ok = s && db_step(s, &row, err);
    db_done(s);
    *out = ok && !row;
    return ok;
}

static bool settle_empty(Db *db, Arena *arena, Err *err)
{
    bool changed, empty;
    if (!db_begin(db, &changed, err))
        return false;
    if (is_empty(db, &empty, err) &&
        (!empty || (idx_schema_index_columns(db, true, err) && set_all(db, arena, err))))
        return db_commit(db, err);
    db_rollback(db);
    return false;
}

bool idx_filled_settle(Db *db, Err *err)
{
    bool empty;
    IdxFilling filling;
    if (!is_empty(db, &empty, err))
        return false;
    if (!empty)
        return true;
    Arena *arena = arena_new(0);
    bool ok = count_waiting(db, arena, &filling, err);
    if (ok && (filling.waiting || !filling.base))
        ok = settle_empty(db, arena, err);
    arena_free(arena);
    return ok;
}

/* Is this note about an attribute that we have, and in the same sense? */
static bool is_ours(Db *db, Arena *arena, const char *name, const char *value)
{
    size_t at = 0;
    const IdxAttribute *a;
    if (strcmp(name, FILLING) == 0)
        return is_own_fill(db, arena, value);
    if (strcmp(name, BASE) == 0)
        return true;
    while ((a = next_extended(db_attributes(db), &at)))
        if (strcmp(name, note_name(arena, a)) == 0)
            return strcmp(value, meaning(arena, a)) == 0;
    return false;
}

typedef struct Notes {
    const char **names, **values;
    size_t count;
    uint64_t hash;
} Notes;

static bool read_notes(Db *db, Arena *arena, Notes *out, Err *err)
{
    enum { MOST = DCM_LEVEL_COUNT * IDX_EXTENDED_MAX + 2 };
    bool row = true;
    *out = (Notes){.names = arena_alloc(arena, MOST * sizeof *out->names),
                   .values = arena_alloc(arena, MOST * sizeof *out->values)};
    DbStatement *s =
        db_prepare(db, "SELECT name, value FROM note WHERE name LIKE 'fill%' ORDER BY name", err);
    bool ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row && out->count < MOST) {
        Span name = db_text(s, 0), value = db_text(s, 1);
        out->hash = XXH3_64bits_withSeed(name.p, name.n, out->hash);
        out->hash = XXH3_64bits_withSeed(value.p, value.n, out->hash);
        out->names[out->count] = arena_span_cstr(arena, name);
        out->values[out->count++] = arena_span_cstr(arena, value);
    }
    db_done(s);
    return ok;
}

bool idx_filled_disown(Db *db, uint64_t *seen, Err *err)
{
    Arena *arena = arena_new(0);
    Notes notes;
    bool foreign = false;
    bool ok = read_notes(db, arena, &notes, err);
    for (size_t i = 0; ok && notes.hash != *seen && i < notes.count; i++)
        if (!is_ours(db, arena, notes.names[i], notes.values[i])) {
            foreign = true;
            ok = forget(db, notes.names[i], err);
        }
    if (ok && !foreign)
        *seen = notes.hash;
    arena_free(arena);
    return ok;
}

bool idx_filled_column(Db *db, Arena *arena, const IdxAttribute *a, bool *out, Err *err)
{
    const char *value = "";
    bool ok = get(db, arena, note_name(arena, a), &value, err);
    *out = ok && strcmp(value, meaning(arena, a)) == 0;
    return ok;
}

bool idx_filled_not(Db *db, Err *err)
{
    return forget(db, BASE, err);
}

/* -- for the archive -- */

DcmTag idx_last_tag(const Index *index)
{
    return index->attributes->last;
}

size_t idx_extended_count(const Index *index)
{
    return index->attributes->extended;
}

bool idx_filling(Index *index, IdxFilling *out, Err *err)
{
    Db *db = idx_reader_take(index, IDX_ONE_LOOK, err);
    if (!db)
        return false;
    Arena *arena = arena_new(0);
    bool ok = count_waiting(db, arena, out, err);
    arena_free(arena);
    idx_reader_give(index, db, IDX_ONE_LOOK);
    return ok;
}

static bool begin_filling(Db *db, Arena *arena, bool again, const char **since, Err *err)
{
    const char *own = signature(arena, db_attributes(db)), *noted;
    if (!get(db, arena, FILLING, &noted, err))
        return false;
    if (!again && is_own_fill(db, arena, noted)) {
        *since = noted + strlen(own) + 1;
        return true;
    }
    *since = idx_now(arena);
    return set(db, FILLING, arena_printf(arena, "%s %s", own, *since), err);
}

bool idx_filling_begin(Index *index, Arena *arena, bool again, const char **since, Err *err)
{
    if (!idx_begin(index, err))
        return false;
    if (begin_filling(index->writer, arena, again, since, err))
        return idx_commit(index, err);
    idx_rollback(index);
    return false;
}

bool idx_filling_end(Index *index, Err *err)
{
    if (!idx_writer(index, err) || !idx_schema_index_columns(index->writer, false, err) ||
        !idx_begin(index, err))
        return false;
    Arena *arena = arena_new(0);
    const char *noted;
    bool ok = get(index->writer, arena, FILLING, &noted, err);
    if (ok && !is_own_fill(index->writer, arena, noted))
        ok =
            err_set(err, ERR_MISMATCH,
                    "a server that does not have these tags has stored objects meanwhile; start it again, so "
                    "that it reads them, and then fill again");
    ok = ok && set_all(index->writer, arena, err);
    arena_free(arena);
    if (ok)
        return idx_commit(index, err);
    idx_rollback(index);
    return false;
}
