// SPDX-License-Identifier: MIT
/*
 * Listings for people and for programs. Going up the tree is a join by the ids from level to level, which have indexes; going
 * down is a set of ids read from the lower table, where every level's id stands in each row.
 */
#include "index/internal.h"
#include "index/row.h"
#include "index/schema.h"
#include "index/search.h"
#include "index/tables.h"

#include <stdlib.h>
#include <string.h>

/* Columns that no attribute has. Digests and the archive's own notes on a file are not for people. */
static const struct {
    const char *name;
    bool number;
} bookkeeping[DCM_LEVEL_COUNT][16] = {
    [DCM_LEVEL_PATIENT] = {{"size", true}, {"d8ins", false}, {"d8maj", false}},
    [DCM_LEVEL_STUDY] =
        {{"patient_uid", false}, {"size", true}, {"d8ins", false}, {"d8maj", false}, {"patient_id", true}},
    [DCM_LEVEL_SERIES] = {{"study_uid", false},
                          {"patient_uid", false},
                          {"dt_first_insertion", false},
                          {"dt_completion", false},
                          {"size", true},
                          {"d8ins", false},
                          {"d8maj", false},
                          {"study_id", true},
                          {"patient_id", true}},
    [DCM_LEVEL_IMAGE] = {{"storage_method", false},
                         {"file_path", false},
                         {"filesize", true},
                         {"storage_status", true},
                         {"dt_deb_storage", false},
                         {"dt_end_storage", false},
                         {"series_uid", false},
                         {"study_uid", false},
                         {"patient_uid", false},
                         {"transfer_syntax_uid", false},
                         {"source_ae", false},
                         {"d8ins", false},
                         {"d8maj", false},
                         {"series_id", true},
                         {"study_id", true},
                         {"patient_id", true}},
};
enum { BOOKKEEPING_MAX = sizeof bookkeeping[0] / sizeof bookkeeping[0][0] };

const IdxAttributes *idx_attributes_of(const Index *index)
{
    return index->attributes;
}

const IdxColumn *idx_columns(const IdxAttributes *attributes, Arena *arena, DcmLevel level, size_t *count)
{
    size_t n, at = 0;
    const IdxAttribute *a = idx_attributes(attributes, level, &n);
    IdxColumn *columns = arena_alloc(arena, (1 + n + BOOKKEEPING_MAX) * sizeof *columns);
    columns[at++] = (IdxColumn){.name = idx_tables[level].id, .number = true};
    for (size_t i = 0; i < n; i++)
        if (a[i].column)
            columns[at++] = (IdxColumn){.name = a[i].column,
                                        .attribute = &a[i],
                                        .number = a[i].kind == IDX_INTEGER || a[i].kind == IDX_COUNT};
    for (size_t i = 0; i < BOOKKEEPING_MAX && bookkeeping[level][i].name; i++)
        columns[at++] =
            (IdxColumn){.name = bookkeeping[level][i].name, .number = bookkeeping[level][i].number};
    *count = at;
    return columns;
}

/* -- rows -- */

struct IdxListing {
    Index *index;
    Arena *arena; /* what the statement binds */
    Db *db;
    DbStatement *statement;
};

/* The tables from `top` down to `bottom`, joined by the ids of each level. */
static void from_tree(Buf *sql, DcmLevel top, DcmLevel bottom)
{
    buf_printf(sql, " FROM %s %s", idx_tables[top].name, idx_tables[top].alias);
    for (int level = (int)top + 1; level <= (int)bottom; level++) {
        const IdxTable *table = &idx_tables[level], *above = &idx_tables[level - 1];
        buf_printf(sql, " JOIN %s %s ON %s.%s = %s.%s", table->name, table->alias, table->alias, above->id,
                   above->alias, above->id);
    }
}

/* What few rows have by themselves is asked for as it is; the rows of lists and of modalities are read first, so that no database walks
   through all rows for the sake of their order. */
static bool condition(IdxSql *sql, const IdxListAsk *ask, Err *err)
{
    const IdxTable *by = &idx_tables[ask->by_modality ? DCM_LEVEL_SERIES : ask->by];
    const IdxTable *own = &idx_tables[ask->level];
    const char *column = ask->by_modality ? "modality" : by->uid;
    bool below = by > own, gather = below || ask->by_modality || ask->count > 1;
    const IdxTable *of = below ? own : by;
    if (!ask->count)
        return true;
    if (gather)
        buf_printf(&sql->text, " WHERE %s.%s%sSELECT %s FROM %s WHERE ", of->alias, of->id,
                   sql->dialect->gather, of->id, by->name);
    else
        buf_printf(&sql->text, " WHERE %s.", by->alias);
    if (!idx_sql_among(sql, column, ask->values, ask->count, err))
        return false;
    buf_append_cstr(&sql->text, gather ? sql->dialect->gathered : "");
    return true;
}

IdxListing *idx_list(Index *index, const IdxListAsk *ask, Err *err)
{
    DcmLevel by = ask->by_modality ? DCM_LEVEL_SERIES : ask->by;
    IdxListing *listing = calloc(1, sizeof *listing);
    if (!listing)
        abort();
    *listing = (IdxListing){.index = index, .arena = arena_new(0)};
    const IdxTable *own = &idx_tables[ask->level];
    size_t n;
    const IdxColumn *columns = idx_columns(index->attributes, listing->arena, ask->level, &n);
    IdxSql sql;
    idx_sql_init(&sql, db_source_dialect(index->source), listing->arena);
    for (size_t i = 0; i < n; i++)
        buf_printf(&sql.text, "%s%s.\"%s\"", i ? ", " : "SELECT ", own->alias, columns[i].name);
    from_tree(&sql.text, ask->count && by < ask->level ? by : ask->level, ask->level);
    bool ok = condition(&sql, ask, err);
    buf_printf(&sql.text, " ORDER BY %s.%s", own->alias, own->id);
    listing->db = ok ? idx_reader_take(index, IDX_SNAPSHOT, err) : NULL;
    listing->statement = listing->db ? idx_sql_prepare(&sql, listing->db, DB_ROWS, err) : NULL;
    idx_sql_free(&sql);
    if (listing->statement)
        return listing;
    idx_list_close(listing);
    return NULL;
}

bool idx_list_next(IdxListing *listing, bool *row, Err *err)
{
    return db_step(listing->statement, row, err);
}

bool idx_list_value(const IdxListing *listing, size_t column, Span *out)
{
    if (db_is_null(listing->statement, (int)column))
        return false;
    *out = db_text(listing->statement, (int)column);
    return true;
}

void idx_list_close(IdxListing *listing)
{
    if (!listing)
        return;
    db_done(listing->statement);
    idx_reader_give(listing->index, listing->db, IDX_SNAPSHOT);
    arena_free(listing->arena);
    free(listing);
}

/* -- keys -- */

struct IdxLookup {
    Index *index;
    Db *db;
    Arena *arena; /* for one look-up */
};

IdxLookup *idx_lookup_open(Index *index, Err *err)
{
    Db *db = idx_reader_take(index, IDX_SNAPSHOT, err);
    if (!db)
        return NULL;
    IdxLookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        abort();
    *lookup = (IdxLookup){index, db, arena_new(0)};
    return lookup;
}

bool idx_lookup_has(IdxLookup *lookup, DcmLevel level, const char *key, bool *found, Err *err)
{
    static const char *const sql[DCM_LEVEL_COUNT] = {
        [DCM_LEVEL_PATIENT] = "SELECT 1 FROM patient WHERE patient_uid = ?",
        [DCM_LEVEL_STUDY] = "SELECT 1 FROM study WHERE study_uid = ?",
        [DCM_LEVEL_SERIES] = "SELECT 1 FROM series WHERE series_uid = ?",
        [DCM_LEVEL_IMAGE] = "SELECT 1 FROM file_storage_metadata_dicom WHERE instance_uid = ?"};
    arena_reset(lookup->arena);
    DbStatement *s = db_prepare(lookup->db, sql[level], err);
    if (!s)
        return false;
    db_bind_text(s, idx_key(lookup->arena, span_cstr(key)));
    bool ok = db_step(s, found, err);
    db_done(s);
    return ok;
}

bool idx_lookup_related(IdxLookup *lookup, DcmLevel from, const char *key, DcmLevel to, IdxKeyVisit visit,
                        void *ctx, Err *err)
{
    const IdxTable *given = &idx_tables[from], *wanted = &idx_tables[to];
    bool row = true;
    arena_reset(lookup->arena);
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql, "SELECT %s.%s", wanted->alias, wanted->uid);
    from_tree(&sql, from < to ? from : to, from < to ? to : from);
    buf_printf(&sql, " WHERE %s.%s = ? ORDER BY %s.%s", given->alias, given->uid, wanted->alias, wanted->id);
    DbStatement *s = db_prepare_for(lookup->db, buf_cstr(&sql), DB_ROWS, err);
    bool ok = s != NULL;
    if (ok)
        db_bind_text(s, idx_key(lookup->arena, span_cstr(key)));
    while (ok && (ok = db_step(s, &row, err)) && row)
        ok = visit(ctx, arena_span_cstr(lookup->arena, db_text(s, 0)), err);
    db_done(s);
    buf_free(&sql);
    return ok;
}

void idx_lookup_close(IdxLookup *lookup)
{
    if (!lookup)
        return;
    idx_reader_give(lookup->index, lookup->db, IDX_SNAPSHOT);
    arena_free(lookup->arena);
    free(lookup);
}
