// SPDX-License-Identifier: MIT
/* What the files of auth.h share. */
#ifndef GANTRY_AUTH_INTERNAL_H
#define GANTRY_AUTH_INTERNAL_H

#include "auth/auth.h"
#include "auth/backoff.h"
#include "auth/users_now.h"

/* How long one waits for what another one finds out about the same credential. */
enum { QUESTION_MS = 12000 };

struct Auth {
    AuthSettings settings;
    AuthUsers *users;
    AuthMemory *passwords, *validated;
    AuthBackoff *backoff;
    struct PasswordGate *gate;
    Fetcher *fetcher;
    AuthKeys *keys; /* NULL: tokens are not verified here */
};

AuthVerdict auth_by_validator(Auth *auth, Span token, AuthAnswer *out);
AuthVerdict auth_by_jwt(Auth *auth, const AuthClient *client, Span token, AuthAnswer *out);

/*
 * A credential that is known from the last minutes is granted at once; another one is judged by `look`, unless too many wrong ones came from the address. `look`
 * says auth_wrong when the credential was one.
 */
typedef AuthVerdict AuthLook(Auth *auth, const AuthClient *client, const Users *users, Span credential,
                             AuthAnswer *out);
AuthVerdict auth_judge(Auth *auth, const AuthClient *client, const Users *users, Span credential,
                       AuthLook *look, AuthAnswer *out);
/* Counts against the address. `user` NULL = unknown. AUTH_WRONG. */
AuthVerdict auth_wrong(Auth *auth, const AuthClient *client, const char *what, const char *user,
                       AuthAnswer *out, const char *why);
/* A token that was looked at, for out->err, and that nobody gave out: counts as well, unless too many did before. A good one from the same address is not kept waiting. */
AuthVerdict auth_wrong_token(Auth *auth, const AuthClient *client, AuthAnswer *out);
/* AUTH_GRANTED. */
AuthVerdict auth_grant(const User *user, AuthAnswer *out);

/* How many passwords are being hashed: by_password.c. */
struct PasswordGate *password_gate_new(void);
void password_gate_free(struct PasswordGate *gate);

#endif
