// SPDX-License-Identifier: MIT
/* Tags as text, PS3.5 §7.1 and the keyword of PS3.6. */
#include "dicom/tag.h"
#include "dicom/dict.h"

#include <stdio.h>

char *dcm_tag_format(DcmTag tag, char out[12])
{
    snprintf(out, 12, "(%04x,%04x)", DCM_TAG_GROUP(tag), DCM_TAG_ELEMENT(tag));
    return out;
}

char *dcm_tag_hex(DcmTag tag, char out[9])
{
    static const char digits[] = "0123456789ABCDEF";
    for (unsigned i = 0; i < 8; i++)
        out[i] = digits[tag >> (28 - 4 * i) & 15];
    out[8] = 0;
    return out;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly eight digits, with a comma allowed behind the fourth. */
static bool parse_hex(Span text, DcmTag *out)
{
    DcmTag tag = 0;
    size_t digits = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ',' && digits == 4 && i == 4)
            continue;
        int digit = hex_digit(text.p[i]);
        if (digit < 0 || ++digits > 8)
            return false;
        tag = tag << 4 | (DcmTag)digit;
    }
    if (digits != 8)
        return false;
    *out = tag;
    return true;
}

bool dcm_tag_parse(Span text, DcmTag *out)
{
    text = span_trim(text);
    if (text.n >= 2 && text.p[0] == '(' && text.p[text.n - 1] == ')')
        return parse_hex(span_sub(text, 1, text.n - 2), out);
    if (parse_hex(text, out))
        return true;
    const DcmDictEntry *entry = dcm_dict_keyword(text);
    if (!entry)
        return false;
    *out = entry->tag;
    return true;
}
