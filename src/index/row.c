// SPDX-License-Identifier: MIT
/*
 * Objects to rows (row_read.c goes the other way). Columns hold text joined by backslash and cut to their size, dates as YYYYMMDD, numbers as integers. Where that is not exactly what the
 * object says, `attributes` has the element too, and wins when the row is read.
 */
#include "index/row.h"

#include "dicom/datetime.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "dicom/write.h"
#include "index/nested.h"
#include "index/schema.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

enum { KEY_CHARS = 64, KEY_HEAD_CHARS = 47, NESTING_MAX = 16 };

/* -- values -- */

/* Bytes of the character that `s` begins with; 0 when it is none. */
static size_t character(Span s)
{
    utf8proc_int32_t c;
    if (s.p[0] < 0x80)
        return s.p[0] != 0;
    utf8proc_ssize_t n = utf8proc_iterate(s.p, (utf8proc_ssize_t)s.n, &c);
    return n > 0 ? (size_t)n : 0;
}

bool idx_is_text(Span s)
{
    while (s.n) {
        size_t n = character(s);
        if (!n)
            return false;
        s = span_sub(s, n, s.n);
    }
    return true;
}

void idx_append_text(Buf *out, Span s)
{
    while (s.n) {
        size_t n = character(s);
        buf_append(out, s.p, n);
        s = span_sub(s, n ? n : 1, s.n);
    }
}

Span idx_cut(Span utf8, int chars)
{
    size_t n = 0;
    int seen = 0;
    for (; n < utf8.n; n++) {
        if ((utf8.p[n] & 0xC0) == 0x80)
            continue;
        if (seen++ == chars)
            break;
    }
    return span_sub(utf8, 0, n);
}

static Span text_of(Arena *arena, Span s)
{
    Buf text;
    buf_init(&text, 0);
    idx_append_text(&text, s);
    Span out = arena_span(arena, buf_span(&text));
    buf_free(&text);
    return out;
}

static bool is_short_ascii(Span s)
{
    uint8_t odd = 0;
    for (size_t i = 0; i < s.n && s.n <= KEY_CHARS; i++)
        odd |= (uint8_t)(s.p[i] - 1) >= 0x7F;
    return s.n <= KEY_CHARS && !odd;
}

Span idx_key(Arena *arena, Span utf8)
{
    if (is_short_ascii(utf8))
        return utf8;
    bool good = idx_is_text(utf8);
    if (good && idx_cut(utf8, KEY_CHARS).n == utf8.n)
        return utf8;
    unsigned long long hash = XXH3_64bits(utf8.p, utf8.n);
    Span head = idx_cut(good ? utf8 : text_of(arena, utf8), KEY_HEAD_CHARS);
    return span_cstr(arena_printf(arena, "%.*s~%016llx", SPAN_FMT(head), hash));
}

bool idx_day(Span text, char out[9])
{
    DcmTimeRange day;
    if (span_index(text, '\\') != SIZE_MAX || !dcm_da_parse(text, &day) ||
        day.to - day.from != DCM_DAY_US - 1)
        return false;
    dcm_da_format(day.from, out);
    return true;
}

/* Bytes an element would take, at most `limit` + something. */
static uint64_t weight(const DcmElement *e, uint64_t limit, int depth)
{
    uint64_t sum = e->value.n + 12;
    if (depth > NESTING_MAX)
        return limit + 1;
    for (uint32_t i = 0; e->items && i < e->item_count && sum <= limit; i++) {
        sum += 8;
        for (size_t k = 0; k < e->items[i]->count && sum <= limit; k++)
            sum += weight(&e->items[i]->elements[k], limit, depth + 1);
    }
    return sum;
}

static bool is_indexable(const DcmElement *e)
{
    return e && !e->skipped && !e->fragments && weight(e, IDX_VALUE_MAX, 0) <= IDX_VALUE_MAX;
}

/* -- object to row -- */

/* Of a sequence what nested attributes need, when that is all that is kept or it is too large as a whole. */
static const DcmElement *trimmed(Arena *arena, const IdxAttributes *set, const DcmDataset *object,
                                 const IdxAttribute *a, DcmDataset **holder)
{
    const DcmElement *e = NULL;
    static const IdxItems wishes[] = {IDX_ALL_ITEMS, IDX_FIRST_ITEMS};
    for (size_t i = 0; i < 2 && !is_indexable(e); i++) {
        *holder = dcm_dataset_new(arena);
        dcm_put(*holder, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
        idx_nested_copy(*holder, object, set, a, wishes[i]);
        e = dcm_find(*holder, a->tag);
        if (!e)
            return NULL;
    }
    return e;
}

/* The element of a tag, `tag` rising from one call to the next: for many in order this is faster than looking for each. */
static const DcmElement *next_element(const DcmDataset *ds, size_t *at, DcmTag tag)
{
    while (*at < ds->count && ds->elements[*at].tag < tag)
        ++*at;
    return *at < ds->count && ds->elements[*at].tag == tag ? &ds->elements[*at] : NULL;
}

/* A private element that came without its VR has that of its definition. */
static DcmElement as_defined(const DcmElement *e, const IdxAttribute *a)
{
    DcmElement out = *e;
    if (e->vr == DCM_VR_UN && a->vr != DCM_VR_NONE && DCM_TAG_IS_PRIVATE(e->tag))
        out.vr = a->vr;
    return out;
}

DcmDataset *idx_row_of_object(Arena *arena, const IdxAttributes *set, const DcmDataset *object,
                              DcmLevel level)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    DcmDataset *row = dcm_dataset_new(arena);
    dcm_put(row, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    uint64_t sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (idx_is_kept_by_ingest(&a[i]) || a[i].parents)
            continue;
        const DcmElement *e = next_element(object, &at, a[i].tag);
        DcmDataset *piece = NULL;
        if (e && e->items && (a[i].trimmed || (a[i].has_nested && !is_indexable(e))))
            e = trimmed(arena, set, object, &a[i], &piece);
        if (!is_indexable(e))
            continue;
        /* Text may grow threefold in UTF-8. */
        sum += 3 * weight(e, IDX_VALUE_MAX, 0);
        if (sum > IDX_ATTRIBUTES_MAX)
            continue;
        DcmElement defined = as_defined(e, &a[i]);
        idx_copy(row, piece ? piece : object, &defined);
    }
    return row;
}

static void add_bytes(const DcmElement *e, int depth, Buf *out)
{
    const uint64_t head[] = {(uint64_t)e->tag << 32 | (uint32_t)e->vr, e->items ? e->item_count : e->value.n};
    buf_append(out, head, sizeof head);
    buf_append_span(out, e->value);
    for (uint32_t i = 0; e->items && i < e->item_count && depth <= NESTING_MAX; i++) {
        buf_u64le(out, e->items[i]->count);
        for (size_t k = 0; k < e->items[i]->count; k++)
            add_bytes(&e->items[i]->elements[k], depth + 1, out);
    }
}

void idx_row_bytes(const IdxAttributes *set, const DcmDataset *object, DcmLevel level, Buf *out)
{
    enum { USUAL = 2048 };
    size_t n, at = 0;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    const DcmElement *charset = dcm_find(object, DCM_SpecificCharacterSet);
    buf_reserve(out, USUAL);
    buf_u8(out, object->big_endian);
    if (charset)
        add_bytes(charset, 0, out);
    for (size_t i = 0; i < n; i++) {
        const DcmElement *e =
            idx_is_kept_by_ingest(&a[i]) || a[i].parents ? NULL : next_element(object, &at, a[i].tag);
        if (e && (a[i].has_nested || is_indexable(e)))
            add_bytes(e, 0, out);
    }
}

/* What goes into one column, and whether that says all there is to say. */
typedef struct Cell {
    enum { CELL_NULL, CELL_TEXT, CELL_INTEGER } kind;
    Span text;
    int64_t number;
    bool exact;
} Cell;

/* A NUL inside a value ends the C string that dcm_text_all gives, and the rest would be lost; bytes that are no UTF-8 are left out. */
static bool has_nul_inside(const DcmElement *e)
{
    return memchr(e->value.p, 0, span_rtrim(e->value).n) != NULL;
}

static Cell text_cell(Arena *arena, const IdxAttribute *a, const DcmElement *e, Span text)
{
    bool good = idx_is_text(text);
    if (!good)
        text = text_of(arena, text);
    int chars = a->chars ? a->chars : INT_MAX;
    Span cut = idx_cut(text, chars);
    bool exact = good && cut.n == text.n;
    if (e->value.n && (!good || has_nul_inside(e))) {
        /* Marked as several values: search.c takes the column's word for single ones. */
        cut = span_cstr(arena_printf(arena, "%.*s\\", SPAN_FMT(idx_cut(text, chars - 1))));
        exact = false;
    }
    if (a->kind == IDX_MODALITY && span_eq_cstr(cut, IDX_UNKNOWN))
        exact = false;
    return (Cell){CELL_TEXT, cut, 0, exact};
}

static Cell date_cell(Arena *arena, const IdxAttribute *a, const DcmElement *e, Span text)
{
    char day[9];
    if (!text.n || !idx_day(text, day))
        return text_cell(arena, a, e, text);
    return (Cell){CELL_TEXT, span_cstr(arena_strdup(arena, day)), 0, span_eq_cstr(text, day)};
}

static Cell integer_cell(const DcmDataset *row, const IdxAttribute *a, Span text)
{
    char back[24];
    int64_t number;
    if (!dcm_int(row, a->tag, 0, &number))
        return (Cell){CELL_NULL, {NULL, 0}, 0, text.n == 0};
    snprintf(back, sizeof back, "%lld", (long long)number);
    return (Cell){CELL_INTEGER, {NULL, 0}, number, span_eq_cstr(text, back)};
}

bool idx_is_integer(DcmVr vr)
{
    return vr == DCM_VR_US || vr == DCM_VR_SS || vr == DCM_VR_UL || vr == DCM_VR_SL || vr == DCM_VR_UV ||
           vr == DCM_VR_SV;
}

/* Bytes that are no numbers either. */
static Span hexadecimal(Arena *arena, const IdxAttribute *a, Span bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = a->chars && bytes.n > (size_t)a->chars ? (size_t)a->chars : bytes.n;
    char *text = arena_alloc(arena, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes.p[i] >> 4];
        text[2 * i + 1] = digits[bytes.p[i] & 15];
    }
    return span_of(text, 2 * n);
}

/* A column of the user's. `ds` holds the element. What the column cannot give back exactly is kept beside it. */
static Cell users_cell(Arena *arena, const DcmDataset *ds, const IdxAttribute *a, const DcmElement *e)
{
    if (e->items || e->fragments)
        return (Cell){CELL_NULL, {NULL, 0}, 0, false};
    Span text = span_cstr(dcm_element_text_all(arena, ds, e));
    bool exact = e->vr == a->vr && !DCM_TAG_IS_PRIVATE(a->tag);
    if (dcm_vr_info(e->vr)->text) {
        Cell cell = text_cell(arena, a, e, text);
        cell.exact = cell.exact && exact;
        return cell;
    }
    if (!text.n)
        text = hexadecimal(arena, a, e->value);
    Span cut = idx_cut(text, a->chars ? a->chars : INT_MAX);
    exact = exact && cut.n == text.n && (idx_is_integer(e->vr) || !e->value.n);
    return (Cell){CELL_TEXT, cut, 0, exact};
}

static Cell cell_of(Arena *arena, const DcmDataset *row, const IdxAttribute *a, Span key)
{
    const DcmDataset *holder = row;
    const DcmElement *e = a->parents ? idx_nested_find(row, a, &holder) : dcm_find(row, a->tag);
    if (!e && a->kind == IDX_MODALITY)
        return (Cell){CELL_TEXT, SPAN(IDX_UNKNOWN), 0, true};
    if (a->kind == IDX_KEY && !e)
        return (Cell){CELL_TEXT, key, 0, true};
    if (!e)
        return (Cell){CELL_NULL, {NULL, 0}, 0, true};
    if (a->vr != DCM_VR_NONE)
        return users_cell(arena, holder, a, e);
    Span text = span_cstr(dcm_element_text_all(arena, row, e));
    switch (a->kind) {
    case IDX_KEY:
        return (Cell){CELL_TEXT, key, 0, span_eq(text, key) && (!e->value.n || !has_nul_inside(e))};
    case IDX_DATE:
        return date_cell(arena, a, e, text);
    case IDX_INTEGER:
        return integer_cell(row, a, text);
    case IDX_KEPT:
    case IDX_TEXT:
    case IDX_MODALITY:
    case IDX_LIST:
    case IDX_COUNT:
        break;
    }
    return text_cell(arena, a, e, text);
}

/* `attributes`: what has no column, and what its column cannot hold. Empty values are not worth the room. */
static bool keep_rest(Arena *arena, const IdxAttributes *set, const DcmDataset *row, DcmLevel level,
                      const Cell *cells, Span *out, Err *err)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    DcmDataset *rest = dcm_dataset_new(arena);
    dcm_put(rest, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    for (size_t i = 0; i < n; i++) {
        const DcmElement *e = idx_is_kept_by_ingest(&a[i]) || a[i].parents ? NULL : dcm_find(row, a[i].tag);
        if (e && (!a[i].column || !cells[i].exact) && (e->value.n || e->item_count))
            idx_copy(rest, row, e);
    }
    *out = (Span){NULL, 0};
    if (rest->count == 1)
        return true;
    Buf bytes;
    buf_init(&bytes, 0);
    bool ok = dcm_write(&bytes, rest, NULL, err);
    if (ok)
        *out = arena_span(arena, buf_span(&bytes));
    buf_free(&bytes);
    return ok;
}

static void bind(DbStatement *statement, const Cell *cell)
{
    if (cell->kind == CELL_TEXT)
        db_bind_text(statement, cell->text);
    else if (cell->kind == CELL_INTEGER)
        db_bind_int(statement, cell->number);
    else
        db_bind_null(statement);
}

bool idx_row_bind(DbStatement *statement, Arena *arena, const DcmDataset *row, DcmLevel level, Span key,
                  Err *err)
{
    size_t n;
    const IdxAttributes *set = db_attributes(statement->db);
    const IdxAttribute *a = idx_attributes(set, level, &n);
    Cell *cells = arena_alloc(arena, n * sizeof *cells);
    Span rest;
    for (size_t i = 0; i < n; i++)
        if (a[i].column && !idx_is_kept_by_ingest(&a[i]))
            cells[i] = cell_of(arena, row, &a[i], key);
    if (!keep_rest(arena, set, row, level, cells, &rest, err))
        return false;
    db_bind_blob(statement, rest);
    for (size_t i = 0; i < n; i++)
        if (a[i].column && !idx_is_kept_by_ingest(&a[i]))
            bind(statement, &cells[i]);
    return true;
}

DcmDataset *idx_row_copy(Arena *arena, const DcmDataset *row)
{
    DcmDataset *out = dcm_dataset_new(arena);
    for (size_t i = 0; i < row->count; i++)
        dcm_copy(out, row, &row->elements[i]);
    return out;
}

bool idx_row_same(const DcmElement *a, const DcmElement *b)
{
    if (!a->items && !b->items)
        return span_eq(span_rtrim(a->value), span_rtrim(b->value));
    Buf x, y;
    buf_init(&x, 0);
    buf_init(&y, 0);
    add_bytes(a, 0, &x);
    add_bytes(b, 0, &y);
    bool same = span_eq(buf_span(&x), buf_span(&y));
    buf_free(&x);
    buf_free(&y);
    return same;
}
