// SPDX-License-Identifier: MIT
/*
 * Deadlines and interruption over non-blocking operations. Each call tries first and waits only when the kernel has nothing, so that a
 * busy stream costs one system call per read. A server's stream that has answered everything waits in the read itself for a while, which
 * costs one instead of three.
 *
 * Before waiting for more input a TCP stream asks for its acknowledgement to be sent at once (TCP_QUICKACK is not sticky): a peer with Nagle's
 * algorithm holds its last short segment back until then, which costs 40 ms per object otherwise. What we send ourselves acknowledges what came before.
 */
#include "net/stream.h"

#include "net/stream_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CANCELLED_LOOK_MS = 200 };

static bool interrupted(const NetStream *stream)
{
    return atomic_load_explicit(&stream->interrupted, memory_order_acquire) ||
           (stream->cancelled && atomic_load_explicit(stream->cancelled, memory_order_relaxed));
}

static bool closed_here(Err *err)
{
    return err_set(err, ERR_CLOSED, "the connection was closed on this side");
}

static bool socket_failed(Err *err, int number)
{
    if (number == ECONNRESET || number == EPIPE || number == ENOTCONN || number == EBADF)
        return err_set(err, ERR_CLOSED, "the peer closed the connection%s",
                       number == ECONNRESET ? " (reset)" : "");
    if (number == ETIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "the connection timed out");
    if (number == EFAULT)
        return err_set(err, ERR_IO, "a file has become shorter while it was sent");
    return err_errno(err, number, "network");
}

/* -- plain sockets -- */

static ssize_t plain_read(NetStream *stream, void *p, size_t n, short *events, Err *err)
{
    for (;;) {
        ssize_t got = recv(stream->fd, p, n, stream->may_wait ? 0 : MSG_DONTWAIT);
        if (got >= 0)
            return got;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            *events = POLLIN;
            return STREAM_WAIT;
        }
        if (errno != EINTR) {
            socket_failed(err, errno);
            return -1;
        }
    }
}

static ssize_t plain_write(NetStream *stream, const struct iovec *parts, int count, short *events, Err *err)
{
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    for (;;) {
        ssize_t sent = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            *events = POLLOUT;
            return STREAM_WAIT;
        }
        if (errno != EINTR) {
            socket_failed(err, errno);
            return -1;
        }
    }
}

static void plain_close(NetStream *stream)
{
}

static const StreamOps plain = {plain_read, plain_write, plain_close};

/* -- bytes in memory -- */

static ssize_t memory_read(NetStream *stream, void *p, size_t n, short *events, Err *err)
{
    size_t take = n < stream->memory.n ? n : stream->memory.n;
    if (take)
        memcpy(p, stream->memory.p, take);
    stream->memory = span_sub(stream->memory, take, SIZE_MAX);
    return (ssize_t)take;
}

static ssize_t memory_write(NetStream *stream, const struct iovec *parts, int count, short *events, Err *err)
{
    ssize_t n = 0;
    for (int i = 0; i < count; i++)
        n += (ssize_t)parts[i].iov_len;
    return n;
}

static const StreamOps in_memory = {memory_read, memory_write, plain_close};

/* -- life -- */

static NetStream *new_stream(const StreamOps *ops, int fd, bool lent)
{
    NetStream *stream = malloc(sizeof *stream);
    if (!stream)
        abort();
    *stream = (NetStream){.ops = ops, .fd = fd, .lent = lent, .wake = -1};
    if (!lent)
        stream->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stream->wake < 0 && !lent) {
        if (fd >= 0)
            close(fd);
        free(stream);
        return NULL;
    }
    return stream;
}

NetStream *net_stream_of_fd(int fd)
{
    return new_stream(&plain, fd, false);
}

NetStream *net_stream_of_lent(int fd)
{
    return new_stream(&plain, fd, true);
}

NetStream *net_stream_memory(Span input)
{
    NetStream *stream = new_stream(&in_memory, -1, false);
    if (stream)
        stream->memory = input;
    return stream;
}

void net_stream_shut(NetStream *stream)
{
    stream->ops->close(stream);
    stream->ops = &plain; /* on a descriptor of -1: every later call fails as closed */
    stream->tcp = false;
    if (stream->fd >= 0 && !stream->lent)
        close(stream->fd);
    stream->fd = -1;
}

void net_stream_close(NetStream *stream)
{
    if (!stream)
        return;
    net_stream_shut(stream);
    if (stream->wake >= 0)
        close(stream->wake);
    free(stream);
}

/* -- reading and writing -- */

static bool too_late(short events, Err *err)
{
    return err_set(err, ERR_TIMEOUT, "the peer did not %s in time",
                   events & POLLIN ? "answer" : "take what was sent");
}

bool net_stream_wait(NetStream *stream, short events, Deadline deadline, Err *err)
{
    if (deadline_passed(deadline))
        return too_late(events, err);
    if (stream->tcp && (stream->unanswered || stream->tls) && (events & POLLIN))
        setsockopt(stream->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    for (;;) {
        struct pollfd fds[] = {{.fd = stream->fd, .events = events}, {.fd = stream->wake, .events = POLLIN}};
        Deadline look = stream->cancelled ? deadline_min(deadline, deadline_in(CANCELLED_LOOK_MS)) : deadline;
        int ready = poll(fds, 2, deadline_poll_ms(look));
        if (interrupted(stream))
            return closed_here(err);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return err_errno(err, errno, "poll");
        if (deadline_passed(deadline))
            return too_late(events, err);
    }
}

static bool may_wait(const NetStream *stream, Deadline deadline)
{
    return stream->lent && !stream->unanswered && !deadline_passed(deadline - NET_OWN_WAIT_MS);
}

ssize_t net_stream_read(NetStream *stream, void *p, size_t n, Deadline deadline, Err *err)
{
    for (;;) {
        if (interrupted(stream)) {
            closed_here(err);
            return -1;
        }
        short events = POLLIN;
        stream->may_wait = may_wait(stream, deadline);
        ssize_t got = stream->ops->read(stream, p, n, &events, err);
        stream->unanswered = stream->unanswered || got > 0;
        if (got != STREAM_WAIT)
            return got;
        if (!net_stream_wait(stream, events, deadline, err))
            return -1;
    }
}

enum { WINDOW = 128 };

/* What is left, from byte `skip` of parts[0] on. */
static ssize_t write_rest(NetStream *stream, const struct iovec *parts, int count, size_t skip, short *events,
                          Err *err)
{
    struct iovec window[WINDOW];
    memcpy(window, parts, (size_t)count * sizeof *parts);
    window[0].iov_base = (uint8_t *)window[0].iov_base + skip;
    window[0].iov_len -= skip;
    return stream->ops->write(stream, window, count, events, err);
}

bool net_stream_writev(NetStream *stream, const struct iovec *parts, int count, Deadline deadline, Err *err)
{
    size_t skip = 0;
    for (;;) {
        for (; count > 0 && skip >= parts->iov_len; parts++, count--)
            skip -= parts->iov_len;
        if (count <= 0)
            return true;
        if (interrupted(stream))
            return closed_here(err);
        short events = POLLOUT;
        int now = count < WINDOW ? count : WINDOW;
        ssize_t sent = skip ? write_rest(stream, parts, now, skip, &events, err)
                            : stream->ops->write(stream, parts, now, &events, err);
        if (sent == STREAM_WAIT) {
            if (!net_stream_wait(stream, events, deadline, err))
                return false;
        } else if (sent < 0) {
            return false;
        } else {
            skip += (size_t)sent;
            stream->unanswered = false;
        }
    }
}

void net_stream_last_words(NetStream *stream, Span bytes)
{
    short events;
    Err ignored;
    struct iovec part = {.iov_base = (void *)bytes.p, .iov_len = bytes.n};
    (void)stream->ops->write(stream, &part, 1, &events, &ignored);
}

bool net_stream_readable(NetStream *stream)
{
    if (interrupted(stream) || stream->fd < 0 || (stream->tls && net_tls_pending(stream)))
        return true;
    struct pollfd one = {.fd = stream->fd, .events = POLLIN};
    return poll(&one, 1, 0) > 0;
}

void net_stream_interrupt(NetStream *stream)
{
    atomic_store_explicit(&stream->interrupted, true, memory_order_release);
    uint64_t one = 1;
    ssize_t ignored = stream->wake >= 0 ? write(stream->wake, &one, sizeof one) : 0;
    (void)ignored;
}

NetAddress net_stream_peer(const NetStream *stream)
{
    return stream->peer;
}
