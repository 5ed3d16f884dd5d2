// SPDX-License-Identifier: MIT
/* JWK sets (RFC 7517, 7518 §6, 8037 §2): public keys as OpenSSL has them. Weak ones are passed over like those of unknown kinds. */
#include "auth/jwt_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

enum { RSA_BITS_LEAST = 2048, RSA_BITS_MOST = 16384, NUMBER_MAX = RSA_BITS_MOST / 8 };

/* A member that is base64url; out->n 0 when it is absent or not. */
static bool take(const json_t *jwk, const char *name, size_t least, size_t most, Buf *out)
{
    const json_t *value = json_object_get(jwk, name);
    buf_init(out, NUMBER_MAX + 1);
    if (json_is_string(value) &&
        jwt_base64url(span_of(json_string_value(value), json_string_length(value)), out) && out->n >= least &&
        out->n <= most)
        return true;
    buf_free(out);
    return false;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static bool is_sound(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool sound = ctx && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return sound;
}

static EVP_PKEY *read_rsa(const json_t *jwk)
{
    Buf n, e;
    EVP_PKEY *key = NULL;
    bool has_n = take(jwk, "n", RSA_BITS_LEAST / 8, NUMBER_MAX, &n), has_e = take(jwk, "e", 1, 8, &e);
    if (has_n && has_e) {
        BIGNUM *modulus = BN_bin2bn(n.p, (int)n.n, NULL), *exponent = BN_bin2bn(e.p, (int)e.n, NULL);
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        if (modulus && exponent && build && BN_num_bits(modulus) >= RSA_BITS_LEAST && BN_is_odd(modulus) &&
            BN_is_odd(exponent) && !BN_is_one(exponent) &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent))
            key = from_params("RSA", build);
        OSSL_PARAM_BLD_free(build);
        BN_free(modulus);
        BN_free(exponent);
    }
    buf_free(&n);
    buf_free(&e);
    return key;
}

static EVP_PKEY *read_ec(const json_t *jwk, const JwtAlgorithm *algorithm)
{
    Buf x, y;
    EVP_PKEY *key = NULL;
    size_t half = algorithm->half;
    bool has_x = take(jwk, "x", half, half, &x), has_y = take(jwk, "y", half, half, &y);
    if (has_x && has_y) {
        uint8_t point[1 + 2 * 66] = {POINT_CONVERSION_UNCOMPRESSED};
        memcpy(point + 1, x.p, half);
        memcpy(point + 1 + half, y.p, half);
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        if (build &&
            OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, algorithm->curve, 0) &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half))
            key = from_params("EC", build);
        OSSL_PARAM_BLD_free(build);
        if (key && !is_sound(key)) {
            EVP_PKEY_free(key);
            key = NULL;
        }
    }
    buf_free(&x);
    buf_free(&y);
    return key;
}

static EVP_PKEY *read_ed25519(const json_t *jwk)
{
    Buf x;
    EVP_PKEY *key =
        take(jwk, "x", 32, 32, &x) ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.p, x.n) : NULL;
    buf_free(&x);
    return key;
}

static const char *text_of(const json_t *jwk, const char *name)
{
    return json_string_value(json_object_get(jwk, name));
}

/* Signing keys only: "use" and "key_ops" may say that it is for something else. */
static bool verifies(const json_t *jwk)
{
    const char *use = text_of(jwk, "use");
    const json_t *operations = json_object_get(jwk, "key_ops"), *one;
    size_t i;
    if (use && strcmp(use, "sig") != 0)
        return false;
    if (!operations)
        return true;
    json_array_foreach(operations, i, one)
    {
        if (json_is_string(one) && !strcmp(json_string_value(one), "verify"))
            return true;
    }
    return false;
}

/* The algorithm with the curve that the key names. */
static const JwtAlgorithm *by_curve(const json_t *jwk, const char *const *names)
{
    const char *curve = text_of(jwk, "crv");
    for (; curve && *names; names++)
        if (!strcmp(jwt_algorithm(*names)->curve, curve))
            return jwt_algorithm(*names);
    return NULL;
}

static bool read_key(const json_t *jwk, JwtKey *out)
{
    static const char *const ec[] = {"ES256", "ES384", "ES512", NULL}, *const okp[] = {"EdDSA", NULL};
    const char *type = text_of(jwk, "kty");
    const JwtAlgorithm *of_curve = NULL;
    *out = (JwtKey){0};
    if (!type || !verifies(jwk))
        return false;
    if (!strcmp(type, "RSA"))
        out->public = read_rsa(jwk);
    else if (!strcmp(type, "EC") && (of_curve = by_curve(jwk, ec)))
        out->public = read_ec(jwk, of_curve);
    else if (!strcmp(type, "OKP") && (of_curve = by_curve(jwk, okp)))
        out->public = read_ed25519(jwk);
    if (!out->public)
        return false;
    const char *id = text_of(jwk, "kid"), *alg = text_of(jwk, "alg");
    out->id = id ? strdup(id) : NULL;
    out->alg = alg ? strdup(alg) : NULL;
    out->rsa = !of_curve;
    out->curve = of_curve ? of_curve->curve : NULL;
    return true;
}

static JwtKeys *keys_new(size_t room)
{
    JwtKeys *keys = calloc(1, sizeof *keys);
    if (!keys || !(keys->items = calloc(room, sizeof *keys->items)))
        abort();
    return keys;
}

JwtKeys *jwt_keys_read(Span text, Err *err)
{
    json_t *root = jwt_json(text);
    if (!root) {
        err_set(err, ERR_FORMAT, "this is no set of keys (a JWK set, RFC 7517)");
        return NULL;
    }
    JwtKeys *keys = keys_new(JWT_KEYS_MAX);
    const json_t *list = json_object_get(root, "keys"), *one;
    size_t i;
    if (!list && read_key(root, &keys->items[0]))
        keys->count = 1;
    json_array_foreach(list, i, one)
    {
        if (keys->count < JWT_KEYS_MAX && read_key(one, &keys->items[keys->count]))
            keys->count++;
    }
    json_decref(root);
    if (keys->count)
        return keys;
    jwt_keys_free(keys);
    err_set(
        err, ERR_FORMAT,
        "the set has no key that can be used: RSA of 2048 bits and more, P-256, P-384, P-521 or Ed25519, for "
        "signatures");
    return NULL;
}

JwtKeys *jwt_keys_secret(Span secret, Err *err)
{
    if (secret.n < JWT_SECRET_LEAST) {
        err_set(err, ERR_USAGE, "a shared secret has at least %d bytes", JWT_SECRET_LEAST);
        return NULL;
    }
    JwtKeys *keys = keys_new(1);
    keys->count = 1;
    keys->secret = malloc(secret.n);
    if (!keys->secret)
        abort();
    memcpy(keys->secret, secret.p, secret.n);
    keys->secret_size = secret.n;
    return keys;
}

void jwt_keys_free(JwtKeys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->items[i].id);
        free(keys->items[i].alg);
        EVP_PKEY_free(keys->items[i].public);
    }
    if (keys->secret)
        OPENSSL_cleanse(keys->secret, keys->secret_size);
    free(keys->secret);
    free(keys->items);
    free(keys);
}

size_t jwt_keys_count(const JwtKeys *keys)
{
    return keys->count;
}
