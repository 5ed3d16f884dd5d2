// SPDX-License-Identifier: MIT
/* SQL text under construction, with the parameters it binds (search.h). */
#include "index/search.h"

#include "base/json.h"
#include "index/row.h"

#include <string.h>

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
    if (sql->text.failed) {
        err_set(err, ERR_LIMIT, "index: no memory for a statement of %zu bytes", sql->text.n);
        return NULL;
    }
    DbStatement *statement = db_prepare_for(db, buf_cstr(&sql->text), use, err);
    for (size_t i = 0; statement && i < sql->count; i++)
        if (sql->params[i].is_text)
            db_bind_text(statement, sql->params[i].text);
        else
            db_bind_int(statement, sql->params[i].number);
    return statement;
}

void idx_sql_row_id(IdxSql *sql, DcmLevel level)
{
    DcmLevel of = sql->of_studies && level == DCM_LEVEL_PATIENT ? DCM_LEVEL_STUDY : level;
    buf_printf(&sql->text, "%s.%s", idx_tables[of].alias, idx_tables[level].id);
}

char *idx_sql_row_column(IdxSql *sql, const IdxAttribute *a)
{
    sql->reads_patients |= a->level == DCM_LEVEL_PATIENT;
    return arena_printf(sql->arena, "%s.\"%s\"", idx_tables[a->level].alias, a->column);
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
