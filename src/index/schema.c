// SPDX-License-Identifier: MIT
/*
 * The base tables are SPHERE's (patient, study, series, file_storage_metadata_dicom, study_list, mapping_annotation and
 * the views tools_modality and tools_speed), with more columns. What differs: patient, study and series are keyed
 * by their place in the tree (a study UID that comes under two patients is two rows), the times d8ins, d8maj, dt_first_insertion
 * and dt_completion are UTC, only the link to the next level up is a foreign key, and file_path is never cut.
 *
 * file_storage_metadata_annotation holds the files of annotations (annotations.c), as SPHERE's class diagram planned it.
 * replaced_file notes files that are about to go (replaced.c).
 *
 * term holds folded words to search by (search.c), totals one row of figures, note named texts.
 */
#include "index/schema.h"

#include "index/filled.h"
#include "index/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

static const struct {
    const char *insertable; /* columns that ingest gives with the row */
    const char *types;      /* their definitions, and those of the columns that ingest keeps later */
    const char *last;
} extras[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_PATIENT] = {NULL, "newest_study VARCHAR(10){binary_order}, size BIGINT NOT NULL DEFAULT 0, ",
                           ""},
    [DCM_LEVEL_STUDY] = {"patient_uid, patient_id",
                         "patient_uid VARCHAR(64) NOT NULL, size BIGINT NOT NULL DEFAULT 0, ",
                         ", patient_id BIGINT NOT NULL REFERENCES patient (patient_id)"},
    [DCM_LEVEL_SERIES] =
        {"study_uid, patient_uid, dt_first_insertion, dt_completion, study_id, patient_id",
         "study_uid VARCHAR(64) NOT NULL, patient_uid VARCHAR(64) NOT NULL, "
         "dt_first_insertion TIMESTAMP, dt_completion TIMESTAMP, size BIGINT NOT NULL DEFAULT 0, ",
         ", study_id BIGINT NOT NULL REFERENCES study (study_id), patient_id BIGINT NOT NULL"},
    [DCM_LEVEL_IMAGE] =
        {"storage_method, file_path, filesize, storage_status, dt_deb_storage, dt_end_storage, "
         "series_uid, study_uid, patient_uid, transfer_syntax_uid, source_ae, data_offset, "
         "sha256, content, begin_us, end_us, series_id, study_id, patient_id",
         "storage_method VARCHAR(64) NOT NULL, file_path {path} NOT NULL, "
         "filesize BIGINT NOT NULL, storage_status INTEGER NOT NULL, "
         "dt_deb_storage TIMESTAMP, dt_end_storage TIMESTAMP, series_uid VARCHAR(64) NOT NULL, "
         "study_uid VARCHAR(64) NOT NULL, patient_uid VARCHAR(64) NOT NULL, "
         "transfer_syntax_uid VARCHAR(64), source_ae VARCHAR(64), data_offset BIGINT, "
         "sha256 {blob}, content {blob}, begin_us BIGINT, end_us BIGINT, ",
         ", series_id BIGINT NOT NULL REFERENCES series (series_id), study_id BIGINT NOT NULL, "
         "patient_id BIGINT NOT NULL"},
};

static const char other_tables[] =
    "CREATE TABLE IF NOT EXISTS term (attribute {integer} NOT NULL, value TEXT NOT NULL{binary_order}, id "
    "{integer} NOT "
    "NULL, "
    "PRIMARY KEY (attribute, value, id)){without_rowid};"
    "CREATE TABLE IF NOT EXISTS totals (patients BIGINT, studies BIGINT, series BIGINT, instances BIGINT, "
    "size BIGINT);"
    "INSERT INTO totals VALUES (0, 0, 0, 0, 0);"
    "CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL){without_rowid};"
    "CREATE TABLE IF NOT EXISTS study_list (d8ins TIMESTAMP, d8maj TIMESTAMP, d8del TIMESTAMP, "
    "ids {id}, study_uid VARCHAR(64) NOT NULL, id_list INTEGER NOT NULL, "
    "d_load VARCHAR(16) NOT NULL);";

static const char later_tables[] =
    "CREATE TABLE IF NOT EXISTS mapping_annotation (d8ins TIMESTAMP, d8maj TIMESTAMP, d8del TIMESTAMP, "
    "mapping_annotation_id {id}, uid_dicom_source VARCHAR(64) NOT NULL, "
    "level_dicom_source VARCHAR(16) NOT NULL, uid_annotation VARCHAR(64) NOT NULL UNIQUE, "
    "file_storage_metadata_dicom_id BIGINT REFERENCES file_storage_metadata_dicom "
    "(file_storage_metadata_dicom_id) ON DELETE SET NULL);"
    "CREATE TABLE IF NOT EXISTS file_storage_metadata_annotation (d8ins TIMESTAMP, d8maj TIMESTAMP, "
    "d8del TIMESTAMP, file_storage_metadata_annotation_id {id}, uid_annotation VARCHAR(64) NOT NULL UNIQUE, "
    "uid_dicom_source VARCHAR(64) NOT NULL, storage_method VARCHAR(64) NOT NULL, "
    "dt_deb_storage TIMESTAMP, dt_end_storage TIMESTAMP, storage_status INTEGER NOT NULL, "
    "filesize BIGINT NOT NULL, file_path {path} NOT NULL, media_type VARCHAR(255) NOT NULL, "
    "file_name VARCHAR(255) NOT NULL, author VARCHAR(64) NOT NULL, sha256 {blob}, begin_us BIGINT, "
    "end_us BIGINT);"
    "CREATE TABLE IF NOT EXISTS replaced_file (note BIGINT PRIMARY KEY, d8ins TIMESTAMP, "
    "instance_uid VARCHAR(64) NOT NULL, file_path {path} NOT NULL, filesize BIGINT NOT NULL, "
    "end_us BIGINT NOT NULL){without_rowid};";

/* Uniqueness, the tree, the orders in which lists are served, and the dates that are searched. */
static const char indexes[] =
    "CREATE UNIQUE INDEX IF NOT EXISTS ix_patient_patient_uid ON patient (patient_uid);"
    "CREATE INDEX IF NOT EXISTS ix_patient_newest ON patient (newest_study DESC{nulls_last}, patient_id "
    "DESC);"
    "CREATE INDEX IF NOT EXISTS ix_patient_birth ON patient (patient_birth_date);"
    "CREATE UNIQUE INDEX IF NOT EXISTS ix_study_study_uid ON study (study_uid, patient_id);"
    "CREATE INDEX IF NOT EXISTS ix_study_newest ON study (date_study DESC{nulls_last}, study_time "
    "DESC{nulls_last}, "
    "study_id DESC);"
    "CREATE INDEX IF NOT EXISTS ix_study_of_patient ON study (patient_id, date_study, study_time);"
    "CREATE UNIQUE INDEX IF NOT EXISTS ix_series_series_uid ON series (series_uid, study_id);"
    "CREATE INDEX IF NOT EXISTS ix_series_study_id ON series (study_id, series_number{nulls_first}, "
    "series_id);"
    "CREATE INDEX IF NOT EXISTS ix_series_modality ON series (modality, series_id);"
    "CREATE INDEX IF NOT EXISTS ix_series_date ON series (series_date);"
    "CREATE UNIQUE INDEX IF NOT EXISTS ix_file_storage_metadata_dicom_instance_uid "
    "ON file_storage_metadata_dicom (instance_uid);"
    "CREATE INDEX IF NOT EXISTS ix_file_storage_metadata_dicom_series_id ON file_storage_metadata_dicom "
    "(series_id, instance_number{nulls_first}, file_storage_metadata_dicom_id);"
    "CREATE INDEX IF NOT EXISTS ix_file_storage_metadata_dicom_error ON file_storage_metadata_dicom "
    "(series_id) "
    "WHERE storage_status <> 0;"
    "CREATE INDEX IF NOT EXISTS ix_file_storage_metadata_dicom_unsealed ON file_storage_metadata_dicom "
    "(file_storage_metadata_dicom_id) WHERE sha256 = {no_sha256};"
    "CREATE INDEX IF NOT EXISTS ix_mapping_annotation_file ON mapping_annotation "
    "(file_storage_metadata_dicom_id);"
    "CREATE INDEX IF NOT EXISTS ix_mapping_annotation_source ON mapping_annotation (uid_dicom_source);";

static const char views[] =
    "CREATE VIEW tools_modality AS SELECT modality, count(DISTINCT patient_id) AS sum_patient, "
    "count(DISTINCT study_id) AS sum_studies, count(*) AS sum_series, "
    "CAST(sum(number_of_series_related_instances) AS BIGINT) AS sum_instance, "
    "CAST(sum(size) AS BIGINT) AS size, CAST((SELECT count(*) FROM file_storage_metadata_dicom "
    "i{in_order} series x ON x.series_id = i.series_id WHERE i.storage_status <> 0 AND x.modality = "
    "e.modality) AS BIGINT) AS sum_error FROM series e GROUP BY modality ORDER BY sum_instance DESC;"
    "CREATE VIEW tools_speed AS WITH latest AS (SELECT filesize, end_us FROM file_storage_metadata_dicom "
    "ORDER BY file_storage_metadata_dicom_id DESC LIMIT 500), passed AS (SELECT count(*) AS files, "
    "sum(filesize) AS bytes, CAST(max(end_us) - min(end_us) AS DOUBLE PRECISION) / 1000000 AS seconds "
    "FROM latest) "
    "SELECT seconds AS time, CASE WHEN seconds > 0 THEN files / seconds END AS file, "
    "CASE WHEN seconds > 0 THEN CAST(bytes AS DOUBLE PRECISION) / seconds END AS size FROM passed WHERE "
    "files > 0;";

static void column_sql(Buf *sql, const IdxAttribute *a)
{
    Span type = span_cstr(a->type);
    bool is_number = span_starts(type, SPAN("INTEGER"));
    if (is_number)
        type = span_sub(type, strlen("INTEGER"), type.n);
    buf_printf(sql, "\"%s\" %s%.*s%s", a->column, is_number ? "{integer}" : "", SPAN_FMT(type),
               is_number ? "" : "{binary_order}");
}

static void table_sql(Buf *sql, const IdxAttributes *set, DcmLevel level)
{
    const IdxTable *table = &idx_tables[level];
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    buf_printf(sql, "CREATE TABLE %s (d8ins TIMESTAMP, d8maj TIMESTAMP, d8del TIMESTAMP, ", table->name);
    for (size_t i = 0; i < n; i++)
        if (a[i].column) {
            column_sql(sql, &a[i]);
            buf_append_cstr(sql, ", ");
        }
    buf_printf(sql, "%sspecific_character_set TEXT, attributes {blob}, %s {id}%s);", extras[level].types,
               table->id, extras[level].last);
}

void idx_sql_schema(Buf *sql, const Db *db)
{
    const DbDialect *dialect = db_dialect(db);
    Buf text;
    buf_init(&text, 0);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        table_sql(&text, db_attributes(db), (DcmLevel)level);
    db_expand(dialect, buf_cstr(&text), sql);
    buf_free(&text);
    idx_sql_around(sql, dialect);
}

void idx_sql_around(Buf *sql, const DbDialect *dialect)
{
    db_expand(dialect, other_tables, sql);
    idx_sql_later_tables(sql, dialect);
    idx_sql_indexes(sql, dialect);
}

void idx_sql_later_tables(Buf *sql, const DbDialect *dialect)
{
    db_expand(dialect, later_tables, sql);
}

void idx_sql_indexes(Buf *sql, const DbDialect *dialect)
{
    db_expand(dialect, indexes, sql);
    db_expand(dialect, views, sql);
}

/* Definitions of columns, each followed by ", ". */
static void add_each(Buf *sql, const char *table, const char *definitions)
{
    for (const char *end; (end = strstr(definitions, ", ")); definitions = end + 2)
        buf_printf(sql, "ALTER TABLE %s ADD COLUMN IF NOT EXISTS %.*s;", table, (int)(end - definitions),
                   definitions);
}

void idx_sql_complete(Buf *sql, const Db *db)
{
    Buf text;
    buf_init(&text, 0);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        size_t n;
        const IdxAttribute *a = idx_attributes(db_attributes(db), (DcmLevel)level, &n);
        for (size_t i = 0; i < n; i++)
            if (a[i].column) {
                buf_printf(&text, "ALTER TABLE %s ADD COLUMN IF NOT EXISTS ", idx_tables[level].name);
                column_sql(&text, &a[i]);
                buf_append_cstr(&text, ";");
            }
        add_each(&text, idx_tables[level].name, extras[level].types);
        add_each(&text, idx_tables[level].name, "specific_character_set TEXT, attributes {blob}, ");
    }
    db_expand(db_dialect(db), buf_cstr(&text), sql);
    buf_free(&text);
}

static bool has_column(Db *db, const char *table, const char *column, bool *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, db_dialect(db)->has_column, err);
    if (!s)
        return false;
    db_bind_cstr(s, table);
    db_bind_cstr(s, column);
    bool ok = db_step(s, &row, err);
    *out = row;
    db_done(s);
    return ok;
}

static bool add_column(Db *db, DcmLevel level, const IdxAttribute *a, Err *err)
{
    Buf text, sql;
    buf_init(&text, 0);
    buf_init(&sql, 0);
    buf_printf(&text, "ALTER TABLE %s ADD COLUMN ", idx_tables[level].name);
    column_sql(&text, a);
    db_expand(db_dialect(db), buf_cstr(&text), &sql);
    bool ok = db_exec(db, buf_cstr(&sql), err);
    buf_free(&text);
    buf_free(&sql);
    return ok;
}

/* A column that is there may come from other settings, or from SPHERE: it must hold text, and as long a text as is wanted. */
static bool fit_column(Db *db, DcmLevel level, const IdxAttribute *a, Err *err)
{
    bool row = false;
    const char *table = idx_tables[level].name;
    DbStatement *s = db_prepare(db, db_dialect(db)->text_column, err);
    if (!s)
        return false;
    db_bind_cstr(s, table);
    db_bind_cstr(s, a->column);
    bool ok = db_step(s, &row, err);
    int64_t chars = ok && row ? db_int(s, 0) : 0;
    db_done(s);
    if (ok && !row)
        return err_set(err, ERR_UNSUPPORTED,
                       "index: %s: the column %s of the table %s holds no text; give the extended attribute "
                       "another field_name",
                       db_name(db), a->column, table);
    if (!ok || chars == 0 || (a->chars > 0 && chars >= a->chars))
        return ok;
    Buf text, sql;
    buf_init(&text, 0);
    buf_init(&sql, 0);
    buf_printf(&text, "ALTER TABLE %s ALTER COLUMN \"%s\" TYPE %s{binary_order}", table, a->column, a->type);
    db_expand(db_dialect(db), buf_cstr(&text), &sql);
    ok = db_exec(db, buf_cstr(&sql), err);
    buf_free(&text);
    buf_free(&sql);
    return ok;
}

static bool add_missing_columns(Db *db, DcmLevel level, Err *err)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(db_attributes(db), level, &n);
    for (size_t i = 0; i < n; i++) {
        bool there = true;
        if (!a[i].column)
            continue;
        if (!has_column(db, idx_tables[level].name, a[i].column, &there, err))
            return false;
        bool users = a[i].vr != DCM_VR_NONE;
        if (there ? users && db_dialect(db)->text_column && !fit_column(db, level, &a[i], err)
                  : !add_column(db, level, &a[i], err))
            return false;
        if (!there && !users && !idx_filled_not(db, err))
            return false;
    }
    return true;
}

bool idx_schema_add_columns(Db *db, Err *err)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        if (!add_missing_columns(db, (DcmLevel)level, err))
            return false;
    return true;
}

void idx_sql_column_key(Buf *sql, const DbDialect *dialect, const IdxAttribute *a, const char *alias)
{
    char *column = NULL;
    if (asprintf(&column, "%s\"%s\"", alias, a->column) < 0)
        abort();
    if (a->vr == DCM_VR_DA) {
        buf_printf(sql,
                   "(CASE WHEN length(%s) = 8 THEN %s WHEN length(%s) > 0 THEN '" IDX_TERM_ODD "' END%s)",
                   column, column, column, dialect->binary_order);
    } else {
        buf_printf(sql, "(CASE WHEN %s(%s, '\\') > 0", dialect->find, column);
        if (a->chars)
            buf_printf(sql, " OR length(%s) >= %d", column, a->chars);
        buf_printf(sql, " THEN '" IDX_TERM_ODD "' ELSE substr(%s, 1, %d) END%s)", column,
                   IDX_COLUMN_KEY_CHARS, dialect->binary_order);
    }
    free(column);
}

/* A name that says what is in it. */
static void index_name(Buf *name, const IdxAttribute *a, const Buf *key)
{
    buf_printf(name, "ix_extended_%s_%016llx", idx_tables[a->level].alias,
               (unsigned long long)XXH3_64bits(key->p, key->n));
}

static bool index_column(Db *db, const IdxAttribute *a, bool empty, Err *err)
{
    const DbDialect *dialect = db_dialect(db);
    Buf key, name, sql;
    buf_init(&key, 0);
    buf_init(&name, 0);
    buf_init(&sql, 0);
    idx_sql_column_key(&key, dialect, a, "");
    index_name(&name, a, &key);
    buf_printf(&sql, "CREATE INDEX%s IF NOT EXISTS %s ON %s (%s) WHERE \"%s\" IS NOT NULL",
               empty ? "" : dialect->concurrently, buf_cstr(&name), idx_tables[a->level].name, buf_cstr(&key),
               a->column);
    bool ok = empty ? db_exec(db, buf_cstr(&sql), err) : db_build(db, buf_cstr(&name), buf_cstr(&sql), err);
    buf_free(&key);
    buf_free(&name);
    buf_free(&sql);
    return ok;
}

bool idx_schema_index_columns(Db *db, bool empty, Err *err)
{
    const IdxAttributes *set = db_attributes(db);
    for (size_t i = 0; i < set->count; i++)
        if (set->rows[i].vr != DCM_VR_NONE && set->rows[i].search == IDX_EQUAL &&
            !index_column(db, &set->rows[i], empty, err))
            return false;
    return true;
}

/* Is `name` the first word of one of the definitions, or one of the names, that ", " separates? */
static bool lists_name(const char *list, const char *name)
{
    Span rest = span_cstr(list), one;
    bool more = list != NULL;
    while (more && span_split(&rest, ',', &one, &more)) {
        one = span_trim(one);
        if (span_eq_nocase(span_sub(one, 0, span_index(one, ' ')), span_cstr(name)))
            return true;
    }
    return false;
}

bool idx_sql_is_bookkeeping(DcmLevel level, const char *column)
{
    return lists_name("d8ins, d8maj, d8del, specific_character_set, attributes", column) ||
           strcasecmp(idx_tables[level].id, column) == 0 || lists_name(extras[level].insertable, column) ||
           lists_name(extras[level].types, column);
}

/* Children before parents. */
static const char *const own_tables[] = {"replaced_file",
                                         "file_storage_metadata_annotation",
                                         "mapping_annotation",
                                         "file_storage_metadata_dicom",
                                         "series",
                                         "study",
                                         "patient",
                                         "study_list",
                                         "term",
                                         "totals",
                                         "note"};

bool idx_schema_drop(Db *db, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, "DROP VIEW IF EXISTS tools_modality; DROP VIEW IF EXISTS tools_speed;");
    for (size_t i = 0; i < sizeof own_tables / sizeof *own_tables; i++)
        buf_printf(&sql, "DROP TABLE IF EXISTS %s;", own_tables[i]);
    buf_append_cstr(&sql, db_dialect(db)->forget_version);
    bool ok = db_exec(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

/* -- statements -- */

static bool is_given(const IdxAttribute *a)
{
    return a->column && a->kind != IDX_LIST && a->kind != IDX_COUNT;
}

void idx_sql_columns(Buf *sql, const IdxAttributes *set, DcmLevel level, const DcmVr *wanted)
{
    const IdxTable *table = &idx_tables[level];
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    buf_printf(sql, "%s.%s, %s.specific_character_set, %s.attributes", table->alias, table->id, table->alias,
               table->alias);
    for (size_t i = 0; i < n; i++)
        if (idx_sql_has_column(set, &a[i], wanted))
            buf_printf(sql, ", %s.\"%s\"", table->alias, a[i].column);
}

int idx_sql_column_count(const IdxAttributes *set, DcmLevel level, const DcmVr *wanted)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    int count = 3;
    for (size_t i = 0; i < n; i++)
        count += idx_sql_has_column(set, &a[i], wanted);
    return count;
}

const char *idx_sql_extras(DcmLevel level)
{
    return extras[level].insertable;
}

static int count_names(const char *list)
{
    int n = list != NULL;
    for (const char *p = list; p && *p; p++)
        n += *p == ',';
    return n;
}

static void insert_of(Buf *sql, const IdxAttributes *set, DcmLevel level, bool numbered)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    int parameters = 3 + count_names(extras[level].insertable) + numbered;
    buf_printf(sql, "INSERT INTO %s (d8ins, specific_character_set, attributes", idx_tables[level].name);
    for (size_t i = 0; i < n; i++)
        if (is_given(&a[i])) {
            buf_printf(sql, ", \"%s\"", a[i].column);
            parameters++;
        }
    if (extras[level].insertable)
        buf_printf(sql, ", %s", extras[level].insertable);
    if (numbered)
        buf_printf(sql, ", %s", idx_tables[level].id);
    buf_append_cstr(sql, ") VALUES (?");
    for (int i = 1; i < parameters; i++)
        buf_append_cstr(sql, ", ?");
    buf_append_cstr(sql, ")");
}

void idx_sql_gather(Buf *sql, const IdxAttributes *set, DcmLevel level)
{
    insert_of(sql, set, level, level != DCM_LEVEL_IMAGE);
}

void idx_sql_insert(Buf *sql, const IdxAttributes *set, DcmLevel level, const DbDialect *dialect)
{
    insert_of(sql, set, level, false);
    if (dialect->returning && level != DCM_LEVEL_IMAGE)
        buf_printf(sql, " RETURNING %s", idx_tables[level].id);
}

static void set_names(Buf *sql, const char *list)
{
    Span rest = span_cstr(list), name;
    bool more = true;
    while (span_split(&rest, ',', &name, &more)) {
        name = span_trim(name);
        buf_printf(sql, ", %.*s = ?", SPAN_FMT(name));
    }
}

void idx_sql_update(Buf *sql, const IdxAttributes *set, DcmLevel level)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    buf_printf(sql, "UPDATE %s SET d8maj = ?, specific_character_set = ?, attributes = ?",
               idx_tables[level].name);
    for (size_t i = 0; i < n; i++)
        if (is_given(&a[i]))
            buf_printf(sql, ", \"%s\" = ?", a[i].column);
    if (level == DCM_LEVEL_IMAGE)
        set_names(sql, extras[level].insertable);
    buf_printf(sql, " WHERE %s = ?", idx_tables[level].id);
}
