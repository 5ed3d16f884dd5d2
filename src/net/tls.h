// SPDX-License-Identifier: MIT
/*
 * TLS configurations for streams (PS3.15 B.12: BCP 195 with RFC 8996), over OpenSSL. TLS 1.2 and 1.3 only.
 *
 * A configuration is immutable; streams keep what they need of it. NetTlsFiles is one that follows its files: whoever asks for it gets what they say now, so
 * that certificates are renewed without a restart.
 */
#ifndef GANTRY_NET_TLS_H
#define GANTRY_NET_TLS_H

#include "net/certificate.h"
#include "net/stream.h"

typedef struct NetTlsSettings {
    const char *certificate; /* PEM chain; required for a server; what a client shows when it is asked */
    const char *key;         /* PEM, not encrypted, not for all to read; NULL = it is in `certificate` */
    const char *ca;          /* PEM of trusted authorities; NULL = the system's (client), none (server) */
    const char *
        crl; /* PEM of revocation lists, one for each authority that vouches for somebody; NULL = they are not looked at */
    bool verify_peer; /* server: a client certificate is required; client: the server's is checked */
    bool optional;    /* server, with verify_peer: a client may show none */
    bool server;
    bool any_name; /* client: the certificate need not name the host that was called, only be trusted */
} NetTlsSettings;

NetTls *net_tls_new(const NetTlsSettings *settings, Err *err);
/* Of a client: the same, but that the server's certificate must meet one of the rules (net/certificate.h) instead of naming the host. `rules` NULL: just the same. */
NetTls *net_tls_for(const NetTls *tls, const char *rules);
void net_tls_free(NetTls *tls); /* NULL is fine */

typedef struct NetTlsFiles NetTlsFiles;
/* `bad`: something has to be done about it. Told from whatever thread asks. */
typedef void (*NetTlsTell)(void *ctx, bool bad, const char *line);

/* Texts of `settings` must outlive it; `tell` may be NULL. */
NetTlsFiles *net_tls_files_open(const NetTlsSettings *settings, NetTlsTell tell, void *ctx, Err *err);
/* As the files are now; files that cannot be used are told of, and those of before count. To be freed. Thread-safe. */
NetTls *net_tls_files_now(NetTlsFiles *files);
void net_tls_files_close(NetTlsFiles *files); /* NULL is fine */

#endif
