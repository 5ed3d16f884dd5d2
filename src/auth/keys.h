// SPDX-License-Identifier: MIT
/*
 * The keys of the issuer of tokens, as they are now: of a file, which is read again when it changes; of an address, asked again every ten minutes and when
 * a token names a key that is not there, but not more often than every ten seconds; or a secret. While an address does not answer, the keys of before
 * count for a day. Thread-safe; one thread asks, the others go on with what there is.
 */
#ifndef GANTRY_AUTH_KEYS_H
#define GANTRY_AUTH_KEYS_H

#include "auth/fetch.h"
#include "auth/jwt.h"
#include "auth/users.h"

/* A value of the claim that holds roles, and what it is worth here. */
typedef struct AuthRole {
    const char *value;
    UserRole role;
} AuthRole;

/* Where the keys of the issuer come from (one of three, NULL = not there), and what a token must say. */
typedef struct AuthJwt {
    const char *keys_file; /* a JWK set; read again when it changes */
    const char *keys_url;  /* a JWK set; https, or http on this machine */
    const char *secret;    /* of HS256 and its kind */
    const char *issuer, *audience;
    int64_t leeway;                      /* seconds between two clocks */
    const char *role_claim, *user_claim; /* "roles"; "realm_access.roles" is a member of a member */
    const AuthRole *roles;               /* none: the names of the roles themselves */
    size_t role_count;
} AuthJwt;

typedef struct AuthKeys AuthKeys;
typedef struct AuthKeySet AuthKeySet; /* keys that stay until auth_keys_done */

/* Settings and fetcher must outlive it. NULL and err when the file or the secret cannot be used; an address may answer later. */
AuthKeys *auth_keys_open(const AuthJwt *settings, Fetcher *fetcher, Err *err);
void auth_keys_close(AuthKeys *keys); /* NULL is fine */

/* `missed` is a set that did not have the key (may be NULL): a newer one is fetched, if that may be; the same comes back otherwise. NULL and err (http 503) when
   there are none. */
AuthKeySet *auth_keys_now(AuthKeys *keys, const AuthKeySet *missed, Err *err);
void auth_keys_done(AuthKeys *keys, AuthKeySet *set); /* NULL is fine */
const JwtKeys *auth_keys_of(const AuthKeySet *set);

#endif
