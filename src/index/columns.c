// SPDX-License-Identifier: MIT
/*
 * Searching by the columns of extended attributes (look.h). A column that is filled has an index of what its values begin with (idx_sql_column_key);
 * rows whose column does not say all there is to say stand in it under IDX_TERM_ODD and are let through.
 */
#include "index/filled.h"
#include "index/look.h"
#include "index/row.h"
#include "index/schema.h"
#include "index/terms.h"

#include <string.h>

/* One value of the key, as far as it says how the column begins. */
static bool column_pattern(Span value, bool wildcards, TermPattern *out)
{
    size_t literal = 0;
    value = span_trim(value);
    while (literal < value.n && value.p[literal] != '*' && value.p[literal] != '?')
        literal++;
    out->kind = literal < value.n ? TERM_PREFIX : TERM_EQUAL;
    out->text = span_rtrim(span_sub(value, 0, literal));
    return idx_is_plain(out->text) && (wildcards || out->kind == TERM_EQUAL);
}

static size_t column_patterns(Span value, bool wildcards, TermPattern out[IDX_PATTERN_VALUES_MAX])
{
    size_t n = 0;
    Span one;
    bool more = true;
    while (span_split(&value, '\\', &one, &more)) {
        if (n == IDX_PATTERN_VALUES_MAX || !column_pattern(one, wildcards, &out[n]))
            return 0;
        out[n].text = idx_cut(out[n].text, IDX_COLUMN_KEY_CHARS);
        n++;
    }
    return n;
}

/* " WHERE …" or, for the row at hand (`alias`), a condition: what the column has for one value, a range of days, or for neither (odd). */
typedef struct Wanted {
    enum { WANTS_VALUE, WANTS_PREFIX, WANTS_DAYS, WANTS_ODD } kind;
    Span text;
    DcmTimeRange days;
} Wanted;

static Wanted wanted_at(const IdxLook *look, size_t i)
{
    if (i < look->pattern_count)
        return (Wanted){look->patterns[i].kind == TERM_EQUAL ? WANTS_VALUE : WANTS_PREFIX,
                        look->patterns[i].text};
    if (i < look->range_count)
        return (Wanted){.kind = WANTS_DAYS, .days = look->ranges[i]};
    return (Wanted){.kind = WANTS_ODD};
}

/* How many of them there are, the odd with them. */
static size_t wanted_count(const IdxLook *look)
{
    return look->pattern_count + look->range_count + 1;
}

static void column_condition(IdxSql *sql, const IdxAttribute *a, const char *alias, Wanted wanted)
{
    Buf key;
    char from[9], to[9];
    buf_init(&key, 0);
    idx_sql_column_key(&key, sql->dialect, a, alias);
    buf_printf(&sql->text, "(%s\"%s\" IS NOT NULL AND ", alias, a->column);
    if (wanted.kind == WANTS_VALUE) {
        buf_printf(&sql->text, "%s = ?)", buf_cstr(&key));
        idx_sql_text(sql, wanted.text);
    } else if (wanted.kind == WANTS_ODD) {
        buf_printf(&sql->text, "%s = '" IDX_TERM_ODD "')", buf_cstr(&key));
    } else {
        bool days = wanted.kind == WANTS_DAYS;
        buf_printf(&sql->text, "%s >= ? AND %s <= ?)", buf_cstr(&key), buf_cstr(&key));
        idx_sql_text(sql, days ? idx_first_day(wanted.days, from) : wanted.text);
        idx_sql_text(sql,
                     days ? idx_last_day(wanted.days, to)
                          : span_cstr(arena_printf(sql->arena, "%.*s" IDX_TERM_LAST, SPAN_FMT(wanted.text))));
    }
    buf_free(&key);
}

static bool count_column(Arena *arena, Db *db, const IdxAttribute *a, Wanted wanted, int64_t *count, Err *err)
{
    IdxSql sql;
    bool row = false;
    idx_sql_init(&sql, db_dialect(db), arena);
    buf_printf(&sql.text, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE ", idx_tables[a->level].name);
    column_condition(&sql, a, "", wanted);
    buf_printf(&sql.text, " LIMIT %d) t", IDX_MANY);
    DbStatement *s = idx_sql_prepare(&sql, db, DB_LOOK, err);
    bool ok = s && db_step(s, &row, err);
    *count = ok && row ? db_int(s, 0) : 0;
    db_done(s);
    idx_sql_free(&sql);
    return ok;
}

/* What the key wants of the column; false when an index of the column does not help to find it. */
static bool wants_of_column(IdxLook *look, Arena *arena, const DcmMatchOptions *options)
{
    const IdxAttribute *a = look->a;
    TermPattern patterns[IDX_PATTERN_VALUES_MAX];
    DcmTimeRange ranges[IDX_PATTERN_VALUES_MAX];
    if (a->vr == DCM_VR_DA) {
        size_t n = idx_date_ranges(look->value, ranges);
        look->ranges = arena_alloc(arena, (n + 1) * sizeof *ranges);
        memcpy(look->ranges, ranges, n * sizeof *ranges);
        look->range_count = n;
        return n > 0;
    }
    size_t n = options->fold_text ? 0 : column_patterns(look->value, a->vr != DCM_VR_UI, patterns);
    look->patterns = arena_alloc(arena, (n + 1) * sizeof *patterns);
    memcpy(look->patterns, patterns, n * sizeof *patterns);
    look->pattern_count = n;
    return n > 0;
}

bool idx_look_in_column(IdxLook *look, Arena *arena, Db *db, const DcmMatchOptions *options, bool *narrows,
                        Err *err)
{
    bool filled = false;
    if (look->a->vr != DCM_VR_NONE && !idx_filled_column(db, arena, look->a, &filled, err))
        return false;
    look->by_column = filled && wants_of_column(look, arena, options);
    *narrows = look->by_column;
    for (size_t i = 0; look->by_column && look->rows < IDX_MANY && i < wanted_count(look); i++) {
        int64_t count = 0;
        if (!count_column(arena, db, look->a, wanted_at(look, i), &count, err))
            return false;
        look->rows += count;
    }
    if (look->by_column)
        return true;
    look->rows = IDX_MANY;
    *narrows = look->a->vr != DCM_VR_DA && !options->fold_text && idx_is_plain(span_trim(look->value));
    return true;
}

void idx_rows_of_column(IdxSql *sql, const IdxLook *look)
{
    const IdxTable *table = &idx_tables[look->a->level];
    idx_sql_row_id(sql, look->a->level);
    buf_append_cstr(&sql->text, " IN (");
    for (size_t i = 0; i < wanted_count(look); i++) {
        buf_printf(&sql->text, "%sSELECT %s FROM %s WHERE ", i ? " UNION ALL " : "", table->id, table->name);
        column_condition(sql, look->a, "", wanted_at(look, i));
    }
    buf_append_cstr(&sql->text, ")");
}

void idx_column_of_row(IdxSql *sql, const IdxLook *look)
{
    const char *alias = arena_printf(sql->arena, "%s.", idx_tables[look->a->level].alias);
    sql->reads_patients |= look->a->level == DCM_LEVEL_PATIENT;
    buf_append_cstr(&sql->text, "(");
    for (size_t i = 0; i < wanted_count(look); i++) {
        buf_append_cstr(&sql->text, i ? " OR " : "");
        column_condition(sql, look->a, alias, wanted_at(look, i));
    }
    buf_append_cstr(&sql->text, ")");
}
