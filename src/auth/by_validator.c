// SPDX-License-Identifier: MIT
/*
 * A token that another server judges: it gets it as form field `token`. 200 is a yes; any other answer is
 * passed on as it is. The token is not looked into. What was accepted is not asked again for a short time.
 */
#include "auth/auth_internal.h"

static AuthVerdict look(Auth *auth, Span token, AuthAnswer *out)
{
    if (!fetch(auth->fetcher, auth->settings.validator_url, "token", token, &out->said, &out->err)) {
        err_wrap(&out->err, "the validator of tokens does not answer");
        return AUTH_AWAY;
    }
    if (out->said.status != 200)
        return AUTH_JUDGED;
    out->grant = (AuthGrant){.user = "(validated)", .role = auth->settings.validated_role};
    out->fresh = true;
    return AUTH_GRANTED;
}

AuthVerdict auth_by_validator(Auth *auth, Span token, AuthAnswer *out)
{
    AuthKey key = auth_memory_key(auth->validated, token);
    AuthQuestion question;
    switch (auth_memory_ask(auth->validated, &key, deadline_in(QUESTION_MS), &question, &out->grant)) {
    case AUTH_KNOWN:
        return AUTH_GRANTED;
    case AUTH_WAITED_TOO_LONG:
        err_set(&out->err, ERR_TIMEOUT, "the server that judges tokens is slow; ask again in a moment");
        out->err.http = 503;
        return AUTH_BUSY;
    case AUTH_FIND_OUT:
        break;
    }
    AuthVerdict verdict = look(auth, token, out);
    auth_memory_tell(auth->validated, &question, verdict == AUTH_GRANTED ? &out->grant : NULL,
                     auth->settings.remember_ms);
    return verdict;
}
