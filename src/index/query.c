// SPDX-License-Identifier: MIT
/*
 * Keys to a plan. A key belongs to the level whose row has its attribute: at or above the query's level the row itself decides, below it one
 * child must match all keys of its levels. SQL narrows where it can (search.h); the cursor decides.
 *
 * A limit goes into the SQL only when nothing is left to decide.
 */
#include "index/plan.h"
#include "index/schema.h"

#include "dicom/dict.h"
#include "dicom/tags.h"

static void add_key(IdxPlan *plan, DcmLevel level, const DcmElement *key)
{
    IdxKeyList *list = &plan->decide[level];
    if (!list->keys)
        list->keys = arena_alloc(plan->arena, plan->keys->count * sizeof *list->keys);
    list->keys[list->count++] = key;
    if (level > plan->deepest)
        plan->deepest = level;
}

static const DcmDataset *keys_in_utf8(Arena *arena, const DcmDataset *keys)
{
    DcmDataset *out = dcm_dataset_new(arena);
    dcm_put(out, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    for (size_t i = 0; i < keys->count; i++)
        if (keys->elements[i].tag != DCM_SpecificCharacterSet)
            dcm_copy(out, keys, &keys->elements[i]);
    return out;
}

static bool has_value(const IdxPlan *plan, const DcmElement *key)
{
    return dcm_match_is_key(key->tag) && !dcm_match_is_universal(plan->keys, key);
}

static void sort_keys(IdxPlan *plan)
{
    plan->attribute = arena_alloc(plan->arena, (plan->keys->count + 1) * sizeof(IdxAttribute *));
    for (size_t i = 0; i < plan->keys->count; i++) {
        const DcmElement *key = &plan->keys->elements[i];
        const IdxAttribute *a = idx_attribute(plan->attributes, key->tag, plan->level);
        plan->attribute[i] = a;
        if (!has_value(plan, key))
            continue;
        if (a)
            add_key(plan, a->level, key);
        else
            plan->unsupported_key = true;
    }
}

/* Attributes that others have a part in: nested ones and their sequences, private ones and their creators. */
static bool is_entangled(const IdxAttribute *a)
{
    return a->parents || a->has_nested || DCM_TAG_IS_PRIVATE(a->tag);
}

static bool want(const IdxPlan *plan, DcmVr *wanted, const IdxAttribute *a)
{
    if (a)
        wanted[a - plan->attributes->rows] = a->vr ? a->vr : dcm_dict_vr(a->tag, (Span){NULL, 0});
    return !a || !is_entangled(a);
}

/* What is asked for or matched, and what every answer has. Where that is not plain, everything is wanted. */
static void choose_wanted(IdxPlan *plan)
{
    static const DcmTag shift_of_times = DCM_TAG(0x0008, 0x0201);
    const IdxAttributes *set = plan->attributes;
    if (plan->all_attributes || plan->extended_attributes)
        return;
    DcmVr *wanted = arena_alloc(plan->arena, set->count * sizeof *wanted);
    bool plain = true;
    for (size_t i = 0; i < plan->keys->count; i++)
        plain = want(plan, wanted, plan->attribute[i]) && plain;
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        want(plan, wanted, idx_attribute_at(set, dcm_level_unique_key((DcmLevel)level), (DcmLevel)level));
        plain = want(plan, wanted, idx_attribute_at(set, shift_of_times, (DcmLevel)level)) && plain;
    }
    if (plain)
        plan->wanted = wanted;
}

static void place_columns(IdxPlan *plan)
{
    int column = 0;
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        if (level == (int)plan->level + 1)
            column = 0;
        plan->column[level] = column;
        column += idx_sql_column_count(plan->attributes, (DcmLevel)level, plan->wanted);
    }
}

/* SELECT the columns of the levels `from` to `to`. */
static void select_levels(Buf *sql, const IdxPlan *plan, DcmLevel from, DcmLevel to)
{
    buf_append_cstr(sql, "SELECT ");
    for (int l = (int)from; l <= (int)to; l++) {
        buf_append_cstr(sql, l > (int)from ? ", " : "");
        idx_sql_columns(sql, plan->attributes, (DcmLevel)l, plan->wanted);
    }
}

static void join(Buf *sql, const char *how, int level, int with)
{
    const IdxTable *table = &idx_tables[level], *other = &idx_tables[with];
    const char *link = idx_tables[level < with ? level : with].id;
    buf_printf(sql, "%s %s %s ON %s.%s = %s.%s", how, table->name, table->alias, table->alias, link,
               other->alias, link);
}

/* FROM their tables, the planner choosing with which to begin. */
static void join_levels(Buf *sql, DcmLevel from, DcmLevel to)
{
    buf_printf(sql, " FROM %s %s", idx_tables[from].name, idx_tables[from].alias);
    for (int l = (int)from + 1; l <= (int)to; l++)
        join(sql, " JOIN", l, l - 1);
    buf_append_cstr(sql, " WHERE true");
}

/* The same when nothing selects: studies in their order, and what belongs to each (the join keeps the order of the tables),
   so that the first answers are there at once. */
static void walk_studies(Buf *sql, const DbDialect *dialect, DcmLevel to)
{
    buf_append_cstr(sql, " FROM study s");
    join(sql, dialect->in_order, DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY);
    for (int l = DCM_LEVEL_SERIES; l <= (int)to; l++)
        join(sql, dialect->in_order, l, l - 1);
    buf_append_cstr(sql, " WHERE true");
}

/* Studies that few conditions select are found and put in order first, by indexes as far as that goes; then each row is read, in its turn: what is sorted
   is small, the first row does not wait for the last, and a caller who wants no more leaves the rest unread. The LIMIT keeps the order from
   being dropped as that of a part. */
static void read_in_turn(Buf *sql, const IdxSql *rows, Span conditions, const char *order)
{
    buf_append_cstr(sql, " FROM (SELECT s.study_id AS found FROM study s");
    if (rows->reads_patients)
        join(sql, " JOIN", DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY);
    buf_append_cstr(sql, " WHERE true");
    buf_append_span(sql, conditions);
    buf_printf(sql, "%s LIMIT -1) f", order);
    buf_printf(sql, "%s study s ON s.study_id = f.found", rows->dialect->in_order);
    join(sql, rows->dialect->in_order, DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY);
}

/* All keys that can narrow; *drives is the narrowest, NULL when all let many rows through. */
static bool look_at_keys(IdxPlan *plan, Db *db, IdxLook **looks, size_t *count, const IdxLook **drives,
                         Err *err)
{
    int64_t least = IDX_FEW + 1;
    *drives = NULL;
    *count = 0;
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        for (size_t i = 0; i < plan->decide[level].count; i++) {
            const DcmElement *key = plan->decide[level].keys[i];
            const IdxAttribute *a = idx_attribute(plan->attributes, key->tag, plan->level);
            IdxLook *look;
            if (!idx_look(plan->arena, db, a, key, &plan->match, &look, err))
                return false;
            if (!look)
                continue;
            looks[(*count)++] = look;
            if (idx_look_cost(look, plan->level) < least) {
                least = idx_look_cost(look, plan->level);
                *drives = look;
            }
        }
    return true;
}

static bool narrow(IdxPlan *plan, Db *db, Err *err)
{
    IdxLook **looks = arena_alloc(plan->arena, (plan->keys->count + 1) * sizeof *looks);
    const IdxLook *drives;
    size_t n;
    if (!look_at_keys(plan, db, looks, &n, &drives, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!idx_narrow(&plan->rows, plan->level, looks[i], looks[i] == drives, err))
            return false;
    if (plan->newest) {
        /* The plus keeps it from being what the rows are found by. */
        buf_printf(&plan->rows.text, " AND +%s.%s <= ?", idx_tables[plan->level].alias,
                   idx_tables[plan->level].id);
        idx_sql_number(&plan->rows, plan->newest);
    }
    return true;
}

static const char *order_of(DcmLevel level)
{
    switch (level) {
    case DCM_LEVEL_PATIENT:
        return " ORDER BY p.newest_study DESC NULLS LAST, p.patient_id DESC";
    case DCM_LEVEL_STUDY:
        return " ORDER BY s.date_study DESC NULLS LAST, s.study_time DESC NULLS LAST, s.study_id DESC";
    case DCM_LEVEL_SERIES:
        return " ORDER BY s.date_study DESC NULLS LAST, s.study_time DESC NULLS LAST, s.study_id DESC, "
               "e.series_number NULLS FIRST, "
               "e.series_id";
    case DCM_LEVEL_IMAGE:
        break;
    }
    return " ORDER BY s.date_study DESC NULLS LAST, s.study_time DESC NULLS LAST, s.study_id DESC, "
           "e.series_number NULLS FIRST, e.series_id, "
           "i.instance_number NULLS FIRST, i.file_storage_metadata_dicom_id";
}

static bool nothing_to_decide(const IdxPlan *plan)
{
    size_t n = 0;
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        n += plan->decide[level].count;
    return n == 0;
}

static bool make_rows(IdxPlan *plan, Db *db, Err *err)
{
    IdxSql *sql = &plan->rows;
    sql->of_studies = plan->level == DCM_LEVEL_STUDY;
    if (!narrow(plan, db, err))
        return false;
    plan->first_matters = !sql->selective;
    Buf conditions = sql->text;
    buf_init(&sql->text, 0);
    select_levels(&sql->text, plan, DCM_LEVEL_PATIENT, plan->level);
    if (sql->selective && sql->of_studies && sql->dialect->reads_in_turn) {
        read_in_turn(&sql->text, sql, buf_span(&conditions), order_of(plan->level));
    } else {
        if (sql->selective || plan->level == DCM_LEVEL_PATIENT)
            join_levels(&sql->text, DCM_LEVEL_PATIENT, plan->level);
        else
            walk_studies(&sql->text, sql->dialect, plan->level);
        buf_append_span(&sql->text, buf_span(&conditions));
        buf_append_cstr(&sql->text, order_of(plan->level));
    }
    buf_free(&conditions);
    if (nothing_to_decide(plan) && (plan->limit || plan->offset)) {
        buf_append_cstr(&sql->text, " LIMIT ? OFFSET ?");
        idx_sql_number(sql, plan->limit && plan->limit < INT64_MAX ? (int64_t)plan->limit : INT64_MAX);
        idx_sql_number(sql, plan->offset < INT64_MAX ? (int64_t)plan->offset : INT64_MAX);
        plan->offset = 0;
    }
    return true;
}

/* The children of one row: only levels below are there, so conditions on the study's lists are not for them. */
static bool make_children(IdxPlan *plan, Db *db, Err *err)
{
    IdxSql *sql = &plan->children;
    DcmLevel first = (DcmLevel)(plan->level + 1);
    const IdxTable *parent = &idx_tables[plan->level];
    select_levels(&sql->text, plan, first, plan->deepest);
    join_levels(&sql->text, first, plan->deepest);
    for (int level = (int)first; level <= (int)plan->deepest; level++) {
        const IdxKeyList *list = &plan->decide[level];
        for (size_t i = 0; i < list->count; i++) {
            const IdxAttribute *a = idx_attribute(plan->attributes, list->keys[i]->tag, plan->level);
            IdxLook *look = NULL;
            if (a->search == IDX_EXACT &&
                (!idx_look(plan->arena, db, a, list->keys[i], &plan->match, &look, err) ||
                 !idx_narrow(sql, plan->deepest, look, false, err)))
                return false;
        }
    }
    buf_printf(&sql->text, " AND %s.%s = ?", idx_tables[first].alias, parent->id);
    return true;
}

bool idx_plan_make(IdxPlan *plan, Arena *arena, Db *db, const IdxQuery *query, Err *err)
{
    *plan = (IdxPlan){.arena = arena,
                      .level = query->level,
                      .deepest = query->level,
                      .attributes = db_attributes(db),
                      .match = query->match,
                      .all_attributes = query->all_attributes,
                      .extended_attributes = query->extended_attributes,
                      .limit = query->limit,
                      .offset = query->offset,
                      .newest = query->newest};
    plan->keys = keys_in_utf8(arena, query->keys);
    idx_sql_init(&plan->rows, db_dialect(db), arena);
    idx_sql_init(&plan->children, db_dialect(db), arena);
    sort_keys(plan);
    choose_wanted(plan);
    place_columns(plan);
    if (!make_rows(plan, db, err))
        return false;
    return plan->deepest == plan->level || make_children(plan, db, err);
}

void idx_plan_done(IdxPlan *plan)
{
    idx_sql_free(&plan->rows);
    idx_sql_free(&plan->children);
}
