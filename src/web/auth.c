// SPDX-License-Identifier: MIT
#include "web/auth.h"

#include "base/log.h"
#include "dicom/json_value.h"
#include "web/audit.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char logger[] = "api_dicomweb";

struct WebAuth {
    Auth *auth;
    Audit *audit;     /* NULL = none */
    atomic_bool asks; /* false: on loopback, and there are no users yet */
};

WebAuth *web_auth_new(Auth *auth, bool loopback, Audit *audit, Err *err)
{
    const Users *users = auth_users(auth);
    bool any = auth_takes_tokens(auth) || users->count;
    auth_done(auth, users);
    if (!any && !loopback) {
        err_set(
            err, ERR_USAGE,
            "others can reach api.ip, and there is no user and no other way to say who one is: 'manage users "
            "add NAME --role read' makes a user, api.auth and api.dicomweb.jwt_validate are about tokens; or "
            "let api.ip be 127.0.0.1 behind a proxy that asks; or say api.authentication: none");
        return NULL;
    }
    WebAuth *web = calloc(1, sizeof *web);
    if (!web)
        abort();
    web->auth = auth;
    web->audit = audit;
    atomic_init(&web->asks, any || !loopback);
    return web;
}

void web_auth_free(WebAuth *web)
{
    free(web);
}

/* -- refusals -- */

/* 401, with what could be sent instead. `why` NULL = nothing was sent. */
static void challenge(const WebAuth *web, HttpExchange *x, const Users *users, const char *why)
{
    Arena *arena = http_arena(x);
    if (users->count || auth_takes_tokens(web->auth))
        http_header(x, "WWW-Authenticate",
                    why ? arena_printf(arena,
                                       "Bearer realm=\"gantry\", error=\"invalid_token\", "
                                       "error_description=\"%s\"",
                                       why)
                        : "Bearer realm=\"gantry\"");
    if (auth_any_password(users))
        http_header(x, "WWW-Authenticate", "Basic realm=\"gantry\", charset=\"UTF-8\"");
    http_refuse(x, 401, "%s", why ? why : "say who you are: this needs an Authorization header");
}

/* What SPHERE answered, in its form: the clients that know a validator know these. */
static bool plain_refusal(HttpExchange *x, const char *text)
{
    http_answer(x, 403, "text/plain; charset=utf-8", span_cstr(text));
    return false;
}

static void must_wait(HttpExchange *x, int64_t wait_ms)
{
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)(wait_ms + 999) / 1000);
    http_header(x, "Retry-After", seconds);
    http_refuse(x, 429, "too many wrong passwords or tokens came from this address; wait %s s", seconds);
}

/* The validator's own words, as it said them. */
static void pass_on(HttpExchange *x, const FetchAnswer *said)
{
    http_header(x, "Cache-Control", "no-store");
    http_header(x, "X-Content-Type-Options", "nosniff");
    http_answer(x, said->status, *said->media ? said->media : "application/octet-stream",
                buf_span(&said->body));
}

static void away(const WebAuth *web, HttpExchange *x, const Err *err)
{
    if (!auth_has_validator(web->auth)) {
        http_header(x, "Retry-After", "10");
        http_problem(x, err);
        return;
    }
    log_error(logger, "%s request=%lu", err->text, http_number(x));
    http_header(x, "Retry-After", "5");
    http_refuse(x, err->http, "the server that judges tokens does not answer; this server's log says why");
}

static void tell_login(const WebAuth *web, const HttpExchange *x, AuthVerdict verdict, const AuthAnswer *said)
{
    const char *user = *said->grant.user ? said->grant.user : NULL;
    if (verdict == AUTH_GRANTED && said->fresh)
        web_audit_login(web->audit, x, user, NULL);
    else if (verdict == AUTH_WRONG)
        web_audit_login(web->audit, x, user, said->err.text);
    else if (verdict == AUTH_JUDGED)
        web_audit_login(web->audit, x, NULL, "the server that judges tokens does not accept this one");
}

static bool answer(const WebAuth *web, HttpExchange *x, const Users *users, AuthVerdict verdict,
                   const AuthAnswer *said)
{
    tell_login(web, x, verdict, said);
    switch (verdict) {
    case AUTH_GRANTED:
        return true;
    case AUTH_WRONG:
        challenge(web, x, users, said->err.text);
        return false;
    case AUTH_MUST_WAIT:
        must_wait(x, said->wait_ms);
        return false;
    case AUTH_BUSY:
        http_header(x, "Retry-After", "2");
        http_refuse(x, 503, "%s", said->err.text);
        return false;
    case AUTH_AWAY:
        away(web, x, &said->err);
        return false;
    case AUTH_JUDGED:
        pass_on(x, &said->said);
        return false;
    }
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

static bool basic(const WebAuth *web, HttpExchange *x, const AuthClient *client, const Users *users,
                  Span encoded, AuthGrant *out)
{
    enum { MOST = 1024 };
    AuthAnswer said = {.wait_ms = 0};
    Buf credential;
    buf_init(&credential, MOST);
    bool decoded = json_value_base64(&credential, encoded) && !credential.failed && buf_cstr(&credential);
    AuthVerdict verdict = AUTH_WRONG;
    if (decoded)
        verdict = auth_password(web->auth, client, users, buf_span(&credential), &said);
    else
        err_set(&said.err, ERR_REFUSED, "what follows Basic is no name and password");
    if (credential.p)
        OPENSSL_cleanse(credential.p, credential.capacity);
    buf_free(&credential);
    *out = said.grant;
    return answer(web, x, users, verdict, &said);
}

static bool bearer(const WebAuth *web, HttpExchange *x, const AuthClient *client, const Users *users,
                   Span token, AuthGrant *out)
{
    AuthAnswer said = {.wait_ms = 0};
    AuthVerdict verdict = auth_token(web->auth, client, users, token, &said);
    bool granted = answer(web, x, users, verdict, &said);
    *out = said.grant;
    auth_answer_free(&said);
    return granted;
}

static bool identify(const WebAuth *web, HttpExchange *x, const Users *users, AuthGrant *out)
{
    const char *header = http_request_header(x, "Authorization");
    bool sphere = auth_has_validator(web->auth) && !users->count;
    AuthClient client = {logger, http_client(x), arena_printf(http_arena(x), "request=%lu", http_number(x))};
    Span rest;
    if (!header) {
        if (sphere)
            return plain_refusal(x, "The Authorization header is missing.\n");
        challenge(web, x, users, NULL);
        return false;
    }
    if (has_scheme(header, "Bearer", &rest))
        return bearer(web, x, &client, users, rest, out);
    if (auth_any_password(users) && has_scheme(header, "Basic", &rest))
        return basic(web, x, &client, users, rest, out);
    if (sphere)
        return plain_refusal(x, "The Authorization header must be of the form: Bearer TOKEN\n");
    challenge(web, x, users, "this kind of Authorization is not in use here");
    return false;
}

static bool may(HttpExchange *x, const AuthGrant *grant, UserRole role)
{
    http_set_user(x, grant->user);
    if (grant->role >= role)
        return true;
    if (grant->role == USER_ANYBODY)
        http_refuse(x, 403, "this needs the role %s, and %s has none here", users_role_name(role),
                    grant->user);
    else
        http_refuse(x, 403, "this needs the role %s; %s has the role %s", users_role_name(role), grant->user,
                    users_role_name(grant->role));
    return false;
}

bool web_authorize(void *ctx, HttpExchange *x, UserRole role)
{
    WebAuth *web = ctx;
    const Users *users = auth_users(web->auth);
    if (users->count)
        atomic_store(&web->asks, true);
    AuthGrant grant = {0};
    bool go_on = !atomic_load(&web->asks) || (identify(web, x, users, &grant) && may(x, &grant, role));
    auth_done(web->auth, users);
    return go_on;
}
