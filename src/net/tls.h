// SPDX-License-Identifier: MIT
/* TLS configurations for streams (PS3.15 B.12: BCP 195 profiles), over OpenSSL. TLS 1.2 and 1.3 only. */
#ifndef GANTRY_NET_TLS_H
#define GANTRY_NET_TLS_H

#include "net/stream.h"

typedef struct NetTlsSettings {
    const char *certificate; /* PEM chain; required for a server */
    const char *key;         /* PEM */
    const char *ca;          /* PEM of trusted authorities; NULL = the system's (client), none (server) */
    bool verify_peer;        /* server: a client certificate is required; client: the server's is checked */
    bool server;
    bool any_name; /* client: the certificate need not name the host that was called, only be trusted */
} NetTlsSettings;

NetTls *net_tls_new(const NetTlsSettings *settings, Err *err);
void net_tls_free(NetTls *tls);

#endif
