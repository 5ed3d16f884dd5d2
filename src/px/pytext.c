// SPDX-License-Identifier: MIT
#include "px/pytext.h"

#include "dicom/dict.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- text -- */

/* Text that its character set does not explain is read byte by byte, so that no two values become one. */
static void decode(const DcmCharset *charset, Span raw, bool pn, Buf *out)
{
    size_t before = out->n;
    if (dcm_charset_decode(charset, raw, pn, out))
        return;
    out->n = before;
    dcm_charset_decode(dcm_charset_default(), raw, pn, out);
}

/* Numbers in text keep their digits, without blanks around them. */
static bool is_number(DcmVr vr)
{
    return vr == DCM_VR_IS || vr == DCM_VR_DS;
}

/* Of person names, component groups at the end that are empty do not count. */
static void one_text(const DcmCharset *charset, DcmVr vr, Span raw, Buf *out)
{
    raw = is_number(vr) ? span_trim(raw) : span_rtrim(raw);
    while (vr == DCM_VR_PN && raw.n && raw.p[raw.n - 1] == '=')
        raw.n--;
    decode(charset, raw, vr == DCM_VR_PN, out);
}

static void text(const DcmDataset *dataset, const DcmElement *e, DcmVr vr, Buf *out)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    const DcmCharset *charset = info->charset ? dcm_dataset_charset(dataset) : dcm_charset_default();
    bool pn = vr == DCM_VR_PN;
    Span rest = span_rtrim(e->value);
    size_t end = info->multi ? dcm_charset_value_end(charset, rest, pn) : rest.n;
    if (end >= rest.n) {
        one_text(charset, vr, rest, out);
        return;
    }
    const char *quote = pn || is_number(vr) ? "" : "'";
    for (const char *before = "[";; before = ", ") {
        buf_printf(out, "%s%s", before, quote);
        one_text(charset, vr, span_sub(rest, 0, end), out);
        buf_append_cstr(out, quote);
        if (end >= rest.n)
            break;
        rest = span_sub(rest, end + 1, SIZE_MAX);
        end = dcm_charset_value_end(charset, rest, pn);
    }
    buf_u8(out, ']');
}

/* -- numbers -- */

/* The fewest digits that read back as the same number; at most "-d.dddddddddddddddde-308". */
static void shortest(double value, char out[40])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 40, "%.*e", digits - 1, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

void px_python_real(double value, Buf *out)
{
    enum { LEAST = -4, MOST = 16 };
    char text[40], digits[20];
    if (!isfinite(value)) {
        buf_append_cstr(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    shortest(value, text);
    char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10), count = 0;
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9')
            digits[count++] = *p;
    if (signbit(value))
        buf_u8(out, '-');
    if (exponent < LEAST || exponent >= MOST) {
        buf_printf(out, "%c%s%.*se%c%02d", digits[0], count > 1 ? "." : "", count - 1, digits + 1,
                   exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    int whole = exponent + 1; /* digits in front of the point */
    if (whole <= 0)
        buf_printf(out, "0.%.*s", -whole, "0000");
    for (int i = 0; i < count || i < whole; i++) {
        if (i == whole && whole > 0)
            buf_u8(out, '.');
        buf_u8(out, i < count ? (uint8_t)digits[i] : '0');
    }
    if (whole >= count && whole > 0)
        buf_append_cstr(out, ".0");
}

static double real_at(DcmVr vr, const uint8_t *p, bool big_endian)
{
    unsigned size = dcm_vr_info(vr)->unit;
    uint64_t bits = 0;
    for (unsigned i = 0; i < size; i++)
        bits = bits << 8 | p[big_endian ? i : size - 1 - i];
    if (vr == DCM_VR_FD) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

static void one_number(const DcmDataset *dataset, const DcmElement *e, DcmVr vr, uint32_t i, Arena *scratch,
                       Buf *out)
{
    if (vr == DCM_VR_FD || vr == DCM_VR_FL) {
        bool big = dataset->big_endian && e->vr != DCM_VR_UN;
        px_python_real(real_at(vr, e->value.p + (size_t)i * dcm_vr_info(vr)->unit, big), out);
        return;
    }
    const char *number = dcm_element_text(scratch, dataset, e, i);
    if (vr == DCM_VR_AT && strlen(number) == 8) {
        uint32_t tag = (uint32_t)strtoul(number, NULL, 16);
        buf_printf(out, "(%04" PRIx32 ", %04" PRIx32 ")", tag >> 16, tag & 0xFFFF);
        return;
    }
    buf_append_cstr(out, number);
}

static void numbers(const DcmDataset *dataset, const DcmElement *e, DcmVr vr, Buf *out)
{
    size_t count = e->value.n / dcm_vr_info(vr)->unit;
    Arena *scratch = arena_new(0);
    if (count > 1)
        buf_u8(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        buf_append_cstr(out, i ? ", " : "");
        one_number(dataset, e, vr, i, scratch, out);
        arena_reset(scratch);
    }
    if (count > 1)
        buf_u8(out, ']');
    arena_free(scratch);
}

/* -- bytes -- */

static void bytes(Span value, Buf *out)
{
    bool apostrophe = span_index(value, '\'') != SIZE_MAX, quote = span_index(value, '"') != SIZE_MAX;
    uint8_t around = apostrophe && !quote ? '"' : '\'';
    buf_u8(out, 'b');
    buf_u8(out, around);
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        if (c == around || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            buf_append_cstr(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c < 0x20 || c >= 0x7F)
            buf_printf(out, "\\x%02x", c);
        else
            buf_u8(out, c);
    }
    buf_u8(out, around);
}

/* -- sequences, as pydicom dumps them -- */

static void indent(int depth, Buf *out)
{
    while (depth-- > 0)
        buf_append_cstr(out, "   ");
}

/* Depth is bounded by the scanner's. */
static void dump(const DcmDataset *dataset, int depth, Buf *out)
{
    for (size_t i = 0; i < dataset->count; i++) {
        const DcmElement *e = &dataset->elements[i];
        const DcmDictEntry *entry = DCM_TAG_IS_PRIVATE(e->tag) ? NULL : dcm_dict(e->tag);
        buf_append_cstr(out, i ? "\n" : "");
        indent(depth, out);
        if (e->vr != DCM_VR_SQ) {
            dcm_element_describe(dataset, e, out);
            continue;
        }
        buf_printf(out, "(%04x, %04x)  %s  %" PRIu32 " item(s) ---- ", DCM_TAG_GROUP(e->tag),
                   DCM_TAG_ELEMENT(e->tag), entry ? entry->name : "Private tag data", e->item_count);
        for (uint32_t k = 0; k < e->item_count; k++) {
            buf_u8(out, '\n');
            dump(e->items[k], depth + 1, out);
            buf_u8(out, '\n');
            indent(depth + 1, out);
            buf_append_cstr(out, "---------");
        }
    }
}

static void sequence(const DcmElement *e, Buf *out)
{
    buf_u8(out, '[');
    for (uint32_t i = 0; i < e->item_count; i++)
        dump(e->items[i], 0, out);
    buf_u8(out, ']');
}

/* -- the whole -- */

bool px_python_text(const DcmDataset *dataset, const DcmElement *e, Buf *out)
{
    if (e->skipped || e->fragments)
        return false;
    DcmVr vr = e->vr == DCM_VR_UN ? dcm_dict_vr(e->tag, dcm_creator(dataset, e->tag)) : e->vr;
    const DcmVrInfo *info = dcm_vr_info(vr);
    if (e->vr == DCM_VR_SQ)
        sequence(e, out);
    else if (info->text && (e->value.n || !is_number(vr)))
        text(dataset, e, vr, out);
    else if (!e->value.n)
        buf_append_cstr(out, "None");
    else if (info->multi && info->unit > 1 && e->value.n % info->unit == 0)
        numbers(dataset, e, vr, out);
    else
        bytes(e->value, out);
    return true;
}
