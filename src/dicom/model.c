// SPDX-License-Identifier: MIT
#include "dicom/model.h"
#include "base/cursor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void model_init(Model *m, const DcmJsonOptions *options)
{
    m->options = options;
    buf_init(&m->path, 0);
    buf_init(&m->scratch, 0);
}

void model_free(Model *m)
{
    buf_free(&m->path);
    buf_free(&m->scratch);
}

/* -- the path -- */

size_t model_enter(Model *m, DcmTag tag)
{
    size_t mark = m->path.n;
    char hex[9];
    if (mark)
        buf_u8(&m->path, '/');
    buf_append_cstr(&m->path, dcm_tag_hex(tag, hex));
    return mark;
}

void model_enter_item(Model *m, uint32_t index)
{
    buf_printf(&m->path, "/%u", index);
}

void model_leave(Model *m, size_t mark)
{
    m->path.n = mark;
}

/* -- the form -- */

static bool is_binary(DcmVr vr)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    return !info->text && !info->multi && vr != DCM_VR_SQ;
}

static bool find_uri(Model *m, const DcmElement *e)
{
    if (!m->options || !m->options->bulk_uri)
        return false;
    buf_clear(&m->scratch);
    return m->options->bulk_uri(m->options->ctx, buf_cstr(&m->path), e, &m->scratch) && m->scratch.n;
}

bool model_has(DcmTag tag)
{
    return DCM_TAG_ELEMENT(tag) != 0 && DCM_TAG_GROUP(tag) != 0x0000 && DCM_TAG_GROUP(tag) != 0x0002;
}

/* Encapsulated pixel data has no inline form: its fragments are no value. */
ModelForm model_form(Model *m, const DcmElement *e)
{
    if (!model_has(e->tag))
        return MODEL_OMIT;
    if (e->tag == DCM_TAG(0x0008, 0x0005))
        return MODEL_TEXT;
    if (e->vr == DCM_VR_SQ)
        return e->item_count ? MODEL_SEQUENCE : MODEL_EMPTY;
    if (e->skipped || e->fragments)
        return find_uri(m, e) ? MODEL_BULK : MODEL_OMIT;
    if (!e->value.n)
        return MODEL_EMPTY;
    if (!is_binary(e->vr))
        return dcm_vr_info(e->vr)->text ? MODEL_TEXT : MODEL_NUMBER;
    bool large = m->options && e->value.n > m->options->bulk_threshold;
    return large && find_uri(m, e) ? MODEL_BULK : MODEL_INLINE;
}

const char *model_vr(const DcmElement *e)
{
    if (e->tag == DCM_TAG(0x0008, 0x0005))
        return "CS";
    return e->vr == DCM_VR_NONE ? "UN" : dcm_vr_info(e->vr)->name;
}

/* -- text -- */

ModelText model_text(const DcmDataset *ds, const DcmElement *e)
{
    const DcmVrInfo *info = dcm_vr_info(e->vr);
    ModelText text = {.rest = e->value, .pn = e->vr == DCM_VR_PN, .multi = info->multi, .more = true};
    if (info->charset)
        text.charset = dcm_dataset_charset(ds);
    if (e->tag == DCM_TAG(0x0008, 0x0005))
        text = (ModelText){.rest = SPAN("ISO_IR 192"), .more = true};
    return text;
}

bool model_is_blank(const ModelText *text)
{
    for (size_t i = 0; i < text->rest.n; i++) {
        uint8_t c = text->rest.p[i];
        if (c != ' ' && c != 0 && (!text->pn || (c != '^' && c != '=')))
            return false;
    }
    return true;
}

bool model_text_next(Model *m, ModelText *text, Span *value)
{
    if (!text->more)
        return false;
    size_t end = text->rest.n;
    if (text->multi && text->charset)
        end = dcm_charset_value_end(text->charset, text->rest, text->pn);
    else if (text->multi && span_index(text->rest, '\\') != SIZE_MAX)
        end = span_index(text->rest, '\\');
    Span raw = span_rtrim(span_sub(text->rest, 0, end));
    text->more = end < text->rest.n;
    text->rest = span_sub(text->rest, end + 1, text->rest.n);
    *value = raw;
    if (text->charset) {
        buf_clear(&m->scratch);
        dcm_charset_decode(text->charset, raw, text->pn, &m->scratch);
        *value = buf_span(&m->scratch);
    }
    return true;
}

/* -- numbers -- */

static bool format_real(double value, bool single, char out[40])
{
    if (!isfinite(value)) {
        snprintf(out, 40, "%s", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        return false;
    }
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, value);
        double back = single ? (double)strtof(out, NULL) : strtod(out, NULL);
        if (back <= value && back >= value)
            break;
    }
    return true;
}

/* Beyond 2^53 a reader that knows only binary64 would round. */
static bool is_exact(int64_t value)
{
    return value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53;
}

static bool format_integer(int64_t value, char out[40])
{
    snprintf(out, 40, "%lld", (long long)value);
    return is_exact(value);
}

static bool format_unsigned(uint64_t value, char out[40])
{
    snprintf(out, 40, "%llu", (unsigned long long)value);
    return value <= UINT64_C(1) << 53;
}

static bool format_single(uint32_t bits, char out[40])
{
    union {
        uint32_t bits;
        float f;
    } u = {.bits = bits};
    return format_real((double)u.f, true, out);
}

static bool format_double(uint64_t bits, char out[40])
{
    union {
        uint64_t bits;
        double d;
    } u = {.bits = bits};
    return format_real(u.d, false, out);
}

static bool format_tag(Cursor *c, char out[40])
{
    unsigned group = cur_u16(c), element = cur_u16(c);
    snprintf(out, 40, "%04X%04X", group, element);
    return false;
}

bool model_number(const DcmDataset *ds, const DcmElement *e, size_t i, char out[40], bool *plain)
{
    size_t unit = dcm_vr_info(e->vr)->unit;
    Span bytes = span_sub(e->value, i * unit, unit);
    if (bytes.n < unit)
        return false;
    Cursor c = cur_of(bytes, ds->big_endian);
    switch ((int)e->vr) {
    case DCM_VR_AT:
        *plain = format_tag(&c, out);
        break;
    case DCM_VR_FL:
        *plain = format_single(cur_u32(&c), out);
        break;
    case DCM_VR_FD:
        *plain = format_double(cur_u64(&c), out);
        break;
    case DCM_VR_SS:
        *plain = format_integer((int16_t)cur_u16(&c), out);
        break;
    case DCM_VR_SL:
        *plain = format_integer((int32_t)cur_u32(&c), out);
        break;
    case DCM_VR_SV:
        *plain = format_integer((int64_t)cur_u64(&c), out);
        break;
    default:
        *plain = format_unsigned(unit == 2 ? cur_u16(&c) : unit == 4 ? cur_u32(&c) : cur_u64(&c), out);
        break;
    }
    return true;
}

/* -- base64, RFC 4648 §4 -- */

/* Byte i of the value in little endian. */
static uint32_t byte_at(Span value, size_t unit, size_t i)
{
    size_t first = i - i % unit;
    return value.p[first + unit <= value.n ? first + unit - 1 - i % unit : i];
}

void model_base64(const DcmDataset *ds, const DcmElement *e, Buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    Span value = e->value;
    size_t unit = ds->big_endian && e->vr != DCM_VR_UN ? dcm_vr_info(e->vr)->unit : 1;
    uint8_t *to = buf_reserve(out, (value.n + 2) / 3 * 4);
    if (!to)
        return;
    for (size_t i = 0; i < value.n; i += 3) {
        size_t left = value.n - i;
        uint32_t group = byte_at(value, unit, i) << 16;
        group |= left > 1 ? byte_at(value, unit, i + 1) << 8 : 0;
        group |= left > 2 ? byte_at(value, unit, i + 2) : 0;
        *to++ = (uint8_t)digits[group >> 18];
        *to++ = (uint8_t)digits[group >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
    out->n += (value.n + 2) / 3 * 4;
}
