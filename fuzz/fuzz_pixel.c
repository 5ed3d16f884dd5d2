// SPDX-License-Identifier: MIT
/* The first byte chooses the transfer syntax, the next six rows, columns, samples and bits; the rest is one compressed frame. It is decoded
   whole, and then smaller. */
#include "fuzz.h"

#include "base/cursor.h"
#include "dicom/uid.h"
#include "pixel/pixel.h"

int fuzz_pixel(const uint8_t *data, size_t size)
{
    static const uint16_t widths[] = {1, 8, 16, 32};
    Cursor c = cur_of(span_of(data, size), false);
    const DcmTransferSyntax *syntax = dcm_transfer_syntax_at(cur_u8(&c) % dcm_transfer_syntax_count());
    PixFormat format = {.rows = cur_u16(&c) % 512 + 1u, .columns = cur_u16(&c) % 512 + 1u, .frames = 1};
    format.samples = cur_u8(&c) & 1 ? 3 : 1;
    format.bits_allocated = widths[cur_u8(&c) & 3];
    if (c.failed || !pix_can_decode(syntax))
        return 0;
    Buf out;
    Err err;
    buf_init(&out, 16u << 20);
    Span frame = cur_take(&c, cur_left(&c));
    PixFormat small = format;
    size_t wanted = pix_frame_bytes(&format);
    bool whole = pix_decode(syntax, frame, &format, &out, &err);
    if (whole ? out.n != wanted : out.n != 0)
        fuzz_broken();
    buf_clear(&out);
    bool ok = pix_decode_reduced(syntax, frame, 1 + size % 6, &small, &out, &err);
    if (ok ? out.n != pix_frame_bytes(&small) || out.n > wanted : out.n != 0 || whole)
        fuzz_broken();
    buf_free(&out);
    return 0;
}
