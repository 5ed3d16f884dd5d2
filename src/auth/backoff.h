// SPDX-License-Identifier: MIT
/*
 * Clients that guess passwords are slowed down: after a few failures each further one doubles the time in which no other is looked at, from
 * a second to a minute. A success in between changes nothing, or who has an account could guess on for ever; a quarter of an hour without a failure does. A client is an address, of IPv6 a network of 64 bits. The table has a fixed size; the longest silent
 * gives way. Thread-safe.
 */
#ifndef GANTRY_AUTH_BACKOFF_H
#define GANTRY_AUTH_BACKOFF_H

#include <stdint.h>

typedef struct AuthBackoff AuthBackoff;

AuthBackoff *auth_backoff_new(void);
void auth_backoff_free(AuthBackoff *backoff);
/* Milliseconds the client has to wait at time `now`; 0 = none. */
int64_t auth_backoff_wait(AuthBackoff *backoff, const char *client, int64_t now);
void auth_backoff_failed(AuthBackoff *backoff, const char *client, int64_t now);

#endif
