// SPDX-License-Identifier: MIT
#include "px/series.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <string.h>

/* Keys may hold wildcards and lists; what is selected is the one that is equal. */
static bool is_meant(const char *wanted, const char *value)
{
    return !wanted || strcmp(wanted, value) == 0;
}

static bool visit_row(const PxSelection *what, Arena *arena, const DcmDataset *attributes,
                      PxSeriesVisit visit, void *ctx, Err *err)
{
    PxSeriesRow row = {.patient_id = dcm_text(arena, attributes, DCM_PatientID, 0),
                       .study = dcm_text(arena, attributes, DCM_StudyInstanceUID, 0),
                       .series = dcm_text(arena, attributes, DCM_SeriesInstanceUID, 0),
                       .description = dcm_text(arena, attributes, DCM_SeriesDescription, 0)};
    return !is_meant(what->patient_id, row.patient_id) || !is_meant(what->study, row.study) ||
           !is_meant(what->series, row.series) || visit(ctx, &row, err);
}

static DcmDataset *keys_of(Arena *arena, const PxSelection *what)
{
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_SpecificCharacterSet, "ISO_IR 192");
    dcm_put_utf8(keys, DCM_PatientID, what->patient_id);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, what->study);
    dcm_put_utf8(keys, DCM_SeriesInstanceUID, what->series);
    dcm_put_utf8(keys, DCM_SeriesDescription, NULL);
    return keys;
}

bool px_base_series(PxBase *base, const PxSelection *what, PxSeriesVisit visit, void *ctx, Err *err)
{
    Index *index = px_base_index(base, err);
    if (!index)
        return false;
    Arena *arena = arena_new(0), *scratch = arena_new(0);
    IdxQuery query = {.level = DCM_LEVEL_SERIES, .keys = keys_of(arena, what)};
    IdxCursor *cursor = idx_query(index, &query, err);
    IdxRow row = {0};
    bool ok = cursor != NULL;
    while (ok && (ok = idx_next(cursor, scratch, &row, err)) && row.attributes) {
        ok = visit_row(what, scratch, row.attributes, visit, ctx, err);
        arena_reset(scratch);
    }
    idx_cursor_free(cursor);
    arena_free(scratch);
    arena_free(arena);
    return ok;
}
