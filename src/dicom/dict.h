// SPDX-License-Identifier: MIT
/* The data dictionary, PS3.6 and PS3.7, and private elements by creator. Generated tables, looked up by bisection. */
#ifndef GANTRY_DICOM_DICT_H
#define GANTRY_DICOM_DICT_H

#include "dicom/tag.h"
#include "dicom/vr.h"

typedef struct DcmDictEntry {
    DcmTag tag, mask; /* (tag & mask) is compared: repeating groups 50xx, 60xx, … */
    const char *keyword, *name;
    const char *vm;
    DcmVr vr, alternative; /* "US or SS": the second one; DCM_VR_NONE when there is one only */
    bool retired;
} DcmDictEntry;

/* NULL when unknown. Not for private tags. */
const DcmDictEntry *dcm_dict(DcmTag tag);
const DcmDictEntry *dcm_dict_keyword(Span keyword);
/* The VR for reading implicit VR: dictionary, private dictionary (creator may be empty), group length UL,
   creator elements LO, else UN. */
DcmVr dcm_dict_vr(DcmTag tag, Span private_creator);
/* Number of entries, and entry i in tag order: for tables made from the whole dictionary. */
size_t dcm_dict_count(void);
const DcmDictEntry *dcm_dict_at(size_t i);

#endif
