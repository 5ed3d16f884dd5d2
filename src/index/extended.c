// SPDX-License-Identifier: MIT
#include "index/extended.h"

#include "dicom/match.h"
#include "index/schema.h"

#include <string.h>
#include <strings.h>

/* Pixel data and what stands behind it: ingest does not keep it for the index. */
#define FIRST_UNSEEN DCM_TAG(0x7FE0, 0x0000)

/* -- checking -- */

/* Letters, digits and '_', not a digit first: what needs no escaping between double quotes, anywhere. */
static bool is_column_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t n = name ? strlen(name) : 0;
    return n > 0 && n <= IDX_COLUMN_NAME_MAX && strspn(name, letters) > 0 && strspn(name, more) == n;
}

static bool same_chain(const IdxExtended *a, const IdxExtended *b)
{
    return a->level == b->level && a->tag == b->tag && a->parent_count == b->parent_count &&
           memcmp(a->parents, b->parents, a->parent_count * sizeof *a->parents) == 0;
}

static bool check_tag(const IdxExtended *one, Err *err)
{
    if ((unsigned)one->level >= DCM_LEVEL_COUNT || one->parent_count > IDX_PARENTS_MAX)
        return err_set(err, ERR_USAGE, "it lies in more than %d sequences", IDX_PARENTS_MAX);
    if (!dcm_match_is_key(one->tag))
        return err_set(err, ERR_USAGE,
                       "it is no attribute of an object that can be searched by (file meta, group length, "
                       "character set, private creator); remove it");
    if ((one->parent_count ? one->parents[0] : one->tag) >= FIRST_UNSEEN)
        return err_set(err, ERR_USAGE, "it is pixel data or stands behind it; remove it");
    if (one->vr == DCM_VR_NONE)
        return err_set(err, ERR_USAGE, "it has no known value representation; give it one");
    if (one->vr == DCM_VR_SQ)
        return err_set(err, ERR_USAGE, "it is a sequence; name an element inside it: parent,child");
    return true;
}

/* The base row that the definition is about: nested ones are about none. */
static const IdxAttribute *base_row(const IdxExtended *one)
{
    return one->parent_count ? NULL : idx_attribute_at(&idx_base_attributes, one->tag, one->level);
}

const char *idx_base_column(DcmTag tag, DcmLevel level)
{
    const IdxAttribute *base = idx_attribute_at(&idx_base_attributes, tag, level);
    return base ? base->column : NULL;
}

static bool check_base(const IdxExtended *one, Err *err)
{
    const IdxAttribute *base = base_row(one);
    if (base && base->column && strcmp(base->column, one->column) != 0)
        return err_set(err, ERR_EXISTS, "it has the column %s already; write field_name: %s, or remove it",
                       base->column, base->column);
    for (int level = 0; !one->parent_count && level < DCM_LEVEL_COUNT; level++)
        if (level != (int)one->level && one->tag == dcm_level_unique_key((DcmLevel)level))
            return err_set(err, ERR_EXISTS, "it is the key of the table %s, and in every answer; remove it",
                           idx_tables[level].name);
    return true;
}

bool idx_column_is_taken(const IdxExtended *list, size_t count, const IdxExtended *one)
{
    const IdxAttribute *own = base_row(one);
    size_t n;
    const IdxAttribute *a = idx_attributes(&idx_base_attributes, one->level, &n);
    for (size_t i = 0; i < n; i++)
        if (&a[i] != own && a[i].column && strcasecmp(a[i].column, one->column) == 0)
            return true;
    for (size_t i = 0; i < count; i++)
        if (list[i].level == one->level && strcasecmp(list[i].column, one->column) == 0)
            return true;
    return idx_sql_is_bookkeeping(one->level, one->column);
}

bool idx_extended_check(const IdxExtended *list, size_t count, const IdxExtended *one, Err *err)
{
    size_t of_level = 0;
    if (!check_tag(one, err))
        return false;
    if (!is_column_name(one->column))
        return err_set(err, ERR_USAGE,
                       "'%.80s' cannot be a column's name; take letters, digits and '_', at most %d of them",
                       one->column ? one->column : "", IDX_COLUMN_NAME_MAX);
    if (one->chars < 0 || one->chars > IDX_COLUMN_CHARS_MAX)
        return err_set(err, ERR_USAGE, "the size must be from 1 to %d", IDX_COLUMN_CHARS_MAX);
    if (!check_base(one, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (same_chain(&list[i], one))
            return err_set(err, ERR_EXISTS, "it is listed twice; remove one");
        of_level += list[i].level == one->level;
    }
    if (of_level >= IDX_EXTENDED_MAX)
        return err_set(err, ERR_LIMIT, "there are %d attributes of this level already, which is the most",
                       IDX_EXTENDED_MAX);
    if (idx_column_is_taken(list, count, one))
        return err_set(err, ERR_EXISTS,
                       "the table %s has a column %s of something else; give it another field_name",
                       idx_tables[one->level].name, one->column);
    return true;
}

/* -- the table -- */

const char *idx_chain_text(Arena *arena, const DcmTag *parents, size_t parent_count, DcmTag tag)
{
    char hex[9];
    const char *text = "";
    for (size_t i = 0; i < parent_count; i++)
        text = arena_printf(arena, "%s%s,", text, dcm_tag_hex(parents[i], hex));
    return arena_printf(arena, "%s%s", text, dcm_tag_hex(tag, hex));
}

typedef struct Making {
    Arena *arena;
    IdxAttribute *rows;
    size_t count;
} Making;

static IdxAttribute *find(Making *m, DcmLevel level, DcmTag tag)
{
    const IdxAttributes set = {.rows = m->rows, .count = m->count};
    const IdxAttribute *found = idx_attribute_at(&set, tag, level);
    return found ? &m->rows[found - m->rows] : NULL;
}

/* Is `a` before `b`, or equal in order? */
static bool in_order(const IdxAttribute *a, const IdxAttribute *b)
{
    if (a->level != b->level)
        return a->level < b->level;
    if (a->tag != b->tag)
        return a->tag < b->tag;
    return !a->parents || b->parents;
}

static void insert(Making *m, const IdxAttribute *row)
{
    size_t at = m->count++;
    for (; at > 0 && !in_order(&m->rows[at - 1], row); at--)
        m->rows[at] = m->rows[at - 1];
    m->rows[at] = *row;
}

/* What a column of the user's holds, and how a search by it is narrowed. */
static void give_column(Arena *arena, IdxAttribute *row, const IdxExtended *one)
{
    bool plain = one->vr == DCM_VR_AE || one->vr == DCM_VR_AS || one->vr == DCM_VR_CS ||
                 one->vr == DCM_VR_LO || one->vr == DCM_VR_SH || one->vr == DCM_VR_UI || one->vr == DCM_VR_DA;
    row->kind = IDX_TEXT;
    row->search = plain ? IDX_EQUAL : IDX_SCAN;
    row->column = arena_strdup(arena, one->column);
    row->chars = one->chars;
    row->type = one->chars ? arena_printf(arena, "VARCHAR(%d)", one->chars) : "TEXT";
    row->vr = one->vr;
}

static void add_top(Making *m, const IdxExtended *one)
{
    IdxAttribute *base = find(m, one->level, one->tag);
    if (base && !base->parents) {
        base->extended = true;
        if (!base->column)
            give_column(m->arena, base, one);
        return;
    }
    IdxAttribute row = {.level = one->level, .tag = one->tag, .extended = true, .added = true};
    give_column(m->arena, &row, one);
    insert(m, &row);
}

static void add_nested(Making *m, const IdxExtended *one)
{
    size_t bytes = one->parent_count * sizeof *one->parents;
    DcmTag *parents = arena_alloc(m->arena, bytes);
    memcpy(parents, one->parents, bytes);
    IdxAttribute row = {.level = one->level,
                        .tag = one->tag,
                        .extended = true,
                        .added = true,
                        .parents = parents,
                        .parent_count = one->parent_count};
    give_column(m->arena, &row, one);
    insert(m, &row);
    IdxAttribute *sequence = find(m, one->level, one->parents[0]);
    if (!sequence) {
        insert(m,
               &(IdxAttribute){.level = one->level, .tag = one->parents[0], .added = true, .trimmed = true});
        sequence = find(m, one->level, one->parents[0]);
    }
    sequence->has_nested = true;
}

const IdxAttributes *idx_attributes_make(Arena *arena, const IdxExtended *list, size_t count, Err *err)
{
    char hex[9];
    const IdxAttributes *base = &idx_base_attributes;
    Making m = {.arena = arena, .count = base->count};
    DcmTag last = 0;
    if (!count)
        return base;
    m.rows = arena_alloc(arena, (base->count + 2 * count) * sizeof *m.rows);
    memcpy(m.rows, base->rows, base->count * sizeof *m.rows);
    for (size_t i = 0; i < count; i++) {
        if (!idx_extended_check(list, i, &list[i], err)) {
            err_wrap(err, "index: extended attribute %s", dcm_tag_hex(list[i].tag, hex));
            return NULL;
        }
        if (list[i].parent_count)
            add_nested(&m, &list[i]);
        else
            add_top(&m, &list[i]);
        DcmTag top = list[i].parent_count ? list[i].parents[0] : list[i].tag;
        last = top > last ? top : last;
    }
    IdxAttributes *set = arena_alloc(arena, sizeof *set);
    *set = (IdxAttributes){.rows = m.rows, .count = m.count, .extended = count, .last = last};
    return set;
}
