// SPDX-License-Identifier: MIT
#include "dicom/vr.h"
#include "dicom/vr_table.h"

const DcmVrInfo *dcm_vr_info(DcmVr vr)
{
    return &dcm_vr_table[(unsigned)vr < DCM_VR_COUNT ? vr : DCM_VR_NONE];
}

bool dcm_vr_is_bytes(DcmVr vr)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    return !info->text && !info->multi && vr != DCM_VR_SQ;
}

DcmVr dcm_vr_parse(const uint8_t letters[2])
{
    unsigned first = (unsigned)letters[0] - 'A', second = (unsigned)letters[1] - 'A';
    return first < 26 && second < 26 ? (DcmVr)dcm_vr_by_letters[first][second] : DCM_VR_NONE;
}

unsigned dcm_vr_swap_unit(DcmVr vr)
{
    return vr == DCM_VR_AT ? 2 : dcm_vr_info(vr)->unit;
}
