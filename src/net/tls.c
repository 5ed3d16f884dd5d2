// SPDX-License-Identifier: MIT
/*
 * TLS over OpenSSL, PS3.15 B.12 (BCP 195): TLS 1.2 with ephemeral keys and AEAD, and TLS 1.3; no renegotiation, no compression.
 *
 * OpenSSL reads and writes the socket through a BIO of ours, because its own writes with write(2), and a peer that went away would then
 * end the process by SIGPIPE. A configuration is immutable after net_tls_new; each stream holds a reference through its SSL.
 */
#include "net/tls.h"

#include "net/stream_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct NetTls {
    SSL_CTX *context;
    bool server, verify, any_name;
};

/* -- configuration -- */

/* The oldest error in OpenSSL's queue; empties the queue. Text is NULL where the operating system has the words (*number is its errno). */
static const char *why(int *number)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    *number = code && ERR_SYSTEM_ERROR(code) ? (int)ERR_GET_REASON(code) : 0;
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return *number ? NULL : reason ? reason : "the connection was closed";
}

static bool refuse(Err *err, const char *what, const char *path)
{
    int number;
    const char *text = why(&number);
    if (!text) {
        err_errno(err, number, "TLS: %s %s", what, path);
        if (err)
            err->code = ERR_USAGE;
        return false;
    }
    return err_set(err, ERR_USAGE, "TLS: %s %s: %s", what, path, text);
}

static bool load_identity(SSL_CTX *context, const NetTlsSettings *settings, Err *err)
{
    if (!settings->certificate)
        return settings->server ? err_set(err, ERR_USAGE, "TLS: a server needs a certificate") : true;
    if (!settings->key)
        return err_set(err, ERR_USAGE, "TLS: certificate %s has no key beside it in the settings",
                       settings->certificate);
    if (SSL_CTX_use_certificate_chain_file(context, settings->certificate) != 1)
        return refuse(err, "certificate", settings->certificate);
    if (SSL_CTX_use_PrivateKey_file(context, settings->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return refuse(err, "key", settings->key);
    return true;
}

static bool load_authorities(SSL_CTX *context, const NetTlsSettings *settings, Err *err)
{
    if (settings->ca) {
        if (SSL_CTX_load_verify_locations(context, settings->ca, NULL) != 1)
            return refuse(err, "authorities", settings->ca);
        if (settings->server)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings->ca));
    } else if (settings->server && settings->verify_peer) {
        return err_set(err, ERR_USAGE, "TLS: to check clients, name the authorities they are trusted by");
    } else if (!settings->server) {
        SSL_CTX_set_default_verify_paths(context);
    }
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, settings->verify_peer ? mode : SSL_VERIFY_NONE, NULL);
    return true;
}

static void choose_profile(SSL_CTX *context)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"gantry", 6);
}

NetTls *net_tls_new(const NetTlsSettings *settings, Err *err)
{
    SSL_CTX *context = SSL_CTX_new(settings->server ? TLS_server_method() : TLS_client_method());
    NetTls *tls = calloc(1, sizeof *tls);
    if (!context || !tls)
        abort();
    *tls = (NetTls){context, settings->server, settings->verify_peer, settings->any_name};
    choose_profile(context);
    if (load_identity(context, settings, err) && load_authorities(context, settings, err))
        return tls;
    net_tls_free(tls);
    return NULL;
}

void net_tls_free(NetTls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

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

static void tls_failed(SSL *ssl, Err *err)
{
    int number;
    long verify = SSL_get_verify_result(ssl);
    const char *text = why(&number);
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verify != X509_V_OK)
        err_set(err, ERR_REFUSED, "the peer's certificate: %s", X509_verify_cert_error_string(verify));
    else
        err_set(err, ERR_CLOSED, "%s", text ? text : "the peer closed the connection");
}

/* What a call that returned `result` <= 0 means: STREAM_WAIT, 0 for the end, or -1 with err. */
static ssize_t outcome(SSL *ssl, int result, short *events, Err *err)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return STREAM_WAIT;
    case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return STREAM_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls_failed(ssl, err);
        return -1;
    }
}

static ssize_t tls_read(NetStream *stream, void *p, size_t n, short *events, Err *err)
{
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(stream->tls, p, n, &got);
    if (result <= 0)
        return outcome(stream->tls, result, events, err);
    /* A record holds 16 KiB; take those that have come too, so that a large read stays a large read. */
    for (size_t more; got < n && SSL_has_pending(stream->tls); got += more)
        if (SSL_read_ex(stream->tls, (uint8_t *)p + got, n - got, &more) <= 0)
            break;
    return (ssize_t)got;
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
    ERR_clear_error();
    int result = SSL_write_ex(stream->tls, p, n, &sent);
    if (result > 0)
        return (ssize_t)sent;
    ssize_t what = outcome(stream->tls, result, events, err);
    if (what == 0)
        err_set(err, ERR_CLOSED, "the peer closed the TLS session");
    return what == STREAM_WAIT ? STREAM_WAIT : -1;
}

static void tls_close(NetStream *stream)
{
    SSL_shutdown(stream->tls);
    ERR_clear_error();
    SSL_free(stream->tls);
    stream->tls = NULL;
}

static const StreamOps over_tls = {tls_read, tls_write, tls_close};

bool net_tls_pending(NetStream *stream)
{
    return SSL_has_pending(stream->tls) != 0;
}

static void name_host(SSL *ssl, const NetTls *tls, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool is_number = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    if (!is_number)
        SSL_set_tlsext_host_name(ssl, host);
    if (!tls->verify || tls->any_name) {
        X509_VERIFY_PARAM_set1_ip(param, NULL, 0);
        return;
    }
    if (!is_number)
        SSL_set1_host(ssl, host);
}

static bool shake_hands(NetStream *stream, Deadline deadline, Err *err)
{
    for (;;) {
        short events = POLLIN;
        ERR_clear_error();
        int result = SSL_do_handshake(stream->tls);
        if (result == 1)
            return true;
        ssize_t what = outcome(stream->tls, result, &events, err);
        if (what == 0)
            return err_set(err, ERR_CLOSED, "the peer closed the connection during the handshake");
        if (what != STREAM_WAIT || !net_stream_wait(stream, events, deadline, err))
            return false;
    }
}

bool net_tls_start(NetStream *stream, NetTls *tls, const char *host, Deadline deadline, Err *err)
{
    SSL *ssl = SSL_new(tls->context);
    if (!ssl)
        abort();
    BIO *bio = bio_over(stream);
    SSL_set_bio(ssl, bio, bio);
    if (host)
        name_host(ssl, tls, host);
    if (tls->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    stream->tls = ssl;
    stream->ops = &over_tls;
    return shake_hands(stream, deadline, err);
}
