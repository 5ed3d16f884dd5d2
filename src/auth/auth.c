// SPDX-License-Identifier: MIT
#include "auth/auth_internal.h"

#include "base/outgoing.h"

#include <stdlib.h>
#include <string.h>

bool auth_any_password(const Users *users)
{
    for (size_t i = 0; i < users->count; i++)
        if (users->items[i].password)
            return true;
    return false;
}

bool auth_has_validator(const Auth *auth)
{
    return auth->settings.validator_url != NULL;
}

bool auth_takes_tokens(const Auth *auth)
{
    return auth_has_validator(auth) || auth->keys;
}

const Users *auth_users(Auth *auth)
{
    return auth_users_now(auth->users);
}

void auth_done(Auth *auth, const Users *users)
{
    auth_users_done(auth->users, users);
}

void auth_answer_free(AuthAnswer *answer)
{
    buf_free(&answer->said.body);
}

/* -- settings -- */

static bool check_jwt(const AuthSettings *s, Err *err)
{
    const AuthJwt *jwt = &s->jwt;
    int sources = (jwt->keys_file != NULL) + (jwt->keys_url != NULL) + (jwt->secret != NULL);
    if (sources > 1)
        return err_set(
            err, ERR_USAGE,
            "more than one of api.auth.jwt_keys_file, jwt_keys_url and jwt_secret is set; keep one");
    if (sources && s->validator_url)
        return err_set(
            err, ERR_USAGE,
            "tokens are to be judged by another server (api.dicomweb.jwt_validate) and verified here "
            "(api.auth.jwt_*); take one of them away");
    if (sources && (!jwt->issuer || !jwt->audience))
        return err_set(
            err, ERR_USAGE,
            "api.auth.jwt_issuer and api.auth.jwt_audience must say whose tokens for whom are accepted");
    return true;
}

static bool check(const AuthSettings *s, Err *err)
{
    if (s->validator_url && !outgoing_can(s->validator_url))
        return err_set(
            err, ERR_USAGE,
            "api.dicomweb.jwt_validate_url must be an address that begins with http:// or https://");
    return check_jwt(s, err);
}

Auth *auth_new(const AuthSettings *settings, Err *err)
{
    if (!check(settings, err))
        return NULL;
    AuthUsers *users = auth_users_open(settings->users_path, err);
    if (!users)
        return NULL;
    Auth *auth = calloc(1, sizeof *auth);
    if (!auth)
        abort();
    auth->settings = *settings;
    auth->users = users;
    auth->passwords = auth_memory_new();
    auth->validated = auth_memory_new();
    auth->backoff = auth_backoff_new();
    auth->gate = password_gate_new();
    auth->fetcher = fetcher_new();
    if ((settings->jwt.keys_file || settings->jwt.keys_url || settings->jwt.secret) &&
        !(auth->keys = auth_keys_open(&auth->settings.jwt, auth->fetcher, err))) {
        auth_free(auth);
        return NULL;
    }
    return auth;
}

void auth_free(Auth *auth)
{
    if (!auth)
        return;
    auth_keys_close(auth->keys);
    fetcher_free(auth->fetcher);
    password_gate_free(auth->gate);
    auth_backoff_free(auth->backoff);
    auth_memory_free(auth->validated);
    auth_memory_free(auth->passwords);
    auth_users_close(auth->users);
    free(auth);
}

/* -- tokens -- */

/* By its digest. */
static AuthVerdict look_for_token(Auth *auth, const AuthClient *client, const Users *users, Span digest,
                                  AuthAnswer *out)
{
    const User *user = users_find_token(users, digest.p);
    return user ? auth_grant(user, out)
                : auth_wrong(auth, client, "token", NULL, out, "this token is not known, or not any more");
}

static AuthVerdict own_token(Auth *auth, const AuthClient *client, const Users *users, Span token,
                             AuthAnswer *out)
{
    uint8_t digest[USER_DIGEST];
    users_token_digest(token, digest);
    return auth_judge(auth, client, users, span_of(digest, sizeof digest), look_for_token, out);
}

AuthVerdict auth_wrong_token(Auth *auth, const AuthClient *client, AuthAnswer *out)
{
    Err why = out->err;
    out->wait_ms = auth_backoff_wait(auth->backoff, client->address, clock_ms());
    return out->wait_ms > 0 ? AUTH_MUST_WAIT : auth_wrong(auth, client, "token", NULL, out, why.text);
}

AuthVerdict auth_token(Auth *auth, const AuthClient *client, const Users *users, Span token, AuthAnswer *out)
{
    if (token.n > 0 && token.n <= JWT_TOKEN_MAX) {
        if (span_starts(token, SPAN(USER_TOKEN_PREFIX)))
            return own_token(auth, client, users, token, out);
        if (auth->settings.validator_url)
            return auth_by_validator(auth, token, out);
        if (auth->keys)
            return auth_by_jwt(auth, client, token, out);
        err_set(&out->err, ERR_REFUSED, "this token is not known, or not any more");
        return auth_wrong_token(auth, client, out);
    }
    err_set(&out->err, ERR_REFUSED, "there is no token, or one of more than 16 KiB");
    return AUTH_WRONG;
}
