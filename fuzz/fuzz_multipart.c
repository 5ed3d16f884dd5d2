// SPDX-License-Identifier: MIT
/* A line with an Accept or Content-Type header, then a multipart body. However the body is cut, the same is read from it. */
#include "fuzz.h"

#include "web/accept.h"
#include "web/multipart.h"

#include <string.h>

static bool part_begins(void *ctx, const MultipartPart *part, Err *err)
{
    (void)err;
    return buf_printf(ctx, "<%s|%s|%s|%s|%s>", part->type, part->parameters, part->location, part->id,
                      part->encoding);
}

static bool part_data(void *ctx, Span piece, Err *err)
{
    (void)err;
    if (piece.n == 0)
        fuzz_broken();
    return buf_append_span(ctx, piece);
}

static bool part_ends(void *ctx, Err *err)
{
    (void)err;
    return buf_append_cstr(ctx, ".");
}

/* What is read, in pieces of `n` bytes; whether it is whole is the last byte. */
static void read_in_pieces(const char *boundary, Span body, size_t n, Buf *seen)
{
    Err err = {0};
    MultipartReader *reader =
        multipart_reader_new(boundary, &(MultipartHandler){part_begins, part_data, part_ends, seen});
    bool ok = true;
    for (size_t at = 0; ok && at < body.n; at += n)
        ok = multipart_feed(reader, span_sub(body, at, n), &err);
    ok = ok && multipart_finish(reader, &err);
    if (!ok && !err.text[0])
        fuzz_broken();
    buf_u8(seen, ok ? '+' : '-');
    multipart_reader_free(reader);
}

static void accept_header(Arena *arena, const char *line)
{
    static const WebOffer offers[] = {
        {"application/dicom+json", false}, {"application/dicom", true}, {"image/jpeg", false}};
    WebAccept accept;
    Err err = {0};
    if (!web_accept_parse(arena, line, NULL, &accept, &err)) {
        if (!err.text[0])
            fuzz_broken();
        return;
    }
    for (size_t i = 1; i < accept.count; i++)
        if (accept.media[i - 1].quality < accept.media[i].quality)
            fuzz_broken();
    const WebMedia *media;
    int chosen = web_accept_choose(&accept, offers, 3, &media);
    if (chosen >= 0 && accept.count && !web_accept_means(media, &offers[chosen]))
        fuzz_broken();
}

int fuzz_multipart(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(0);
    Span input = span_of(data, size);
    size_t end = span_index(input, '\n');
    const char *line = arena_span_cstr(arena, span_sub(input, 0, end));
    Span body = end == SIZE_MAX ? (Span){0} : span_sub(input, end + 1, size);
    accept_header(arena, line);
    const char *boundary = multipart_boundary(arena, line);
    Buf whole, cut;
    buf_init(&whole, 0);
    buf_init(&cut, 0);
    read_in_pieces(boundary ? boundary : "b", body, body.n ? body.n : 1, &whole);
    read_in_pieces(boundary ? boundary : "b", body, 1 + size % 7, &cut);
    bool both = whole.n && cut.n && (whole.p[whole.n - 1] == '+' || cut.p[cut.n - 1] == '+');
    if (both && !span_eq(buf_span(&whole), buf_span(&cut)))
        fuzz_broken();
    buf_free(&whole);
    buf_free(&cut);
    arena_free(arena);
    return 0;
}
