// SPDX-License-Identifier: MIT
#include "dicom/level.h"

static const struct {
    const char *name;
    DcmTag unique_key;
} levels[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_PATIENT] = {"PATIENT", DCM_TAG(0x0010, 0x0020)},
    [DCM_LEVEL_STUDY] = {"STUDY", DCM_TAG(0x0020, 0x000D)},
    [DCM_LEVEL_SERIES] = {"SERIES", DCM_TAG(0x0020, 0x000E)},
    [DCM_LEVEL_IMAGE] = {"IMAGE", DCM_TAG(0x0008, 0x0018)},
};

const char *dcm_level_name(DcmLevel level)
{
    return levels[level].name;
}

bool dcm_level_parse(Span text, DcmLevel *out)
{
    text = span_trim(text);
    for (int i = 0; i < DCM_LEVEL_COUNT; i++)
        if (span_eq_nocase(text, span_cstr(levels[i].name))) {
            *out = (DcmLevel)i;
            return true;
        }
    if (!span_eq_nocase(text, SPAN("INSTANCE")))
        return false;
    *out = DCM_LEVEL_IMAGE;
    return true;
}

DcmTag dcm_level_unique_key(DcmLevel level)
{
    return levels[level].unique_key;
}
