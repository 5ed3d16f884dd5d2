// SPDX-License-Identifier: MIT
/*
 * Who may do what over HTTP: HttpSettings.authorize. Four kinds of credentials, each in force when it is configured:
 *
 *   - a name and a password (Basic, RFC 7617) of app/users.yml;
 *   - an API token of app/users.yml, as a bearer token (RFC 6750) that begins with "gantry_";
 *   - a bearer token that another server judges (api.dicomweb.jwt_validate, SPHERE's way);
 *   - a JSON Web Token (RFC 7519) that is verified here, with the keys of its issuer.
 *
 * A role includes those before it: read, write, delete, admin. Without any configured kind only a server on loopback runs, and asks nobody; once a kind was
 * in force it stays so until the server ends, even if the last user is removed. No credential reaches a log or an answer.
 */
#ifndef GANTRY_WEB_AUTH_H
#define GANTRY_WEB_AUTH_H

#include "web/http.h"

typedef struct Auth Auth;

/* A value of the claim that holds roles, and what it is worth here. */
typedef struct AuthRole {
    const char *value;
    HttpRole role;
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

typedef struct AuthSettings {
    const char *users_path;    /* app/users.yml; need not be there */
    const char *validator_url; /* NULL = no delegation */
    HttpRole validated_role;   /* what a token may that the validator accepts */
    int64_t remember_ms;       /* how long an accepted token is not asked for again; 0 = always ask */
    AuthJwt jwt;
    bool loopback; /* only this machine reaches the port: without users and tokens nobody is asked */
} AuthSettings;

/* NULL and err when something cannot work, or when others reach the port and nobody could get in. What `settings` points to must outlive it. */
Auth *auth_new(const AuthSettings *settings, Err *err);
void auth_free(Auth *auth); /* NULL is fine */
/* HttpSettings.authorize; `auth` is its ctx. */
bool auth_authorize(void *auth, HttpExchange *x, HttpRole role);

#endif
