// SPDX-License-Identifier: MIT
#include "dicom/model.h"
#include "base/cursor.h"

#include <math.h>

void model_init(Model *m, const DcmJsonOptions *options)
{
    *m = (Model){.options = options};
    buf_init(&m->path, 0);
    buf_init(&m->scratch, 0);
}

void model_free(Model *m)
{
    buf_free(&m->path);
    buf_free(&m->scratch);
}

/* -- the path -- */

size_t model_enter_item(Model *m, DcmTag sequence, uint32_t index)
{
    size_t mark = m->path.n;
    char hex[9], number[NUMBER_TEXT];
    buf_append(&m->path, dcm_tag_hex(sequence, hex), 8);
    buf_u8(&m->path, '/');
    buf_append(&m->path, number, number_u64(index, number));
    buf_u8(&m->path, '/');
    return mark;
}

void model_leave(Model *m, size_t mark)
{
    m->path.n = mark;
}

/* -- the form -- */

static bool find_uri(Model *m, const DcmElement *e)
{
    if (!m->options || !m->options->bulk_uri)
        return false;
    size_t mark = m->path.n;
    char hex[9];
    buf_append(&m->path, dcm_tag_hex(e->tag, hex), 8);
    buf_clear(&m->scratch);
    bool has = m->options->bulk_uri(m->options->ctx, buf_cstr(&m->path), e, &m->scratch) && m->scratch.n;
    model_leave(m, mark);
    return has;
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
    if (!dcm_vr_is_bytes(e->vr))
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

static const DcmCharset *charset_of(Model *m, const DcmDataset *ds)
{
    if (m->charset_of != ds)
        m->charset = dcm_dataset_charset(ds);
    m->charset_of = ds;
    return m->charset;
}

ModelText model_text(Model *m, const DcmDataset *ds, const DcmElement *e)
{
    const DcmVrInfo *info = dcm_vr_info(e->vr);
    ModelText text = {.rest = e->value, .pn = e->vr == DCM_VR_PN, .multi = info->multi, .more = true};
    if (info->charset)
        text.charset = charset_of(m, ds);
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
    if (text->charset && !dcm_charset_is_plain(text->charset, raw)) {
        buf_clear(&m->scratch);
        dcm_charset_decode(text->charset, raw, text->pn, &m->scratch);
        *value = buf_span(&m->scratch);
    }
    return true;
}

/* -- numbers -- */

/* Beyond 2^53 a reader that knows only binary64 would round. */
#define EXACT_MAX (INT64_C(1) << 53)

static void format_integer(int64_t value, ModelNumber *out)
{
    out->n = number_i64(value, out->text);
    out->plain = value >= -EXACT_MAX && value <= EXACT_MAX;
}

static void format_unsigned(uint64_t value, ModelNumber *out)
{
    out->n = number_u64(value, out->text);
    out->plain = value <= (uint64_t)EXACT_MAX;
}

static void format_word(const char *word, ModelNumber *out)
{
    out->n = strlen(word);
    memcpy(out->text, word, out->n + 1);
    out->plain = false;
}

/* False for those that JSON has no number for. */
static bool format_special(double value, ModelNumber *out)
{
    if (isfinite(value))
        return false;
    format_word(isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity", out);
    return true;
}

static void format_single(uint32_t bits, ModelNumber *out)
{
    union {
        uint32_t bits;
        float f;
    } u = {.bits = bits};
    if (format_special((double)u.f, out))
        return;
    out->n = number_float(u.f, out->text);
    out->plain = true;
}

static void format_double(uint64_t bits, ModelNumber *out)
{
    union {
        uint64_t bits;
        double d;
    } u = {.bits = bits};
    if (format_special(u.d, out))
        return;
    out->n = number_double(u.d, out->text);
    out->plain = true;
}

static void format_tag(Cursor *c, ModelNumber *out)
{
    char hex[9];
    uint16_t group = cur_u16(c);
    format_word(dcm_tag_hex(DCM_TAG(group, cur_u16(c)), hex), out);
}

bool model_number(const DcmDataset *ds, const DcmElement *e, size_t i, ModelNumber *out)
{
    size_t unit = dcm_vr_info(e->vr)->unit;
    Span bytes = span_sub(e->value, i * unit, unit);
    if (bytes.n < unit)
        return false;
    Cursor c = cur_of(bytes, ds->big_endian);
    switch ((int)e->vr) {
    case DCM_VR_AT:
        format_tag(&c, out);
        break;
    case DCM_VR_FL:
        format_single(cur_u32(&c), out);
        break;
    case DCM_VR_FD:
        format_double(cur_u64(&c), out);
        break;
    case DCM_VR_SS:
        format_integer((int16_t)cur_u16(&c), out);
        break;
    case DCM_VR_SL:
        format_integer((int32_t)cur_u32(&c), out);
        break;
    case DCM_VR_SV:
        format_integer((int64_t)cur_u64(&c), out);
        break;
    default:
        format_unsigned(unit == 2 ? cur_u16(&c) : unit == 4 ? cur_u32(&c) : cur_u64(&c), out);
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
