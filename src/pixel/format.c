// SPDX-License-Identifier: MIT
#include "pixel/codec.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <string.h>

/* Larger frames than any device makes are an attack on memory: 4 GiB would be a 46,000 × 46,000 image of 16 bits. */
static const uint64_t max_frame_bytes = UINT64_C(1) << 31;

static bool attribute(const DcmDataset *ds, DcmTag tag, int64_t fallback, int64_t max, int64_t *out, Err *err)
{
    char name[12];
    if (!dcm_int(ds, tag, 0, out))
        *out = fallback;
    if (*out >= 0 && *out <= max)
        return true;
    return err_set(err, ERR_FORMAT, "image attribute %s is missing or has an impossible value",
                   dcm_tag_format(tag, name));
}

static bool check(const PixFormat *f, Err *err)
{
    if (f->rows == 0 || f->columns == 0 || f->frames == 0)
        return err_set(err, ERR_FORMAT, "the image has no size: %u rows, %u columns, %u frames", f->rows,
                       f->columns, f->frames);
    if (f->samples != 1 && f->samples != 3 && f->samples != 4)
        return err_set(err, ERR_UNSUPPORTED, "%u samples per pixel are not supported", f->samples);
    if (f->bits_allocated != 1 && f->bits_allocated != 8 && f->bits_allocated != 16 &&
        f->bits_allocated != 32)
        return err_set(err, ERR_UNSUPPORTED, "%u bits allocated are not supported", f->bits_allocated);
    uint64_t bytes = (uint64_t)f->rows * f->columns * f->samples; /* at most 2^34 */
    if (bytes * f->bits_allocated / 8 > max_frame_bytes)
        return err_set(err, ERR_LIMIT, "a frame of %u x %u x %u samples is larger than %llu bytes", f->rows,
                       f->columns, f->samples, (unsigned long long)max_frame_bytes);
    return true;
}

bool pix_format(const DcmDataset *ds, PixFormat *out, Err *err)
{
    int64_t rows, columns, frames, samples, allocated, stored, sign, planar;
    if (!attribute(ds, DCM_Rows, -1, UINT16_MAX, &rows, err) ||
        !attribute(ds, DCM_Columns, -1, UINT16_MAX, &columns, err) ||
        !attribute(ds, DCM_NumberOfFrames, 1, INT32_MAX, &frames, err) ||
        !attribute(ds, DCM_SamplesPerPixel, 1, 4, &samples, err) ||
        !attribute(ds, DCM_BitsAllocated, -1, 32, &allocated, err) ||
        !attribute(ds, DCM_BitsStored, allocated, 32, &stored, err) ||
        !attribute(ds, DCM_PixelRepresentation, 0, 1, &sign, err) ||
        !attribute(ds, DCM_PlanarConfiguration, 0, 1, &planar, err))
        return false;
    PixFormat f = {.rows = (uint32_t)rows,
                   .columns = (uint32_t)columns,
                   .frames = (uint32_t)(frames ? frames : 1),
                   .samples = (uint16_t)samples,
                   .bits_allocated = (uint16_t)allocated,
                   .bits_stored = (uint16_t)stored,
                   .is_signed = sign == 1,
                   .planar = (uint16_t)planar};
    span_copy(dcm_text_raw(ds, DCM_PhotometricInterpretation, 0), f.photometric, sizeof f.photometric);
    if (!check(&f, err))
        return false;
    *out = f;
    return true;
}

size_t pix_frame_bytes(const PixFormat *f)
{
    return ((size_t)f->rows * f->columns * f->samples * f->bits_allocated + 7) / 8;
}

bool pix_same_size(const PixFormat *f, uint32_t rows, uint32_t columns, uint32_t samples, const char *codec,
                   Err *err)
{
    if (rows == f->rows && columns == f->columns && samples == f->samples)
        return true;
    return err_set(err, ERR_FORMAT,
                   "the %s frame is %u x %u with %u samples, the attributes say %u x %u with %u", codec, rows,
                   columns, samples, f->rows, f->columns, f->samples);
}

uint8_t *pix_frame_room(const PixFormat *f, Buf *out, Err *err)
{
    uint8_t *room = buf_reserve(out, pix_frame_bytes(f));
    if (!room) {
        err_set(err, ERR_LIMIT, "no memory for a frame of %zu bytes", pix_frame_bytes(f));
        return NULL;
    }
    return memset(room, 0, pix_frame_bytes(f));
}

void pix_frame_done(const PixFormat *f, Buf *out)
{
    out->n += pix_frame_bytes(f);
}

void pix_put_sample(const PixFormat *f, uint8_t *frame, size_t i, int32_t value)
{
    uint32_t bits = (uint32_t)value;
    if (f->bits_allocated == 8) {
        frame[i] = (uint8_t)bits;
    } else if (f->bits_allocated == 16) {
        frame[2 * i] = (uint8_t)bits;
        frame[2 * i + 1] = (uint8_t)(bits >> 8);
    } else if (f->bits_allocated == 32) {
        for (size_t b = 0; b < 4; b++)
            frame[4 * i + b] = (uint8_t)(bits >> (8 * b));
    } else if (bits & 1) {
        frame[i / 8] |= (uint8_t)(1u << (i % 8));
    }
}
