// SPDX-License-Identifier: MIT
/* An image for display: 8 bits a sample, gray or RGB, colour-by-pixel, top row first, no padding between rows. */
#ifndef GANTRY_PIXEL_IMAGE_H
#define GANTRY_PIXEL_IMAGE_H

#include "base/buf.h"
#include "base/err.h"

typedef struct PixImage {
    uint32_t width, height;
    unsigned channels; /* 1 or 3 */
    uint8_t *pixels;   /* width × height × channels; free() */
} PixImage;

/* ERR_LIMIT when it is larger than an image for display may be (2^28 samples). Pixels are zero. */
bool pix_image_new(PixImage *out, uint32_t width, uint32_t height, unsigned channels, Err *err);
void pix_image_free(PixImage *image);

/* A region of the image, which lies inside of it; what sticks out has the colours of the edge. */
typedef struct PixRegion {
    double x, y, width, height;
    bool mirrored, upside_down; /* left and right, top and bottom change places */
} PixRegion;
/* The region (NULL = all) in another size: averaged where it becomes smaller, interpolated where it becomes larger. */
bool pix_image_scale(const PixImage *image, const PixRegion *region, uint32_t width, uint32_t height,
                     PixImage *out, Err *err);

/* Appends a file. `quality` is 1 to 100. */
bool pix_image_jpeg(const PixImage *image, int quality, Buf *out, Err *err);
bool pix_image_png(const PixImage *image, Buf *out, Err *err);

#endif
