// SPDX-License-Identifier: MIT
/*
 * A bearer token that another server judges: it gets the token as form field `token`. 200 lets the request pass; any other answer is
 * passed on with its status, type and body. The token is not looked into. What was accepted is not asked again for a short time.
 */
#include "web/auth_internal.h"

#include "base/log.h"

static void pass_on(HttpExchange *x, const FetchAnswer *answer)
{
    http_header(x, "Cache-Control", "no-store");
    http_header(x, "X-Content-Type-Options", "nosniff");
    http_answer(x, answer->status, *answer->media ? answer->media : "application/octet-stream",
                buf_span(&answer->body));
}

static void unreachable(HttpExchange *x, const Err *err)
{
    log_error("api_dicomweb", "the validator of tokens does not answer: %s request=%lu", err->text,
              http_number(x));
    http_header(x, "Retry-After", "5");
    http_refuse(x, err->http, "the server that judges tokens does not answer; this server's log says why");
}

static bool look(Auth *auth, HttpExchange *x, Span token, AuthGrant *out)
{
    Err err = {0};
    FetchAnswer answer;
    bool accepted = false;
    if (!fetch(auth->fetcher, auth->settings.validator_url, "token", token, &answer, &err)) {
        unreachable(x, &err);
    } else if (answer.status == 200) {
        *out = (AuthGrant){.user = "(validated)", .role = auth->settings.validated_role};
        accepted = true;
    } else {
        pass_on(x, &answer);
    }
    buf_free(&answer.body);
    return accepted;
}

bool auth_validated(Auth *auth, HttpExchange *x, Span token, AuthGrant *out)
{
    AuthKey key = auth_memory_key(auth->validated, token);
    AuthQuestion question;
    switch (auth_memory_ask(auth->validated, &key, deadline_in(QUESTION_MS), &question, out)) {
    case AUTH_KNOWN:
        return true;
    case AUTH_WAITED_TOO_LONG:
        http_refuse(x, 503, "the server that judges tokens is slow; ask again in a moment");
        return false;
    case AUTH_FIND_OUT:
        break;
    }
    bool accepted = look(auth, x, token, out);
    auth_memory_tell(auth->validated, &question, accepted ? out : NULL, auth->settings.remember_ms);
    return accepted;
}
