// SPDX-License-Identifier: MIT
#include "px/register_fields.h"

#include "dicom/datetime.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum FieldKind { FIELD_TEXT, FIELD_DATE, FIELD_AGE, FIELD_SEX } FieldKind;

typedef struct Field {
    const char *name;
    DcmTag tag;
    FieldKind kind;
    size_t max; /* characters; 0 = none */
    bool required;
} Field;

/* In the order in which pypx sends them; lengths as in CUBE's database. */
static const Field table[] = {
    {"PatientID", DCM_PatientID, FIELD_TEXT, 100, true},
    {"PatientName", DCM_PatientName, FIELD_TEXT, 150, false},
    {"PatientBirthDate", DCM_PatientBirthDate, FIELD_DATE, 0, false},
    {"PatientAge", DCM_PatientAge, FIELD_AGE, 0, false},
    {"PatientSex", DCM_PatientSex, FIELD_SEX, 1, false},
    {"ProtocolName", DCM_ProtocolName, FIELD_TEXT, 64, false},
    {"StudyDate", DCM_StudyDate, FIELD_DATE, 0, true},
    {"StudyDescription", DCM_StudyDescription, FIELD_TEXT, 400, false},
    {"StudyInstanceUID", DCM_StudyInstanceUID, FIELD_TEXT, 100, true},
    {"Modality", DCM_Modality, FIELD_TEXT, 15, false},
    {"SeriesDescription", DCM_SeriesDescription, FIELD_TEXT, 400, false},
    {"SeriesInstanceUID", DCM_SeriesInstanceUID, FIELD_TEXT, 100, true},
    {"AccessionNumber", DCM_AccessionNumber, FIELD_TEXT, 100, false},
};

typedef struct Maker {
    Arena *arena;
    const DcmDataset *image;
    PxRegisterApi api;
} Maker;

/* -- texts -- */

static bool is_control(Span at)
{
    return at.p[0] < 0x20 || at.p[0] == 0x7F || (at.n > 1 && at.p[0] == 0xC2 && at.p[1] < 0xA0);
}

/* As CUBE takes it: valid UTF-8 without control characters, not too long. */
static const char *clean_text(Arena *arena, const char *text, size_t max, bool *changed)
{
    Buf out;
    buf_init(&out, 0);
    Span rest = span_cstr(text);
    size_t characters = 0;
    for (; rest.n && (!max || characters < max); characters++) {
        size_t n = span_utf8_length(rest);
        bool plain = n && !is_control(rest);
        if (plain)
            buf_append(&out, rest.p, n);
        else
            buf_u8(&out, ' ');
        *changed |= !plain;
        rest = span_sub(rest, n ? n : 1, SIZE_MAX);
    }
    *changed |= rest.n > 0;
    const char *clean = arena_span_cstr(arena, span_trim(buf_span(&out)));
    buf_free(&out);
    return clean;
}

static json_t *sex_of(const char *text, bool *changed)
{
    bool known = strlen(text) == 1 && strchr("MFO", *text);
    *changed |= *text && !known;
    return json_string(known ? text : "");
}

/* -- dates and ages -- */

/* Midnight of a whole date; false when there is none. */
static bool day_of(Maker *m, DcmTag tag, int64_t *us)
{
    DcmTimeRange range;
    if (!dcm_da_parse(dcm_text_raw(m->image, tag, 0), &range) || range.to - range.from >= DCM_DAY_US)
        return false;
    *us = range.from;
    return true;
}

static json_t *date_of(Maker *m, DcmTag tag, bool *changed)
{
    int64_t us;
    if (!day_of(m, tag, &us)) {
        *changed |= *dcm_text(m->arena, m->image, tag, 0) != '\0';
        return json_null();
    }
    char text[9];
    dcm_da_format(us, text);
    return json_string(arena_printf(m->arena, "%.4s-%.2s-%.2s", text, text + 4, text + 6));
}

bool px_age_days(const char *age, int64_t *out)
{
    static const struct {
        char unit;
        int days;
    } units[] = {{'Y', 365}, {'M', 30}, {'W', 7}, {'D', 1}};
    Span text = span_trim(span_cstr(age));
    int days = 365;
    for (size_t i = 0; text.n && i < sizeof units / sizeof *units; i++)
        if (toupper(text.p[text.n - 1]) == units[i].unit) {
            days = units[i].days;
            text.n--;
            break;
        }
    int64_t n;
    if (!text.n || !isdigit(text.p[0]) || !span_to_i64(text, 0, 9999, &n))
        return false;
    *out = n * days;
    return true;
}

static json_t *age_of(Maker *m, bool *changed)
{
    const char *text = dcm_text(m->arena, m->image, DCM_PatientAge, 0);
    int64_t days, born, studied;
    if (!px_age_days(text, &days)) {
        *changed |= *text != '\0';
        if (!day_of(m, DCM_PatientBirthDate, &born) || !day_of(m, DCM_StudyDate, &studied))
            return json_null();
        days = llabs(studied - born) / DCM_DAY_US;
    }
    return m->api == PX_REGISTER_SERIES ? json_integer(days)
                                        : json_string(arena_printf(m->arena, "%lld", (long long)days));
}

/* -- the fields -- */

static json_t *value_of(Maker *m, const Field *field, bool *changed)
{
    if (field->kind == FIELD_DATE)
        return date_of(m, field->tag, changed);
    if (field->kind == FIELD_AGE)
        return age_of(m, changed);
    const char *text = dcm_text_all(m->arena, m->image, field->tag);
    text = text ? clean_text(m->arena, text, field->kind == FIELD_SEX ? 0 : field->max, changed) : "";
    return field->kind == FIELD_SEX ? sex_of(text, changed) : json_string(text);
}

static bool is_empty(const json_t *value)
{
    const char *text = json_string_value(value);
    return json_is_null(value) || (text && !*text);
}

json_t *px_register_fields(const DcmDataset *image, PxRegisterApi api, json_t *changed, Err *err)
{
    Maker m = {.arena = arena_new(0), .image = image, .api = api};
    json_t *fields = json_object();
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof table / sizeof *table; i++) {
        const Field *field = &table[i];
        bool otherwise = false;
        json_t *value = value_of(&m, field, &otherwise);
        json_object_set_new(fields, field->name, value);
        if (otherwise && changed)
            json_array_append_new(changed, json_string(field->name));
        /* An identifier that was cut or cleaned would be another one. */
        if (field->required && is_empty(value))
            ok = err_set(err, ERR_MISMATCH, "%s is %s, and CUBE registers nothing without it", field->name,
                         otherwise ? "unreadable" : "missing");
        else if (field->required && field->kind == FIELD_TEXT && otherwise)
            ok = err_set(err, ERR_MISMATCH,
                         "%s has control characters or is longer than CUBE's %zu characters", field->name,
                         field->max);
    }
    arena_free(m.arena);
    if (ok)
        return fields;
    json_decref(fields);
    return NULL;
}

/* -- names and paths -- */

static size_t utf8_count(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((uint8_t)*text & 0xC0) != 0x80;
    return n;
}

bool px_pacs_name_check(const char *name, Err *err)
{
    enum { MAX_NAME = 20 };
    size_t n = utf8_count(name);
    bool changed = false;
    Arena *arena = arena_new(0);
    bool clean = !strcmp(clean_text(arena, name, 0, &changed), name) && !changed;
    arena_free(arena);
    if (n && n <= MAX_NAME && !strpbrk(name, ",/") && clean)
        return true;
    return err_set(err, ERR_USAGE,
                   "--swiftServicesPACS %.80s: CUBE takes names of 1 to %d characters without comma, slash "
                   "or blanks around",
                   *name ? name : "''", MAX_NAME);
}

bool px_object_path_check(const char *path, const char *pacs_name, Err *err)
{
    enum { MAX_PATH = 512 };
    char start[128];
    snprintf(start, sizeof start, "SERVICES/PACS/%s/", pacs_name);
    if (strncmp(path, start, strlen(start)) != 0 || !path[strlen(start)])
        return err_set(err, ERR_MISMATCH,
                       "the object is not below %s, where CUBE looks for what comes from %s", start,
                       pacs_name);
    if (strchr(path, ','))
        return err_set(err, ERR_MISMATCH,
                       "the object's path has a comma, which CUBE refuses; push it under another name");
    if (utf8_count(path) > MAX_PATH)
        return err_set(err, ERR_MISMATCH,
                       "the object's path is longer than the %d characters that CUBE takes; push it under a "
                       "shorter name",
                       MAX_PATH);
    return true;
}

/* -- what CUBE has -- */

static const char *as_text(Arena *arena, const json_t *value)
{
    if (json_is_integer(value))
        return arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    const char *text = json_string_value(value);
    return text ? text : "";
}

json_t *px_register_differences(const json_t *ours, const json_t *theirs)
{
    json_t *differences = json_array();
    Arena *arena = arena_new(0);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)ours, name, value)
    {
        json_t *there = json_object_get(theirs, name);
        if (there && strcmp(as_text(arena, value), as_text(arena, there)) != 0)
            json_array_append_new(differences,
                                  json_pack("{ss sO sO}", "field", name, "here", value, "CUBE", there));
    }
    arena_free(arena);
    return differences;
}
