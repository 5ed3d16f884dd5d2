// SPDX-License-Identifier: MIT
/*
 * JSON Web Tokens and the keys they are verified with. Lines: a set of keys; a token, verified with them; claims, which are signed here so that they are looked
 * into; what is left is a token again, for a secret nobody could have used.
 */
#include "fuzz.h"

#include "auth/jwt.h"

#include "base/buf.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static const char secret[] = "a secret of this target, known to nobody";
static const JwtPolicy policy = {"joe", "pacs", 60, 1300000000};

static void add_part(Buf *out, Span part)
{
    uint8_t text[4 * 4096 / 3 + 8];
    int n = EVP_EncodeBlock(text, part.p, (int)part.n);
    for (int i = 0; i < n && text[i] != '='; i++)
        buf_u8(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
}

/* True when the token was accepted. Whatever is not has a reason. */
static bool verify(const JwtKeys *keys, Span token)
{
    Err err = {0};
    bool no_key;
    json_t *claims = jwt_verify(keys, token, &policy, &no_key, &err);
    if (claims ? !json_is_object(claims) : err.http != 401 || !*err.text)
        fuzz_broken();
    json_decref(claims);
    return claims != NULL;
}

static void verify_signed(const JwtKeys *keys, Span claims)
{
    Buf token;
    uint8_t signature[EVP_MAX_MD_SIZE];
    unsigned n;
    buf_init(&token, 0);
    add_part(&token, SPAN("{\"alg\":\"HS256\"}"));
    buf_u8(&token, '.');
    add_part(&token, span_sub(claims, 0, 4096));
    HMAC(EVP_sha256(), secret, sizeof secret - 1, token.p, token.n, signature, &n);
    buf_u8(&token, '.');
    add_part(&token, span_of(signature, n));
    verify(keys, buf_span(&token));
    buf_free(&token);
}

int fuzz_jwt(const uint8_t *data, size_t size)
{
    Span rest = span_of(data, size), line = {0};
    bool more = true;
    Err err = {0};
    span_split(&rest, '\n', &line, &more);
    JwtKeys *keys = jwt_keys_read(line, &err),
            *shared = jwt_keys_secret(span_of(secret, sizeof secret - 1), NULL);
    if (!keys && err.code != ERR_FORMAT)
        fuzz_broken();
    if (span_split(&rest, '\n', &line, &more) && keys)
        verify(keys, line);
    if (span_split(&rest, '\n', &line, &more))
        verify_signed(shared, line);
    if (verify(shared, rest))
        fuzz_broken();
    jwt_keys_free(shared);
    jwt_keys_free(keys);
    return 0;
}
