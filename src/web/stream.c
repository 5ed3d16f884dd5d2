// SPDX-License-Identifier: MIT
#include "web/stream.h"

#include <stdlib.h>
#include <string.h>

enum { GATHER_MAX = 1 << 20 };

struct WebStream {
    WebProducer producer;
    Buf out; /* not sent yet, from `sent` on */
    size_t sent;
    bool ended;
};

static bool gather(WebStream *s, Err *err)
{
    while (!s->ended && s->out.n < GATHER_MAX)
        if (!s->producer.produce(s->producer.ctx, &s->out, &s->ended, err))
            return false;
    return true;
}

WebStream *web_stream_new(const WebProducer *producer, Err *err)
{
    WebStream *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->producer = *producer;
    buf_init(&s->out, 0);
    if (gather(s, err))
        return s;
    web_stream_free(s);
    return NULL;
}

bool web_stream_ended(const WebStream *s)
{
    return s->ended;
}

void web_stream_free(WebStream *s)
{
    s->producer.free(s->producer.ctx);
    buf_free(&s->out);
    free(s);
}

static ssize_t read_stream(void *ctx, uint8_t *p, size_t n, Err *err)
{
    WebStream *s = ctx;
    if (s->sent == s->out.n) {
        buf_clear(&s->out);
        s->sent = 0;
        if (!gather(s, err))
            return -1;
    }
    Span piece = span_sub(buf_span(&s->out), s->sent, n);
    if (piece.n)
        memcpy(p, piece.p, piece.n);
    s->sent += piece.n;
    return (ssize_t)piece.n;
}

static void close_stream(void *ctx)
{
    web_stream_free(ctx);
}

void web_stream_answer(WebStream *s, HttpExchange *x, unsigned status, const char *media)
{
    if (!s->ended) {
        http_answer_source(x, status, media, &(HttpSource){read_stream, close_stream, s},
                           HTTP_LENGTH_UNKNOWN);
        return;
    }
    http_answer_buf(x, status, media, &s->out);
    web_stream_free(s);
}
