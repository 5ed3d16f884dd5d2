// SPDX-License-Identifier: MIT
#include "web/http_gzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* q=0, q=0.0 …: the coding is refused. */
static bool has_quality(Span parameters)
{
    Span one;
    bool more = true;
    while (span_split(&parameters, ';', &one, &more)) {
        one = span_trim(one);
        double q;
        if (one.n > 2 && (one.p[0] | 0x20) == 'q' && one.p[1] == '=')
            return span_to_double(span_sub(one, 2, SIZE_MAX), &q) && q > 0;
    }
    return true;
}

bool gzip_wanted(const char *accept_encoding)
{
    Span rest = span_cstr(accept_encoding), one;
    bool more = rest.n > 0, any = false;
    while (span_split(&rest, ',', &one, &more)) {
        one = span_trim(one);
        size_t end = span_index(one, ';');
        Span coding = span_trim(span_sub(one, 0, end));
        bool wanted = end == SIZE_MAX || has_quality(span_sub(one, end + 1, SIZE_MAX));
        if (span_eq_nocase(coding, SPAN("gzip")) || span_eq_nocase(coding, SPAN("x-gzip")))
            return wanted;
        if (span_eq_cstr(coding, "*"))
            any = wanted;
    }
    return any;
}

bool gzip_suits(const char *media)
{
    static const char *const types[] = {"application/dicom+json",
                                        "application/dicom+xml",
                                        "application/json",
                                        "application/problem+json",
                                        "application/xml",
                                        "application/javascript",
                                        "text/html",
                                        "text/css",
                                        "text/plain",
                                        "text/javascript",
                                        "text/xml",
                                        "image/svg+xml"};
    Span s = span_cstr(media);
    s = span_trim(span_sub(s, 0, span_index(s, ';')));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_eq_nocase(s, span_cstr(types[i])))
            return true;
    return false;
}

typedef struct Gzip {
    HttpSource inner;
    z_stream z;
    bool at_end, finished;
    uint8_t in[64 * 1024];
} Gzip;

static ssize_t gzip_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Gzip *gzip = ctx;
    n = n < UINT32_MAX ? n : UINT32_MAX;
    gzip->z.next_out = p;
    gzip->z.avail_out = (uInt)n;
    while (!gzip->finished && gzip->z.avail_out > 0) {
        if (gzip->z.avail_in == 0 && !gzip->at_end) {
            ssize_t got = gzip->inner.read(gzip->inner.ctx, gzip->in, sizeof gzip->in, err);
            if (got < 0)
                return -1;
            gzip->at_end = got == 0;
            gzip->z.next_in = gzip->in;
            gzip->z.avail_in = (uInt)got;
        }
        int state = deflate(&gzip->z, gzip->at_end ? Z_FINISH : Z_NO_FLUSH);
        if (state == Z_STREAM_ERROR) {
            err_set(err, ERR_INTERNAL, "zlib refused to compress");
            return -1;
        }
        gzip->finished = state == Z_STREAM_END;
    }
    return (ssize_t)(n - gzip->z.avail_out);
}

static void gzip_close(void *ctx)
{
    Gzip *gzip = ctx;
    if (gzip->inner.close)
        gzip->inner.close(gzip->inner.ctx);
    deflateEnd(&gzip->z);
    free(gzip);
}

HttpSource gzip_source(const HttpSource *inner)
{
    Gzip *gzip = calloc(1, sizeof *gzip);
    /* 16 more window bits: a gzip header. The fastest level: the network is seldom slower than the next one. */
    if (!gzip || deflateInit2(&gzip->z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    gzip->inner = *inner;
    return (HttpSource){gzip_read, gzip_close, gzip};
}
