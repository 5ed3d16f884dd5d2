// SPDX-License-Identifier: MIT
/* The first bytes choose the format, then come the length of the frame, the frame, and the attributes in explicit VR little endian. */
#include "fuzz.h"

#include "base/cursor.h"
#include "dicom/uids.h"
#include "pixel/render.h"

int fuzz_render(const uint8_t *data, size_t size)
{
    static const uint16_t widths[] = {1, 8, 16, 32};
    static const char *const colours[] = {"MONOCHROME2", "MONOCHROME1", "PALETTE COLOR", "RGB",
                                          "YBR_FULL",    "ARGB",        "YBR_FULL_422",  ""};
    Cursor c = cur_of(span_of(data, size), false);
    PixFormat format = {.rows = cur_u8(&c) % 32 + 1u, .columns = cur_u8(&c) % 32 + 1u, .frames = 1};
    uint8_t how = cur_u8(&c), samples = cur_u8(&c);
    format.bits_allocated = widths[how & 3];
    format.is_signed = how & 4;
    format.planar = how >> 3 & 1;
    span_copy(span_cstr(colours[how >> 5]), format.photometric, sizeof format.photometric);
    format.samples = samples & 1 ? 3 : samples & 2 ? 4 : 1;
    format.bits_stored = cur_u8(&c) % 33;
    Span frame = cur_take(&c, cur_u16(&c));
    if (c.failed)
        return 0;
    Arena *arena = arena_new(1 << 20);
    Err err;
    DcmReadOptions options = {.tolerate_truncated = true};
    DcmDataset *ds =
        dcm_dataset_parse(arena, cur_take(&c, cur_left(&c)),
                          dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), &options, &err);
    PixImage image;
    if (ds && pix_render(ds, &format, frame, 1, NULL, &image, &err)) {
        if (image.width != format.columns || image.height != format.rows || !(pix_aspect(ds, 1) > 0))
            fuzz_broken();
        pix_image_free(&image);
    }
    arena_free(arena);
    return 0;
}
