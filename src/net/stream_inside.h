// SPDX-License-Identifier: MIT
/* What the files of a stream share: stream.c, stream_tcp.c, tls.c, and the association that closes early. */
#ifndef GANTRY_NET_STREAM_INSIDE_H
#define GANTRY_NET_STREAM_INSIDE_H

#include "net/stream.h"
#include <stdatomic.h>

enum { STREAM_WAIT = -2 }; /* would block: wait for *events, then call again */
enum { NET_OWN_WAIT_MS = 200 };

typedef struct StreamOps {
    /* Bytes, 0 at the end, -1 with err, or STREAM_WAIT. Never blocks, unless it is a read that may_wait. */
    ssize_t (*read)(NetStream *stream, void *p, size_t n, short *events, Err *err);
    ssize_t (*write)(NetStream *stream, const struct iovec *parts, int count, short *events, Err *err);
    void (*close)(NetStream *stream);
} StreamOps;

struct NetStream {
    const StreamOps *ops;
    int fd;
    int wake; /* eventfd that ends a wait; written by net_stream_interrupt from any thread; -1 = there is none */
    atomic_bool interrupted;
    const atomic_bool *cancelled; /* NULL = nobody cancels */
    bool tcp;
    bool lent; /* the socket is somebody else's, and waits by itself for NET_OWN_WAIT_MS unless told not to */
    bool unanswered; /* bytes have come since we sent some: the peer may wait for them to be acknowledged */
    bool may_wait;   /* this once a read may wait in the kernel */
    void *tls;       /* TlsSession *, or NULL */
    Span memory;     /* what is left to read of a memory stream */
    NetAddress peer;
};

NetStream *net_stream_of_lent(int fd);
/* Waits until the descriptor has one of the poll(2) `events`. */
bool net_stream_wait(NetStream *stream, short events, Deadline deadline, Err *err);
/* Closes the connection but keeps the object, which other threads may still interrupt. */
void net_stream_shut(NetStream *stream);
/* One attempt, without waiting and in spite of an interrupt. */
void net_stream_last_words(NetStream *stream, Span bytes);
/* Puts TLS on a connected stream and shakes hands. `host`: whom we called, NULL for a server. */
bool net_tls_start(NetStream *stream, NetTls *tls, const char *host, Deadline deadline, Err *err);
/* Has TLS read bytes that were not yet given out? */
bool net_tls_pending(NetStream *stream);

#endif
