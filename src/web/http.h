// SPDX-License-Identifier: MIT
/*
 * HTTP/1.1 (RFC 9110, 9112) behind one small facade over libmicrohttpd: nothing else in the house includes that library.
 *
 * A connection has a thread; a request is an exchange: its handler may block. `begin` is called when the headers are there, `body` for each piece
 * of the body as it comes, `end` when it is complete. Whichever of them answers first ends the exchange: what is left of the body is read
 * and dropped (up to a limit, then the connection is closed). `end` must answer, or the answer is 500.
 *
 * The facade does, for every route alike: limits (head, body, connections in all and per peer, time for the head, silence, slowness), percent-decoding,
 * HEAD, OPTIONS and CORS (preflights need no authentication), ranges (RFC 9110 §14, several too) and conditions (§13) on answers that allow
 * them, gzip of text, X-Forwarded-* and Forwarded (RFC 7239), problem documents (RFC 9457), the access log, metrics.
 *
 * Everything of a request lives in its arena until the exchange ends.
 */
#ifndef GANTRY_WEB_HTTP_H
#define GANTRY_WEB_HTTP_H

#include "auth/users.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#include <sys/types.h>

typedef struct HttpServer HttpServer;
typedef struct HttpExchange HttpExchange;

/* -- the request -- */

typedef struct HttpParameter {
    const char *name, *value; /* percent-decoded UTF-8, '+' is a blank; "" when there is no '=' */
} HttpParameter;

Arena *http_arena(HttpExchange *x);
const char *http_method(const HttpExchange *x);
/* The path as it was sent, percent-decoded part by part; never has "." or ".." parts, empty parts or NUL: such requests are refused. */
const char *http_path(const HttpExchange *x);
/* What {name} in the route's pattern stands for; NULL when the pattern has no such part. */
const char *http_part(const HttpExchange *x, const char *name);
/* In the order in which they were sent; repeated ones are repeated. */
const HttpParameter *http_parameters(const HttpExchange *x, size_t *count);
/* The value of the first parameter of this name; NULL when absent. */
const char *http_parameter(const HttpExchange *x, const char *name);
/* A header of the request, by name without regard to case; several lines are joined by ", ". NULL when absent. */
const char *http_request_header(const HttpExchange *x, const char *name);
/* Content-Length, or -1 when it is not said. */
int64_t http_request_length(const HttpExchange *x);
/* The address of the client: of the peer, or what a trusted proxy says. */
const char *http_client(const HttpExchange *x);
/* "https://host:8443/root", as the client sees it (Host, Forwarded, X-Forwarded-*): for absolute URLs. */
const char *http_base_url(const HttpExchange *x);
/* Who asks, as authentication found; "" = nobody in particular. For the log. */
const char *http_user(const HttpExchange *x);
void http_set_user(HttpExchange *x, const char *user);
/* The pattern of the route with its prefix; NULL when there is none. */
const char *http_route_pattern(const HttpExchange *x);
/* Counts requests since the start; in the access log, and as "request" in problem documents. */
unsigned long http_number(const HttpExchange *x);
/* Bytes of the body that have come. */
uint64_t http_received(const HttpExchange *x);
/* The handler's own state for the exchange; `release` (may be NULL) is called when the exchange ends, however it ends. */
void http_set_state(HttpExchange *x, void *state, void (*release)(void *state));
void *http_state(const HttpExchange *x);
/* What the request turned out to be about, for whoever is told that it is over; lives as long as the arena. NULL when nothing was said. */
void http_set_subject(HttpExchange *x, const void *subject);
const void *http_subject(const HttpExchange *x);
/* True when the client has gone away: long work should stop. */
bool http_gone(HttpExchange *x);

/* -- the answer -- */

/* A header of the answer; before http_answer*. The name is ours, the value is checked. */
void http_header(HttpExchange *x, const char *name, const char *value);
/* An entity tag (without quotes) and, when not 0, the time of the last change in seconds since 1970. True when the client has it already: then 304 (or 412) was
   answered. */
bool http_unchanged(HttpExchange *x, const char *etag, int64_t modified);

/* Each answers, once. `media` NULL = no body type. */
void http_answer(HttpExchange *x, unsigned status, const char *media, Span body); /* copied */
/* The content of the Buf, which is left empty. */
void http_answer_buf(HttpExchange *x, unsigned status, const char *media, Buf *body);

/* A body that is made while it is sent: up to n bytes; 0 at the end; -1 and err, which breaks the connection off (the status has gone out). `close` is called once, also when
   the client goes away. */
typedef struct HttpStretch {
    Span before; /* text, then … */
    int fd;      /* … bytes of a file */
    uint64_t offset, length;
} HttpStretch;
typedef struct HttpSource {
    ssize_t (*read)(void *ctx, uint8_t *p, size_t n, Err *err);
    void (*close)(void *ctx); /* may be NULL */
    void *ctx;
    /* May be NULL. True: what comes next is *out, valid until the next call, and counts as read. False: it is to be read. Only called for lengths
       that are unknown. */
    bool (*stretch)(void *ctx, HttpStretch *out);
} HttpSource;
enum { HTTP_LENGTH_UNKNOWN = -1 };
void http_answer_source(HttpExchange *x, unsigned status, const char *media, const HttpSource *source,
                        int64_t length);
/* `length` bytes of a file from `offset` on; the descriptor is taken over. Ranges are honoured. */
void http_answer_file(HttpExchange *x, unsigned status, const char *media, int fd, uint64_t offset,
                      uint64_t length);
/* The same between two texts, which are copied: the only part of a multipart body. Ranges are not cut out of it. */
void http_answer_file_between(HttpExchange *x, unsigned status, const char *media, Span before, int fd,
                              uint64_t offset, uint64_t length, Span after);
/* A problem document: the status of err->http (or by its code), its text as "detail". Text of ERR_INTERNAL and ERR_IO goes to the log only. */
void http_problem(HttpExchange *x, const Err *err);
/* The same in one call. */
void http_refuse(HttpExchange *x, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool http_answered(const HttpExchange *x);

/* -- routes -- */

typedef struct HttpHandler {
    void (*begin)(HttpExchange *x, void *ctx); /* may be NULL */
    bool (*body)(
        HttpExchange *x, void *ctx,
        Span piece); /* NULL: a body is dropped. False ends the exchange: the handler has answered. */
    void (*end)(HttpExchange *x, void *ctx);
} HttpHandler;

/*
 * One line of a table. Also the source of the OpenAPI document: what is not in a route is not served, and the other way round.
 * A pattern is "/studies/{study}/series"; {name} stands for one part of the path. `{name+}` at the end stands for the rest of it.
 */
typedef struct HttpRoute {
    const char *method, *pattern;
    UserRole role;
    HttpHandler handler;
    const char *summary; /* one sentence */
    const char *const
        *parameters;      /* names of query parameters with a "name: text" each, ended by NULL; may be NULL */
    const char *answers;  /* "200 application/dicom+json; 204; 404": statuses with media types */
    const char *consumes; /* media types of the body; NULL = none */
} HttpRoute;

/* -- the server -- */

typedef struct HttpSettings {
    const char *address;                   /* NULL = 127.0.0.1 */
    uint16_t port;                         /* 0 = any free one: see http_port */
    const char *tls_certificate, *tls_key; /* PEM files; NULL = plain */
    const char *const *allowed_hosts;      /* ended by NULL; "*" = any. NULL = any */
    const char *const *cors_origins;       /* ended by NULL; "*" = any. NULL = no CORS headers */
    const char *const
        *trusted_proxies; /* addresses whose Forwarded headers count, ended by NULL; NULL = none */
    const char *
        root; /* "/dicom-web" is a matter of the routes; this is a prefix that a proxy has taken away, for base URLs. NULL = "" */
    unsigned max_connections, max_connections_per_peer; /* 0 = 512, 128 */
    uint64_t max_body;                                  /* bytes; 0 = 64 GiB */
    int64_t head_timeout_ms; /* from the first byte to the end of the headers; 0 = 10 s */
    int64_t idle_timeout_ms; /* silence between requests; 0 = 60 s */
    /* A body that comes with less than 1 KiB/s over this time is cut, an answer that is taken so slowly after twice as long; 0 = 30 s. */
    int64_t slow_timeout_ms;
    bool gzip;
    /* May the exchange go on with this role? False: it has answered (401 with WWW-Authenticate, or 403). NULL = everybody may do everything. */
    bool (*authorize)(void *ctx, HttpExchange *x, UserRole role);
    void *authorize_ctx;
    /* One finished exchange, for log and metrics; may be NULL. */
    void (*finished)(void *ctx, const HttpExchange *x, unsigned status, uint64_t sent, int64_t microseconds);
    void *finished_ctx;
} HttpSettings;

/* Listens: the port is taken, and clients that come now wait. Strings of `settings` are copied; routes must outlive the server. */
HttpServer *http_start(const HttpSettings *settings, Err *err);
/* Adds routes below a prefix ("" or "/dicom-web"); before http_serve. `ctx` goes to their handlers. */
void http_add_routes(HttpServer *server, const char *prefix, const HttpRoute *routes, size_t count,
                     void *ctx);
/* Serves in the background from now on. */
bool http_serve(HttpServer *server, Err *err);
uint16_t http_port(const HttpServer *server);
/* No new connections; running exchanges have `grace_ms`; then they are cut. Frees. NULL is fine. */
void http_stop(HttpServer *server, int64_t grace_ms);

unsigned http_connections(HttpServer *server);
/* Calls `visit` for each route with its whole pattern. */
void http_routes(const HttpServer *server,
                 void (*visit)(void *ctx, const char *prefix, const HttpRoute *route), void *ctx);

#endif
