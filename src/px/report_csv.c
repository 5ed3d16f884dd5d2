// SPDX-License-Identifier: MIT
/*
 * One line for each series: the study's header, then the series' columns; one for each study when summarised. A cell that contains
 * the separator, or begins with a quotation mark, is quoted as RFC 4180 says. Prettified it is a table for people: centred cells between rules.
 */
#include "px/report_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CSV_COLUMNS_MAX = 3 * PX_NAMES_MAX };

typedef struct Table {
    const char *labels[CSV_COLUMNS_MAX];
    size_t widths[CSV_COLUMNS_MAX]; /* prettified */
    size_t columns, header_columns;
    const char **cells; /* rows of the columns behind the header's */
    size_t rows;
    const char *const *header;
} Table;

static const char *const usual[] = {"SeriesDescription", "NumberOfSeriesRelatedInstances"};

static bool has_usual_body(const PxReport *report)
{
    return report->csv_summarize || !report->body_given;
}

static const char *number_of_images(const PxView *view, const PxReport *report, const json_t *series)
{
    uint64_t n;
    if (report->csv_prettify && px_count(series, usual[1], &n))
        return arena_printf(view->arena, "%05" PRIu64, n);
    return px_look_up(view->arena, series, usual[1], true);
}

static void fill_summary(Table *table, const PxView *view)
{
    uint64_t images = 0, n;
    size_t i;
    const json_t *series;
    json_array_foreach(view->series, i, series) if (px_count(series, usual[1], &n)) images += n;
    table->rows = 1;
    table->cells = arena_alloc(view->arena, 2 * sizeof *table->cells);
    table->cells[0] = arena_printf(view->arena, "Study contains %zu series", json_array_size(view->series));
    table->cells[1] = arena_printf(view->arena, "All series contain %" PRIu64 " images", images);
}

static void fill_series(Table *table, const PxView *view, const PxReport *report)
{
    size_t width = table->columns - table->header_columns, i;
    table->rows = json_array_size(view->series);
    table->cells = arena_alloc(view->arena, (table->rows * width + 1) * sizeof *table->cells);
    const json_t *series;
    json_array_foreach(view->series, i, series) for (size_t k = 0; k < width; k++)
    {
        const char *name = table->labels[table->header_columns + k];
        table->cells[i * width + k] = has_usual_body(report) && k == 1
                                          ? number_of_images(view, report, series)
                                          : px_look_up(view->arena, series, name, true);
    }
}

static const char *cell(const Table *table, size_t row, size_t column)
{
    if (column < table->header_columns)
        return table->header[column];
    return table->cells[row * (table->columns - table->header_columns) + column - table->header_columns];
}

static void measure(Table *table, const PxReport *report)
{
    for (size_t c = 0; c < table->columns; c++) {
        size_t width = px_width(table->labels[c]);
        for (size_t r = 0; r < table->rows; r++) {
            size_t own = px_width(cell(table, r, c));
            width = own > width ? own : width;
        }
        bool wide = has_usual_body(report) && c == table->header_columns + 1;
        table->widths[c] = width + (wide ? 4 : 2);
    }
}

static void fill(Table *table, const PxView *view, const PxReport *report)
{
    *table = (Table){.header = view->values, .header_columns = view->header_count, .rows = 1};
    memcpy(table->labels, view->names, view->header_count * sizeof *view->names);
    table->columns = view->header_count;
    if (!view->series)
        return;
    const char *const *names = has_usual_body(report) ? usual : view->body->items;
    size_t n = has_usual_body(report) ? 2 : view->body->count;
    for (size_t i = 0; i < n; i++)
        table->labels[table->columns++] = names[i];
    if (report->csv_summarize)
        fill_summary(table, view);
    else
        fill_series(table, view, report);
}

/* -- for people -- */

static void rule(Buf *out, const Table *table, const char *crossing)
{
    for (size_t c = 0; c < table->columns; c++) {
        /* The last stretch is one longer, as pypx draws it. */
        size_t n = table->widths[c] + (c + 1 == table->columns);
        for (size_t i = 0; i < n; i++)
            buf_append_cstr(out, "─");
        buf_append_cstr(out, c + 1 < table->columns ? crossing : "\n");
    }
}

static void pretty(const Table *table, const PxReport *report, Buf *out)
{
    rule(out, table, "┬");
    for (size_t c = 0; report->csv_headers && c < table->columns; c++) {
        px_centre(out, table->labels[c], table->widths[c]);
        buf_append_cstr(out, c + 1 < table->columns ? "│" : "\n");
    }
    if (report->csv_headers)
        rule(out, table, "┼");
    for (size_t r = 0; r < table->rows; r++)
        for (size_t c = 0; c < table->columns; c++) {
            px_centre(out, cell(table, r, c), table->widths[c]);
            buf_append_cstr(out, c + 1 < table->columns ? "│" : "\n");
        }
    rule(out, table, "┴");
}

/* -- for programs -- */

static void put_cell(Buf *out, const char *text, const char *separator)
{
    if (!*separator || (!strstr(text, separator) && *text != '"')) {
        buf_append_cstr(out, text);
        return;
    }
    buf_u8(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_u8(out, '"');
        buf_u8(out, (uint8_t)*text);
    }
    buf_u8(out, '"');
}

/* A study without series has an empty cell where they would stand. */
static void end_line(Buf *out, const PxView *view, const char *separator)
{
    buf_printf(out, "%s\n", view->series ? "" : separator);
}

static void plain(const Table *table, const PxReport *report, const PxView *view, Buf *out)
{
    const char *separator = report->csv_separator;
    for (size_t c = 0; report->csv_headers && c < table->columns; c++) {
        buf_append_cstr(out, c ? separator : "");
        put_cell(out, table->labels[c], separator);
    }
    if (report->csv_headers)
        end_line(out, view, separator);
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->columns; c++) {
            buf_append_cstr(out, c ? separator : "");
            put_cell(out, cell(table, r, c), separator);
        }
        end_line(out, view, separator);
    }
}

void px_report_csv(const PxReport *report, const PxView *view, Buf *out)
{
    Table table;
    fill(&table, view, report);
    if (report->csv_prettify) {
        measure(&table, report);
        pretty(&table, report, out);
    } else {
        plain(&table, report, view, out);
    }
}
