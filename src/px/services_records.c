// SPDX-License-Identifier: MIT
/* Records of service files for use: members of the right type, hosts and ports that can be part of an address. */
#include "px/services.h"

#include "base/span.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 2048 };
#define GIB ((uint64_t)1 << 30)

/* A member that is text or a number, as text; NULL = it is not there. */
static bool text_member(Arena *arena, const json_t *record, const char *what, const char *name,
                        const char **out, Err *err)
{
    const json_t *value = json_object_get(record, name);
    *out = NULL;
    if (!value || json_is_null(value))
        return true;
    if (json_is_integer(value))
        *out = arena_printf(arena, "%lld", (long long)json_integer_value(value));
    else if (json_is_string(value) && json_string_length(value) <= TEXT_MAX)
        *out = arena_strdup(arena, json_string_value(value));
    if (!*out)
        return err_set(err, ERR_FORMAT, "%s: '%s' must be text", what, name);
    for (const char *c = *out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return err_set(err, ERR_FORMAT, "%s: '%s' has a control character", what, name);
    return true;
}

typedef struct Member {
    const char *name, *other; /* other: a second name for it */
    const char *otherwise;    /* when it is missing or empty; NULL: it must be there */
    const char **out;
} Member;

static bool text_members(Arena *arena, const json_t *record, const char *what, const Member *members,
                         size_t n, Err *err)
{
    if (!json_is_object(record))
        return err_set(err, ERR_FORMAT, "%s must be an object", what);
    for (size_t i = 0; i < n; i++) {
        const Member *m = &members[i];
        if (!text_member(arena, record, what, m->name, m->out, err) ||
            (!*m->out && m->other && !text_member(arena, record, what, m->other, m->out, err)))
            return false;
        if (*m->out && **m->out)
            continue;
        if (!m->otherwise)
            return err_set(err, ERR_FORMAT, "%s has no '%s'", what, m->name);
        *m->out = m->otherwise;
    }
    return true;
}
#define MEMBERS(members) members, sizeof members / sizeof *members

static bool check_host(const char *what, const char *host, Err *err)
{
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_:%[]", *c))
            return err_set(err, ERR_FORMAT, "%s: '%.80s' is no address or host name", what, host);
    return true;
}

static bool check_port(const char *what, const char *text, uint16_t *out, Err *err)
{
    int64_t port;
    if (!span_to_i64(span_cstr(text), 1, 65535, &port))
        return err_set(err, ERR_FORMAT, "%s: port '%.20s' must be 1 to 65535", what, text);
    *out = (uint16_t)port;
    return true;
}

static bool check_ae(const char *what, const char *name, const char *ae, Err *err)
{
    return strlen(ae) <= 16 ||
           err_set(err, ERR_FORMAT, "%s: '%s' is longer than the 16 characters of an AE title", what, name);
}

static bool check_url(const char *what, const char *url, Err *err)
{
    const char *host = !strncmp(url, "http://", 7) ? url + 7 : !strncmp(url, "https://", 8) ? url + 8 : "";
    return (*host && *host != '/') ||
           err_set(err, ERR_FORMAT, "%s: 'url' must begin with http://HOST or https://HOST", what);
}

bool px_pacs_service(Arena *arena, const json_t *record, const char *what, PxPacsService *out, Err *err)
{
    PxPacsService pacs = {0};
    const char *port;
    const Member members[] = {
        {"aet", NULL, NULL, &pacs.aet},
        {"aec", NULL, NULL, &pacs.aec},
        {"ip", "serverIP", NULL, &pacs.host},
        {"port", "serverPort", NULL, &port},
        {"aet_listener", NULL, "", &pacs.listener},
    };
    if (!text_members(arena, record, what, MEMBERS(members), err) || !check_ae(what, "aet", pacs.aet, err) ||
        !check_ae(what, "aec", pacs.aec, err) || !check_ae(what, "aet_listener", pacs.listener, err) ||
        !check_host(what, pacs.host, err) || !check_port(what, port, &pacs.port, err))
        return false;
    if (!*pacs.listener)
        pacs.listener = pacs.aet;
    *out = pacs;
    return true;
}

bool px_cube_service(Arena *arena, const json_t *record, const char *what, PxCubeService *out, Err *err)
{
    PxCubeService cube = {0};
    const Member members[] = {
        {"url", NULL, NULL, &cube.url},
        {"username", NULL, NULL, &cube.username},
        {"password", NULL, NULL, &cube.password},
        {"regFSdir", NULL, "", &cube.files},
        {"ca", NULL, "", &cube.ca},
    };
    if (!text_members(arena, record, what, MEMBERS(members), err) || !check_url(what, cube.url, err))
        return false;
    *out = cube;
    return true;
}

/* -- storage -- */

typedef struct SwiftTexts {
    const char *ip, *port, *login, *key, *auth, *password, *domain, *segment;
} SwiftTexts;

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* https only where the port says so, as in pypx; another choice is made with `url`. */
static bool find_login_page(Arena *arena, const char *what, const SwiftTexts *t, PxSwiftService *swift,
                            Err *err)
{
    uint16_t port = 0;
    if (*swift->url)
        return check_url(what, swift->url, err);
    if (!*t->ip || !*t->port)
        return err_set(err, ERR_FORMAT, "%s has no '%s'", what, *t->ip ? "port" : "ip");
    if (!check_host(what, t->ip, err) || !check_port(what, t->port, &port, err))
        return false;
    bool bare_v6 = strchr(t->ip, ':') && *t->ip != '[';
    swift->url = arena_printf(arena, "%s://%s%s%s:%u/%s", port == 443 ? "https" : "http", bare_v6 ? "[" : "",
                              t->ip, bare_v6 ? "]" : "", port, swift->keystone ? "v3" : "auth/v1.0");
    return true;
}

static bool find_identity(Arena *arena, const char *what, const SwiftTexts *t, PxSwiftService *swift,
                          Err *err)
{
    const char *colon = swift->keystone ? strchr(t->login, ':') : strrchr(t->login, ':');
    if (!*swift->user)
        swift->user = swift->keystone && colon
                          ? arena_printf(arena, "%.*s", (int)(colon - t->login), t->login)
                          : t->login;
    swift->secret = *t->key ? t->key : *t->password ? t->password : colon ? colon + 1 : "";
    if (!*swift->user)
        return err_set(err, ERR_FORMAT, "%s has no 'login'", what);
    return *swift->secret ||
           err_set(err, ERR_FORMAT, "%s has no secret: 'login' is user:password, or there is a 'key'", what);
}

static bool find_protocol(const char *what, const SwiftTexts *t, PxSwiftService *swift, Err *err)
{
    swift->keystone = *t->auth ? strchr("3v", *t->auth) && strstr(t->auth, "3")
                               : *swift->project || ends_in(swift->url, "/v3");
    bool known = !*t->auth || !strcmp(t->auth, "1") || !strcmp(t->auth, "3") || !strcmp(t->auth, "v1") ||
                 !strcmp(t->auth, "v3") || !strcmp(t->auth, "1.0");
    return known || err_set(err, ERR_FORMAT, "%s: 'auth' must be 1 or 3", what);
}

static bool swift_service(Arena *arena, const json_t *record, const char *what, PxSwiftService *out, Err *err)
{
    PxSwiftService swift = {.create = true};
    SwiftTexts t = {0};
    const Member members[] = {
        {"ip", NULL, "", &t.ip},
        {"port", NULL, "", &t.port},
        {"login", NULL, "", &t.login},
        {"key", NULL, "", &t.key},
        {"auth", NULL, "", &t.auth},
        {"password", NULL, "", &t.password},
        {"domain", NULL, "Default", &t.domain},
        {"segment", NULL, "1073741824", &t.segment},
        {"url", NULL, "", &swift.url},
        {"user", NULL, "", &swift.user},
        {"project", NULL, "", &swift.project},
        {"user_domain", NULL, "", &swift.user_domain},
        {"project_domain", NULL, "", &swift.project_domain},
        {"region", NULL, "", &swift.region},
        {"interface", NULL, "public", &swift.interface},
        {"container", NULL, "users", &swift.container},
        {"ca", NULL, "", &swift.ca},
    };
    if (!text_members(arena, record, what, MEMBERS(members), err) || !find_protocol(what, &t, &swift, err) ||
        !find_login_page(arena, what, &t, &swift, err) || !find_identity(arena, what, &t, &swift, err))
        return false;
    if (!*swift.user_domain)
        swift.user_domain = t.domain;
    if (!*swift.project_domain)
        swift.project_domain = t.domain;
    if (strchr(swift.container, '/') || strlen(swift.container) > 256)
        return err_set(err, ERR_FORMAT, "%s: 'container' must not have a /", what);
    int64_t segment;
    if (!span_to_i64(span_cstr(t.segment), 1 << 20, (int64_t)(5 * GIB), &segment))
        return err_set(err, ERR_FORMAT, "%s: 'segment' must be 1 MiB to 5 GiB in bytes", what);
    swift.segment = (uint64_t)segment;
    const json_t *create = json_object_get(record, "create");
    if (create && !json_is_boolean(create))
        return err_set(err, ERR_FORMAT, "%s: 'create' must be true or false", what);
    swift.create = !json_is_false(create);
    *out = swift;
    return true;
}

bool px_storage_service(Arena *arena, const json_t *record, const char *what, PxStorageService *out, Err *err)
{
    PxStorageService storage = {0};
    const char *type;
    const Member members[] = {{"storagetype", NULL, "swift", &type}, {"storepath", NULL, "", &storage.path}};
    if (!text_members(arena, record, what, MEMBERS(members), err))
        return false;
    if (!strcmp(type, "swift")) {
        if (!swift_service(arena, record, what, &storage.swift, err))
            return false;
    } else if (!strcmp(type, "fs")) {
        storage.type = PX_STORAGE_FS;
        if (*storage.path != '/')
            return err_set(err, ERR_FORMAT, "%s: 'storepath' must be an absolute path", what);
    } else if (!strcmp(type, "pacs")) {
        storage.type = PX_STORAGE_PACS;
        if (!px_pacs_service(arena, record, what, &storage.pacs, err))
            return false;
    } else {
        return err_set(err, ERR_FORMAT, "%s: 'storagetype' must be swift, fs or pacs, not '%.40s'", what,
                       type);
    }
    *out = storage;
    return true;
}
