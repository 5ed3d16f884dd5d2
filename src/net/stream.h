// SPDX-License-Identifier: MIT
/*
 * One stream over TCP or TLS. Blocking calls with a deadline (the socket itself is non-blocking, waits are poll(2)).
 * One thread reads and writes a stream at a time; net_stream_interrupt may come from any thread.
 */
#ifndef GANTRY_NET_STREAM_H
#define GANTRY_NET_STREAM_H

#include "base/clock.h"
#include "base/err.h"
#include "base/span.h"
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct NetStream NetStream;
typedef struct NetTls NetTls;                 /* a TLS configuration, shared and immutable; see net/tls.h */
typedef struct NetCertificate NetCertificate; /* see net/certificate.h */

typedef struct NetAddress {
    char host[64]; /* numeric */
    uint16_t port;
} NetAddress;

/* Keys, never 0, of the address and of its network: one machine may have any number of addresses of IPv6, all those of a /64. */
uint64_t net_address_key(const NetAddress *address);
uint64_t net_address_network(const NetAddress *address);

/* Connects to host (name or number, IPv4 or IPv6: each address is tried) and port. tls may be NULL. */
NetStream *net_stream_connect(const char *host, uint16_t port, NetTls *tls, Deadline deadline, Err *err);
/* The same; this and every later wait of the stream ends (ERR_CLOSED) soon after `cancelled`, which outlives it, has become true. */
NetStream *net_stream_connect_unless(const atomic_bool *cancelled, const char *host, uint16_t port,
                                     NetTls *tls, Deadline deadline, Err *err);
/* Takes over an accepted socket. With tls, the handshake happens here. */
NetStream *net_stream_accept(int fd, NetTls *tls, Deadline deadline, Err *err);
/* The same for a socket of net_accept_one, which stays the caller's: he closes it after the stream. To end whatever the stream waits for he shuts it down;
   net_stream_interrupt wakes nobody here. */
NetStream *net_stream_accept_lent(int fd, const NetAddress *from, NetTls *tls, Deadline deadline, Err *err);
/* Takes over any connected socket (socketpair in tests). */
NetStream *
net_stream_of_fd(int fd); /* NULL when the process has no descriptor left for its wake-up; fd is closed */
/* A peer that has said `input` (a view) and then closed; what is written to it is dropped. For tests. */
NetStream *net_stream_memory(Span input);
void net_stream_close(NetStream *stream); /* NULL is fine */

/* > 0: bytes read, at most n. 0: the peer closed. -1: err (ERR_TIMEOUT when the deadline passed, ERR_CLOSED on reset or interrupt).
   With a deadline that has passed already it takes what is there. */
ssize_t net_stream_read(NetStream *stream, void *p, size_t n, Deadline deadline, Err *err);
/* Writes all parts, in as few system calls as the kernel allows. */
bool net_stream_writev(NetStream *stream, const struct iovec *parts, int count, Deadline deadline, Err *err);
/* Is there something to read (or an end) now? */
bool net_stream_readable(NetStream *stream);
/* Makes a read or write that is waiting, and all later ones, fail with ERR_CLOSED. From any thread. */
void net_stream_interrupt(NetStream *stream);

NetAddress net_stream_peer(const NetStream *stream);
bool net_stream_is_tls(const NetStream *stream);
/* The peer's certificate, which was checked; NULL when it showed none, or nobody checks. Lives as long as the stream is open. */
const NetCertificate *net_stream_certificate(const NetStream *stream);

/* Listens on `address` (NULL = all, IPv6 and IPv4) and port (0 = any free). Returns a socket, or -1 and err. */
int net_listen(const char *address, uint16_t port, Err *err);
uint16_t net_listen_port(int fd);
/* Makes a listener that of net_accept_one. */
bool net_listen_for_many(int fd, Err *err);
/* A socket and who is at its other end, or at once -1 with errno. */
int net_accept_one(int listener, NetAddress *from);

#endif
