// SPDX-License-Identifier: MIT
#include "dicom/scan_header.h"
#include "dicom/dict.h"

#define ITEM_GROUP       0xFFFEu
#define UNDEFINED_LENGTH UINT32_MAX

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

/* Has a VR that the standard may still define: two capitals, and as PS3.5 §6.2 promises, with a 32-bit length. */
static bool future_long_vr(const uint8_t first[8])
{
    return is_upper(first[4]) && is_upper(first[5]) && first[6] == 0 && first[7] == 0;
}

static uint16_t u16_at(const uint8_t *p, bool big_endian)
{
    return (uint16_t)(big_endian ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

static uint32_t u32_at(const uint8_t *p, bool big_endian)
{
    uint32_t first = u16_at(p, big_endian), second = u16_at(p + 2, big_endian);
    return big_endian ? first << 16 | second : second << 16 | first;
}

static DcmTag tag_at(const uint8_t *p, bool big_endian)
{
    return DCM_TAG(u16_at(p, big_endian), u16_at(p + 2, big_endian));
}

unsigned dcm_header_decode(Span bytes, bool explicit_vr, bool big_endian, DcmHeader *out)
{
    const uint8_t *p = bytes.p;
    DcmHeader h = {.tag = tag_at(p, big_endian)};
    if (!explicit_vr || DCM_TAG_GROUP(h.tag) == ITEM_GROUP) {
        h.length = u32_at(p + 4, big_endian);
        *out = h;
        return DCM_HEADER_MIN;
    }
    h.vr = dcm_vr_parse(p + 4);
    h.unknown_vr = h.vr == DCM_VR_NONE;
    bool is_long = h.unknown_vr ? future_long_vr(p) : dcm_vr_info(h.vr)->long_length;
    unsigned size = is_long ? DCM_HEADER_MAX : DCM_HEADER_MIN;
    if (size > bytes.n)
        return size;
    if (h.unknown_vr)
        h.vr = DCM_VR_UN;
    h.length = is_long ? u32_at(p + 8, big_endian) : u16_at(p + 6, big_endian);
    *out = h;
    return size;
}

static bool vr_fits(DcmTag tag, DcmVr vr)
{
    if (DCM_TAG_ELEMENT(tag) == 0)
        return vr == DCM_VR_UL;
    if (DCM_TAG_IS_CREATOR(tag))
        return vr == DCM_VR_LO;
    const DcmDictEntry *entry = dcm_dict(tag);
    return entry && (entry->vr == vr || (entry->alternative != DCM_VR_NONE && entry->alternative == vr));
}

bool dcm_header_is_explicit(Span first, bool big_endian)
{
    if (first.n < 6)
        return false;
    DcmVr vr = dcm_vr_parse(first.p + 4);
    return vr != DCM_VR_NONE && vr_fits(tag_at(first.p, big_endian), vr);
}

static bool implicit_fits(Span first, uint64_t room)
{
    uint32_t length = u32_at(first.p + 4, false);
    return length == UNDEFINED_LENGTH || length <= room;
}

bool dcm_header_correct(Span first, uint64_t room, bool *explicit_vr, bool *big_endian)
{
    if (first.n < DCM_HEADER_MIN || u16_at(first.p, *big_endian) == ITEM_GROUP)
        return false;
    DcmVr vr = dcm_vr_parse(first.p + 4);
    if (!*explicit_vr) {
        if (vr == DCM_VR_NONE || (!dcm_header_is_explicit(first, false) && implicit_fits(first, room)))
            return false;
        *explicit_vr = true;
        return true;
    }
    if (vr == DCM_VR_NONE) {
        /* Unknown letters of an explicit header, or the length of an implicit one? */
        bool letters = (is_upper(first.p[4]) && is_upper(first.p[5])) || (first.p[4] == 0 && first.p[5] == 0);
        if (letters || *big_endian || !implicit_fits(first, room))
            return false;
        *explicit_vr = false;
        return true;
    }
    if (!dcm_header_is_explicit(first, *big_endian) && dcm_header_is_explicit(first, !*big_endian)) {
        *big_endian = !*big_endian;
        return true;
    }
    return false;
}
