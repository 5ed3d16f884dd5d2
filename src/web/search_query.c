// SPDX-License-Identifier: MIT
#include "web/search_query.h"

#include "dicom/dict.h"
#include "dicom/tags.h"
#include "dicom/uid.h"

#include <string.h>

enum { DEPTH_MAX = 8, VALUE_MAX = 65536, FIELDS_MAX = 500 };

typedef struct Parser {
    Arena *arena;
    WebSearch *out;
    DcmTag *given; /* top-level tags that have a parameter: one each (PS3.18 §8.3.4.1) */
    size_t given_count, fields;
    bool limited, shifted, told_fuzzy; /* limit, offset, fuzzymatching have come */
} Parser;

/* What is returned without being asked for, PS3.18 tables 10.6.3-3 to 10.6.3-5, and what viewers cannot do without. */
static const DcmTag study_fields[] = {
    DCM_StudyDate,
    DCM_StudyTime,
    DCM_AccessionNumber,
    DCM_ModalitiesInStudy,
    DCM_ReferringPhysicianName,
    DCM_StudyDescription,
    DCM_PatientName,
    DCM_PatientID,
    DCM_PatientBirthDate,
    DCM_PatientSex,
    DCM_StudyInstanceUID,
    DCM_StudyID,
    DCM_NumberOfStudyRelatedSeries,
    DCM_NumberOfStudyRelatedInstances,
};
static const DcmTag series_fields[] = {
    DCM_Modality,
    DCM_SeriesDescription,
    DCM_SeriesInstanceUID,
    DCM_SeriesNumber,
    DCM_NumberOfSeriesRelatedInstances,
    DCM_PerformedProcedureStepStartDate,
    DCM_PerformedProcedureStepStartTime,
    DCM_RequestAttributesSequence,
};
static const DcmTag instance_fields[] = {
    DCM_SOPClassUID, DCM_SOPInstanceUID, DCM_InstanceNumber, DCM_NumberOfFrames,
    DCM_Rows,        DCM_Columns,        DCM_BitsAllocated,
};
static const struct {
    const DcmTag *tags;
    size_t count;
} default_fields[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_STUDY] = {study_fields, sizeof study_fields / sizeof *study_fields},
    [DCM_LEVEL_SERIES] = {series_fields, sizeof series_fields / sizeof *series_fields},
    [DCM_LEVEL_IMAGE] = {instance_fields, sizeof instance_fields / sizeof *instance_fields},
};

/* -- names -- */

typedef struct Chain {
    DcmTag tags[DEPTH_MAX];
    size_t count;
} Chain;

static bool read_chain(const char *name, Chain *out, Err *err)
{
    Span rest = span_cstr(name), part;
    out->count = 0;
    for (bool more = true; span_split(&rest, '.', &part, &more);) {
        if (out->count == DEPTH_MAX)
            return err_set(err, ERR_USAGE, "the attribute %.80s is more than %d sequences deep", name,
                           DEPTH_MAX);
        DcmTag tag;
        if (!dcm_tag_parse(part, &tag) || !dcm_dict(tag))
            return err_set(
                err, ERR_USAGE,
                "\"%.80s\" is no parameter of a search and no attribute of the dictionary; attributes are "
                "named by keyword (PatientID) or tag (00100020)",
                name);
        if (out->count && dcm_dict(out->tags[out->count - 1])->vr != DCM_VR_SQ)
            return err_set(err, ERR_USAGE, "%.80s: %s is no sequence", name,
                           dcm_dict(out->tags[out->count - 1])->keyword);
        out->tags[out->count++] = tag;
    }
    return true;
}

static DcmDataset *only_item(DcmDataset *ds, DcmTag sequence)
{
    const DcmElement *e = dcm_find(ds, sequence);
    if (!e || e->vr != DCM_VR_SQ)
        dcm_put_sequence(ds, sequence);
    else if (e->item_count)
        return e->items[0];
    return dcm_add_item(ds, sequence);
}

/* The data set that has the last tag of the chain. */
static DcmDataset *descend(DcmDataset *ds, const Chain *chain)
{
    for (size_t i = 0; i + 1 < chain->count; i++)
        ds = only_item(ds, chain->tags[i]);
    return ds;
}

/* -- values -- */

static bool put_number(DcmDataset *ds, DcmTag tag, DcmVr vr, const char *name, const char *value, Err *err)
{
    int64_t number;
    if (!span_to_i64(span_cstr(value), 0, vr == DCM_VR_US ? UINT16_MAX : UINT32_MAX, &number))
        return err_set(err, ERR_USAGE, "%s=%.80s: that is no number this attribute can have", name, value);
    if (vr == DCM_VR_US)
        dcm_put_u16(ds, tag, (uint16_t)number);
    else
        dcm_put_u32(ds, tag, (uint32_t)number);
    return true;
}

/* What a date, a time or a range of them is written with: nothing could ever match the rest. Names of days are a common mistake of hands. */
static bool is_temporal(const char *value)
{
    return value[strspn(value, "0123456789-+.:*?\\ ")] == 0;
}

static bool put_value(Parser *p, DcmDataset *ds, DcmTag tag, const char *name, const char *value, Err *err)
{
    DcmVr vr = dcm_dict(tag)->vr;
    if (strlen(value) > VALUE_MAX)
        return err_set(err, ERR_USAGE, "%s: the value is longer than %d bytes", name, VALUE_MAX);
    if (!*value || !strcmp(value, "*")) {
        if (!dcm_find(ds, tag))
            dcm_put(ds, tag, vr, (Span){0});
        return true;
    }
    if (vr == DCM_VR_US || vr == DCM_VR_UL)
        return put_number(ds, tag, vr, name, value, err);
    if (vr == DCM_VR_SQ)
        return err_set(err, ERR_USAGE, "%s is a sequence: name an attribute in it, as in %s.CodeValue", name,
                       name);
    if ((vr == DCM_VR_DA || vr == DCM_VR_TM || vr == DCM_VR_DT) && !is_temporal(value))
        return err_set(err, ERR_USAGE,
                       "%s=%.80s: dates are written as 20260131, times as 235959, ranges as A-B", name,
                       value);
    if (!dcm_vr_info(vr)->text)
        return err_set(err, ERR_USAGE, "%s holds binary values and cannot be searched by", name);
    /* Viewers join modalities as they join UIDs; no code string has a comma (PS3.5 §6.2). */
    bool list = vr == DCM_VR_UI || vr == DCM_VR_CS;
    char *text = arena_strdup(p->arena, value);
    for (char *c = text; list && *c; c++)
        if (*c == ',')
            *c = '\\';
    dcm_put_utf8(ds, tag, text);
    return true;
}

static bool was_given(Parser *p, const Chain *chain)
{
    if (chain->count > 1)
        return false;
    for (size_t i = 0; i < p->given_count; i++)
        if (p->given[i] == chain->tags[0])
            return true;
    p->given[p->given_count++] = chain->tags[0];
    return false;
}

static bool take_attribute(Parser *p, const HttpParameter *parameter, Err *err)
{
    Chain chain;
    if (!read_chain(parameter->name, &chain, err))
        return false;
    if (was_given(p, &chain))
        return err_set(err, ERR_USAGE, "%s is given twice; a search has one value for each attribute",
                       parameter->name);
    DcmTag tag = chain.tags[chain.count - 1];
    DcmDataset *ds = descend(p->out->keys, &chain);
    if (!put_value(p, ds, tag, parameter->name, parameter->value, err))
        return false;
    if (*parameter->value)
        p->out->matched = arena_printf(p->arena, "%s%s%s", p->out->matched, *p->out->matched ? ", " : "",
                                       dcm_dict(tag)->keyword);
    return true;
}

/* -- the other parameters -- */

static void want(DcmDataset *keys, DcmTag tag)
{
    if (dcm_find(keys, tag))
        return;
    if (dcm_dict(tag)->vr == DCM_VR_SQ)
        dcm_put_sequence(keys, tag);
    else
        dcm_put(keys, tag, DCM_VR_NONE, (Span){0});
}

/* What is wanted of a sequence is the sequence. */
static bool take_fields(Parser *p, const char *value, Err *err)
{
    Span rest = span_cstr(value), part;
    for (bool more = true; span_split(&rest, ',', &part, &more);) {
        part = span_trim(part);
        if (part.n == 0)
            continue;
        if (span_eq_cstr(part, "all")) {
            p->out->all_attributes = true;
            continue;
        }
        Chain chain;
        if (p->fields++ == FIELDS_MAX)
            return err_set(err, ERR_USAGE, "includefield names more than %d attributes; use includefield=all",
                           FIELDS_MAX);
        if (!read_chain(arena_span_cstr(p->arena, part), &chain, err))
            return err_wrap(err, "includefield");
        want(p->out->keys, chain.tags[0]);
    }
    return true;
}

static bool take_count(const HttpParameter *parameter, uint64_t *out, Err *err)
{
    int64_t value;
    if (!span_to_i64(span_cstr(parameter->value), 0, INT64_MAX / 2, &value))
        return err_set(err, ERR_USAGE, "%s=%.40s: that is no number from 0 on", parameter->name,
                       parameter->value);
    *out = (uint64_t)value;
    return true;
}

static bool take_boolean(const HttpParameter *parameter, bool *out, Err *err)
{
    Span value = span_cstr(parameter->value);
    *out = span_eq_nocase(value, SPAN("true"));
    return *out || span_eq_nocase(value, SPAN("false")) || value.n == 0 ||
           err_set(err, ERR_USAGE, "%s=%.40s: that is neither true nor false", parameter->name,
                   parameter->value);
}

static bool only_once(bool *came, const char *name, Err *err)
{
    bool again = *came;
    *came = true;
    return !again || err_set(err, ERR_USAGE, "%s is given twice", name);
}

static bool take_parameter(Parser *p, const HttpParameter *parameter, Err *err)
{
    const char *name = parameter->name;
    if (!strcmp(name, "limit"))
        return p->out->has_limit = true,
               only_once(&p->limited, name, err) && take_count(parameter, &p->out->limit, err);
    if (!strcmp(name, "offset"))
        return only_once(&p->shifted, name, err) && take_count(parameter, &p->out->offset, err);
    if (!strcmp(name, "fuzzymatching"))
        return only_once(&p->told_fuzzy, name, err) && take_boolean(parameter, &p->out->fuzzy, err);
    if (!strcmp(name, "includefield") || !strcmp(name, "includeField"))
        return take_fields(p, parameter->value, err);
    if (!strcmp(name, "accept") || !strcmp(name, "charset"))
        return true;
    return take_attribute(p, parameter, err);
}

/* -- together -- */

/* A wildcard or a list would make the path say something else. */
static bool put_path(Parser *p, const char *const path[DCM_LEVEL_COUNT], Err *err)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        if (!path[level])
            continue;
        size_t n = strlen(path[level]);
        if (n == 0 || n > DCM_UID_MAX || strpbrk(path[level], "*?\\,"))
            return err_set(err, ERR_USAGE, "the path: \"%.64s\" is no UID", path[level]);
        DcmTag tag = dcm_level_unique_key((DcmLevel)level);
        if (dcm_find(p->out->keys, tag))
            return err_set(err, ERR_USAGE, "%s is in the path and a parameter too", dcm_dict(tag)->keyword);
        dcm_put_utf8(p->out->keys, tag, path[level]);
    }
    return true;
}

static void want_defaults(const WebSearch *search, const char *const path[DCM_LEVEL_COUNT])
{
    for (int level = 0; level <= (int)search->level; level++)
        for (size_t i = 0; (level == (int)search->level || !path[level]) && i < default_fields[level].count;
             i++)
            want(search->keys, default_fields[level].tags[i]);
    for (int level = DCM_LEVEL_STUDY; level <= (int)search->level; level++)
        want(search->keys, dcm_level_unique_key((DcmLevel)level));
}

bool web_search_parse(Arena *arena, DcmLevel level, const char *const path[DCM_LEVEL_COUNT],
                      const HttpParameter *parameters, size_t count, WebSearch *out, Err *err)
{
    *out = (WebSearch){.level = level, .keys = dcm_dataset_new(arena), .matched = ""};
    dcm_put(out->keys, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    Parser p = {.arena = arena, .out = out, .given = arena_alloc(arena, (count + 1) * sizeof *p.given)};
    for (size_t i = 0; i < count; i++)
        if (!take_parameter(&p, &parameters[i], err))
            return false;
    if (!put_path(&p, path, err))
        return false;
    want_defaults(out, path);
    return true;
}
