// SPDX-License-Identifier: MIT
/* Look-up tables: modality and VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1), palettes, also segmented ones (C.7.6.3.1.5, C.7.9.2). */
#ifndef GANTRY_PIXEL_LUT_H
#define GANTRY_PIXEL_LUT_H

#include "dicom/dataset.h"

typedef struct PixLut {
    uint16_t *entries; /* free() by pix_lut_free */
    uint32_t count;    /* 0 = there is none */
    int64_t
        first; /* value of the first entry; smaller ones have its value, larger than the last the last one's */
    double highest; /* that an entry can have: 255, 4095, 65535 */
} PixLut;

/* False when the table is not there or damaged; then count is 0. `is_signed`: the first value mapped is, also where its VR does not say so. */
bool pix_lut_read(const DcmDataset *ds, DcmTag descriptor, DcmTag data, bool is_signed, PixLut *out);
/* Red, green, blue. Freed already on failure. */
bool pix_palette_read(const DcmDataset *ds, bool is_signed, PixLut out[3], Err *err);
void pix_lut_free(PixLut *lut);

/* Which entry is that of a value? */
static inline uint32_t pix_lut_index(const PixLut *lut, int64_t value)
{
    int64_t i = value - lut->first;
    return i < 0 ? 0 : i >= lut->count ? lut->count - 1 : (uint32_t)i;
}

static inline double pix_lut_at(const PixLut *lut, int64_t value)
{
    return lut->entries[pix_lut_index(lut, value)];
}

#endif
