// SPDX-License-Identifier: MIT
/* PS3.4 C.2.2.2: which kind of matching a key asks for, and all of them but text (match_text.c) and time (match_time.c). */
#include "base/cursor.h"
#include "dicom/match_internal.h"

bool dcm_match_is_key(DcmTag tag)
{
    switch (tag) {
    case DCM_TAG(0x0008, 0x0005):
    case DCM_TAG(0x0008, 0x0052):
    case DCM_TAG(0x0008, 0x0053):
    case DCM_TAG(0x0008, 0x0201):
        return false;
    default:
        return DCM_TAG_GROUP(tag) != 0x0000 && DCM_TAG_GROUP(tag) != 0x0002 && DCM_TAG_ELEMENT(tag) != 0 &&
               !DCM_TAG_IS_CREATOR(tag);
    }
}

/* -- universal keys -- */

static bool only_stars(Span s)
{
    s = span_trim(s);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '*')
            return false;
    return true;
}

static bool all_universal(const DcmDataset *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (dcm_match_is_key(keys->elements[i].tag) && !dcm_match_is_universal(keys, &keys->elements[i]))
            return false;
    return true;
}

bool dcm_match_is_universal(const DcmDataset *keys, const DcmElement *key)
{
    if (key->vr == DCM_VR_SQ)
        return key->item_count == 0 || all_universal(key->items[0]);
    if (key->skipped)
        return false;
    return dcm_vr_info(key->vr)->text ? only_stars(key->value) : key->value.n == 0;
}

/* -- finding -- */

static bool is_creator(const DcmElement *e, Span creator)
{
    return DCM_TAG_IS_CREATOR(e->tag) && span_eq(span_trim(e->value), span_trim(creator));
}

const DcmElement *match_find(const DcmDataset *keys, const DcmDataset *candidate, DcmTag tag)
{
    Span creator = DCM_TAG_IS_PRIVATE(tag) ? dcm_creator(keys, tag) : (Span){NULL, 0};
    if (!creator.n)
        return dcm_find(candidate, tag);
    for (DcmTag block = 0x10; block <= 0xFF; block++) {
        const DcmElement *e = dcm_find(candidate, DCM_TAG(DCM_TAG_GROUP(tag), block));
        if (e && is_creator(e, creator))
            return dcm_find(candidate, DCM_TAG(DCM_TAG_GROUP(tag), block << 8 | (tag & 0xFF)));
    }
    return NULL;
}

/* -- values that are compared as they are -- */

static bool same_integer(Span a, Span b)
{
    int64_t x, y;
    if (span_to_i64(a, INT64_MIN, INT64_MAX, &x) && span_to_i64(b, INT64_MIN, INT64_MAX, &y))
        return x == y;
    return span_eq(a, b);
}

static bool same_decimal(Span a, Span b)
{
    double x, y;
    if (span_to_double(a, &x) && span_to_double(b, &y))
        return x <= y && x >= y;
    return span_eq(a, b);
}

bool match_any_value(MatchSide key, MatchSide candidate, bool (*same)(Span key, Span candidate))
{
    Span keys = key.e->value, wanted;
    bool more_keys = true;
    while (span_split(&keys, '\\', &wanted, &more_keys)) {
        wanted = span_trim(wanted);
        Span values = candidate.e->value, value;
        bool more = true;
        while (wanted.n && span_split(&values, '\\', &value, &more))
            if (same(wanted, span_trim(value)))
                return true;
    }
    return false;
}

static double as_real(uint64_t bits, size_t unit)
{
    union {
        uint32_t bits32;
        float f;
    } single = {.bits32 = (uint32_t)bits};
    union {
        uint64_t bits64;
        double d;
    } full = {.bits64 = bits};
    return unit == 4 ? (double)single.f : full.d;
}

static uint64_t take_unit(Cursor *c, size_t unit)
{
    switch (unit) {
    case 2:
        return cur_u16(c);
    case 4:
        return cur_u32(c);
    case 8:
        return cur_u64(c);
    default:
        return cur_u8(c);
    }
}

/* AT is a pair of 16-bit words in either byte order, not one of 32 bits. */
static uint64_t take_number(Cursor *c, DcmVr vr)
{
    if (vr == DCM_VR_AT) {
        uint64_t group = cur_u16(c);
        return group << 16 | cur_u16(c);
    }
    return take_unit(c, dcm_vr_info(vr)->unit);
}

static bool same_number(uint64_t a, uint64_t b, DcmVr vr)
{
    if (vr != DCM_VR_FL && vr != DCM_VR_FD)
        return a == b;
    double x = as_real(a, dcm_vr_info(vr)->unit), y = as_real(b, dcm_vr_info(vr)->unit);
    return x <= y && x >= y;
}

/* One of the numbers of the key is one of the candidate's. */
static bool match_numbers(MatchSide key, MatchSide candidate, DcmVr vr)
{
    size_t unit = dcm_vr_info(vr)->unit;
    for (Cursor k = cur_of(key.e->value, key.ds->big_endian); cur_left(&k) >= unit;) {
        uint64_t wanted = take_number(&k, vr);
        for (Cursor c = cur_of(candidate.e->value, candidate.ds->big_endian); cur_left(&c) >= unit;)
            if (same_number(wanted, take_number(&c, vr), vr))
                return true;
    }
    return false;
}

/* OB, OW … UN: the whole value. */
static bool match_bytes(MatchSide key, MatchSide candidate, DcmVr vr)
{
    size_t unit = dcm_vr_info(vr)->unit;
    if (key.ds->big_endian == candidate.ds->big_endian || unit < 2)
        return span_eq(key.e->value, candidate.e->value);
    if (key.e->value.n != candidate.e->value.n)
        return false;
    Cursor k = cur_of(key.e->value, key.ds->big_endian);
    Cursor c = cur_of(candidate.e->value, candidate.ds->big_endian);
    while (cur_left(&k) >= unit)
        if (take_unit(&k, unit) != take_unit(&c, unit))
            return false;
    return true;
}

/* -- one key, all keys -- */

static bool match_keys(Matcher *m, const DcmDataset *keys, const DcmDataset *candidate);

static bool match_sequence(Matcher *m, MatchSide key, MatchSide candidate)
{
    for (uint32_t i = 0; i < candidate.e->item_count; i++)
        if (match_keys(m, key.e->items[0], candidate.e->items[i]))
            return true;
    return false;
}

static bool match_value(Matcher *m, MatchSide key, MatchSide candidate, DcmVr vr)
{
    switch ((int)vr) {
    case DCM_VR_DA:
    case DCM_VR_TM:
    case DCM_VR_DT:
        return match_time(m, key, candidate, vr);
    case DCM_VR_UI:
    case DCM_VR_AS:
        return match_any_value(key, candidate, span_eq);
    case DCM_VR_IS:
        return match_any_value(key, candidate, same_integer);
    case DCM_VR_DS:
        return match_any_value(key, candidate, same_decimal);
    default:
        break;
    }
    const DcmVrInfo *info = dcm_vr_info(vr);
    if (info->text)
        return match_text(m, key, candidate, vr);
    return info->multi ? match_numbers(key, candidate, vr) : match_bytes(key, candidate, vr);
}

static bool match_key(Matcher *m, const DcmDataset *keys, const DcmElement *key, const DcmDataset *candidate)
{
    if (!dcm_match_is_key(key->tag) || dcm_match_is_universal(keys, key))
        return true;
    const DcmElement *found = match_find(keys, candidate, key->tag);
    if (!found || found->skipped || key->skipped)
        return false;
    MatchSide mine = {keys, key}, theirs = {candidate, found};
    if (key->vr == DCM_VR_SQ || found->vr == DCM_VR_SQ)
        return key->vr == found->vr && match_sequence(m, mine, theirs);
    if (!found->value.n)
        return false;
    return match_value(m, mine, theirs, key->vr == DCM_VR_UN || key->vr == DCM_VR_NONE ? found->vr : key->vr);
}

static bool match_keys(Matcher *m, const DcmDataset *keys, const DcmDataset *candidate)
{
    for (size_t i = 0; i < keys->count; i++)
        if (!match_key(m, keys, &keys->elements[i], candidate))
            return false;
    return true;
}

static Matcher matcher(const DcmMatchOptions *options)
{
    Matcher m = {0};
    if (options)
        m.options = *options;
    buf_init(&m.key_text, 0);
    buf_init(&m.candidate_text, 0);
    buf_init(&m.scratch, 0);
    return m;
}

static void finish(Matcher *m)
{
    buf_free(&m->key_text);
    buf_free(&m->candidate_text);
    buf_free(&m->scratch);
}

bool dcm_match(const DcmDataset *keys, const DcmDataset *candidate, const DcmMatchOptions *options)
{
    Matcher m = matcher(options);
    bool matches = match_keys(&m, keys, candidate);
    finish(&m);
    return matches;
}

bool dcm_match_element(const DcmDataset *keys, const DcmElement *key, const DcmDataset *candidate,
                       const DcmMatchOptions *options)
{
    Matcher m = matcher(options);
    bool matches = match_key(&m, keys, key, candidate);
    finish(&m);
    return matches;
}
