// SPDX-License-Identifier: MIT
#include "web/dicomweb.h"

bool web_choose(HttpExchange *x, const WebOffer *offers, size_t count, WebAccept *accept, int *chosen,
                const WebMedia **media)
{
    Err err = {0};
    if (!web_accept_parse(http_arena(x), http_request_header(x, "Accept"), http_parameter(x, "accept"),
                          accept, &err)) {
        http_problem(x, &err);
        return false;
    }
    *chosen = web_accept_choose(accept, offers, count, media);
    if (*chosen >= 0)
        return true;
    http_refuse(x, 406, "this resource is available as %s", web_offers_text(http_arena(x), offers, count));
    return false;
}
