// SPDX-License-Identifier: MIT
/* A token that is verified here: the keys, the claims, and the role that one of them stands for. */
#include "auth/auth_internal.h"

#include <string.h>
#include <time.h>

/* "realm_access.roles": the claim of that name, or member "roles" of the claim "realm_access". */
static const json_t *find_claim(Arena *arena, const json_t *claims, const char *name)
{
    const json_t *found = json_object_get(claims, name);
    const char *dot = found ? NULL : strchr(name, '.');
    if (!dot)
        return found;
    const json_t *section =
        json_object_get(claims, arena_span_cstr(arena, span_of(name, (size_t)(dot - name))));
    return json_object_get(section, dot + 1);
}

static UserRole worth(const AuthJwt *jwt, Span value)
{
    UserRole best = USER_ANYBODY;
    for (size_t i = 0; i < jwt->role_count; i++)
        if (span_eq_cstr(value, jwt->roles[i].value) && jwt->roles[i].role > best)
            best = jwt->roles[i].role;
    char name[16];
    if (!jwt->role_count && span_copy(value, name, sizeof name))
        users_role_parse(name, &best);
    return best;
}

/* A text is a list by blanks, as "scope" is (RFC 8693 §4.2). The highest role counts. */
static UserRole role_of(const AuthJwt *jwt, const json_t *claim)
{
    UserRole best = USER_ANYBODY, role;
    const json_t *one;
    size_t i;
    Span rest = span_cstr(json_string_value(claim)), part;
    bool more = json_is_string(claim);
    while (span_split(&rest, ' ', &part, &more))
        best = (role = worth(jwt, part)) > best ? role : best;
    json_array_foreach(claim, i, one)
    {
        role = worth(jwt, span_cstr(json_string_value(one)));
        best = role > best ? role : best;
    }
    return best;
}

/* A text from outside that goes into the log. */
static void take_name(const json_t *claim, char out[USER_NAME_MAX + 1])
{
    const char *name = json_string_value(claim);
    span_copy(span_cstr(name && *name ? name : "(no name)"), out, USER_NAME_MAX + 1);
    for (char *p = out; *p; p++)
        if (*p <= 0x20 || *p > 0x7E)
            *p = '?';
}

/* With the keys there are; when none fits, with newer ones. */
static json_t *verify(Auth *auth, Span token, Err *err)
{
    const AuthJwt *jwt = &auth->settings.jwt;
    JwtPolicy policy = {jwt->issuer, jwt->audience, jwt->leeway, (int64_t)time(NULL)};
    bool no_key = false;
    AuthKeySet *set = auth_keys_now(auth->keys, NULL, err), *newer = NULL;
    json_t *claims = set ? jwt_verify(auth_keys_of(set), token, &policy, &no_key, err) : NULL;
    if (set && !claims && no_key && (newer = auth_keys_now(auth->keys, set, NULL)) && newer != set) {
        err_clear(err);
        claims = jwt_verify(auth_keys_of(newer), token, &policy, NULL, err);
    }
    auth_keys_done(auth->keys, newer);
    auth_keys_done(auth->keys, set);
    return claims;
}

AuthVerdict auth_by_jwt(Auth *auth, const AuthClient *client, Span token, AuthAnswer *out)
{
    const AuthJwt *jwt = &auth->settings.jwt;
    json_t *claims = verify(auth, token, &out->err);
    if (!claims)
        return out->err.http == 503            ? AUTH_AWAY
               : out->err.code == ERR_MISMATCH ? AUTH_WRONG
                                               : auth_wrong_token(auth, client, out);
    Arena *arena = arena_new(0);
    out->grant.role = role_of(jwt, find_claim(arena, claims, jwt->role_claim));
    take_name(find_claim(arena, claims, jwt->user_claim), out->grant.user);
    arena_free(arena);
    json_decref(claims);
    out->fresh = true;
    return AUTH_GRANTED;
}
