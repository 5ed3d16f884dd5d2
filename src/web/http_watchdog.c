// SPDX-License-Identifier: MIT
/*
 * Clients that hold a connection without using it: a head that drips (slow loris), a body that drips, a reader that does not read. One thread looks at
 * every connection a few times a second. What has moved, it asks the kernel (TCP_INFO), so that the hot path counts nothing, and TLS makes no difference.
 *
 * Time in which a handler of ours works is not held against the client. A connection is cut by shutting its socket down: its own thread sees that
 * and cleans up. The connection's lock orders this with changes of phase, so that a cut never hits an answer that has begun.
 */
#include "base/cond.h"
#include "web/http_internal.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static bool traffic(int fd, uint64_t *received, uint64_t *acknowledged)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return false;
    *received = info.tcpi_bytes_received;
    *acknowledged = info.tcpi_bytes_acked;
    return true;
}

void http_phase(HttpConnection *c, HttpPhase phase)
{
    uint64_t received = 0, acknowledged;
    if (phase == PHASE_IDLE)
        traffic(c->fd, &received, &acknowledged);
    pthread_mutex_lock(&c->lock);
    c->phase = phase;
    c->epoch++;
    c->received_before = received;
    pthread_mutex_unlock(&c->lock);
}

void http_busy(HttpConnection *c, bool busy)
{
    pthread_mutex_lock(&c->lock);
    c->busy = busy;
    pthread_mutex_unlock(&c->lock);
}

/* The answer to a request that has not come yet in full. */
static void send_timeout(int fd)
{
    static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Request Timeout\",\"status\":408,"
                               "\"detail\":\"the request came too slowly\"}\n";
    char text[512];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: "
                     "application/problem+json\r\nContent-Length: %zu\r\n\r\n%s",
                     sizeof body - 1, body);
    (void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* With the connection's lock held. */
static void cut(HttpServer *server, HttpConnection *c)
{
    if ((c->phase == PHASE_HEAD || c->phase == PHASE_BODY) && !server->settings.tls_certificate)
        send_timeout(c->fd);
    shutdown(c->fd, SHUT_RDWR);
    c->cut = true;
}

/* Are bytes moving fast enough? A window of waiting, then the next. Readers may think twice as long: they may be working on what they have got. */
static bool fast_enough(const HttpServer *server, HttpConnection *c, uint64_t bytes)
{
    int64_t window = server->settings.slow_timeout_ms * (c->phase == PHASE_ANSWER ? 2 : 1);
    if (c->waited_ms < window)
        return true;
    bool fast = bytes - c->window_bytes >= (uint64_t)(SLOWEST_BYTES_PER_SECOND * window / 1000);
    c->waited_ms = 0;
    c->window_bytes = bytes;
    return fast;
}

static void new_phase(const HttpServer *server, HttpConnection *c, uint64_t bytes)
{
    c->watched_epoch = c->epoch;
    c->waited_ms = 0;
    c->window_bytes = bytes;
    c->deadline = deadline_in(c->phase == PHASE_HEAD ? server->settings.head_timeout_ms
                                                     : server->settings.idle_timeout_ms);
}

/* When places run out, those who hold one without asking for anything give way. With the server's lock held. */
static bool is_crowded(const HttpServer *server)
{
    return server->connection_count * UINT64_C(10) >= server->settings.max_connections * UINT64_C(9);
}

/* With the server's and the connection's locks held. */
static void watch(HttpServer *server, HttpConnection *c)
{
    uint64_t received, acknowledged;
    int64_t now = clock_ms(), passed = now - c->looked_ms;
    c->looked_ms = now;
    if (c->cut || c->busy || !traffic(c->fd, &received, &acknowledged))
        return;
    uint64_t bytes = c->phase == PHASE_ANSWER ? acknowledged : received;
    if (c->epoch != c->watched_epoch) {
        new_phase(server, c, bytes);
        return;
    }
    c->waited_ms += passed;
    bool fine = true;
    switch (c->phase) {
    case PHASE_IDLE:
        if (received > c->received_before) {
            c->phase = PHASE_HEAD;
            new_phase(server, c, bytes);
        }
        fine = !deadline_passed(c->deadline) && !(is_crowded(server) && c->waited_ms > CROWDED_IDLE_MS);
        break;
    case PHASE_HEAD:
        fine = !deadline_passed(c->deadline);
        break;
    case PHASE_BODY:
    case PHASE_ANSWER:
        fine = fast_enough(server, c, bytes);
        break;
    }
    if (!fine)
        cut(server, c);
}

static void *run(void *ctx)
{
    HttpServer *server = ctx;
    pthread_mutex_lock(&server->lock);
    while (server->watching) {
        cond_wait(&server->wake, &server->lock, deadline_in(WATCH_EVERY_MS));
        for (HttpConnection *c = server->connections; c; c = c->next) {
            pthread_mutex_lock(&c->lock);
            watch(server, c);
            pthread_mutex_unlock(&c->lock);
        }
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

bool http_watchdog_start(HttpServer *server, Err *err)
{
    server->watching = true;
    int failed = pthread_create(&server->watchdog, NULL, run, server);
    if (failed) {
        server->watching = false;
        return err_errno(err, failed, "start the watchdog of the HTTP server");
    }
    return true;
}

void http_watchdog_stop(HttpServer *server)
{
    if (!server->watching)
        return;
    pthread_mutex_lock(&server->lock);
    server->watching = false;
    pthread_cond_broadcast(&server->wake);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->watchdog, NULL);
}
