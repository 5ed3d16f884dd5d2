// SPDX-License-Identifier: MIT
#include "dicom/datetime.h"
#include "px/report_internal.h"

#include <stdio.h>
#include <string.h>

static const PxNames default_header = {{"PatientName", "PatientBirthDate", "StudyDate", "PatientAge",
                                        "PatientSex", "AccessionNumber", "PatientID",
                                        "PerformedStationAETitle", "StudyDescription",
                                        "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"},
                                       11};

void px_report_defaults(PxReport *report)
{
    *report = (PxReport){.csv_separator = "|",
                         .header_study = default_header,
                         .header_series = {{"Modality"}, 1},
                         .body_series = {{"SeriesDescription"}, 1}};
}

static bool add_name(PxNames *names, const char *name, const char *what, Err *err)
{
    if (names->count == PX_NAMES_MAX)
        return err_set(err, ERR_LIMIT, "%s: more than %d names", what, PX_NAMES_MAX);
    names->items[names->count++] = name;
    return true;
}

bool px_names_parse(PxNames *names, Arena *arena, const char *list, const char *what, Err *err)
{
    *names = (PxNames){0};
    Span rest = span_cstr(list), part;
    bool more = true;
    while (span_split(&rest, ',', &part, &more)) {
        part = span_trim(part);
        if (part.n && !add_name(names, arena_span_cstr(arena, part), what, err))
            return false;
    }
    return true;
}

static bool read_names(PxNames *names, Arena *arena, const json_t *list, Err *err)
{
    static const char what[] = "the report's layout";
    *names = (PxNames){0};
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return err_set(err, ERR_FORMAT, "%s: names of attributes must be texts", what);
        if (!add_name(names, arena_strdup(arena, json_string_value(item)), what, err))
            return false;
    }
    return !list || json_is_array(list) ||
           err_set(err, ERR_FORMAT, "%s: names of attributes must stand in a list", what);
}

bool px_layout_parse(PxReport *report, Arena *arena, const char *json, Err *err)
{
    json_t *layout = px_json_read(span_cstr(json), "the report's layout", err);
    if (!layout)
        return false;
    const json_t *header = json_object_get(layout, "header"), *body = json_object_get(layout, "body");
    report->body_given = true;
    bool ok = json_is_object(header) || json_is_object(body) ||
              err_set(err, ERR_FORMAT, "the report's layout has neither \"header\" nor \"body\"");
    ok = ok && read_names(&report->header_study, arena, json_object_get(header, "study"), err) &&
         read_names(&report->header_series, arena, json_object_get(header, "series"), err) &&
         read_names(&report->body_series, arena, json_object_get(body, "series"), err);
    json_decref(layout);
    return ok;
}

/* -- looking up -- */

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool split_date(const char *text, int *year, int *month, int *day)
{
    DcmTimeRange range;
    char date[9];
    if (!text || !dcm_da_parse(span_cstr(text), &range))
        return false;
    dcm_da_format(range.from, date);
    int64_t number;
    if (!span_to_i64(span_cstr(date), 0, INT32_MAX, &number))
        return false;
    *year = (int)(number / 10000);
    *month = (int)(number / 100 % 100);
    *day = (int)(number % 100);
    return true;
}

/* Whole years, months and days between birth and study. */
static const char *reckon_age(Arena *arena, const json_t *study)
{
    int by, bm, bd, sy, sm, sd;
    if (!split_date(px_value(study, "PatientBirthDate"), &by, &bm, &bd) ||
        !split_date(px_value(study, "StudyDate"), &sy, &sm, &sd))
        return "NaN";
    int months = (sy - by) * 12 + sm - bm;
    int last = days_of_month(sy, sm), birthday = bd < last ? bd : last;
    int days = sd - birthday;
    if (days < 0) {
        months--;
        int before = sm == 1 ? 12 : sm - 1;
        last = days_of_month(sm == 1 ? sy - 1 : sy, before);
        birthday = bd < last ? bd : last;
        days = last - birthday + sd;
    }
    if (months < 0)
        return "NaN";
    return arena_printf(arena, "%02dY-%02dM-%02dD", months / 12, months % 12, days);
}

/* Values come from outside: none may talk to the terminal. */
const char *px_for_people(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    for (unsigned char *p = (unsigned char *)copy; *p; p++) {
        if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
            p[0] = p[1] = ' ';
        else if (*p < 0x20 || *p == 0x7F)
            *p = ' ';
    }
    return copy;
}

const char *px_look_up(Arena *arena, const json_t *record, const char *name, bool for_people)
{
    const char *value = px_value(record, name);
    if (!value && !strcmp(name, "PatientAge"))
        value = reckon_age(arena, record);
    if (!value)
        return "";
    return for_people ? px_for_people(arena, value) : value;
}

static void put_header(PxView *view, const json_t *record, const char *name, bool for_people)
{
    view->names[view->header_count] = name;
    view->values[view->header_count++] = px_look_up(view->arena, record, name, for_people);
}

/* What was not asked for does not stand in the header. */
static void look_at(PxView *view, const PxReport *report, const json_t *document, const json_t *study)
{
    bool for_people = report->kind != PX_REPORT_JSON;
    const char *command = json_string_value(json_object_get(document, "command"));
    view->header_count = 0;
    view->body = &report->body_series;
    view->series = json_object_get(study, "series");
    for (size_t i = 0; i < report->header_study.count; i++)
        if (!command || strstr(command, report->header_study.items[i]))
            put_header(view, study, report->header_study.items[i], for_people);
    for (size_t i = 0; view->series && i < report->header_series.count; i++)
        put_header(view, json_array_get(view->series, 0), report->header_series.items[i], for_people);
}

/* -- JSON -- */

static void copy_values(json_t *to, Arena *arena, const json_t *record, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_object_set_new(to, names[i], px_text(px_look_up(arena, record, names[i], false)));
}

static json_t *study_json(const PxView *view, bool status)
{
    static const char *const special = "seriesStatus";
    static const char *const identity[] = {"SeriesInstanceUID", "SeriesNumber",
                                           "NumberOfSeriesRelatedInstances"};
    json_t *object = json_object(), *header = json_object(), *body = json_array(), *uids = json_array();
    for (size_t i = 0; i < view->header_count; i++)
        json_object_set_new(header, view->names[i], px_text(view->values[i]));
    const json_t *series;
    size_t i;
    json_array_foreach(view->series, i, series)
    {
        json_t *row = json_object(), *uid = json_object();
        copy_values(row, view->arena, series, view->body->items, view->body->count);
        copy_values(uid, view->arena, series, identity, 3);
        if (status)
            copy_values(uid, view->arena, series, &special, 1);
        json_array_append_new(body, row);
        json_array_append_new(uids, uid);
    }
    json_object_set_new(object, "header", header);
    json_object_set_new(object, "body", body);
    json_object_set_new(object, "bodySeriesUID", uids);
    return object;
}

/* -- the whole -- */

bool px_document_failed(const json_t *document)
{
    const json_t *status = json_object_get(document, "status");
    const char *text = json_string_value(status);
    return text ? strstr(text, "error") != NULL || !*text : !json_is_true(status);
}

static void report_study(const PxReport *report, const PxView *view, json_t *list, Buf *out)
{
    switch (report->kind) {
    case PX_REPORT_TABULAR:
        px_report_tabular(report, view, out);
        break;
    case PX_REPORT_RAW_TEXT:
        px_report_raw_text(report, view, out);
        break;
    case PX_REPORT_CSV:
        px_report_csv(report, view, out);
        break;
    case PX_REPORT_JSON:
        json_array_append_new(list, study_json(view, report->series_status));
        break;
    }
}

bool px_report(const PxReport *report, const json_t *document, Buf *out, Err *err)
{
    const json_t *data = json_object_get(document, "data"), *study;
    if (!json_is_array(data))
        return err_set(err, ERR_FORMAT,
                       "the input has no list \"data\" of studies; it should be what px-find --json prints");
    json_t *list = report->kind == PX_REPORT_JSON ? json_array() : NULL;
    Arena *arena = arena_new(0);
    PxView view = {.arena = arena};
    size_t i;
    json_array_foreach(data, i, study)
    {
        arena_reset(arena);
        look_at(&view, report, document, study);
        report_study(report, &view, list, out);
    }
    if (list)
        px_document_write(list, false, out);
    json_decref(list);
    arena_free(arena);
    return true;
}

void px_report_header(const PxReport *report, const json_t *document, const json_t *study, Buf *out)
{
    Arena *arena = arena_new(0);
    PxView view = {.arena = arena};
    look_at(&view, report, document, study);
    px_report_raw_header(report, &view, out);
    arena_free(arena);
}
