// SPDX-License-Identifier: MIT
/* Tokens of RFC 7515 and 8037, tokens made here with OpenSSL, and those that must not pass. */
#include "auth/jwt.h"

#include "base/buf.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000
static const JwtPolicy policy = {"https://issuer.example", "pacs", 60, NOW};

/* -- making tokens -- */

static void base64url(Buf *out, const void *p, size_t n)
{
    uint8_t *text = malloc(4 * n / 3 + 8);
    int k = EVP_EncodeBlock(text, p, (int)n);
    for (int i = 0; i < k && text[i] != '='; i++)
        buf_u8(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    free(text);
}

/* "header.claims" */
static void begin(Buf *out, const char *header, const char *claims)
{
    buf_init(out, 0);
    base64url(out, header, strlen(header));
    buf_u8(out, '.');
    base64url(out, claims, strlen(claims));
}

static void sign(Buf *token, EVP_PKEY *key, const char *digest, bool pss, size_t half)
{
    uint8_t signature[1024];
    size_t n = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &how, digest, NULL, NULL, key, NULL), 1);
    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, signature, &n, token->p, token->n), 1);
    EVP_MD_CTX_free(ctx);
    if (half) {
        const uint8_t *p = signature;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
        BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, (int)half);
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + half, (int)half);
        ECDSA_SIG_free(sig);
        n = 2 * half;
    }
    buf_u8(token, '.');
    base64url(token, signature, n);
}

static void sign_hmac(Buf *token, const void *secret, size_t size)
{
    uint8_t signature[EVP_MAX_MD_SIZE];
    unsigned n;
    HMAC(EVP_sha256(), secret, (int)size, token->p, token->n, signature, &n);
    buf_u8(token, '.');
    base64url(token, signature, n);
}

static void add_number(Buf *out, EVP_PKEY *key, const char *param, const char *member, size_t width)
{
    BIGNUM *number = NULL;
    uint8_t bytes[512];
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &number), 1);
    int n = BN_bn2binpad(number, bytes, width ? (int)width : BN_num_bytes(number));
    BN_free(number);
    buf_printf(out, ",\"%s\":\"", member);
    base64url(out, bytes, (size_t)n);
    buf_u8(out, '"');
}

static void add_rsa(Buf *out, EVP_PKEY *key, const char *more)
{
    buf_printf(out, "{\"kty\":\"RSA\"%s", more);
    add_number(out, key, OSSL_PKEY_PARAM_RSA_N, "n", 0);
    add_number(out, key, OSSL_PKEY_PARAM_RSA_E, "e", 0);
    buf_u8(out, '}');
}

static void add_ec(Buf *out, EVP_PKEY *key, const char *curve, size_t half)
{
    buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"%s\"", curve);
    add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, "x", half);
    add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", half);
    buf_u8(out, '}');
}

/* -- the keys of this test -- */

static EVP_PKEY *rsa, *p256, *p384, *p521, *ed;
static JwtKeys *all;

static JwtKeys *read_keys(Buf *text)
{
    Err err = {0};
    JwtKeys *keys = jwt_keys_read(buf_span(text), &err);
    if (!keys)
        fail_msg("%s", err.text);
    buf_free(text);
    return keys;
}

static int setup(void **state)
{
    rsa = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    p521 = EVP_EC_gen("P-521");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    Buf text;
    buf_init(&text, 0);
    buf_append_cstr(&text, "{\"keys\":[{\"kty\":\"new\"},{\"kty\":\"oct\",\"k\":\"AAAA\"},");
    add_rsa(&text, rsa, ",\"kid\":\"r\",\"use\":\"sig\"");
    buf_u8(&text, ',');
    add_ec(&text, p256, "P-256", 32);
    buf_u8(&text, ',');
    add_ec(&text, p384, "P-384", 48);
    buf_u8(&text, ',');
    add_ec(&text, p521, "P-521", 66);
    uint8_t raw[32];
    size_t n = sizeof raw;
    EVP_PKEY_get_raw_public_key(ed, raw, &n);
    buf_append_cstr(&text, ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
    base64url(&text, raw, n);
    buf_append_cstr(&text, "\"}]}");
    all = read_keys(&text);
    assert_int_equal(jwt_keys_count(all), 5);
    return 0;
}

static int teardown(void **state)
{
    jwt_keys_free(all);
    EVP_PKEY *const keys[] = {rsa, p256, p384, p521, ed};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        EVP_PKEY_free(keys[i]);
    return 0;
}

static const char good[] =
    "{\"iss\":\"https://issuer.example\",\"aud\":\"pacs\",\"exp\":1700000100,\"sub\":\"anna\"}";

static void assert_passes(const JwtKeys *keys, Buf *token)
{
    Err err = {0};
    json_t *claims = jwt_verify(keys, buf_span(token), &policy, NULL, &err);
    if (!claims)
        fail_msg("%s", err.text);
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), "anna");
    json_decref(claims);
}

static void assert_refused(const JwtKeys *keys, Span token, const char *word)
{
    Err err = {0};
    json_t *claims = jwt_verify(keys, token, &policy, NULL, &err);
    assert_null(claims);
    assert_int_equal(err.http, 401);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in '%s'", word, err.text);
}

/* -- every algorithm, and each bit of the signature counts -- */

static void algorithms(void **state)
{
    const struct {
        const char *name, *digest;
        EVP_PKEY *key;
        bool pss;
        size_t half;
    } cases[] = {{"RS256", "SHA256", rsa},
                 {"RS384", "SHA384", rsa},
                 {"RS512", "SHA512", rsa},
                 {"PS256", "SHA256", rsa, true},
                 {"PS384", "SHA384", rsa, true},
                 {"PS512", "SHA512", rsa, true},
                 {"ES256", "SHA256", p256, false, 32},
                 {"ES384", "SHA384", p384, false, 48},
                 {"ES512", "SHA512", p521, false, 66},
                 {"EdDSA", NULL, ed}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[64];
        Buf token;
        snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", cases[i].name);
        begin(&token, header, good);
        size_t signed_bytes = token.n;
        sign(&token, cases[i].key, cases[i].digest, cases[i].pss, cases[i].half);
        assert_passes(all, &token);
        for (size_t at = signed_bytes + 1; at < token.n - 1; at += 17) {
            uint8_t before = token.p[at];
            token.p[at] = before == 'A' ? 'B' : 'A';
            assert_refused(all, buf_span(&token), "");
            token.p[at] = before;
        }
        assert_refused(all, span_sub(buf_span(&token), 0, token.n - 4), "");
        buf_free(&token);
    }
}

/* -- the examples of the standards: the signature is right, so that something later is what is refused -- */

#define JOE "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static void assert_example(const char *jwk, const char *token, const char *later)
{
    Err err = {0};
    JwtKeys *keys = jwt_keys_read(span_cstr(jwk), &err);
    assert_non_null(keys);
    assert_refused(keys, span_cstr(token), later);
    char *other = strdup(token);
    other[strlen(other) - 20] ^= 1;
    assert_refused(keys, span_cstr(other), "signature");
    free(other);
    jwt_keys_free(keys);
}

static void examples(void **state)
{
    assert_example(/* RFC 7515 A.2 */
                   "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
                   "wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
                   "YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
                   "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"
                   "I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":"
                   "\"AQAB\"}",
                   "eyJhbGciOiJSUzI1NiJ9." JOE
                   ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
                   "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
                   "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
                   "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6"
                   "LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
                   "another issuer");
    assert_example(/* RFC 7515 A.3 */
                   "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
                   "eyJhbGciOiJFUzI1NiJ9." JOE
                   ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
                   "another issuer");
    assert_example(/* RFC 8037 A.4: what is signed is no JSON */
                   "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
                   "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
                   "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
                   "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
                   "MuM0KAg",
                   "claims");
}

static void the_example_with_a_secret(void **state) /* RFC 7515 A.1 */
{
    uint8_t secret[66];
    assert_int_equal(
        EVP_DecodeBlock(
            secret,
            (const uint8_t
                 *)"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==",
            88),
        66);
    JwtKeys *keys = jwt_keys_secret(span_of(secret, 64), NULL);
    assert_refused(keys,
                   span_cstr("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
                             ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                   "another issuer");
    assert_refused(keys,
                   span_cstr("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
                             ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
                   "");
    assert_refused(keys,
                   span_cstr("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
                             ".eBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                   "signature");
    jwt_keys_free(keys);
    assert_null(jwt_keys_secret(SPAN("short"), NULL));
}

/* -- who chooses the algorithm -- */

static void confusion(void **state)
{
    Buf token, pem;
    buf_init(&pem, 0);
    begin(&token, "{\"alg\":\"none\"}", good);
    buf_u8(&token, '.');
    assert_refused(all, buf_span(&token), "");
    buf_append_cstr(&token, "AAAA");
    assert_refused(all, buf_span(&token), "not accepted");
    buf_free(&token);
    /* An HMAC whose "secret" is what everybody knows: the modulus, or no key at all. */
    BIGNUM *n = NULL;
    EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n);
    uint8_t modulus[256];
    BN_bn2binpad(n, modulus, sizeof modulus);
    BN_free(n);
    const Span secrets[] = {{modulus, sizeof modulus}, {modulus, 0}, SPAN("AAAA")};
    for (size_t i = 0; i < 3; i++) {
        begin(&token, "{\"alg\":\"HS256\",\"kid\":\"r\"}", good);
        sign_hmac(&token, secrets[i].p, secrets[i].n);
        assert_refused(all, buf_span(&token), "not known");
        buf_free(&token);
    }
    /* A secret verifies nothing but HMACs. */
    JwtKeys *secret = jwt_keys_secret(span_of(modulus, sizeof modulus), NULL);
    begin(&token, "{\"alg\":\"HS256\"}", good);
    sign_hmac(&token, modulus, sizeof modulus);
    assert_passes(secret, &token);
    buf_free(&token);
    begin(&token, "{\"alg\":\"RS256\"}", good);
    sign(&token, rsa, "SHA256", false, 0);
    assert_refused(secret, buf_span(&token), "signature");
    buf_free(&token);
    jwt_keys_free(secret);
    /* A key that says what it is for is good for nothing else. */
    buf_append_cstr(&pem, "{\"keys\":[");
    add_rsa(&pem, rsa, ",\"alg\":\"PS256\"");
    buf_append_cstr(&pem, "]}");
    JwtKeys *only = read_keys(&pem);
    begin(&token, "{\"alg\":\"RS256\"}", good);
    sign(&token, rsa, "SHA256", false, 0);
    assert_refused(only, buf_span(&token), "key that is not known");
    buf_free(&token);
    jwt_keys_free(only);
    /* ECDSA in the form of X.509 is not that of JOSE. */
    begin(&token, "{\"alg\":\"ES256\"}", good);
    sign(&token, p256, "SHA256", false, 0);
    assert_refused(all, buf_span(&token), "");
    buf_free(&token);
}

static void which_key(void **state)
{
    Err err = {0};
    bool no_key = false;
    Buf token;
    begin(&token, "{\"alg\":\"RS256\",\"kid\":\"next\"}", good);
    sign(&token, rsa, "SHA256", false, 0);
    assert_null(jwt_verify(all, buf_span(&token), &policy, &no_key, &err));
    assert_true(no_key);
    buf_free(&token);
    begin(&token, "{\"alg\":\"RS256\",\"kid\":\"r\"}", good);
    sign(&token, rsa, "SHA256", false, 0);
    assert_passes(all, &token);
    token.p[token.n - 9] ^= 1;
    assert_null(jwt_verify(all, buf_span(&token), &policy, &no_key, &err));
    assert_false(no_key);
    buf_free(&token);
}

/* -- claims -- */

static void claims(void **state)
{
    const struct {
        const char *text, *word; /* NULL: passes */
    } cases[] = {
        {good, NULL},
        {"{\"iss\":\"https://issuer.example\",\"aud\":[\"a\",\"pacs\"],\"exp\":1699999941,\"sub\":\"anna\"}",
         NULL},
        {"{\"iss\":\"https://"
         "issuer.example\",\"aud\":\"pacs\",\"exp\":1.7e9,\"nbf\":1700000060,\"sub\":\"anna\"}",
         NULL},
        {"{\"iss\":\"https://issuer.example\",\"aud\":\"pacs\",\"exp\":1699999940}", "expired"},
        {"{\"iss\":\"https://issuer.example\",\"aud\":\"pacs\",\"exp\":1700000100,\"nbf\":1700000061}",
         "not valid yet"},
        {"{\"iss\":\"https://issuer.example\",\"aud\":\"pacs\",\"exp\":1700000100,\"nbf\":\"0\"}",
         "not valid yet"},
        {"{\"iss\":\"https://issuer.example\",\"aud\":\"pacs\",\"exp\":\"1700000100\"}", "when it expires"},
        {"{\"iss\":\"https://issuer.example\",\"aud\":\"pacs\"}", "when it expires"},
        {"{\"iss\":\"https://issuer.example\",\"aud\":\"other\",\"exp\":1700000100}", "another audience"},
        {"{\"iss\":\"https://issuer.example\",\"aud\":[],\"exp\":1700000100}", "another audience"},
        {"{\"iss\":\"https://issuer.example\",\"exp\":1700000100}", "another audience"},
        {"{\"iss\":\"https://issuer.example/\",\"aud\":\"pacs\",\"exp\":1700000100}", "another issuer"},
        {"{\"aud\":\"pacs\",\"exp\":1700000100}", "another issuer"},
        {"{\"iss\":\"x\",\"iss\":\"https://issuer.example\",\"aud\":\"pacs\",\"exp\":1700000100}",
         "cannot be read"},
        {"[]", "cannot be read"},
        {"", "cannot be read"},
        {"[[[[[[[[[[[[[[[[[[[[[[", "cannot be read"},
    };
    static const char secret[] = "a secret of thirty-two characters";
    JwtKeys *keys = jwt_keys_secret(span_cstr(secret), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf token;
        begin(&token, "{\"alg\":\"HS256\"}", cases[i].text);
        sign_hmac(&token, secret, strlen(secret));
        if (cases[i].word)
            assert_refused(keys, buf_span(&token), cases[i].word);
        else
            assert_passes(keys, &token);
        buf_free(&token);
    }
    jwt_keys_free(keys);
}

static void no_tokens(void **state)
{
    static const char *const texts[] = {"",
                                        ".",
                                        "..",
                                        "...",
                                        "a.b",
                                        "a.b.c.d",
                                        "e30.e30.AAAA",
                                        "e30=.e30.AAAA",
                                        "AAAA.AAAA.AAAA",
                                        "eyJhbGciOjF9.e30.AAAA",
                                        "eyJhbGciOiJSUzI1NiJ9.e30.A",
                                        "eyJhbGciOiJSUzI1NiJ9.e30.AA+A",
                                        "eyJhbGciOiJSUzI1NiJ9.e30.\nAAA",
                                        " eyJhbGciOiJSUzI1NiJ9.e30.AAAA"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(all, span_cstr(texts[i]), "");
    Buf token;
    begin(&token, "{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", good);
    sign(&token, rsa, "SHA256", false, 0);
    assert_refused(all, buf_span(&token), "extension");
    buf_free(&token);
    char *large = malloc(JWT_TOKEN_MAX + 2);
    memset(large, 'A', JWT_TOKEN_MAX + 1);
    large[1] = large[3] = '.';
    assert_refused(all, span_of(large, JWT_TOKEN_MAX + 1), "no JSON Web Token");
    free(large);
}

static void no_keys(void **state)
{
    static const char *const texts[] = {
        "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[1,null,{}]}", "{\"keys\":[{\"kty\":\"RSA\"}]}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
        "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
        /* a point that is not on its curve; the right key for another use */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
        "{\"use\":\"enc\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"key_ops\":[\"sign\"],\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Err err = {0};
        assert_null(jwt_keys_read(span_cstr(texts[i]), &err));
        assert_int_equal(err.code, ERR_FORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(algorithms),
        cmocka_unit_test(examples),
        cmocka_unit_test(the_example_with_a_secret),
        cmocka_unit_test(confusion),
        cmocka_unit_test(which_key),
        cmocka_unit_test(claims),
        cmocka_unit_test(no_tokens),
        cmocka_unit_test(no_keys),
    };
    return cmocka_run_group_tests_name("jwt", tests, setup, teardown);
}
