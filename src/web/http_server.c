// SPDX-License-Identifier: MIT
/*
 * The server: its socket, libmicrohttpd on it, the list of connections. libmicrohttpd accepts in a thread of its own and gives each connection another one;
 * the callbacks below run in the connection's thread but for take_peer and the beginning of a connection, which run in the accepting one.
 *
 * A connection is in the list from before its first byte until just before its socket is closed, so that the watchdog never touches a
 * descriptor that has become somebody else's.
 */
#include "base/cond.h"
#include "base/file.h"
#include "base/log.h"
#include "net/pacing.h"
#include "net/stream.h"
#include "web/http_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMPLAIN_EVERY_MS = 10000, PEM_MAX = 1024 * 1024 };

/* -- settings -- */

static const char *copy_text(Arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static const char *const *copy_list(Arena *arena, const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    if (!list)
        return NULL;
    const char **copy = arena_alloc(arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(arena, list[i]);
    return copy;
}

static void copy_settings(HttpServer *server, const HttpSettings *from)
{
    Arena *arena = server->arena;
    HttpSettings *s = &server->settings;
    *s = *from;
    s->address = copy_text(arena, from->address ? from->address : "127.0.0.1");
    s->tls_certificate = copy_text(arena, from->tls_certificate);
    s->tls_key = copy_text(arena, from->tls_key);
    s->allowed_hosts = copy_list(arena, from->allowed_hosts);
    s->cors_origins = copy_list(arena, from->cors_origins);
    s->trusted_proxies = copy_list(arena, from->trusted_proxies);
    s->root = copy_text(arena, from->root ? from->root : "");
    s->max_connections = from->max_connections ? from->max_connections : 512;
    s->max_connections_per_peer = from->max_connections_per_peer ? from->max_connections_per_peer : 128;
    s->max_body = from->max_body ? from->max_body : UINT64_C(64) << 30;
    s->head_timeout_ms = from->head_timeout_ms ? from->head_timeout_ms : 10 * 1000;
    s->idle_timeout_ms = from->idle_timeout_ms ? from->idle_timeout_ms : 60 * 1000;
    s->slow_timeout_ms = from->slow_timeout_ms ? from->slow_timeout_ms : 30 * 1000;
}

/* -- connections -- */

/* "192.0.2.1", also when it came in through an IPv6 socket. */
static void peer_text(const struct sockaddr *address, char out[64])
{
    snprintf(out, 64, "unknown");
    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out, 64);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(a))
            inet_ntop(AF_INET, &a->s6_addr[12], out, 64);
        else
            inet_ntop(AF_INET6, a, out, 64);
    }
}

/* Proxies speak for many. */
static enum MHD_Result take_peer(void *ctx, const struct sockaddr *address, socklen_t size)
{
    HttpServer *server = ctx;
    char peer[64];
    peer_text(address, peer);
    if (forwarded_listed(peer, server->settings.trusted_proxies))
        return MHD_YES;
    unsigned count = 0;
    pthread_mutex_lock(&server->lock);
    for (const HttpConnection *c = server->connections; c; c = c->next)
        count += !strcmp(c->peer, peer);
    bool complain = false;
    if (count >= server->settings.max_connections_per_peer) {
        complain = !server->complained_ms || clock_ms() - server->complained_ms > COMPLAIN_EVERY_MS;
        server->complained_ms = complain ? clock_ms() : server->complained_ms;
    }
    pthread_mutex_unlock(&server->lock);
    if (complain)
        log_warning("api_dicomweb",
                    "connections of %s are refused: it has %u already (api.max_connections_per_peer)", peer,
                    count);
    return count < server->settings.max_connections_per_peer ? MHD_YES : MHD_NO;
}

static HttpConnection *connection_begin(HttpServer *server, struct MHD_Connection *wire)
{
    HttpConnection *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    pthread_mutex_init(&c->lock, NULL);
    c->fd = MHD_get_connection_info(wire, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *peer =
        MHD_get_connection_info(wire, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    net_pacing_of_accepted(c->fd, peer);
    peer_text(peer, c->peer);
    c->epoch = 1;
    c->looked_ms = clock_ms();
    pthread_mutex_lock(&server->lock);
    c->next = server->connections;
    if (c->next)
        c->next->previous = c;
    server->connections = c;
    server->connection_count++;
    pthread_mutex_unlock(&server->lock);
    return c;
}

static void connection_end(HttpServer *server, HttpConnection *c)
{
    pthread_mutex_lock(&server->lock);
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        server->connections = c->next;
    server->connection_count--;
    pthread_mutex_unlock(&server->lock);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void on_connection(void *ctx, struct MHD_Connection *wire, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *slot = connection_begin(ctx, wire);
    else if (*slot)
        connection_end(ctx, *slot);
}

/* -- requests -- */

/* The request line is there. */
static void *on_target(void *ctx, const char *target, struct MHD_Connection *wire)
{
    HttpConnection *c = MHD_get_connection_info(wire, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    return http_exchange_new(ctx, c, wire, target);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *wire, const char *url, const char *method,
                                  const char *version, const char *piece, size_t *size, void **slot)
{
    HttpExchange *x = *slot;
    if (!x->begun) {
        http_phase(x->connection, PHASE_BODY);
        return http_exchange_begin(x, method, version) ? MHD_YES : http_send(x);
    }
    if (*size) {
        bool more = http_exchange_body(x, span_of(piece, *size));
        *size = 0;
        return more ? MHD_YES : MHD_NO;
    }
    http_exchange_end(x);
    return http_send(x);
}

static void on_completed(void *ctx, struct MHD_Connection *wire, void **slot,
                         enum MHD_RequestTerminationCode how)
{
    HttpExchange *x = *slot;
    *slot = NULL;
    if (!x)
        return;
    HttpConnection *c = x->connection;
    http_exchange_finish(x, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    http_phase(c, PHASE_IDLE);
}

/* Percent-decoding is ours (http_url.c): the library's would do it before the path is taken apart. */
static size_t leave_encoded(void *ctx, struct MHD_Connection *wire, char *text)
{
    return strlen(text);
}

static void log_library(void *ctx, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void log_library(void *ctx, const char *format, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\r\n")] = 0;
    log_debug("api_dicomweb", "libmicrohttpd: %s", text);
}

/* -- start and stop -- */

/* In GnuTLS's words. */
static const char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static bool read_pem(const char *path, char **out, Err *err)
{
    Buf text;
    buf_init(&text, PEM_MAX);
    bool ok = file_read_all(path, PEM_MAX, &text, err);
    if (ok)
        *out = strdup(buf_cstr(&text));
    buf_free(&text);
    return ok || err_wrap(err, "TLS of the HTTP server");
}

HttpServer *http_start(const HttpSettings *settings, Err *err)
{
    HttpServer *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->arena = arena_new(0);
    server->router = router_new();
    server->listener = -1;
    pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->changed);
    cond_init(&server->wake);
    copy_settings(server, settings);
    const HttpSettings *s = &server->settings;
    if (s->tls_certificate && (!read_pem(s->tls_certificate, &server->certificate, err) ||
                               !read_pem(s->tls_key ? s->tls_key : s->tls_certificate, &server->key, err)))
        goto failed;
    server->listener = net_listen(s->address, s->port, err);
    if (server->listener < 0)
        goto failed;
    /* A client that is gone before it is accepted must not hold up the accepting thread. */
    fcntl(server->listener, F_SETFL, fcntl(server->listener, F_GETFL) | O_NONBLOCK);
    server->port = net_listen_port(server->listener);
    return server;
failed:
    http_stop(server, 0);
    return NULL;
}

void http_add_routes(HttpServer *server, const char *prefix, const HttpRoute *routes, size_t count, void *ctx)
{
    router_add(server->router, prefix, routes, count, ctx);
}

bool http_serve(HttpServer *server, Err *err)
{
    const HttpSettings *s = &server->settings;
    if (!http_watchdog_start(server, err))
        return false;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
                                   {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_versions},
                                   {MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                     MHD_USE_ITC | MHD_USE_ERROR_LOG | (server->certificate ? MHD_USE_TLS : 0);
    server->daemon =
        MHD_start_daemon(flags, 0, take_peer, server, on_request, server,         /* the logger comes first */
                         MHD_OPTION_EXTERNAL_LOGGER, log_library, server,         //
                         MHD_OPTION_LISTEN_SOCKET, server->listener,              //
                         MHD_OPTION_CONNECTION_LIMIT, s->max_connections,         //
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WIRE_MEMORY, //
                         MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)WIRE_MEMORY, //
                         MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE,            //
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,         //
                         MHD_OPTION_URI_LOG_CALLBACK, on_target, server,              //
                         MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, server,         //
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,           //
                         MHD_OPTION_ARRAY, server->certificate ? tls : &tls[3],       //
                         MHD_OPTION_END);
    if (!server->daemon)
        return err_set(err, ERR_IO, "the HTTP server on %s:%u does not start%s", s->address, server->port,
                       server->certificate ? "; is the TLS certificate and its key a pair of PEM files?"
                                           : "");
    return true;
}

uint16_t http_port(const HttpServer *server)
{
    return server->port;
}

unsigned http_connections(HttpServer *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned count = server->connection_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

void http_routes(const HttpServer *server,
                 void (*visit)(void *ctx, const char *prefix, const HttpRoute *route), void *ctx)
{
    for (size_t i = 0; i < router_count(server->router); i++) {
        const RouterEntry *entry = router_entry(server->router, i);
        visit(ctx, entry->prefix, entry->route);
    }
}

/* Lets what runs come to its end, for a while. */
static void wait_for_exchanges(HttpServer *server, int64_t grace_ms)
{
    Deadline deadline = deadline_in(grace_ms);
    pthread_mutex_lock(&server->lock);
    while (server->exchange_count && cond_wait(&server->changed, &server->lock, deadline))
        ;
    pthread_mutex_unlock(&server->lock);
}

void http_stop(HttpServer *server, int64_t grace_ms)
{
    if (!server)
        return;
    atomic_store(&server->stopping, true);
    if (server->daemon) {
        MHD_quiesce_daemon(server->daemon);
        shutdown(server->listener, SHUT_RDWR); /* who comes now is refused, and does not wait for nothing */
        wait_for_exchanges(server, grace_ms);
        atomic_store(&server->cutting, true);
        MHD_stop_daemon(server->daemon);
    }
    http_watchdog_stop(server);
    if (server->listener >= 0)
        close(server->listener);
    router_free(server->router);
    free(server->certificate);
    free(server->key);
    pthread_cond_destroy(&server->wake);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    arena_free(server->arena);
    free(server);
}
