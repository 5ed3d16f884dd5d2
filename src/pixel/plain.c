// SPDX-License-Identifier: MIT
/* Frames that are native samples, as they are or deflated (RFC 1951): PS3.5 A.4.11, A.4.12. */
#include "pixel/codec.h"

#include <string.h>
#include <zlib.h>

/* From colour-by-plane to colour-by-pixel. */
static void interleave(const PixFormat *f, const uint8_t *planes, uint8_t *pixels)
{
    size_t width = f->bits_allocated / 8u, area = (size_t)f->rows * f->columns;
    for (size_t s = 0; s < f->samples; s++)
        for (size_t i = 0; i < area; i++)
            memcpy(pixels + (i * f->samples + s) * width, planes + (s * area + i) * width, width);
}

bool pix_decode_plain(Span frame, PixFormat *f, Buf *out, Err *err)
{
    size_t wanted = pix_frame_bytes(f);
    if (frame.n < wanted)
        return err_set(err, ERR_FORMAT, "a frame has %zu of %zu bytes", frame.n, wanted);
    uint8_t *room = pix_frame_room(f, out, err);
    if (!room)
        return false;
    if (f->planar && f->samples > 1 && f->bits_allocated >= 8)
        interleave(f, frame.p, room);
    else
        memcpy(room, frame.p, wanted);
    pix_frame_done(f, out);
    return true;
}

bool pix_decode_deflated(Span frame, PixFormat *f, Buf *out, Err *err)
{
    size_t wanted = pix_frame_bytes(f);
    Buf inflated;
    buf_init(&inflated, wanted);
    uint8_t *room = buf_reserve(&inflated, wanted);
    if (!room)
        return err_set(err, ERR_LIMIT, "no memory for a frame of %zu bytes", wanted);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)frame.p,
                  .avail_in = (uInt)frame.n,
                  .next_out = room,
                  .avail_out = (uInt)wanted};
    bool ok = frame.n <= UINT32_MAX && inflateInit2(&z, -MAX_WBITS) == Z_OK;
    if (ok) {
        inflate(&z, Z_FINISH);
        inflateEnd(&z);
    }
    if (ok && z.avail_out == 0)
        ok = pix_decode_plain(span_of(room, wanted), f, out, err);
    else
        ok = err_set(err, ERR_FORMAT, "a deflated frame does not inflate to %zu bytes", wanted);
    buf_free(&inflated);
    return ok;
}
