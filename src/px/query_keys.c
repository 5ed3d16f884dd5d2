// SPDX-License-Identifier: MIT
/* What is asked for: keywords with or without a constraint, in the order of the keywords. */
#include "dicom/dict.h"
#include "px/query.h"

#include <string.h>

static const char *const defaults[] = {"AccessionNumber",
                                       "AcquisitionProtocolDescription",
                                       "AcquisitionProtocolName",
                                       "InstanceNumber",
                                       "ModalitiesInStudy",
                                       "Modality",
                                       "NumberOfPatientRelatedInstances",
                                       "NumberOfPatientRelatedSeries",
                                       "NumberOfPatientRelatedStudies",
                                       "NumberOfSeriesRelatedInstances",
                                       "NumberOfStudyRelatedInstances",
                                       "NumberOfStudyRelatedSeries",
                                       "PatientAge",
                                       "PatientBirthDate",
                                       "PatientID",
                                       "PatientName",
                                       "PatientSex",
                                       "PerformedStationAETitle",
                                       "ProtocolName",
                                       "QueryRetrieveLevel",
                                       "SeriesDate",
                                       "SeriesDescription",
                                       "SeriesInstanceUID",
                                       "StudyDate",
                                       "StudyDescription",
                                       "StudyInstanceUID"};
enum { DEFAULTS = sizeof defaults / sizeof *defaults };

void px_keys_default(PxKeys *keys)
{
    *keys = (PxKeys){.count = DEFAULTS};
    for (size_t i = 0; i < DEFAULTS; i++)
        keys->items[i] = (PxKey){defaults[i], ""};
}

bool px_keys_set(PxKeys *keys, const char *keyword, const char *value, Err *err)
{
    size_t at = 0;
    while (at < keys->count && strcmp(keys->items[at].keyword, keyword) < 0)
        at++;
    if (at < keys->count && !strcmp(keys->items[at].keyword, keyword)) {
        keys->items[at].value = value;
        return true;
    }
    const DcmDictEntry *entry = dcm_dict_keyword(span_cstr(keyword));
    if (!entry || entry->vr == DCM_VR_SQ)
        return err_set(
            err, ERR_USAGE,
            "%.64s is no keyword of the DICOM dictionary that can be asked for (example: PatientName)",
            keyword);
    if (keys->count == PX_KEYS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d keys in one query", PX_KEYS_MAX);
    memmove(&keys->items[at + 1], &keys->items[at], (keys->count - at) * sizeof *keys->items);
    keys->items[at] = (PxKey){keyword, value};
    keys->count++;
    return true;
}

bool px_keys_parse(PxKeys *keys, Arena *arena, const char *list, Err *err)
{
    static const char *const needed[] = {"QueryRetrieveLevel", "SeriesInstanceUID", "StudyInstanceUID"};
    *keys = (PxKeys){0};
    Span rest = span_cstr(list), part;
    bool more = true;
    while (span_split(&rest, ',', &part, &more)) {
        part = span_trim(part);
        if (part.n && !px_keys_set(keys, arena_span_cstr(arena, part), "", err))
            return false;
    }
    for (size_t i = 0; i < 3; i++)
        if (!px_keys_set(keys, needed[i], "", err))
            return false;
    return true;
}

const char *px_keys_value(const PxKeys *keys, const char *keyword)
{
    for (size_t i = 0; i < keys->count; i++)
        if (!strcmp(keys->items[i].keyword, keyword))
            return keys->items[i].value;
    return "";
}

bool px_keys_constrain(const PxKeys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (*keys->items[i].value && strcmp(keys->items[i].keyword, "QueryRetrieveLevel") != 0)
            return true;
    return false;
}
