// SPDX-License-Identifier: MIT
/*
 * Rows of a query. Each level of a row is read once for as long as its id stays the same: a patient's data set and whether it
 * matches serve all its studies. Nothing is gathered; the connection's transaction makes the answers those of one moment.
 */
#include "index/nested.h"
#include "index/plan.h"
#include "index/row.h"

#include "dicom/tags.h"

#include <stdlib.h>

/* One level of the current row. */
typedef struct LevelRow {
    int64_t id; /* 0 = none yet */
    Arena *arena;
    DcmDataset *attributes;
    bool matches;
} LevelRow;

struct IdxCursor {
    Index *index;
    Arena *arena;
    Db *db;
    IdxPlan plan;
    DbStatement *rows, *children;
    LevelRow level
        [DCM_LEVEL_COUNT]; /* above and at the query's level: of the row; below: of the child looked at */
    uint64_t skipped, given;
    bool ended;
};

IdxCursor *idx_query(Index *index, const IdxQuery *query, Err *err)
{
    IdxCursor *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->index = index;
    c->arena = arena_new(0);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        c->level[level].arena = arena_new(0);
    c->db = idx_reader_take(index, IDX_SNAPSHOT, err);
    if (c->db)
        db_watch(c->db, query->stopped, query->stopped_ctx);
    bool ok = c->db && idx_plan_make(&c->plan, c->arena, c->db, query, err);
    c->rows =
        ok ? idx_sql_prepare(&c->plan.rows, c->db, c->plan.first_matters ? DB_FIRST : DB_ROWS, err) : NULL;
    if (c->rows)
        return c;
    idx_cursor_free(c);
    return NULL;
}

void idx_cursor_free(IdxCursor *c)
{
    if (!c)
        return;
    db_done(c->rows);
    db_done(c->children);
    idx_plan_done(&c->plan);
    if (c->db)
        db_watch(c->db, NULL, NULL);
    idx_reader_give(c->index, c->db, IDX_SNAPSHOT);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        arena_free(c->level[level].arena);
    arena_free(c->arena);
    free(c);
}

/* -- matching -- */

static bool match_level(const IdxPlan *plan, DcmLevel level, const DcmDataset *attributes)
{
    const IdxKeyList *list = &plan->decide[level];
    for (size_t i = 0; i < list->count; i++)
        if (!dcm_match_element(plan->keys, list->keys[i], attributes, &plan->match))
            return false;
    return true;
}

/* Brings a level up to the row that `s` stands on. False only on failure. */
static bool take_level(IdxCursor *c, DbStatement *s, int column, DcmLevel level, Err *err)
{
    LevelRow *row = &c->level[level];
    int64_t id = db_int(s, column);
    if (row->id == id)
        return true;
    row->id = 0;
    arena_reset(row->arena);
    row->attributes = idx_row_read(s, column, row->arena, level, true, c->plan.wanted, err);
    if (!row->attributes)
        return err_wrap(err, "index: %s %lld", idx_tables[level].name, (long long)id);
    row->id = id;
    row->matches = match_level(&c->plan, level, row->attributes);
    return true;
}

/* Do the levels match? Those that no key asks about are not even read. */
static bool match_levels(IdxCursor *c, DbStatement *s, DcmLevel from, DcmLevel to, bool *matches, Err *err)
{
    *matches = true;
    for (int level = (int)from; *matches && level <= (int)to; level++) {
        if (!c->plan.decide[level].count)
            continue;
        if (!take_level(c, s, c->plan.column[level], (DcmLevel)level, err))
            return false;
        *matches = c->level[level].matches;
    }
    return true;
}

/* Is there a child that matches the keys of the levels below? */
static bool match_children(IdxCursor *c, bool *matches, Err *err)
{
    IdxPlan *plan = &c->plan;
    *matches = true;
    if (plan->deepest == plan->level)
        return true;
    c->children = idx_sql_prepare(&plan->children, c->db, DB_LOOK, err);
    if (!c->children)
        return false;
    db_bind_int(c->children, db_int(c->rows, plan->column[plan->level]));
    bool row = true, ok = true;
    *matches = false;
    while (!*matches && (ok = db_step(c->children, &row, err)) && row)
        if (!(ok = match_levels(c, c->children, (DcmLevel)(plan->level + 1), plan->deepest, matches, err)))
            break;
    db_done(c->children);
    c->children = NULL;
    return ok;
}

/* The next row of the database that matches. */
static bool next_match(IdxCursor *c, bool *found, Err *err)
{
    bool row = true, matches = false;
    for (;;) {
        if (!db_step(c->rows, &row, err))
            return false;
        if (!row)
            break;
        if (!match_levels(c, c->rows, DCM_LEVEL_PATIENT, c->plan.level, &matches, err) ||
            (matches && !match_children(c, &matches, err)))
            return false;
        if (matches && c->skipped++ >= c->plan.offset)
            break;
    }
    *found = row;
    return true;
}

/* -- answering -- */

static void copy_asked(DcmDataset *to, const DcmDataset *from, const DcmElement *key);

/* Elements made of what a peer stored times what a peer asked for. */
enum { MAX_PICKED = 20000 };

/* The items with the elements that were asked for; whole when the key's item is empty, or to pick would be too much. */
static void copy_items(DcmDataset *to, const DcmDataset *from, const DcmElement *found, const DcmElement *key)
{
    const DcmDataset *asked = key->item_count ? key->items[0] : NULL;
    if (!asked || !asked->count || asked->count * found->item_count > MAX_PICKED) {
        dcm_copy(to, from, found);
        return;
    }
    dcm_put_sequence(to, found->tag);
    for (uint32_t i = 0; i < found->item_count; i++) {
        DcmDataset *item = dcm_add_item(to, found->tag);
        for (size_t k = 0; k < asked->count; k++)
            copy_asked(item, found->items[i], &asked->elements[k]);
    }
}

/* Rows and answers are both in UTF-8: the bytes of a plain value are the same. */
static void copy_value(DcmDataset *to, const DcmDataset *from, const DcmElement *found)
{
    if (found->items || found->fragments || found->skipped || DCM_TAG_IS_PRIVATE(found->tag))
        idx_copy(to, from, found);
    else
        dcm_put(to, found->tag, found->vr, found->value);
}

static void copy_asked(DcmDataset *to, const DcmDataset *from, const DcmElement *key)
{
    const DcmElement *found = from ? dcm_find(from, key->tag) : NULL;
    if (found && found->vr == DCM_VR_SQ && key->vr == DCM_VR_SQ)
        copy_items(to, from, found, key);
    else if (found)
        copy_value(to, from, found);
    else if (key->vr == DCM_VR_SQ)
        dcm_put_sequence(to, key->tag);
    else
        dcm_put(to, key->tag, key->vr, (Span){NULL, 0});
}

/* What the row has; nested attributes are in their sequences. */
static void copy_all(DcmDataset *to, const DcmDataset *from, const IdxAttributes *set, DcmLevel level)
{
    for (size_t i = 0; i < from->count; i++) {
        const IdxAttribute *a = idx_attribute_at(set, from->elements[i].tag, level);
        if (from->elements[i].tag != DCM_SpecificCharacterSet && !(a && a->parents))
            dcm_copy(to, from, &from->elements[i]);
    }
}

static void copy_or_empty(DcmDataset *to, const DcmDataset *from, DcmTag tag, DcmVr vr)
{
    const DcmElement *found = dcm_find(from, tag);
    if (found)
        idx_copy(to, from, found);
    else
        dcm_put(to, tag, vr, (Span){NULL, 0});
}

/* As SPHERE has it: those of the level; with studies, who the patient is. */
static void copy_extended(const IdxCursor *c, DcmDataset *to)
{
    const IdxPlan *plan = &c->plan;
    size_t n;
    const IdxAttribute *a = idx_attributes(plan->attributes, plan->level, &n);
    for (size_t i = 0; i < n; i++)
        if (a[i].extended && (i == 0 || a[i].tag != a[i - 1].tag))
            copy_or_empty(to, c->level[plan->level].attributes, a[i].tag, a[i].vr);
    if (plan->level == DCM_LEVEL_STUDY) {
        const DcmDataset *patient = c->level[DCM_LEVEL_PATIENT].attributes;
        copy_or_empty(to, patient, DCM_PatientName, DCM_VR_PN);
        copy_or_empty(to, patient, DCM_PatientBirthDate, DCM_VR_DA);
    }
}

static DcmDataset *answer(const IdxCursor *c, Arena *arena)
{
    enum { ROOM = 10 }; /* for unique keys, the character set and what a service adds */
    const IdxPlan *plan = &c->plan;
    DcmDataset *out = dcm_dataset_new_for(arena, plan->keys->count + ROOM);
    dcm_put(out, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    for (int level = 0; level <= (int)plan->level; level++) {
        const DcmDataset *from = c->level[level].attributes;
        const DcmElement *unique = dcm_find(from, dcm_level_unique_key((DcmLevel)level));
        if (plan->all_attributes)
            copy_all(out, from, plan->attributes, (DcmLevel)level);
        else if (unique)
            copy_value(out, from, unique);
    }
    if (plan->extended_attributes)
        copy_extended(c, out);
    for (size_t i = 0; i < plan->keys->count; i++) {
        const DcmElement *key = &plan->keys->elements[i];
        const IdxAttribute *a = plan->attribute[i];
        if (dcm_match_is_key(key->tag) && DCM_TAG_GROUP(key->tag) > 2)
            copy_asked(out, a && a->level <= plan->level ? c->level[a->level].attributes : NULL, key);
    }
    return out;
}

bool idx_next(IdxCursor *c, Arena *arena, IdxRow *out, Err *err)
{
    bool found = false;
    *out = (IdxRow){.unsupported_key = c->plan.unsupported_key};
    if (c->ended || (c->plan.limit && c->given == c->plan.limit))
        return true;
    if (!next_match(c, &found, err))
        return false;
    c->ended = !found;
    if (!found)
        return true;
    c->given++;
    for (int level = 0; level <= (int)c->plan.level; level++)
        if (!take_level(c, c->rows, c->plan.column[level], (DcmLevel)level, err))
            return false;
    int charset = c->plan.column[c->plan.level] + 1;
    out->attributes = answer(c, arena);
    out->stored_charset = arena_span_cstr(arena, db_text(c->rows, charset));
    return true;
}
