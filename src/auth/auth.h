// SPDX-License-Identifier: MIT
/*
 * auth/ — who somebody is, and what that is worth: app/users.yml with passwords and API tokens, JSON Web Tokens, and servers that judge tokens.
 * Knows neither HTTP nor DIMSE: both ask here, so that a name means the same to both, and who guesses at one is slowed down at the other.
 *
 * Owns: the users, the keys of issuers, what was found out lately, the count of failures of an address. Promises: thread-safe; every wait has an end; no secret reaches
 * a log or an error; an unknown name takes as long as a known one.
 */
#ifndef GANTRY_AUTH_AUTH_H
#define GANTRY_AUTH_AUTH_H

#include "auth/fetch.h"
#include "auth/keys.h"
#include "auth/memory.h"
#include "auth/users.h"

typedef struct Auth Auth;

typedef struct AuthSettings {
    const char *users_path;    /* app/users.yml; need not be there */
    const char *validator_url; /* a server that judges tokens; NULL = none */
    UserRole validated_role;   /* what a token may that it accepts */
    int64_t remember_ms;       /* how long such a token is not asked for again; 0 = always ask */
    AuthJwt jwt;
} AuthSettings;

/* NULL and err when something cannot work. What `settings` points to must outlive it. */
Auth *auth_new(const AuthSettings *settings, Err *err);
void auth_free(Auth *auth); /* NULL is fine */

/* The users now; they stay until auth_done. */
const Users *auth_users(Auth *auth);
void auth_done(Auth *auth, const Users *users);
bool auth_any_password(const Users *users);
/* Could a token be good that is not one of the users'? */
bool auth_takes_tokens(const Auth *auth);
bool auth_has_validator(const Auth *auth);

/* Who asks: for the log, and because wrong answers count against the address. */
typedef struct AuthClient {
    const char *logger, *address;
    const char *what; /* "request=17", for the log */
} AuthClient;

typedef enum AuthVerdict {
    AUTH_GRANTED,   /* `grant` */
    AUTH_WRONG,     /* err says what, for whom it concerns */
    AUTH_MUST_WAIT, /* too many wrong ones came from the address: wait_ms */
    AUTH_BUSY,      /* too many are being checked */
    AUTH_AWAY,      /* who judges, or has the keys, does not answer: err with its http status */
    AUTH_JUDGED,    /* the server that judges tokens said no: `said` */
} AuthVerdict;

typedef struct AuthAnswer {
    AuthGrant grant; /* AUTH_WRONG: the user, when it is known who was meant; no role */
    bool fresh;      /* AUTH_GRANTED: found out now, and not remembered */
    int64_t wait_ms;
    Err err;
    FetchAnswer said; /* its body is freed by auth_answer_free */
} AuthAnswer;
void auth_answer_free(AuthAnswer *answer);

/* `credential`: "name:password" in memory of the caller that goes on for a NUL behind it. Wiped by the caller. */
AuthVerdict auth_password(Auth *auth, const AuthClient *client, const Users *users, Span credential,
                          AuthAnswer *out);
/* An API token, or a token that another server or one of the keys here is to say something about. */
AuthVerdict auth_token(Auth *auth, const AuthClient *client, const Users *users, Span token, AuthAnswer *out);

#endif
