// SPDX-License-Identifier: MIT
#include "cli/auth.h"

#include <string.h>

static const char *or_none(const char *text)
{
    return *text ? text : NULL;
}

/* "radiologists=write" */
static bool read_roles(Arena *arena, const TextList *list, AuthJwt *jwt, Err *err)
{
    AuthRole *roles = arena_alloc(arena, (list->count + 1) * sizeof *roles);
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strrchr(list->items[i], '=');
        if (!equals || equals == list->items[i] || !users_role_parse(equals + 1, &roles[i].role))
            return err_set(
                err, ERR_USAGE,
                "api.auth.jwt_roles has '%.60s'; expected is VALUE=ROLE with one of read, write, delete, "
                "admin",
                list->items[i]);
        roles[i].value = arena_span_cstr(arena, span_of(list->items[i], (size_t)(equals - list->items[i])));
    }
    jwt->roles = roles;
    jwt->role_count = list->count;
    return true;
}

Auth *auth_of_settings(Arena *arena, const Settings *s, Err *err)
{
    AuthSettings settings = {
        .users_path = arena_printf(arena, "%s/%s", s->folder, AUTH_USERS_FILE),
        .jwt = {.keys_file = or_none(s->api_auth_jwt_keys_file),
                .keys_url = or_none(s->api_auth_jwt_keys_url),
                .secret = or_none(s->api_auth_jwt_secret),
                .issuer = or_none(s->api_auth_jwt_issuer),
                .audience = or_none(s->api_auth_jwt_audience),
                .leeway = s->api_auth_jwt_leeway,
                .role_claim = s->api_auth_jwt_role_claim,
                .user_claim = s->api_auth_jwt_user_claim},
        .validator_url = s->api_dicomweb_jwt_validate ? s->api_dicomweb_jwt_validate_url : NULL,
        .remember_ms = s->api_auth_remember * 1000,
    };
    users_role_parse(s->api_auth_validated_role, &settings.validated_role);
    return read_roles(arena, &s->api_auth_jwt_roles, &settings.jwt, err) ? auth_new(&settings, err) : NULL;
}
