// SPDX-License-Identifier: MIT
/*
 * app/users.yml as it is now: looked at whenever somebody asks, read again when it has changed. A file that has become unusable is told of in the log,
 * and the users before count. Thread-safe.
 */
#ifndef GANTRY_AUTH_USERS_NOW_H
#define GANTRY_AUTH_USERS_NOW_H

#include "auth/users.h"

typedef struct AuthUsers AuthUsers;

/* NULL and err when there is a file that cannot be used. */
AuthUsers *auth_users_open(const char *path, Err *err);
void auth_users_close(AuthUsers *book);

/* The users now; they stay until auth_users_done. Their generation is another one after each reading. */
const Users *auth_users_now(AuthUsers *book);
void auth_users_done(AuthUsers *book, const Users *users);

#endif
