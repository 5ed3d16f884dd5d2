// SPDX-License-Identifier: MIT
/*
 * First SOP Classes in Study (0008,0062), which good archives answer; from those that do not, the SOP Class UID of each image, asked
 * for level by level (PS3.4 C.4.1.2.1), since not all peers take relational queries.
 */
#include "scu/scout.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <string.h>

enum { MAX_ENTITIES = 2000, MAX_CLASSES = 60 };

typedef struct Scout {
    ScuQuery *query;
    Arena *arena;
    TextSet *classes;
    TextSet studies, series;
    bool untold; /* a study came without its classes */
} Scout;

static bool add_uids(TextSet *set, const DcmDataset *match, DcmTag tag, size_t limit)
{
    Arena *scratch = arena_new(0);
    uint32_t n = dcm_value_count(match, tag);
    for (uint32_t i = 0; i < n && set->count < limit; i++) {
        const char *uid = dcm_text(scratch, match, tag, i);
        if (dcm_uid_valid(span_cstr(uid), false))
            textset_add(set, uid);
    }
    arena_free(scratch);
    return set->count < limit;
}

static bool note_study(void *ctx, const DcmDataset *match)
{
    Scout *scout = ctx;
    scout->untold |= !dcm_value_count(match, DCM_SOPClassesInStudy);
    return add_uids(&scout->studies, match, DCM_StudyInstanceUID, MAX_ENTITIES) &&
           add_uids(scout->classes, match, DCM_SOPClassesInStudy, MAX_CLASSES);
}

static bool note_series(void *ctx, const DcmDataset *match)
{
    Scout *scout = ctx;
    return add_uids(&scout->series, match, DCM_SeriesInstanceUID, MAX_ENTITIES);
}

static bool note_image(void *ctx, const DcmDataset *match)
{
    Scout *scout = ctx;
    return add_uids(scout->classes, match, DCM_SOPClassUID, MAX_CLASSES);
}

/* One query; NULL values are left out, "" asks for the value. */
static bool ask(Scout *scout, DcmLevel level, const char *patient, const char *study, const char *series,
                DcmTag wanted, const char *wanted_value, ScuMatch match)
{
    Arena *arena = arena_new(0);
    DcmDataset *keys = dcm_dataset_new(arena);
    const struct {
        DcmTag tag;
        const char *value;
    } rows[] = {{DCM_SpecificCharacterSet, "ISO_IR 192"},
                {DCM_PatientID, patient},
                {DCM_StudyInstanceUID, study},
                {DCM_SeriesInstanceUID, series},
                {wanted, wanted_value}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value)
            dcm_put_utf8(keys, rows[i].tag, rows[i].value);
    if (level == DCM_LEVEL_IMAGE)
        dcm_put_utf8(keys, DCM_SOPClassUID, "");
    ScuResult result;
    bool ok = scu_find(scout->query, level, keys, match, scout, &result, NULL);
    arena_free(arena);
    return ok;
}

static void ask_images(Scout *scout, const char *study, const char *series, const char *image)
{
    textset_free(&scout->series);
    scout->series = textset_of(scout->arena);
    if (series)
        textset_add(&scout->series, series);
    else
        ask(scout, DCM_LEVEL_SERIES, NULL, study, NULL, DCM_SeriesInstanceUID, "", note_series);
    for (size_t i = 0; i < scout->series.count; i++)
        if (!ask(scout, DCM_LEVEL_IMAGE, NULL, study, scout->series.items[i], DCM_SOPInstanceUID,
                 image ? image : "", note_image))
            return;
}

static void ask_by_level(Scout *scout, DcmLevel level, const char *study, const char *series, const char *key)
{
    if (level <= DCM_LEVEL_STUDY) {
        bool patient = level == DCM_LEVEL_PATIENT;
        ask(scout, DCM_LEVEL_STUDY, patient ? key : NULL, patient ? "" : key, NULL, DCM_SOPClassesInStudy, "",
            note_study);
        for (size_t i = 0; scout->untold && i < scout->studies.count; i++)
            ask_images(scout, scout->studies.items[i], NULL, NULL);
    } else {
        const char *of = level == DCM_LEVEL_SERIES ? key : series;
        ask_images(scout, study, of ? of : "", level == DCM_LEVEL_IMAGE ? key : NULL);
    }
}

void scout_classes(ScuQuery *query, DcmLevel level, const char *study, const char *series, const char *key,
                   TextSet *classes)
{
    Scout scout = {.query = query, .classes = classes, .arena = arena_new(0)};
    scout.studies = textset_of(scout.arena);
    scout.series = textset_of(scout.arena);
    ask_by_level(&scout, level, study, series, key);
    textset_free(&scout.studies);
    textset_free(&scout.series);
    arena_free(scout.arena);
}
