// SPDX-License-Identifier: MIT
/* Tabular and raw text: one attribute a line, the name in 30 columns, the value in 50. */
#include "px/report_internal.h"

#include <stdio.h>
#include <utf8proc.h>

enum { NAME_WIDTH = 30, VALUE_WIDTH = 50 };

size_t px_width(const char *text)
{
    Span rest = span_cstr(text);
    size_t width = 0;
    while (rest.n) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(rest.p, (utf8proc_ssize_t)rest.n, &c);
        width += n > 0 ? (size_t)utf8proc_charwidth(c) : 1;
        rest = span_sub(rest, n > 0 ? (size_t)n : 1, rest.n);
    }
    return width;
}

void px_pad(Buf *out, size_t n)
{
    while (n--)
        buf_u8(out, ' ');
}

static size_t missing(const char *text, size_t width)
{
    size_t taken = px_width(text);
    return taken < width ? width - taken : 0;
}

void px_left(Buf *out, const char *text, size_t width)
{
    buf_append_cstr(out, text);
    px_pad(out, missing(text, width));
}

void px_right(Buf *out, const char *text, size_t width)
{
    px_pad(out, missing(text, width));
    buf_append_cstr(out, text);
}

void px_centre(Buf *out, const char *text, size_t width)
{
    size_t blanks = missing(text, width), left = blanks / 2 + (blanks & width & 1);
    px_pad(out, left);
    buf_append_cstr(out, text);
    px_pad(out, blanks - left);
}

typedef struct Colours {
    const char *name, *value, *end;
} Colours;

static Colours colours_of(PxScheme scheme)
{
    switch (scheme) {
    case PX_DARK:
        return (Colours){"\x1b[1;35m", "\x1b[1;32m", "\x1b[0m"};
    case PX_LIGHT:
        return (Colours){"\x1b[0;35m", "\x1b[0;32m", "\x1b[0m"};
    case PX_PLAIN:
        break;
    }
    return (Colours){"", "", ""};
}

/* -- tabular -- */

static void rule(Buf *out, const char *left, const char *middle, const char *right, size_t value_width)
{
    buf_append_cstr(out, left);
    for (size_t i = 0; i < NAME_WIDTH + 2; i++)
        buf_append_cstr(out, "─");
    buf_append_cstr(out, middle);
    for (size_t i = 0; i < value_width + 2; i++)
        buf_append_cstr(out, "─");
    buf_printf(out, "%s\n", right);
}

static void framed_row(Buf *out, const Colours *colours, const char *name, const char *value, size_t width)
{
    buf_printf(out, "│ %s", colours->name);
    px_left(out, name, NAME_WIDTH);
    buf_printf(out, "%s │ %s", colours->end, colours->value);
    px_left(out, value, width);
    buf_printf(out, "%s │\n", colours->end);
}

static void row(Buf *out, const PxReport *report, const char *name, const char *value, size_t width)
{
    Colours colours = colours_of(report->scheme);
    if (report->boxes) {
        framed_row(out, &colours, name, value, width);
        return;
    }
    buf_append_cstr(out, colours.name);
    px_left(out, name, NAME_WIDTH);
    buf_printf(out, "%s  %s%s%s\n", colours.end, colours.value, value, colours.end);
}

static size_t wider(size_t width, const char *value)
{
    size_t own = px_width(value);
    return own > width ? own : width;
}

static void header_box(const PxReport *report, const PxView *view, Buf *out)
{
    size_t width = VALUE_WIDTH;
    for (size_t i = 0; i < view->header_count; i++)
        width = wider(width, view->values[i]);
    if (report->boxes)
        rule(out, "┌", "┬", "┐", width);
    for (size_t i = 0; i < view->header_count; i++)
        row(out, report, view->names[i], view->values[i], width);
    if (report->boxes)
        rule(out, "└", "┴", "┘", width);
}

static void body_box(const PxReport *report, const PxView *view, Buf *out)
{
    size_t width = VALUE_WIDTH, i;
    const json_t *series;
    json_array_foreach(view->series, i, series) for (size_t k = 0; k < view->body->count; k++) width =
        wider(width, px_look_up(view->arena, series, view->body->items[k], true));
    if (report->boxes)
        rule(out, "┌", "┬", "┐", width);
    json_array_foreach(view->series, i, series) for (size_t k = 0; k < view->body->count; k++)
        row(out, report, view->body->items[k], px_look_up(view->arena, series, view->body->items[k], true),
            width);
    if (report->boxes)
        rule(out, "└", "┴", "┘", width);
}

void px_report_tabular(const PxReport *report, const PxView *view, Buf *out)
{
    header_box(report, view, out);
    if (view->series)
        body_box(report, view, out);
    buf_append_cstr(out, "\n");
}

/* -- raw text -- */

static void line(Buf *out, PxScheme scheme, const char *name, const char *value)
{
    Colours colours = colours_of(scheme);
    buf_append_cstr(out, colours.name);
    px_right(out, name, NAME_WIDTH);
    buf_printf(out, "%s  ", colours.value);
    px_left(out, value, VALUE_WIDTH);
    buf_printf(out, "%s\n", colours.end);
}

void px_report_raw_header(const PxReport *report, const PxView *view, Buf *out)
{
    for (size_t i = 0; i < view->header_count; i++)
        line(out, report->scheme, view->names[i], view->values[i]);
}

void px_report_raw_text(const PxReport *report, const PxView *view, Buf *out)
{
    px_report_raw_header(report, view, out);
    if (view->series)
        buf_append_cstr(out, "\n");
    const json_t *series;
    size_t i;
    json_array_foreach(view->series, i, series) for (size_t k = 0; k < view->body->count; k++)
        line(out, report->scheme, view->body->items[k],
             px_look_up(view->arena, series, view->body->items[k], true));
    buf_append_cstr(out, "\n\n");
}
