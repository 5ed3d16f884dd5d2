// SPDX-License-Identifier: MIT
/*
 * The DICOM JSON model written, PS3.18 F.2. DS and IS are numbers where their text is one and are copied digit by digit, strings
 * otherwise; SV and UV are strings beyond 2^53, which a binary64 reader would round; NaN and infinities of FL and FD,
 * for which JSON has no number, are the strings "NaN", "Infinity" and "-Infinity".
 */
#include "dicom/json.h"
#include "dicom/model.h"
#include "dicom/pn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Writer {
    Model model;
    JsonWriter *w;
} Writer;

static void write_dataset(Writer *j, const DcmDataset *ds);

/* -- DS and IS -- */

static size_t skip_digits(Span s, size_t at)
{
    while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
        at++;
    return at;
}

typedef struct Decimal {
    bool negative;
    Span whole, fraction, exponent; /* digits; the exponent with its sign */
} Decimal;

/* [+-]digits[.digits][E[+-]digits], with digits on at least one side of the point. */
static bool parse_decimal(Span s, Decimal *d)
{
    *d = (Decimal){.negative = s.n && s.p[0] == '-'};
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = span_sub(s, 1, s.n);
    size_t at = skip_digits(s, 0);
    d->whole = span_sub(s, 0, at);
    if (at < s.n && s.p[at] == '.') {
        size_t end = skip_digits(s, at + 1);
        d->fraction = span_sub(s, at + 1, end - at - 1);
        at = end;
    }
    if (!d->whole.n && !d->fraction.n)
        return false;
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        size_t digits = at + 1 < s.n && (s.p[at + 1] == '-' || s.p[at + 1] == '+') ? at + 2 : at + 1;
        size_t end = skip_digits(s, digits);
        d->exponent = span_sub(s, at + 1, end - at - 1);
        if (end == digits)
            return false;
        at = end;
    }
    return at == s.n;
}

/* Without an exponent it is, in any length that is copied at all. */
static bool is_finite(Span text, const Decimal *d)
{
    char copy[64];
    if (!d->exponent.n && text.n < sizeof copy)
        return true;
    return span_copy(text, copy, sizeof copy) && isfinite(strtod(copy, NULL));
}

/* Readers take digits alone for a 64-bit integer: more of them than a DS may have stay text. */
static bool is_long_integer(const Decimal *d)
{
    return d->whole.n > 16 && !d->fraction.n && !d->exponent.n;
}

/* JSON wants a digit before the point and none to spare, digits behind it, and no plus sign. */
static void write_decimal(Writer *j, Span text)
{
    Decimal d;
    if (!parse_decimal(text, &d) || !is_finite(text, &d) || is_long_integer(&d)) {
        json_text(j->w, text);
        return;
    }
    while (d.whole.n > 1 && d.whole.p[0] == '0')
        d.whole = span_sub(d.whole, 1, d.whole.n);
    json_raw(j->w, d.negative ? SPAN("-") : SPAN(""));
    Buf *out = j->w->out;
    buf_append_span(out, d.whole.n ? d.whole : SPAN("0"));
    if (d.fraction.n) {
        buf_u8(out, '.');
        buf_append_span(out, d.fraction);
    }
    if (d.exponent.n) {
        buf_u8(out, 'e');
        buf_append_span(out, d.exponent);
    }
}

static void write_integer(Writer *j, Span text)
{
    int64_t value;
    if (span_to_i64(text, INT32_MIN, INT32_MAX, &value))
        json_int(j->w, value);
    else
        json_text(j->w, text);
}

/* -- values -- */

static void write_name(Writer *j, Span text)
{
    static const char *const names[] = {"Alphabetic", "Ideographic", "Phonetic"};
    DcmPn name;
    dcm_pn_parse(text, &name);
    json_begin_object(j->w);
    for (int g = 0; g < 3; g++) {
        if (!name.group[g].n)
            continue;
        json_key(j->w, names[g]);
        json_text(j->w, name.group[g]);
    }
    json_end_object(j->w);
}

static bool is_empty(DcmVr vr, Span value)
{
    for (size_t i = 0; i < value.n; i++)
        if (vr != DCM_VR_PN || (value.p[i] != '^' && value.p[i] != '=' && value.p[i] != ' '))
            return false;
    return true;
}

static void write_text_value(Writer *j, DcmVr vr, Span value)
{
    if (is_empty(vr, value))
        json_nothing(j->w);
    else if (vr == DCM_VR_PN)
        write_name(j, value);
    else if (vr == DCM_VR_DS)
        write_decimal(j, span_trim(value));
    else if (vr == DCM_VR_IS)
        write_integer(j, span_trim(value));
    else
        json_text(j->w, value);
}

/* "Value":[ behind "vr", and its end. */
static void begin_values(Writer *j)
{
    buf_append_span(j->w->out, SPAN(",\"Value\":["));
    j->w->comma = false;
}

static void end_values(Writer *j)
{
    buf_u8(j->w->out, ']');
    j->w->comma = true;
}

/* A value of padding alone is an empty one. */
static void write_text(Writer *j, const DcmDataset *ds, const DcmElement *e)
{
    ModelText text = model_text(&j->model, ds, e);
    Span value;
    if (model_is_blank(&text))
        return;
    begin_values(j);
    while (model_text_next(&j->model, &text, &value))
        write_text_value(j, e->vr, value);
    end_values(j);
}

static void write_numbers(Writer *j, const DcmDataset *ds, const DcmElement *e)
{
    ModelNumber number;
    begin_values(j);
    for (size_t i = 0; model_number(ds, e, i, &number); i++) {
        Span text = span_of(number.text, number.n);
        if (number.plain)
            json_raw(j->w, text);
        else
            json_text(j->w, text);
    }
    end_values(j);
}

static void write_items(Writer *j, const DcmElement *e)
{
    begin_values(j);
    for (uint32_t i = 0; i < e->item_count; i++) {
        size_t mark = model_enter_item(&j->model, e->tag, i);
        write_dataset(j, e->items[i]);
        model_leave(&j->model, mark);
    }
    end_values(j);
}

static void write_inline(Writer *j, const DcmDataset *ds, const DcmElement *e)
{
    json_key(j->w, "InlineBinary");
    json_raw(j->w, SPAN("\""));
    model_base64(ds, e, j->w->out);
    buf_u8(j->w->out, '"');
}

static void write_bulk(Writer *j)
{
    json_key(j->w, "BulkDataURI");
    json_text(j->w, buf_span(&j->model.scratch));
}

/* -- elements -- */

/* "00100010":{"vr":"PN": the same for every element, and so in one piece. */
static void write_head(Writer *j, const DcmElement *e)
{
    char head[] = "\"00000000\":{\"vr\":\"UN\"", hex[9];
    memcpy(head + 1, dcm_tag_hex(e->tag, hex), 8);
    memcpy(head + 18, model_vr(e), 2);
    json_raw(j->w, span_of(head, sizeof head - 1));
}

static void write_element(Writer *j, const DcmDataset *ds, const DcmElement *e)
{
    ModelForm form = model_form(&j->model, e);
    if (form != MODEL_OMIT) {
        write_head(j, e);
        if (form == MODEL_TEXT)
            write_text(j, ds, e);
        else if (form == MODEL_NUMBER)
            write_numbers(j, ds, e);
        else if (form == MODEL_SEQUENCE)
            write_items(j, e);
        else if (form == MODEL_INLINE)
            write_inline(j, ds, e);
        else if (form == MODEL_BULK)
            write_bulk(j);
        json_end_object(j->w);
    }
}

static void write_dataset(Writer *j, const DcmDataset *ds)
{
    json_begin_object(j->w);
    for (size_t i = 0; i < ds->count; i++)
        write_element(j, ds, &ds->elements[i]);
    json_end_object(j->w);
}

bool dcm_json_write(JsonWriter *w, const DcmDataset *ds, const DcmJsonOptions *options, Err *err)
{
    Writer j = {.w = w};
    model_init(&j.model, options);
    write_dataset(&j, ds);
    model_free(&j.model);
    return !w->out->failed ||
           err_set(err, ERR_LIMIT, "DICOM JSON: the text grows beyond %zu bytes", w->out->limit);
}
