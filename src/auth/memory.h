// SPDX-License-Identifier: MIT
/*
 * What was found out about credentials lately, so that a viewer's hundred requests cost one question. Only grants are kept, for a short
 * time, under an HMAC of the credential with a key of this process. Of several threads with the same credential one asks, the
 * others wait for it. Thread-safe.
 */
#ifndef GANTRY_AUTH_MEMORY_H
#define GANTRY_AUTH_MEMORY_H

#include "auth/users.h"
#include "base/clock.h"
#include "base/span.h"

typedef struct AuthGrant {
    char user[USER_NAME_MAX + 1];
    UserRole role;
} AuthGrant;

typedef struct AuthMemory AuthMemory;
typedef struct AuthKey {
    uint8_t bytes[32];
} AuthKey;

/* One thread's question; on its stack between auth_memory_ask and auth_memory_tell. */
typedef struct AuthQuestion {
    AuthKey key;
    struct AuthQuestion *next;
    bool listed;
} AuthQuestion;

typedef enum AuthAsk { AUTH_KNOWN, AUTH_FIND_OUT, AUTH_WAITED_TOO_LONG } AuthAsk;

AuthMemory *auth_memory_new(void);
void auth_memory_free(AuthMemory *memory);
AuthKey auth_memory_key(const AuthMemory *memory, Span credential);
/* Without waiting for anybody. */
bool auth_memory_find(AuthMemory *memory, const AuthKey *key, AuthGrant *out);
/* AUTH_KNOWN fills `out`; after AUTH_FIND_OUT auth_memory_tell must follow. */
AuthAsk auth_memory_ask(AuthMemory *memory, const AuthKey *key, Deadline deadline, AuthQuestion *question,
                        AuthGrant *out);
/* `grant` NULL: it was refused, which is not remembered. */
void auth_memory_tell(AuthMemory *memory, AuthQuestion *question, const AuthGrant *grant,
                      int64_t lifetime_ms);

#endif
