// SPDX-License-Identifier: MIT
/* Certificates as OpenSSL has them; for tls.c. */
#ifndef GANTRY_NET_CERTIFICATE_INSIDE_H
#define GANTRY_NET_CERTIFICATE_INSIDE_H

#include "net/certificate.h"

#include <openssl/x509.h>

NetCertificate *net_certificate_of(const X509 *certificate);
void net_certificate_free(NetCertificate *certificate); /* NULL is fine */

#endif
