// SPDX-License-Identifier: MIT
/*
 * The base tables are SPHERE's (patient, study, series, file_storage_metadata_dicom, study_list, mapping_annotation and
 * the views tools_modality and tools_speed), with more columns. What differs: patient, study and series are keyed
 * by their place in the tree (a study UID that comes under two patients is two rows), the times d8ins, d8maj, dt_first_insertion
 * and dt_completion are UTC, only the link to the next level up is a foreign key, and file_path is never cut.
 *
 * term holds folded words to search by (search.c), totals one row of figures, note named texts.
 */
#include "index/schema.h"

static const struct {
    const char *insertable; /* columns that ingest gives with the row */
    const char *types;      /* their definitions, and those of the columns that ingest keeps later */
    const char *last;
} extras[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_PATIENT] = {NULL, "newest_study VARCHAR(10), size BIGINT NOT NULL DEFAULT 0, ", ""},
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
         "storage_method VARCHAR(64) NOT NULL, file_path VARCHAR(512) NOT NULL, "
         "filesize BIGINT NOT NULL, storage_status INTEGER NOT NULL, "
         "dt_deb_storage TIMESTAMP, dt_end_storage TIMESTAMP, series_uid VARCHAR(64) NOT NULL, "
         "study_uid VARCHAR(64) NOT NULL, patient_uid VARCHAR(64) NOT NULL, "
         "transfer_syntax_uid VARCHAR(64), source_ae VARCHAR(64), data_offset BIGINT, "
         "sha256 BLOB, content BLOB, begin_us BIGINT, end_us BIGINT, ",
         ", series_id BIGINT NOT NULL REFERENCES series (series_id), study_id BIGINT NOT NULL, "
         "patient_id BIGINT NOT NULL"},
};

static const char other_tables[] =
    "CREATE TABLE term (attribute INTEGER NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL, "
    "PRIMARY KEY (attribute, value, id)) WITHOUT ROWID;"
    "CREATE TABLE totals (patients BIGINT, studies BIGINT, series BIGINT, instances BIGINT, size BIGINT);"
    "INSERT INTO totals VALUES (0, 0, 0, 0, 0);"
    "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE study_list (d8ins TIMESTAMP, d8maj TIMESTAMP, d8del TIMESTAMP, "
    "ids INTEGER PRIMARY KEY AUTOINCREMENT, study_uid VARCHAR(64) NOT NULL, id_list INTEGER NOT NULL, "
    "d_load VARCHAR(16) NOT NULL);"
    "CREATE TABLE mapping_annotation (d8ins TIMESTAMP, d8maj TIMESTAMP, d8del TIMESTAMP, "
    "mapping_annotation_id INTEGER PRIMARY KEY AUTOINCREMENT, uid_dicom_source VARCHAR(64) NOT NULL, "
    "level_dicom_source VARCHAR(16) NOT NULL, uid_annotation VARCHAR(64) NOT NULL UNIQUE, "
    "file_storage_metadata_dicom_id BIGINT REFERENCES file_storage_metadata_dicom "
    "(file_storage_metadata_dicom_id) ON DELETE SET NULL);";

/* Uniqueness, the tree, the orders in which lists are served, and the dates that are searched. */
static const char indexes[] =
    "CREATE UNIQUE INDEX ix_patient_patient_uid ON patient (patient_uid);"
    "CREATE INDEX ix_patient_newest ON patient (newest_study DESC, patient_id DESC);"
    "CREATE INDEX ix_patient_birth ON patient (patient_birth_date);"
    "CREATE UNIQUE INDEX ix_study_study_uid ON study (study_uid, patient_id);"
    "CREATE INDEX ix_study_newest ON study (date_study DESC, study_time DESC, study_id DESC);"
    "CREATE INDEX ix_study_patient_id ON study (patient_id, date_study);"
    "CREATE UNIQUE INDEX ix_series_series_uid ON series (series_uid, study_id);"
    "CREATE INDEX ix_series_study_id ON series (study_id, series_number, series_id);"
    "CREATE INDEX IF NOT EXISTS ix_series_modality ON series (modality, series_id);"
    "CREATE UNIQUE INDEX ix_file_storage_metadata_dicom_instance_uid "
    "ON file_storage_metadata_dicom (instance_uid);"
    "CREATE INDEX ix_file_storage_metadata_dicom_series_id ON file_storage_metadata_dicom "
    "(series_id, instance_number, file_storage_metadata_dicom_id);"
    "CREATE INDEX ix_file_storage_metadata_dicom_error ON file_storage_metadata_dicom (series_id) "
    "WHERE storage_status <> 0;"
    "CREATE INDEX ix_mapping_annotation_file ON mapping_annotation (file_storage_metadata_dicom_id);";

static const char views[] =
    "CREATE VIEW tools_modality AS SELECT modality, count(DISTINCT patient_id) AS sum_patient, "
    "count(DISTINCT study_id) AS sum_studies, count(*) AS sum_series, "
    "sum(number_of_series_related_instances) AS sum_instance, sum(size) AS size, "
    "sum((SELECT count(*) FROM file_storage_metadata_dicom i WHERE i.series_id = e.series_id AND "
    "i.storage_status <> 0)) AS sum_error FROM series e GROUP BY modality ORDER BY sum_instance DESC;"
    "CREATE VIEW tools_speed AS WITH latest AS (SELECT filesize, end_us FROM file_storage_metadata_dicom "
    "ORDER BY file_storage_metadata_dicom_id DESC LIMIT 500), passed AS (SELECT count(*) AS files, "
    "total(filesize) AS bytes, (max(end_us) - min(end_us)) / 1e6 AS seconds FROM latest) "
    "SELECT seconds AS time, CASE WHEN seconds > 0 THEN files / seconds END AS file, "
    "CASE WHEN seconds > 0 THEN bytes / seconds END AS size FROM passed WHERE files > 0;";

static void table_sql(Buf *sql, DcmLevel level)
{
    const IdxTable *table = &idx_tables[level];
    size_t n;
    const IdxAttribute *a = idx_attributes(level, &n);
    buf_printf(sql, "CREATE TABLE %s (d8ins TIMESTAMP, d8maj TIMESTAMP, d8del TIMESTAMP, ", table->name);
    for (size_t i = 0; i < n; i++)
        if (a[i].column)
            buf_printf(sql, "%s %s, ", a[i].column, a[i].type);
    buf_printf(sql,
               "%sspecific_character_set TEXT, attributes BLOB, %s INTEGER PRIMARY KEY AUTOINCREMENT%s);",
               extras[level].types, table->id, extras[level].last);
}

static bool create(Db *db, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        table_sql(&sql, (DcmLevel)level);
    buf_append_cstr(&sql, other_tables);
    buf_append_cstr(&sql, indexes);
    buf_append_cstr(&sql, views);
    buf_printf(&sql, "PRAGMA application_id = %d; PRAGMA user_version = %d;", IDX_APPLICATION_ID,
               IDX_SCHEMA_VERSION);
    bool ok = db_exec(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

static bool number(Db *db, const char *sql, int64_t *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, sql, err);
    bool ok = s && db_step(s, &row, err);
    if (ok && row)
        *out = db_int(s, 0);
    db_done(s);
    return ok;
}

static bool has_column(Db *db, const char *table, const char *column, bool *out, Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(db, "SELECT 1 FROM pragma_table_info(?) WHERE name = ?", err);
    if (!s)
        return false;
    db_bind_cstr(s, table);
    db_bind_cstr(s, column);
    bool ok = db_step(s, &row, err);
    *out = row;
    db_done(s);
    return ok;
}

/* An attribute that got a column since the database was made. */
static bool add_missing_columns(Db *db, DcmLevel level, Err *err)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(level, &n);
    for (size_t i = 0; i < n; i++) {
        bool there = true;
        if (a[i].column && !has_column(db, idx_tables[level].name, a[i].column, &there, err))
            return false;
        if (there)
            continue;
        Buf sql;
        buf_init(&sql, 0);
        buf_printf(&sql, "ALTER TABLE %s ADD COLUMN %s %s", idx_tables[level].name, a[i].column, a[i].type);
        bool ok = db_exec(db, buf_cstr(&sql), err);
        buf_free(&sql);
        if (!ok)
            return false;
    }
    return true;
}

static bool bring_up_to_date(Db *db, Err *err)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        if (!add_missing_columns(db, (DcmLevel)level, err))
            return false;
    return db_exec(db, "CREATE INDEX IF NOT EXISTS ix_series_modality ON series (modality, series_id)", err);
}

static bool create_or_migrate(Db *db, Err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    if (!number(db, "PRAGMA user_version", &version, err) ||
        !number(db, "PRAGMA application_id", &application, err) ||
        !number(db, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'", &tables,
                err))
        return false;
    /* Version 0 under our own mark: idx_schema_drop was here, and left what belongs to others. */
    if (tables == 0 || (application == IDX_APPLICATION_ID && version == 0))
        return create(db, err);
    if (application != IDX_APPLICATION_ID)
        return err_set(err, ERR_UNSUPPORTED,
                       "index: %s is the database of another program; give the index a file of its own",
                       db_path(db));
    if (version > IDX_SCHEMA_VERSION)
        return err_set(
            err, ERR_UNSUPPORTED,
            "index: %s was made by a newer program (schema %lld, this one knows %d); use that one, or "
            "move the file away and rebuild the index with 'manage data index'",
            db_path(db), (long long)version, IDX_SCHEMA_VERSION);
    return bring_up_to_date(db, err);
}

bool idx_schema_open(Db *db, Err *err)
{
    if (!db_exec(db, "BEGIN IMMEDIATE", err))
        return false;
    if (create_or_migrate(db, err) && db_exec(db, "COMMIT", err))
        return true;
    db_exec(db, "ROLLBACK", NULL);
    return false;
}

/* Children before parents. */
static const char *const own_tables[] = {"mapping_annotation",
                                         "file_storage_metadata_dicom",
                                         "series",
                                         "study",
                                         "patient",
                                         "study_list",
                                         "term",
                                         "totals",
                                         "note"};

static bool drop_all(Db *db, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    buf_append_cstr(&sql, "DROP VIEW IF EXISTS tools_modality; DROP VIEW IF EXISTS tools_speed;");
    for (size_t i = 0; i < sizeof own_tables / sizeof *own_tables; i++)
        buf_printf(&sql, "DROP TABLE IF EXISTS %s;", own_tables[i]);
    buf_append_cstr(&sql, "PRAGMA user_version = 0;");
    bool ok = db_exec(db, buf_cstr(&sql), err);
    buf_free(&sql);
    return ok;
}

bool idx_schema_drop(Db *db, Err *err)
{
    if (!db_exec(db, "BEGIN IMMEDIATE", err))
        return false;
    if (drop_all(db, err) && db_exec(db, "COMMIT", err))
        return true;
    db_exec(db, "ROLLBACK", NULL);
    return false;
}

/* -- statements -- */

static bool is_given(const IdxAttribute *a)
{
    return a->column && a->kind != IDX_LIST && a->kind != IDX_COUNT;
}

void idx_sql_columns(Buf *sql, DcmLevel level)
{
    const IdxTable *table = &idx_tables[level];
    size_t n;
    const IdxAttribute *a = idx_attributes(level, &n);
    buf_printf(sql, "%s.%s, %s.specific_character_set, %s.attributes", table->alias, table->id, table->alias,
               table->alias);
    for (size_t i = 0; i < n; i++)
        if (a[i].column)
            buf_printf(sql, ", %s.%s", table->alias, a[i].column);
}

int idx_sql_column_count(DcmLevel level)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(level, &n);
    int count = 3;
    for (size_t i = 0; i < n; i++)
        count += a[i].column != NULL;
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

void idx_sql_insert(Buf *sql, DcmLevel level)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(level, &n);
    int parameters = 3 + count_names(extras[level].insertable);
    buf_printf(sql, "INSERT INTO %s (d8ins, specific_character_set, attributes", idx_tables[level].name);
    for (size_t i = 0; i < n; i++)
        if (is_given(&a[i])) {
            buf_printf(sql, ", %s", a[i].column);
            parameters++;
        }
    if (extras[level].insertable)
        buf_printf(sql, ", %s", extras[level].insertable);
    buf_append_cstr(sql, ") VALUES (?");
    for (int i = 1; i < parameters; i++)
        buf_append_cstr(sql, ", ?");
    buf_append_cstr(sql, ")");
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

void idx_sql_update(Buf *sql, DcmLevel level)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(level, &n);
    buf_printf(sql, "UPDATE %s SET d8maj = ?, specific_character_set = ?, attributes = ?",
               idx_tables[level].name);
    for (size_t i = 0; i < n; i++)
        if (is_given(&a[i]))
            buf_printf(sql, ", %s = ?", a[i].column);
    if (level == DCM_LEVEL_IMAGE)
        set_names(sql, extras[level].insertable);
    buf_printf(sql, " WHERE %s = ?", idx_tables[level].id);
}
