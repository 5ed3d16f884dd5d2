// SPDX-License-Identifier: MIT
/* JPEG by libjpeg, PNG by libpng. Both report errors by jumping out of their calls. */
#include "pixel/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

/* -- JPEG -- */

/* On the heap, because automatic variables may be lost in a jump. */
typedef struct JpegWriter {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf out;
    unsigned char *bytes;
    unsigned long n;
} JpegWriter;

static void leave_jpeg(j_common_ptr jpeg)
{
    longjmp(((JpegWriter *)jpeg->client_data)->out, 1);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void write_jpeg(JpegWriter *w, const PixImage *image, int quality)
{
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &w->bytes, &w->n);
    jpeg->image_width = image->width;
    jpeg->image_height = image->height;
    jpeg->input_components = (int)image->channels;
    jpeg->in_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    size_t stride = (size_t)image->width * image->channels;
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->pixels + jpeg->next_scanline * stride;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

bool pix_image_jpeg(const PixImage *image, int quality, Buf *out, Err *err)
{
    if (image->width > JPEG_MAX_DIMENSION || image->height > JPEG_MAX_DIMENSION)
        return err_set(err, ERR_LIMIT, "an image of %u x %u is too large for JPEG; PNG can hold it",
                       image->width, image->height);
    JpegWriter *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->jpeg.err = jpeg_std_error(&w->errors);
    w->jpeg.client_data = w;
    w->errors.error_exit = leave_jpeg;
    w->errors.output_message = say_nothing;
    bool ok = setjmp(w->out) == 0;
    if (ok)
        write_jpeg(w, image, quality);
    jpeg_destroy_compress(&w->jpeg);
    ok = ok && buf_append(out, w->bytes, w->n);
    free(w->bytes);
    free(w);
    return ok || err_set(err, ERR_INTERNAL, "the image cannot be written as JPEG");
}

/* -- PNG -- */

static void take_png(png_structp png, png_bytep p, size_t n)
{
    if (!buf_append(png_get_io_ptr(png), p, n))
        png_error(png, "no memory");
}

static void flush_png(png_structp png)
{
    (void)png;
}

static void leave_png(png_structp png, png_const_charp why)
{
    (void)why;
    png_longjmp(png, 1);
}

static void ignore_png(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

bool pix_image_png(const PixImage *image, Buf *out, Err *err)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, leave_png, ignore_png);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        abort();
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return err_set(err, ERR_INTERNAL, "the image cannot be written as PNG");
    }
    png_set_write_fn(png, out, take_png, flush_png);
    png_set_IHDR(png, info, image->width, image->height, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 3);
    png_write_info(png, info);
    size_t stride = (size_t)image->width * image->channels;
    for (uint32_t y = 0; y < image->height; y++)
        png_write_row(png, image->pixels + y * stride);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return true;
}
