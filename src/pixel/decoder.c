// SPDX-License-Identifier: MIT
/*
 * A compressed object as a stream of the same object in explicit VR little endian: the head (all elements before the pixel data) with corrected
 * attributes, the pixel data frame by frame, the elements behind it.
 *
 * The first frame is decoded before the head is written, because only the code stream tells what its colours become. Memory: the head and tail,
 * one compressed and one decoded frame.
 */
#include "pixel/codec.h"
#include "pixel/fragments.h"

#include "dicom/scan.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "dicom/write.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 * 1024 };
static const size_t max_head = 256u << 20;

typedef enum Part { PART_HEAD, PART_FRAMES, PART_PAD, PART_TAIL, PART_END } Part;

struct PixDecoder {
    const DcmTransferSyntax *syntax, *target;
    PixReadAt read;
    void *ctx;
    uint64_t size;
    Arena *arena;
    Buf raw; /* encoded bytes of the head; the data set views them */
    DcmDataset *head;
    uint64_t pixel_offset; /* of the value of the pixel data element */
    PixFormat format;
    PixFragments fragments;
    size_t fragment; /* next one */
    uint32_t frames_done;
    uint8_t carry; /* single bits: those of the frames so far that do not fill a byte yet */
    unsigned carry_bits;
    Buf bits;       /* one decoded frame of single bits */
    Buf compressed; /* one frame, when it has several fragments */
    Buf out;        /* what is waiting to be read */
    size_t out_at;
    Part part;
};

/* -- finding the pixel data -- */

typedef struct Finder {
    uint64_t offset;
    uint32_t length;
    bool found;
} Finder;

static DcmScanWish look_at(void *ctx, const DcmScanElement *e, Err *err)
{
    (void)err;
    Finder *finder = ctx;
    if (e->depth > 0 || e->tag != DCM_PixelData)
        return DCM_SCAN_SKIP;
    *finder = (Finder){.offset = e->offset, .length = e->length, .found = true};
    return DCM_SCAN_STOP;
}

static bool ignore_value(void *ctx, const DcmScanElement *e, Span value, bool is_view, Err *err)
{
    (void)ctx;
    (void)e;
    (void)value;
    (void)is_view;
    (void)err;
    return true;
}

/* Reads on until the pixel data element has begun. */
static bool gather_head(PixDecoder *d, DcmScan *scan, const Finder *finder, Err *err)
{
    while (!finder->found) {
        uint8_t *room = buf_reserve(&d->raw, CHUNK);
        if (!room)
            return err_set(err, ERR_LIMIT, "the attributes before the pixel data are larger than %zu bytes",
                           max_head);
        ssize_t got = d->read(d->ctx, d->raw.n, room, CHUNK, err);
        if (got < 0)
            return false;
        if (got == 0)
            return err_set(err, ERR_FORMAT, "the object has no pixel data");
        d->raw.n += (size_t)got;
        if (!dcm_scan_feed(scan, span_of(room, (size_t)got), err))
            return false;
    }
    if (finder->length != DCM_UNDEFINED_LENGTH)
        return err_set(err, ERR_FORMAT,
                       "the pixel data is not encapsulated, though the transfer syntax is %s",
                       d->syntax->name);
    d->pixel_offset = finder->offset;
    return true;
}

static bool read_head(PixDecoder *d, Err *err)
{
    Finder finder = {0};
    DcmScanHandler handler = {.ctx = &finder, .element = look_at, .value = ignore_value};
    DcmScan *scan = dcm_scan_new(d->syntax, NULL, &handler);
    bool ok = gather_head(d, scan, &finder, err);
    dcm_scan_free(scan);
    if (!ok)
        return false;
    DcmReadOptions options = {.stop_before = DCM_PixelData, .tolerate_truncated = true};
    d->head = dcm_dataset_parse(d->arena, buf_span(&d->raw), d->syntax, &options, err);
    return d->head && pix_format(d->head, &d->format, err);
}

/* -- frames -- */

/* The bytes of the next frame: a list of fragments put together. */
static bool read_compressed(PixDecoder *d, Err *err)
{
    buf_clear(&d->compressed);
    do {
        const PixFragment *f = &d->fragments.list[d->fragment++];
        uint8_t *room = buf_reserve(&d->compressed, f->length);
        if (!room)
            return err_set(err, ERR_LIMIT, "a compressed frame is larger than %zu bytes",
                           d->compressed.limit);
        for (size_t done = 0; done < f->length;) {
            ssize_t got = d->read(d->ctx, f->offset + done, room + done, f->length - done, err);
            if (got <= 0)
                return got == 0 ? err_set(err, ERR_FORMAT, "the pixel data ends early") : false;
            done += (size_t)got;
        }
        d->compressed.n += f->length;
    } while (d->fragment < d->fragments.count && !d->fragments.list[d->fragment].starts_frame);
    return true;
}

/* Single bits are packed without regard to frames (PS3.5 §8.1.1): a frame may begin inside a byte. */
static bool put_bits(PixDecoder *d, Err *err)
{
    size_t bits = (size_t)d->format.rows * d->format.columns * d->format.samples;
    for (size_t i = 0; i < bits; i++) {
        d->carry |= (uint8_t)((d->bits.p[i / 8] >> (i % 8) & 1) << d->carry_bits);
        if (++d->carry_bits < 8)
            continue;
        if (!buf_u8(&d->out, d->carry))
            return err_set(err, ERR_LIMIT, "no memory for a frame");
        d->carry = 0;
        d->carry_bits = 0;
    }
    bool last = d->frames_done + 1 == d->format.frames;
    return !last || !d->carry_bits || buf_u8(&d->out, d->carry);
}

static bool decode_frame(PixDecoder *d, PixFormat *format, Err *err)
{
    if (d->format.bits_allocated > 1)
        return pix_decode(d->syntax, buf_span(&d->compressed), format, &d->out, err);
    buf_clear(&d->bits);
    return pix_decode(d->syntax, buf_span(&d->compressed), format, &d->bits, err) && put_bits(d, err);
}

static bool next_frame(PixDecoder *d, Err *err)
{
    PixFormat format = d->format;
    if (d->fragment >= d->fragments.count)
        return err_set(err, ERR_FORMAT, "the pixel data has %u of %u frames", d->frames_done, format.frames);
    if (!read_compressed(d, err) || !decode_frame(d, &format, err))
        return err_wrap(err, "frame %u of %u", d->frames_done + 1, d->format.frames);
    if (d->frames_done == 0) {
        memcpy(d->format.photometric, format.photometric, sizeof format.photometric);
        d->format.planar = 0;
    } else if (strcmp(d->format.photometric, format.photometric) != 0 &&
               strncmp(d->format.photometric, "YBR", 3) == 0) {
        return err_set(err, ERR_FORMAT, "frame %u has other colours than the first", d->frames_done + 1);
    }
    d->frames_done++;
    return true;
}

/* -- head and tail -- */

/* Of all decoded frames, without padding. At most 2^31 frames of 2^31 bytes. */
static uint64_t pixel_bytes(const PixDecoder *d)
{
    if (d->format.bits_allocated > 1)
        return (uint64_t)pix_frame_bytes(&d->format) * d->format.frames;
    uint64_t bits = (uint64_t)d->format.rows * d->format.columns * d->format.samples;
    return bits * d->format.frames / 8 + (bits * d->format.frames % 8 != 0);
}

static void correct_attributes(PixDecoder *d)
{
    dcm_put_utf8(d->head, DCM_PhotometricInterpretation, d->format.photometric);
    if (d->format.samples > 1)
        dcm_put_u16(d->head, DCM_PlanarConfiguration, 0);
    dcm_remove(d->head, DCM_ExtendedOffsetTable);
    dcm_remove(d->head, DCM_ExtendedOffsetTableLengths);
}

/* Puts the head in front of the first frame, which has been decoded into d->out. */
static bool write_head(PixDecoder *d, Err *err)
{
    uint64_t length = pixel_bytes(d);
    if (length >= UINT32_MAX - 1)
        return err_set(err, ERR_UNSUPPORTED,
                       "the decoded pixel data would be %llu bytes: more than an element can hold",
                       (unsigned long long)length);
    Buf frame = d->out;
    buf_init(&d->out, 0);
    correct_attributes(d);
    bool ok = dcm_write(&d->out, d->head, d->target, err) &&
              dcm_write_header(&d->out, DCM_PixelData, d->format.bits_allocated > 8 ? DCM_VR_OW : DCM_VR_OB,
                               (uint32_t)(length + (length & 1)), d->target) &&
              buf_append_span(&d->out, buf_span(&frame));
    buf_free(&frame);
    return ok || err_wrap(err, "the attributes cannot be written");
}

/* Elements behind the pixel data, without padding: they refer to the compressed object (signatures), but are kept as they are. */
static bool write_tail(PixDecoder *d, Err *err)
{
    uint64_t left = d->size - d->fragments.end;
    buf_clear(&d->out);
    d->out_at = 0;
    if (left == 0 || left > max_head)
        return left == 0 || err_set(err, ERR_LIMIT,
                                    "the elements behind the pixel data are larger than %zu bytes", max_head);
    Buf *raw = &d->compressed;
    buf_clear(raw);
    while (raw->n < left) {
        uint8_t *room = buf_reserve(raw, left - raw->n);
        ssize_t got = room ? d->read(d->ctx, d->fragments.end + raw->n, room, left - raw->n, err) : -1;
        if (got <= 0)
            return err_wrap(err, "reading the end of the object");
        raw->n += (size_t)got;
    }
    DcmDataset *tail = dcm_dataset_parse(d->arena, buf_span(raw), d->syntax, NULL, err);
    if (!tail)
        return false;
    dcm_remove(tail, DCM_DataSetTrailingPadding);
    return dcm_write(&d->out, tail, d->target, err);
}

/* -- the stream -- */

static bool open_object(PixDecoder *d, Err *err)
{
    if (!read_head(d, err))
        return false;
    const DcmElement *table = dcm_find(d->head, DCM_ExtendedOffsetTable);
    if (!pix_fragments_find(&d->fragments, d->read, d->ctx, d->pixel_offset, d->size, d->format.frames,
                            table ? table->value : (Span){NULL, 0}, err))
        return false;
    return next_frame(d, err) && write_head(d, err);
}

PixDecoder *pix_decoder_new(const DcmTransferSyntax *syntax, PixReadAt read, void *ctx, uint64_t size,
                            Err *err)
{
    if (!pix_can_decode(syntax)) {
        err_set(err, ERR_UNSUPPORTED, "objects in %s cannot be decoded",
                syntax ? syntax->name : "an unknown transfer syntax");
        return NULL;
    }
    PixDecoder *d = calloc(1, sizeof *d);
    if (!d) {
        err_set(err, ERR_LIMIT, "no memory for a decoder");
        return NULL;
    }
    *d = (PixDecoder){
        .syntax = syntax, .read = read, .ctx = ctx, .size = size, .arena = arena_new(2 * max_head)};
    d->target = dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian));
    buf_init(&d->raw, max_head);
    buf_init(&d->compressed, UINT32_MAX);
    buf_init(&d->bits, 0);
    buf_init(&d->out, 0);
    if (!open_object(d, err)) {
        pix_decoder_free(d);
        return NULL;
    }
    return d;
}

void pix_decoder_free(PixDecoder *d)
{
    if (!d)
        return;
    pix_fragments_free(&d->fragments);
    buf_free(&d->raw);
    buf_free(&d->compressed);
    buf_free(&d->bits);
    buf_free(&d->out);
    arena_free(d->arena);
    free(d);
}

/* Fills d->out with what comes next. */
static bool advance(PixDecoder *d, Err *err)
{
    buf_clear(&d->out);
    d->out_at = 0;
    if (d->part == PART_HEAD)
        d->part = PART_FRAMES;
    if (d->part == PART_FRAMES && d->frames_done < d->format.frames)
        return next_frame(d, err);
    if (d->part == PART_FRAMES) {
        d->part = PART_PAD;
        if (pixel_bytes(d) & 1)
            return buf_u8(&d->out, 0);
    }
    if (d->part == PART_PAD) {
        d->part = PART_TAIL;
        return write_tail(d, err);
    }
    d->part = PART_END;
    return true;
}

ssize_t pix_decoder_read(PixDecoder *d, uint8_t *p, size_t n, Err *err)
{
    while (d->out_at == d->out.n && d->part != PART_END)
        if (!advance(d, err))
            return -1;
    Span piece = span_sub(buf_span(&d->out), d->out_at, n);
    if (piece.n)
        memcpy(p, piece.p, piece.n);
    d->out_at += piece.n;
    return (ssize_t)piece.n;
}
