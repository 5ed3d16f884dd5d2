// SPDX-License-Identifier: MIT
/*
 * UTF-8 into the listed sets, PS3.5 §6.1.2.5: each character goes into the first set that has it; the sets of value 1 are
 * back before each delimiter and at the end. An ESC in the text is no character here, so that text cannot smuggle
 * in a designation, and no character above ASCII ever becomes a backslash (the yen sign of JIS X 0201 would).
 */
#include "dicom/charset_internal.h"

#include <string.h>
#include <utf8proc.h>

typedef struct Encoder {
    const DcmCharset *charset;
    const CharSet *g0, *g1; /* g1: what the reader will find designated; NULL = nothing */
    Buf *out;
    bool ok;
} Encoder;

/* Characters that vendors' tables place elsewhere than the standard's. */
static const struct {
    uint16_t code, other;
} twins[] = {
    {0x00A5, 0xFFE5}, {0x00B7, 0x30FB}, {0x2014, 0x2015}, {0x2015, 0x2014}, {0xFF5E, 0x301C},
    {0x301C, 0xFF5E}, {0xFF0D, 0x2212}, {0x2212, 0xFF0D}, {0x2225, 0x2016}, {0x2016, 0x2225},
    {0xFFE0, 0x00A2}, {0xFFE1, 0x00A3}, {0xFFE2, 0x00AC},
};

/* Value 1 cannot be a double-byte set, so an initial G1 is a single-byte one. */
static void start(Encoder *e)
{
    e->g0 = e->charset->g0;
    e->g1 = e->charset->g1;
}

static void switch_to(Encoder *e, const CharSet **current, const CharSet *set, const char *escape)
{
    if (*current != set && e->charset->extension)
        buf_append_cstr(e->out, escape);
    *current = set;
}

/* Brings back the sets of value 1. What value 1 leaves open in G1 needs no escape: the reader forgets it. */
static void reset(Encoder *e)
{
    const DcmCharset *c = e->charset;
    if (e->g0 != c->g0)
        buf_append_cstr(e->out, *c->g0->escape_g0 ? c->g0->escape_g0 : charset_row(6, true)->escape_g0);
    if (e->g1 != c->g1 && c->g1)
        buf_append_cstr(e->out, c->g1->escape_g1);
    start(e);
}

static void put_ascii(Encoder *e, uint8_t byte, bool pn)
{
    const DcmCharset *c = e->charset;
    if (byte == 0x1B || (byte == '~' && c->g0->kind == SET_JIS_X_0201)) {
        e->ok = false;
        byte = '?';
    }
    if (charset_is_delimiter(byte, pn))
        reset(e);
    else if (e->g0 != c->g0 && byte >= ' ') {
        const char *escape = *c->g0->escape_g0 ? c->g0->escape_g0 : charset_row(6, true)->escape_g0;
        switch_to(e, &e->g0, c->g0, escape);
    }
    buf_u8(e->out, byte);
}

/* The bytes of a character in a set, in the half of the code table where the set lives; 0 when it lacks it. */
static size_t find_in(const CharSet *set, Span character, uint32_t code, uint8_t out[8])
{
    if (set->kind == SET_SINGLE) {
        for (unsigned i = 0x20; i < 128; i++)
            if (set->upper[i] == code) {
                out[0] = (uint8_t)(0x80 + i);
                return 1;
            }
        return 0;
    }
    if (set->kind == SET_JIS_X_0201) {
        out[0] = code == 0x203E ? 0x7E : (uint8_t)(code - 0xFF61 + 0xA1);
        return code == 0x203E || (code >= 0xFF61 && code <= 0xFF9F);
    }
    if (set->kind == SET_ASCII)
        return 0;
    size_t n = charset_from_utf8(set->writes, character, out);
    if (set->ir == 159 && n == 3 && out[0] == 0x8F)
        memmove(out, out + 1, n = 2);
    else if (set->ir == 159)
        return 0;
    if (n != 2 || out[0] < 0xA1 || out[1] < 0xA1)
        return 0;
    for (size_t i = 0; set->kind == SET_DOUBLE_G0 && i < n; i++)
        out[i] &= 0x7F;
    return n;
}

static bool put_in_first_set(Encoder *e, Span character, uint32_t code)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < e->charset->count; i++) {
        const CharSet *set = e->charset->set[i];
        size_t n = find_in(set, character, code, bytes);
        if (!n)
            continue;
        if (bytes[0] < 0x80)
            switch_to(e, &e->g0, set, set->escape_g0);
        else
            switch_to(e, &e->g1, set, set->escape_g1);
        buf_append(e->out, bytes, n);
        return true;
    }
    return false;
}

static bool put_twin(Encoder *e, uint32_t code)
{
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        uint8_t text[4];
        if (twins[i].code != code)
            continue;
        size_t n = (size_t)utf8proc_encode_char(twins[i].other, text);
        if (put_in_first_set(e, span_of(text, n), twins[i].other))
            return true;
    }
    return false;
}

static bool put_whole(const CharSet *set, Span character, Buf *out)
{
    uint8_t bytes[8];
    if (set->kind == SET_UTF8)
        return buf_append_span(out, character);
    size_t n = charset_from_utf8(set->writes, character, bytes);
    return n && buf_append(out, bytes, n);
}

bool dcm_charset_encode(const DcmCharset *charset, Span utf8, bool pn, Buf *out)
{
    Encoder e = {.charset = charset, .out = out, .ok = true};
    const CharSet *first = charset->set[0];
    bool whole = first->kind == SET_UTF8 || first->kind == SET_GB;
    start(&e);
    for (size_t at = 0, n; at < utf8.n; at += n) {
        Span rest = span_sub(utf8, at, 4);
        utf8proc_int32_t code = -1;
        utf8proc_ssize_t got = utf8proc_iterate(rest.p, (utf8proc_ssize_t)rest.n, &code);
        n = got > 0 ? (size_t)got : 1;
        Span character = span_sub(rest, 0, n);
        if (got > 0 && code < 0x80 && whole)
            buf_u8(out, (uint8_t)code);
        else if (got > 0 && code < 0x80)
            put_ascii(&e, (uint8_t)code, pn);
        else if (got > 0 && whole && put_whole(first, character, out))
            continue;
        else if (got > 0 && !whole &&
                 (put_in_first_set(&e, character, (uint32_t)code) || put_twin(&e, (uint32_t)code)))
            continue;
        else {
            e.ok = false;
            put_ascii(&e, '?', pn);
        }
    }
    reset(&e);
    return e.ok;
}
