// SPDX-License-Identifier: MIT
/*
 * Lossless JPEG, T.81 H: each sample is predicted from its left (a), upper (b) and upper left (c) neighbours; the difference is Huffman
 * coded by its length. DICOM allows processes 14 with any predictor (…4.57) and with predictor 1 (…4.70).
 *
 * Samples of a scan are kept as 16-bit planes; two lines per component would do, but the interleaving with other scans is simpler so.
 */
#include "pixel/codec.h"
#include "pixel/jpeg_markers.h"

#include <stdlib.h>
#include <string.h>

typedef struct Lossless {
    JpegStream s;
    size_t rows, columns;
    uint16_t *plane[4];
} Lossless;

static int32_t predict(int predictor, int32_t a, int32_t b, int32_t c)
{
    switch (predictor) {
    case 1:
        return a;
    case 2:
        return b;
    case 3:
        return c;
    case 4:
        return a + b - c;
    case 5:
        return a + ((b - c) >> 1);
    case 6:
        return b + ((a - c) >> 1);
    case 7:
        return (a + b) >> 1;
    default:
        return 0;
    }
}

/* The first sample after a start or restart is predicted by half the range, the rest of that line by its left neighbour, the first sample
   of other lines by the upper one: T.81 H.1.2.1. */
static int32_t prediction(const Lossless *l, const uint16_t *at, size_t x, bool first_line)
{
    if (first_line)
        return x ? at[-1] : 1 << (l->s.frame.precision - l->s.approximation - 1);
    const uint16_t *above = at - l->columns;
    return x ? predict(l->s.spectral_start, at[-1], above[0], above[-1]) : above[0];
}

static bool decode_difference(JpegStream *s, const JpegHuffman *table, int32_t *out)
{
    int length = jpeg_code(s, table);
    if (length < 0 || length > 16)
        return false;
    *out = length == 16 ? 32768 : jpeg_signed_bits(s, length);
    return true;
}

static bool decode_line(Lossless *l, size_t y, bool first_line)
{
    for (size_t x = 0; x < l->columns; x++)
        for (size_t i = 0; i < l->s.scan_count; i++) {
            size_t k = l->s.scan_components[i];
            uint16_t *at = l->plane[k] + y * l->columns + x;
            int32_t difference;
            if (!decode_difference(&l->s, &l->s.dc[l->s.frame.components[k].dc], &difference))
                return false;
            *at = (uint16_t)(prediction(l, at, x, first_line) + difference);
        }
    return true;
}

static bool decode_scan(Lossless *l, Err *err)
{
    const JpegStream *s = &l->s;
    for (size_t i = 0; i < s->scan_count; i++)
        if (!s->dc[s->frame.components[s->scan_components[i]].dc].defined)
            return err_set(err, ERR_FORMAT, "a lossless JPEG scan uses a Huffman table that was not given");
    if (s->spectral_start < 1 || s->spectral_start > 7 || s->approximation >= s->frame.precision)
        return err_set(err, ERR_FORMAT, "a lossless JPEG scan has predictor %u and point transform %u",
                       s->spectral_start, s->approximation);
    if (s->restart_interval % l->columns)
        return err_set(err, ERR_UNSUPPORTED, "a lossless JPEG restart interval of %u is not whole lines",
                       s->restart_interval);
    size_t lines_per_interval = s->restart_interval / l->columns;
    for (size_t y = 0; y < l->rows; y++) {
        bool restart = lines_per_interval && y && y % lines_per_interval == 0;
        if (restart && !jpeg_restart(&l->s))
            return err_set(err, ERR_FORMAT, "a lossless JPEG frame lacks a restart marker at line %zu", y);
        if (!decode_line(l, y, y == 0 || restart))
            return err_set(err, ERR_FORMAT, "a lossless JPEG frame has a wrong code in line %zu", y);
    }
    return true;
}

static bool make_planes(Lossless *l, const PixFormat *f, Err *err)
{
    const JpegFrame *frame = &l->s.frame;
    if (!l->s.has_frame || frame->process != JPEG_LOSSLESS)
        return err_set(err, ERR_FORMAT, "this is not a lossless JPEG frame");
    if (!pix_same_size(f, frame->rows, frame->columns, frame->count, "lossless JPEG", err))
        return false;
    if (frame->precision > f->bits_allocated)
        return err_set(err, ERR_FORMAT, "a lossless JPEG frame has %u bits, %u are allocated",
                       frame->precision, f->bits_allocated);
    l->rows = frame->rows;
    l->columns = frame->columns;
    for (size_t i = 0; i < frame->count; i++) {
        if (frame->components[i].h != 1 || frame->components[i].v != 1)
            return err_set(err, ERR_UNSUPPORTED, "lossless JPEG with subsampled components is not supported");
        l->plane[i] = calloc(l->rows * l->columns, sizeof(uint16_t));
        if (!l->plane[i])
            return err_set(err, ERR_LIMIT, "no memory for a frame of %zu x %zu", l->rows, l->columns);
    }
    return true;
}

static bool emit(const Lossless *l, unsigned shift, PixFormat *f, Buf *out, Err *err)
{
    uint8_t *room = pix_frame_room(f, out, err);
    if (!room)
        return false;
    size_t area = l->rows * l->columns;
    for (size_t i = 0; i < area; i++)
        for (size_t k = 0; k < f->samples; k++)
            pix_put_sample(f, room, i * f->samples + k, l->plane[k][i] << shift);
    pix_frame_done(f, out);
    return true;
}

bool pix_decode_jpeg_lossless(Span frame, PixFormat *f, Buf *out, Err *err)
{
    Err own;
    err = err ? err : &own;
    Lossless *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(err, ERR_LIMIT, "no memory for a JPEG decoder");
    bool ok = jpeg_open(&l->s, frame, err);
    size_t decoded = 0;
    while (ok && jpeg_next_scan(&l->s, err)) {
        ok = (l->plane[0] || make_planes(l, f, err)) && decode_scan(l, err);
        decoded += l->s.scan_count;
        if (decoded >= l->s.frame.count)
            break;
    }
    ok = ok && err->code == ERR_NONE;
    if (ok && (!l->plane[0] || decoded < f->samples))
        ok = err_set(err, ERR_FORMAT, "a lossless JPEG frame has no scan for some component");
    ok = ok && emit(l, l->s.approximation, f, out, err);
    for (size_t i = 0; i < 4; i++)
        free(l->plane[i]);
    free(l);
    return ok;
}
