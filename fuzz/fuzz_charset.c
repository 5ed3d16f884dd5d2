// SPDX-License-Identifier: MIT
/* First byte: character set and whether it is a name; then text. */
#include "fuzz.h"

#include "dicom/charset.h"
#include "dicom/pn.h"

#include <utf8proc.h>

static const char *const terms[] = {
    "",
    "ISO_IR 100",
    "ISO_IR 144",
    "ISO_IR 13",
    "ISO_IR 192",
    "GB18030",
    "GBK",
    "ISO 2022 IR 6\\ISO 2022 IR 100\\ISO 2022 IR 144",
    "ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159",
    "\\ISO 2022 IR 87",
    "\\ISO 2022 IR 149",
    "\\ISO 2022 IR 58",
    "ISO 2022 IR 100\\ISO 2022 IR 149\\ISO 2022 IR 87",
    "\\ISO 2022 IR 13\\ISO 2022 IR 58",
    "KLINGON",
};

static void check_utf8(Span s)
{
    while (s.n) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate(s.p, s.n < 4 ? (utf8proc_ssize_t)s.n : 4, &code);
        if (n <= 0)
            fuzz_broken();
        s = span_sub(s, (size_t)n, s.n);
    }
}

/* What is written can be read again, and a text without backslash stays one value. */
static void check_encode(const DcmCharset *charset, Span utf8, bool pn)
{
    Buf encoded, back;
    buf_init(&encoded, 0);
    buf_init(&back, 0);
    bool all = dcm_charset_encode(charset, utf8, pn, &encoded);
    if (span_index(utf8, '\\') == SIZE_MAX &&
        dcm_charset_value_end(charset, buf_span(&encoded), pn) != encoded.n)
        fuzz_broken();
    if (!dcm_charset_decode(charset, buf_span(&encoded), pn, &back))
        fuzz_broken();
    if (all && charset == dcm_charset_utf8() && !span_eq(utf8, buf_span(&back)))
        fuzz_broken();
    buf_free(&encoded);
    buf_free(&back);
}

int fuzz_charset(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    Span text = span_of(data + 1, size - 1);
    bool pn = data[0] & 0x80;
    dcm_charset(text, NULL);
    const DcmCharset *charset =
        dcm_charset(span_cstr(terms[(data[0] & 0x7F) % (sizeof terms / sizeof *terms)]), NULL);
    Buf utf8, folded;
    buf_init(&utf8, 0);
    buf_init(&folded, 0);
    size_t end = dcm_charset_value_end(charset, text, pn);
    if (end > text.n || (end < text.n && text.p[end] != '\\'))
        fuzz_broken();
    dcm_charset_decode(charset, text, pn, &utf8);
    check_utf8(buf_span(&utf8));
    check_encode(charset, buf_span(&utf8), pn);
    check_encode(charset, text, pn);
    dcm_fold(buf_span(&utf8), pn, &folded);
    check_utf8(buf_span(&folded));
    DcmPn name;
    dcm_pn_parse(buf_span(&utf8), &name);
    dcm_fold(text, pn, &folded);
    buf_free(&utf8);
    buf_free(&folded);
    return 0;
}
