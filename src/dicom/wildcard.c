// SPDX-License-Identifier: MIT
/*
 * Wildcards in time linear in the text: between two stars the leftmost occurrence of each part is enough, so nothing is ever
 * tried again. A part without ? is found by memmem (two-way, linear), one with ? of up to 64 characters by Shift-And; only
 * longer parts with ?, longer than any value of the VRs that have a length, cost their length for each character of text.
 */
#include "dicom/match.h"

#include <string.h>
#include <utf8proc.h>

enum { SHIFT_AND_MAX = 64 };

/* Bytes of the character at the front of `s`, which is not empty. A byte that is no UTF-8 is a character. */
static size_t take_character(Span s, uint32_t *code)
{
    *code = s.p[0];
    if (s.p[0] < 0x80)
        return 1;
    utf8proc_int32_t found;
    utf8proc_ssize_t n = utf8proc_iterate(s.p, s.n < 4 ? (utf8proc_ssize_t)s.n : 4, &found);
    if (n <= 0)
        return 1;
    *code = (uint32_t)found;
    return (size_t)n;
}

static size_t count_characters(Span s)
{
    size_t count = 0;
    uint32_t code;
    for (; s.n; count++)
        s = span_sub(s, take_character(s, &code), s.n);
    return count;
}

/* Does the part stand at the front of `text`? *rest becomes what follows. */
static bool stands_at(Span part, Span text, Span *rest)
{
    while (part.n) {
        uint32_t wanted, have;
        if (!text.n)
            return false;
        size_t n = take_character(part, &wanted), m = take_character(text, &have);
        if (wanted != '?' && (wanted != have || n != m))
            return false;
        part = span_sub(part, n, part.n);
        text = span_sub(text, m, text.n);
    }
    *rest = text;
    return true;
}

typedef struct Masks {
    uint64_t ascii[128], any; /* bit i: character i of the part may be this one */
    uint32_t other[SHIFT_AND_MAX];
    size_t count;
} Masks;

static void make_masks(Span part, Masks *m)
{
    memset(m, 0, sizeof *m);
    for (uint32_t code; part.n; m->count++) {
        part = span_sub(part, take_character(part, &code), part.n);
        uint64_t bit = UINT64_C(1) << m->count;
        m->other[m->count] = code;
        if (code == '?')
            m->any |= bit;
        else if (code < 128)
            m->ascii[code] |= bit;
    }
}

static uint64_t mask_of(const Masks *m, uint32_t code)
{
    uint64_t mask = m->any;
    if (code < 128)
        return mask | m->ascii[code];
    for (size_t i = 0; i < m->count; i++)
        mask |= m->other[i] == code ? UINT64_C(1) << i : 0;
    return mask;
}

static bool find_by_bits(Span part, Span text, Span *rest)
{
    Masks masks;
    make_masks(part, &masks);
    uint64_t state = 0, last = UINT64_C(1) << (masks.count - 1);
    while (text.n) {
        uint32_t code;
        text = span_sub(text, take_character(text, &code), text.n);
        state = (state << 1 | 1) & mask_of(&masks, code);
        if (state & last) {
            *rest = text;
            return true;
        }
    }
    return false;
}

/* The leftmost occurrence of `part` in `text`; *rest becomes what follows it. */
static bool find(Span part, Span text, Span *rest)
{
    if (span_index(part, '?') == SIZE_MAX) {
        const uint8_t *at = part.n > text.n ? NULL : memmem(text.p, text.n, part.p, part.n);
        if (at)
            *rest = span_sub(text, (size_t)(at - text.p) + part.n, text.n);
        return at;
    }
    size_t length = count_characters(part);
    if (length <= SHIFT_AND_MAX)
        return find_by_bits(part, text, rest);
    for (size_t left = count_characters(text); left >= length; left--) {
        uint32_t code;
        if (stands_at(part, text, rest))
            return true;
        text = span_sub(text, take_character(text, &code), text.n);
    }
    return false;
}

/* Does `text` end with the part? */
static bool ends_with(Span part, Span text)
{
    size_t length = count_characters(part), left = count_characters(text);
    if (left < length)
        return false;
    for (uint32_t code; left > length; left--)
        text = span_sub(text, take_character(text, &code), text.n);
    Span rest;
    return stands_at(part, text, &rest);
}

bool dcm_wildcard(Span pattern, Span text)
{
    Span part;
    bool more = true;
    span_split(&pattern, '*', &part, &more);
    if (!stands_at(part, text, &text))
        return false;
    if (!more)
        return text.n == 0;
    while (span_split(&pattern, '*', &part, &more)) {
        if (!more)
            return ends_with(part, text);
        if (part.n && !find(part, text, &text))
            return false;
    }
    return false;
}
