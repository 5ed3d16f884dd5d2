// SPDX-License-Identifier: MIT
/*
 * Person names, and the folding of text for matching that is blind to case or accents. Folding works on pieces of bounded
 * size in stack buffers, so that it needs no memory of its own whatever the length of the text.
 */
#include "dicom/pn.h"

#include <ctype.h>
#include <utf8proc.h>

static Span trim_group(Span group)
{
    while (group.n &&
           (group.p[group.n - 1] == ' ' || group.p[group.n - 1] == '^' || group.p[group.n - 1] == 0))
        group.n--;
    return group;
}

void dcm_pn_parse(Span utf8, DcmPn *out)
{
    *out = (DcmPn){0};
    bool more_groups = true;
    for (int g = 0; g < 3 && span_split(&utf8, '=', &out->group[g], &more_groups); g++) {
        out->group[g] = trim_group(out->group[g]);
        Span rest = out->group[g];
        bool more = true;
        for (int c = 0; c < 5 && span_split(&rest, '^', &out->component[g][c], &more); c++)
            out->component[g][c] = span_trim(out->component[g][c]);
    }
}

/* -- folding -- */

/* A code point of three bytes may become 18 (U+FDFA). */
enum { PIECE = 384, PIECE_CODES = PIECE * 6 + 16 };

/* Marks that are accents or vocalisation. Not the voicing marks of kana nor the vowel signs of Indic scripts and Thai:
   without them it is another letter. */
static bool is_accent(utf8proc_int32_t c)
{
    return (c >= 0x0300 && c <= 0x036F) || (c >= 0x0591 && c <= 0x05C7) || (c >= 0x064B && c <= 0x065F) ||
           c == 0x0670 || (c >= 0x1AB0 && c <= 0x1AFF) || (c >= 0x1DC0 && c <= 0x1DFF) ||
           (c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFE20 && c <= 0xFE2F);
}

/* Small letters with a stroke or joined, which Unicode does not take apart. */
static const struct {
    utf8proc_int32_t letter;
    char plain[3];
} strokes[] = {
    {0x00E6, "ae"}, {0x00F0, "d"}, {0x00F8, "o"},  {0x00FE, "th"}, {0x0111, "d"}, {0x0127, "h"},
    {0x0131, "i"},  {0x0142, "l"}, {0x0153, "oe"}, {0x0167, "t"},  {0x0180, "b"}, {0x0268, "i"},
};

static size_t strip_accents(utf8proc_int32_t *codes, size_t n, utf8proc_int32_t *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_accent(codes[i]))
            continue;
        const char *plain = NULL;
        for (size_t s = 0; codes[i] >= 0xE6 && s < sizeof strokes / sizeof *strokes; s++)
            if (strokes[s].letter == codes[i])
                plain = strokes[s].plain;
        if (!plain)
            out[kept++] = codes[i];
        for (; plain && *plain; plain++)
            out[kept++] = *plain;
    }
    return kept;
}

/* `piece` is valid UTF-8 of at most PIECE bytes. */
static void fold_piece(Span piece, bool accents, Buf *out)
{
    const int options = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD;
    utf8proc_int32_t codes[PIECE_CODES], stripped[PIECE_CODES * 2];
    utf8proc_ssize_t n = utf8proc_decompose(piece.p, (utf8proc_ssize_t)piece.n, codes, PIECE_CODES,
                                            (utf8proc_option_t)options);
    if (n < 0 || n > PIECE_CODES) {
        buf_append_span(out, piece);
        return;
    }
    utf8proc_int32_t *text = codes;
    if (accents) {
        n = (utf8proc_ssize_t)strip_accents(codes, (size_t)n, stripped);
        text = stripped;
    }
    n = utf8proc_normalize_utf32(text, n, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        uint8_t bytes[4];
        buf_append(out, bytes, (size_t)utf8proc_encode_char(text[i], bytes));
    }
}

static void fold_ascii(Span s, Buf *out)
{
    uint8_t *to = buf_reserve(out, s.n);
    if (!to)
        return;
    for (size_t i = 0; i < s.n; i++)
        to[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (uint8_t)(s.p[i] + 32) : s.p[i];
    out->n += s.n;
}

/* Length of a piece at the start of `s`: valid UTF-8, cut before an ASCII character where it can be, so that no mark
   is cut from its letter. 0 when `s` does not start with a character. */
static size_t piece_length(Span s, bool *ascii)
{
    size_t n = 0, cut = 0;
    *ascii = true;
    while (n < s.n) {
        utf8proc_int32_t code;
        Span rest = span_sub(s, n, 4);
        utf8proc_ssize_t step =
            rest.p[0] < 0x80 ? 1 : utf8proc_iterate(rest.p, (utf8proc_ssize_t)rest.n, &code);
        if (step <= 0)
            return n;
        if (n + (size_t)step > PIECE)
            return cut ? cut : n;
        if (step == 1)
            cut = n;
        else
            *ascii = false;
        n += (size_t)step;
    }
    return n;
}

void dcm_fold(Span utf8, bool accents, Buf *out)
{
    while (utf8.n) {
        bool ascii;
        size_t n = piece_length(utf8, &ascii);
        if (n == 0)
            buf_u8(out, utf8.p[0]);
        else if (ascii)
            fold_ascii(span_sub(utf8, 0, n), out);
        else
            fold_piece(span_sub(utf8, 0, n), accents, out);
        utf8 = span_sub(utf8, n ? n : 1, utf8.n);
    }
}
