// SPDX-License-Identifier: MIT
/* zlib as a stream in both directions. The first eight bytes of the input are held back until it is clear what they are. */
#include "dicom/deflate.h"
#include "dicom/scan.h"
#include "dicom/scan_header.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PROBE = 8, CHUNK = 64 * 1024 };

typedef enum InflateState { PROBING, INFLATING, PLAIN, ENDED } InflateState;

struct DcmInflate {
    z_stream z;
    InflateState state;
    uint8_t probe[PROBE];
    size_t probed;
    bool zlib_header;
    uint64_t in, out, behind; /* bytes read, made, and found behind the end */
    uint32_t max_ratio;
    unsigned defects;
    DcmInflateSink sink;
    void *ctx;
    uint8_t chunk[CHUNK];
};

DcmInflate *dcm_inflate_new(uint32_t max_ratio, DcmInflateSink sink, void *ctx)
{
    DcmInflate *d = malloc(sizeof *d);
    if (!d)
        abort();
    memset(d, 0, offsetof(DcmInflate, chunk));
    d->max_ratio = max_ratio;
    d->sink = sink;
    d->ctx = ctx;
    if (inflateInit2(&d->z, -MAX_WBITS) != Z_OK)
        abort();
    return d;
}

void dcm_inflate_free(DcmInflate *d)
{
    if (!d)
        return;
    inflateEnd(&d->z);
    free(d);
}

/* A raw stream that starts with the bits of a zlib header starts with a stored block, whose length is there twice. */
static bool is_zlib_header(const uint8_t *p, size_t n)
{
    if (n < 2 || (p[0] & 0x0F) != 8 || (p[0] << 8 | p[1]) % 31 != 0)
        return false;
    return n < 5 || ((p[1] | p[2] << 8) ^ (p[3] | p[4] << 8)) != 0xFFFF;
}

static bool emit(DcmInflate *d, size_t n, Err *err)
{
    d->out += n;
    if (d->out / d->max_ratio > d->in)
        return err_set(err, ERR_LIMIT, "deflated data set: grows more than %u times", d->max_ratio);
    return n == 0 || d->sink(d->ctx, span_of(d->chunk, n), err);
}

static bool run(DcmInflate *d, Span in, Err *err)
{
    z_stream *z = &d->z;
    while (in.n > 0 && d->state == INFLATING) {
        size_t given = in.n < UINT32_MAX / 2 ? in.n : UINT32_MAX / 2;
        z->next_in = (Bytef *)in.p;
        z->avail_in = (uInt)given;
        z->next_out = d->chunk;
        z->avail_out = CHUNK;
        int result = inflate(z, Z_NO_FLUSH);
        size_t used = given - z->avail_in;
        d->in += used;
        in = span_sub(in, used, in.n);
        if (!emit(d, CHUNK - z->avail_out, err))
            return false;
        if (result == Z_STREAM_END)
            d->state = ENDED;
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return err_set(err, ERR_FORMAT, "deflated data set: damaged at byte %llu (%s)",
                           (unsigned long long)d->in, z->msg ? z->msg : "zlib");
    }
    d->behind += in.n;
    return true;
}

/* What zlib holds in its window when the input is used up but the output chunk was full. */
static bool drain(DcmInflate *d, Err *err)
{
    while (d->state == INFLATING) {
        d->z.avail_in = 0;
        d->z.next_out = d->chunk;
        d->z.avail_out = CHUNK;
        int result = inflate(&d->z, Z_NO_FLUSH);
        size_t made = CHUNK - d->z.avail_out;
        if (!emit(d, made, err))
            return false;
        if (result == Z_STREAM_END)
            d->state = ENDED;
        else if (made == 0)
            break;
    }
    return true;
}

static bool pass(DcmInflate *d, Span in, Err *err)
{
    if (d->state == PLAIN)
        return in.n == 0 || d->sink(d->ctx, in, err);
    return run(d, in, err) && drain(d, err);
}

static bool end_probe(DcmInflate *d, Err *err)
{
    Span probe = span_of(d->probe, d->probed);
    d->state = INFLATING;
    if (dcm_header_is_explicit(probe, false)) {
        d->state = PLAIN;
        d->defects |= DCM_DEFECT_WRONG_SYNTAX;
    } else if (is_zlib_header(probe.p, probe.n)) {
        d->zlib_header = true;
        probe = span_sub(probe, 2, probe.n);
    }
    return pass(d, probe, err);
}

bool dcm_inflate_feed(DcmInflate *d, Span in, Err *err)
{
    if (d->state == PROBING) {
        size_t n = PROBE - d->probed < in.n ? PROBE - d->probed : in.n;
        if (n)
            memcpy(d->probe + d->probed, in.p, n);
        d->probed += n;
        in = span_sub(in, n, in.n);
        if (d->probed < PROBE)
            return true;
        if (!end_probe(d, err))
            return false;
    }
    return pass(d, in, err);
}

bool dcm_inflate_finish(DcmInflate *d, Err *err)
{
    if (d->state == PROBING && !end_probe(d, err))
        return false;
    if (d->state == INFLATING)
        return err_set(err, ERR_FORMAT, "deflated data set: ends early, after %llu bytes",
                       (unsigned long long)d->in);
    /* One byte pads to even length; a zlib stream has a checksum of four. */
    if (d->behind > (d->zlib_header ? 5u : 1u))
        d->defects |= DCM_DEFECT_PADDING;
    return true;
}

unsigned dcm_inflate_defects(const DcmInflate *d)
{
    return d->defects;
}

struct DcmDeflate {
    z_stream z;
    uint64_t made;
};

DcmDeflate *dcm_deflate_new(void)
{
    DcmDeflate *d = calloc(1, sizeof *d);
    if (!d ||
        deflateInit2(&d->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    return d;
}

void dcm_deflate_free(DcmDeflate *d)
{
    if (!d)
        return;
    deflateEnd(&d->z);
    free(d);
}

/* Until the input is used up (and the stream ended, when finishing). */
static bool deflate_run(DcmDeflate *d, int flush, Buf *out, Err *err)
{
    z_stream *z = &d->z;
    int result;
    do {
        uint8_t *room = buf_reserve(out, CHUNK / 4);
        if (!room)
            return err_set(err, ERR_LIMIT, "deflated data set: larger than %zu bytes", out->limit);
        z->next_out = room;
        z->avail_out = CHUNK / 4;
        result = deflate(z, flush);
        out->n += CHUNK / 4 - z->avail_out;
        d->made += CHUNK / 4 - z->avail_out;
    } while (z->avail_out == 0 || (flush == Z_FINISH && result == Z_OK));
    return true;
}

bool dcm_deflate_feed(DcmDeflate *d, Span in, Buf *out, Err *err)
{
    while (in.n > 0) {
        size_t given = in.n < UINT32_MAX / 2 ? in.n : UINT32_MAX / 2;
        d->z.next_in = (Bytef *)in.p;
        d->z.avail_in = (uInt)given;
        if (!deflate_run(d, Z_NO_FLUSH, out, err))
            return false;
        in = span_sub(in, given, in.n);
    }
    return true;
}

bool dcm_deflate_finish(DcmDeflate *d, Buf *out, Err *err)
{
    d->z.avail_in = 0;
    if (!deflate_run(d, Z_FINISH, out, err))
        return false;
    if (d->made % 2 == 1 && !buf_u8(out, 0))
        return err_set(err, ERR_LIMIT, "deflated data set: larger than %zu bytes", out->limit);
    return true;
}
