// SPDX-License-Identifier: MIT
/*
 * Who may do what over HTTP: HttpSettings.authorize. Of the credentials that auth/auth.h knows, each in force when it is configured:
 *
 *   - a name and a password (Basic, RFC 7617);
 *   - a bearer token (RFC 6750): an API token, which begins with "gantry_", or one that another server judges or that is verified here.
 *
 * A role includes those before it: read, write, delete, admin. Without any configured kind only a server on loopback runs, and asks nobody; once a kind was
 * in force it stays so until the server ends, even if the last user is removed. No credential reaches a log or an answer.
 */
#ifndef GANTRY_WEB_AUTH_H
#define GANTRY_WEB_AUTH_H

#include "archive/audit.h"
#include "auth/auth.h"
#include "web/http.h"

typedef struct WebAuth WebAuth;

/* `loopback`: only this machine reaches the port. `audit` may be NULL. NULL and err when others do and nobody could get in. `auth` outlives it. */
WebAuth *web_auth_new(Auth *auth, bool loopback, Audit *audit, Err *err);
void web_auth_free(WebAuth *web); /* NULL is fine */
/* HttpSettings.authorize; `web` is its ctx. */
bool web_authorize(void *web, HttpExchange *x, UserRole role);

#endif
