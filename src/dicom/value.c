// SPDX-License-Identifier: MIT
/*
 * Values of elements. An element that came as UN is read as what the dictionary knows it to be; its bytes are little endian
 * then, whatever the data set is (PS3.5 §6.2.2).
 */
#include "dicom/value.h"
#include "base/cursor.h"
#include "dicom/dict.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static DcmVr vr_of(const DcmDataset *ds, const DcmElement *e)
{
    return e->vr == DCM_VR_UN ? dcm_dict_vr(e->tag, dcm_creator(ds, e->tag)) : e->vr;
}

static bool is_numeric(DcmVr vr)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    return info->multi && !info->text && info->unit > 1;
}

/* Value i of text as encoded, not trimmed. */
static bool text_value(const DcmDataset *ds, const DcmElement *e, DcmVr vr, uint32_t i, Span *out)
{
    Span rest = e->value;
    const DcmVrInfo *info = dcm_vr_info(vr);
    if (!info->text || rest.n == 0)
        return false;
    if (!info->multi) {
        *out = rest;
        return i == 0;
    }
    const DcmCharset *charset = info->charset ? dcm_dataset_charset(ds) : NULL;
    for (;;) {
        size_t end = charset ? dcm_charset_value_end(charset, rest, vr == DCM_VR_PN) : span_index(rest, '\\');
        *out = span_sub(rest, 0, end);
        if (i-- == 0)
            return true;
        if (end >= rest.n)
            return false;
        rest = span_sub(rest, end + 1, rest.n);
    }
}

/* Leading spaces count in ST, LT, UT, UC and UR; trailing padding never does. */
static Span trim(DcmVr vr, Span s)
{
    bool keeps_leading =
        vr == DCM_VR_ST || vr == DCM_VR_LT || vr == DCM_VR_UT || vr == DCM_VR_UC || vr == DCM_VR_UR;
    return keeps_leading ? span_rtrim(s) : span_trim(s);
}

static uint32_t count_text(const DcmDataset *ds, const DcmElement *e, DcmVr vr)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    if (!info->multi)
        return 1;
    const DcmCharset *charset = info->charset ? dcm_dataset_charset(ds) : NULL;
    Span rest = e->value;
    for (uint32_t n = 1;; n++) {
        size_t end = charset ? dcm_charset_value_end(charset, rest, vr == DCM_VR_PN) : span_index(rest, '\\');
        if (end >= rest.n)
            return n;
        rest = span_sub(rest, end + 1, rest.n);
    }
}

static uint32_t element_count(const DcmDataset *ds, const DcmElement *e)
{
    DcmVr vr = vr_of(ds, e);
    if (e->vr == DCM_VR_SQ || e->length == DCM_UNDEFINED_LENGTH)
        return e->item_count > 0;
    if (e->value.n == 0)
        return 0;
    if (dcm_vr_info(vr)->text)
        return count_text(ds, e, vr);
    return is_numeric(vr) ? (uint32_t)(e->value.n / dcm_vr_info(vr)->unit) : 1;
}

uint32_t dcm_value_count(const DcmDataset *ds, DcmTag tag)
{
    const DcmElement *e = dcm_find(ds, tag);
    return e ? element_count(ds, e) : 0;
}

Span dcm_text_raw(const DcmDataset *ds, DcmTag tag, uint32_t i)
{
    const DcmElement *e = dcm_find(ds, tag);
    Span value;
    if (!e || !text_value(ds, e, vr_of(ds, e), i, &value))
        return (Span){(const uint8_t *)"", 0};
    return trim(vr_of(ds, e), value);
}

bool dcm_uid(const DcmDataset *ds, DcmTag tag, char out[65])
{
    Span value = dcm_text_raw(ds, tag, 0);
    return value.n > 0 && value.n <= DCM_UID_MAX && span_copy(value, out, 65);
}

static int64_t sign_extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return (int64_t)(v << shift) >> shift;
}

/* The bits of binary value i. */
static bool bits(const DcmDataset *ds, const DcmElement *e, DcmVr vr, uint32_t i, uint64_t *out)
{
    unsigned unit = dcm_vr_info(vr)->unit;
    Cursor c = cur_of(e->value, ds->big_endian && e->vr != DCM_VR_UN);
    cur_skip(&c, (size_t)i * unit);
    if (vr == DCM_VR_AT) {
        uint64_t group = cur_u16(&c);
        *out = group << 16 | cur_u16(&c);
    } else {
        *out = unit == 2 ? cur_u16(&c) : unit == 4 ? cur_u32(&c) : cur_u64(&c);
    }
    return !c.failed;
}

static double as_real(DcmVr vr, uint64_t raw)
{
    if (vr == DCM_VR_FD) {
        double d;
        memcpy(&d, &raw, sizeof d);
        return d;
    }
    float f;
    uint32_t low = (uint32_t)raw;
    memcpy(&f, &low, sizeof f);
    return f;
}

static bool is_signed(DcmVr vr)
{
    return vr == DCM_VR_SS || vr == DCM_VR_SL || vr == DCM_VR_SV;
}

static bool is_floating(DcmVr vr)
{
    return vr == DCM_VR_FL || vr == DCM_VR_FD;
}

/* "12", and "12.0" as some write it. */
static bool text_int(Span text, int64_t *out)
{
    double d;
    if (span_to_i64(text, INT64_MIN, INT64_MAX, out))
        return true;
    if (!span_to_double(text, &d) || d != floor(d) || fabs(d) > 9e15)
        return false;
    *out = (int64_t)d;
    return true;
}

bool dcm_int(const DcmDataset *ds, DcmTag tag, uint32_t i, int64_t *out)
{
    const DcmElement *e = dcm_find(ds, tag);
    if (!e)
        return false;
    DcmVr vr = vr_of(ds, e);
    if (dcm_vr_info(vr)->text) {
        Span text;
        return (vr == DCM_VR_IS || vr == DCM_VR_DS) && text_value(ds, e, vr, i, &text) &&
               text_int(span_trim(text), out);
    }
    uint64_t raw;
    if (!is_numeric(vr) || is_floating(vr) || !bits(ds, e, vr, i, &raw))
        return false;
    if (vr == DCM_VR_UV && raw > INT64_MAX)
        return false;
    *out = is_signed(vr) ? sign_extend(raw, dcm_vr_info(vr)->unit) : (int64_t)raw;
    return true;
}

bool dcm_real(const DcmDataset *ds, DcmTag tag, uint32_t i, double *out)
{
    const DcmElement *e = dcm_find(ds, tag);
    if (!e)
        return false;
    DcmVr vr = vr_of(ds, e);
    if (vr == DCM_VR_DS || vr == DCM_VR_IS) {
        Span text;
        return text_value(ds, e, vr, i, &text) && span_to_double(span_trim(text), out);
    }
    uint64_t raw;
    int64_t integer;
    if (is_floating(vr)) {
        if (!bits(ds, e, vr, i, &raw))
            return false;
        *out = as_real(vr, raw);
        return true;
    }
    if (vr == DCM_VR_UV && bits(ds, e, vr, i, &raw)) {
        *out = (double)raw;
        return true;
    }
    if (!dcm_int(ds, tag, i, &integer))
        return false;
    *out = (double)integer;
    return true;
}

/* The shortest text that reads back as the same number. */
static void real_text(double value, bool single, Buf *out)
{
    char text[40];
    int most = single ? 9 : 17;
    for (int digits = single ? 6 : 15; digits <= most; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value)
            break;
    }
    buf_append_cstr(out, text);
}

/* Binary value i as decimal text; AT as eight hex digits. */
static void number_text(const DcmDataset *ds, const DcmElement *e, DcmVr vr, uint32_t i, Buf *out)
{
    uint64_t raw = 0;
    if (!bits(ds, e, vr, i, &raw))
        return;
    if (vr == DCM_VR_AT)
        buf_printf(out, "%08" PRIX64, raw);
    else if (is_floating(vr))
        real_text(as_real(vr, raw), vr == DCM_VR_FL, out);
    else if (is_signed(vr))
        buf_printf(out, "%" PRId64, sign_extend(raw, dcm_vr_info(vr)->unit));
    else
        buf_printf(out, "%" PRIu64, raw);
}

static void value_text(const DcmDataset *ds, const DcmElement *e, DcmVr vr, Span raw, Buf *out)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    const DcmCharset *charset = info->charset ? dcm_dataset_charset(ds) : dcm_charset_default();
    dcm_charset_decode(charset, trim(vr, raw), vr == DCM_VR_PN, out);
}

static const char *to_arena(Arena *arena, Buf *text)
{
    const char *copy = arena_span_cstr(arena, buf_span(text));
    buf_free(text);
    return copy;
}

const char *dcm_element_text(Arena *arena, const DcmDataset *ds, const DcmElement *e, uint32_t i)
{
    DcmVr vr = vr_of(ds, e);
    Buf text;
    Span raw;
    buf_init(&text, 0);
    if (is_numeric(vr))
        number_text(ds, e, vr, i, &text);
    else if (text_value(ds, e, vr, i, &raw))
        value_text(ds, e, vr, raw, &text);
    return to_arena(arena, &text);
}

/* All values of a text element in one walk, joined by backslash. */
static void all_text(const DcmDataset *ds, const DcmElement *e, DcmVr vr, Buf *out)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    const DcmCharset *charset = info->charset ? dcm_dataset_charset(ds) : NULL;
    Span rest = e->value;
    for (;;) {
        size_t end = rest.n;
        if (info->multi)
            end = charset ? dcm_charset_value_end(charset, rest, vr == DCM_VR_PN) : span_index(rest, '\\');
        value_text(ds, e, vr, span_sub(rest, 0, end), out);
        if (end >= rest.n)
            return;
        buf_u8(out, '\\');
        rest = span_sub(rest, end + 1, rest.n);
    }
}

static void element_text_all(const DcmDataset *ds, const DcmElement *e, uint32_t most, Buf *out)
{
    DcmVr vr = vr_of(ds, e);
    if (dcm_vr_info(vr)->text) {
        all_text(ds, e, vr, out);
    } else if (is_numeric(vr)) {
        uint32_t count = element_count(ds, e);
        for (uint32_t i = 0; i < count && i < most; i++) {
            if (i > 0)
                buf_u8(out, '\\');
            number_text(ds, e, vr, i, out);
        }
    }
}

const char *dcm_element_text_all(Arena *arena, const DcmDataset *ds, const DcmElement *e)
{
    Buf text;
    buf_init(&text, 0);
    element_text_all(ds, e, UINT32_MAX, &text);
    return to_arena(arena, &text);
}

const char *dcm_text(Arena *arena, const DcmDataset *ds, DcmTag tag, uint32_t i)
{
    const DcmElement *e = dcm_find(ds, tag);
    return e ? dcm_element_text(arena, ds, e, i) : "";
}

const char *dcm_text_all(Arena *arena, const DcmDataset *ds, DcmTag tag)
{
    const DcmElement *e = dcm_find(ds, tag);
    return e ? dcm_element_text_all(arena, ds, e) : NULL;
}

enum { DESCRIBE_BYTES = 80, DESCRIBE_NUMBERS = 12 };

static void describe_text(const DcmDataset *ds, const DcmElement *e, Buf *out)
{
    Buf text;
    buf_init(&text, 0);
    DcmElement head = *e;
    head.value = span_sub(e->value, 0, 4 * DESCRIBE_BYTES);
    element_text_all(ds, &head, DESCRIBE_NUMBERS, &text);
    size_t n = text.n;
    if (n > DESCRIBE_BYTES)
        for (n = DESCRIBE_BYTES; n > 0 && (text.p[n] & 0xC0) == 0x80;)
            n--;
    DcmVr vr = vr_of(ds, e);
    const char *quote = !dcm_vr_info(vr)->text || vr == DCM_VR_UI ? ""
                        : vr == DCM_VR_DS || vr == DCM_VR_IS      ? "\""
                                                                  : "'";
    bool cut = n < text.n || head.value.n < e->value.n;
    for (size_t i = 0; i < n; i++)
        if (text.p[i] < ' ' || text.p[i] == 0x7F)
            text.p[i] = '.';
    buf_printf(out, "%s%.*s%s%s", quote, (int)n, n ? (const char *)text.p : "", quote, cut ? " ..." : "");
    buf_free(&text);
}

static void describe_bytes(const DcmElement *e, Buf *out)
{
    size_t n = e->value.n < 16 ? e->value.n : 16;
    for (size_t i = 0; i < n; i++)
        buf_printf(out, i ? "\\%02x" : "%02x", e->value.p[i]);
    if (n < e->value.n)
        buf_printf(out, " ... (%zu bytes)", e->value.n);
}

static const char *description(DcmTag tag)
{
    if (DCM_TAG_IS_PRIVATE(tag))
        return DCM_TAG_IS_CREATOR(tag) ? "Private Creator" : "Private tag data";
    const DcmDictEntry *entry = dcm_dict(tag);
    return entry ? entry->name : "";
}

void dcm_element_describe(const DcmDataset *ds, const DcmElement *e, Buf *out)
{
    enum { NAME_WIDTH = 35 };
    DcmVr vr = vr_of(ds, e);
    buf_printf(out, "(%04x, %04x) %-*.*s %s: ", DCM_TAG_GROUP(e->tag), DCM_TAG_ELEMENT(e->tag), NAME_WIDTH,
               NAME_WIDTH, description(e->tag), dcm_vr_info(e->vr)->name);
    if (e->vr == DCM_VR_SQ)
        buf_printf(out, "%" PRIu32 " item%s", e->item_count, e->item_count == 1 ? "" : "s");
    else if (e->length == DCM_UNDEFINED_LENGTH)
        buf_printf(out, "%" PRIu32 " fragments", e->item_count);
    else if (e->skipped)
        buf_printf(out, "(%" PRIu32 " bytes, not read)", e->length);
    else if (dcm_vr_info(vr)->text || is_numeric(vr))
        describe_text(ds, e, out);
    else
        describe_bytes(e, out);
}
