// SPDX-License-Identifier: MIT
/* Looking into data sets and building them by hand. */
#include "dicom/dataset.h"
#include "base/cursor.h"
#include "dicom/dataset_build.h"
#include "dicom/dict.h"
#include "dicom/tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const DcmElement *dcm_find(const DcmDataset *ds, DcmTag tag)
{
    size_t low = 0, high = ds ? ds->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ds->elements[middle].tag == tag)
            return &ds->elements[middle];
        if (ds->elements[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const DcmDataset *dcm_item(const DcmDataset *ds, DcmTag sequence, uint32_t i)
{
    const DcmElement *e = dcm_find(ds, sequence);
    return e && e->items && i < e->item_count ? e->items[i] : NULL;
}

Span dcm_creator(const DcmDataset *ds, DcmTag tag)
{
    if (!DCM_TAG_IS_PRIVATE(tag) || DCM_TAG_ELEMENT(tag) < 0x1000)
        return (Span){NULL, 0};
    DcmTag reserved = DCM_TAG(DCM_TAG_GROUP(tag), DCM_TAG_ELEMENT(tag) >> 8);
    for (; ds; ds = ds->parent) {
        const DcmElement *e = dcm_find(ds, reserved);
        if (e)
            return span_trim(e->value);
    }
    return (Span){NULL, 0};
}

const DcmCharset *dcm_dataset_charset(const DcmDataset *ds)
{
    for (; ds; ds = ds->parent) {
        const DcmElement *e = dcm_find(ds, DCM_SpecificCharacterSet);
        if (e)
            return dcm_charset(e->value, NULL);
    }
    return dcm_charset_default();
}

DcmDataset *dcm_dataset_new(Arena *arena)
{
    DcmDataset *ds = arena_alloc(arena, sizeof *ds);
    ds->arena = arena;
    return ds;
}

DcmDataset *dcm_dataset_new_for(Arena *arena, size_t elements)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    ds->elements = arena_alloc(arena, elements * sizeof *ds->elements);
    ds->capacity = elements;
    return ds;
}

/* Building is for values of our own: an arena too small for them is a mistake of ours. */
static void must(const void *p)
{
    if (!p) {
        fprintf(stderr, "gantry: a data set outgrew the memory limit it was given\n");
        abort();
    }
}

static DcmElement *put(DcmDataset *ds, DcmTag tag, DcmVr vr, Span raw)
{
    bool found;
    DcmElement *e = dcm_dataset_slot(ds, tag, &found);
    must(e);
    *e = (DcmElement){.tag = tag, .vr = vr, .length = (uint32_t)raw.n, .value = raw};
    return e;
}

static DcmVr vr_or_dictionary(const DcmDataset *ds, DcmTag tag, DcmVr vr)
{
    return vr == DCM_VR_NONE ? dcm_dict_vr(tag, dcm_creator(ds, tag)) : vr;
}

DcmElement *dcm_put(DcmDataset *ds, DcmTag tag, DcmVr vr, Span raw)
{
    vr = vr_or_dictionary(ds, tag, vr);
    if (raw.n == 0)
        return put(ds, tag, vr, (Span){NULL, 0});
    size_t n = raw.n + raw.n % 2;
    must(n <= UINT32_MAX - 1 ? ds : NULL);
    uint8_t *copy = arena_alloc(ds->arena, n);
    memcpy(copy, raw.p, raw.n);
    if (n > raw.n)
        copy[raw.n] = (uint8_t)dcm_vr_info(vr)->pad;
    return put(ds, tag, vr, span_of(copy, n));
}

/* Value by value, because code extensions end at a backslash. */
static void encode_values(const DcmCharset *charset, DcmVr vr, Span utf8, Buf *out)
{
    for (;;) {
        size_t end = dcm_vr_info(vr)->multi ? span_index(utf8, '\\') : SIZE_MAX;
        dcm_charset_encode(charset, span_sub(utf8, 0, end), vr == DCM_VR_PN, out);
        if (end == SIZE_MAX)
            return;
        buf_u8(out, '\\');
        utf8 = span_sub(utf8, end + 1, utf8.n);
    }
}

DcmElement *dcm_put_utf8(DcmDataset *ds, DcmTag tag, const char *utf8)
{
    DcmVr vr = vr_or_dictionary(ds, tag, DCM_VR_NONE);
    Span text = span_cstr(utf8);
    if (!dcm_vr_info(vr)->charset || text.n == 0)
        return dcm_put(ds, tag, vr, text);
    Buf out;
    buf_init(&out, 0);
    encode_values(dcm_dataset_charset(ds), vr, text, &out);
    DcmElement *e = dcm_put(ds, tag, vr, buf_span(&out));
    buf_free(&out);
    return e;
}

DcmElement *dcm_put_printf(DcmDataset *ds, DcmTag tag, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(ds->arena, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return dcm_put_utf8(ds, tag, text);
}

static DcmElement *put_number(DcmDataset *ds, DcmTag tag, DcmVr fallback, uint32_t value, size_t bytes)
{
    uint8_t raw[4];
    for (size_t i = 0; i < bytes; i++)
        raw[ds->big_endian ? bytes - 1 - i : i] = (uint8_t)(value >> (8 * i));
    DcmVr vr = vr_or_dictionary(ds, tag, DCM_VR_NONE);
    if (dcm_vr_info(vr)->unit != bytes)
        vr = fallback;
    return dcm_put(ds, tag, vr, span_of(raw, bytes));
}

DcmElement *dcm_put_u16(DcmDataset *ds, DcmTag tag, uint16_t value)
{
    return put_number(ds, tag, DCM_VR_US, value, 2);
}

DcmElement *dcm_put_u32(DcmDataset *ds, DcmTag tag, uint32_t value)
{
    return put_number(ds, tag, DCM_VR_UL, value, 4);
}

void dcm_put_sequence(DcmDataset *ds, DcmTag tag)
{
    put(ds, tag, DCM_VR_SQ, (Span){NULL, 0});
}

DcmDataset *dcm_add_item(DcmDataset *ds, DcmTag sequence)
{
    bool found;
    DcmElement *e = dcm_dataset_slot(ds, sequence, &found);
    must(e);
    if (!found)
        e->vr = DCM_VR_SQ;
    DcmDataset *item = dcm_element_add_item(ds->arena, ds, e);
    must(item);
    return item;
}

void dcm_add_fragment(DcmDataset *ds, DcmTag tag, DcmVr vr, Span fragment)
{
    bool found;
    DcmElement *e = dcm_dataset_slot(ds, tag, &found);
    must(e);
    if (!found || e->length != DCM_UNDEFINED_LENGTH)
        *e = (DcmElement){.tag = tag, .vr = vr, .length = DCM_UNDEFINED_LENGTH};
    must(dcm_element_add_fragment(ds->arena, e, arena_span(ds->arena, fragment)) ? ds : NULL);
}

void dcm_remove(DcmDataset *ds, DcmTag tag)
{
    const DcmElement *e = dcm_find(ds, tag);
    if (!e)
        return;
    size_t at = (size_t)(e - ds->elements);
    memmove(&ds->elements[at], &ds->elements[at + 1], (ds->count - at - 1) * sizeof *ds->elements);
    ds->count--;
}
