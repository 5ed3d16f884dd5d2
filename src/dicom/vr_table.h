// SPDX-License-Identifier: MIT
/* The table that tools/gen/vr_table.py makes. For vr.c only. */
#ifndef GANTRY_DICOM_VR_TABLE_H
#define GANTRY_DICOM_VR_TABLE_H

#include "dicom/vr.h"

extern const DcmVrInfo dcm_vr_table[DCM_VR_COUNT];
extern const uint8_t dcm_vr_by_letters[26][26];

#endif
