// SPDX-License-Identifier: MIT
/* Value representations, PS3.5 §6.2. Facts come from data/dicom/vrs.csv. */
#ifndef GANTRY_DICOM_VR_H
#define GANTRY_DICOM_VR_H

#include "base/span.h"

typedef enum DcmVr {
    DCM_VR_NONE, /* items, delimiters, unknown two letters */
    DCM_VR_AE,
    DCM_VR_AS,
    DCM_VR_AT,
    DCM_VR_CS,
    DCM_VR_DA,
    DCM_VR_DS,
    DCM_VR_DT,
    DCM_VR_FD,
    DCM_VR_FL,
    DCM_VR_IS,
    DCM_VR_LO,
    DCM_VR_LT,
    DCM_VR_OB,
    DCM_VR_OD,
    DCM_VR_OF,
    DCM_VR_OL,
    DCM_VR_OV,
    DCM_VR_OW,
    DCM_VR_PN,
    DCM_VR_SH,
    DCM_VR_SL,
    DCM_VR_SQ,
    DCM_VR_SS,
    DCM_VR_ST,
    DCM_VR_SV,
    DCM_VR_TM,
    DCM_VR_UC,
    DCM_VR_UI,
    DCM_VR_UL,
    DCM_VR_UN,
    DCM_VR_UR,
    DCM_VR_US,
    DCM_VR_UT,
    DCM_VR_UV,
    DCM_VR_COUNT
} DcmVr;

typedef struct DcmVrInfo {
    char name[3];
    uint8_t unit;        /* bytes of one binary value; 1 for text and OB, UN; 0 for SQ */
    uint32_t max_length; /* of one value, in characters (text) or bytes; 0 = none */
    bool long_length;    /* 32-bit length field in explicit VR, PS3.5 §7.1.2 */
    bool charset;        /* Specific Character Set applies: LO LT PN SH ST UC UT */
    bool text;           /* characters, with or without charset */
    bool multi;          /* backslash separates values */
    char pad;            /* ' ' or 0 */
} DcmVrInfo;

const DcmVrInfo *dcm_vr_info(DcmVr vr);
/* Bytes without a text: neither characters nor numbers that are listed, no items. */
bool dcm_vr_is_bytes(DcmVr vr);
/* DCM_VR_NONE when the two letters are no VR. */
DcmVr dcm_vr_parse(const uint8_t letters[2]);
/* Bytes that change places between byte orders: unit, but 2 for AT (two 16-bit numbers). 0 and 1: nothing to swap. */
unsigned dcm_vr_swap_unit(DcmVr vr);

#endif
