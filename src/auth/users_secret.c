// SPDX-License-Identifier: MIT
/* Passwords and tokens of users.h: yescrypt (crypt(5)) for what people choose, SHA-256 for what the machine drew by lot. */
#include "auth/users.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char method[] = "$y$";
/* Of no password: what an unknown user's is compared with. Its cost is that of the hashes made here. */
static const char nobody[] = "$y$j9T$7xM7lduYZbkd5/wEhg1O/.$E7bBbq3Tcux8FHPoQP3KVjsdQlhLzLwbjLw//CUS6I4";

/* Into the arena; NULL when the library refuses. Its working memory held the password: it is wiped. */
static const char *hash(Arena *arena, const char *password, const char *setting)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data)
        abort();
    const char *made = crypt_r(password, setting, data);
    const char *out = made && made[0] != '*' ? arena_strdup(arena, made) : NULL;
    OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return out;
}

const char *users_hash_password(Arena *arena, const char *password, Err *err)
{
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    size_t n = strlen(password);
    if (n < USER_PASSWORD_LEAST || n > USER_PASSWORD_MAX) {
        err_set(err, ERR_USAGE, "a password has %d to %d bytes", USER_PASSWORD_LEAST, USER_PASSWORD_MAX);
        return NULL;
    }
    const char *made =
        crypt_gensalt_rn(method, 0, NULL, 0, salt, sizeof salt) ? hash(arena, password, salt) : NULL;
    if (!made)
        err_errno(err, errno, "the password cannot be hashed");
    return made;
}

bool users_password_is(const char *wanted, const char *password)
{
    Arena *arena = arena_new(0);
    const char *made = hash(arena, password, wanted ? wanted : nobody);
    bool same =
        made && wanted && strlen(made) == strlen(wanted) && CRYPTO_memcmp(made, wanted, strlen(wanted)) == 0;
    arena_free(arena);
    return same;
}

bool users_make_token(char out[USER_TOKEN_SIZE], uint8_t sha256[USER_DIGEST], Err *err)
{
    uint8_t bits[33] = {0}; /* 32, and one so that base64 comes out even */
    if (getrandom(bits, 32, 0) != 32)
        return err_errno(err, errno, "no random bits for a token");
    size_t at = strlen(USER_TOKEN_PREFIX);
    memcpy(out, USER_TOKEN_PREFIX, at);
    EVP_EncodeBlock((uint8_t *)out + at, bits, sizeof bits);
    out[at + 43] = 0;
    for (char *p = out; *p; p++)
        *p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
    users_token_digest(span_cstr(out), sha256);
    OPENSSL_cleanse(bits, sizeof bits);
    return true;
}

void users_token_digest(Span token, uint8_t sha256[USER_DIGEST])
{
    SHA256(token.p, token.n, sha256);
}
