// SPDX-License-Identifier: MIT
/*
 * What the files of TLS share.
 *
 *   tls_settings.c  configurations: certificates, authorities, the profile
 *   tls_lists.c     revocation lists
 *   tls_files.c     a configuration that follows its files
 *   tls.c           streams: handshake, reading, writing
 *   tls_turns.c     who may compute now
 *   tls_words.c     why there is no session, for people
 */
#ifndef GANTRY_NET_TLS_INSIDE_H
#define GANTRY_NET_TLS_INSIDE_H

#include "net/certificate_inside.h"
#include "net/stream_inside.h"
#include "net/tls.h"

#include <openssl/ssl.h>

enum { TLS_NAME = 100 };

struct NetTls {
    SSL_CTX *context;
    bool server, verify, any_name;
    char *rules;                 /* NULL = none */
    int64_t expires;             /* the end of our certificate, seconds since 1970; 0 = there is none */
    int64_t lists_end;           /* that of the revocation list that ends first; INT64_MAX = there is none */
    char lists_issuer[TLS_NAME]; /* whose list that is */
};

/* One session; its SSL's application data, and its stream's. */
typedef struct TlsSession {
    SSL *ssl;
    bool server;
    char peer[256];              /* whom we called, or "the peer" */
    NetCertificate *certificate; /* the peer's; NULL = it showed none */
    bool asked;                  /* the server wants a certificate that we do not have */
    char distrust[400];          /* why the peer's certificate was not taken; "" = it was */
} TlsSession;

/* "2027-01-31", UTC. */
void tls_day(int64_t seconds, char out[16]);
int64_t tls_seconds_of(const ASN1_TIME *time);
/* The common name of somebody, or all of its names, as far as they are printable. */
void tls_name(const X509_NAME *name, char out[TLS_NAME]);
/* OpenSSL's oldest error, whose queue is emptied; 0 = none. */
unsigned long tls_take_error(void);
/* For SSL_CTX_set_verify: writes `distrust`. */
int tls_note_distrust(int trusted, X509_STORE_CTX *chain);
/* Has every chain looked up in the revocation lists of this file. */
bool tls_load_lists(NetTls *tls, const char *path, Err *err);
/* While a chain is checked: is what it lacks only a good list for the certificate that is trusted itself? */
bool tls_needs_no_list(X509_STORE_CTX *chain);
/* Writes `distrust` when it is about a revocation list. */
bool tls_explain_list(TlsSession *session, X509_STORE_CTX *chain);
/* Why there is no session (any longer). False. */
bool tls_explain(const TlsSession *session, unsigned long code, Err *err);

/* For a peer from this network (net_address_network). False when it is not its turn before the deadline; else tls_turn_end follows soon. */
bool tls_turn_begin(uint64_t network, Deadline deadline);
void tls_turn_end(void);

#endif
