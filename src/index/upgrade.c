// SPDX-License-Identifier: MIT
/*
 * From an older version of the schema to ours, forward only. 1 had no terms of the columns that describe (sex, institution, maker …)
 * and of the lists kept with a study, and found no series by its date. 2 had no table for the files of annotations. 3 had no pieces of names,
 * 4 no notes of replaced files. 5 had the studies of a patient without their times, 6 no index of
 * the objects without SHA-256.
 */
#include "index/row.h"
#include "index/schema.h"
#include "index/search.h"

#include "dicom/tags.h"

typedef bool (*WriteTerms)(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err);

static bool write_of_each(Db *db, DcmLevel level, WriteTerms write, Err *err)
{
    const IdxTable *table = &idx_tables[level];
    Arena *arena = arena_new(0);
    bool row = true;
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, "SELECT ");
    idx_sql_columns(&sql, db_attributes(db), level, NULL);
    buf_printf(&sql, " FROM %s %s", table->name, table->alias);
    DbStatement *s = db_prepare_for(db, buf_cstr(&sql), DB_ROWS, err);
    bool ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        arena_reset(arena);
        const DcmDataset *attributes = idx_row_read(s, 0, arena, level, false, NULL, err);
        ok = attributes && write(db, attributes, level, db_int(s, 0), err);
    }
    db_done(s);
    buf_free(&sql);
    arena_free(arena);
    return ok;
}

bool idx_schema_write_terms(Db *db, DcmLevel level, Err *err)
{
    return write_of_each(db, level, idx_terms_write, err);
}

static bool write_pieces(Db *db, const DcmDataset *row, DcmLevel level, int64_t id, Err *err)
{
    return idx_name_pieces_gather(db, row, id, err);
}

/* A list as long as this may lack values. */
static bool is_whole(Span list)
{
    return list.n < IDX_LIST_TEXT_MAX - IDX_LIST_VALUE_MAX;
}

bool idx_schema_write_list_terms(Db *db, Err *err)
{
    DbStatement *s = db_prepare_for(
        db, "SELECT study_id, modalities_in_study, sop_classes_in_study FROM study", DB_ROWS, err);
    bool ok = s != NULL, row = true;
    while (ok && (ok = db_step(s, &row, err)) && row) {
        int64_t study = db_int(s, 0);
        Span modalities = db_text(s, 1), classes = db_text(s, 2);
        ok = idx_list_terms_write(db, DCM_ModalitiesInStudy, modalities, is_whole(modalities), study, err) &&
             idx_list_terms_write(db, DCM_SOPClassesInStudy, classes, is_whole(classes), study, err);
    }
    db_done(s);
    return ok;
}

static bool make_around(Db *db, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, "DROP VIEW IF EXISTS tools_modality; DROP VIEW IF EXISTS tools_speed;"
                          "DROP INDEX IF EXISTS ix_study_patient_id;");
    idx_sql_later_tables(&sql, db_dialect(db));
    idx_sql_indexes(&sql, db_dialect(db));
    bool ok = db_exec(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

bool idx_schema_upgrade(Db *db, int64_t version, Err *err)
{
    bool ok = make_around(db, err);
    if (ok && version >= 2)
        return version >= 4 || write_of_each(db, DCM_LEVEL_PATIENT, write_pieces, err);
    for (int level = 0; ok && level < DCM_LEVEL_IMAGE; level++)
        ok = idx_schema_write_terms(db, (DcmLevel)level, err);
    return ok && idx_schema_write_list_terms(db, err);
}
