// SPDX-License-Identifier: MIT
/* Where the frames of encapsulated pixel data are, PS3.5 A.4: items, basic and extended offset tables. */
#ifndef GANTRY_PIXEL_FRAGMENTS_H
#define GANTRY_PIXEL_FRAGMENTS_H

#include "pixel/pixel.h"

typedef struct PixFragment {
    uint64_t offset; /* of the fragment's bytes in the object */
    uint32_t length;
    bool starts_frame;
} PixFragment;

typedef struct PixFragments {
    PixFragment *list;
    size_t count, capacity;
    uint64_t end; /* offset behind the sequence delimiter */
} PixFragments;

/* Walks the items that begin at `offset` and divides them among `frames` frames. `extended` is the value of the Extended Offset Table
   (7FE0,0001), empty when absent. */
bool pix_fragments_find(PixFragments *out, PixReadAt read, void *ctx, uint64_t offset, uint64_t size,
                        uint32_t frames, Span extended, Err *err);
void pix_fragments_free(PixFragments *fragments);

#endif
