// SPDX-License-Identifier: MIT
/* Deep copies between data sets that may differ in byte order and character set. */
#include "dicom/dataset.h"
#include "dicom/dataset_build.h"
#include "dicom/swap.h"
#include "dicom/tags.h"

#include <string.h>

/* Decodes and encodes value by value; the backslashes between them stay. */
static void convert_text(const DcmCharset *from, const DcmCharset *to, DcmVr vr, Span raw, Buf *out)
{
    bool pn = vr == DCM_VR_PN, multi = dcm_vr_info(vr)->multi;
    Buf utf8;
    buf_init(&utf8, 0);
    for (;;) {
        size_t end = multi ? dcm_charset_value_end(from, raw, pn) : raw.n;
        buf_clear(&utf8);
        dcm_charset_decode(from, span_sub(raw, 0, end), pn, &utf8);
        dcm_charset_encode(to, buf_span(&utf8), pn, out);
        if (end >= raw.n)
            break;
        buf_u8(out, '\\');
        raw = span_sub(raw, end + 1, raw.n);
    }
    buf_free(&utf8);
}

static void copy_value(DcmDataset *to, const DcmDataset *from, const DcmElement *e)
{
    bool text = dcm_vr_info(e->vr)->charset && e->value.n;
    const DcmCharset *old = text ? dcm_dataset_charset(from) : NULL,
                     *new = text ? dcm_dataset_charset(to) : NULL;
    if (text && strcmp(dcm_charset_terms(old), dcm_charset_terms(new)) != 0) {
        Buf out;
        buf_init(&out, 0);
        convert_text(old, new, e->vr, span_rtrim(e->value), &out);
        dcm_put(to, e->tag, e->vr, buf_span(&out));
        buf_free(&out);
        return;
    }
    DcmElement *copy = dcm_put(to, e->tag, e->vr, e->value);
    if (copy->value.n && from->big_endian != to->big_endian)
        dcm_swap((uint8_t *)copy->value.p, copy->value.n, dcm_vr_swap_unit(e->vr));
}

static void copy_fragments(DcmDataset *to, const DcmElement *e)
{
    DcmElement *copy = dcm_put(to, e->tag, e->vr, (Span){NULL, 0});
    copy->length = DCM_UNDEFINED_LENGTH;
    for (uint32_t i = 0; i < e->item_count; i++)
        dcm_add_fragment(to, e->tag, e->vr, e->fragments[i]);
}

static void copy_items(DcmDataset *to, const DcmElement *e)
{
    dcm_put_sequence(to, e->tag);
    for (uint32_t i = 0; i < e->item_count; i++) {
        DcmDataset *item = dcm_add_item(to, e->tag);
        const DcmDataset *source = e->items[i];
        for (size_t k = 0; k < source->count; k++)
            if (source->elements[k].tag != DCM_SpecificCharacterSet)
                dcm_copy(item, source, &source->elements[k]);
    }
}

void dcm_copy(DcmDataset *to, const DcmDataset *from, const DcmElement *e)
{
    if (e->vr == DCM_VR_SQ)
        copy_items(to, e);
    else if (e->length == DCM_UNDEFINED_LENGTH)
        copy_fragments(to, e);
    else
        copy_value(to, from, e);
    if (e->skipped) {
        DcmElement *copy = (DcmElement *)dcm_find(to, e->tag);
        copy->skipped = true;
        copy->length = e->length;
        copy->offset = e->offset;
    }
}
