// SPDX-License-Identifier: MIT
/*
 * What the files of TLS share.
 *
 *   tls_settings.c  configurations: certificates, authorities, the profile
 *   tls_files.c     a configuration that follows its files
 *   tls.c           streams: handshake, reading, writing
 *   tls_words.c     why there is no session, for people
 */
#ifndef GANTRY_NET_TLS_INSIDE_H
#define GANTRY_NET_TLS_INSIDE_H

#include "net/certificate_inside.h"
#include "net/stream_inside.h"
#include "net/tls.h"

#include <openssl/ssl.h>

struct NetTls {
    SSL_CTX *context;
    bool server, verify, any_name;
    char *rules;     /* NULL = none */
    int64_t expires; /* the end of our certificate, seconds since 1970; 0 = there is none */
};

/* One session; its SSL's application data, and its stream's. */
typedef struct TlsSession {
    SSL *ssl;
    bool server;
    char peer[256];              /* whom we called, or "the peer" */
    NetCertificate *certificate; /* the peer's; NULL = it showed none */
    bool asked;                  /* the server wants a certificate that we do not have */
    char distrust[300];          /* why the peer's certificate was not taken; "" = it was */
} TlsSession;

/* "2027-01-31", UTC. */
void tls_day(int64_t seconds, char out[16]);
int64_t tls_seconds_of(const ASN1_TIME *time);
/* OpenSSL's oldest error, whose queue is emptied; 0 = none. */
unsigned long tls_take_error(void);
/* For SSL_CTX_set_verify: writes `distrust`. */
int tls_note_distrust(int trusted, X509_STORE_CTX *chain);
/* Why there is no session (any longer). False. */
bool tls_explain(const TlsSession *session, unsigned long code, Err *err);

#endif
