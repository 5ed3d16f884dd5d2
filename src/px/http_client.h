// SPDX-License-Identifier: MIT
/*
 * Requests to object stores and to CUBE: HTTP/1.1 over libcurl, on connections that are kept. As base/outgoing.h says; besides, what fails in passing is tried again
 * with growing pauses (no connection, a connection that broke, 408, 429, 5xx), bodies are streamed both ways, and answers that are gathered have a bound.
 *
 * Time: a connection must come about in time, and bytes must flow: less than a trickle for a while is a time-out. A client belongs to one thread at a time; several clients
 * may work at once. Errors name the host, never the path, the headers or a body.
 */
#ifndef GANTRY_PX_HTTP_CLIENT_H
#define GANTRY_PX_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

typedef struct PxHttp PxHttp;

typedef struct PxHttpSettings {
    int64_t connect_ms; /* 0: 10 s */
    int64_t silence_ms; /* 0: 60 s */
    int64_t pause_ms;   /* before the first repetition, then doubled up to 64 s; 0: 500 ms */
    unsigned tries;     /* 0: 5 */
    const char *ca; /* PEM file of those who may vouch for servers; NULL or "": the system's. Not copied. */
} PxHttpSettings;
PxHttp *px_http_new(const PxHttpSettings *settings);
void px_http_free(PxHttp *http); /* NULL is fine */

/* A body to send, of known length. It may be read again from its beginning when a request is repeated. */
typedef struct PxHttpSource {
    void *ctx;
    uint64_t size;
    /* Exactly n bytes at `offset`. */
    bool (*read)(void *ctx, uint64_t offset, void *p, size_t n, Err *err);
} PxHttpSource;

/* Where the body of a 2xx answer goes. */
typedef struct PxHttpSink {
    void *ctx;
    bool (*begin)(void *ctx, Err *err); /* before each try: what came so far is void */
    bool (*take)(void *ctx, Span bytes, Err *err);
} PxHttpSink;

typedef struct PxHttpRequest {
    const char *method, *url;
    const char *const *headers;  /* "Name: value", NULL behind the last; may be NULL */
    const char *user, *password; /* basic authentication; NULL = none */
    Span body;                   /* or `source` */
    const PxHttpSource *source;
    const PxHttpSink *sink; /* NULL: the body is gathered */
    size_t body_max;        /* of a gathered body; 0: 1 MiB */
    bool once;              /* must not be repeated when it may have had its effect */
} PxHttpRequest;

typedef struct PxHttpAnswer {
    unsigned status; /* 200 to 599 */
    Buf body;        /* the caller's to free, also on failure; of an error answer with a sink: its text */
} PxHttpAnswer;

/* True when there was an answer, whatever its status. False with err: none, or one that is longer than it may be, or the source or the sink failed. */
bool px_http(PxHttp *http, const PxHttpRequest *request, PxHttpAnswer *answer, Err *err);
/* A header of the last answer, NULL when it had none; lives until the next request. */
const char *px_http_header(PxHttp *http, const char *name);
/* What an answer that was not wanted comes to: "HOST answered 401 Unauthorized". `code` by the status, `err->http` is 502. False. */
bool px_http_refused(const PxHttpRequest *request, const PxHttpAnswer *answer, Err *err);

/* `text` as part of a URL's path, %-encoded except for unreserved characters and '/', appended to `out`. */
void px_http_escape_path(Buf *out, Span text);
/* The same for the value of a query: '/' too. */
void px_http_escape_value(Buf *out, Span text);

#endif
