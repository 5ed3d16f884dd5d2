// SPDX-License-Identifier: MIT
/*
 * Streams over TLS. OpenSSL reads and writes the socket through a BIO of ours, because its own writes with write(2), and a peer that went away would then
 * end the process by SIGPIPE. Each stream holds its configuration through its SSL.
 */
#include "net/tls_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* -- the BIO -- */

static int bio_write(BIO *bio, const char *p, int n)
{
    NetStream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent = send(stream->fd, p, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int bio_read(BIO *bio, char *p, int n)
{
    NetStream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(stream->fd, p, (size_t)n, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method; /* made once, then read only */

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gantry stream");
    if (!bio_method)
        abort();
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

static BIO *bio_over(NetStream *stream)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = BIO_new(bio_method);
    if (!bio)
        abort();
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
}

/* -- stream operations -- */

/* What a call that returned `result` <= 0 means: STREAM_WAIT, 0 for the end, or -1 with err. */
static ssize_t outcome(const TlsSession *s, int result, short *events, Err *err)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return STREAM_WAIT;
    case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return STREAM_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls_explain(s, tls_take_error(), err);
        return -1;
    }
}

static ssize_t tls_read(NetStream *stream, void *p, size_t n, short *events, Err *err)
{
    size_t got = 0;
    const TlsSession *s = stream->tls;
    ERR_clear_error();
    int result = SSL_read_ex(s->ssl, p, n, &got);
    if (result <= 0)
        return outcome(s, result, events, err);
    /* A record holds 16 KiB; take those that have come too, so that a large read stays a large read. */
    for (size_t more; got < n && SSL_has_pending(s->ssl); got += more)
        if (SSL_read_ex(s->ssl, (uint8_t *)p + got, n - got, &more) <= 0)
            break;
    return (ssize_t)got;
}

/* A server that breaks off says why, and closes: who was writing meanwhile finds the connection gone, and the reason behind what it has not read. */
static void hear_alert(const TlsSession *s, Err *err)
{
    uint8_t dropped;
    size_t got;
    ERR_clear_error();
    SSL_peek_ex(s->ssl, &dropped, 1, &got);
    unsigned long code = tls_take_error();
    if (code && !ERR_SYSTEM_ERROR(code))
        tls_explain(s, code, err);
}

/* Small parts go out together in one record: a command and its headers should not cost a record each. */
static ssize_t tls_write(NetStream *stream, const struct iovec *parts, int count, short *events, Err *err)
{
    uint8_t together[16 * 1024];
    const uint8_t *p = parts[0].iov_base;
    size_t n = parts[0].iov_len, sent = 0;
    if (n < sizeof together && count > 1) {
        n = 0;
        for (int i = 0; i < count && n < sizeof together; i++) {
            size_t take = parts[i].iov_len < sizeof together - n ? parts[i].iov_len : sizeof together - n;
            if (take)
                memcpy(together + n, parts[i].iov_base, take);
            n += take;
        }
        p = together;
    }
    if (n == 0)
        return 0;
    const TlsSession *s = stream->tls;
    ERR_clear_error();
    int result = SSL_write_ex(s->ssl, p, n, &sent);
    if (result > 0)
        return (ssize_t)sent;
    ssize_t what = outcome(s, result, events, err);
    if (what == -1 && (!err || err->code == ERR_CLOSED))
        hear_alert(s, err);
    if (what == 0)
        err_set(err, ERR_CLOSED, "the peer closed the TLS session");
    return what == STREAM_WAIT ? STREAM_WAIT : -1;
}

static void tls_close(NetStream *stream)
{
    TlsSession *s = stream->tls;
    SSL_shutdown(s->ssl);
    ERR_clear_error();
    SSL_free(s->ssl);
    net_certificate_free(s->certificate);
    free(s);
    stream->tls = NULL;
}

static const StreamOps over_tls = {tls_read, tls_write, tls_close};

bool net_tls_pending(NetStream *stream)
{
    return SSL_has_pending(((TlsSession *)stream->tls)->ssl) != 0;
}

bool net_stream_is_tls(const NetStream *stream)
{
    return stream->tls != NULL;
}

const NetCertificate *net_stream_certificate(const NetStream *stream)
{
    return stream->tls ? ((const TlsSession *)stream->tls)->certificate : NULL;
}

/* -- the handshake -- */

static void name_host(SSL *ssl, const NetTls *tls, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool is_number = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    if (!is_number)
        SSL_set_tlsext_host_name(ssl, host);
    if (!tls->verify || tls->any_name || tls->rules) {
        X509_VERIFY_PARAM_set1_ip(param, NULL, 0);
        return;
    }
    if (!is_number)
        SSL_set1_host(ssl, host);
}

/* Who went, or was cut off, before it was answered shall cost nothing. Later little costs anything, and what has come says why it went. */
static bool is_gone(const NetStream *stream)
{
    const TlsSession *s = stream->tls;
    struct pollfd fd = {.fd = stream->fd, .events = POLLRDHUP};
    return SSL_get_state(s->ssl) == TLS_ST_BEFORE && poll(&fd, 1, 0) == 1;
}

/* As far as it goes with what has come: 1 = done; else as `outcome`. */
static ssize_t go_on(const NetStream *stream, short *events, Err *err)
{
    const TlsSession *s = stream->tls;
    ERR_clear_error();
    int result = SSL_do_handshake(s->ssl);
    return result == 1 ? 1 : outcome(s, result, events, err);
}

static ssize_t go_on_in_turn(const NetStream *stream, short *events, Deadline deadline, Err *err)
{
    if (!tls_turn_begin(net_address_network(&stream->peer), deadline)) {
        err_set(err, ERR_TIMEOUT, "too many others shook hands at the time");
        return -1;
    }
    ssize_t what = is_gone(stream) ? 0 : go_on(stream, events, err);
    tls_turn_end();
    return what;
}

static bool shake_hands(NetStream *stream, Deadline deadline, Err *err)
{
    const TlsSession *s = stream->tls;
    short events = POLLIN;
    ssize_t what = s->server ? STREAM_WAIT : go_on(stream, &events, err);
    while (what == STREAM_WAIT) {
        if (!net_stream_wait(stream, events, deadline, err))
            return err && err->code == ERR_TIMEOUT
                       ? err_set(err, ERR_TIMEOUT, "%s did not finish the handshake in time", s->peer)
                       : false;
        what = s->server ? go_on_in_turn(stream, &events, deadline, err) : go_on(stream, &events, err);
    }
    if (what == 0)
        return err_set(err, ERR_CLOSED, "the peer closed the connection during the handshake");
    return what == 1;
}

/* Whose certificate it is; one that nobody checked says nothing. */
static bool identify(TlsSession *s, const NetTls *tls, Err *err)
{
    const X509 *shown = tls->verify ? SSL_get0_peer_certificate(s->ssl) : NULL;
    if (shown)
        s->certificate = net_certificate_of(shown);
    if (!tls->verify || !tls->rules || (shown && net_certificate_meets(s->certificate, tls->rules)))
        return true;
    return err_set(err, ERR_REFUSED,
                   "the certificate of %s is for %.150s (sha256:%s), which is not the one it must have",
                   s->peer, shown ? net_certificate_names(s->certificate) : "nobody",
                   shown ? net_certificate_sha256(s->certificate) : "");
}

bool net_tls_start(NetStream *stream, NetTls *tls, const char *host, Deadline deadline, Err *err)
{
    TlsSession *s = calloc(1, sizeof *s);
    SSL *ssl = SSL_new(tls->context);
    if (!ssl || !s)
        abort();
    s->ssl = ssl;
    s->server = tls->server;
    snprintf(s->peer, sizeof s->peer, "%s", host ? host : "the peer");
    SSL_set_app_data(ssl, s);
    BIO *bio = bio_over(stream);
    SSL_set_bio(ssl, bio, bio);
    if (host)
        name_host(ssl, tls, host);
    if (tls->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    stream->tls = s;
    stream->ops = &over_tls;
    return shake_hands(stream, deadline, err) && identify(s, tls, err);
}
