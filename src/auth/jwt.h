// SPDX-License-Identifier: MIT
/*
 * JSON Web Tokens (RFC 7519) in compact JWS form (RFC 7515), verified with the public keys of their issuer (JWK sets, RFC 7517, 7518, 8037) or with a
 * shared secret. As RFC 8725 wants it: the key says which algorithms it is good for, the token only chooses among them; "none", tokens with critical
 * extensions, and HMAC with anything but an explicit secret are refused. Over OpenSSL; no I/O, no threads of its own.
 */
#ifndef GANTRY_AUTH_JWT_H
#define GANTRY_AUTH_JWT_H

#include "base/err.h"
#include "base/span.h"

#include <jansson.h>

enum {
    JWT_TOKEN_MAX = 16 * 1024,
    JWT_KEYS_MAX = 64,
    JWT_SECRET_LEAST = 32, /* bytes: as many as the hash has (RFC 7518 §3.2) */
    JWT_DEPTH_MAX = 16     /* of JSON */
};

/* Immutable; may be used by several threads at once. */
typedef struct JwtKeys JwtKeys;

/* A JWK set, or one JWK. Keys of other kinds or uses are passed over; NULL and err when none is left. */
JwtKeys *jwt_keys_read(Span text, Err *err);
/* For HS256, HS384 and HS512 only. */
JwtKeys *jwt_keys_secret(Span secret, Err *err);
void jwt_keys_free(JwtKeys *keys); /* NULL is fine */
size_t jwt_keys_count(const JwtKeys *keys);

typedef struct JwtPolicy {
    const char *issuer, *audience; /* what "iss" and "aud" must be, or hold */
    int64_t leeway;                /* seconds between two clocks */
    int64_t now;                   /* seconds since 1970 */
} JwtPolicy;

/*
 * The claims of a token that is good now, for json_decref. NULL and err otherwise; err says nothing of what is in the token; ERR_MISMATCH is that of one
 * whose signature is right: it has expired, say. *no_key (may be NULL): none of the
 * keys is the one it was signed with; newer keys may be.
 */
json_t *jwt_verify(const JwtKeys *keys, Span token, const JwtPolicy *policy, bool *no_key, Err *err);

#endif
