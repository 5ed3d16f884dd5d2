// SPDX-License-Identifier: MIT
/* JPEG-LS, ISO 14495-1, through CharLS. */
#include "pixel/codec.h"

#include <charls/charls.h>
#include <stdlib.h>

static bool fail(charls_jpegls_errc code, Err *err)
{
    return err_set(err, ERR_FORMAT, "a JPEG-LS frame cannot be decoded: %s", charls_get_error_message(code));
}

static bool read_head(charls_jpegls_decoder *decoder, Span frame, charls_frame_info *info,
                      charls_interleave_mode *mode, size_t *size, Err *err)
{
    charls_jpegls_errc code = charls_jpegls_decoder_set_source_buffer(decoder, frame.p, frame.n);
    if (!code)
        code = charls_jpegls_decoder_read_header(decoder);
    if (!code)
        code = charls_jpegls_decoder_get_frame_info(decoder, info);
    if (!code)
        code = charls_jpegls_decoder_get_interleave_mode(decoder, mode);
    if (!code)
        code = charls_jpegls_decoder_get_destination_size(decoder, 0, size);
    return code == 0 || fail(code, err);
}

static void emit(const PixFormat *f, const charls_frame_info *info, bool planes, const uint8_t *in,
                 uint8_t *room)
{
    size_t width = info->bits_per_sample > 8 ? 2 : 1, area = (size_t)f->rows * f->columns;
    for (size_t i = 0; i < area; i++)
        for (size_t k = 0; k < f->samples; k++) {
            const uint8_t *p = in + (planes ? k * area + i : i * f->samples + k) * width;
            pix_put_sample(f, room, i * f->samples + k, width == 2 ? p[0] | p[1] << 8 : p[0]);
        }
}

static bool decode(charls_jpegls_decoder *decoder, Span frame, PixFormat *f, Buf *samples, Buf *out, Err *err)
{
    charls_frame_info info;
    charls_interleave_mode mode;
    size_t size;
    if (!read_head(decoder, frame, &info, &mode, &size, err) ||
        !pix_same_size(f, info.height, info.width, (uint32_t)info.component_count, "JPEG-LS", err))
        return false;
    size_t expected = (size_t)f->rows * f->columns * f->samples * (info.bits_per_sample > 8 ? 2 : 1);
    if (info.bits_per_sample > f->bits_allocated || size != expected)
        return err_set(err, ERR_FORMAT, "a JPEG-LS frame has %d bits, %u are allocated", info.bits_per_sample,
                       f->bits_allocated);
    uint8_t *to = buf_reserve(samples, size);
    if (!to)
        return err_set(err, ERR_LIMIT, "no memory for a frame of %zu bytes", size);
    charls_jpegls_errc code = charls_jpegls_decoder_decode_to_buffer(decoder, to, size, 0);
    if (code)
        return fail(code, err);
    uint8_t *room = pix_frame_room(f, out, err);
    if (!room)
        return false;
    emit(f, &info, mode == CHARLS_INTERLEAVE_MODE_NONE, to, room);
    pix_frame_done(f, out);
    return true;
}

bool pix_decode_jpegls(Span frame, PixFormat *f, Buf *out, Err *err)
{
    charls_jpegls_decoder *decoder = charls_jpegls_decoder_create();
    if (!decoder)
        return err_set(err, ERR_LIMIT, "no memory for a JPEG-LS decoder");
    Buf samples;
    buf_init(&samples, 0);
    bool ok = decode(decoder, frame, f, &samples, out, err);
    buf_free(&samples);
    charls_jpegls_decoder_destroy(decoder);
    return ok;
}
