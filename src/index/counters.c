// SPDX-License-Identifier: MIT
#include "index/counters.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "dicom/tags.h"
#include "index/row.h"
#include "index/search.h"

#include <stdlib.h>
#include <string.h>

/* -- gathering -- */

static size_t slot_of(const IdxCounters *c, DcmLevel level, int64_t id)
{
    size_t i = ((uint64_t)id * 0x9E3779B97F4A7C15u + (unsigned)level * 0x51ED27u) >> 20 & (c->capacity - 1);
    while (c->slots[i].id && (c->slots[i].id != id || c->slots[i].level != level))
        i = (i + 1) & (c->capacity - 1);
    return i;
}

static void grow(IdxCounters *c)
{
    IdxCounters bigger = {.capacity = c->capacity ? c->capacity * 2 : 64,
                          .count = c->count,
                          .totals = c->totals,
                          .kept = c->kept};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < c->capacity; i++)
        if (c->slots[i].id)
            bigger.slots[slot_of(&bigger, c->slots[i].level, c->slots[i].id)] = c->slots[i];
    free(c->slots);
    *c = bigger;
}

void idx_counters_free(IdxCounters *c)
{
    free(c->slots);
    idx_kept_free(&c->kept);
    *c = (IdxCounters){0};
}

void idx_counters_clear(IdxCounters *c)
{
    if (c->count)
        memset(c->slots, 0, c->capacity * sizeof *c->slots);
    c->count = 0;
    c->totals = (IdxDelta){0};
    idx_kept_clear(&c->kept);
}

void idx_counters_add(IdxCounters *c, const IdxDelta *delta)
{
    if (c->count * 2 >= c->capacity)
        grow(c);
    IdxDelta *slot = &c->slots[slot_of(c, delta->level, delta->id)];
    if (!slot->id) {
        slot->id = delta->id;
        slot->level = delta->level;
        c->count++;
    }
    slot->studies += delta->studies;
    slot->series += delta->series;
    slot->instances += delta->instances;
    slot->bytes += delta->bytes;
    slot->relist |= delta->relist;
}

/* -- writing -- */

typedef struct Writing {
    IdxCounters *counters;
    Db *db;
    const char *now;
    bool *removed;
} Writing;

static bool run_on(Db *db, const char *sql, int64_t id, Err *err)
{
    DbStatement *s = db_prepare(db, sql, err);
    if (!s)
        return false;
    db_bind_int(s, id);
    return db_run(s, err);
}

/* What is searched by goes with the lists. */
static bool forget_lists(Db *db, int64_t study, Err *err)
{
    bool row = false;
    DbStatement *s =
        db_prepare(db, "SELECT modalities_in_study, sop_classes_in_study FROM study WHERE study_id = ?", err);
    Arena *arena = arena_new(0);
    Span modalities = {NULL, 0}, classes = {NULL, 0};
    if (s)
        db_bind_int(s, study);
    bool ok = s && db_step(s, &row, err);
    if (ok && row) {
        modalities = arena_span(arena, db_text(s, 0));
        classes = arena_span(arena, db_text(s, 1));
    }
    db_done(s);
    ok = ok && idx_list_terms_remove(db, DCM_ModalitiesInStudy, modalities, study, err) &&
         idx_list_terms_remove(db, DCM_SOPClassesInStudy, classes, study, err);
    arena_free(arena);
    return ok;
}

/* Removes the row with its terms. */
static bool remove_row(Writing *w, DcmLevel level, int64_t id, Err *err)
{
    static const char *const sql[] = {[DCM_LEVEL_PATIENT] = "DELETE FROM patient WHERE patient_id = ?",
                                      [DCM_LEVEL_STUDY] = "DELETE FROM study WHERE study_id = ?",
                                      [DCM_LEVEL_SERIES] = "DELETE FROM series WHERE series_id = ?"};
    Arena *arena = arena_new(0);
    const DcmDataset *row = idx_row_load(w->db, arena, level, id, err);
    *w->removed = true;
    bool ok = row && idx_terms_remove(w->db, row, level, id, err) &&
              (level != DCM_LEVEL_STUDY || forget_lists(w->db, id, err)) &&
              run_on(w->db, sql[level], id, err);
    arena_free(arena);
    return ok;
}

/* *out = first column of the row, *empty = there is no such row or it has no instances. */
static bool look(Writing *w, const char *sql, int64_t id, int64_t *above, int64_t *patient, bool *empty,
                 Err *err)
{
    bool row = false;
    DbStatement *s = db_prepare(w->db, sql, err);
    if (!s)
        return false;
    db_bind_int(s, id);
    bool ok = db_step(s, &row, err);
    *empty = row && db_int(s, 0) <= 0;
    if (row && above)
        *above = db_int(s, 1);
    if (row && patient)
        *patient = db_int(s, 2);
    db_done(s);
    return ok;
}

/* What gains objects has some. */
static bool may_be_empty(const IdxDelta *d)
{
    return d->instances <= 0;
}

/* What gains objects is completed now; what only changes, by objects replaced or gone, is changed now. One of both moves each time: idx_stamp. */
static bool write_series(Writing *w, const IdxDelta *d, Err *err)
{
    DbStatement *s = db_prepare(w->db,
                                "UPDATE series SET number_of_series_related_instances = "
                                "number_of_series_related_instances + ?, size = size + ?, dt_completion = "
                                "CASE WHEN ? THEN ? ELSE dt_completion END, d8maj = "
                                "CASE WHEN ? THEN ? ELSE d8maj END WHERE series_id = ?",
                                err);
    int64_t study = 0, patient = 0;
    bool empty = false;
    if (!s)
        return false;
    db_bind_int(s, d->instances);
    db_bind_int(s, d->bytes);
    db_bind_int(s, d->instances > 0);
    db_bind_cstr(s, w->now);
    db_bind_int(s, d->instances <= 0);
    db_bind_cstr(s, w->now);
    db_bind_int(s, d->id);
    if (!db_run(s, err))
        return false;
    if (may_be_empty(d) &&
        !look(
            w,
            "SELECT number_of_series_related_instances, study_id, patient_id FROM series WHERE series_id = ?",
            d->id, &study, &patient, &empty, err))
        return false;
    if (!empty)
        return true;
    idx_counters_add(w->counters,
                     &(IdxDelta){.level = DCM_LEVEL_STUDY, .id = study, .series = -1, .relist = true});
    idx_counters_add(w->counters, &(IdxDelta){.level = DCM_LEVEL_PATIENT, .id = patient, .series = -1});
    w->counters->totals.series--;
    return remove_row(w, DCM_LEVEL_SERIES, d->id, err);
}

/* Modality as the object has it: the column is short, and says 'Unknown' for none. */
static bool add_modalities(Db *db, int64_t study, Buf *list, bool *fits, Err *err)
{
    DbStatement *s =
        db_prepare(db, "SELECT modality, attributes FROM series WHERE study_id = ? ORDER BY series_id", err);
    bool ok = s != NULL, row = true;
    Arena *arena = arena_new(0);
    if (s)
        db_bind_int(s, study);
    while (ok && (ok = db_step(s, &row, err)) && row) {
        Span modality = db_text(s, 0), rest = db_blob(s, 1);
        const DcmDataset *kept = rest.n ? dcm_dataset_parse(arena, rest, NULL, NULL, NULL) : NULL;
        const DcmElement *e = kept ? dcm_find(kept, DCM_Modality) : NULL;
        if (e)
            *fits &= idx_list_add(list, span_rtrim(e->value));
        else if (!span_eq_cstr(modality, "Unknown"))
            *fits &= idx_list_add(list, modality);
        arena_reset(arena);
    }
    db_done(s);
    arena_free(arena);
    return ok;
}

static bool add_classes(Db *db, int64_t study, Buf *list, bool *fits, Err *err)
{
    DbStatement *s =
        db_prepare(db,
                   "SELECT i.sop_class_uid, min(i.file_storage_metadata_dicom_id) AS first FROM series e "
                   "JOIN file_storage_metadata_dicom i ON i.series_id = e.series_id "
                   "WHERE e.study_id = ? GROUP BY i.sop_class_uid ORDER BY first",
                   err);
    bool ok = s != NULL, row = true;
    if (s)
        db_bind_int(s, study);
    while (ok && (ok = db_step(s, &row, err)) && row)
        *fits &= idx_list_add(list, db_text(s, 0));
    db_done(s);
    return ok;
}

static bool relist_study(Db *db, int64_t study, Err *err)
{
    Buf modalities, classes;
    buf_init(&modalities, 0);
    buf_init(&classes, 0);
    bool all_modalities = true, all_classes = true;
    bool ok = forget_lists(db, study, err) && add_modalities(db, study, &modalities, &all_modalities, err) &&
              add_classes(db, study, &classes, &all_classes, err);
    DbStatement *s =
        ok ? db_prepare(
                 db, "UPDATE study SET modalities_in_study = ?, sop_classes_in_study = ? WHERE study_id = ?",
                 err)
           : NULL;
    if (s) {
        db_bind_text(s, buf_span(&modalities));
        db_bind_text(s, buf_span(&classes));
        db_bind_int(s, study);
        ok = db_run(s, err) &&
             idx_list_terms_write(db, DCM_ModalitiesInStudy, buf_span(&modalities), all_modalities, study,
                                  err) &&
             idx_list_terms_write(db, DCM_SOPClassesInStudy, buf_span(&classes), all_classes, study, err);
    }
    buf_free(&modalities);
    buf_free(&classes);
    return ok && s;
}

static void bind_kept(DbStatement *s, const IdxKeptStudy *kept, IdxKeptKind kind)
{
    if (kept && idx_kept_changed(kept, kind))
        db_bind_text(s, buf_span(&kept->lists[kind].text));
    else
        db_bind_null(s);
}

static bool write_study(Writing *w, const IdxDelta *d, Err *err)
{
    DbStatement *s =
        db_prepare(w->db,
                   "UPDATE study SET number_of_study_related_series = number_of_study_related_series + ?, "
                   "number_of_study_related_instances = number_of_study_related_instances + ?, "
                   "size = size + ?, modalities_in_study = coalesce(?, modalities_in_study), "
                   "sop_classes_in_study = coalesce(?, sop_classes_in_study) WHERE study_id = ?",
                   err);
    const IdxKeptStudy *kept = idx_kept_find(&w->counters->kept, d->id);
    int64_t patient = 0;
    bool empty = false;
    if (!s)
        return false;
    db_bind_int(s, d->series);
    db_bind_int(s, d->instances);
    db_bind_int(s, d->bytes);
    bind_kept(s, kept, IDX_KEPT_MODALITIES);
    bind_kept(s, kept, IDX_KEPT_CLASSES);
    db_bind_int(s, d->id);
    if (!db_run(s, err))
        return false;
    if (may_be_empty(d) &&
        !look(w, "SELECT number_of_study_related_instances, patient_id FROM study WHERE study_id = ?", d->id,
              &patient, NULL, &empty, err))
        return false;
    if (!empty)
        return !d->relist || relist_study(w->db, d->id, err);
    idx_counters_add(w->counters,
                     &(IdxDelta){.level = DCM_LEVEL_PATIENT, .id = patient, .studies = -1, .relist = true});
    w->counters->totals.studies--;
    return remove_row(w, DCM_LEVEL_STUDY, d->id, err);
}

static bool write_patient(Writing *w, const IdxDelta *d, Err *err)
{
    DbStatement *s = db_prepare(
        w->db,
        "UPDATE patient SET number_of_patient_related_studies = number_of_patient_related_studies + ?, "
        "number_of_patient_related_series = number_of_patient_related_series + ?, "
        "number_of_patient_related_instances = number_of_patient_related_instances + ?, "
        "size = size + ? WHERE patient_id = ?",
        err);
    bool empty = false;
    if (!s)
        return false;
    db_bind_int(s, d->studies);
    db_bind_int(s, d->series);
    db_bind_int(s, d->instances);
    db_bind_int(s, d->bytes);
    db_bind_int(s, d->id);
    if (!db_run(s, err))
        return false;
    if (may_be_empty(d) &&
        !look(w, "SELECT number_of_patient_related_instances FROM patient WHERE patient_id = ?", d->id, NULL,
              NULL, &empty, err))
        return false;
    if (empty) {
        w->counters->totals.id--;
        return remove_row(w, DCM_LEVEL_PATIENT, d->id, err);
    }
    return !d->relist || run_on(w->db,
                                "UPDATE patient SET newest_study = (SELECT max(date_study) FROM study "
                                "WHERE study.patient_id = patient.patient_id) WHERE patient_id = ?",
                                d->id, err);
}

/* -- many at once -- */

/* What only gains objects has nothing to be looked at afterwards. */
static bool only_gains(const IdxDelta *d)
{
    return d->instances > 0 && (d->level != DCM_LEVEL_STUDY || !d->relist);
}

static void json_kept(JsonWriter *w, const char *key, const IdxKeptStudy *kept, IdxKeptKind kind)
{
    if (!kept || !idx_kept_changed(kept, kind))
        return;
    json_key(w, key);
    json_text(w, buf_span(&kept->lists[kind].text));
}

static void json_gain(JsonWriter *json, const Writing *w, const IdxDelta *d)
{
    json_begin_object(json);
    json_member_int(json, "id", d->id);
    json_member_int(json, "instances", d->instances);
    json_member_int(json, "bytes", d->bytes);
    if (d->series)
        json_member_int(json, "series", d->series);
    if (d->studies)
        json_member_int(json, "studies", d->studies);
    if (d->relist)
        json_member_int(json, "relist", 1);
    if (d->level == DCM_LEVEL_STUDY) {
        const IdxKeptStudy *kept = idx_kept_find(&w->counters->kept, d->id);
        json_kept(json, "modalities", kept, IDX_KEPT_MODALITIES);
        json_kept(json, "classes", kept, IDX_KEPT_CLASSES);
    }
    json_end_object(json);
}

#define RECORD " (id bigint, instances bigint, bytes bigint"
static const struct {
    const char *set, *record;
} gains[] = {
    [DCM_LEVEL_PATIENT] =
        {"UPDATE patient SET number_of_patient_related_studies = number_of_patient_related_studies + "
         "coalesce(x.studies, 0), number_of_patient_related_series = "
         "number_of_patient_related_series + coalesce(x.series, 0), "
         "number_of_patient_related_instances = number_of_patient_related_instances + x.instances, "
         "size = size + x.bytes, newest_study = CASE WHEN x.relist = 1 THEN (SELECT max(date_study) "
         "FROM study WHERE study.patient_id = x.id) ELSE newest_study END",
         RECORD ", series bigint, studies bigint, relist bigint) WHERE patient_id = x.id"},
    [DCM_LEVEL_STUDY] = {"UPDATE study SET number_of_study_related_series = number_of_study_related_series + "
                         "coalesce(x.series, 0), number_of_study_related_instances = "
                         "number_of_study_related_instances + x.instances, size = size + x.bytes, "
                         "modalities_in_study = coalesce(x.modalities, modalities_in_study), "
                         "sop_classes_in_study = coalesce(x.classes, sop_classes_in_study)",
                         RECORD ", series bigint, modalities text, classes text) WHERE study_id = x.id"},
    [DCM_LEVEL_SERIES] =
        {"UPDATE series SET number_of_series_related_instances = "
         "number_of_series_related_instances + x.instances, size = size + x.bytes, dt_completion = ?",
         RECORD ") WHERE series_id = x.id"},
};

static bool run_gains(Writing *w, DcmLevel level, Span records, Err *err)
{
    Buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql, "%s%s%s", gains[level].set, db_dialect(w->db)->records, gains[level].record);
    DbStatement *s = db_prepare(w->db, buf_cstr(&sql), err);
    buf_free(&sql);
    if (s && level == DCM_LEVEL_SERIES)
        db_bind_cstr(s, w->now);
    if (s)
        db_bind_text(s, records);
    return s && db_run(s, err);
}

/* Writes those that only gain, where one statement for all of them is the faster way, and takes them off the list. */
static bool write_gains(Writing *w, DcmLevel level, IdxDelta *deltas, size_t *count, Err *err)
{
    size_t left = 0, n = 0;
    if (!db_dialect(w->db)->records)
        return true;
    Buf records;
    buf_init(&records, 0);
    JsonWriter json = json_writer(&records);
    json_begin_array(&json);
    for (size_t i = 0; i < *count; i++)
        if (only_gains(&deltas[i])) {
            json_gain(&json, w, &deltas[i]);
            n++;
        } else {
            deltas[left++] = deltas[i];
        }
    json_end_array(&json);
    *count = left;
    bool ok = !n || run_gains(w, level, buf_span(&records), err);
    buf_free(&records);
    return ok;
}

/* -- all -- */

static bool write_level(Writing *w, DcmLevel level, Err *err)
{
    /* Writing a level adds to the one above it only, but may move the slots: take a copy. */
    size_t capacity = w->counters->capacity;
    IdxDelta *deltas = malloc((capacity ? capacity : 1) * sizeof *deltas);
    size_t n = 0;
    bool ok = true;
    if (!deltas)
        abort();
    for (size_t i = 0; i < capacity; i++)
        if (w->counters->slots[i].id && w->counters->slots[i].level == level)
            deltas[n++] = w->counters->slots[i];
    ok = write_gains(w, level, deltas, &n, err);
    for (size_t i = 0; ok && i < n; i++)
        ok = level == DCM_LEVEL_SERIES  ? write_series(w, &deltas[i], err)
             : level == DCM_LEVEL_STUDY ? write_study(w, &deltas[i], err)
                                        : write_patient(w, &deltas[i], err);
    free(deltas);
    return ok;
}

static bool write_totals(const IdxDelta *d, Db *db, Err *err)
{
    DbStatement *s =
        db_prepare(db,
                   "UPDATE totals SET patients = patients + ?, studies = studies + ?, series = series + ?, "
                   "instances = instances + ?, size = size + ?",
                   err);
    if (!s)
        return false;
    db_bind_int(s, d->id);
    db_bind_int(s, d->studies);
    db_bind_int(s, d->series);
    db_bind_int(s, d->instances);
    db_bind_int(s, d->bytes);
    return db_run(s, err);
}

bool idx_counters_write(IdxCounters *c, Db *db, const char *now, bool *removed, Err *err)
{
    Writing w = {c, db, now, removed};
    if (!c->count)
        return true;
    bool ok = idx_kept_write_terms(&c->kept, db, err) && write_level(&w, DCM_LEVEL_SERIES, err) &&
              write_level(&w, DCM_LEVEL_STUDY, err) && write_level(&w, DCM_LEVEL_PATIENT, err) &&
              write_totals(&c->totals, db, err);
    if (ok)
        idx_counters_clear(c);
    return ok;
}
