// SPDX-License-Identifier: MIT
/*
 * Data element tags, PS3.5 §7.1. A tag is group << 16 | element. The generated header dicom/tags.h has one constant
 * DCM_<Keyword> for each element of PS3.6 and PS3.7 (DCM_PatientID = 0x00100020).
 */
#ifndef GANTRY_DICOM_TAG_H
#define GANTRY_DICOM_TAG_H

#include "base/span.h"

typedef uint32_t DcmTag;

#define DCM_TAG(group, element) ((DcmTag)(group) << 16 | (DcmTag)(element))
#define DCM_TAG_GROUP(tag)      ((uint16_t)((tag) >> 16))
#define DCM_TAG_ELEMENT(tag)    ((uint16_t)(tag))
#define DCM_TAG_IS_PRIVATE(tag) ((DCM_TAG_GROUP(tag) & 1) != 0)
/* (gggg,0010-00FF) in an odd group: reserves a block for a creator, PS3.5 §7.8.1 */
#define DCM_TAG_IS_CREATOR(tag)                                                                              \
    (DCM_TAG_IS_PRIVATE(tag) && DCM_TAG_ELEMENT(tag) >= 0x10 && DCM_TAG_ELEMENT(tag) <= 0xFF)

/* "(0010,0020)", 11 characters; and "00100020". */
char *dcm_tag_format(DcmTag tag, char out[12]);
char *dcm_tag_hex(DcmTag tag, char out[9]);
/* Accepts "00100020", "0010,0020", "(0010,0020)" and a keyword ("PatientID"). */
bool dcm_tag_parse(Span text, DcmTag *out);

#endif
