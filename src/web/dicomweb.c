// SPDX-License-Identifier: MIT
#include "web/dicomweb.h"

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
