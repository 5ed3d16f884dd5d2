// SPDX-License-Identifier: MIT
/*
 * One request from its head to its end. The checks that hold for every route come first, then the route's handler. An answer is only kept here
 * (http_answer.c) and goes out when the body has been read: libmicrohttpd ends the connection of a request that is answered before.
 */
#include "web/http_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

HttpExchange *http_exchange_new(HttpServer *server, HttpConnection *connection, struct MHD_Connection *wire,
                                const char *target)
{
    HttpExchange *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    x->server = server;
    x->connection = connection;
    x->wire = wire;
    x->references = 1;
    x->arena = arena_new(0);
    x->number = atomic_fetch_add(&server->numbers, 1) + 1;
    x->began_ns = clock_ns();
    x->method = "";
    x->target = arena_strdup(x->arena, target);
    x->url.path = "";
    x->user = "";
    x->forwarded = (Forwarded){connection->peer, ""};
    http_answer_init(x);
    return x;
}

/* -- the head -- */

typedef struct HeaderCount {
    HttpExchange *x;
    size_t hosts;
    bool has_nul;
} HeaderCount;

static enum MHD_Result take_header(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                   const char *value, size_t value_size)
{
    HeaderCount *count = ctx;
    HttpExchange *x = count->x;
    if (!name || strlen(name) != name_size || (value && strlen(value) != value_size))
        count->has_nul = true;
    count->hosts += name && !strcasecmp(name, "Host");
    if (x->header_count < HEADERS_MAX && name)
        x->headers[x->header_count] = (HttpParameter){name, value ? value : ""};
    x->header_count++;
    return MHD_YES;
}

static bool refuse(HttpExchange *x, unsigned status, const char *text)
{
    http_refuse(x, status, "%s", text);
    return false;
}

static bool read_headers(HttpExchange *x)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(x->wire, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    HeaderCount count = {.x = x};
    x->headers = arena_alloc(x->arena, HEADERS_MAX * sizeof *x->headers);
    MHD_get_connection_values_n(x->wire, MHD_HEADER_KIND, take_header, &count);
    size_t sent = x->header_count;
    if (x->header_count > HEADERS_MAX)
        x->header_count = HEADERS_MAX;
    if (strlen(x->target) > HEAD_MAX)
        return refuse(x, 414, "the address is longer than 32 KiB");
    if (sent > HEADERS_MAX || (size && size->header_size > HEAD_MAX))
        return refuse(x, 431, "more than 100 headers, or more than 32 KiB of them");
    if (count.has_nul)
        return refuse(x, 400, "a header holds a NUL character");
    if (count.hosts > 1)
        return refuse(x, 400, "more than one Host header");
    return true;
}

/* A body whose end two parties may see in different places is how requests are smuggled past a proxy (RFC 9112 §6.3). */
static bool check_framing(HttpExchange *x)
{
    const char *coding = http_request_header(x, "Transfer-Encoding");
    const char *length = http_request_header(x, "Content-Length");
    int64_t n;
    if (coding && length)
        return refuse(x, 400, "both Content-Length and Transfer-Encoding");
    if (coding && strcasecmp(coding, "chunked") != 0)
        return refuse(x, 501, "the only Transfer-Encoding that is understood is chunked");
    if (length && !span_to_i64(span_cstr(length), 0, INT64_MAX, &n))
        return refuse(x, 400, "Content-Length is not one number");
    if (length && (uint64_t)n > x->server->settings.max_body) {
        http_refuse(x, 413, "a body of %lld bytes is more than the %llu that api.max_body allows",
                    (long long)n, (unsigned long long)x->server->settings.max_body);
        return false;
    }
    return true;
}

static bool check_host(HttpExchange *x)
{
    const HttpSettings *s = &x->server->settings;
    const char *header = x->url.authority ? x->url.authority : http_request_header(x, "Host");
    ForwardedHeaders headers = {.host = header,
                                .forwarded = http_request_header(x, "Forwarded"),
                                .x_for = http_request_header(x, "X-Forwarded-For"),
                                .x_proto = http_request_header(x, "X-Forwarded-Proto"),
                                .x_host = http_request_header(x, "X-Forwarded-Host"),
                                .x_port = http_request_header(x, "X-Forwarded-Port"),
                                .x_prefix = http_request_header(x, "X-Forwarded-Prefix")};
    forwarded_read(x->arena, &headers, x->connection->peer, s->tls_certificate != NULL, s->trusted_proxies,
                   s->root, &x->forwarded);
    if (!header) /* HTTP/1.0 needs none: some health checks are that old */
        return x->old_version || refuse(x, 400, "no Host header");
    const char *name = host_name(x->arena, header);
    if (!name)
        return refuse(x, 400, "the Host header is not a host");
    if (!host_allowed(name, s->allowed_hosts)) {
        http_refuse(x, 400, "the host %s is not one of api.allowed_hosts", name);
        return false;
    }
    return true;
}

static bool read_head(HttpExchange *x)
{
    Err err = {0};
    if (!read_headers(x) || !check_framing(x))
        return false;
    if (!url_parse(x->arena, x->target, &x->url, &err)) {
        x->url = (Url){.path = ""};
        err.http = err.code == ERR_LIMIT ? 414 : 400;
        http_problem(x, &err);
        return false;
    }
    return check_host(x);
}

/* -- the route -- */

static void no_route(HttpExchange *x, const char *allow)
{
    if (!*allow && !x->url.asterisk) {
        http_refuse(x, 404, "there is nothing at %s", x->url.path);
    } else if (!strcmp(x->method, "OPTIONS")) {
        http_header(x, "Allow", *allow ? allow : "GET, HEAD, OPTIONS");
        http_answer(x, 204, NULL, (Span){0});
    } else {
        http_header(x, "Allow", allow);
        http_refuse(x, 405, "%s is not possible here; %s are", x->method, allow);
    }
}

/* Finds the route; false when the exchange is answered already. */
static bool find_route(HttpExchange *x)
{
    bool preflight = http_cors_is_preflight(x);
    x->entry = router_find(x->server->router, x->method, &x->url, NULL);
    if (x->entry && !preflight)
        return true;
    Buf allow;
    buf_init(&allow, 0);
    router_find(x->server->router, x->method, &x->url, &allow);
    if (preflight && allow.n)
        http_cors_preflight(x, buf_cstr(&allow));
    else if (!x->entry)
        no_route(x, buf_cstr(&allow));
    buf_free(&allow);
    return !http_answered(x);
}

static bool authorize(HttpExchange *x)
{
    const HttpSettings *s = &x->server->settings;
    UserRole role = x->entry->route->role;
    if (role == USER_ANYBODY || !s->authorize || s->authorize(s->authorize_ctx, x, role))
        return true;
    if (!http_answered(x))
        http_refuse(x, 403, "this is not allowed");
    return false;
}

/* Nothing is unpacked on its way in. */
static bool check_coding(HttpExchange *x)
{
    const char *coding = http_request_header(x, "Content-Encoding");
    if (!coding || !*coding || !x->entry->route->handler.body || !strcasecmp(coding, "identity"))
        return true;
    http_header(x, "Accept-Encoding", "identity");
    http_refuse(x, 415, "the body is encoded as %.40s; here it is taken as it is only", coding);
    return false;
}

static void run_begin(HttpExchange *x)
{
    if (!read_head(x) || !find_route(x) || !authorize(x) || !check_coding(x))
        return;
    const HttpHandler *handler = &x->entry->route->handler;
    if (handler->begin)
        handler->begin(x, x->entry->ctx);
}

/* What is left of a refused body is read, so that the client gets to read the answer; unless it waits to be asked for it, or it is very large. */
static bool may_be_dropped(const HttpExchange *x)
{
    const char *expect = http_request_header(x, "Expect");
    if (expect && !strcasecmp(expect, "100-continue"))
        return false;
    const char *coding = http_request_header(x, "Transfer-Encoding");
    if (coding) /* where any other ends is not known */
        return !strcasecmp(coding, "chunked") && !http_request_header(x, "Content-Length");
    return http_request_length(x) <= DROP_MAX;
}

bool http_exchange_begin(HttpExchange *x, const char *method, const char *version)
{
    x->begun = true;
    x->old_version = !strcmp(version, "HTTP/1.0");
    x->method = method;
    x->head_only = !strcmp(method, "HEAD");
    pthread_mutex_lock(&x->server->lock);
    x->server->exchange_count++;
    pthread_mutex_unlock(&x->server->lock);
    http_busy(x->connection, true);
    run_begin(x);
    http_busy(x->connection, false);
    return !http_answered(x) || may_be_dropped(x);
}

/* -- the body and the end -- */

bool http_exchange_body(HttpExchange *x, Span piece)
{
    x->received += piece.n;
    const HttpHandler *handler = x->entry ? &x->entry->route->handler : NULL;
    if (!http_answered(x) && x->received > x->server->settings.max_body)
        http_refuse(x, 413, "the body is more than the %llu bytes that api.max_body allows",
                    (unsigned long long)x->server->settings.max_body);
    if (!http_answered(x) && handler && handler->body) {
        http_busy(x->connection, true);
        if (!handler->body(x, x->entry->ctx, piece) && !http_answered(x))
            http_refuse(x, 500, "the request could not be served");
        http_busy(x->connection, false);
        return true;
    }
    x->dropped += piece.n;
    return x->dropped <= DROP_MAX;
}

void http_exchange_end(HttpExchange *x)
{
    if (http_answered(x) || !x->entry)
        return;
    http_busy(x->connection, true);
    x->entry->route->handler.end(x, x->entry->ctx);
    http_busy(x->connection, false);
}

static unsigned final_status(const HttpExchange *x, const union MHD_ConnectionInfo *wire)
{
    if (wire && wire->http_status)
        return wire->http_status;
    return x->connection->cut ? 408 : http_answered(x) ? x->answer.status : 499;
}

void http_exchange_finish(HttpExchange *x, bool complete)
{
    const HttpSettings *s = &x->server->settings;
    http_answer_free(x);
    if (x->release)
        x->release(x->state);
    if (s->finished) {
        unsigned status = final_status(x, MHD_get_connection_info(x->wire, MHD_CONNECTION_INFO_HTTP_STATUS));
        s->finished(s->finished_ctx, x, status, x->sent, (clock_ns() - x->began_ns) / 1000);
    }
    if (x->begun) {
        pthread_mutex_lock(&x->server->lock);
        x->server->exchange_count--;
        pthread_cond_broadcast(&x->server->changed);
        pthread_mutex_unlock(&x->server->lock);
    }
    arena_free(x->arena);
    x->arena = NULL;
    http_exchange_unref(x);
}

void http_exchange_unref(HttpExchange *x)
{
    if (--x->references == 0)
        free(x);
}

/* -- what handlers ask -- */

Arena *http_arena(HttpExchange *x)
{
    return x->arena;
}

const char *http_method(const HttpExchange *x)
{
    return x->method;
}

const char *http_path(const HttpExchange *x)
{
    return x->url.path;
}

const char *http_part(const HttpExchange *x, const char *name)
{
    return x->entry ? router_part(x->entry, &x->url, name, x->arena) : NULL;
}

const char *http_route_pattern(const HttpExchange *x)
{
    return x->entry ? x->entry->pattern : NULL;
}

const HttpParameter *http_parameters(const HttpExchange *x, size_t *count)
{
    *count = x->url.parameter_count;
    return x->url.parameters;
}

const char *http_parameter(const HttpExchange *x, const char *name)
{
    for (size_t i = 0; i < x->url.parameter_count; i++)
        if (!strcmp(x->url.parameters[i].name, name))
            return x->url.parameters[i].value;
    return NULL;
}

const char *http_request_header(const HttpExchange *x, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < x->header_count; i++)
        if (!strcasecmp(x->headers[i].name, name))
            found =
                found ? arena_printf(x->arena, "%s, %s", found, x->headers[i].value) : x->headers[i].value;
    return found;
}

int64_t http_request_length(const HttpExchange *x)
{
    const char *header = http_request_header(x, "Content-Length");
    int64_t n;
    return header && span_to_i64(span_cstr(header), 0, INT64_MAX, &n) ? n : -1;
}

const char *http_client(const HttpExchange *x)
{
    return x->forwarded.client;
}

const char *http_base_url(const HttpExchange *x)
{
    return x->forwarded.base_url;
}

const char *http_user(const HttpExchange *x)
{
    return x->user;
}

void http_set_user(HttpExchange *x, const char *user)
{
    x->user = arena_strdup(x->arena, user);
}

unsigned long http_number(const HttpExchange *x)
{
    return x->number;
}

uint64_t http_received(const HttpExchange *x)
{
    return x->received;
}

void http_set_state(HttpExchange *x, void *state, void (*release)(void *state))
{
    x->state = state;
    x->release = release;
}

void *http_state(const HttpExchange *x)
{
    return x->state;
}

void http_set_subject(HttpExchange *x, const void *subject)
{
    x->subject = subject;
}

const void *http_subject(const HttpExchange *x)
{
    return x->subject;
}

bool http_gone(HttpExchange *x)
{
    struct pollfd p = {.fd = x->connection->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
