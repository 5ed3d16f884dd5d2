// SPDX-License-Identifier: MIT
/*
 * A kept answer becomes a response of libmicrohttpd: which bytes of it (ranges), in which coding (gzip), with which headers. A small file without TLS is
 * sent by the kernel (sendfile), stretches of files within what is made (http_direct.c) as well; everything else comes block by block through one callback: with large files that was measured to be faster.
 */
#include "base/log.h"
#include "web/http_gzip.h"
#include "web/http_internal.h"
#include "web/http_range.h"
#include "web/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

/* -- sources made of the answer itself -- */

/* A stretch of what is sent: text of ours, or bytes of the body. */
typedef struct Stretch {
    Span text; /* when text.p is not NULL */
    uint64_t from, length;
} Stretch;

typedef struct Stretches {
    const Answer *answer;
    Stretch *list;
    size_t count, at;
    uint64_t done; /* of the stretch at `at` */
} Stretches;

static ssize_t read_body(const Answer *a, uint64_t from, uint8_t *p, size_t n, Err *err)
{
    if (a->kind == ANSWER_MEMORY) {
        memcpy(p, a->body.p + from, n);
        return (ssize_t)n;
    }
    ssize_t got;
    do
        got = pread(a->fd, p, n, (off_t)(a->offset + from));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        err_errno(err, errno, "read");
    else if (got == 0)
        err_set(err, ERR_IO, "the file has become shorter");
    return got > 0 ? got : -1;
}

static ssize_t stretch_read(const Stretches *s, uint8_t *p, size_t n, Err *err)
{
    const Stretch *one = &s->list[s->at];
    uint64_t left = one->length - s->done;
    n = n < left ? n : (size_t)left;
    if (!one->text.p)
        return read_body(s->answer, one->from + s->done, p, n, err);
    memcpy(p, one->text.p + s->done, n);
    return (ssize_t)n;
}

/* As much as fits, so that a head and what follows it leave together. */
static ssize_t stretches_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Stretches *s = ctx;
    size_t filled = 0;
    while (s->at < s->count && filled < n) {
        if (s->done == s->list[s->at].length) {
            s->at++;
            s->done = 0;
            continue;
        }
        ssize_t got = stretch_read(s, p + filled, n - filled, err);
        if (got < 0)
            return -1;
        s->done += (uint64_t)got;
        filled += (size_t)got;
    }
    return (ssize_t)filled;
}

static Stretches *stretches_new(HttpExchange *x, size_t max)
{
    Stretches *s = arena_alloc(x->arena, sizeof *s);
    *s = (Stretches){.answer = &x->answer, .list = arena_alloc(x->arena, max * sizeof *s->list)};
    return s;
}

static void add_span(Stretches *s, Span text)
{
    if (text.n)
        s->list[s->count++] = (Stretch){.text = text, .length = text.n};
}

static void add_text(HttpExchange *x, Stretches *s, Buf *text)
{
    add_span(s, arena_span(x->arena, buf_span(text)));
    buf_clear(text);
}

/* Memory and files as stretches, so that what comes next sees sources only. */
static void become_source(HttpExchange *x, Stretches *s)
{
    Answer *a = &x->answer;
    if (!s) {
        s = stretches_new(x, 3);
        add_span(s, a->before);
        s->list[s->count++] = (Stretch){.length = (uint64_t)a->length};
        add_span(s, a->after);
        a->length += (int64_t)(a->before.n + a->after.n);
    }
    a->source = (HttpSource){.read = stretches_read, .ctx = s};
}

/* -- ranges -- */

/* A multipart body has another boundary each time: pieces of two answers do not fit together. */
static bool is_multipart(const char *media)
{
    return media && !strncmp(media, "multipart/", strlen("multipart/"));
}

/* The whole length of a body that ranges can be cut out of; -1 for others. */
static int64_t seekable_length(const Answer *a)
{
    if (a->status != 200 || is_multipart(a->media) || a->kind == ANSWER_SOURCE || a->before.n || a->after.n ||
        (a->kind == ANSWER_MEMORY && gzip_suits(a->media)))
        return -1;
    return a->kind == ANSWER_MEMORY ? (int64_t)a->body.n : a->length;
}

static void narrow(Answer *a, HttpRange range)
{
    if (a->kind == ANSWER_MEMORY)
        a->body = span_sub(a->body, (size_t)range.from, (size_t)range.length);
    a->offset += range.from;
    a->length = (int64_t)range.length;
}

static void make_byteranges(HttpExchange *x, const HttpRange *ranges, size_t count, uint64_t size)
{
    char *boundary = arena_alloc(x->arena, MULTIPART_BOUNDARY_SIZE);
    multipart_make_boundary(boundary);
    Stretches *s = stretches_new(x, 2 * count + 1);
    Buf text;
    buf_init(&text, 0);
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        range_part_head(&text, boundary, x->answer.media, ranges[i], size);
        total += text.n + ranges[i].length;
        add_text(x, s, &text);
        s->list[s->count++] = (Stretch){.from = ranges[i].from, .length = ranges[i].length};
    }
    range_close(&text, boundary);
    total += text.n;
    add_text(x, s, &text);
    buf_free(&text);
    become_source(x, s);
    x->answer.length = (int64_t)total;
    x->answer.media = arena_printf(x->arena, "multipart/byteranges; boundary=%s", boundary);
}

static void refuse_range(HttpExchange *x, uint64_t size)
{
    char content[80];
    range_content((HttpRange){0}, size, content);
    http_answer_free(x);
    x->answer.status = 0;
    http_header(x, "Content-Range", content);
    http_refuse(x, 416, "the body has %llu bytes; the range lies behind them", (unsigned long long)size);
    x->answer.length = (int64_t)x->answer.body.n;
}

static void apply_ranges(HttpExchange *x)
{
    Answer *a = &x->answer;
    int64_t size = seekable_length(a);
    if (size < 0)
        return;
    http_header(x, "Accept-Ranges", "bytes");
    const char *header = http_request_header(x, "Range");
    if (!header || strcmp(x->method, "GET") != 0 ||
        !condition_if_range(http_request_header(x, "If-Range"), a->etag, a->modified))
        return;
    HttpRange ranges[RANGE_MAX];
    size_t count;
    switch (range_parse(header, (uint64_t)size, ranges, &count)) {
    case RANGE_WHOLE:
        return;
    case RANGE_NONE:
        refuse_range(x, (uint64_t)size);
        return;
    case RANGE_SOME:
        break;
    }
    a->status = 206;
    if (count > 1) {
        make_byteranges(x, ranges, count, (uint64_t)size);
        return;
    }
    char content[80];
    range_content(ranges[0], (uint64_t)size, content);
    http_header(x, "Content-Range", content);
    narrow(a, ranges[0]);
}

/* -- gzip -- */

static bool apply_gzip(HttpExchange *x)
{
    Answer *a = &x->answer;
    if (!x->server->settings.gzip || !a->media || !gzip_suits(a->media) || a->status == 206 ||
        http_answer_header(x, "Content-Encoding"))
        return false;
    http_vary(x, "Accept-Encoding");
    bool small = a->length >= 0 && a->length < GZIP_WORTH_IT;
    if (small || http_request_header(x, "Range") || !gzip_wanted(http_request_header(x, "Accept-Encoding")))
        return false;
    if (!a->source.read)
        become_source(x, NULL);
    a->source = gzip_source(&a->source);
    a->length = HTTP_LENGTH_UNKNOWN;
    http_header(x, "Content-Encoding", "gzip");
    return true;
}

/* -- onto the wire -- */

static ssize_t wire_read(void *ctx, uint64_t position, char *p, size_t n)
{
    HttpExchange *x = ctx;
    Answer *a = &x->answer;
    Err err = {0};
    if (atomic_load(&x->server->cutting))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    http_busy(x->connection, true);
    bool direct = !http_direct_suits(x) || http_direct_send(x, &err);
    ssize_t got = direct ? a->source.read(a->source.ctx, (uint8_t *)p, n, &err) : -1;
    http_busy(x->connection, false);
    if (got < 0)
        log_warning("api_dicomweb", "request %lu: the answer broke off: %s", x->number, err.text);
    if (got < 0 || (got == 0 && a->length >= 0))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    x->sent += (uint64_t)got;
    return got ? got : MHD_CONTENT_READER_END_OF_STREAM;
}

static void wire_free(void *ctx)
{
    http_exchange_unref(ctx);
}

static struct MHD_Response *from_source(HttpExchange *x)
{
    const Answer *a = &x->answer;
    uint64_t length = a->length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)a->length;
    size_t block = length < BLOCK_SIZE ? (size_t)(length ? length : 1) : BLOCK_SIZE;
    struct MHD_Response *response = MHD_create_response_from_callback(length, block, wire_read, x, wire_free);
    if (response)
        x->references++;
    return response;
}

static struct MHD_Response *make_response(HttpExchange *x)
{
    Answer *a = &x->answer;
    if (a->source.read)
        return from_source(x);
    if (a->kind == ANSWER_FILE && a->before.n) {
        struct MHD_Response *response = http_file_between(x);
        if (response)
            return response;
        become_source(x, NULL);
        return from_source(x);
    }
    if (a->kind == ANSWER_FILE && a->fd >= 0) {
        struct MHD_Response *response =
            MHD_create_response_from_fd_at_offset64((uint64_t)a->length, a->fd, a->offset);
        if (response)
            a->fd = -1;
        x->sent = x->head_only ? 0 : (uint64_t)a->length;
        return response;
    }
    x->sent = x->head_only ? 0 : a->body.n;
    return MHD_create_response_from_buffer(a->body.n, (void *)(uintptr_t)a->body.p, MHD_RESPMEM_PERSISTENT);
}

static void add_validators(HttpExchange *x, bool compressed)
{
    const Answer *a = &x->answer;
    char date[HTTP_DATE_SIZE];
    if (a->status >= 400)
        return;
    if (a->etag)
        http_header(x, "ETag", arena_printf(x->arena, "\"%s%s\"", a->etag, compressed ? "-gzip" : ""));
    if (a->modified) {
        http_date_format(a->modified, date);
        http_header(x, "Last-Modified", date);
    }
}

static void add_headers(HttpExchange *x, struct MHD_Response *response)
{
    const Answer *a = &x->answer;
    if (!http_answer_header(x, "Cache-Control"))
        http_header(x, "Cache-Control", a->status < 400 ? "private, no-cache" : "no-store");
    http_header(x, "X-Content-Type-Options", "nosniff");
    if (a->media)
        http_header(x, "Content-Type", a->media);
    if (atomic_load(&x->server->stopping))
        http_header(x, "Connection", "close");
    for (const AnswerHeader *h = a->headers; h; h = h->next)
        MHD_add_response_header(response, h->name, h->value);
}

enum MHD_Result http_send(HttpExchange *x)
{
    Answer *a = &x->answer;
    if (!http_answered(x))
        http_refuse(x, 500, "the request could not be served");
    if (a->kind == ANSWER_MEMORY)
        a->length = (int64_t)a->body.n;
    apply_ranges(x);
    bool compressed = apply_gzip(x);
    bool by_blocks = x->server->settings.tls_certificate || a->length > SENDFILE_MAX;
    if (a->kind == ANSWER_FILE && by_blocks && !a->source.read)
        become_source(x, NULL);
    add_validators(x, compressed);
    http_cors_headers(x);
    struct MHD_Response *response = make_response(x);
    if (!response)
        return MHD_NO;
    add_headers(x, response);
    http_phase(x->connection, PHASE_ANSWER);
    enum MHD_Result queued = MHD_queue_response(x->wire, a->status, response);
    MHD_destroy_response(response);
    return queued;
}
