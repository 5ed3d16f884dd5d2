// SPDX-License-Identifier: MIT
/*
 * The keys of the issuer of tokens, as they are now: of a file, which is read again when it changes; of an address, asked again every ten minutes and when
 * a token names a key that is not there, but not more often than every ten seconds; or a secret. While an address does not answer, the keys of before
 * count for a day. Thread-safe; one thread asks, the others go on with what there is.
 */
#ifndef GANTRY_WEB_AUTH_KEYS_H
#define GANTRY_WEB_AUTH_KEYS_H

#include "web/auth.h"
#include "web/auth_fetch.h"
#include "web/jwt.h"

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
