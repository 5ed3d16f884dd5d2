// SPDX-License-Identifier: MIT
/* GET /: what this server is and what it answers to, for people with a browser. One page without scripts, made from the routes. */
#include "web/web_internal.h"

#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Gantry</title><style>"
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem "
    "auto;padding:0 1rem}"
    "h1{margin-bottom:0}h2{margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "td{border-top:1px solid #8886;padding:.35rem .6rem .35rem 0;vertical-align:top}"
    "code{font:14px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}.m{font-weight:600}.d{opacity:.75}"
    "</style></head><body>\n";

static void escaped(Buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            buf_append_cstr(out, "&lt;");
            break;
        case '>':
            buf_append_cstr(out, "&gt;");
            break;
        case '&':
            buf_append_cstr(out, "&amp;");
            break;
        case '"':
            buf_append_cstr(out, "&quot;");
            break;
        default:
            buf_u8(out, (uint8_t)*text);
        }
    }
}

typedef struct Page {
    Buf out;
    const char *prefix; /* of the table that is open; NULL = none */
} Page;

static void one_route(void *ctx, const char *prefix, const HttpRoute *route)
{
    Page *page = ctx;
    if (!page->prefix || strcmp(page->prefix, prefix) != 0) {
        buf_append_cstr(&page->out, page->prefix ? "</table>\n<h2>" : "<h2>");
        escaped(&page->out, *prefix ? prefix : "This server");
        buf_append_cstr(&page->out, "</h2>\n<table>\n");
        page->prefix = prefix;
    }
    bool link = !strcmp(route->method, "GET") && !strchr(route->pattern, '{');
    buf_printf(&page->out, "<tr><td class=m>%s</td><td><code>", route->method);
    if (link) {
        buf_append_cstr(&page->out, "<a href=\".");
        escaped(&page->out, prefix);
        escaped(&page->out, route->pattern);
        buf_append_cstr(&page->out, "\">");
    }
    escaped(&page->out, prefix);
    escaped(&page->out, route->pattern);
    buf_append_cstr(&page->out, link ? "</a></code><br><span class=d>" : "</code><br><span class=d>");
    escaped(&page->out, route->summary ? route->summary : "");
    buf_append_cstr(&page->out, "</span></td></tr>\n");
}

void web_front_page(HttpExchange *x, void *ctx)
{
    const WebServer *server = ctx;
    Page page = {0};
    buf_init(&page.out, 0);
    buf_append_cstr(&page.out, head);
    /* Links are relative: a proxy may have put the server below a prefix. A page that is itself below the root says where that is. */
    if (strcmp(http_path(x), "/") != 0)
        buf_append_cstr(&page.out, "<base href=\"../\">");
    buf_printf(&page.out,
               "<h1>Gantry %s</h1>\n<p>A DICOM archive. Below is what it answers to over HTTP; "
               "<a href=\"./openapi.json\">openapi.json</a> says the same to programs.</p>\n",
               GANTRY_VERSION);
    http_routes(server->http, one_route, &page);
    buf_append_cstr(&page.out, "</table>\n</body></html>\n");
    http_header(x, "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'self'; frame-ancestors 'none'");
    http_answer_buf(x, 200, "text/html; charset=utf-8", &page.out);
    buf_free(&page.out);
}
