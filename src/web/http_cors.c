// SPDX-License-Identifier: MIT
/*
 * Pages of other origins (the Fetch standard's CORS protocol). Without api.cors_origins no header is sent and browsers keep them out. Preflights are
 * answered before authentication: browsers send them without it.
 *
 * Cross-Origin-Resource-Policy goes along because viewers run cross-origin isolated (COOP, COEP) to have shared memory.
 */
#include "web/http_internal.h"

#include <string.h>
#include <strings.h>

static const char exposed[] =
    "Content-Length, Content-Type, Content-Range, ETag, Location, Warning, Accept-Ranges, "
    "Content-Disposition, Content-Location, Retry-After";
/* What pages send of themselves, and what libraries for HTTP add. */
static const char request_headers[] =
    "Authorization, Accept, Content-Type, Range, If-Range, If-Match, If-None-Match, "
    "If-Modified-Since, Cache-Control, Pragma, X-Requested-With";

/* What Access-Control-Allow-Origin says; NULL when the origin is not allowed. */
static const char *allowed_origin(const HttpExchange *x)
{
    const char *origin = http_request_header(x, "Origin");
    const char *const *list = x->server->settings.cors_origins;
    if (!origin)
        return NULL;
    for (; list && *list; list++) {
        if (!strcmp(*list, "*"))
            return "*";
        if (!strcasecmp(*list, origin))
            return origin;
    }
    return NULL;
}

static bool any_origin(const HttpExchange *x)
{
    for (const char *const *list = x->server->settings.cors_origins; list && *list; list++)
        if (!strcmp(*list, "*"))
            return true;
    return false;
}

void http_cors_headers(HttpExchange *x)
{
    const char *const *list = x->server->settings.cors_origins;
    if (!list || !*list)
        return;
    if (!any_origin(x))
        http_vary(x, "Origin");
    const char *origin = allowed_origin(x);
    if (!origin)
        return;
    http_header(x, "Access-Control-Allow-Origin", origin);
    http_header(x, "Access-Control-Expose-Headers", exposed);
    http_header(x, "Cross-Origin-Resource-Policy", "cross-origin");
}

bool http_cors_is_preflight(const HttpExchange *x)
{
    return !strcmp(x->method, "OPTIONS") && allowed_origin(x) &&
           http_request_header(x, "Access-Control-Request-Method");
}

void http_cors_preflight(HttpExchange *x, const char *allow)
{
    http_header(x, "Access-Control-Allow-Methods", allow);
    http_header(x, "Access-Control-Allow-Headers", request_headers);
    http_header(x, "Access-Control-Max-Age", "7200");
    http_header(x, "Allow", allow);
    http_answer(x, 204, NULL, (Span){0});
}
