// SPDX-License-Identifier: MIT
/*
 * app/users.yml: who may use the archive. Written by `manage users`, read by the server.
 *
 *     'anna':
 *       role: write
 *       password: $y$j9T$…           a hash of crypt(5), yescrypt
 *       tokens:
 *         'ohif': 9f86d081884c7d65…  SHA-256 of the token, in hexadecimal
 *
 * The file has mode 0600; one that others can read is refused. Passwords and tokens themselves are nowhere.
 */
#ifndef GANTRY_AUTH_USERS_H
#define GANTRY_AUTH_USERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

enum {
    USERS_MAX = 1000,
    USER_NAME_MAX = 64,
    USER_TOKENS_MAX = 32,
    USER_PASSWORD_LEAST = 8,
    USER_PASSWORD_MAX = 256,
    USER_TOKEN_SIZE = 64, /* "gantry_", 43 characters, NUL */
    USER_DIGEST = 32
};

#define USER_TOKEN_PREFIX "gantry_"

/* Each may what those before it may. */
typedef enum UserRole { USER_ANYBODY, USER_READ, USER_WRITE, USER_DELETE, USER_ADMIN } UserRole;

typedef struct UserToken {
    const char *label;
    uint8_t sha256[USER_DIGEST];
} UserToken;

typedef struct User {
    const char *name;
    UserRole role;
    const char *password; /* its hash; NULL = tokens only */
    UserToken *tokens;    /* room for USER_TOKENS_MAX, or NULL */
    size_t token_count;
} User;

typedef struct Users {
    User *items; /* room for USERS_MAX */
    size_t count;
    unsigned long generation; /* counts readings of the file, where somebody counts */
} Users;

/* A file that is not there has no users. Errors name path and line, never a value. */
bool users_read(Arena *arena, const char *path, Users *out, Err *err);
/* Replaces the file as a whole. It belongs to whom the folder belongs to. */
bool users_write(const char *path, const Users *users, Err *err);

/* A letter or digit, then letters, digits and ._@- up to USER_NAME_MAX. Labels of tokens are of the same kind. */
bool users_is_name(const char *text);
User *users_find(const Users *users, const char *name);
/* The user whose token has this digest; NULL = nobody. */
const User *users_find_token(const Users *users, const uint8_t sha256[USER_DIGEST]);

/* "read", "write", "delete", "admin": each may what those before it may. */
#define USER_ROLES "read write delete admin"
const char *users_role_name(UserRole role);
bool users_role_parse(const char *name, UserRole *out);

/* The hash of a password, in the arena. */
const char *users_hash_password(Arena *arena, const char *password, Err *err);
/* `hash` NULL: takes as long, and is false. */
bool users_password_is(const char *hash, const char *password);
/* 256 random bits as text, and its digest. */
bool users_make_token(char out[USER_TOKEN_SIZE], uint8_t sha256[USER_DIGEST], Err *err);
void users_token_digest(Span token, uint8_t sha256[USER_DIGEST]);

#endif
