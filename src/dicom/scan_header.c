// SPDX-License-Identifier: MIT
#include "dicom/scan_header.h"
#include "base/cursor.h"
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

static uint16_t group_of(const uint8_t first[8], bool big_endian)
{
    return (uint16_t)(big_endian ? first[0] << 8 | first[1] : first[1] << 8 | first[0]);
}

unsigned dcm_header_size(const uint8_t first[8], bool explicit_vr, bool big_endian)
{
    if (!explicit_vr || group_of(first, big_endian) == ITEM_GROUP)
        return DCM_HEADER_MIN;
    DcmVr vr = dcm_vr_parse(first + 4);
    bool is_long = vr == DCM_VR_NONE ? future_long_vr(first) : dcm_vr_info(vr)->long_length;
    return is_long ? DCM_HEADER_MAX : DCM_HEADER_MIN;
}

static DcmTag take_tag(Cursor *c)
{
    uint16_t group = cur_u16(c);
    return DCM_TAG(group, cur_u16(c));
}

DcmHeader dcm_header_decode(Span bytes, bool explicit_vr, bool big_endian)
{
    Cursor c = cur_of(bytes, big_endian);
    DcmHeader h = {.tag = take_tag(&c)};
    if (!explicit_vr || DCM_TAG_GROUP(h.tag) == ITEM_GROUP) {
        h.length = cur_u32(&c);
        return h;
    }
    h.vr = dcm_vr_parse(cur_take(&c, 2).p);
    if (h.vr == DCM_VR_NONE) {
        h.unknown_vr = true;
        h.vr = DCM_VR_UN;
    }
    if (bytes.n == DCM_HEADER_MAX) {
        cur_skip(&c, 2);
        h.length = cur_u32(&c);
    } else {
        h.length = cur_u16(&c);
    }
    return h;
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
    Cursor c = cur_of(first, big_endian);
    DcmTag tag = take_tag(&c);
    Span letters = cur_take(&c, 2);
    if (c.failed)
        return false;
    DcmVr vr = dcm_vr_parse(letters.p);
    return vr != DCM_VR_NONE && vr_fits(tag, vr);
}

static bool implicit_fits(Span first, uint64_t room)
{
    Cursor c = cur_of(first, false);
    take_tag(&c);
    uint32_t length = cur_u32(&c);
    return !c.failed && (length == UNDEFINED_LENGTH || length <= room);
}

bool dcm_header_correct(Span first, uint64_t room, bool *explicit_vr, bool *big_endian)
{
    if (first.n < DCM_HEADER_MIN || group_of(first.p, *big_endian) == ITEM_GROUP)
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
