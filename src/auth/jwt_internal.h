// SPDX-License-Identifier: MIT
/* What jwt.c and jwt_keys.c share. */
#ifndef GANTRY_AUTH_JWT_INTERNAL_H
#define GANTRY_AUTH_JWT_INTERNAL_H

#include "auth/jwt.h"

#include "base/buf.h"

#include <openssl/evp.h>

typedef enum JwtFamily { JWT_HMAC, JWT_RSA, JWT_RSA_PSS, JWT_EC, JWT_EDDSA } JwtFamily;

/* An algorithm of RFC 7518 §3.1 or 8037. */
typedef struct JwtAlgorithm {
    const char *name;
    JwtFamily family;
    const char *digest; /* NULL: part of the algorithm */
    const char *curve;  /* JWT_EC, JWT_EDDSA: "crv" of its keys */
    size_t half;        /* JWT_EC: bytes of r, and of s */
} JwtAlgorithm;

typedef struct JwtKey {
    char *id;         /* "kid"; NULL = none */
    char *alg;        /* the one algorithm it is for; NULL = all of its kind */
    EVP_PKEY *public; /* NULL: a secret */
    bool rsa;
    const char *curve; /* of ours */
} JwtKey;

struct JwtKeys {
    JwtKey *items;
    size_t count;
    uint8_t *secret; /* NULL = public keys */
    size_t secret_size;
};

const JwtAlgorithm *jwt_algorithm(const char *name); /* NULL = not known */
/* Strict base64url without padding (RFC 7515 §2), appended. */
bool jwt_base64url(Span text, Buf *out);
/* Text from outside as JSON: an object, not deep; NULL otherwise. */
json_t *jwt_json(Span text);

#endif
