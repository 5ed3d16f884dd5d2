// SPDX-License-Identifier: MIT
/*
 * A stream that lies in one piece is sent straight from the file, so that players can ask for ranges of it; several fragments are read one after the other. A video
 * is stored little endian and never deflated, so that its bytes are those of the file.
 */
#include "web/video.h"

#include "archive/object.h"

#include "web/frames.h"
#include "web/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Stretch {
    uint64_t offset, length; /* in the file */
} Stretch;

typedef struct Stream {
    int fd;
    Stretch *stretches;
    size_t count, at;
    Buf head, tail; /* around the stream, in a multipart body */
    size_t head_at, tail_at;
} Stream;

static ssize_t take(const Buf *from, size_t *at, uint8_t *p, size_t n)
{
    Span piece = span_sub(buf_span(from), *at, n);
    if (piece.n)
        memcpy(p, piece.p, piece.n);
    *at += piece.n;
    return (ssize_t)piece.n;
}

static ssize_t read_stream(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Stream *s = ctx;
    if (s->head_at < s->head.n)
        return take(&s->head, &s->head_at, p, n);
    while (s->at < s->count && !s->stretches[s->at].length)
        s->at++;
    if (s->at == s->count)
        return take(&s->tail, &s->tail_at, p, n);
    Stretch *stretch = &s->stretches[s->at];
    ssize_t got;
    do
        got = pread(s->fd, p, n < stretch->length ? n : (size_t)stretch->length, (off_t)stretch->offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        err_set(err, ERR_IO, "a video cannot be read to its end");
        return -1;
    }
    stretch->offset += (uint64_t)got;
    stretch->length -= (uint64_t)got;
    return got;
}

static void free_stream(void *ctx)
{
    Stream *s = ctx;
    close(s->fd);
    free(s->stretches);
    buf_free(&s->head);
    buf_free(&s->tail);
    free(s);
}

/* Where the fragments are in the file; their sum. */
static uint64_t find_stretches(Stream *s, const IdxFile *file, const ArcFrames *frames)
{
    uint64_t length = 0;
    const PixFragment *fragments = arc_frames_fragments(frames, &s->count);
    s->stretches = calloc(s->count + 1, sizeof *s->stretches);
    if (!s->stretches)
        abort();
    for (size_t i = 0; i < s->count; i++) {
        s->stretches[i] = (Stretch){file->data_offset + fragments[i].offset, fragments[i].length};
        length += fragments[i].length;
    }
    return length;
}

static void send_stream(HttpExchange *x, Stream *s, uint64_t length, const WebOffer *offer,
                        const char *syntax)
{
    char boundary[MULTIPART_BOUNDARY_SIZE];
    const char *type = arena_printf(http_arena(x), "%s; transfer-syntax=%s", offer->type, syntax);
    if (!offer->multipart && s->count == 1) {
        http_answer_file(x, 200, type, dup(s->fd), s->stretches[0].offset, length);
        free_stream(s);
        return;
    }
    multipart_make_boundary(boundary);
    if (offer->multipart) {
        const char *headers = arena_printf(http_arena(x), "Content-Type: %s\r\n", type);
        multipart_write_head(&s->head, boundary, true, headers);
        multipart_write_close(&s->tail, boundary);
        type = web_media(x, offer, boundary);
    }
    http_answer_source(x, 200, type, &(HttpSource){read_stream, free_stream, s},
                       (int64_t)(s->head.n + length + s->tail.n));
}

void web_send_video(HttpExchange *x, const IdxFile *file, const ArcFrames *frames, const WebOffer *offer)
{
    Err err = {0};
    int fd = arc_object_open(file, &err);
    if (fd < 0) {
        http_problem(x, &err);
        return;
    }
    Stream *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->fd = fd;
    buf_init(&s->head, 0);
    buf_init(&s->tail, 0);
    uint64_t length = find_stretches(s, file, frames);
    send_stream(x, s, length, offer, arc_frames_syntax(frames));
}

void web_answer_video(HttpExchange *x, const IdxFile *file, const ArcFrames *frames, const char *types)
{
    const char *media = web_frame_media(arc_frames_syntax(frames));
    const WebOffer offers[] = {{media, false}, {media, true}};
    WebAccept accept;
    int chosen;
    if (!web_choose_of(x, types, offers, sizeof offers / sizeof *offers, &accept, &chosen, NULL))
        return;
    if (!http_unchanged(x, arena_printf(http_arena(x), "%s-v%d", web_content_tag(x, file), chosen), 0))
        web_send_video(x, file, frames, &offers[chosen]);
}
