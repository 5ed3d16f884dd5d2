// SPDX-License-Identifier: MIT
/* The terms of a row (search.h): what ingest keeps in the table `term`. */
#include "index/terms.h"
#include "index/row.h"

#include "dicom/tags.h"

#include <string.h>
#include <utf8proc.h>

enum { TERM_MAX = 200 };

void idx_term_fold(Span utf8, Buf *out)
{
    Buf folded;
    buf_init(&folded, 0);
    dcm_fold(utf8, true, &folded);
    for (size_t i = 0; i < folded.n; i++)
        if (folded.p[i] != ' ')
            buf_u8(out, folded.p[i]);
    buf_free(&folded);
}

Span idx_term_trim(Span term, bool name)
{
    while (name && term.n && term.p[term.n - 1] == '^')
        term.n--;
    return term;
}

/* Terms are compared as text, up to a prefix followed by U+10FFFF: broken UTF-8 could lie behind that. */
static bool is_odd(Span term)
{
    if (term.n > TERM_MAX)
        return true;
    while (term.n) {
        utf8proc_int32_t c;
        utf8proc_ssize_t bytes = utf8proc_iterate(term.p, (utf8proc_ssize_t)term.n, &c);
        if (bytes <= 0 || c == 0 || c == 0x7F || c == 0x10FFFF)
            return true;
        term = span_sub(term, (size_t)bytes, term.n);
    }
    return false;
}

static bool visit_pieces(Span folded, const IdxAttribute *a, bool name, IdxTermVisit visit, void *ctx,
                         Err *err)
{
    Span value, group;
    bool more = true, ok = true;
    while (ok && span_split(&folded, '\\', &value, &more)) {
        bool more_groups = true;
        while (ok && name && span_split(&value, '=', &group, &more_groups)) {
            group = idx_term_trim(group, true);
            if (group.n)
                ok = visit(ctx, a, is_odd(group) ? SPAN(IDX_TERM_ODD) : group, err);
        }
        if (!name && value.n)
            ok = visit(ctx, a, is_odd(value) ? SPAN(IDX_TERM_ODD) : value, err);
    }
    return ok;
}

/* Bytes of the first characters of `s`; 0 when it has fewer, or one of them is ^ (then *skip says how far that goes). */
static size_t piece_length(Span s, size_t *skip)
{
    size_t n = 0;
    *skip = 0;
    for (int chars = 0; chars < IDX_PIECE_CHARS; chars++) {
        utf8proc_int32_t c;
        utf8proc_ssize_t bytes = n < s.n ? utf8proc_iterate(s.p + n, (utf8proc_ssize_t)(s.n - n), &c) : 0;
        if (bytes <= 0)
            return 0;
        n += (size_t)bytes;
        *skip = c == '^' ? n : *skip;
    }
    return *skip ? 0 : n;
}

bool idx_name_pieces(Span term, IdxPieceVisit visit, void *ctx, Err *err)
{
    while (term.n) {
        utf8proc_int32_t c;
        utf8proc_ssize_t first = utf8proc_iterate(term.p, (utf8proc_ssize_t)term.n, &c);
        size_t skip, n = piece_length(term, &skip);
        if (first <= 0 || (!n && !skip))
            break;
        if (n && !visit(ctx, span_sub(term, 0, n), err))
            return false;
        term = span_sub(term, skip ? skip : (size_t)first, term.n);
    }
    return true;
}

typedef struct Pieces {
    IdxTermVisit visit;
    void *ctx;
} Pieces;

static bool visit_piece(void *ctx, Span piece, Err *err)
{
    static const IdxAttribute pieces_of_names = {.level = DCM_LEVEL_PATIENT, .tag = IDX_NAME_PIECES};
    const Pieces *pieces = ctx;
    return pieces->visit(pieces->ctx, &pieces_of_names, piece, err);
}

static bool cut_name(void *ctx, const IdxAttribute *a, Span term, Err *err)
{
    return span_eq_cstr(term, IDX_TERM_ODD) || idx_name_pieces(term, visit_piece, ctx, err);
}

/* The pieces of a patient's names. */
static bool visit_name_pieces(const DcmDataset *row, IdxTermVisit visit, void *ctx, Err *err)
{
    const DcmElement *e = dcm_find(row, DCM_PatientName);
    Pieces pieces = {visit, ctx};
    Buf folded;
    if (!e || !e->value.n)
        return true;
    buf_init(&folded, 0);
    idx_term_fold(span_rtrim(e->value), &folded);
    bool ok =
        visit_pieces(buf_span(&folded), idx_attribute_at(&idx_base_attributes, e->tag, DCM_LEVEL_PATIENT),
                     true, cut_name, &pieces, err);
    buf_free(&folded);
    return ok;
}

/* A date that its column does not show as one day, but which is a date or several. */
static bool is_odd_date(Span value)
{
    char day[9];
    DcmTimeRange range;
    Span one;
    bool more = true, any = false;
    if (idx_day(value, day))
        return false;
    while (span_split(&value, '\\', &one, &more))
        any |= dcm_da_parse(one, &range);
    return any;
}

bool idx_terms(const DcmDataset *row, DcmLevel level, IdxTermVisit visit, void *ctx, Err *err)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(&idx_base_attributes, level, &n);
    Buf folded;
    buf_init(&folded, 0);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const DcmElement *e =
            a[i].search == IDX_TERM || a[i].search == IDX_RANGE ? dcm_find(row, a[i].tag) : NULL;
        if (!e || !e->value.n)
            continue;
        buf_clear(&folded);
        if (a[i].search == IDX_TERM) {
            idx_term_fold(span_rtrim(e->value), &folded);
            ok = visit_pieces(buf_span(&folded), &a[i], idx_is_name(a[i].tag), visit, ctx, err);
        } else if (is_odd_date(e->value)) {
            ok = visit(ctx, &a[i], SPAN(IDX_TERM_ODD), err);
        }
    }
    buf_free(&folded);
    return ok && (level != DCM_LEVEL_PATIENT || visit_name_pieces(row, visit, ctx, err));
}

typedef struct TermRow {
    Db *db;
    int64_t id;
    const char *sql;
} TermRow;

static bool run_with_term(void *ctx, const IdxAttribute *a, Span term, Err *err)
{
    TermRow *row = ctx;
    DbStatement *s = db_prepare(row->db, row->sql, err);
    if (!s)
        return false;
    db_bind_int(s, a->tag);
    db_bind_text(s, term);
    db_bind_int(s, row->id);
    return db_run(s, err);
}

static const char insert_term[] =
    "INSERT INTO term (attribute, value, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
static const char delete_term[] = "DELETE FROM term WHERE attribute = ? AND value = ? AND id = ?";

/* Those of one attribute come one after the other; the same one twice is one. */
typedef struct NewTerms {
    TermRow row;
    DcmTag tag;
    Buf seen; /* of the attribute, each behind its length */
} NewTerms;

static bool is_seen(const Buf *seen, Span term)
{
    uint32_t n;
    for (size_t at = 0; at + sizeof n <= seen->n; at += sizeof n + n) {
        memcpy(&n, seen->p + at, sizeof n);
        if (span_eq(span_of(seen->p + at + sizeof n, n), term))
            return true;
    }
    return false;
}

static bool gather_term(void *ctx, const IdxAttribute *a, Span term, Err *err)
{
    NewTerms *terms = ctx;
    uint32_t n = (uint32_t)term.n;
    if (terms->tag != a->tag)
        buf_clear(&terms->seen);
    terms->tag = a->tag;
    if (is_seen(&terms->seen, term))
        return true;
    buf_append(&terms->seen, &n, sizeof n);
    buf_append_span(&terms->seen, term);
    DbStatement *s = db_gather(terms->row.db, terms->row.sql, DCM_LEVEL_COUNT, err);
    if (!s)
        return false;
    db_bind_int(s, a->tag);
    db_bind_text(s, term);
    db_bind_int(s, terms->row.id);
    return db_run(s, err);
}

bool idx_terms_gather(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err)
{
    NewTerms terms = {.row = {db, id, insert_term}};
    buf_init(&terms.seen, 0);
    bool ok = idx_terms(row, level, gather_term, &terms, err);
    buf_free(&terms.seen);
    return ok;
}

bool idx_name_pieces_gather(Db *db, const DcmDataset *patient, int64_t id, Err *err)
{
    NewTerms terms = {.row = {db, id, insert_term}};
    buf_init(&terms.seen, 0);
    bool ok = visit_name_pieces(patient, gather_term, &terms, err);
    buf_free(&terms.seen);
    return ok;
}

bool idx_terms_write(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err)
{
    TermRow ctx = {db, id, insert_term};
    return idx_terms(row, level, run_with_term, &ctx, err);
}

bool idx_terms_remove(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err)
{
    TermRow ctx = {db, id, delete_term};
    return idx_terms(row, level, run_with_term, &ctx, err);
}

static bool list_terms(IdxTermVisit visit, void *ctx, DcmTag list, Span values, bool odd, Err *err)
{
    const IdxAttribute *a = idx_attribute_at(&idx_base_attributes, list, DCM_LEVEL_STUDY);
    Buf folded;
    buf_init(&folded, 0);
    idx_term_fold(values, &folded);
    bool ok = visit_pieces(buf_span(&folded), a, false, visit, ctx, err) &&
              (!odd || visit(ctx, a, SPAN(IDX_TERM_ODD), err));
    buf_free(&folded);
    return ok;
}

bool idx_list_terms_gather(Db *db, DcmTag list, Span values, bool all, int64_t study, Err *err)
{
    NewTerms terms = {.row = {db, study, insert_term}};
    buf_init(&terms.seen, 0);
    bool ok = list_terms(gather_term, &terms, list, values, !all, err);
    buf_free(&terms.seen);
    return ok;
}

bool idx_list_terms_write(Db *db, DcmTag list, Span values, bool all, int64_t study, Err *err)
{
    return list_terms(run_with_term, &(TermRow){db, study, insert_term}, list, values, !all, err);
}

bool idx_list_terms_remove(Db *db, DcmTag list, Span values, int64_t study, Err *err)
{
    return list_terms(run_with_term, &(TermRow){db, study, delete_term}, list, values, true, err);
}
