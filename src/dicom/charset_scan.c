// SPDX-License-Identifier: MIT
/*
 * The reader of code units: ISO 2022 as DICOM uses it, PS3.5 §6.1.2.4 and 6.1.2.5. G0 is read below 0x80, G1 above; escapes
 * designate; delimiters bring back the sets of value 1. Every known escape is honoured, declared or not. Splitting and
 * decoding both stand on charset_next, so that they never disagree on what is a backslash.
 */
#include "dicom/charset_internal.h"

#include <string.h>

enum { ESC = 0x1B };

CharState charset_initial(const DcmCharset *charset)
{
    return (CharState){.g0 = charset->g0, .g1 = charset->g1};
}

bool charset_is_delimiter(uint8_t byte, bool pn)
{
    return byte == '\\' || byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r' ||
           (pn && (byte == '^' || byte == '='));
}

static CharUnit unit(UnitKind kind, size_t n, const CharSet *set)
{
    return (CharUnit){kind, (uint8_t)n, set};
}

static uint8_t byte_at(Span s, size_t i)
{
    return i < s.n ? s.p[i] : 0;
}

static bool is_in(uint8_t byte, uint8_t low, uint8_t high)
{
    return byte >= low && byte <= high;
}

/* Designations that are no row of the table: the 1978 edition and the long form of JIS X 0208. */
static const char old_kanji[] = "\x1b\x24\x40", long_kanji[] = "\x1b\x24\x28\x42";

static CharUnit read_escape(CharState *state, Span rest)
{
    for (size_t i = 0; i < charset_row_count; i++) {
        const CharSet *row = &charset_rows[i];
        if (*row->escape_g0 && span_starts(rest, span_cstr(row->escape_g0))) {
            state->g0 = row;
            return unit(UNIT_ESCAPE, strlen(row->escape_g0), row);
        }
        if (*row->escape_g1 && span_starts(rest, span_cstr(row->escape_g1))) {
            state->g1 = state->last_g1 = row;
            return unit(UNIT_ESCAPE, strlen(row->escape_g1), row);
        }
    }
    Span old = span_cstr(old_kanji), extended = span_cstr(long_kanji);
    if (!span_starts(rest, old) && !span_starts(rest, extended))
        return unit(UNIT_BAD, 1, NULL);
    state->g0 = charset_row(87, true);
    return unit(UNIT_ESCAPE, span_starts(rest, old) ? old.n : extended.n, state->g0);
}

/* GB18030 and its subset: one, two or four bytes. */
static CharUnit read_gb(const CharSet *set, Span rest)
{
    uint8_t second = byte_at(rest, 1);
    if (rest.p[0] < 0x80)
        return unit(UNIT_ASCII, 1, set);
    if (!is_in(rest.p[0], 0x81, 0xFE))
        return unit(UNIT_BAD, 1, NULL);
    if (is_in(second, 0x40, 0x7E) || is_in(second, 0x80, 0xFE))
        return unit(UNIT_SET, 2, set);
    if (is_in(second, '0', '9') && is_in(byte_at(rest, 2), 0x81, 0xFE) && is_in(byte_at(rest, 3), '0', '9'))
        return unit(UNIT_SET, 4, set);
    return unit(UNIT_BAD, 1, NULL);
}

static CharUnit read_low(const DcmCharset *charset, CharState *state, Span rest, bool pn)
{
    uint8_t byte = rest.p[0];
    bool graphic = is_in(byte, 0x21, 0x7E);
    if (state->g0->kind == SET_DOUBLE_G0 && graphic) {
        if (is_in(byte_at(rest, 1), 0x21, 0x7E))
            return unit(UNIT_SET, 2, state->g0);
        if (!charset_is_delimiter(byte, pn))
            return unit(UNIT_BAD, 1, NULL);
    }
    if (charset_is_delimiter(byte, pn)) {
        const CharSet *last = state->last_g1;
        *state = charset_initial(charset);
        state->last_g1 = last;
        return unit(UNIT_ASCII, 1, NULL);
    }
    if (byte == 0x7E && state->g0->kind == SET_JIS_X_0201)
        return unit(UNIT_SET, 1, state->g0);
    return unit(UNIT_ASCII, 1, NULL);
}

static CharUnit read_katakana(const CharSet *set, Span rest)
{
    uint8_t second = byte_at(rest, 1);
    if (is_in(rest.p[0], 0xA1, 0xDF))
        return unit(UNIT_SET, 1, set);
    bool lead = is_in(rest.p[0], 0x81, 0x9F) || is_in(rest.p[0], 0xE0, 0xFC);
    if (lead && (is_in(second, 0x40, 0x7E) || is_in(second, 0x80, 0xFC)))
        return unit(UNIT_SET, 2, set);
    return unit(UNIT_BAD, 1, NULL);
}

static CharUnit read_double_g1(const CharSet *set, Span rest)
{
    uint8_t lead = rest.p[0], second = byte_at(rest, 1);
    if (is_in(lead, 0xA1, 0xFE) && is_in(second, 0xA1, 0xFE))
        return unit(UNIT_SET, 2, set);
    if (set->reads == CODEC_UHC && is_in(lead, 0x81, 0xFE) &&
        (is_in(second, 'A', 'Z') || is_in(second, 'a', 'z') || is_in(second, 0x81, 0xFE)))
        return unit(UNIT_SET, 2, set);
    return unit(UNIT_BAD, 1, NULL);
}

/* Korean and Chinese senders forget the escape after a delimiter: what was designated last goes on then. */
static CharUnit read_high(const DcmCharset *charset, const CharState *state, Span rest)
{
    const CharSet *g1 = state->g1 ? state->g1 : state->last_g1 ? state->last_g1 : charset->lone_g1;
    if (!g1)
        return unit(UNIT_GUESS, 1, NULL);
    if (g1->kind == SET_JIS_X_0201)
        return read_katakana(g1, rest);
    if (g1->kind == SET_DOUBLE_G1)
        return read_double_g1(g1, rest);
    return unit(UNIT_SET, 1, g1);
}

CharUnit charset_next(const DcmCharset *charset, CharState *state, Span rest, bool pn)
{
    if (charset->set[0]->kind == SET_GB)
        return read_gb(charset->set[0], rest);
    if (rest.p[0] == ESC)
        return read_escape(state, rest);
    return rest.p[0] < 0x80 ? read_low(charset, state, rest, pn) : read_high(charset, state, rest);
}

bool dcm_charset_is_plain(const DcmCharset *charset, Span s)
{
    bool romaji = charset->g0->kind == SET_JIS_X_0201;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 0x80 || s.p[i] == ESC || (romaji && s.p[i] == 0x7E))
            return false;
    return true;
}

/* Sets in which no byte above 0x7F can be followed by a backslash that is its second half. */
static bool splits_bytewise(const DcmCharset *charset, Span s)
{
    SetKind kind = charset->set[0]->kind;
    if (kind == SET_UTF8)
        return true;
    if (kind == SET_GB || kind == SET_JIS_X_0201)
        return dcm_charset_is_plain(charset, s);
    return span_index(s, ESC) == SIZE_MAX;
}

size_t dcm_charset_value_end(const DcmCharset *charset, Span s, bool pn)
{
    size_t first = span_index(s, '\\');
    if (first == SIZE_MAX)
        return s.n;
    if (splits_bytewise(charset, span_sub(s, 0, first)))
        return first;
    CharState state = charset_initial(charset);
    size_t at = 0;
    while (at < s.n) {
        CharUnit next = charset_next(charset, &state, span_sub(s, at, s.n), pn);
        if (next.kind == UNIT_ASCII && s.p[at] == '\\')
            return at;
        at += next.n;
    }
    return s.n;
}
