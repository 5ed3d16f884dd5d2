// SPDX-License-Identifier: MIT
#include "auth/jwt_internal.h"

#include "dicom/json_value.h"

#include <math.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

static const JwtAlgorithm algorithms[] = {
    {"RS256", JWT_RSA, "SHA256"},
    {"RS384", JWT_RSA, "SHA384"},
    {"RS512", JWT_RSA, "SHA512"},
    {"PS256", JWT_RSA_PSS, "SHA256"},
    {"PS384", JWT_RSA_PSS, "SHA384"},
    {"PS512", JWT_RSA_PSS, "SHA512"},
    {"ES256", JWT_EC, "SHA256", "P-256", 32},
    {"ES384", JWT_EC, "SHA384", "P-384", 48},
    {"ES512", JWT_EC, "SHA512", "P-521", 66},
    {"EdDSA", JWT_EDDSA, NULL, "Ed25519"},
    {"HS256", JWT_HMAC, "SHA256"},
    {"HS384", JWT_HMAC, "SHA384"},
    {"HS512", JWT_HMAC, "SHA512"},
};

const JwtAlgorithm *jwt_algorithm(const char *name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (!strcmp(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

/* -- text -- */

bool jwt_base64url(Span text, Buf *out)
{
    Buf plain;
    buf_init(&plain, 0);
    bool ok = text.n % 4 != 1;
    for (size_t i = 0; i < text.n && ok; i++) {
        char c = (char)text.p[i];
        bool known = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        ok = known || c == '-' || c == '_';
        buf_u8(&plain, c == '-' ? '+' : c == '_' ? '/' : (uint8_t)c);
    }
    for (size_t i = text.n; i % 4 && ok; i++)
        buf_u8(&plain, '=');
    ok = ok && json_value_base64(out, buf_span(&plain)) && !out->failed;
    if (plain.n)
        OPENSSL_cleanse(plain.p, plain.n);
    buf_free(&plain);
    return ok;
}

static bool is_shallow(Span text)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = (char)text.p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        if (depth > JWT_DEPTH_MAX)
            return false;
    }
    return true;
}

json_t *jwt_json(Span text)
{
    json_t *root = is_shallow(text)
                       ? json_loadb(text.n ? (const char *)text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    if (root && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

/* A part of the token that is JSON. */
static json_t *read_part(Span part)
{
    Buf text;
    buf_init(&text, JWT_TOKEN_MAX);
    json_t *root = jwt_base64url(part, &text) ? jwt_json(buf_span(&text)) : NULL;
    buf_free(&text);
    return root;
}

/* -- signatures -- */

static bool check_hmac(const JwtKeys *keys, const JwtAlgorithm *a, Span text, Span signature)
{
    uint8_t made[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    return HMAC(EVP_get_digestbyname(a->digest), keys->secret, (int)keys->secret_size, text.p, text.n, made,
                &n) &&
           n == signature.n && CRYPTO_memcmp(made, signature.p, n) == 0;
}

/* r and s side by side (RFC 7518 §3.4) become what OpenSSL reads. */
static bool ec_signature(const JwtAlgorithm *a, Span signature, Buf *out)
{
    if (signature.n != 2 * a->half)
        return false;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.p, (int)a->half, NULL),
           *s = BN_bin2bn(signature.p + a->half, (int)a->half, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1)
        abort();
    uint8_t *der = NULL;
    int n = i2d_ECDSA_SIG(sig, &der);
    bool ok = n > 0 && buf_append(out, der, (size_t)n);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return ok;
}

static bool check_public(EVP_PKEY *key, const JwtAlgorithm *a, Span text, Span signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, &how, a->digest, NULL, NULL, key, NULL) == 1;
    if (ok && a->family == JWT_RSA_PSS)
        ok = EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(ctx, signature.p, signature.n, text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

/* What the key itself is good for decides, not what the token says. */
static bool fits(const JwtKey *key, const JwtAlgorithm *a, const char *id)
{
    if ((key->alg && strcmp(key->alg, a->name) != 0) || (id && key->id && strcmp(key->id, id) != 0))
        return false;
    if (a->family == JWT_RSA || a->family == JWT_RSA_PSS)
        return key->rsa;
    return (a->family == JWT_EC || a->family == JWT_EDDSA) && key->curve && !strcmp(key->curve, a->curve);
}

static bool refuse(Err *err, const char *text)
{
    err_set(err, ERR_REFUSED, "%s", text);
    if (err)
        err->http = 401;
    return false;
}

static bool check_signature(const JwtKeys *keys, const JwtAlgorithm *a, const char *id, Span text,
                            Span signature, bool *no_key, Err *err)
{
    if (keys->secret)
        return (a->family == JWT_HMAC && check_hmac(keys, a, text, signature)) ||
               refuse(err, "the signature of the token is wrong");
    Buf der;
    buf_init(&der, 0);
    bool good = false, any = false, readable = true;
    if (a->family == JWT_EC) {
        readable = ec_signature(a, signature, &der);
        signature = buf_span(&der);
    }
    for (size_t i = 0; i < keys->count && !good; i++)
        if (fits(&keys->items[i], a, id)) {
            any = true;
            good = readable && check_public(keys->items[i].public, a, text, signature);
        }
    *no_key = a->family != JWT_HMAC && (!any || (!id && !good));
    buf_free(&der);
    return good || refuse(err, any ? "the signature of the token is wrong"
                                   : "the token is signed with a key that is not known here");
}

/* -- claims -- */

static bool has_audience(const json_t *aud, const char *wanted)
{
    const json_t *one;
    size_t i;
    if (json_is_string(aud))
        return !strcmp(json_string_value(aud), wanted);
    json_array_foreach(aud, i, one)
    {
        if (json_is_string(one) && !strcmp(json_string_value(one), wanted))
            return true;
    }
    return false;
}

/* Whoever made it could sign it. */
static bool not_accepted(Err *err, const char *text)
{
    err_set(err, ERR_MISMATCH, "%s", text);
    if (err)
        err->http = 401;
    return false;
}

static bool check_claims(const json_t *claims, const JwtPolicy *policy, Err *err)
{
    const json_t *expires = json_object_get(claims, "exp"), *from = json_object_get(claims, "nbf");
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    double now = (double)policy->now, leeway = (double)policy->leeway;
    if (!issuer || strcmp(issuer, policy->issuer) != 0)
        return not_accepted(err, "the token is of another issuer");
    if (!has_audience(json_object_get(claims, "aud"), policy->audience))
        return not_accepted(err, "the token is for another audience");
    if (!json_is_number(expires))
        return not_accepted(err, "the token does not say when it expires");
    if (now >= json_number_value(expires) + leeway)
        return not_accepted(err, "the token has expired");
    if (from && (!json_is_number(from) || now + leeway < json_number_value(from)))
        return not_accepted(err, "the token is not valid yet");
    return true;
}

/* -- the whole -- */

typedef struct Parts {
    Span header, claims, signature, signed_text;
} Parts;

static bool cut(Span token, Parts *out)
{
    Span rest = token;
    bool more = true;
    if (token.n > JWT_TOKEN_MAX || !span_split(&rest, '.', &out->header, &more) ||
        !span_split(&rest, '.', &out->claims, &more) || !span_split(&rest, '.', &out->signature, &more) ||
        more)
        return false;
    out->signed_text = span_sub(token, 0, out->header.n + 1 + out->claims.n);
    return true;
}

static bool check_header(const JwtKeys *keys, const Parts *parts, bool *no_key, Err *err)
{
    json_t *header = read_part(parts->header);
    const char *name = json_string_value(json_object_get(header, "alg"));
    const json_t *id = json_object_get(header, "kid");
    const JwtAlgorithm *algorithm = name ? jwt_algorithm(name) : NULL;
    Buf signature;
    buf_init(&signature, JWT_TOKEN_MAX);
    bool ok = false;
    if (!header || (id && !json_is_string(id)))
        refuse(err, "this is no JSON Web Token");
    else if (!algorithm)
        refuse(err, "the token is signed in a way that is not accepted here");
    else if (json_object_get(header, "crit"))
        refuse(err, "the token wants an extension that is not known here");
    else if (!jwt_base64url(parts->signature, &signature) || !signature.n)
        refuse(err, "the signature of the token cannot be read");
    else
        ok = check_signature(keys, algorithm, json_string_value(id), parts->signed_text, buf_span(&signature),
                             no_key, err);
    buf_free(&signature);
    json_decref(header);
    return ok;
}

json_t *jwt_verify(const JwtKeys *keys, Span token, const JwtPolicy *policy, bool *no_key, Err *err)
{
    Parts parts;
    bool ignored = false;
    json_t *claims = NULL;
    no_key = no_key ? no_key : &ignored;
    *no_key = false;
    if (!cut(token, &parts)) {
        refuse(err, "this is no JSON Web Token");
        return NULL;
    }
    if (!check_header(keys, &parts, no_key, err))
        return NULL;
    claims = read_part(parts.claims);
    if (!claims)
        refuse(err, "the claims of the token cannot be read");
    if (claims && check_claims(claims, policy, err))
        return claims;
    json_decref(claims);
    return NULL;
}
