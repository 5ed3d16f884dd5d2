// SPDX-License-Identifier: MIT
#include "cli/api.h"

#include "auth/users.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* 127.0.0.0/8, ::1, and the name that means them. */
static bool is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 ? IN6_IS_ADDR_LOOPBACK(&v6) : !strcmp(address, "localhost");
}

/* A list ended by NULL, in the arena. */
static const char *const *ended_list(Arena *arena, const TextList *list)
{
    const char **items = arena_alloc(arena, (list->count + 1) * sizeof *items);
    for (size_t i = 0; i < list->count; i++)
        items[i] = list->items[i];
    return items;
}

static const char *or_none(const char *text)
{
    return *text ? text : NULL;
}

static bool asks_nobody(const Settings *s)
{
    return !strcmp(s->api_authentication, "none");
}

static bool check(const Settings *s, Err *err)
{
    if (asks_nobody(s) && s->api_dicomweb_jwt_validate)
        return err_set(
            err, ERR_USAGE,
            "api.dicomweb.jwt_validate is on, but api.authentication: none says that nobody is asked; "
            "take one of them away");
    if (*s->api_tls_key && !*s->api_tls_certificate)
        return err_set(err, ERR_USAGE, "api.tls.key is set, but api.tls.certificate is not");
    const char *root = s->api_dicomweb_root;
    if (root[0] != '/' || strpbrk(root, "{}%?# ") || strstr(root, "//") || root[strlen(root) - 1] == '/')
        return err_set(err, ERR_USAGE, "api.dicomweb.root is '%s'; it must be a path such as /dicom-web",
                       root);
    return true;
}

/* Paths of the list, seen from the archive's folder. */
static const char *const *folders_of(Arena *arena, const Settings *s, const TextList *list)
{
    const char **items = arena_alloc(arena, (list->count + 1) * sizeof *items);
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        while (!strncmp(item, "./", 2))
            item += 2;
        char *joined = file_join(s->folder, item);
        items[i] = arena_strdup(arena, joined);
        free(joined);
    }
    return items;
}

static WebAnnotationSettings *annotation_settings(Arena *arena, const Settings *s)
{
    const char *type = s->api_annotation_type_uuid_generator;
    WebAnnotationSettings *out = arena_alloc(arena, sizeof *out);
    *out = (WebAnnotationSettings){
        .folder = s->api_annotation_path_data,
        .sources = folders_of(arena, s, &s->api_annotation_folders),
        .max_size = (uint64_t)s->api_annotation_max_size,
        .uids = !strcmp(type, "EXTERNAL") ? WEB_UID_EXTERNAL
                : !strcmp(type, "MIXED")  ? WEB_UID_MIXED
                                          : WEB_UID_INTERNAL,
        .uid_url = s->api_annotation_url_uuid_generator,
    };
    return out;
}

/* What a page under another name that leads to this machine (DNS rebinding) asks for has that name as its host. */
static const char *const *allowed_hosts(Arena *arena, const Settings *s)
{
    static const char *const local[] = {"localhost", ".localhost", "127.0.0.1", "::1"};
    size_t n = sizeof local / sizeof *local;
    if (s->api_allowed_hosts.count)
        return ended_list(arena, &s->api_allowed_hosts);
    if (!is_loopback(s->api_ip))
        return NULL;
    const char **items = arena_alloc(arena, (n + 2) * sizeof *items);
    memcpy(items, local, sizeof local);
    items[n] = s->api_ip;
    return items;
}

bool api_asks(const Settings *s)
{
    return s->api_start && !asks_nobody(s);
}

bool api_start(Api *api, Arena *arena, const Settings *s, Archive *archive, Auth *auth,
               const ApiEvents *events, Err *err)
{
    *api = (Api){0};
    if (!check(s, err) ||
        (!asks_nobody(s) && !(api->auth = web_auth_new(auth, is_loopback(s->api_ip), events->audit, err))))
        return false;
    WebSettings settings = {
        .http = {.address = s->api_ip,
                 .port = (uint16_t)s->api_port,
                 .tls_certificate = or_none(s->api_tls_certificate),
                 .tls_key = or_none(s->api_tls_key),
                 .allowed_hosts = allowed_hosts(arena, s),
                 .cors_origins = ended_list(arena, &s->api_cors_origins),
                 .trusted_proxies = ended_list(arena, &s->api_trusted_proxies),
                 .root = s->api_root,
                 .max_connections = (unsigned)s->api_max_connections,
                 .max_connections_per_peer = (unsigned)s->api_max_connections_per_peer,
                 .max_body = (uint64_t)s->api_max_body,
                 .gzip = true,
                 .authorize = api->auth ? web_authorize : NULL,
                 .authorize_ctx = api->auth},
        .dicomweb = s->api_dicomweb_start,
        .dicomweb_root = s->api_dicomweb_root,
        .decompress_pixels = s->api_dicomweb_decompress_pixels,
        .allow_delete = s->api_dicomweb_allow_delete,
        .trash_path = s->trash_path,
        .retrieve_ae = s->aet,
        .query_limit = (uint64_t)s->find_limit,
        .fold_names = s->find_fold_names,
        .annotations = s->api_annotation_start ? annotation_settings(arena, s) : NULL,
        .audit = events->audit,
        .stored = events->stored,
        .stored_ctx = events->ctx,
    };
    api->web = web_start(&settings, archive, err);
    if (!api->web)
        api_stop(api, 0);
    return api->web != NULL;
}

void api_stop(Api *api, int64_t grace_ms)
{
    web_stop(api->web, grace_ms);
    web_auth_free(api->auth);
    *api = (Api){0};
}
