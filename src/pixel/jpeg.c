// SPDX-License-Identifier: MIT
/*
 * JPEG with 8 bits per sample (T.81 processes 1 and, with 8 bits, 2 and 4), through libjpeg-turbo. Frames of 12 bits go to our own
 * decoder, jpeg_sequential.c.
 *
 * Colour: the attributes decide (YBR_… is converted to RGB, RGB is taken as it is), unless the stream itself carries a JFIF or Adobe
 * marker that says YCbCr: then the attribute RGB is a well-known lie of secondary-capture devices.
 */
#include "pixel/codec.h"
#include "pixel/jpeg_markers.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

typedef struct Guard {
    struct jpeg_error_mgr base; /* must be first: libjpeg hands back a pointer to it */
    jmp_buf escape;
    char text[JMSG_LENGTH_MAX];
} Guard;

static void escape(j_common_ptr cinfo)
{
    Guard *guard = (Guard *)cinfo->err;
    guard->base.format_message(cinfo, guard->text);
    longjmp(guard->escape, 1);
}

static void be_quiet(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void choose_colours(struct jpeg_decompress_struct *cinfo, const PixFormat *f)
{
    if (f->samples == 1) {
        cinfo->out_color_space = JCS_GRAYSCALE;
        return;
    }
    bool stream_says_ycc = cinfo->saw_JFIF_marker || (cinfo->saw_Adobe_marker && cinfo->Adobe_transform == 1);
    bool ybr = strncmp(f->photometric, "YBR", 3) == 0;
    cinfo->jpeg_color_space = ybr || stream_says_ycc ? JCS_YCbCr : JCS_RGB;
    cinfo->out_color_space = JCS_RGB;
}

static bool read_lines(struct jpeg_decompress_struct *cinfo, const PixFormat *f, uint8_t *room, uint8_t *line)
{
    size_t samples = (size_t)f->columns * f->samples;
    for (size_t y = 0; cinfo->output_scanline < cinfo->output_height; y++) {
        JSAMPROW row = f->bits_allocated == 8 ? room + y * samples : line;
        if (jpeg_read_scanlines(cinfo, &row, 1) != 1)
            return false;
        for (size_t i = 0; f->bits_allocated != 8 && i < samples; i++)
            pix_put_sample(f, room, y * samples + i, line[i]);
    }
    return true;
}

static bool decode(struct jpeg_decompress_struct *cinfo, Span frame, const PixFormat *f, uint8_t *room,
                   uint8_t *line, Err *err)
{
    jpeg_mem_src(cinfo, frame.p, (unsigned long)frame.n);
    if (jpeg_read_header(cinfo, TRUE) != JPEG_HEADER_OK)
        return err_set(err, ERR_FORMAT, "a JPEG frame has no header");
    if (!pix_same_size(f, cinfo->image_height, cinfo->image_width, (uint32_t)cinfo->num_components, "JPEG",
                       err))
        return false;
    choose_colours(cinfo, f);
    cinfo->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(cinfo);
    if (!read_lines(cinfo, f, room, line))
        return err_set(err, ERR_FORMAT, "a JPEG frame ends early");
    jpeg_finish_decompress(cinfo);
    return true;
}

static bool decode_guarded(Span frame, const PixFormat *f, uint8_t *room, uint8_t *line, Err *err)
{
    struct jpeg_decompress_struct cinfo;
    Guard guard;
    cinfo.err = jpeg_std_error(&guard.base);
    guard.base.error_exit = escape;
    guard.base.output_message = be_quiet;
    jpeg_create_decompress(&cinfo);
    bool ok;
    if (setjmp(guard.escape))
        ok = err_set(err, ERR_FORMAT, "a JPEG frame cannot be decoded: %s", guard.text);
    else
        ok = decode(&cinfo, frame, f, room, line, err);
    jpeg_destroy_decompress(&cinfo);
    return ok;
}

bool pix_decode_jpeg(Span frame, PixFormat *f, Buf *out, Err *err)
{
    JpegFrame head;
    if (!jpeg_find_frame(frame, &head, err))
        return false;
    if (head.process == JPEG_LOSSLESS)
        return pix_decode_jpeg_lossless(frame, f, out, err);
    if (head.precision > 8)
        return pix_decode_jpeg_sequential(frame, f, out, err);
    if (f->bits_allocated != 8 && f->bits_allocated != 16)
        return err_set(err, ERR_UNSUPPORTED, "JPEG in %u bits allocated is not supported", f->bits_allocated);
    if (f->samples != 1 && f->samples != 3)
        return err_set(err, ERR_UNSUPPORTED, "JPEG with %u samples is not supported", f->samples);
    uint8_t *room = pix_frame_room(f, out, err);
    Buf line;
    buf_init(&line, 0);
    uint8_t *one_line = room ? buf_reserve(&line, (size_t)f->columns * f->samples) : NULL;
    bool ok = one_line && decode_guarded(frame, f, room, one_line, err);
    buf_free(&line);
    if (!ok)
        return false;
    if (f->samples == 3)
        memcpy(f->photometric, "RGB", sizeof "RGB");
    pix_frame_done(f, out);
    return true;
}
