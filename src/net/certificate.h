// SPDX-License-Identifier: MIT
/*
 * What an X.509 certificate (RFC 5280) says of its holder, and the rules that a holder is known by: a name, which is the common name of the subject or a
 * subjectAltName, or "sha256:" and the digest of the certificate. Immutable.
 */
#ifndef GANTRY_NET_CERTIFICATE_H
#define GANTRY_NET_CERTIFICATE_H

#include "base/arena.h"
#include "base/span.h"

typedef struct NetCertificate NetCertificate;

enum { NET_RULES_MAX = 1024 }; /* bytes of a list of rules */
#define NET_RULE_SHA256 "sha256:"

/* A rule as a person writes it; digits of a digest may have colons between them. NULL when it can be none. In the arena. */
const char *net_certificate_rule(Arena *arena, const char *text);
/* `rules`: one per line, each as net_certificate_rule made it. Names are compared without regard to case. */
bool net_certificate_meets(const NetCertificate *certificate, const char *rules);

/* 64 hexadecimal digits. */
const char *net_certificate_sha256(const NetCertificate *certificate);
/* The subject's names for people: "ct1, ct1.example.org"; printable ASCII. */
const char *net_certificate_names(const NetCertificate *certificate);

#endif
