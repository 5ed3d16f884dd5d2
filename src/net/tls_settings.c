// SPDX-License-Identifier: MIT
/*
 * Configurations of TLS. The profile is that of PS3.15 B.12 (BCP 195: RFC 9325 and 8996): TLS 1.2 with ephemeral keys and AEAD, and TLS 1.3; no
 * renegotiation, no compression, no resumption, so that a certificate is looked at whenever an association comes about.
 */
#include "net/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static bool refuse(Err *err, const char *what, const char *path)
{
    unsigned long code = tls_take_error();
    if (code && ERR_SYSTEM_ERROR(code)) {
        err_errno(err, ERR_GET_REASON(code), "TLS: %s %s", what, path);
        if (err)
            err->code = ERR_USAGE;
        return false;
    }
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return err_set(err, ERR_USAGE, "TLS: %s %s: %s", what, path, text ? text : "it cannot be used");
}

/* Nobody sits at the terminal of a server. */
static int no_password(char *out, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static bool key_is_kept(const char *path, Err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || !(st.st_mode & S_IROTH))
        return true;
    return err_set(err, ERR_USAGE,
                   "TLS: key %s can be read by every account of this machine; say: chmod 600 %s", path, path);
}

static bool load_key(SSL_CTX *context, const char *path, Err *err)
{
    bool asked = false;
    if (!key_is_kept(path, err))
        return false;
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
    bool good = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1 &&
                SSL_CTX_check_private_key(context) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    SSL_CTX_set_default_passwd_cb(context, NULL);
    if (good)
        return true;
    if (!asked)
        return refuse(err, "key", path);
    ERR_clear_error();
    return err_set(err, ERR_USAGE,
                   "TLS: key %s is encrypted; 'openssl pkey -in %s -out FILE' writes it without password",
                   path, path);
}

static bool load_identity(NetTls *tls, const NetTlsSettings *settings, Err *err)
{
    SSL_CTX *context = tls->context;
    if (!settings->certificate && settings->key)
        return err_set(err, ERR_USAGE, "TLS: key %s has no certificate beside it", settings->key);
    if (!settings->certificate)
        return settings->server ? err_set(err, ERR_USAGE, "TLS: a server needs a certificate") : true;
    if (SSL_CTX_use_certificate_chain_file(context, settings->certificate) != 1)
        return refuse(err, "certificate", settings->certificate);
    tls->expires = tls_seconds_of(X509_get0_notAfter(SSL_CTX_get0_certificate(context)));
    return load_key(context, settings->key ? settings->key : settings->certificate, err);
}

/* A client that shows nothing is not told so before the server breaks off: what it was asked for is noted. */
static int note_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    TlsSession *s = SSL_get_app_data(ssl);
    if (s)
        s->asked = true;
    return 0;
}

static bool load_authorities(NetTls *tls, const NetTlsSettings *settings, Err *err)
{
    SSL_CTX *context = tls->context;
    if (settings->ca) {
        if (SSL_CTX_load_verify_locations(context, settings->ca, NULL) != 1)
            return refuse(err, "authorities", settings->ca);
        if (settings->server && settings->verify_peer)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings->ca));
    } else if (settings->server && settings->verify_peer) {
        return err_set(err, ERR_USAGE, "TLS: to check clients, name the authorities they are trusted by");
    } else if (!settings->server) {
        SSL_CTX_set_default_verify_paths(context);
    }
    ERR_clear_error();
    if (settings->crl && !tls_load_lists(tls, settings->crl, err))
        return false;
    int mode = SSL_VERIFY_PEER | (settings->optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    SSL_CTX_set_verify(context, settings->verify_peer ? mode : SSL_VERIFY_NONE, tls_note_distrust);
    return true;
}

static void choose_profile(SSL_CTX *context)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM");
    SSL_CTX_set_dh_auto(context, 1);
    SSL_CTX_set_security_level(context, 2); /* 112 bits: RSA and DH of 2048, curves of 224 and more */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    /* What is in the file of authorities is trusted, also when it is no root. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_client_cert_cb(context, note_asked);
}

NetTls *net_tls_new(const NetTlsSettings *settings, Err *err)
{
    SSL_CTX *context = SSL_CTX_new(settings->server ? TLS_server_method() : TLS_client_method());
    NetTls *tls = calloc(1, sizeof *tls);
    if (!context || !tls)
        abort();
    *tls = (NetTls){.context = context,
                    .server = settings->server,
                    .verify = settings->verify_peer,
                    .any_name = settings->any_name,
                    .lists_end = INT64_MAX};
    choose_profile(context);
    if (load_identity(tls, settings, err) && load_authorities(tls, settings, err))
        return tls;
    net_tls_free(tls);
    return NULL;
}

NetTls *net_tls_for(const NetTls *tls, const char *rules)
{
    NetTls *own = malloc(sizeof *own);
    if (!own)
        abort();
    *own = *tls;
    rules = rules ? rules : tls->rules;
    own->rules = rules ? strdup(rules) : NULL;
    if ((rules && !own->rules) || SSL_CTX_up_ref(own->context) != 1)
        abort();
    return own;
}

void net_tls_free(NetTls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls->rules);
    free(tls);
}
