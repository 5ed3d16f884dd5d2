// SPDX-License-Identifier: MIT
/*
 * Sequential DCT JPEG with Huffman coding and more than 8 bits per sample, T.81 F (process 4): what libjpeg-turbo as Debian builds it cannot
 * read. Written for correctness: the inverse DCT is separable and in double precision.
 */
#include "pixel/codec.h"
#include "pixel/jpeg_markers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Plane {
    size_t width, height; /* padded to whole MCUs */
    int16_t *samples;
} Plane;

typedef struct Sequential {
    JpegStream s;
    uint8_t h_max, v_max;
    size_t mcus_across, mcus_down;
    Plane plane[4];
    double cosine[8][8]; /* cosine[x][u] = C(u)/2 · cos((2x+1)uπ/16) */
} Sequential;

static const uint8_t zigzag[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                   12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                   35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                   58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

static void make_cosines(Sequential *q)
{
    const double pi = 3.14159265358979323846;
    for (int x = 0; x < 8; x++)
        for (int u = 0; u < 8; u++)
            q->cosine[x][u] = (u ? 0.5 : sqrt(0.125)) * cos((2 * x + 1) * u * pi / 16);
}

static bool decode_block(JpegStream *s, JpegComponent *c, double out[64])
{
    const uint16_t *table = s->quantisation[c->quantisation];
    memset(out, 0, 64 * sizeof *out);
    int length = jpeg_code(s, &s->dc[c->dc]);
    if (length < 0 || length > 15)
        return false;
    int32_t difference = jpeg_signed_bits(s, length);
    if (__builtin_add_overflow(c->prediction, difference, &c->prediction))
        return false;
    out[0] = (double)c->prediction * table[0];
    for (int k = 1; k < 64; k++) {
        int code = jpeg_code(s, &s->ac[c->ac]);
        if (code < 0)
            return false;
        int run = code >> 4, size = code & 15;
        if (size == 0 && run != 15)
            break;
        k += run;
        if (k > 63)
            return false;
        out[zigzag[k]] = (double)jpeg_signed_bits(s, size) * table[k];
    }
    return true;
}

static void inverse_dct(const Sequential *q, const double in[64], double out[64])
{
    double half[64];
    for (int v = 0; v < 8; v++)
        for (int x = 0; x < 8; x++) {
            double sum = 0;
            for (int u = 0; u < 8; u++)
                sum += in[v * 8 + u] * q->cosine[x][u];
            half[v * 8 + x] = sum;
        }
    for (int x = 0; x < 8; x++)
        for (int y = 0; y < 8; y++) {
            double sum = 0;
            for (int v = 0; v < 8; v++)
                sum += half[v * 8 + x] * q->cosine[y][v];
            out[y * 8 + x] = sum;
        }
}

static void place(const Sequential *q, Plane *plane, size_t block_x, size_t block_y, const double in[64])
{
    double values[64];
    inverse_dct(q, in, values);
    double middle = 1 << (q->s.frame.precision - 1), top = (1 << q->s.frame.precision) - 1;
    for (size_t y = 0; y < 8; y++)
        for (size_t x = 0; x < 8; x++) {
            double v = floor(values[y * 8 + x] + middle + 0.5);
            plane->samples[(block_y * 8 + y) * plane->width + block_x * 8 + x] = (int16_t)(v < 0     ? 0
                                                                                           : v > top ? top
                                                                                                     : v);
        }
}

static bool decode_one(Sequential *q, size_t k, size_t block_x, size_t block_y)
{
    double block[64];
    if (!decode_block(&q->s, &q->s.frame.components[k], block))
        return false;
    if (block_x * 8 < q->plane[k].width && block_y * 8 < q->plane[k].height)
        place(q, &q->plane[k], block_x, block_y, block);
    return true;
}

static bool decode_mcu(Sequential *q, size_t x, size_t y)
{
    if (q->s.scan_count == 1)
        return decode_one(q, q->s.scan_components[0], x, y);
    for (size_t i = 0; i < q->s.scan_count; i++) {
        size_t k = q->s.scan_components[i];
        const JpegComponent *c = &q->s.frame.components[k];
        for (size_t v = 0; v < c->v; v++)
            for (size_t h = 0; h < c->h; h++)
                if (!decode_one(q, k, x * c->h + h, y * c->v + v))
                    return false;
    }
    return true;
}

static bool tables_are_there(const Sequential *q)
{
    for (size_t i = 0; i < q->s.scan_count; i++) {
        const JpegComponent *c = &q->s.frame.components[q->s.scan_components[i]];
        if (!q->s.dc[c->dc].defined || !q->s.ac[c->ac].defined || !q->s.has_quantisation[c->quantisation])
            return false;
    }
    return true;
}

static bool decode_scan(Sequential *q, Err *err)
{
    size_t across = q->mcus_across, down = q->mcus_down;
    if (!tables_are_there(q))
        return err_set(err, ERR_FORMAT, "a JPEG scan uses a table that was not given");
    if (q->s.scan_count == 1) { /* T.81 A.2.2: an MCU is one block of the component's own size */
        const JpegComponent *c = &q->s.frame.components[q->s.scan_components[0]];
        across = (((size_t)q->s.frame.columns * c->h + q->h_max - 1) / q->h_max + 7) / 8;
        down = (((size_t)q->s.frame.rows * c->v + q->v_max - 1) / q->v_max + 7) / 8;
    }
    for (size_t n = 0; n < across * down; n++) {
        if (q->s.restart_interval && n && n % q->s.restart_interval == 0) {
            if (!jpeg_restart(&q->s))
                return err_set(err, ERR_FORMAT, "a JPEG frame lacks a restart marker");
            for (size_t k = 0; k < q->s.frame.count; k++)
                q->s.frame.components[k].prediction = 0;
        }
        if (!decode_mcu(q, n % across, n / across))
            return err_set(err, ERR_FORMAT, "a JPEG frame has a wrong code in block %zu of %zu", n,
                           across * down);
    }
    return true;
}

static bool make_planes(Sequential *q, const PixFormat *f, Err *err)
{
    const JpegFrame *frame = &q->s.frame;
    if (!q->s.has_frame || frame->process != JPEG_SEQUENTIAL)
        return err_set(err, ERR_UNSUPPORTED,
                       "this JPEG process (progressive, hierarchical or arithmetic) is not supported");
    if (!pix_same_size(f, frame->rows, frame->columns, frame->count, "JPEG", err))
        return false;
    if (frame->precision > 12 || frame->precision > f->bits_allocated)
        return err_set(err, ERR_FORMAT, "a JPEG frame has %u bits, %u are allocated", frame->precision,
                       f->bits_allocated);
    for (size_t k = 0; k < frame->count; k++) {
        q->h_max = frame->components[k].h > q->h_max ? frame->components[k].h : q->h_max;
        q->v_max = frame->components[k].v > q->v_max ? frame->components[k].v : q->v_max;
    }
    q->mcus_across = (frame->columns + 8u * q->h_max - 1) / (8u * q->h_max);
    q->mcus_down = (frame->rows + 8u * q->v_max - 1) / (8u * q->v_max);
    for (size_t k = 0; k < frame->count; k++) {
        q->plane[k].width = q->mcus_across * frame->components[k].h * 8;
        q->plane[k].height = q->mcus_down * frame->components[k].v * 8;
        q->plane[k].samples = calloc(q->plane[k].width * q->plane[k].height, sizeof(int16_t));
        if (!q->plane[k].samples)
            return err_set(err, ERR_LIMIT, "no memory for a JPEG frame");
    }
    return true;
}

static int32_t sample_at(const Sequential *q, size_t k, size_t x, size_t y)
{
    const JpegComponent *c = &q->s.frame.components[k];
    return q->plane[k].samples[y * c->v / q->v_max * q->plane[k].width + x * c->h / q->h_max];
}

static int32_t clamp(double v, int32_t top)
{
    return v < 0 ? 0 : v > top ? top : (int32_t)(v + 0.5);
}

static void put_rgb(const Sequential *q, const PixFormat *f, uint8_t *room, size_t x, size_t y)
{
    int32_t top = (1 << q->s.frame.precision) - 1, middle = 1 << (q->s.frame.precision - 1);
    double luma = sample_at(q, 0, x, y), cb = sample_at(q, 1, x, y) - middle,
           cr = sample_at(q, 2, x, y) - middle;
    size_t i = (y * f->columns + x) * 3;
    pix_put_sample(f, room, i, clamp(luma + 1.402 * cr, top));
    pix_put_sample(f, room, i + 1, clamp(luma - 0.344136 * cb - 0.714136 * cr, top));
    pix_put_sample(f, room, i + 2, clamp(luma + 1.772 * cb, top));
}

static bool emit(const Sequential *q, PixFormat *f, Buf *out, Err *err)
{
    uint8_t *room = pix_frame_room(f, out, err);
    if (!room)
        return false;
    bool ycc = f->samples == 3 && strncmp(f->photometric, "YBR", 3) == 0;
    for (size_t y = 0; y < f->rows; y++)
        for (size_t x = 0; x < f->columns; x++) {
            if (ycc)
                put_rgb(q, f, room, x, y);
            for (size_t k = 0; !ycc && k < f->samples; k++)
                pix_put_sample(f, room, (y * f->columns + x) * f->samples + k, sample_at(q, k, x, y));
        }
    if (ycc)
        memcpy(f->photometric, "RGB", sizeof "RGB");
    pix_frame_done(f, out);
    return true;
}

bool pix_decode_jpeg_sequential(Span frame, PixFormat *f, Buf *out, Err *err)
{
    Err own;
    err = err ? err : &own;
    Sequential *q = calloc(1, sizeof *q);
    if (!q)
        return err_set(err, ERR_LIMIT, "no memory for a JPEG decoder");
    make_cosines(q);
    bool ok = jpeg_open(&q->s, frame, err);
    size_t decoded = 0;
    while (ok && jpeg_next_scan(&q->s, err)) {
        ok = (q->plane[0].samples || make_planes(q, f, err)) && decode_scan(q, err);
        decoded += q->s.scan_count;
        if (decoded >= q->s.frame.count)
            break;
    }
    ok = ok && err->code == ERR_NONE;
    if (ok && (!q->plane[0].samples || decoded < f->samples))
        ok = err_set(err, ERR_FORMAT, "a JPEG frame has no scan for some component");
    ok = ok && emit(q, f, out, err);
    for (size_t k = 0; k < 4; k++)
        free(q->plane[k].samples);
    free(q);
    return ok;
}
