// SPDX-License-Identifier: MIT
#include "bulk.h"

#include "base/clock.h"
#include "dicom/tags.h"
#include "index/internal.h"
#include "index/object_row.h"
#include "index/schema.h"
#include "index/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns that ingest keeps. They stand behind those that it gives with a new row. */
static const struct {
    const char *columns;
    int count;
} kept[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_PATIENT] = {", number_of_patient_related_studies, number_of_patient_related_series, "
                           "number_of_patient_related_instances, size, newest_study",
                           5},
    [DCM_LEVEL_STUDY] = {", number_of_study_related_series, number_of_study_related_instances, size, "
                         "modalities_in_study, sop_classes_in_study",
                         5},
    [DCM_LEVEL_SERIES] = {", number_of_series_related_instances, size", 2},
    [DCM_LEVEL_IMAGE] = {"", 0}};

/* By number; the row's id is the number + 1. */
typedef struct Patient {
    int64_t bytes;
    uint32_t any_study, studies, series, instances;
    char newest[12];
} Patient;

typedef struct Bulk {
    Index *index;
    Db *db;
    Arena *arena;
    Buf sql[DCM_LEVEL_COUNT];
    uint32_t studies, patient_end;
    Patient *patients;
    int64_t series;
    IdxTotals totals;
} Bulk;

/* -- before and after -- */

static bool is_lite(const Bulk *b)
{
    return !db_dialect(b->db)->returning;
}

static bool drop_indexes(Bulk *b, Err *err)
{
    static const char of_lite[] = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'ix!_%' "
                                  "ESCAPE '!'",
                      of_server[] =
                          "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND "
                          "indexname LIKE 'ix!_%' ESCAPE '!'";
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, "DROP VIEW tools_modality; DROP VIEW tools_speed;");
    bool row = true;
    DbStatement *s = db_prepare(b->db, is_lite(b) ? of_lite : of_server, err);
    bool ok = s != NULL;
    while (ok && (ok = db_step(s, &row, err)) && row)
        buf_printf(&sql, "DROP INDEX %.*s;", SPAN_FMT(db_text(s, 0)));
    db_done(s);
    ok = ok && db_exec(b->db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

/* The schema of the tables, where a temporary table hides one of them. */
static bool schema_of(Bulk *b, char out[128], Err *err)
{
    bool row = false;
    snprintf(out, 128, "main");
    DbStatement *s = is_lite(b) ? NULL : db_prepare(b->db, "SELECT quote_ident(current_schema())", err);
    bool ok = is_lite(b) || (s && db_step(s, &row, err));
    if (row)
        snprintf(out, 128, "%.*s", SPAN_FMT(db_text(s, 0)));
    db_done(s);
    return ok;
}

/* Terms are gathered in a table of the same name that hides theirs, and go there in order. */
static bool prepare(Bulk *b, Err *err)
{
    static const char lite[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; "
                               "PRAGMA temp_store=FILE; PRAGMA cache_size=-262144;"
                               "CREATE TEMP TABLE term (attribute INTEGER, value TEXT, id INTEGER);",
                      server[] =
                          "SET session_replication_role = replica; SET statement_timeout = 0;"
                          "SET maintenance_work_mem = '256MB'; SET work_mem = '256MB';"
                          "ALTER TABLE term DROP CONSTRAINT term_pkey;"
                          "CREATE TEMP TABLE term (attribute BIGINT, value TEXT COLLATE \"C\", id BIGINT);";
    if (!idx_writer(b->index, err))
        return false;
    b->db = b->index->writer;
    if (is_lite(b))
        return db_exec(b->db, lite, err) && idx_begin(b->index, err) && drop_indexes(b, err);
    return idx_begin(b->index, err) && drop_indexes(b, err) && db_exec(b->db, server, err);
}

static bool sort_terms(Bulk *b, Err *err)
{
    char schema[128], *sql = NULL;
    if (!schema_of(b, schema, err) ||
        asprintf(&sql,
                 "INSERT INTO %s.term (attribute, value, id) SELECT DISTINCT attribute, value, id FROM term "
                 "ORDER BY 1, 2, 3; DROP TABLE %s.term;",
                 schema, is_lite(b) ? "temp" : "pg_temp") < 0)
        return false;
    bool ok = db_exec(b->db, sql, err);
    free(sql);
    return ok && (is_lite(b) || db_exec(b->db,
                                        "ALTER TABLE term ADD CONSTRAINT term_pkey PRIMARY KEY (attribute, "
                                        "value, id)",
                                        err));
}

static bool set_totals(Bulk *b, Err *err)
{
    const IdxTotals *t = &b->totals;
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql,
               "UPDATE totals SET patients = %" PRIu64 ", studies = %" PRIu64 ", series = %" PRIu64
               ", instances = %" PRIu64 ", size = %" PRIu64 ";",
               t->patients, t->studies, t->series, t->instances, t->bytes);
    for (int level = 0; !is_lite(b) && level < DCM_LEVEL_IMAGE; level++)
        buf_printf(&sql, "SELECT setval(pg_get_serial_sequence('%s', '%s'), (SELECT max(%s) FROM %s));",
                   idx_tables[level].name, idx_tables[level].id, idx_tables[level].id,
                   idx_tables[level].name);
    bool ok = db_exec(b->db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

static bool finish(Bulk *b, Err *err)
{
    Buf indexes;
    buf_init(&indexes, 0);
    idx_sql_indexes(&indexes, db_dialect(b->db));
    bool ok = sort_terms(b, err) && db_exec(b->db, buf_cstr(&indexes), err) && set_totals(b, err) &&
              idx_commit(b->index, err);
    buf_free(&indexes);
    return ok;
}

/* -- rows -- */

/* idx_sql_gather's INSERT, with the columns that ingest keeps. */
static void make_sql(Bulk *b, DcmLevel level)
{
    static const char values[] = ") VALUES (";
    Buf plain;
    buf_init(&plain, 0);
    buf_init(&b->sql[level], 0);
    idx_sql_gather(&plain, b->index->attributes, level);
    const char *text = buf_cstr(&plain), *split = strstr(text, values);
    buf_append(&b->sql[level], text, (size_t)(split - text));
    buf_append_cstr(&b->sql[level], kept[level].columns);
    buf_append(&b->sql[level], split, strlen(split) - 1);
    for (int i = 0; i < kept[level].count; i++)
        buf_append_cstr(&b->sql[level], ", ?");
    buf_append_cstr(&b->sql[level], ")");
    buf_free(&plain);
}

/* The row without what ingest keeps; its terms. */
static DbStatement *begin_row(Bulk *b, DcmLevel level, const IdxObject *o, Err *err)
{
    const DcmDataset *row = idx_object_row(o, b->index->attributes, level);
    if (level != DCM_LEVEL_IMAGE && !idx_terms_gather(b->db, row, level, o->id[level], err))
        return NULL;
    DbStatement *s = db_gather(b->db, buf_cstr(&b->sql[level]), (int)level, err);
    if (s && !idx_object_bind(s, o, row, level, true, err)) {
        db_done(s);
        return NULL;
    }
    if (s && level != DCM_LEVEL_IMAGE)
        db_bind_int(s, o->id[level]);
    return s;
}

static bool put_patient(Bulk *b, uint32_t number, Err *err)
{
    const Patient *p = &b->patients[number];
    CatalogueStudy study = catalogue_study(p->any_study, b->studies);
    IdxFile file;
    arena_reset(b->arena);
    const DcmDataset *head = catalogue_object(b->arena, &study, 0, &file);
    IdxObject o = idx_object(b->arena, &file, head);
    o.id[DCM_LEVEL_PATIENT] = number + 1;
    DbStatement *s = begin_row(b, DCM_LEVEL_PATIENT, &o, err);
    if (!s)
        return false;
    db_bind_int(s, p->studies);
    db_bind_int(s, p->series);
    db_bind_int(s, p->instances);
    db_bind_int(s, p->bytes);
    db_bind_cstr(s, p->newest);
    b->totals.patients++;
    return db_run(s, err);
}

static bool put_study(Bulk *b, const CatalogueStudy *study, const IdxObject *o, Err *err)
{
    int64_t bytes = (int64_t)(o->file->size * study->total);
    DbStatement *s = begin_row(b, DCM_LEVEL_STUDY, o, err);
    if (!s)
        return false;
    db_bind_int(s, study->series_count);
    db_bind_int(s, study->total);
    db_bind_int(s, bytes);
    db_bind_cstr(s, study->modality);
    db_bind_cstr(s, o->file->sop_class);
    Patient *p = &b->patients[study->patient];
    p->any_study = study->number;
    p->studies++;
    p->series += study->series_count;
    p->instances += study->total;
    p->bytes += bytes;
    if (strcmp(study->date, p->newest) > 0)
        snprintf(p->newest, sizeof p->newest, "%s", study->date);
    b->patient_end = study->patient >= b->patient_end ? study->patient + 1 : b->patient_end;
    b->totals.studies++;
    b->totals.series += study->series_count;
    b->totals.instances += study->total;
    b->totals.bytes += (uint64_t)bytes;
    int64_t id = o->id[DCM_LEVEL_STUDY];
    return db_run(s, err) &&
           idx_list_terms_gather(b->db, DCM_ModalitiesInStudy, span_cstr(study->modality), true, id, err) &&
           idx_list_terms_gather(b->db, DCM_SOPClassesInStudy, span_cstr(o->file->sop_class), true, id, err);
}

static bool put_series(Bulk *b, unsigned instances, const IdxObject *o, Err *err)
{
    DbStatement *s = begin_row(b, DCM_LEVEL_SERIES, o, err);
    if (!s)
        return false;
    db_bind_int(s, instances);
    db_bind_int(s, (int64_t)o->file->size * instances);
    return db_run(s, err);
}

static bool put_image(Bulk *b, const IdxObject *o, Err *err)
{
    DbStatement *s = begin_row(b, DCM_LEVEL_IMAGE, o, err);
    return s && db_run(s, err);
}

static bool put_all_of(Bulk *b, const CatalogueStudy *study, Err *err)
{
    bool ok = true;
    unsigned at = 0;
    for (unsigned series = 0; ok && series < CATALOGUE_SERIES; series++)
        for (unsigned i = 0; ok && i < study->instances[series]; i++, at++) {
            IdxFile file;
            arena_reset(b->arena);
            const DcmDataset *head = (i ? catalogue_image : catalogue_object)(b->arena, study, at, &file);
            IdxObject o = idx_object(b->arena, &file, head);
            b->series += i == 0;
            o.id[DCM_LEVEL_PATIENT] = study->patient + 1;
            o.id[DCM_LEVEL_STUDY] = study->number + 1;
            o.id[DCM_LEVEL_SERIES] = b->series;
            ok = (at || put_study(b, study, &o, err)) &&
                 (i || put_series(b, study->instances[series], &o, err)) && put_image(b, &o, err);
        }
    return ok;
}

static bool put_rows(Bulk *b, uint32_t count, Err *err)
{
    enum { TELL = 5000 };
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++) {
        CatalogueStudy study = catalogue_study(i, b->studies);
        ok = put_all_of(b, &study, err);
        if (i % TELL == 0)
            fprintf(stderr, "\r  %u of %u studies", i, count);
    }
    for (uint32_t i = 0; ok && i < b->patient_end; i++)
        ok = b->patients[i].studies == 0 || put_patient(b, i, err);
    return ok;
}

bool bulk_fill(const IdxSettings *settings, uint32_t count, uint32_t studies, Err *err)
{
    Bulk b = {.index = idx_open(settings, err), .studies = studies};
    if (!b.index)
        return false;
    b.arena = arena_new(0);
    b.patients = calloc(studies, sizeof *b.patients);
    if (!b.patients)
        abort();
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        make_sql(&b, (DcmLevel)level);
    bool ok = prepare(&b, err) && put_rows(&b, count, err);
    fputs("\r  indexes                       ", stderr);
    ok = ok && finish(&b, err);
    fputs("\r", stderr);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        buf_free(&b.sql[level]);
    free(b.patients);
    arena_free(b.arena);
    idx_close(b.index);
    return ok;
}
