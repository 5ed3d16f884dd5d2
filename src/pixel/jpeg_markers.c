// SPDX-License-Identifier: MIT
#include "pixel/jpeg_markers.h"

#include <string.h>

enum {
    SOF0 = 0xC0,
    SOF1 = 0xC1,
    SOF3 = 0xC3,
    DHT = 0xC4,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    DQT = 0xDB,
    DRI = 0xDD,
    TEM = 0x01,
    FAST_BITS = 9
};

/* The next marker code, skipping whatever lies before it; 0 at the end. */
static int next_marker(Cursor *in)
{
    while (cur_left(in) >= 2) {
        if (cur_u8(in) != 0xFF)
            continue;
        uint8_t code = 0xFF;
        while (code == 0xFF && cur_left(in))
            code = cur_u8(in);
        if (code != 0 && code != 0xFF)
            return code;
    }
    return 0;
}

/* Body of a marker segment, without its length. */
static Cursor segment(Cursor *in)
{
    uint16_t length = cur_u16(in);
    Span body = cur_take(in, length >= 2 ? length - 2u : 0);
    if (length < 2)
        in->failed = true;
    return cur_of(body, true);
}

static bool is_frame_header(int marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != DHT && marker != 0xC8 && marker != 0xCC;
}

static bool read_frame(int marker, Cursor body, JpegFrame *f, Err *err)
{
    *f = (JpegFrame){.process = marker == SOF3                     ? JPEG_LOSSLESS
                                : marker == SOF0 || marker == SOF1 ? JPEG_SEQUENTIAL
                                                                   : JPEG_OTHER};
    f->precision = cur_u8(&body);
    f->rows = cur_u16(&body);
    f->columns = cur_u16(&body);
    f->count = cur_u8(&body);
    if (body.failed || f->count < 1 || f->count > 4 || f->precision < 2 || f->precision > 16)
        return err_set(err, ERR_FORMAT, "a JPEG frame header is damaged");
    for (size_t i = 0; i < f->count; i++) {
        JpegComponent *c = &f->components[i];
        c->id = cur_u8(&body);
        uint8_t factors = cur_u8(&body);
        c->h = factors >> 4;
        c->v = factors & 15;
        c->quantisation = cur_u8(&body) & 3;
        if (body.failed || c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4)
            return err_set(err, ERR_FORMAT, "a JPEG frame header is damaged");
    }
    return true;
}

bool jpeg_find_frame(Span stream, JpegFrame *out, Err *err)
{
    Cursor in = cur_of(stream, true);
    for (int marker = next_marker(&in); marker && marker != SOS && !in.failed; marker = next_marker(&in)) {
        if (marker == SOI || marker == TEM || (marker >= RST0 && marker <= RST7))
            continue;
        Cursor body = segment(&in);
        if (is_frame_header(marker))
            return read_frame(marker, body, out, err);
    }
    return err_set(err, ERR_FORMAT, "this is not a JPEG frame: no frame header");
}

/* T.81 C and F.2.2.3 */
static bool build_table(JpegHuffman *t, const uint8_t counts[16], Span values)
{
    memset(t, 0, sizeof *t);
    memcpy(t->values, values.p, values.n);
    int32_t code = 0, k = 0;
    for (int length = 1; length <= 16; length++) {
        t->offset[length] = k - code;
        for (int i = 0; i < counts[length - 1]; i++, code++, k++) {
            if (code >= 1 << length)
                return false;
            if (length > FAST_BITS)
                continue;
            int first = code << (FAST_BITS - length), n = 1 << (FAST_BITS - length);
            memset(t->lookup_length + first, length, (size_t)n);
            memset(t->lookup_value + first, t->values[k], (size_t)n);
        }
        t->max_code[length] = counts[length - 1] ? code - 1 : -1;
        code <<= 1;
    }
    t->defined = true;
    return true;
}

static bool read_huffman(JpegStream *s, Cursor body, Err *err)
{
    while (cur_left(&body)) {
        uint8_t which = cur_u8(&body);
        Span counts = cur_take(&body, 16);
        size_t total = 0;
        for (size_t i = 0; i < counts.n; i++)
            total += counts.p[i];
        Span values = cur_take(&body, total);
        if (body.failed || total > 256 || (which & 15) > 3 || which >> 4 > 1 ||
            !build_table(which >> 4 ? &s->ac[which & 3] : &s->dc[which & 3], counts.p, values))
            return err_set(err, ERR_FORMAT, "a JPEG Huffman table is damaged");
    }
    return true;
}

static bool read_quantisation(JpegStream *s, Cursor body, Err *err)
{
    while (cur_left(&body)) {
        uint8_t which = cur_u8(&body);
        if ((which & 15) > 3)
            return err_set(err, ERR_FORMAT, "a JPEG quantisation table is damaged");
        for (int i = 0; i < 64; i++)
            s->quantisation[which & 3][i] = which >> 4 ? cur_u16(&body) : cur_u8(&body);
        s->has_quantisation[which & 3] = true;
        if (body.failed)
            return err_set(err, ERR_FORMAT, "a JPEG quantisation table is damaged");
    }
    return true;
}

static bool read_scan(JpegStream *s, Cursor body, Err *err)
{
    s->scan_count = cur_u8(&body);
    if (!s->has_frame || s->scan_count < 1 || s->scan_count > s->frame.count)
        return err_set(err, ERR_FORMAT, "a JPEG scan header is damaged");
    for (size_t i = 0; i < s->scan_count; i++) {
        uint8_t id = cur_u8(&body), tables = cur_u8(&body);
        uint8_t k = 0;
        while (k < s->frame.count && s->frame.components[k].id != id)
            k++;
        if (k == s->frame.count || (tables & 15) > 3 || tables >> 4 > 3)
            return err_set(err, ERR_FORMAT, "a JPEG scan names an unknown component or table");
        s->scan_components[i] = k;
        s->frame.components[k].dc = tables >> 4;
        s->frame.components[k].ac = tables & 15;
        s->frame.components[k].prediction = 0;
    }
    s->spectral_start = cur_u8(&body);
    s->spectral_end = cur_u8(&body);
    s->approximation = cur_u8(&body);
    s->bits = 0;
    s->bit_count = 0;
    s->at_marker = false;
    return !body.failed || err_set(err, ERR_FORMAT, "a JPEG scan header is damaged");
}

bool jpeg_open(JpegStream *s, Span stream, Err *err)
{
    memset(s, 0, sizeof *s);
    s->in = cur_of(stream, true);
    if (cur_u16(&s->in) != 0xFFD8)
        return err_set(err, ERR_FORMAT, "this is not a JPEG frame: it does not begin with SOI");
    return true;
}

static bool read_segment(JpegStream *s, int marker, Cursor body, Err *err)
{
    if (marker == DHT)
        return read_huffman(s, body, err);
    if (marker == DQT)
        return read_quantisation(s, body, err);
    if (marker == DRI) {
        s->restart_interval = cur_u16(&body);
        return true;
    }
    if (!is_frame_header(marker))
        return true;
    if (s->has_frame)
        return err_set(err, ERR_FORMAT, "a JPEG stream has two frame headers");
    s->has_frame = true;
    return read_frame(marker, body, &s->frame, err);
}

bool jpeg_next_scan(JpegStream *s, Err *err)
{
    err_clear(err);
    for (;;) {
        int marker = next_marker(&s->in);
        if (marker == 0 || marker == EOI)
            return false;
        if (marker == SOI || marker == TEM || (marker >= RST0 && marker <= RST7))
            continue;
        Cursor body = segment(&s->in);
        if (s->in.failed)
            return err_set(err, ERR_FORMAT, "a JPEG marker segment is longer than the stream");
        if (marker == SOS)
            return read_scan(s, body, err);
        if (!read_segment(s, marker, body, err))
            return false;
    }
}

/* Coded bytes: FF 00 stands for FF; FF and anything else is a marker, where the data ends (zeros follow, T.81 F.2.2.5). */
static void fill(JpegStream *s)
{
    while (s->bit_count <= 24) {
        uint32_t byte = 0;
        Span two = cur_peek(&s->in, 2);
        if (!s->at_marker && two.n == 2 && two.p[0] == 0xFF && two.p[1] != 0)
            s->at_marker = true;
        if (!s->at_marker && cur_left(&s->in)) {
            byte = cur_u8(&s->in);
            if (byte == 0xFF)
                cur_skip(&s->in, cur_left(&s->in) ? 1 : 0);
        }
        s->bits |= byte << (24 - s->bit_count);
        s->bit_count += 8;
    }
}

static uint32_t take_bits(JpegStream *s, int n)
{
    if (n == 0)
        return 0;
    if (s->bit_count < n)
        fill(s);
    uint32_t v = s->bits >> (32 - n);
    s->bits <<= n;
    s->bit_count -= n;
    return v;
}

int jpeg_code(JpegStream *s, const JpegHuffman *t)
{
    if (s->bit_count < 16)
        fill(s);
    uint32_t fast = s->bits >> (32 - FAST_BITS);
    if (t->lookup_length[fast]) {
        take_bits(s, t->lookup_length[fast]);
        return t->lookup_value[fast];
    }
    for (int length = FAST_BITS + 1; length <= 16; length++) {
        int32_t code = (int32_t)(s->bits >> (32 - length));
        if (code > t->max_code[length])
            continue;
        int32_t k = code + t->offset[length];
        take_bits(s, length);
        return k >= 0 && k < 256 ? t->values[k] : -1;
    }
    return -1;
}

int32_t jpeg_signed_bits(JpegStream *s, int n)
{
    if (n == 0)
        return 0;
    int32_t v = (int32_t)take_bits(s, n);
    return v < 1 << (n - 1) ? v - (1 << n) + 1 : v;
}

bool jpeg_restart(JpegStream *s)
{
    s->bits = 0;
    s->bit_count = 0;
    s->at_marker = false;
    int marker = next_marker(&s->in);
    return marker >= RST0 && marker <= RST7;
}
