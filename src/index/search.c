// SPDX-License-Identifier: MIT
/* Keys to SQL conditions (search.h). What is narrowed, and how, is the `search` of the attribute table. */
#include "index/search.h"

#include "dicom/tags.h"
#include "index/look.h"
#include "index/row.h"
#include "index/terms.h"

#include <utf8proc.h>

/* -- UIDs -- */

/* The values of a UI key. Over the limit: *count says so, the list is short. */
static const char **uid_values(Arena *arena, Span value, size_t *count)
{
    size_t n = 1;
    for (size_t i = 0; i < value.n; i++)
        n += value.p[i] == '\\';
    *count = n;
    if (n > IDX_LIST_MAX)
        return NULL;
    const char **list = arena_alloc(arena, n * sizeof *list);
    bool more = true;
    Span one;
    for (size_t i = 0; span_split(&value, '\\', &one, &more); i++)
        list[i] = arena_span_cstr(arena, span_trim(one));
    return list;
}

static bool exact_condition(IdxSql *sql, const IdxAttribute *a, Span value, Err *err)
{
    size_t count;
    const char **values = uid_values(sql->arena, value, &count);
    return idx_sql_among(sql, idx_sql_row_column(sql, a), values, count, err);
}

/* -- terms -- */

/* Characters that stay what they are whatever stands beside them. */
static bool is_inert(utf8proc_int32_t c)
{
    return c < 0x300 || (c >= 0x370 && c < 0x530) || (c >= 0x1E00 && c < 0x2000) ||
           (c >= 0x3400 && c < 0xA000) || (c >= 0x20000 && c < 0x40000);
}

/* Letters that may join with what follows, never with what stands before: kana, Hangul syllables. */
static bool is_base(utf8proc_int32_t c)
{
    return (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA) || (c >= 0xAC00 && c <= 0xD7A3);
}

static utf8proc_int32_t last_character(Span s, size_t *bytes)
{
    size_t at = s.n - 1;
    while (at > 0 && (s.p[at] & 0xC0) == 0x80)
        at--;
    utf8proc_int32_t c;
    *bytes = s.n - at;
    return utf8proc_iterate(s.p + at, (utf8proc_ssize_t)*bytes, &c) > 0 ? c : -1;
}

/* A part of a pattern next to a wildcard loses the characters at its ends that would be folded otherwise beside a neighbour. */
static Span trim_literal(Span s)
{
    while (s.n) {
        size_t bytes;
        utf8proc_int32_t c = last_character(s, &bytes);
        if (c >= 0 && is_inert(c))
            break;
        s.n -= bytes;
        if (c >= 0 && is_base(c))
            break;
    }
    while (s.n) {
        utf8proc_int32_t c;
        utf8proc_ssize_t bytes = utf8proc_iterate(s.p, (utf8proc_ssize_t)s.n, &c);
        if (bytes > 0 && (is_inert(c) || is_base(c)))
            break;
        s = span_sub(s, bytes > 0 ? (size_t)bytes : 1, s.n);
    }
    return s;
}

static bool is_break(uint8_t c, bool name)
{
    return c == '*' || c == '?' || (name && c == '=');
}

/* One value with wildcards: its beginning if it has one, else its longest part. False when nothing can be said. */
static bool wildcard_pattern(Span value, bool name, TermPattern *out)
{
    Span longest = {NULL, 0};
    for (size_t at = 0; at < value.n;) {
        size_t end = at;
        while (end < value.n && !is_break(value.p[end], name))
            end++;
        Span literal = trim_literal(idx_term_trim(span_sub(value, at, end - at), name));
        if (literal.n && literal.p == value.p) {
            *out = (TermPattern){TERM_PREFIX, literal};
            return true;
        }
        if (literal.n > longest.n)
            longest = literal;
        at = end + 1;
    }
    *out = (TermPattern){TERM_CONTAINS, longest};
    return longest.n > 0;
}

static bool term_pattern(Span value, bool name, TermPattern *out)
{
    if (span_index(value, '*') != SIZE_MAX || span_index(value, '?') != SIZE_MAX)
        return wildcard_pattern(value, name, out);
    Span group;
    bool more = true;
    if (!name) {
        *out = (TermPattern){TERM_EQUAL, value};
        return true;
    }
    while (span_split(&value, '=', &group, &more)) {
        group = idx_term_trim(group, true);
        if (group.n) {
            *out = (TermPattern){TERM_EQUAL, group};
            return true;
        }
    }
    return false;
}

/* The patterns of a key's values; 0 when one of them lets everything through. */
static size_t term_patterns(Span folded, bool name, TermPattern out[IDX_PATTERN_VALUES_MAX])
{
    size_t n = 0;
    Span value;
    bool more = true;
    while (span_split(&folded, '\\', &value, &more)) {
        if (!value.n)
            continue;
        if (n == IDX_PATTERN_VALUES_MAX || !term_pattern(value, name, &out[n]))
            return 0;
        n++;
    }
    return n;
}

/* -- what a key looks for -- */

typedef IdxLook Look;

/* The number that `sql` counts up to `limit`, with one or two texts for its other parameters. */
static bool count_rows(Db *db, const char *sql, Span first, Span second, int64_t limit, int64_t *count,
                       Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, sql, err);
    if (!s)
        return false;
    db_bind_text(s, first);
    if (second.n)
        db_bind_text(s, second);
    db_bind_int(s, limit);
    bool ok = db_step(s, &row, err);
    *count = ok && row ? db_int(s, 0) : 0;
    db_done(s);
    return ok;
}

static bool count_equal(Arena *arena, Db *db, DcmTag attribute, Span term, int64_t limit, int64_t *count,
                        Err *err)
{
    const char *sql = arena_printf(
        arena, "SELECT count(*) FROM (SELECT 1 FROM term WHERE attribute = %lld AND value = ? LIMIT ?) t",
        (long long)attribute);
    return count_rows(db, sql, term, (Span){NULL, 0}, limit, count, err);
}

static bool count_prefix(Arena *arena, Db *db, DcmTag attribute, Span term, int64_t *count, Err *err)
{
    const char *sql =
                   arena_printf(arena,
                                "SELECT count(*) FROM (SELECT 1 FROM term WHERE attribute = %lld AND value "
                                ">= ? AND value <= ? LIMIT ?) t",
                                (long long)attribute),
               *last = arena_printf(arena, "%.*s" IDX_TERM_LAST, SPAN_FMT(term));
    return count_rows(db, sql, term, span_cstr(last), IDX_MANY, count, err);
}

/* The pieces of a part of a name, from left to right, and the rarest of them. */
typedef struct Weighed {
    Arena *arena;
    Db *db;
    Span pieces[TERM_PIECES_COUNTED];
    size_t count, rarest;
    int64_t rows; /* that have the rarest */
} Weighed;

static bool weigh_piece(void *ctx, Span piece, Err *err)
{
    Weighed *w = ctx;
    int64_t rows;
    if (w->count == TERM_PIECES_COUNTED)
        return true;
    if (!count_equal(w->arena, w->db, IDX_NAME_PIECES, piece, w->rows, &rows, err))
        return false;
    if (rows < w->rows) {
        w->rows = rows;
        w->rarest = w->count;
    }
    w->pieces[w->count++] = piece;
    return true;
}

/* The rarest first, then those farthest from it: what shares characters with it comes with it in most names, and tells few apart. */
static void choose_pieces(const Weighed *w, Span out[TERM_PIECES_ASKED])
{
    size_t n = 0;
    out[n++] = w->pieces[w->rarest];
    for (size_t away = w->count; --away > 0;) {
        if (n < TERM_PIECES_ASKED && away <= w->rarest)
            out[n++] = w->pieces[w->rarest - away];
        if (n < TERM_PIECES_ASKED && w->rarest + away < w->count)
            out[n++] = w->pieces[w->rarest + away];
    }
}

/* A part of a name is looked for by its pieces, if it has any. */
static bool count_pieces(Arena *arena, Db *db, TermPattern *p, int64_t *count, Err *err)
{
    Weighed weighed = {.arena = arena, .db = db, .rows = TERM_PIECE_ROWS};
    if (!idx_name_pieces(p->text, weigh_piece, &weighed, err))
        return false;
    *count = IDX_FEW;
    if (!weighed.count)
        return true;
    p->kind = TERM_PIECES;
    choose_pieces(&weighed, p->pieces);
    *count = weighed.rows;
    return true;
}

/* How many terms a pattern finds; those that have a part in common, where there are no pieces, are not counted. */
static bool count_terms(Arena *arena, Db *db, const IdxAttribute *a, TermPattern *p, int64_t *count, Err *err)
{
    switch (p->kind) {
    case TERM_EQUAL:
        return count_equal(arena, db, a->tag, p->text, IDX_MANY, count, err);
    case TERM_PREFIX:
        return count_prefix(arena, db, a->tag, p->text, count, err);
    case TERM_CONTAINS:
    case TERM_PIECES:
        break;
    }
    *count = IDX_FEW;
    return a->tag != DCM_PatientName || count_pieces(arena, db, p, count, err);
}

static bool look_for_terms(Look *look, Arena *arena, Db *db, Err *err)
{
    TermPattern patterns[IDX_PATTERN_VALUES_MAX];
    Buf folded;
    buf_init(&folded, 0);
    idx_term_fold(span_rtrim(look->value), &folded);
    Span kept = arena_span(arena, buf_span(&folded));
    buf_free(&folded);
    size_t n = term_patterns(kept, idx_is_name(look->a->tag), patterns);
    look->patterns = arena_alloc(arena, (n + 1) * sizeof *patterns);
    look->pattern_count = n;
    for (size_t i = 0; i < n; i++) {
        int64_t count = 0;
        look->patterns[i] = patterns[i];
        look->pieces |= patterns[i].kind != TERM_EQUAL;
        bool count_it = look->rows < IDX_MANY || patterns[i].kind == TERM_CONTAINS;
        if (count_it && !count_terms(arena, db, look->a, &look->patterns[i], &count, err))
            return false;
        look->rows += count;
    }
    return true;
}

/* -- terms -- */

/* Names that have the first piece, and the others as well; whether in a row, the matcher decides. */
static void names_of_pieces(IdxSql *sql, const TermPattern *p)
{
    buf_printf(&sql->text, "SELECT id FROM term t WHERE attribute = %d AND value = ?", IDX_NAME_PIECES);
    idx_sql_text(sql, p->pieces[0]);
    for (size_t i = 1; i < TERM_PIECES_ASKED && p->pieces[i].n; i++) {
        buf_printf(&sql->text,
                   " AND (SELECT 1 FROM term o WHERE o.attribute = %d AND o.value = ? AND o.id = t.id) = 1",
                   IDX_NAME_PIECES);
        idx_sql_text(sql, p->pieces[i]);
    }
    buf_append_cstr(&sql->text, " UNION ALL ");
}

static void one_term(IdxSql *sql, const IdxAttribute *a, const TermPattern *p)
{
    if (p->kind == TERM_PIECES) {
        names_of_pieces(sql, p);
        return;
    }
    static const char *const conditions[] = {[TERM_EQUAL] = "value = ?",
                                             [TERM_PREFIX] = "value >= ? AND value <= ?",
                                             [TERM_CONTAINS] = "{find}(value, ?) > 0"};
    buf_printf(&sql->text, "SELECT id FROM term WHERE attribute = %lld AND ", (long long)a->tag);
    db_expand(sql->dialect, conditions[p->kind], &sql->text);
    buf_append_cstr(&sql->text, " UNION ALL ");
    idx_sql_text(sql, p->text);
    if (p->kind == TERM_PREFIX)
        idx_sql_text(sql, span_cstr(arena_printf(sql->arena, "%.*s" IDX_TERM_LAST, SPAN_FMT(p->text))));
}

/* The rows that have one of the terms. */
static void rows_of_terms(IdxSql *sql, const Look *look)
{
    idx_sql_row_id(sql, look->a->level);
    buf_append_cstr(&sql->text, " IN (");
    for (size_t i = 0; i < look->pattern_count; i++)
        one_term(sql, look->a, &look->patterns[i]);
    buf_printf(&sql->text, "SELECT id FROM term WHERE attribute = %lld AND value = '" IDX_TERM_ODD "')",
               (long long)look->a->tag);
}

static void term_of_row(IdxSql *sql, const Look *look, const char *term)
{
    buf_printf(&sql->text,
               "SELECT 1 FROM term t WHERE t.attribute = %lld AND t.id = ", (long long)look->a->tag);
    idx_sql_row_id(sql, look->a->level);
    buf_printf(&sql->text, " AND t.value = %s", term);
}

/* Has the row one of the terms? All of them are whole values. (Not EXISTS: PostgreSQL makes a join of that, in an order of its own.) */
static void terms_of_row(IdxSql *sql, const Look *look)
{
    buf_append_cstr(&sql->text, "(");
    for (size_t i = 0; i < look->pattern_count; i++) {
        term_of_row(sql, look, "? UNION ALL ");
        idx_sql_text(sql, look->patterns[i].text);
    }
    term_of_row(sql, look, "'" IDX_TERM_ODD "' LIMIT 1) = 1");
}

/* -- dates -- */

static bool has_odd(Db *db, const IdxAttribute *a, bool *out, Err *err)
{
    DbStatement *s =
        db_prepare(db, "SELECT 1 FROM term WHERE attribute = ? AND value = '" IDX_TERM_ODD "' LIMIT 1", err);
    if (!s)
        return false;
    db_bind_int(s, a->tag);
    bool ok = db_step(s, out, err);
    db_done(s);
    return ok;
}

Span idx_first_day(DcmTimeRange range, char day[9])
{
    if (range.from == INT64_MIN)
        return SPAN("0");
    dcm_da_format(range.from, day);
    return span_cstr(day);
}

Span idx_last_day(DcmTimeRange range, char day[9])
{
    if (range.to == INT64_MAX)
        return SPAN("99999999");
    dcm_da_format(range.to, day);
    return span_cstr(day);
}

static void date_bounds(IdxSql *sql, const char *column, DcmTimeRange range)
{
    char day[9];
    buf_printf(&sql->text, "(%s >= ? AND %s <= ?)", column, column);
    idx_sql_text(sql, idx_first_day(range, day));
    idx_sql_text(sql, idx_last_day(range, day));
}

/* The values of a date key, when all of them are dates or ranges. */
size_t idx_date_ranges(Span value, DcmTimeRange out[IDX_PATTERN_VALUES_MAX])
{
    size_t n = 0;
    Span one;
    bool more = true;
    while (span_split(&value, '\\', &one, &more)) {
        if (n == IDX_PATTERN_VALUES_MAX || !dcm_da_range(one, &out[n]))
            return 0;
        n++;
    }
    return n;
}

static bool look_for_dates(Look *look, Arena *arena, Db *db, Err *err)
{
    const IdxAttribute *a = look->a;
    DcmTimeRange ranges[IDX_PATTERN_VALUES_MAX];
    size_t n = idx_date_ranges(look->value, ranges);
    if (!n || !has_odd(db, a, &look->odd, err))
        return !n;
    const char *sql =
        arena_printf(arena, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s >= ? AND %s <= ? LIMIT ?) t",
                     idx_tables[a->level].name, a->column, a->column);
    look->ranges = arena_alloc(arena, n * sizeof *ranges);
    look->range_count = n;
    for (size_t i = 0; i < n; i++) {
        char from[9], to[9];
        int64_t count = 0;
        look->ranges[i] = ranges[i];
        if (look->rows < IDX_MANY && !count_rows(db, sql, idx_first_day(ranges[i], from),
                                                 idx_last_day(ranges[i], to), IDX_MANY, &count, err))
            return false;
        look->rows += count;
    }
    return true;
}

/* The rows whose date is in one of the ranges. */
static void rows_of_dates(IdxSql *sql, const Look *look)
{
    const IdxAttribute *a = look->a;
    const IdxTable *table = &idx_tables[a->level];
    idx_sql_row_id(sql, a->level);
    buf_append_cstr(&sql->text, " IN (");
    for (size_t i = 0; i < look->range_count; i++) {
        buf_printf(&sql->text, "SELECT %s FROM %s WHERE ", table->id, table->name);
        date_bounds(sql, a->column, look->ranges[i]);
        buf_append_cstr(&sql->text, " UNION ALL ");
    }
    buf_printf(&sql->text, "SELECT id FROM term WHERE attribute = %lld AND value = '" IDX_TERM_ODD "')",
               (long long)a->tag);
}

/* Is the row's date in one of the ranges? */
static void dates_of_row(IdxSql *sql, const Look *look)
{
    const IdxAttribute *a = look->a;
    char *column = idx_sql_row_column(sql, a);
    bool several = look->range_count > 1 || look->odd;
    buf_append_cstr(&sql->text, several ? "(" : "");
    for (size_t i = 0; i < look->range_count; i++) {
        buf_append_cstr(&sql->text, i ? " OR " : "");
        date_bounds(sql, column, look->ranges[i]);
    }
    if (look->odd) {
        buf_append_cstr(&sql->text, " OR ");
        idx_sql_row_id(sql, a->level);
        buf_printf(&sql->text,
                   " IN (SELECT id FROM term WHERE attribute = %lld AND value = '" IDX_TERM_ODD "')",
                   (long long)a->tag);
    }
    buf_append_cstr(&sql->text, several ? ")" : "");
}

/* -- plain columns -- */

bool idx_is_plain(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] >= '~' || s.p[i] == '*' || s.p[i] == '?' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

/* The column says all there is to say unless it holds several values or was cut. One of an extended attribute may be not filled yet, or have
   been written by a server that cuts it shorter. */
static void equal_condition(IdxSql *sql, const IdxAttribute *a, Span value)
{
    value = span_trim(value);
    char *column = idx_sql_row_column(sql, a);
    if (a->vr != DCM_VR_NONE) {
        buf_printf(&sql->text,
                   "(%s IS NULL OR %s = substr(CAST(? AS TEXT), 1, length(%s)) OR %s(%s, '\\') > 0)", column,
                   column, column, sql->dialect->find, column);
        idx_sql_text(sql, value);
        return;
    }
    buf_printf(&sql->text, "(%s = ? OR %s(%s, '\\') > 0 OR length(%s) >= %d)", column, sql->dialect->find,
               column, column, a->chars);
    idx_sql_text(sql, value);
}

/* -- one key -- */

/* The list kept with the study that answers for Modality and SOP Class UID. */
static const IdxAttribute *list_of(const IdxAttribute *a)
{
    bool classes = a->tag == DCM_SOPClassUID || a->tag == DCM_SOPClassesInStudy;
    return idx_attribute_at(&idx_base_attributes, classes ? DCM_SOPClassesInStudy : DCM_ModalitiesInStudy,
                            DCM_LEVEL_STUDY);
}

bool idx_look(Arena *arena, Db *db, const IdxAttribute *a, const DcmElement *key,
              const DcmMatchOptions *options, IdxLook **out, Err *err)
{
    Look *look = arena_alloc(arena, sizeof *look);
    *look = (Look){.a = a->search == IDX_AMONG ? list_of(a) : a, .value = key->value};
    bool narrows = false, ok = true;
    switch (a->search) {
    case IDX_EXACT:
        look->rows = 1;
        narrows = true;
        break;
    case IDX_AMONG:
    case IDX_TERM:
        ok = look_for_terms(look, arena, db, err);
        narrows = look->pattern_count > 0;
        break;
    case IDX_RANGE:
        ok = look_for_dates(look, arena, db, err);
        narrows = look->range_count > 0;
        break;
    case IDX_EQUAL:
        ok = idx_look_in_column(look, arena, db, options, &narrows, err);
        break;
    case IDX_SCAN:
        break;
    }
    *out = narrows ? look : NULL;
    return ok;
}

/* Studies are in the order of their dates anyway. */
static bool is_in_order(const Look *look, DcmLevel level)
{
    return look->range_count && !look->by_column && look->a->level == DCM_LEVEL_STUDY &&
           level >= DCM_LEVEL_STUDY;
}

int64_t idx_look_cost(const IdxLook *look, DcmLevel level)
{
    enum { SORTING = 4 };
    bool few = look->rows <= IDX_FEW;
    return few && is_in_order(look, level) ? look->rows / SORTING : look->rows;
}

static bool condition(IdxSql *sql, const Look *look, bool gather, Err *err)
{
    if (look->a->search == IDX_EXACT)
        return exact_condition(sql, look->a, look->value, err);
    if (look->by_column)
        (gather ? idx_rows_of_column : idx_column_of_row)(sql, look);
    else if (look->a->search == IDX_EQUAL)
        equal_condition(sql, look->a, look->value);
    else if (look->range_count)
        (gather ? rows_of_dates : dates_of_row)(sql, look);
    else
        (gather ? rows_of_terms : terms_of_row)(sql, look);
    return true;
}

/* Opens a condition on `level` for one on a level below it: rows are gathered from below, or looked at from above. */
static void open_below(IdxSql *sql, DcmLevel level, const Look *look, bool gather)
{
    const IdxTable *own = &idx_tables[level], *of = &idx_tables[look->a->level], *next = own + 1;
    if (gather) {
        buf_printf(&sql->text, "%s.%s IN (SELECT %s.%s FROM %s %s WHERE ", own->alias, own->id, of->alias,
                   own->id, of->name, of->alias);
        return;
    }
    buf_printf(&sql->text, "(SELECT 1 FROM %s %s", next->name, next->alias);
    for (const IdxTable *t = next + 1; t <= of; t++)
        buf_printf(&sql->text, "%s %s %s ON %s.%s = %s.%s", sql->dialect->in_order, t->name, t->alias,
                   t->alias, (t - 1)->id, (t - 1)->alias, (t - 1)->id);
    buf_printf(&sql->text, " WHERE %s.%s = %s.%s AND ", next->alias, own->id, own->alias, own->id);
}

bool idx_narrow(IdxSql *sql, DcmLevel level, const IdxLook *look, bool drives, Err *err)
{
    bool below = look->a->level > level;
    bool gather = (drives && !is_in_order(look, level)) || look->pieces || look->a->search == IDX_EXACT;
    buf_append_cstr(&sql->text, " AND ");
    if (below)
        open_below(sql, level, look, gather);
    if (!condition(sql, look, gather, err))
        return false;
    buf_append_cstr(&sql->text, !below ? "" : gather ? ")" : " LIMIT 1) = 1");
    sql->selective |= gather;
    return true;
}
