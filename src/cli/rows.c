// SPDX-License-Identifier: MIT
#include "cli/rows.h"

#include "cli/output.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { RULER = 30, LABEL_MAX = 96 };

typedef struct Shown {
    const char *column, *label;
} Shown;

/* What a display level shows before the extended attributes. A label NULL is made from the column's name. */
static const struct {
    Shown minimal[8], more[8]; /* full: id, minimal, more */
} layouts[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_PATIENT] = {{{"patient_uid"}, {"patient_name"}, {"patient_sex"}, {"patient_birth_date"}},
                           {{"number_of_patient_related_studies", "N study"},
                            {"number_of_patient_related_series", "N series"},
                            {"number_of_patient_related_instances", "N instances"}}},
    [DCM_LEVEL_STUDY] = {{{"study_uid"}, {"patient_uid"}, {"date_study"}, {"institution_name"}},
                         {{"patient_id"},
                          {"number_of_study_related_series", "N series"},
                          {"number_of_study_related_instances", "N instances"}}},
    [DCM_LEVEL_SERIES] = {{{"series_uid"}, {"study_uid"}, {"patient_uid"}, {"modality"}},
                          {{"manufacturer_model_name"},
                           {"body_part_examined"},
                           {"series_description"},
                           {"series_date"},
                           {"patient_id"},
                           {"study_id"},
                           {"number_of_series_related_instances", "N instances"}}},
    [DCM_LEVEL_IMAGE] = {{{"instance_uid"},
                          {"patient_uid"},
                          {"study_uid"},
                          {"series_uid"},
                          {"file_path"},
                          {"storage_method"},
                          {"filesize"}},
                         {{"patient_id"},
                          {"study_id"},
                          {"series_id"},
                          {"storage_status"},
                          {"dt_deb_storage"},
                          {"dt_end_storage"}}},
};

/* SPHERE's names: patient_uid is patientID, study_uid studyUID, date_study dateStudy; ids and times keep their column's name. */
static const char *label_of(Arena *arena, DcmLevel level, const IdxColumn *column)
{
    const char *name = column->name;
    char out[LABEL_MAX];
    size_t n = 0, length = strlen(name);
    if (!strcmp(name, "patient_uid"))
        return "patientID";
    if (!strcmp(name, idx_tables[level].id))
        return "id";
    bool keeps = (length > 3 && !strcmp(name + length - 3, "_id")) || !strncmp(name, "dt_", 3) ||
                 !strncmp(name, "d8", 2);
    if (keeps || (column->attribute && column->attribute->extended))
        return name;
    bool uid = length > 4 && !strcmp(name + length - 4, "_uid");
    for (size_t i = 0; i < (uid ? length - 4 : length) && n + 4 < sizeof out; i++)
        if (name[i] == '_' && name[i + 1])
            out[n++] = (char)toupper((unsigned char)name[++i]);
        else
            out[n++] = name[i];
    out[n] = 0;
    return arena_printf(arena, "%s%s", out, uid ? "UID" : "");
}

static void add(Rows *rows, Arena *arena, DcmLevel level, const IdxColumn *columns, size_t at,
                const char *label)
{
    rows->fields[rows->count++] = (RowsField){.label = label ? label : label_of(arena, level, &columns[at]),
                                              .column = at,
                                              .number = columns[at].number,
                                              .size = !strcmp(columns[at].name, "filesize")};
}

static void add_shown(Rows *rows, Arena *arena, DcmLevel level, const IdxColumn *columns, size_t n,
                      const Shown *shown, size_t most)
{
    for (size_t i = 0; i < most && shown[i].column; i++)
        for (size_t c = 0; c < n; c++)
            if (!strcmp(columns[c].name, shown[i].column))
                add(rows, arena, level, columns, c, shown[i].label);
}

static int by_label(const void *a, const void *b)
{
    return strcmp(((const RowsField *)a)->label, ((const RowsField *)b)->label);
}

/* JSON shows what there is, whatever the display level, but the times of the row itself. */
static void add_all(Rows *rows, Arena *arena, DcmLevel level, const IdxColumn *columns, size_t n)
{
    for (size_t c = 0; c < n; c++)
        if (strncmp(columns[c].name, "d8", 2))
            add(rows, arena, level, columns, c, NULL);
    qsort(rows->fields, rows->count, sizeof *rows->fields, by_label);
}

static bool is_shown(const Rows *rows, size_t column)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->fields[i].column == column)
            return true;
    return false;
}

Rows rows_make(const IdxAttributes *attributes, Arena *arena, DcmLevel level, RowsDisplay display,
               RowsFormat format)
{
    size_t n;
    const IdxColumn *columns = idx_columns(attributes, arena, level, &n);
    Rows rows = {.format = format, .ruled = display != ROWS_KEY};
    rows.fields = arena_alloc(arena, (n + 16) * sizeof *rows.fields);
    if (format == ROWS_JSON) {
        add_all(&rows, arena, level, columns, n);
        return rows;
    }
    if (display == ROWS_FULL)
        add(&rows, arena, level, columns, 0, NULL);
    add_shown(&rows, arena, level, columns, n, layouts[level].minimal, display == ROWS_KEY ? 1 : 8);
    if (display == ROWS_FULL) {
        add_shown(&rows, arena, level, columns, n, layouts[level].more, 8);
        for (size_t c = 0; c < n; c++)
            if (columns[c].attribute && columns[c].attribute->extended && !is_shown(&rows, c))
                add(&rows, arena, level, columns, c, NULL);
    }
    rows.fields[0].bare = display == ROWS_KEY || (display == ROWS_MINIMAL && level == DCM_LEVEL_STUDY);
    return rows;
}

void rows_csv(Buf *out, Span value)
{
    bool quote = value.n && (value.p[0] == ' ' || value.p[value.n - 1] == ' ');
    for (size_t i = 0; i < value.n && !quote; i++)
        quote = strchr(",\"\r\n", value.p[i]) != NULL;
    if (!quote) {
        buf_append_span(out, value);
        return;
    }
    buf_u8(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"')
            buf_u8(out, '"');
        buf_u8(out, value.p[i]);
    }
    buf_u8(out, '"');
}

void rows_header(const Rows *rows, Buf *out)
{
    for (size_t i = 0; i < rows->count; i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "", rows->fields[i].label);
    buf_append_cstr(out, "\n");
}

/* A value must not move the cursor of a terminal or begin a line of its own. */
static void plain_text(Buf *out, Span value)
{
    for (size_t i = 0; i < value.n; i++)
        buf_u8(out, value.p[i] < 0x20 || value.p[i] == 0x7F ? '?' : value.p[i]);
}

static void text_field(const Rows *rows, const RowsField *field, bool there, Span value, Buf *out)
{
    char size[32];
    int64_t bytes;
    if (rows->ruled && !field->bare)
        buf_printf(out, "- %s\t\t: ", field->label);
    if (!there)
        buf_append_cstr(out, "None");
    else if (field->size && span_to_i64(value, 0, INT64_MAX, &bytes))
        buf_append_cstr(out, pretty_size((double)bytes, size));
    else
        plain_text(out, value);
    buf_append_cstr(out, "\n");
}

static void json_field(JsonWriter *w, const RowsField *field, Span value)
{
    int64_t number;
    json_key(w, field->label);
    if (field->number && span_to_i64(value, INT64_MIN, INT64_MAX, &number))
        json_int(w, number);
    else
        json_text(w, value);
}

void rows_write(const Rows *rows, const IdxListing *listing, Buf *out)
{
    JsonWriter w = json_writer(out);
    if (rows->format == ROWS_JSON)
        json_begin_object(&w);
    else if (rows->format == ROWS_TEXT && rows->ruled)
        buf_printf(out, "%.*s\n", RULER, "------------------------------");
    for (size_t i = 0; i < rows->count; i++) {
        const RowsField *field = &rows->fields[i];
        Span value = {NULL, 0};
        bool there = idx_list_value(listing, field->column, &value);
        if (rows->format == ROWS_TEXT)
            text_field(rows, field, there, value, out);
        else if (rows->format == ROWS_JSON && there)
            json_field(&w, field, value);
        else if (rows->format == ROWS_CSV) {
            buf_append_cstr(out, i ? "," : "");
            rows_csv(out, value);
        }
    }
    if (rows->format == ROWS_JSON)
        json_end_object(&w);
    else if (rows->format == ROWS_CSV)
        buf_append_cstr(out, "\n");
}
