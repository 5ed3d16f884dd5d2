// SPDX-License-Identifier: MIT
/* What the files of auth.h share. */
#ifndef GANTRY_WEB_AUTH_INTERNAL_H
#define GANTRY_WEB_AUTH_INTERNAL_H

#include "web/auth.h"
#include "web/auth_backoff.h"
#include "web/auth_fetch.h"
#include "web/auth_keys.h"
#include "web/auth_memory.h"
#include "web/auth_users.h"

#include <stdatomic.h>

/* How long a request waits for what another one finds out about the same credential. */
enum { QUESTION_MS = 12000 };

struct Auth {
    AuthSettings settings;
    AuthUsers *users;
    AuthMemory *passwords, *validated;
    AuthBackoff *backoff;
    struct PasswordGate *gate;
    Fetcher *fetcher;
    AuthKeys *keys;   /* NULL: tokens are not verified here */
    atomic_bool asks; /* false: on loopback, and there are no users yet */
};

/* Each is true with a grant, or has answered. */
bool auth_password(Auth *auth, HttpExchange *x, const Users *users, Span encoded, AuthGrant *out);
bool auth_validated(Auth *auth, HttpExchange *x, Span token, AuthGrant *out);
bool auth_jwt(Auth *auth, HttpExchange *x, const Users *users, Span token, AuthGrant *out);

/*
 * A credential that is known from the last minutes is granted at once; another one is judged by `look`, unless too many wrong ones came from the address: 429. `look` is true with
 * a grant, or has answered, and says auth_wrong when the credential was one.
 */
typedef bool AuthLook(Auth *auth, HttpExchange *x, const Users *users, Span credential, AuthGrant *out);
bool auth_judge(Auth *auth, HttpExchange *x, const Users *users, Span credential, AuthLook *look,
                AuthGrant *out);
/* Counts against the address. `user` NULL = unknown. */
void auth_wrong(Auth *auth, HttpExchange *x, const char *what, const char *user);

/* 401, with what could be sent instead. `why` NULL = nothing was sent. */
void auth_challenge(Auth *auth, HttpExchange *x, const Users *users, const char *why);

/* How many passwords are being hashed: auth_password.c. */
struct PasswordGate *password_gate_new(void);
void password_gate_free(struct PasswordGate *gate);

#endif
