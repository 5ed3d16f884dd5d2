// SPDX-License-Identifier: MIT
/*
 * A decoded frame made visible: stored values through the modality and VOI transformations to 8 bits (PS3.3 C.7.6.3, C.11.1, C.11.2; PS3.4 N.2), colours to RGB. Attributes
 * of enhanced multi-frame objects are looked for in the functional groups of the frame, then in the shared ones, then in the data set.
 */
#ifndef GANTRY_PIXEL_RENDER_H
#define GANTRY_PIXEL_RENDER_H

#include "pixel/image.h"
#include "pixel/pixel.h"

typedef enum PixFunction { PIX_LINEAR, PIX_LINEAR_EXACT, PIX_SIGMOID } PixFunction;

/* VOI window, PS3.3 C.11.2.1.2; width 0 = none was given. */
typedef struct PixWindow {
    double center, width;
    PixFunction function;
} PixWindow;

/* "LINEAR", "LINEAR_EXACT", "SIGMOID", with '-' or '_', any case. */
bool pix_function_parse(Span text, PixFunction *out);

/*
 * `frame` is a native frame as `format` says (pix_decode, or as stored), `number` counts from 1. window NULL or of width 0: that of the object, its VOI LUT, or the
 * range of the frame's values. The geometry is that of the pixels: see pix_aspect.
 */
bool pix_render(const DcmDataset *attributes, const PixFormat *format, Span frame, uint32_t number,
                const PixWindow *window, PixImage *out, Err *err);

/*
 * Does it look the same when the frame was made smaller before it is rendered (pix_decode_reduced), instead of after? Where stored values stand for something else than
 * shades (palettes, tables, masks) a mean of two is another thing; where the range of the values makes the window, it is not to change.
 */
bool pix_may_reduce(const DcmDataset *attributes, const PixFormat *format, uint32_t number,
                    const PixWindow *window);

/* Height of a pixel divided by its width; 1 when nothing says otherwise. */
double pix_aspect(const DcmDataset *attributes, uint32_t number);

#endif
