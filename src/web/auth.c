// SPDX-License-Identifier: MIT
#include "web/auth_internal.h"

#include "base/outgoing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- what is in force -- */

static bool any_password(const Users *users)
{
    for (size_t i = 0; i < users->count; i++)
        if (users->items[i].password)
            return true;
    return false;
}

static bool bearer_possible(const Auth *auth)
{
    return auth->settings.validator_url || auth->keys;
}

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
    const Users *now = auth_users_now(users);
    atomic_init(&auth->asks, bearer_possible(auth) || now->count || !settings->loopback);
    bool hopeless = !settings->loopback && !bearer_possible(auth) && !now->count;
    auth_users_done(users, now);
    if (!hopeless)
        return auth;
    auth_free(auth);
    err_set(err, ERR_USAGE,
            "others can reach api.ip, and there is no user and no other way to say who one is: 'manage users "
            "add NAME --role read' makes a user, api.auth and api.dicomweb.jwt_validate are about tokens; or "
            "let api.ip be 127.0.0.1 behind a proxy that asks; or say api.authentication: none");
    return NULL;
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

/* -- refusals -- */

void auth_challenge(Auth *auth, HttpExchange *x, const Users *users, const char *why)
{
    Arena *arena = http_arena(x);
    if (users->count || bearer_possible(auth))
        http_header(x, "WWW-Authenticate",
                    why ? arena_printf(arena,
                                       "Bearer realm=\"gantry\", error=\"invalid_token\", "
                                       "error_description=\"%s\"",
                                       why)
                        : "Bearer realm=\"gantry\"");
    if (any_password(users))
        http_header(x, "WWW-Authenticate", "Basic realm=\"gantry\", charset=\"UTF-8\"");
    http_refuse(x, 401, "%s", why ? why : "say who you are: this needs an Authorization header");
}

/* What SPHERE answered, in its form: the clients that know a validator know these. */
static bool plain_refusal(HttpExchange *x, const char *text)
{
    http_answer(x, 403, "text/plain; charset=utf-8", span_cstr(text));
    return false;
}

/* -- the header -- */

static bool has_scheme(const char *header, const char *scheme, Span *rest)
{
    size_t n = strlen(scheme);
    if (strncasecmp(header, scheme, n) != 0 || header[n] != ' ')
        return false;
    *rest = span_trim(span_cstr(header + n));
    return true;
}

/* By its digest. */
static bool look_for_token(Auth *auth, HttpExchange *x, const Users *users, Span digest, AuthGrant *out)
{
    const User *user = users_find_token(users, digest.p);
    if (!user) {
        auth_wrong(auth, x, "token", NULL);
        auth_challenge(auth, x, users, "this token is not known, or not any more");
        return false;
    }
    *out = (AuthGrant){.role = user->role};
    span_copy(span_cstr(user->name), out->user, sizeof out->user);
    return true;
}

static bool own_token(Auth *auth, HttpExchange *x, const Users *users, Span token, AuthGrant *out)
{
    uint8_t digest[USER_DIGEST];
    users_token_digest(arena_span_cstr(http_arena(x), token), digest);
    return auth_judge(auth, x, users, span_of(digest, sizeof digest), look_for_token, out);
}

static bool bearer(Auth *auth, HttpExchange *x, const Users *users, Span token, AuthGrant *out)
{
    if (token.n == 0 || token.n > JWT_TOKEN_MAX) {
        auth_challenge(auth, x, users, "there is no token behind Bearer, or one of more than 16 KiB");
        return false;
    }
    if (span_starts(token, SPAN(USER_TOKEN_PREFIX)))
        return own_token(auth, x, users, token, out);
    if (auth->settings.validator_url)
        return auth_validated(auth, x, token, out);
    if (auth->keys)
        return auth_jwt(auth, x, users, token, out);
    auth_challenge(auth, x, users, "this token is not known, or not any more");
    return false;
}

static bool identify(Auth *auth, HttpExchange *x, const Users *users, AuthGrant *out)
{
    const char *header = http_request_header(x, "Authorization");
    bool sphere = auth->settings.validator_url && !users->count;
    Span rest;
    if (!header) {
        if (sphere)
            return plain_refusal(x, "The Authorization header is missing.\n");
        auth_challenge(auth, x, users, NULL);
        return false;
    }
    if (has_scheme(header, "Bearer", &rest))
        return bearer(auth, x, users, rest, out);
    if (any_password(users) && has_scheme(header, "Basic", &rest))
        return auth_password(auth, x, users, rest, out);
    if (sphere)
        return plain_refusal(x, "The Authorization header must be of the form: Bearer TOKEN\n");
    auth_challenge(auth, x, users, "this kind of Authorization is not in use here");
    return false;
}

static bool may(HttpExchange *x, const AuthGrant *grant, HttpRole role)
{
    http_set_user(x, grant->user);
    if (grant->role >= role)
        return true;
    if (grant->role == HTTP_ANYBODY)
        http_refuse(x, 403, "this needs the role %s, and %s has none here", users_role_name(role),
                    grant->user);
    else
        http_refuse(x, 403, "this needs the role %s; %s has the role %s", users_role_name(role), grant->user,
                    users_role_name(grant->role));
    return false;
}

bool auth_authorize(void *ctx, HttpExchange *x, HttpRole role)
{
    Auth *auth = ctx;
    const Users *users = auth_users_now(auth->users);
    if (users->count)
        atomic_store(&auth->asks, true);
    AuthGrant grant = {0};
    bool go_on = !atomic_load(&auth->asks) || (identify(auth, x, users, &grant) && may(x, &grant, role));
    auth_users_done(auth->users, users);
    return go_on;
}
