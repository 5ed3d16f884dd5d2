// SPDX-License-Identifier: MIT
/*
 * Rows to data sets (row.h). A query says which attributes it wants: the columns of others are not read, and what `attributes` has of them is passed over.
 */
#include "index/row.h"

#include "base/cursor.h"
#include "dicom/tags.h"
#include "index/nested.h"
#include "index/schema.h"

#include <string.h>

/* -- columns -- */

/* "12\-7" as a binary value. Nothing when a part is no such number. */
static void put_numbers(DcmDataset *out, const IdxAttribute *a, Span text)
{
    unsigned unit = dcm_vr_info(a->vr)->unit;
    bool more = text.n > 0, ok = idx_is_integer(a->vr) || a->vr == DCM_VR_FL || a->vr == DCM_VR_FD;
    Span one;
    Buf bytes;
    buf_init(&bytes, 0);
    while (ok && more && span_split(&text, '\\', &one, &more)) {
        int64_t number = 0;
        double real = 0;
        if (idx_is_integer(a->vr)) {
            ok = span_to_i64(one, INT64_MIN, INT64_MAX, &number);
        } else if ((ok = span_to_double(one, &real))) {
            float single = (float)real;
            if (a->vr == DCM_VR_FD)
                memcpy(&number, &real, sizeof real);
            else
                memcpy(&number, &single, sizeof single);
        }
        for (unsigned i = 0; i < unit; i++)
            buf_u8(&bytes, (uint8_t)((uint64_t)number >> 8 * i));
    }
    if (ok)
        dcm_put(out, a->tag, a->vr, buf_span(&bytes));
    buf_free(&bytes);
}

static void put_users_column(DcmDataset *row, const IdxAttribute *a, Span text)
{
    DcmDataset *out = a->parents ? idx_nested_holder(row, a) : row;
    if (!dcm_vr_info(a->vr)->text)
        put_numbers(out, a, text);
    else
        dcm_put(out, a->tag, a->vr, text);
}

static void put_column(DcmDataset *out, DbStatement *statement, int column, const IdxAttribute *a, DcmVr vr)
{
    if (db_is_null(statement, column) && !idx_is_kept_by_ingest(a))
        return;
    if (a->kind == IDX_INTEGER || a->kind == IDX_COUNT) {
        dcm_put_printf(out, a->tag, "%lld", (long long)db_int(statement, column));
        return;
    }
    Span text = db_text(statement, column);
    if (a->vr != DCM_VR_NONE) {
        put_users_column(out, a, text);
        return;
    }
    if (a->kind == IDX_MODALITY && span_eq_cstr(text, IDX_UNKNOWN))
        return;
    dcm_put(out, a->tag, vr, text);
}

static bool is_there(const DcmDataset *out, const IdxAttribute *a)
{
    const DcmDataset *holder;
    return (a->parents ? idx_nested_find(out, a, &holder) : dcm_find(out, a->tag)) != NULL;
}

/* Keys at the top find nested attributes there. */
static void show_nested(DcmDataset *out, const IdxAttribute *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const DcmDataset *holder;
        const DcmElement *e = a[i].parents ? idx_nested_find(out, &a[i], &holder) : NULL;
        if (e && !dcm_find(out, a[i].tag) && (i == 0 || a[i - 1].tag != a[i].tag))
            idx_copy(out, holder, e);
    }
}

/* -- attributes without a column -- */

/* The row of the attribute table that a tag has at a level, if it is wanted. */
static const IdxAttribute *wanted_at(const IdxAttributes *set, const DcmVr *wanted, DcmLevel level,
                                     DcmTag tag)
{
    const IdxAttribute *a = idx_attribute_at(set, tag, level);
    return a && wanted[a - set->rows] ? a : NULL;
}

/* Header of an element in explicit VR little endian; false where it is none that has a length. */
static bool read_header(Cursor *c, DcmTag *tag, DcmVr *vr, uint32_t *length)
{
    enum { SHORT_HEADER = 8 };
    if (cur_left(c) < SHORT_HEADER)
        return false;
    uint16_t group = cur_u16(c), element = cur_u16(c);
    *tag = DCM_TAG(group, element);
    *vr = dcm_vr_parse(cur_take(c, 2).p);
    *length = cur_u16(c);
    if (dcm_vr_info(*vr)->long_length)
        *length = cur_u32(c);
    return *vr != DCM_VR_NONE && *length <= cur_left(c);
}

/* Puts those that are wanted, passing over the others; false where that is not simple, and nothing is to be relied on. */
static bool put_wanted(DcmDataset *out, Span rest, const IdxAttributes *set, const DcmVr *wanted,
                       DcmLevel level)
{
    Cursor c = cur_of(rest, false);
    while (cur_left(&c)) {
        DcmTag tag;
        DcmVr vr;
        uint32_t length;
        if (!read_header(&c, &tag, &vr, &length))
            return false;
        Span value = cur_take(&c, length);
        if (tag == DCM_SpecificCharacterSet || !wanted_at(set, wanted, level, tag))
            continue;
        if (vr == DCM_VR_SQ)
            return false;
        dcm_put(out, tag, vr, value);
    }
    return true;
}

static DcmDataset *empty_row(Arena *arena)
{
    enum { USUAL = 24 };
    DcmDataset *row = dcm_dataset_new_for(arena, USUAL);
    dcm_put(row, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    return row;
}

static DcmDataset *without_columns(Arena *arena, Span rest, const IdxAttributes *set, const DcmVr *wanted,
                                   DcmLevel level, Err *err)
{
    DcmDataset *row = empty_row(arena);
    if (!rest.n || (wanted && put_wanted(row, rest, set, wanted, level)))
        return row;
    Err why;
    row = dcm_dataset_parse(arena, arena_span(arena, rest), NULL, NULL, &why);
    if (row)
        row->parent = NULL;
    else /* the index is what is damaged, not what was asked or stored */
        err_set(err, ERR_DAMAGED, "damaged attributes: %s", why.text);
    return row;
}

/* -- rows -- */

DcmDataset *idx_row_read(DbStatement *statement, int first, Arena *arena, DcmLevel level, bool counts,
                         const DcmVr *wanted, Err *err)
{
    size_t n;
    const IdxAttributes *set = db_attributes(statement->db);
    const IdxAttribute *a = idx_attributes(set, level, &n);
    DcmDataset *out = without_columns(arena, db_blob(statement, first + 2), set, wanted, level, err);
    if (!out)
        return NULL;
    int column = first + 3;
    for (size_t i = 0; i < n; i++) {
        if (!idx_sql_has_column(set, &a[i], wanted))
            continue;
        if ((counts || !idx_is_kept_by_ingest(&a[i])) && !is_there(out, &a[i]))
            put_column(out, statement, column, &a[i], wanted ? wanted[&a[i] - set->rows] : DCM_VR_NONE);
        column++;
    }
    if (counts && set->extended)
        show_nested(out, a, n);
    return out;
}

DcmDataset *idx_row_load(Db *db, Arena *arena, DcmLevel level, int64_t id, Err *err)
{
    const IdxTable *table = &idx_tables[level];
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, "SELECT ");
    idx_sql_columns(&sql, db_attributes(db), level, NULL);
    buf_printf(&sql, " FROM %s %s WHERE %s = ?", table->name, table->alias, table->id);
    DbStatement *s = db_prepare(db, buf_cstr(&sql), err);
    buf_free(&sql);
    if (!s)
        return NULL;
    bool found = false;
    DcmDataset *row = NULL;
    db_bind_int(s, id);
    bool ok = db_step(s, &found, err);
    if (ok && found)
        row = idx_row_read(s, 0, arena, level, false, NULL, err);
    else if (ok)
        err_set(err, ERR_DAMAGED, "index: no row %lld in %s", (long long)id, table->name);
    db_done(s);
    return row;
}
