// SPDX-License-Identifier: MIT
#include "cli/keys.h"

#include "dicom/dict.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <string.h>

DcmLevel keys_level(const KeyArgs *args)
{
    DcmLevel level = DCM_LEVEL_STUDY;
    dcm_level_parse(span_cstr(args->level), &level);
    return level;
}

ScuModel keys_model(DcmLevel level)
{
    return level == DCM_LEVEL_PATIENT ? SCU_PATIENT_ROOT : SCU_STUDY_ROOT;
}

static const char *given(const KeyArgs *args, DcmLevel level)
{
    const char *const values[DCM_LEVEL_COUNT] = {args->patient, args->study, args->series, args->instance};
    return values[level];
}

const char *keys_own(const KeyArgs *args)
{
    return given(args, keys_level(args));
}

static DcmDataset *new_keys(Arena *arena, DcmLevel level)
{
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_SpecificCharacterSet, "ISO_IR 192");
    dcm_put_utf8(keys, DCM_QueryRetrieveLevel, dcm_level_name(level));
    return keys;
}

/* What a request has in any case: the level of -l, and texts in UTF-8. */
static bool is_ours(DcmTag tag)
{
    return tag == DCM_QueryRetrieveLevel || tag == DCM_SpecificCharacterSet;
}

/* "PatientName", "0010,0010=DOE*", "(0008,0060)=CT" */
static bool put_extra(DcmDataset *keys, const char *text, Err *err)
{
    const char *equals = strchr(text, '=');
    Span name = span_trim(span_of(text, equals ? (size_t)(equals - text) : strlen(text)));
    DcmTag tag;
    if (!dcm_tag_parse(name, &tag))
        return err_set(err, ERR_USAGE, "-k %s: '%.*s' is no tag (gggg,eeee) and no keyword of the dictionary",
                       text, SPAN_FMT(name));
    if (DCM_TAG_GROUP(tag) < 8 || (is_ours(tag) && equals && equals[1]))
        return err_set(err, ERR_USAGE,
                       "-k %s: that is no key: -l says the level, and texts are sent in UTF-8", text);
    if (is_ours(tag))
        return true;
    if (dcm_dict_vr(tag, (Span){0}) != DCM_VR_SQ)
        dcm_put_utf8(keys, tag, equals ? equals + 1 : "");
    else if (equals && equals[1])
        return err_set(err, ERR_USAGE, "-k %s: a sequence takes no value", text);
    else
        dcm_put_sequence(keys, tag);
    return true;
}

DcmDataset *keys_for_find(Arena *arena, const KeyArgs *args, Err *err)
{
    DcmLevel level = keys_level(args);
    DcmDataset *keys = new_keys(arena, level);
    for (int i = 0; i < DCM_LEVEL_COUNT; i++) {
        const char *value = given(args, (DcmLevel)i);
        /* "*" matches all, but a UID has no wildcards (PS3.4 C.2.2.2.1): universal is the empty value there. */
        if (value && !strcmp(value, "*") && i != DCM_LEVEL_PATIENT)
            value = "";
        if (value)
            dcm_put_utf8(keys, dcm_level_unique_key((DcmLevel)i), value);
        else if (i == (int)level)
            dcm_put_utf8(keys, dcm_level_unique_key(level), level == DCM_LEVEL_PATIENT ? "*" : "");
    }
    for (size_t i = 0; i < args->extra.count; i++)
        if (!put_extra(keys, args->extra.items[i], err))
            return NULL;
    return keys;
}

DcmDataset *keys_for_retrieve(Arena *arena, const KeyArgs *args, const char *key)
{
    DcmLevel level = keys_level(args);
    DcmDataset *keys = new_keys(arena, level);
    for (int i = 0; i < (int)level; i++)
        if (given(args, (DcmLevel)i))
            dcm_put_utf8(keys, dcm_level_unique_key((DcmLevel)i), given(args, (DcmLevel)i));
    dcm_put_utf8(keys, dcm_level_unique_key(level), key ? key : given(args, level));
    return keys;
}

void keys_show(FILE *to, Arena *arena, DcmLevel level, const DcmDataset *keys)
{
    static const struct {
        const char *label;
        DcmTag tag;
    } rows[] = {{"study_uid    ", DCM_StudyInstanceUID},
                {"patient_id   ", DCM_PatientID},
                {"SeriesInstanceUID  ", DCM_SeriesInstanceUID},
                {"SOPInstanceUID  ", DCM_SOPInstanceUID}};
    fprintf(to, "\nqr_level     :%s\n", dcm_level_name(level));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = dcm_text_all(arena, keys, rows[i].tag);
        if (value)
            fprintf(to, "%s:%s\n", rows[i].label, *value ? value : "*");
    }
    fprintf(to, "****************************************\n\n\n");
}
