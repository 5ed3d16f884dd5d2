// SPDX-License-Identifier: MIT
/* Keys to SQL conditions (search.h). What is narrowed, and how, is the `search` of the attribute table. */
#include "index/search.h"

#include "base/json.h"
#include "dicom/tags.h"
#include "index/row.h"
#include "index/terms.h"

#include <string.h>
#include <utf8proc.h>

/* -- SQL and parameters -- */

void idx_sql_init(IdxSql *sql, const DbDialect *dialect, Arena *arena)
{
    *sql = (IdxSql){.arena = arena, .dialect = dialect};
    buf_init(&sql->text, 0);
}

void idx_sql_free(IdxSql *sql)
{
    buf_free(&sql->text);
}

static IdxParam *next_param(IdxSql *sql)
{
    if (sql->count == sql->capacity) {
        size_t capacity = sql->capacity ? sql->capacity * 2 : 16;
        IdxParam *bigger = arena_alloc(sql->arena, capacity * sizeof *bigger);
        if (sql->count)
            memcpy(bigger, sql->params, sql->count * sizeof *bigger);
        sql->params = bigger;
        sql->capacity = capacity;
    }
    return &sql->params[sql->count++];
}

void idx_sql_text(IdxSql *sql, Span value)
{
    *next_param(sql) = (IdxParam){.text = arena_span(sql->arena, value), .is_text = true};
}

void idx_sql_number(IdxSql *sql, int64_t value)
{
    *next_param(sql) = (IdxParam){.number = value};
}

DbStatement *idx_sql_prepare(IdxSql *sql, Db *db, DbUse use, Err *err)
{
    DbStatement *statement = db_prepare_for(db, buf_cstr(&sql->text), use, err);
    for (size_t i = 0; statement && i < sql->count; i++)
        if (sql->params[i].is_text)
            db_bind_text(statement, sql->params[i].text);
        else
            db_bind_int(statement, sql->params[i].number);
    return statement;
}

bool idx_sql_among(IdxSql *sql, const char *column, const char *const *values, size_t count, Err *err)
{
    if (count > IDX_LIST_MAX)
        return err_set(err, ERR_LIMIT,
                       "index: a list of %zu identifiers; at most %d are allowed, ask in parts", count,
                       IDX_LIST_MAX);
    if (count == 1) {
        buf_printf(&sql->text, "%s = ?", column);
        idx_sql_text(sql, idx_key(sql->arena, span_cstr(values[0])));
        return true;
    }
    Buf list;
    buf_init(&list, 0);
    JsonWriter w = json_writer(&list);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        json_text(&w, idx_key(sql->arena, span_cstr(values[i])));
    json_end_array(&w);
    buf_printf(&sql->text, "%s%s", column, sql->dialect->among);
    idx_sql_text(sql, buf_span(&list));
    buf_free(&list);
    return true;
}

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

static bool exact_condition(IdxSql *sql, const IdxAttribute *a, const DcmElement *key, Err *err)
{
    size_t count;
    const char **values = uid_values(sql->arena, key->value, &count);
    const IdxTable *table = &idx_tables[a->level];
    return idx_sql_among(sql, arena_printf(sql->arena, "%s.%s", table->alias, a->column), values, count, err);
}

/* -- terms -- */

typedef struct TermPattern {
    enum { TERM_EQUAL, TERM_PREFIX, TERM_CONTAINS } kind;
    Span text;
} TermPattern;

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

static void one_term(IdxSql *sql, const IdxAttribute *a, const TermPattern *p)
{
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

/* False when the key cannot be narrowed. */
static bool term_condition(IdxSql *sql, const IdxAttribute *a, const DcmElement *key)
{
    TermPattern patterns[IDX_PATTERN_VALUES_MAX];
    Buf folded;
    buf_init(&folded, 0);
    idx_term_fold(span_rtrim(key->value), &folded);
    size_t n = term_patterns(buf_span(&folded), idx_is_name(a->tag), patterns);
    if (n) {
        const IdxTable *table = &idx_tables[a->level];
        buf_printf(&sql->text, "%s.%s IN (", table->alias, table->id);
        for (size_t i = 0; i < n; i++)
            one_term(sql, a, &patterns[i]);
        buf_printf(&sql->text, "SELECT id FROM term WHERE attribute = %lld AND value = '" IDX_TERM_ODD "')",
                   (long long)a->tag);
    }
    buf_free(&folded);
    return n > 0;
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

static void date_bounds(IdxSql *sql, const char *column, DcmTimeRange range)
{
    char day[9];
    buf_printf(&sql->text, "(%s IS NOT NULL", column);
    if (range.from != INT64_MIN) {
        dcm_da_format(range.from, day);
        buf_printf(&sql->text, " AND %s >= ?", column);
        idx_sql_text(sql, span_cstr(day));
    }
    if (range.to != INT64_MAX) {
        dcm_da_format(range.to, day);
        buf_printf(&sql->text, " AND %s <= ?", column);
        idx_sql_text(sql, span_cstr(day));
    }
    buf_append_cstr(&sql->text, ")");
}

/* The values of a date key, when all of them are dates or ranges. */
static size_t date_ranges(Span value, DcmTimeRange out[IDX_PATTERN_VALUES_MAX])
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

static bool range_condition(IdxSql *sql, Db *db, const IdxAttribute *a, const DcmElement *key, bool *narrowed,
                            Err *err)
{
    DcmTimeRange ranges[IDX_PATTERN_VALUES_MAX];
    const IdxTable *table = &idx_tables[a->level];
    bool odd = false;
    size_t n = date_ranges(key->value, ranges);
    *narrowed = n > 0;
    if (!n)
        return true;
    if (!has_odd(db, a, &odd, err))
        return false;
    char *column = arena_printf(sql->arena, "%s.%s", table->alias, a->column);
    bool several = n > 1 || odd;
    buf_append_cstr(&sql->text, several ? "(" : "");
    for (size_t i = 0; i < n; i++) {
        buf_append_cstr(&sql->text, i ? " OR " : "");
        date_bounds(sql, column, ranges[i]);
    }
    if (odd)
        buf_printf(&sql->text,
                   " OR %s.%s IN (SELECT id FROM term WHERE attribute = %lld AND value = '" IDX_TERM_ODD "')",
                   table->alias, table->id, (long long)a->tag);
    buf_append_cstr(&sql->text, several ? ")" : "");
    return true;
}

/* -- lists kept with the study -- */

static bool among_condition(IdxSql *sql, const char *column, Span value)
{
    Span values[IDX_PATTERN_VALUES_MAX], one;
    size_t n = 0;
    bool more = true;
    while (span_split(&value, '\\', &one, &more)) {
        one = span_trim(one);
        if (!one.n)
            continue;
        if (n == IDX_PATTERN_VALUES_MAX || one.n > IDX_LIST_VALUE_MAX || memchr(one.p, 0, one.n) ||
            memchr(one.p, '*', one.n) || memchr(one.p, '?', one.n))
            return false;
        values[n++] = one;
    }
    if (!n)
        return false;
    /* Characters have up to four bytes. */
    buf_printf(&sql->text, "(length(%s) > %d", column, (IDX_LIST_TEXT_MAX - 2 * IDX_LIST_VALUE_MAX) / 4);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&sql->text, " OR %s('\\' || %s || '\\', ?) > 0", sql->dialect->find, column);
        idx_sql_text(sql, span_cstr(arena_printf(sql->arena, "\\%.*s\\", SPAN_FMT(values[i]))));
    }
    buf_append_cstr(&sql->text, ")");
    return true;
}

/* -- plain columns -- */

static bool is_plain(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] >= '~' || s.p[i] == '*' || s.p[i] == '?' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

/* The column says all there is to say unless it holds several values or was cut. */
static bool equal_condition(IdxSql *sql, const IdxAttribute *a, Span value)
{
    value = span_trim(value);
    if (!is_plain(value))
        return false;
    char *column = arena_printf(sql->arena, "%s.%s", idx_tables[a->level].alias, a->column);
    buf_printf(&sql->text, "(%s = ? OR %s(%s, '\\') > 0 OR length(%s) >= %d)", column, sql->dialect->find,
               column, column, a->chars);
    idx_sql_text(sql, value);
    return true;
}

/* -- one key -- */

static const char *list_column(const IdxAttribute *a)
{
    bool classes = a->tag == DCM_SOPClassUID || a->tag == DCM_SOPClassesInStudy;
    return classes ? "s.sop_classes_in_study" : "s.modalities_in_study";
}

static bool condition(IdxSql *sql, Db *db, const IdxAttribute *a, const DcmElement *key,
                      const DcmMatchOptions *options, bool *narrowed, Err *err)
{
    switch (a->search) {
    case IDX_EXACT:
        *narrowed = true;
        return exact_condition(sql, a, key, err);
    case IDX_TERM:
        *narrowed = term_condition(sql, a, key);
        return true;
    case IDX_RANGE:
        return range_condition(sql, db, a, key, narrowed, err);
    case IDX_AMONG:
        *narrowed =
            (key->vr == DCM_VR_UI || !options->fold_text) && among_condition(sql, list_column(a), key->value);
        return true;
    case IDX_EQUAL:
        *narrowed = !options->fold_text && equal_condition(sql, a, key->value);
        return true;
    case IDX_SCAN:
        break;
    }
    *narrowed = false;
    return true;
}

/* The table a condition speaks of: the study's for Modality and SOP Class UID. */
static DcmLevel condition_level(const IdxAttribute *a)
{
    return a->search == IDX_AMONG ? DCM_LEVEL_STUDY : a->level;
}

bool idx_narrow(IdxSql *sql, Db *db, DcmLevel level, const IdxAttribute *a, const DcmElement *key,
                const DcmMatchOptions *options, Err *err)
{
    DcmLevel of = condition_level(a);
    bool below = of > level, narrowed = false;
    const char *id = idx_tables[level].id;
    size_t start = sql->text.n, params = sql->count;
    buf_append_cstr(&sql->text, " AND ");
    if (below)
        buf_printf(&sql->text, "%s.%s IN (SELECT %s FROM %s %s WHERE ", idx_tables[level].alias, id, id,
                   idx_tables[of].name, idx_tables[of].alias);
    if (!condition(sql, db, a, key, options, &narrowed, err))
        return false;
    if (below)
        buf_append_cstr(&sql->text, ")");
    if (narrowed) {
        sql->selective |= a->search == IDX_EXACT || a->search == IDX_TERM || below ||
                          (a->search == IDX_RANGE && of == DCM_LEVEL_PATIENT);
        return true;
    }
    sql->text.n = start;
    sql->count = params;
    return true;
}
