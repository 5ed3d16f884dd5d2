// SPDX-License-Identifier: MIT
#include "index_queries.h"
#include "catalogue.h"

#include "base/clock.h"
#include "dicom/tags.h"
#include "index/plan.h"
#include "index/tables.h"

#include <stdlib.h>
#include <string.h>

enum { ASKED_MAX = 300, ASKED_MIN = 7, BUDGET_MS = 3000, FIRST = 100 };

/* One asking: about which study, where its keys and strings live. */
typedef struct Ask {
    Index *index;
    Arena *arena;
    const CatalogueStudy *study;
    size_t answers;
    Err *err;
} Ask;

/* -- C-FIND -- */

static void want(DcmDataset *keys, const DcmTag *tags)
{
    for (; *tags; tags++)
        dcm_put_utf8(keys, *tags, "");
}

static const DcmTag study_fields[] = {DCM_StudyDate,
                                      DCM_AccessionNumber,
                                      DCM_StudyDescription,
                                      DCM_PatientName,
                                      DCM_PatientID,
                                      DCM_StudyInstanceUID,
                                      0};
static const DcmTag counts[] = {DCM_ModalitiesInStudy, DCM_NumberOfStudyRelatedSeries,
                                DCM_NumberOfStudyRelatedInstances, 0};
static const DcmTag series_fields[] = {DCM_SeriesInstanceUID, DCM_Modality, DCM_SeriesNumber,
                                       DCM_SeriesDescription, 0};
static const DcmTag image_fields[] = {DCM_SOPInstanceUID, DCM_InstanceNumber, 0};

static bool find(Ask *ask, DcmLevel level, DcmDataset *keys, uint64_t limit)
{
    IdxQuery query = {.level = level, .keys = keys, .limit = limit};
    IdxCursor *cursor = idx_query(ask->index, &query, ask->err);
    IdxRow row = {0};
    bool ok = cursor != NULL;
    while (ok && (ok = idx_next(cursor, ask->arena, &row, ask->err)) && row.attributes)
        ask->answers++;
    idx_cursor_free(cursor);
    return ok;
}

static DcmDataset *study_keys(Ask *ask, DcmTag tag, const char *value)
{
    DcmDataset *keys = dcm_dataset_new(ask->arena);
    want(keys, study_fields);
    dcm_put_utf8(keys, tag, value);
    return keys;
}

static bool find_study(Ask *ask, DcmTag tag, const char *value, uint64_t limit)
{
    return find(ask, DCM_LEVEL_STUDY, study_keys(ask, tag, value), limit);
}

static bool by_patient(Ask *ask)
{
    return find_study(ask, DCM_PatientID, ask->study->patient_id, 0);
}

static bool by_patient_with_counts(Ask *ask)
{
    DcmDataset *keys = study_keys(ask, DCM_PatientID, ask->study->patient_id);
    want(keys, counts);
    return find(ask, DCM_LEVEL_STUDY, keys, 0);
}

static bool by_accession(Ask *ask)
{
    return find_study(ask, DCM_AccessionNumber, ask->study->accession, 0);
}

static bool by_study_uid(Ask *ask)
{
    return find_study(ask, DCM_StudyInstanceUID, ask->study->uid, 0);
}

static bool by_name(Ask *ask)
{
    return find_study(ask, DCM_PatientName, arena_printf(ask->arena, "%.7s*", ask->study->name), 0);
}

static bool first_by_name(Ask *ask)
{
    return find_study(ask, DCM_PatientName, arena_printf(ask->arena, "%.7s*", ask->study->name), 1);
}

/* What the database takes for the rows of by_name: they are found and put in order, and nothing is made of them. */
static bool rows_by_name(Ask *ask)
{
    IdxPlan plan = {0};
    IdxQuery query = {
        .level = DCM_LEVEL_STUDY,
        .keys = study_keys(ask, DCM_PatientName, arena_printf(ask->arena, "%.7s*", ask->study->name))};
    Db *db = idx_reader_take(ask->index, IDX_SNAPSHOT, ask->err);
    bool ok = db && idx_plan_make(&plan, ask->arena, db, &query, ask->err), row = true;
    DbStatement *s = ok ? idx_sql_prepare(&plan.rows, db, DB_ROWS, ask->err) : NULL;
    ok = s != NULL;
    while (ok && (ok = db_step(s, &row, ask->err)) && row)
        ask->answers++;
    db_done(s);
    idx_plan_done(&plan);
    idx_reader_give(ask->index, db, IDX_SNAPSHOT);
    return ok;
}

static bool within_name(Ask *ask)
{
    return find_study(ask, DCM_PatientName, arena_printf(ask->arena, "*%.6s*", ask->study->name + 1), 0);
}

static bool by_month(Ask *ask)
{
    return find_study(ask, DCM_StudyDate,
                      arena_printf(ask->arena, "%.6s01-%.6s31", ask->study->date, ask->study->date), 0);
}

static bool by_day_and_modality(Ask *ask)
{
    DcmDataset *keys = study_keys(ask, DCM_StudyDate, ask->study->date);
    dcm_put_utf8(keys, DCM_ModalitiesInStudy, ask->study->modality);
    return find(ask, DCM_LEVEL_STUDY, keys, 0);
}

static bool by_day_and_sex(Ask *ask)
{
    DcmDataset *keys = study_keys(ask, DCM_StudyDate, ask->study->date);
    dcm_put_utf8(keys, DCM_PatientSex, ask->study->sex);
    return find(ask, DCM_LEVEL_STUDY, keys, 0);
}

static bool by_birth(Ask *ask)
{
    return find_study(ask, DCM_PatientBirthDate, ask->study->birth, 0);
}

static bool often_modality(Ask *ask)
{
    return find_study(ask, DCM_ModalitiesInStudy, "CT", FIRST);
}

static bool rare_modality(Ask *ask)
{
    return find_study(ask, DCM_ModalitiesInStudy, "XA", FIRST);
}

static bool no_modality(Ask *ask)
{
    return find_study(ask, DCM_ModalitiesInStudy, "ES", 0);
}

static bool by_description(Ask *ask)
{
    return find_study(ask, DCM_StudyDescription, ask->study->description, FIRST);
}

static bool by_institution(Ask *ask)
{
    return find_study(ask, DCM_InstitutionName, ask->study->institution, FIRST);
}

static bool unknown_institution(Ask *ask)
{
    return find_study(ask, DCM_InstitutionName, "NOWHERE", 0);
}

static bool newest(Ask *ask)
{
    return find_study(ask, DCM_PatientName, "", FIRST);
}

static bool series_of_study(Ask *ask)
{
    DcmDataset *keys = dcm_dataset_new(ask->arena);
    want(keys, series_fields);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, ask->study->uid);
    return find(ask, DCM_LEVEL_SERIES, keys, 0);
}

static bool series_of_station_and_day(Ask *ask)
{
    DcmDataset *keys = dcm_dataset_new(ask->arena);
    want(keys, series_fields);
    dcm_put_utf8(keys, DCM_StationName, catalogue_station(ask->arena, ask->study));
    dcm_put_utf8(keys, DCM_SeriesDate, ask->study->date);
    return find(ask, DCM_LEVEL_SERIES, keys, 0);
}

static bool unknown_station(Ask *ask)
{
    DcmDataset *keys = dcm_dataset_new(ask->arena);
    want(keys, series_fields);
    dcm_put_utf8(keys, DCM_StationName, "NOSUCHSTATION");
    return find(ask, DCM_LEVEL_SERIES, keys, 0);
}

static bool images_of_series(Ask *ask)
{
    DcmDataset *keys = dcm_dataset_new(ask->arena);
    want(keys, image_fields);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, ask->study->uid);
    dcm_put_utf8(keys, DCM_SeriesInstanceUID, catalogue_series_uid(ask->arena, ask->study, 0));
    return find(ask, DCM_LEVEL_IMAGE, keys, 0);
}

static bool patient_by_name(Ask *ask)
{
    DcmDataset *keys = dcm_dataset_new(ask->arena);
    dcm_put_utf8(keys, DCM_PatientID, "");
    dcm_put_utf8(keys, DCM_PatientName, ask->study->name);
    return find(ask, DCM_LEVEL_PATIENT, keys, 0);
}

/* -- database find -- */

static bool list(Ask *ask, DcmLevel level, DcmLevel by, bool by_modality, const char *value)
{
    IdxListAsk of = {level, by, by_modality, &value, 1};
    IdxListing *listing = idx_list(ask->index, &of, ask->err);
    bool row = true, ok = listing != NULL;
    while (ok && (ok = idx_list_next(listing, &row, ask->err)) && row)
        ask->answers++;
    idx_list_close(listing);
    return ok;
}

static bool list_studies_of_patient(Ask *ask)
{
    return list(ask, DCM_LEVEL_STUDY, DCM_LEVEL_PATIENT, false, ask->study->patient_id);
}

static bool list_series_of_study(Ask *ask)
{
    return list(ask, DCM_LEVEL_SERIES, DCM_LEVEL_STUDY, false, ask->study->uid);
}

static bool list_images_of_patient(Ask *ask)
{
    return list(ask, DCM_LEVEL_IMAGE, DCM_LEVEL_PATIENT, false, ask->study->patient_id);
}

static bool list_patient_of_series(Ask *ask)
{
    return list(ask, DCM_LEVEL_PATIENT, DCM_LEVEL_SERIES, false,
                catalogue_series_uid(ask->arena, ask->study, 0));
}

static bool list_unknown_modality(Ask *ask)
{
    return list(ask, DCM_LEVEL_IMAGE, DCM_LEVEL_STUDY, true, "ES");
}

static bool list_studies_of_modality(Ask *ask)
{
    return list(ask, DCM_LEVEL_STUDY, DCM_LEVEL_STUDY, true, "PT");
}

/* -- the rest -- */

/* A run on an index that was filled before leaves out some numbers of studies. */
static bool look_up(Ask *ask)
{
    IdxFile file;
    bool there = idx_instance(ask->index, ask->arena, catalogue_instance_uid(ask->arena, ask->study, 0, 0),
                              &file, ask->err);
    ask->answers += there;
    return there || ask->err->code == ERR_NOT_FOUND;
}

static bool select_patient(Ask *ask)
{
    const char *patient = ask->study->patient_id;
    IdxSelection selection = {.patient_ids = &patient, .patient_count = 1};
    IdxFiles *files = idx_select(ask->index, &selection, ask->err);
    IdxFile file = {0};
    bool ok = files != NULL;
    while (ok && (ok = idx_files_next(files, ask->arena, &file, ask->err)) && file.sop_instance)
        ask->answers++;
    idx_files_free(files);
    return ok;
}

static bool modalities(Ask *ask)
{
    IdxModality *rows;
    size_t n = 0;
    bool ok = idx_modalities(ask->index, ask->arena, &rows, &n, ask->err);
    ask->answers += n;
    return ok;
}

static const struct Query {
    const char *name;
    bool (*run)(Ask *ask);
    bool again; /* asked about all of them before it is measured: nothing comes from the disk */
} queries[] = {
    {"find: PatientID", by_patient},
    {"find: PatientID, with counts", by_patient_with_counts},
    {"find: AccessionNumber", by_accession},
    {"find: StudyInstanceUID", by_study_uid},
    {"find: PatientName ABCDEFG*", by_name},
    {"find: PatientName ABCDEFG*, again", by_name, true},
    {"find: PatientName ABCDEFG*, again: the first", first_by_name, true},
    {"find: PatientName ABCDEFG*, again: rows alone", rows_by_name, true},
    {"find: PatientName *BCDEFG*", within_name},
    {"find: StudyDate, a month", by_month},
    {"find: StudyDate and modality", by_day_and_modality},
    {"find: StudyDate and sex", by_day_and_sex},
    {"find: PatientBirthDate", by_birth},
    {"find: modality CT, first 100", often_modality},
    {"find: modality XA, first 100", rare_modality},
    {"find: modality nobody has", no_modality},
    {"find: StudyDescription, first 100", by_description},
    {"find: InstitutionName, first 100", by_institution},
    {"find: InstitutionName nobody has", unknown_institution},
    {"find: newest 100 studies", newest},
    {"find: series of a study", series_of_study},
    {"find: series of StationName, SeriesDate", series_of_station_and_day},
    {"find: series of StationName unknown", unknown_station},
    {"find: images of a series", images_of_series},
    {"find: patient by PatientName", patient_by_name},
    {"database find: studies of patient", list_studies_of_patient},
    {"database find: series of study", list_series_of_study},
    {"database find: images of patient", list_images_of_patient},
    {"database find: patient of series", list_patient_of_series},
    {"database find: images, unknown modality", list_unknown_modality},
    {"database find: studies of PT", list_studies_of_modality},
    {"look-up of an instance", look_up},
    {"C-MOVE of a patient: the selection", select_patient},
    {"monitor modality", modalities},
};

const size_t query_count = sizeof queries / sizeof *queries;

const char *query_name(size_t query)
{
    return queries[query].name;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Asks about studies spread over all that is there, in an order that is none; *n: at most so many, so many were asked. */
static bool ask_in_turn(Ask *ask, size_t query, uint32_t filled, uint32_t studies, int64_t *took, size_t *n)
{
    int64_t start = clock_ms();
    size_t most = *n;
    bool ok = true;
    for (*n = 0; ok && *n < most && (*n < ASKED_MIN || clock_ms() - start < BUDGET_MS); ++*n) {
        CatalogueStudy study = catalogue_study((uint32_t)((uint64_t)*n * 7919u * 7919u % filled), studies);
        ask->study = &study;
        int64_t begin = clock_ns();
        ok = queries[query].run(ask);
        took[*n] = clock_ns() - begin;
        arena_reset(ask->arena);
    }
    return ok;
}

bool query_measure(Index *index, size_t query, uint32_t filled, uint32_t studies, Latency *out, Err *err)
{
    int64_t took[ASKED_MAX];
    Arena *arena = arena_new(0);
    Ask ask = {.index = index, .arena = arena, .err = err};
    size_t n = ASKED_MAX;
    bool ok = !queries[query].again || ask_in_turn(&ask, query, filled, studies, took, &n);
    ask.answers = 0;
    ok = ok && ask_in_turn(&ask, query, filled, studies, took, &n);
    arena_free(arena);
    qsort(took, n, sizeof *took, by_size);
    *out = (Latency){(double)ask.answers / (double)n, (double)took[n / 2] / 1e6,
                     (double)took[n * 95 / 100] / 1e6};
    return ok;
}
