// SPDX-License-Identifier: MIT
/*
 * Files that are a part of a body go to the socket as they are.
 *
 * One file between two texts is a list of memory for libmicrohttpd. Stretches of files within a body of unknown length (RFC 9112 §7.1, chunked) are written to the socket as
 * whole chunks, between two chunks of libmicrohttpd's own. That library copies every block twice and cannot send files that are not the whole body.
 *
 * It asks for the next block when everything before it has been written, in the connection's own thread; what is written here meanwhile is
 * therefore in its place. Waits are cut short by the watchdog and by a stop, which shut the socket down.
 *
 * Mapped bytes are only touched by the kernel: a file that was cut is an error of sendmsg (EFAULT) and no SIGBUS.
 */
#include "base/file_piece.h"
#include "web/http_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHUNK = 4 << 20, LOOK_MS = 250 };

/* -- one file between two texts -- */

static void close_piece(void *ctx)
{
    file_piece_close(ctx);
    free(ctx);
}

struct MHD_Response *http_file_between(HttpExchange *x)
{
    Answer *a = &x->answer;
    Err ignored;
    FilePiece *piece = malloc(sizeof *piece);
    if (!piece)
        abort();
    size_t n = (size_t)a->length;
    if (!file_piece_open(piece, a->fd, a->offset, n, n ? n : 1, FILE_PIECE_ANYHOW, &ignored)) {
        free(piece);
        return NULL;
    }
    const struct MHD_IoVec parts[] = {
        {a->before.p, a->before.n}, {piece->bytes.p, n}, {a->after.p, a->after.n}};
    struct MHD_Response *response = MHD_create_response_from_iovec(parts, 3, close_piece, piece);
    if (!response)
        close_piece(piece);
    x->sent = response && !x->head_only ? a->before.n + n + a->after.n : 0;
    return response;
}

/* -- stretches -- */

static bool await_room(HttpExchange *x, Err *err)
{
    struct pollfd one = {.fd = x->connection->fd, .events = POLLOUT};
    if (poll(&one, 1, LOOK_MS) < 0 && errno != EINTR)
        return err_errno(err, errno, "poll");
    if (atomic_load(&x->server->cutting) || atomic_load(&x->connection->cut))
        return err_set(err, ERR_CLOSED, "the connection was cut");
    return true;
}

static bool write_all(HttpExchange *x, struct iovec *parts, size_t count, Err *err)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    while (message.msg_iovlen) {
        ssize_t sent = sendmsg(x->connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!await_room(x, err))
                return false;
            continue;
        }
        if (sent < 0 && errno == EFAULT)
            return err_set(err, ERR_IO, "the file has become shorter");
        if (sent < 0 && errno != EINTR)
            return err_set(err, ERR_CLOSED, "the client has gone away");
        size_t n = sent > 0 ? (size_t)sent : 0;
        for (; message.msg_iovlen && n >= message.msg_iov->iov_len; message.msg_iov++, message.msg_iovlen--)
            n -= message.msg_iov->iov_len;
        if (message.msg_iovlen) {
            message.msg_iov->iov_base = (uint8_t *)message.msg_iov->iov_base + n;
            message.msg_iov->iov_len -= n;
        }
    }
    return true;
}

/* One chunk: the text before it, and n bytes of the file. */
static bool send_chunk(HttpExchange *x, const HttpStretch *s, size_t n, Err *err)
{
    char head[24], tail[] = "\r\n";
    int head_n = snprintf(head, sizeof head, "%zx\r\n", s->before.n + n);
    bool first = true;
    for (size_t at = 0; at < n; first = false) {
        FilePiece piece;
        if (!file_piece_open(&piece, s->fd, s->offset + at, n - at, 1, FILE_PIECE_ANYHOW, err))
            return false;
        at += piece.bytes.n;
        struct iovec parts[] = {{head, first ? (size_t)head_n : 0},
                                {(void *)(uintptr_t)s->before.p, first ? s->before.n : 0},
                                {(void *)(uintptr_t)piece.bytes.p, piece.bytes.n},
                                {tail, at == n ? 2 : 0}};
        bool sent = write_all(x, parts, sizeof parts / sizeof *parts, err);
        file_piece_close(&piece);
        if (!sent)
            return false;
    }
    x->sent += s->before.n + n;
    return true;
}

static bool send_stretch(HttpExchange *x, HttpStretch s, Err *err)
{
    while (s.length) {
        size_t n = s.length < CHUNK ? (size_t)s.length : CHUNK;
        if (!send_chunk(x, &s, n, err))
            return false;
        s.before = (Span){0};
        s.offset += n;
        s.length -= n;
    }
    return true;
}

bool http_direct_suits(const HttpExchange *x)
{
    return x->answer.source.stretch && x->answer.length < 0 && !x->old_version &&
           !x->server->settings.tls_certificate;
}

bool http_direct_send(HttpExchange *x, Err *err)
{
    HttpStretch next;
    while (x->answer.source.stretch(x->answer.source.ctx, &next)) {
        http_busy(x->connection, false);
        bool ok = send_stretch(x, next, err);
        http_busy(x->connection, true);
        if (!ok || atomic_load(&x->server->cutting))
            return ok && err_set(err, ERR_CLOSED, "the server stops");
    }
    return true;
}
