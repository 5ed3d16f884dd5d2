// SPDX-License-Identifier: MIT
/*
 * RLE, PS3.5 G. A frame is a header of sixteen 32-bit little endian numbers (the count of segments, then the offset of each) and up to
 * fifteen segments. A segment is one byte plane of one sample (most significant byte first), packed by PackBits:
 * Samples of one bit are packed into bytes first.
 * n in 0 … 127: the next n + 1 bytes as they are; n in 129 … 255: the next byte 257 - n times; 128: nothing.
 */
#include "base/cursor.h"
#include "pixel/codec.h"

#include <string.h>

enum { HEADER = 64, MAX_SEGMENTS = 15 };

typedef struct Plane {
    uint8_t *at;       /* first byte of the plane in the frame */
    size_t step, left; /* distance of its bytes, bytes still to come */
} Plane;

static void put(Plane *plane, uint8_t byte)
{
    if (plane->left == 0)
        return;
    plane->left--;
    *plane->at = byte;
    if (plane->left)
        plane->at += plane->step;
}

/* Bytes beyond the plane are padding and are dropped. */
static bool unpack(Span segment, Plane plane, Err *err)
{
    Cursor c = cur_of(segment, false);
    while (plane.left && cur_left(&c)) {
        uint8_t n = cur_u8(&c);
        if (n < 128) {
            Span literal = cur_take(&c, (size_t)n + 1);
            for (size_t i = 0; i < literal.n; i++)
                put(&plane, literal.p[i]);
        } else if (n > 128) {
            uint8_t byte = cur_u8(&c);
            for (size_t i = 0; i < 257u - n && !c.failed; i++)
                put(&plane, byte);
        }
        if (c.failed)
            break;
    }
    return plane.left == 0 || err_set(err, ERR_FORMAT, "an RLE segment ends %zu bytes early", plane.left);
}

static bool segment_at(Span frame, const uint32_t *offsets, size_t count, size_t i, Span *out, Err *err)
{
    size_t end = i + 1 < count ? offsets[i + 1] : frame.n;
    if (offsets[i] < HEADER || offsets[i] > end || end > frame.n)
        return err_set(err, ERR_FORMAT, "RLE segment %zu lies outside of its frame", i + 1);
    *out = span_sub(frame, offsets[i], end - offsets[i]);
    return true;
}

bool pix_decode_rle(Span frame, PixFormat *f, Buf *out, Err *err)
{
    Cursor c = cur_of(frame, false);
    uint32_t count = cur_u32(&c), offsets[MAX_SEGMENTS];
    for (size_t i = 0; i < MAX_SEGMENTS; i++)
        offsets[i] = cur_u32(&c);
    size_t bytes = (f->bits_allocated + 7u) / 8u; /* of one sample; packed bits are one plane of bytes */
    if (c.failed || count != bytes * f->samples || count > MAX_SEGMENTS)
        return err_set(err, ERR_FORMAT, "an RLE frame with %u segments cannot hold %u samples of %u bits",
                       count, f->samples, f->bits_allocated);
    uint8_t *room = pix_frame_room(f, out, err);
    if (!room)
        return false;
    size_t pixel = bytes * f->samples, bytes_of_plane = pix_frame_bytes(f) / pixel;
    for (size_t i = 0; i < count; i++) {
        size_t sample = i / bytes,
               byte = bytes - 1 - i % bytes; /* big end first in the segments, last in memory */
        Plane plane = {room + sample * bytes + byte, pixel, bytes_of_plane};
        Span segment = {NULL, 0};
        if (!segment_at(frame, offsets, count, i, &segment, err) || !unpack(segment, plane, err))
            return false;
    }
    pix_frame_done(f, out);
    return true;
}
