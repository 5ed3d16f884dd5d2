// SPDX-License-Identifier: MIT
#include "base/json.h"
#include "base/number.h"

#include <math.h>

JsonWriter json_writer(Buf *out)
{
    return (JsonWriter){.out = out};
}

static void before_value(JsonWriter *w)
{
    if (w->comma)
        buf_u8(w->out, ',');
    w->comma = true;
}

static void open_with(JsonWriter *w, char c)
{
    before_value(w);
    buf_u8(w->out, (uint8_t)c);
    w->comma = false;
}

static void close_with(JsonWriter *w, char c)
{
    buf_u8(w->out, (uint8_t)c);
    w->comma = true;
}

void json_begin_object(JsonWriter *w)
{
    open_with(w, '{');
}

void json_end_object(JsonWriter *w)
{
    close_with(w, '}');
}

void json_begin_array(JsonWriter *w)
{
    open_with(w, '[');
}

void json_end_array(JsonWriter *w)
{
    close_with(w, ']');
}

static void write_escaped(Buf *out, uint8_t c)
{
    static const char short_form[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\') {
        buf_u8(out, '\\');
        buf_u8(out, c);
    } else if (c < sizeof short_form && short_form[c]) {
        buf_u8(out, '\\');
        buf_u8(out, (uint8_t)short_form[c]);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

static void write_string(Buf *out, Span s)
{
    buf_u8(out, '"');
    while (s.n) {
        size_t plain = 0;
        while (plain < s.n && s.p[plain] >= 0x20 && s.p[plain] < 0x7F && s.p[plain] != '"' &&
               s.p[plain] != '\\')
            plain++;
        buf_append(out, s.p, plain);
        s = span_sub(s, plain, s.n);
        if (!s.n)
            break;
        size_t n = span_utf8_length(s);
        if (n == 1 && s.p[0] != 0x7F)
            write_escaped(out, s.p[0]);
        else if (n)
            buf_append(out, s.p, n);
        else
            buf_append_cstr(out, "\xEF\xBF\xBD");
        s = span_sub(s, n ? n : 1, s.n);
    }
    buf_u8(out, '"');
}

void json_key(JsonWriter *w, const char *key)
{
    before_value(w);
    write_string(w->out, span_cstr(key));
    buf_u8(w->out, ':');
    w->comma = false;
}

void json_text(JsonWriter *w, Span text)
{
    before_value(w);
    write_string(w->out, text);
}

void json_cstr(JsonWriter *w, const char *text)
{
    if (text)
        json_text(w, span_cstr(text));
    else
        json_nothing(w);
}

void json_int(JsonWriter *w, int64_t value)
{
    char text[NUMBER_TEXT];
    json_raw(w, span_of(text, number_i64(value, text)));
}

void json_double(JsonWriter *w, double value)
{
    if (!isfinite(value)) {
        json_nothing(w);
        return;
    }
    char text[NUMBER_TEXT];
    json_raw(w, span_of(text, number_double(value, text)));
}

void json_bool(JsonWriter *w, bool value)
{
    json_raw(w, value ? SPAN("true") : SPAN("false"));
}

void json_nothing(JsonWriter *w)
{
    json_raw(w, SPAN("null"));
}

void json_raw(JsonWriter *w, Span text)
{
    before_value(w);
    buf_append_span(w->out, text);
}

void json_member(JsonWriter *w, const char *key, const char *text)
{
    json_key(w, key);
    json_cstr(w, text);
}

void json_member_int(JsonWriter *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}
