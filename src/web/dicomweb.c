// SPDX-License-Identifier: MIT
#include "web/dicomweb.h"

#include "archive/object.h"
#include "web/multipart.h"

bool web_choose(HttpExchange *x, const WebOffer *offers, size_t count, WebAccept *accept, int *chosen,
                const WebMedia **media)
{
    return web_choose_of(x, http_parameter(x, "accept"), offers, count, accept, chosen, media);
}

bool web_choose_of(HttpExchange *x, const char *types, const WebOffer *offers, size_t count,
                   WebAccept *accept, int *chosen, const WebMedia **media)
{
    Err err = {0};
    http_header(x, "Vary", "Accept");
    if (!web_accept_parse(http_arena(x), http_request_header(x, "Accept"), types, accept, &err)) {
        http_problem(x, &err);
        return false;
    }
    *chosen = web_accept_choose(accept, offers, count, media);
    if (*chosen >= 0)
        return true;
    http_refuse(x, 406, "this resource is available as %s", web_offers_text(http_arena(x), offers, count));
    return false;
}

static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-' || c == '_' || c == '~';
}

bool web_append_part(Buf *out, const char *text)
{
    bool ok = true;
    for (; *text && ok; text++)
        ok = is_unreserved(*text) ? buf_u8(out, (uint8_t)*text) : buf_printf(out, "%%%02X", (uint8_t)*text);
    return ok;
}

const char *web_address_part(Arena *arena, const char *text)
{
    const char *p = text;
    while (is_unreserved(*p))
        p++;
    if (!*p)
        return text;
    Buf out;
    buf_init(&out, 0);
    web_append_part(&out, text);
    const char *encoded = arena_strdup(arena, buf_cstr(&out));
    buf_free(&out);
    return encoded;
}

const char *web_media(HttpExchange *x, const WebOffer *offer, const char *boundary)
{
    if (!offer->multipart)
        return offer->type;
    Buf media;
    buf_init(&media, 0);
    multipart_media(&media, offer->type, boundary);
    const char *text = arena_strdup(http_arena(x), buf_cstr(&media));
    buf_free(&media);
    return text;
}

void web_answer_bytes(HttpExchange *x, const IdxFile *file, const char *media, uint64_t offset,
                      uint64_t length)
{
    Err err = {0};
    int fd = arc_object_open(file, &err);
    if (fd < 0)
        http_problem(x, &err);
    else
        http_answer_file(x, 200, media, fd, offset, length);
}

void web_answer_part(HttpExchange *x, const IdxFile *file, const WebOffer *offer, const char *headers,
                     uint64_t offset, uint64_t length)
{
    Err err = {0};
    char boundary[MULTIPART_BOUNDARY_SIZE];
    int fd = arc_object_open(file, &err);
    if (fd < 0) {
        http_problem(x, &err);
        return;
    }
    Buf head, tail;
    buf_init(&head, 0);
    buf_init(&tail, 0);
    multipart_make_boundary(boundary);
    multipart_write_head(&head, boundary, true, headers);
    multipart_write_close(&tail, boundary);
    http_answer_file_between(x, 200, web_media(x, offer, boundary), buf_span(&head), fd, offset, length,
                             buf_span(&tail));
    buf_free(&head);
    buf_free(&tail);
}

const char *web_content_tag(HttpExchange *x, const IdxFile *file)
{
    Span content = span_of(file->content, sizeof file->content);
    return span_hex(content, arena_alloc(http_arena(x), 2 * content.n + 1));
}
