// SPDX-License-Identifier: MIT
/* What the two halves of rendering share, gray and colour. Only render*.c include this. */
#ifndef GANTRY_PIXEL_RENDER_PARTS_H
#define GANTRY_PIXEL_RENDER_PARTS_H

#include "pixel/render.h"

/* The samples of a native frame: little endian, `stored` bits from `shift` on in each of `allocated` bits. */
typedef struct PixSamples {
    const uint8_t *p;
    unsigned allocated, stored, shift;
    uint32_t mask, sign; /* sign: the bit of the sign, 0 when there is none */
} PixSamples;

PixSamples pix_samples(const DcmDataset *ds, const PixFormat *format, Span frame);

/* The stored bits of sample i, without regard to their sign. With a constant `allocated` the compiler makes a loop without branches of it. */
static inline uint32_t pix_sample_bits(const PixSamples *s, unsigned allocated, size_t i)
{
    const uint8_t *p = s->p;
    if (allocated == 1)
        return p[i / 8] >> (i % 8) & 1u;
    if (allocated == 8)
        return (uint32_t)p[i] >> s->shift & s->mask;
    if (allocated == 16)
        return (p[2 * i] | (uint32_t)p[2 * i + 1] << 8) >> s->shift & s->mask;
    return (p[4 * i] | (uint32_t)p[4 * i + 1] << 8 | (uint32_t)p[4 * i + 2] << 16 |
            (uint32_t)p[4 * i + 3] << 24) >>
               s->shift &
           s->mask;
}

static inline int64_t pix_sample_value(const PixSamples *s, uint32_t bits)
{
    return (int64_t)(bits ^ s->sign) - (int64_t)s->sign;
}

/* The data set that has `tag`: the item of the functional group `sequence` for the frame, or the object itself. */
const DcmDataset *pix_holder(const DcmDataset *ds, uint32_t number, DcmTag sequence, DcmTag tag);

bool pix_render_gray(const DcmDataset *ds, const PixFormat *format, Span frame, uint32_t number,
                     const PixWindow *window, PixImage *out, Err *err);

#endif
