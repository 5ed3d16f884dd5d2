// SPDX-License-Identifier: MIT
/* Logging in. Auth v1: GET with X-Auth-User and X-Auth-Key, the answer's X-Storage-Url and X-Auth-Token. Keystone v3: POST /auth/tokens, the answer's
   X-Subject-Token and the object-store of its catalogue. */
#include "px/swift_internal.h"

#include "base/outgoing.h"
#include "px/document.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CATALOGUE_MAX = 4 << 20, LOGIN_TEXT_MAX = 8192 };

static bool refused_login(const PxHttpRequest *r, const PxHttpAnswer *answer, const char *more, Err *err)
{
    px_http_refused(r, answer, err);
    if (answer->status == 401 || answer->status == 403) {
        err_wrap(err, "the login to the object store was refused");
        if (err) {
            size_t n = strlen(err->text);
            span_copy(span_cstr(more), err->text + n, sizeof err->text - n);
            err->http = 401;
        }
    }
    return false;
}

static bool keep(PxSwift *swift, const char *token, const char *url, Err *err)
{
    Span host = outgoing_host(swift->service->url);
    if (!token || !*token || strlen(token) > LOGIN_TEXT_MAX || !url || strlen(url) > LOGIN_TEXT_MAX ||
        !outgoing_can(url))
        return err_set(err, ERR_FORMAT,
                       "%.*s: the answer to the login has no token or no address of the store",
                       SPAN_FMT(host));
    if (!strncasecmp(swift->service->url, "https:", 6) && strncasecmp(url, "https:", 6) != 0)
        return err_set(
            err, ERR_REFUSED,
            "%.*s: the login is encrypted but the store's address is not (http); that would show the "
            "token and the images to all",
            SPAN_FMT(host));
    free(swift->token);
    free(swift->url);
    swift->token = strdup(token);
    swift->url = strdup(url);
    if (!swift->token || !swift->url)
        abort();
    for (size_t n = strlen(swift->url); n && swift->url[n - 1] == '/';)
        swift->url[--n] = 0;
    swift->logins++;
    return true;
}

static bool log_in_v1(PxSwiftLine *line, Arena *arena, Err *err)
{
    const PxSwiftService *s = line->swift->service;
    const char *const headers[] = {arena_printf(arena, "X-Auth-User: %s", s->user),
                                   arena_printf(arena, "X-Auth-Key: %s", s->secret), NULL};
    PxHttpRequest r = {.method = "GET", .url = s->url, .headers = headers};
    PxHttpAnswer answer;
    bool ok = px_http(line->http, &r, &answer, err);
    if (ok && answer.status >= 300) {
        ok = refused_login(
            &r, &answer,
            "; check 'login' and 'key' (pypx always sent the key \"testing\": if the store has that "
            "one, set \"key\": \"testing\" in the service)",
            err);
    } else if (ok) {
        const char *token = px_http_header(line->http, "X-Auth-Token");
        ok = keep(line->swift, token ? token : px_http_header(line->http, "X-Storage-Token"),
                  px_http_header(line->http, "X-Storage-Url"), err);
    }
    buf_free(&answer.body);
    return ok;
}

/* -- Keystone -- */

static json_t *named(const char *name)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", px_text(name));
    return object;
}

static json_t *credentials(const PxSwiftService *s)
{
    json_t *user = named(s->user);
    json_object_set_new(user, "domain", named(s->user_domain));
    json_object_set_new(user, "password", px_text(s->secret));
    json_t *auth =
        json_pack("{s:{s:[s],s:{s:o}}}", "identity", "methods", "password", "password", "user", user);
    if (*s->project) {
        json_t *project = named(s->project);
        json_object_set_new(project, "domain", named(s->project_domain));
        json_object_set_new(auth, "scope", json_pack("{s:o}", "project", project));
    }
    return json_pack("{s:o}", "auth", auth);
}

static bool is_region(const json_t *endpoint, const char *region)
{
    const char *id = json_string_value(json_object_get(endpoint, "region_id"));
    const char *name = id ? id : json_string_value(json_object_get(endpoint, "region"));
    return !*region || (name && !strcmp(name, region));
}

/* The address of the object store in the catalogue; NULL = it has none of that kind. */
static const char *find_store(const json_t *token, const PxSwiftService *s)
{
    json_t *service, *endpoint;
    size_t i, j;
    json_array_foreach(json_object_get(token, "catalog"), i, service)
    {
        const char *type = json_string_value(json_object_get(service, "type"));
        if (!type || strcmp(type, "object-store") != 0)
            continue;
        json_array_foreach(json_object_get(service, "endpoints"), j, endpoint)
        {
            const char *interface = json_string_value(json_object_get(endpoint, "interface"));
            if (interface && !strcmp(interface, s->interface) && is_region(endpoint, s->region))
                return json_string_value(json_object_get(endpoint, "url"));
        }
    }
    return NULL;
}

static bool take_catalogue(PxSwiftLine *line, const PxHttpAnswer *answer, Err *err)
{
    const PxSwiftService *s = line->swift->service;
    Span host = outgoing_host(s->url);
    json_t *body = px_json_read(buf_span(&answer->body), "the answer to the login", err);
    if (!body)
        return false;
    const char *url = find_store(json_object_get(body, "token"), s);
    bool ok =
        url ? keep(line->swift, px_http_header(line->http, "X-Subject-Token"), url, err)
            : err_set(err, ERR_NOT_FOUND,
                      "%.*s: the catalogue has no object store for interface '%s'%s%s; check 'project', "
                      "'region' and 'interface' of the service",
                      SPAN_FMT(host), s->interface, *s->region ? " in region " : "", s->region);
    json_decref(body);
    return ok;
}

static bool log_in_v3(PxSwiftLine *line, Arena *arena, Err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json", NULL};
    const PxSwiftService *s = line->swift->service;
    size_t n = strlen(s->url);
    while (n && s->url[n - 1] == '/')
        n--;
    bool versioned = n > 3 && !strncmp(s->url + n - 3, "/v3", 3);
    json_t *body = credentials(s);
    Buf text;
    buf_init(&text, 0);
    px_document_write(body, true, &text);
    PxHttpRequest r = {.method = "POST",
                       .url =
                           arena_printf(arena, "%.*s%s/auth/tokens", (int)n, s->url, versioned ? "" : "/v3"),
                       .headers = headers,
                       .body = buf_span(&text),
                       .body_max = CATALOGUE_MAX};
    PxHttpAnswer answer;
    bool ok = px_http(line->http, &r, &answer, err);
    if (ok && answer.status >= 300)
        ok = refused_login(&r, &answer, "; check 'user', 'password', 'project' and 'domain' of the service",
                           err);
    else if (ok)
        ok = take_catalogue(line, &answer, err);
    explicit_bzero(text.p, text.n);
    buf_free(&text);
    buf_free(&answer.body);
    json_decref(body);
    return ok;
}

/* -- for all lines -- */

bool px_swift_identity(PxSwiftLine *line, Arena *arena, const char *stale, const char **token,
                       const char **url, Err *err)
{
    PxSwift *swift = line->swift;
    pthread_mutex_lock(&swift->lock);
    bool ok = true;
    if (!swift->token || (stale && !strcmp(stale, swift->token)))
        ok = swift->service->keystone ? log_in_v3(line, arena, err) : log_in_v1(line, arena, err);
    if (ok) {
        *token = arena_strdup(arena, swift->token);
        *url = arena_strdup(arena, swift->url);
    }
    pthread_mutex_unlock(&swift->lock);
    return ok;
}

/* /info lies beside /v1; who does not answer can do nothing special. */
static void ask_abilities(PxSwiftLine *line)
{
    PxSwift *swift = line->swift;
    const char *path = swift->url ? strstr(swift->url + 8, "/v1/") : NULL;
    swift->asked_abilities = true;
    if (!path)
        return;
    Arena *arena = arena_new(0);
    PxHttpRequest r = {.method = "GET",
                       .url = arena_printf(arena, "%.*s/info", (int)(path - swift->url), swift->url)};
    PxHttpAnswer answer;
    if (px_http(line->http, &r, &answer, NULL) && answer.status == 200) {
        json_t *info = px_json_read(buf_span(&answer.body), "", NULL);
        swift->bulk = json_is_object(json_object_get(info, "bulk_delete"));
        swift->static_manifests = json_is_object(json_object_get(info, "slo"));
        json_decref(info);
    }
    buf_free(&answer.body);
    arena_free(arena);
}

void px_swift_abilities(PxSwiftLine *line, bool *bulk, bool *static_manifests)
{
    PxSwift *swift = line->swift;
    pthread_mutex_lock(&swift->lock);
    if (!swift->asked_abilities && swift->url)
        ask_abilities(line);
    *bulk = swift->bulk;
    *static_manifests = swift->static_manifests;
    pthread_mutex_unlock(&swift->lock);
}
