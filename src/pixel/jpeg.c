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

/* A frame on its way: what the attributes say of it, and what becomes of it. */
typedef struct Frame {
    Span bytes;
    const PixFormat *whole, *made;
    unsigned denominator; /* 1, 2, 4 or 8: so much smaller */
} Frame;

static bool decode(struct jpeg_decompress_struct *cinfo, const Frame *frame, uint8_t *room, uint8_t *line,
                   Err *err)
{
    const PixFormat *f = frame->whole;
    jpeg_mem_src(cinfo, frame->bytes.p, (unsigned long)frame->bytes.n);
    if (jpeg_read_header(cinfo, TRUE) != JPEG_HEADER_OK)
        return err_set(err, ERR_FORMAT, "a JPEG frame has no header");
    if (!pix_same_size(f, cinfo->image_height, cinfo->image_width, (uint32_t)cinfo->num_components, "JPEG",
                       err))
        return false;
    choose_colours(cinfo, f);
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->scale_num = 1;
    cinfo->scale_denom = frame->denominator;
    jpeg_start_decompress(cinfo);
    if (cinfo->output_width != frame->made->columns || cinfo->output_height != frame->made->rows)
        return err_set(err, ERR_UNSUPPORTED, "a JPEG frame cannot be had in this size");
    if (!read_lines(cinfo, frame->made, room, line))
        return err_set(err, ERR_FORMAT, "a JPEG frame ends early");
    jpeg_finish_decompress(cinfo);
    return true;
}

static bool decode_guarded(const Frame *frame, uint8_t *room, uint8_t *line, Err *err)
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
        ok = decode(&cinfo, frame, room, line, err);
    jpeg_destroy_decompress(&cinfo);
    return ok;
}

/* With 8 bits, and a DCT. */
static bool decode_small_samples(Span frame, unsigned halvings, PixFormat *f, Buf *out, Err *err)
{
    if (f->bits_allocated != 8 && f->bits_allocated != 16)
        return err_set(err, ERR_UNSUPPORTED, "JPEG in %u bits allocated is not supported", f->bits_allocated);
    if (f->samples != 1 && f->samples != 3)
        return err_set(err, ERR_UNSUPPORTED, "JPEG with %u samples is not supported", f->samples);
    unsigned denominator = 1u << (halvings < 3 ? halvings : 3);
    PixFormat made = *f;
    made.columns = (f->columns + denominator - 1) / denominator;
    made.rows = (f->rows + denominator - 1) / denominator;
    uint8_t *room = pix_frame_room(&made, out, err);
    Buf line;
    buf_init(&line, 0);
    uint8_t *one_line = room ? buf_reserve(&line, (size_t)made.columns * made.samples) : NULL;
    bool ok = one_line && decode_guarded(&(Frame){frame, f, &made, denominator}, room, one_line, err);
    buf_free(&line);
    if (!ok)
        return false;
    *f = made;
    if (f->samples == 3)
        memcpy(f->photometric, "RGB", sizeof "RGB");
    pix_frame_done(f, out);
    return true;
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
    return decode_small_samples(frame, 0, f, out, err);
}

bool pix_decode_jpeg_reduced(Span frame, unsigned halvings, PixFormat *f, Buf *out, Err *err)
{
    JpegFrame head;
    if (!jpeg_find_frame(frame, &head, err))
        return false;
    if (head.process == JPEG_LOSSLESS || head.precision > 8)
        return err_set(err, ERR_UNSUPPORTED, "this process of JPEG has no smaller sizes");
    return decode_small_samples(frame, halvings, f, out, err);
}
