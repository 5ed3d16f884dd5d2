// SPDX-License-Identifier: MIT
#include "dicom/json_value.h"
#include "dicom/tag.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Span text_of(const json_t *value)
{
    return span_of(json_string_value(value), json_string_length(value));
}

/* -- text -- */

static const char *append_text(Buf *out, DcmVr vr, const json_t *value)
{
    if (!json_is_string(value))
        return "a value must be a string";
    if (dcm_vr_info(vr)->multi && span_index(text_of(value), '\\') != SIZE_MAX)
        return "a value holds a backslash, which parts values";
    buf_append_span(out, text_of(value));
    return NULL;
}

/* A plain string is taken for a whole name, as some senders write it. */
static const char *append_name(Buf *out, const json_t *value)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    if (json_is_string(value))
        return append_text(out, DCM_VR_PN, value);
    if (!json_is_object(value))
        return "a name must be an object with Alphabetic, Ideographic or Phonetic";
    size_t pending = 0;
    for (size_t g = 0; g < 3; g++, pending++) {
        const json_t *group = json_object_get(value, groups[g]);
        if (!group || json_is_null(group))
            continue;
        if (!json_is_string(group))
            return "a component group of a name must be a string";
        Span text = text_of(group);
        if (span_index(text, '\\') != SIZE_MAX || span_index(text, '=') != SIZE_MAX)
            return "a component group of a name holds a backslash or equals sign";
        for (; text.n && pending; pending--)
            buf_u8(out, '=');
        buf_append_span(out, text);
    }
    return NULL;
}

/* At most 16 characters, as exact as they allow. */
static const char *append_decimal(Buf *out, const json_t *value)
{
    char text[40];
    if (json_is_string(value))
        return append_text(out, DCM_VR_DS, value);
    if (!json_is_number(value))
        return "a value must be a number or a string";
    double number = json_number_value(value);
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    if (!json_is_integer(value) || strlen(text) > 16) {
        int digits = 15;
        while (digits < 17 &&
               (snprintf(text, sizeof text, "%.*g", digits, number), strtod(text, NULL) != number))
            digits++;
        for (digits = 16; digits > 0 && strlen(text) > 16; digits--)
            snprintf(text, sizeof text, "%.*g", digits, number);
    }
    buf_append_cstr(out, text);
    return NULL;
}

/* -- numbers -- */

static bool to_integer(const json_t *value, int64_t *out)
{
    if (json_is_integer(value))
        *out = json_integer_value(value);
    else if (json_is_string(value))
        return span_to_i64(text_of(value), INT64_MIN, INT64_MAX, out);
    else if (json_is_real(value) && fabs(json_real_value(value)) < 9e15 &&
             json_real_value(value) <= floor(json_real_value(value)))
        *out = (int64_t)json_real_value(value);
    else
        return false;
    return true;
}

static const char *append_integer_string(Buf *out, const json_t *value)
{
    int64_t number;
    if (json_is_string(value))
        return append_text(out, DCM_VR_IS, value);
    if (!to_integer(value, &number) || number < INT32_MIN || number > INT32_MAX)
        return "a value must be an integer of 32 bits";
    buf_printf(out, "%lld", (long long)number);
    return NULL;
}

/* Digits beyond what fits in 63 bits. */
static bool to_large(const json_t *value, uint64_t *out)
{
    char text[24];
    if (!json_is_string(value) || !span_copy(span_trim(text_of(value)), text, sizeof text) ||
        strlen(text) != 20 || strspn(text, "0123456789") != 20 || strcmp(text, "18446744073709551615") > 0)
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static void append_little(Buf *out, uint64_t bits, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_u8(out, (uint8_t)(bits >> (8 * i)));
}

static const char *append_integer(Buf *out, DcmVr vr, const json_t *value)
{
    unsigned bytes = dcm_vr_info(vr)->unit;
    bool is_signed = vr == DCM_VR_SS || vr == DCM_VR_SL || vr == DCM_VR_SV;
    int64_t number, max = INT64_MAX;
    uint64_t large;
    if (bytes < 8)
        max = (int64_t)((UINT64_C(1) << (8 * bytes - is_signed)) - 1);
    if (vr == DCM_VR_UV && to_large(value, &large)) {
        append_little(out, large, 8);
        return NULL;
    }
    if (!to_integer(value, &number) || number > max || number < (is_signed ? -max - 1 : 0))
        return "a value must be an integer in the range of its VR";
    append_little(out, (uint64_t)number, bytes);
    return NULL;
}

static bool to_real(const json_t *value, double *out)
{
    static const struct {
        const char *text;
        double value;
    } words[] = {{"NaN", NAN},
                 {"Infinity", INFINITY},
                 {"-Infinity", -INFINITY},
                 {"inf", INFINITY},
                 {"-inf", -INFINITY}};
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    if (!json_is_string(value))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_eq_nocase(text_of(value), span_cstr(words[i].text))) {
            *out = words[i].value;
            return true;
        }
    return span_to_double(text_of(value), out);
}

static const char *append_real(Buf *out, DcmVr vr, const json_t *value)
{
    union {
        double d;
        uint64_t bits;
    } full;
    union {
        float f;
        uint32_t bits;
    } single;
    if (!to_real(value, &full.d))
        return "a value must be a number";
    single.f = isfinite(full.d) && fabs(full.d) > 3.4028235677973366e38 ? (float)copysign(INFINITY, full.d)
                                                                        : (float)full.d;
    append_little(out, vr == DCM_VR_FL ? single.bits : full.bits, vr == DCM_VR_FL ? 4 : 8);
    return NULL;
}

static const char *append_tag(Buf *out, const json_t *value)
{
    DcmTag tag;
    if (!json_is_string(value) || json_string_length(value) != 8 || !dcm_tag_parse(text_of(value), &tag))
        return "a value must be a tag of eight hexadecimal digits";
    append_little(out, DCM_TAG_GROUP(tag), 2);
    append_little(out, DCM_TAG_ELEMENT(tag), 2);
    return NULL;
}

const char *json_value_append(Buf *out, DcmVr vr, const json_t *value)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    if (!info->text && !info->multi)
        return "has a binary VR, which needs InlineBinary or BulkDataURI";
    if (json_is_null(value))
        return info->text ? NULL : "a number may not be null";
    switch ((int)vr) {
    case DCM_VR_PN:
        return append_name(out, value);
    case DCM_VR_DS:
        return append_decimal(out, value);
    case DCM_VR_IS:
        return append_integer_string(out, value);
    case DCM_VR_AT:
        return append_tag(out, value);
    case DCM_VR_FL:
    case DCM_VR_FD:
        return append_real(out, vr, value);
    default:
        return info->text ? append_text(out, vr, value) : append_integer(out, vr, value);
    }
}

/* -- base64 -- */

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool json_value_base64(Buf *out, Span text)
{
    uint32_t bits = 0;
    size_t digits = 0, padding = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '\r' || c == '\n')
            continue;
        int digit = digit_of(c);
        if (c == '=')
            padding++;
        if (padding ? c != '=' || padding > 2 : digit < 0)
            return false;
        if (padding)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        if (++digits % 4 != 1)
            buf_u8(out, (uint8_t)(bits >> (6 - 2 * ((digits - 1) % 4))));
    }
    return (digits + padding) % 4 == 0;
}
