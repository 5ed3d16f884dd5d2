// SPDX-License-Identifier: MIT
/* Records of series and marks of objects; and the counters, which are made of marks and of what the index and the disk have. */
#include "px/base_internal.h"
#include "px/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORD_MAX = 64 << 20 };

const char *px_table_name(PxTable table)
{
    static const char *const names[PX_TABLE_COUNT] = {
        [PX_TABLE_RETRIEVE] = "retrieve",
        [PX_TABLE_PACK] = "pack",
        [PX_TABLE_PUSH] = "push",
        [PX_TABLE_REGISTER] = "register",
    };
    return names[table];
}

/* -- records -- */

static bool read_record(PxBase *base, PxTable table, const char *series, json_t **out, Err *err)
{
    bool row = false;
    sqlite3_stmt *s = px_db_statement(base->db, PX_SQL_RECORD_GET, err);
    *out = NULL;
    if (!s)
        return false;
    px_db_bind(s, 1, series);
    px_db_bind(s, 2, px_table_name(table));
    bool ok = px_db_step(base->db, s, &row, err);
    if (ok && row) {
        *out = json_loads((const char *)sqlite3_column_text(s, 0), 0, NULL);
        if (!json_is_object(*out)) {
            json_decref(*out);
            *out = NULL;
            ok = err_set(err, ERR_FORMAT, "the %s record of series %s in %s is damaged", px_table_name(table),
                         series, base->path);
        }
    }
    px_db_reset(s);
    return ok;
}

static bool write_record(PxBase *base, PxTable table, const char *study, const char *series,
                         const json_t *record, Err *err)
{
    bool row = false;
    char *text = json_dumps(record, JSON_COMPACT);
    sqlite3_stmt *s = px_db_statement(base->db, PX_SQL_RECORD_SET, err);
    bool ok = s != NULL;
    if (ok && (!text || strlen(text) > RECORD_MAX))
        ok = err_set(err, ERR_LIMIT, "the %s record of series %s is too large", px_table_name(table), series);
    if (ok) {
        px_db_bind(s, 1, series);
        px_db_bind(s, 2, px_table_name(table));
        px_db_bind(s, 3, study);
        px_db_bind(s, 4, text);
        ok = px_db_step(base->db, s, &row, err);
    }
    px_db_reset(s);
    free(text);
    return ok;
}

static bool merge(PxBase *base, PxTable table, const char *study, const char *series, const json_t *members,
                  Err *err)
{
    json_t *record;
    if (!read_record(base, table, series, &record, err))
        return false;
    if (!record)
        record = json_object();
    /* jansson's second argument is not changed, only its values get one more owner */
    bool ok = json_object_update(record, (json_t *)(uintptr_t)members) == 0 ||
              err_set(err, ERR_USAGE, "a record is a JSON object");
    ok = ok && write_record(base, table, study, series, record, err);
    json_decref(record);
    return ok;
}

bool px_record_merge(PxBase *base, PxTable table, const char *study, const char *series,
                     const json_t *members, Err *err)
{
    PxTree *tree;
    return px_base_tree(base, &tree, err) && px_db_enter(base->db, true, err) &&
           px_db_leave(base->db, true, merge(base, table, study, series, members, err), err) &&
           (!tree || px_tree_record(tree, table, series, err));
}

/* -- which there are -- */

static bool table_of(const char *name, PxTable *out)
{
    for (int i = 0; i < PX_TABLE_COUNT; i++) {
        *out = (PxTable)i;
        if (strcmp(name, px_table_name(*out)) == 0)
            return true;
    }
    return false;
}

static bool visit_names(PxBase *base, PxRecordVisit visit, void *ctx, Err *err)
{
    bool ok = true, row = false;
    PxTable table;
    sqlite3_stmt *s = px_db_statement(base->db, PX_SQL_RECORD_NAMES, err);
    if (!s)
        return false;
    Arena *arena = arena_new(0);
    while (ok && (ok = px_db_step(base->db, s, &row, err)) && row) {
        if (table_of(px_db_text(s, 1, arena), &table))
            ok = visit(ctx, table, px_db_text(s, 0, arena), err);
        arena_reset(arena);
    }
    px_db_reset(s);
    arena_free(arena);
    return ok;
}

bool px_records_visit(PxBase *base, PxRecordVisit visit, void *ctx, Err *err)
{
    return px_db_enter(base->db, false, err) &&
           px_db_leave(base->db, false, visit_names(base, visit, ctx, err), err);
}

bool px_record_read(PxBase *base, PxTable table, const char *series, json_t **out, Err *err)
{
    *out = NULL;
    return px_db_enter(base->db, false, err) &&
           px_db_leave(base->db, false, read_record(base, table, series, out, err), err);
}

/* -- marks -- */

static bool add(PxBase *base, const PxMark *marks, size_t n, Err *err)
{
    bool ok = true, row;
    sqlite3_stmt *s = px_db_statement(base->db, PX_SQL_MARK_SET, err);
    for (size_t i = 0; s && ok && i < n; i++) {
        const PxMark *m = &marks[i];
        px_db_bind(s, 1, m->series);
        px_db_bind(s, 2, m->sop_instance);
        sqlite3_bind_int(s, 3, m->kind);
        px_db_bind(s, 4, m->target);
        px_db_bind(s, 5, m->sha256);
        px_db_bind(s, 6, m->name ? m->name : "");
        px_db_bind(s, 7, m->check ? m->check : "");
        sqlite3_bind_int64(s, 8, (sqlite3_int64)m->size);
        ok = px_db_step(base->db, s, &row, err);
        px_db_reset(s);
    }
    return s && ok;
}

bool px_marks_add(PxBase *base, const PxMark *marks, size_t n, Err *err)
{
    return !n ||
           (px_db_enter(base->db, true, err) && px_db_leave(base->db, true, add(base, marks, n, err), err));
}

static bool find(PxBase *base, const PxMark *key, Arena *arena, PxMark *out, bool *found, Err *err)
{
    sqlite3_stmt *s = px_db_statement(base->db, PX_SQL_MARK_FIND, err);
    if (!s)
        return false;
    px_db_bind(s, 1, key->series);
    px_db_bind(s, 2, key->sop_instance);
    sqlite3_bind_int(s, 3, key->kind);
    px_db_bind(s, 4, key->target);
    px_db_bind(s, 5, key->sha256);
    bool ok = px_db_step(base->db, s, found, err);
    if (ok && *found) {
        *out = *key;
        out->name = px_db_text(s, 0, arena);
        out->check = px_db_text(s, 1, arena);
        out->size = (uint64_t)sqlite3_column_int64(s, 2);
    }
    px_db_reset(s);
    return ok;
}

bool px_mark_find(PxBase *base, PxMarkKind kind, const char *target, const PxObject *object, Arena *arena,
                  PxMark *out, bool *found, Err *err)
{
    *found = false;
    PxMark key = {.kind = kind,
                  .sop_instance = arena_strdup(arena, object->sop_instance),
                  .series = arena_strdup(arena, object->series),
                  .sha256 = arena_strdup(arena, object->sha256),
                  .target = arena_strdup(arena, target)};
    return px_db_enter(base->db, false, err) &&
           px_db_leave(base->db, false, find(base, &key, arena, out, found, err), err);
}

typedef struct Visiting {
    PxMarkKind kind;
    const char *series;
    bool (*visit)(void *ctx, const PxMark *mark, Err *err);
    void *ctx;
} Visiting;

static bool visit_marks(PxBase *base, const Visiting *v, Err *err)
{
    bool ok = true, row = false;
    sqlite3_stmt *s = px_db_statement(base->db, PX_SQL_MARKS_OF_KIND, err);
    if (!s)
        return false;
    Arena *arena = arena_new(0);
    px_db_bind(s, 1, v->series);
    sqlite3_bind_int(s, 2, v->kind);
    while (ok && (ok = px_db_step(base->db, s, &row, err)) && row) {
        PxMark mark = {.kind = v->kind,
                       .series = v->series,
                       .sop_instance = px_db_text(s, 0, arena),
                       .sha256 = px_db_text(s, 1, arena),
                       .target = px_db_text(s, 2, arena),
                       .name = px_db_text(s, 3, arena),
                       .check = px_db_text(s, 4, arena),
                       .size = (uint64_t)sqlite3_column_int64(s, 5)};
        ok = v->visit(v->ctx, &mark, err);
        arena_reset(arena);
    }
    px_db_reset(s);
    arena_free(arena);
    return ok;
}

bool px_marks_visit(PxBase *base, PxMarkKind kind, const char *series,
                    bool (*visit)(void *ctx, const PxMark *mark, Err *err), void *ctx, Err *err)
{
    Visiting v = {kind, series, visit, ctx};
    return px_db_enter(base->db, false, err) && px_db_leave(base->db, false, visit_marks(base, &v, err), err);
}

/* -- counters -- */

typedef struct Known {
    const char *instance, *sha256;
    PxMarkKind kind;
} Known;

typedef struct Counting {
    PxBase *base;
    Arena *arena;
    Known *marks; /* by instance */
    size_t count, capacity;
    PxCounts *out;
} Counting;

static bool load_marks(Counting *c, const char *series, Err *err)
{
    bool row = false, ok = true;
    sqlite3_stmt *s = px_db_statement(c->base->db, PX_SQL_MARKS_OF_SERIES, err);
    if (!s)
        return false;
    px_db_bind(s, 1, series);
    while (ok && (ok = px_db_step(c->base->db, s, &row, err)) && row) {
        if (c->count == c->capacity) {
            c->capacity = c->capacity ? 2 * c->capacity : 256;
            c->marks = realloc(c->marks, c->capacity * sizeof *c->marks);
            if (!c->marks)
                abort();
        }
        c->marks[c->count++] = (Known){.instance = px_db_text(s, 0, c->arena),
                                       .kind = (PxMarkKind)sqlite3_column_int(s, 1),
                                       .sha256 = px_db_text(s, 2, c->arena)};
    }
    px_db_reset(s);
    return ok;
}

static size_t first_mark(const Counting *c, const char *instance)
{
    size_t from = 0, to = c->count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (strcmp(c->marks[middle].instance, instance) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool count_one(void *ctx, const IdxFile *file, Err *err)
{
    Counting *c = ctx;
    struct stat st;
    char sha256[2 * sizeof file->sha256 + 1];
    bool pushed = false, registered = false;
    px_hex(file->sha256, sizeof file->sha256, sha256);
    for (size_t i = first_mark(c, file->sop_instance);
         i < c->count && strcmp(c->marks[i].instance, file->sop_instance) == 0; i++) {
        bool valid = strcmp(c->marks[i].sha256, sha256) == 0;
        pushed = pushed || (valid && c->marks[i].kind == PX_MARK_PUSHED);
        registered = registered || (valid && c->marks[i].kind == PX_MARK_REGISTERED);
    }
    c->out->received++;
    c->out->packed += stat(file->path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size;
    c->out->pushed += pushed;
    c->out->registered += registered;
    return true;
}

/* pypx writes the number as text. */
static int64_t requested_of(const json_t *record)
{
    const json_t *value = json_object_get(record, "NumberOfSeriesRelatedInstances");
    int64_t n;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        return json_integer_value(value);
    const char *text = json_string_value(value);
    return text && span_to_i64(span_trim(span_cstr(text)), 0, INT64_MAX, &n) ? n : -1;
}

static bool read_requested(PxBase *base, const char *series, int64_t *out, Err *err)
{
    json_t *record = NULL;
    bool ok = px_record_read(base, PX_TABLE_RETRIEVE, series, &record, err);
    *out = record ? requested_of(record) : -1;
    json_decref(record);
    return ok;
}

bool px_base_received(PxBase *base, const char *series, int64_t *requested, int64_t *received, Err *err)
{
    uint64_t objects = 0, bytes;
    IdxSelection selection = {.series = &series, .series_count = 1};
    Index *index = px_base_index(base, err);
    bool ok = index && read_requested(base, series, requested, err) &&
              idx_select_count(index, &selection, &objects, &bytes, err);
    *received = (int64_t)objects;
    return ok;
}

bool px_base_counts(PxBase *base, const char *series, PxCounts *out, Err *err)
{
    Counting c = {.base = base, .arena = arena_new(0), .out = out};
    *out = (PxCounts){.requested = -1};
    bool ok = read_requested(base, series, &out->requested, err) && px_db_enter(base->db, false, err) &&
              px_db_leave(base->db, false, load_marks(&c, series, err), err) &&
              px_base_files(base, &(PxSelection){.series = series}, count_one, &c, err);
    free(c.marks);
    arena_free(c.arena);
    return ok;
}
