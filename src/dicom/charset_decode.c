// SPDX-License-Identifier: MIT
/* One value to UTF-8. Characters of multi-byte sets are gathered and converted a run at a time. */
#include "dicom/charset_internal.h"

#include <string.h>
#include <utf8proc.h>

typedef struct Decoder {
    Buf *out;
    bool ok;
    CharCodec codec; /* of what is gathered */
    size_t n;
    uint8_t gathered[256];
} Decoder;

static void flush(Decoder *d)
{
    if (d->n && !charset_to_utf8(d->codec, span_of(d->gathered, d->n), d->out))
        d->ok = false;
    d->n = 0;
}

static void replace(Decoder *d)
{
    buf_append_cstr(d->out, CHARSET_REPLACEMENT);
    d->ok = false;
}

static void put_code_point(Decoder *d, uint32_t code)
{
    uint8_t text[4];
    if (code == 0)
        replace(d);
    else
        buf_append(d->out, text, (size_t)utf8proc_encode_char((utf8proc_int32_t)code, text));
}

/* In EUC-JP the two sets share G1: JIS X 0212 comes behind 0x8F. */
static void gather(Decoder *d, const CharSet *set, Span bytes)
{
    if (d->codec != set->reads || d->n + 5 > sizeof d->gathered)
        flush(d);
    d->codec = set->reads;
    if (set->ir == 159)
        d->gathered[d->n++] = 0x8F;
    uint8_t shift = set->kind == SET_DOUBLE_G0 ? 0x80 : 0;
    for (size_t i = 0; i < bytes.n; i++)
        d->gathered[d->n++] = bytes.p[i] | shift;
}

static void put_character(Decoder *d, const CharSet *set, Span bytes)
{
    if (bytes.n > 1) {
        gather(d, set, bytes);
        return;
    }
    flush(d);
    if (set->kind == SET_JIS_X_0201)
        put_code_point(d, bytes.p[0] == 0x7E ? 0x203E : 0xFF61 + (uint32_t)bytes.p[0] - 0xA1);
    else
        put_code_point(d, set->upper[bytes.p[0] - 0x80]);
}

/* Returns how many bytes were taken. */
static size_t put_guess(Decoder *d, Span rest)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t n = utf8proc_iterate(rest.p, rest.n < 4 ? (utf8proc_ssize_t)rest.n : 4, &code);
    if (n > 1) {
        buf_append(d->out, rest.p, (size_t)n);
        return (size_t)n;
    }
    put_code_point(d, charset_row(100, false)->upper[rest.p[0] - 0x80]);
    return 1;
}

static size_t put_unit(Decoder *d, CharUnit next, Span rest)
{
    if (next.kind == UNIT_SET) {
        put_character(d, next.set, span_sub(rest, 0, next.n));
        return next.n;
    }
    flush(d);
    if (next.kind == UNIT_GUESS)
        return put_guess(d, rest);
    if (next.kind == UNIT_ASCII)
        buf_u8(d->out, rest.p[0]);
    else if (next.kind == UNIT_BAD)
        replace(d);
    return next.n;
}

static bool copy_utf8(Span s, Buf *out)
{
    bool ok = true;
    while (s.n) {
        size_t good = 0;
        while (good < s.n) {
            utf8proc_int32_t code;
            size_t left = s.n - good < 4 ? s.n - good : 4;
            if (s.p[good] < 0x80)
                good++;
            else if (utf8proc_iterate(s.p + good, (utf8proc_ssize_t)left, &code) > 0)
                good += (size_t)utf8proc_utf8class[s.p[good]];
            else
                break;
        }
        buf_append(out, s.p, good);
        if (good < s.n) {
            ok = false;
            buf_append_cstr(out, CHARSET_REPLACEMENT);
        }
        s = span_sub(s, good + 1, s.n);
    }
    return ok;
}

bool dcm_charset_decode(const DcmCharset *charset, Span s, bool pn, Buf *utf8)
{
    if (dcm_charset_is_plain(charset, s)) {
        buf_append_span(utf8, s);
        return true;
    }
    if (charset->set[0]->kind == SET_UTF8)
        return copy_utf8(s, utf8);
    Decoder d = {.out = utf8, .ok = true};
    CharState state = charset_initial(charset);
    for (size_t at = 0; at < s.n;) {
        Span rest = span_sub(s, at, s.n);
        at += put_unit(&d, charset_next(charset, &state, rest, pn), rest);
    }
    flush(&d);
    return d.ok;
}
