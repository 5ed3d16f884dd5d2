// SPDX-License-Identifier: MIT
/*
 * Connecting, accepting and listening over TCP. Each address that a name has gets an equal share of the time that is left.
 */
#include "net/stream.h"

#include "net/lookup.h"
#include "net/pacing.h"
#include "net/stream_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

static void tune(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
}

static bool is_inet(int family)
{
    return family == AF_INET || family == AF_INET6;
}

static uint64_t key_of(const void *p, size_t n)
{
    uint64_t hash = XXH3_64bits(p, n);
    return hash ? hash : 1;
}

uint64_t net_address_key(const NetAddress *address)
{
    return key_of(address->host, strlen(address->host));
}

uint64_t net_address_network(const NetAddress *address)
{
    struct in6_addr v6;
    return inet_pton(AF_INET6, address->host, &v6) == 1 ? key_of(v6.s6_addr, 8) : net_address_key(address);
}

/* As people and white lists know it. */
static NetAddress address_of(const struct sockaddr *address, socklen_t n)
{
    NetAddress out = {.host = "local"};
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    if (!is_inet(address->sa_family))
        return out;
    out.port = ntohs(address->sa_family == AF_INET ? in->sin_port : in6->sin6_port);
    /* An IPv4 peer on a socket that listens on both is still an IPv4 peer. */
    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out.host, sizeof out.host);
    else if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &in->sin_addr, out.host, sizeof out.host);
    else if (getnameinfo(address, n, out.host, sizeof out.host, NULL, 0, NI_NUMERICHOST) !=
             0) /* knows scopes */
        inet_ntop(AF_INET6, &in6->sin6_addr, out.host, sizeof out.host);
    return out;
}

static NetStream *tcp_stream(int fd, Err *err)
{
    struct sockaddr_storage peer = {0};
    socklen_t n = sizeof peer;
    getpeername(fd, (struct sockaddr *)&peer, &n);
    NetStream *stream = net_stream_of_fd(fd);
    if (!stream) {
        err_errno(err, errno, "connection");
        return NULL;
    }
    stream->peer = address_of((struct sockaddr *)&peer, n);
    stream->tcp = is_inet(peer.ss_family);
    if (stream->tcp)
        tune(fd);
    return stream;
}

typedef struct Patience {
    Deadline deadline;
    const atomic_bool *cancelled; /* NULL = nobody cancels */
} Patience;

static bool is_cancelled(const Patience *patience)
{
    return patience->cancelled && atomic_load_explicit(patience->cancelled, memory_order_relaxed);
}

static bool wait_connected(int fd, const Patience *patience, int *number)
{
    enum { LOOK_MS = 200 };
    for (;;) {
        struct pollfd one = {.fd = fd, .events = POLLOUT};
        Deadline look = patience->cancelled ? deadline_in(LOOK_MS) : CLOCK_NEVER;
        int ready = poll(&one, 1, deadline_poll_ms(deadline_min(patience->deadline, look)));
        if (ready < 0 && errno != EINTR) {
            *number = errno;
            return false;
        }
        if (ready > 0)
            break;
        if (deadline_passed(patience->deadline) || is_cancelled(patience)) {
            *number = is_cancelled(patience) ? ECANCELED : ETIMEDOUT;
            return false;
        }
    }
    socklen_t n = sizeof *number;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, number, &n);
    return *number == 0;
}

/* A connected socket, or -1 and the errno. */
static int connect_one(const struct addrinfo *to, const Patience *patience, int *number)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *number = errno;
        return -1;
    }
    net_pacing_to(fd, to->ai_addr);
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return fd;
    *number = errno;
    if (errno == EINPROGRESS && wait_connected(fd, patience, number))
        return fd;
    close(fd);
    return -1;
}

static Deadline share_of(Deadline deadline, int64_t candidates)
{
    if (deadline == CLOCK_NEVER)
        return deadline;
    int64_t left = deadline - clock_ms();
    return deadline_in(left > 0 ? left / candidates : 0);
}

static int connect_any(const struct addrinfo *found, const Patience *patience, int *number)
{
    int64_t candidates = 0;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        candidates++;
    for (; found; found = found->ai_next, candidates--) {
        Patience share = {share_of(patience->deadline, candidates), patience->cancelled};
        int fd = connect_one(found, &share, number);
        if (fd >= 0 || is_cancelled(patience))
            return fd;
    }
    return -1;
}

static struct addrinfo *look_up(const char *host, uint16_t port, int flags, const Patience *patience,
                                Err *err)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = net_look_up(host, service, &hints, patience->deadline, patience->cancelled, &found);
    if (failed == 0)
        return found;
    if (failed == EAI_SYSTEM)
        err_errno(err, errno, "look-up of host %s", host ? host : "*");
    else
        err_set(err, ERR_NOT_FOUND, "look-up of host %s: %s; check its spelling and the name service",
                host ? host : "*", gai_strerror(failed));
    return NULL;
}

static void connect_failed(const char *host, uint16_t port, int number, Err *err)
{
    if (number == ECANCELED)
        err_set(err, ERR_CLOSED, "connect to %s:%u: given up on this side", host, port);
    else if (number == ETIMEDOUT)
        err_set(err, ERR_TIMEOUT, "connect to %s:%u: no answer in time; is the host up and reachable?", host,
                port);
    else if (number == ECONNREFUSED)
        err_set(err, ERR_REFUSED, "connect to %s:%u: Connection refused; is a DICOM server listening there?",
                host, port);
    else
        err_errno(err, number, "connect to %s:%u", host, port);
}

NetStream *net_stream_connect(const char *host, uint16_t port, NetTls *tls, Deadline deadline, Err *err)
{
    return net_stream_connect_unless(NULL, host, port, tls, deadline, err);
}

NetStream *net_stream_connect_unless(const atomic_bool *cancelled, const char *host, uint16_t port,
                                     NetTls *tls, Deadline deadline, Err *err)
{
    Patience patience = {deadline, cancelled};
    struct addrinfo *found = look_up(host, port, 0, &patience, err);
    if (!found)
        return NULL;
    int number = 0;
    int fd = connect_any(found, &patience, &number);
    freeaddrinfo(found);
    if (fd < 0) {
        connect_failed(host, port, number, err);
        return NULL;
    }
    NetStream *stream = tcp_stream(fd, err);
    if (stream)
        stream->cancelled = cancelled;
    if (stream && tls && !net_tls_start(stream, tls, host, deadline, err)) {
        err_wrap(err, "TLS with %s:%u", host, port);
        net_stream_close(stream);
        return NULL;
    }
    return stream;
}

/* Closing a socket with bytes that were not read resets the connection, and the peer would not hear why it was refused. */
static void let_peer_read(int fd)
{
    enum { LINGER_MS = 500 };
    char dropped[4096];
    Deadline deadline = deadline_in(LINGER_MS);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    shutdown(fd, SHUT_WR);
    while (!deadline_passed(deadline) && poll(&one, 1, deadline_poll_ms(deadline)) > 0 &&
           recv(fd, dropped, sizeof dropped, MSG_DONTWAIT) > 0)
        ;
}

static NetStream *with_tls(NetStream *stream, NetTls *tls, Deadline deadline, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    if (stream && tls && !net_tls_start(stream, tls, NULL, deadline, err)) {
        if (err->code == ERR_REFUSED || err->code == ERR_FORMAT)
            let_peer_read(stream->fd);
        err_wrap(err, "TLS with %s", stream->peer.host);
        net_stream_close(stream);
        return NULL;
    }
    return stream;
}

NetStream *net_stream_accept(int fd, NetTls *tls, Deadline deadline, Err *err)
{
    return with_tls(tcp_stream(fd, err), tls, deadline, err);
}

NetStream *net_stream_accept_lent(int fd, const NetAddress *from, NetTls *tls, Deadline deadline, Err *err)
{
    NetStream *stream = net_stream_of_lent(fd);
    stream->peer = *from;
    stream->tcp = true;
    return with_tls(stream, tls, deadline, err);
}

static int listen_on(const struct addrinfo *at, int *number)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *number = errno;
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
    net_pacing_of_listener(fd);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    *number = errno;
    close(fd);
    return -1;
}

static void listen_failed(const char *address, uint16_t port, int number, Err *err)
{
    if (number == EADDRINUSE)
        err_set(err, ERR_IO,
                "listen on %s:%u: the port is in use; stop the other server or choose another port", address,
                port);
    else if (number == EACCES)
        err_set(err, ERR_IO, "listen on %s:%u: ports below 1024 need privileges; choose another", address,
                port);
    else
        err_errno(err, number, "listen on %s:%u", address, port);
}

int net_listen(const char *address, uint16_t port, Err *err)
{
    enum { LISTEN_LOOK_UP_MS = 10000 };
    Patience patience = {deadline_in(LISTEN_LOOK_UP_MS), NULL};
    struct addrinfo *found = look_up(address, port, AI_PASSIVE, &patience, err);
    if (!found)
        return -1;
    int number = 0, fd = -1;
    /* An IPv6 socket takes IPv4 too, so it is tried first; a host without IPv6 falls back. */
    for (int pass = 0; pass < 2 && fd < 0; pass++)
        for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
            if ((a->ai_family == AF_INET6) == (pass == 0))
                fd = listen_on(a, &number);
    freeaddrinfo(found);
    if (fd < 0)
        listen_failed(address ? address : "*", port, number, err);
    return fd;
}

uint16_t net_listen_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        return 0;
    return address_of((struct sockaddr *)&address, n).port;
}

bool net_listen_for_many(int fd, Err *err)
{
    struct timeval own_wait = {.tv_usec = NET_OWN_WAIT_MS * 1000};
    tune(fd); /* connections inherit what their listener has */
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){1}, sizeof(int));
    return (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &own_wait, sizeof own_wait) == 0 &&
            fcntl(fd, F_SETFL, O_NONBLOCK) == 0) ||
           err_errno(err, errno, "listen");
}

int net_accept_one(int listener, NetAddress *from)
{
    struct sockaddr_storage peer = {0};
    socklen_t n = sizeof peer;
    int fd = accept4(listener, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC);
    if (fd < 0)
        return -1;
    net_pacing_of_accepted(fd, (struct sockaddr *)&peer);
    *from = address_of((struct sockaddr *)&peer, n);
    return fd;
}
