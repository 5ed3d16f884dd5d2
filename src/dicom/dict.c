// SPDX-License-Identifier: MIT
/* Dictionary lookups by bisection in the generated tables. */
#include "dicom/dict.h"
#include "dicom/dict_table.h"

size_t dcm_dict_count(void)
{
    return dcm_dict_table_count;
}

const DcmDictEntry *dcm_dict_at(size_t i)
{
    return i < dcm_dict_table_count ? &dcm_dict_table[i] : NULL;
}

/* Index of the first entry whose tag is not below `tag`. */
static size_t lower_bound(DcmTag tag)
{
    size_t low = 0, high = dcm_dict_table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dcm_dict_table[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const DcmDictEntry *dcm_dict(DcmTag tag)
{
    if (DCM_TAG_IS_PRIVATE(tag))
        return NULL;
    size_t at = lower_bound(tag);
    if (at < dcm_dict_table_count && dcm_dict_table[at].tag == tag)
        return &dcm_dict_table[at];
    for (size_t i = 0; i < dcm_dict_repeating_count; i++) {
        const DcmDictEntry *entry = &dcm_dict_table[dcm_dict_repeating[i]];
        if ((tag & entry->mask) == entry->tag)
            return entry;
    }
    return NULL;
}

const DcmDictEntry *dcm_dict_keyword(Span keyword)
{
    size_t low = 0, high = dcm_dict_by_keyword_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const DcmDictEntry *entry = &dcm_dict_table[dcm_dict_by_keyword[middle]];
        int order = span_cmp(span_cstr(entry->keyword), keyword);
        if (order == 0)
            return entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const DcmPrivateCreator *find_creator(Span name)
{
    size_t low = 0, high = dcm_private_creator_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = span_cmp(span_cstr(dcm_private_creators[middle].name), name);
        if (order == 0)
            return &dcm_private_creators[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static DcmVr private_vr(DcmTag tag, Span name)
{
    const DcmPrivateCreator *creator = find_creator(span_trim(name));
    if (!creator)
        return DCM_VR_UN;
    uint32_t wanted = (uint32_t)DCM_TAG_GROUP(tag) << 8 | (tag & 0xFF);
    size_t low = creator->first, high = low + creator->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const DcmPrivateEntry *entry = &dcm_private_entries[middle];
        uint32_t here = (uint32_t)entry->group << 8 | entry->element;
        if (here == wanted)
            return (DcmVr)entry->vr;
        if (here < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return DCM_VR_UN;
}

DcmVr dcm_dict_vr(DcmTag tag, Span private_creator)
{
    if (DCM_TAG_ELEMENT(tag) == 0)
        return DCM_VR_UL;
    if (DCM_TAG_IS_CREATOR(tag))
        return DCM_VR_LO;
    if (DCM_TAG_IS_PRIVATE(tag))
        return private_creator.n ? private_vr(tag, private_creator) : DCM_VR_UN;
    const DcmDictEntry *entry = dcm_dict(tag);
    if (!entry)
        return DCM_VR_UN;
    /* PS3.5 A.1: what may be OW is OW in implicit VR (pixel, overlay, curve and waveform data, lookup tables). */
    return entry->alternative == DCM_VR_OW ? DCM_VR_OW : entry->vr;
}
