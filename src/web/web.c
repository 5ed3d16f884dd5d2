// SPDX-License-Identifier: MIT
#include "web/web.h"

#include "base/clock.h"
#include "base/log.h"
#include "web/audit.h"
#include "web/metadata_write.h"
#include "web/web_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FRAME_CACHE = 256,         /* objects whose frames are remembered */
    RENDERED_BYTES = 64 << 20, /* images that are remembered */
    METADATA_BYTES = 12 << 20,
    PAGES = 1024, /* searches that clients are in the middle of … */
    PAGES_KEPT_MS = 10 * 60 * 1000,
    /* Objects of STOW requests that are made durable at a time: those that wait for the committer together share its syncs and its transaction. */
    COMMITTERS = 64,
    COMMITTERS_BACKLOG = 16, /* they hold a block of the store each */
    HELPERS_MAX = 8,
};

const HttpRoute web_own_routes[] = {
    {"GET", "/", USER_ANYBODY, {.end = web_front_page}, "This page", .answers = "200 text/html"},
    {"GET",
     "/health",
     USER_ANYBODY,
     {.end = web_health},
     "Is the archive well: its index, its disk",
     .answers = "200 application/json; 503 application/json"},
    {"GET",
     "/metrics",
     USER_READ,
     {.end = web_metrics},
     "Figures for Prometheus",
     .answers = "200 text/plain; 401; 403"},
    {"GET",
     "/openapi.json",
     USER_ANYBODY,
     {.end = web_openapi},
     "These routes for programs (OpenAPI 3.0)",
     .answers = "200 application/json"},
    {"GET",
     "/swagger.json",
     USER_ANYBODY,
     {.end = web_openapi},
     "The same under SPHERE's name",
     .answers = "200 application/json"},
    {"GET",
     "/swagger.yaml",
     USER_ANYBODY,
     {.end = web_openapi},
     "The same as YAML",
     .answers = "200 application/yaml"},
    {"GET",
     "/swagger/",
     USER_ANYBODY,
     {.end = web_front_page},
     "This page under SPHERE's name",
     .answers = "200 text/html"},
    {"GET",
     "/redoc/",
     USER_ANYBODY,
     {.end = web_front_page},
     "This page under SPHERE's name",
     .answers = "200 text/html"},
};
const size_t web_own_route_count = sizeof web_own_routes / sizeof *web_own_routes;

/* The names of the parameters: their values may be a patient's name. */
static const char *parameter_names(const HttpExchange *x, char *out, size_t size)
{
    size_t count, at = 0;
    const HttpParameter *p = http_parameters(x, &count);
    out[0] = 0;
    for (size_t i = 0; i < count && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%.40s", i ? "," : " parameters=", p[i].name);
    return out;
}

/* Paths and names are the client's text: what could forge a line of the log is shown as '?'. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text < 0x20 || *text == 0x7F)
            *text = '?';
}

static void finished(void *ctx, const HttpExchange *x, unsigned status, uint64_t sent, int64_t microseconds)
{
    web_count(x, status, sent, microseconds);
    web_audit_finished(&((WebServer *)ctx)->context, x, status);
    if (!log_enabled(LOG_INFO, "api_dicomweb"))
        return;
    char line[700], names[300];
    int n = snprintf(line, sizeof line, "%.8s %.300s%s", http_method(x), http_path(x),
                     parameter_names(x, names, sizeof names));
    if (n < 0)
        return;
    make_plain(line);
    log_info("api_dicomweb",
             "%s status=%u sent=%" PRIu64 " received=%" PRIu64 " ms=%" PRId64 ".%03" PRId64
             " client=%s user=%s request=%lu",
             line, status, sent, http_received(x), microseconds / 1000, microseconds % 1000, http_client(x),
             *http_user(x) ? http_user(x) : "-", http_number(x));
}

static bool authorize(void *ctx, HttpExchange *x, UserRole role)
{
    const WebServer *server = ctx;
    const HttpSettings *http = &server->settings.http;
    return (!http->authorize || http->authorize(http->authorize_ctx, x, role)) &&
           web_audit_may_serve(&server->settings, x);
}

/* Retrieve Capabilities, PS3.18 §8.9. */
static const HttpRoute capability_routes[] = {
    {"OPTIONS",
     "",
     USER_ANYBODY,
     {.end = web_openapi},
     "What this service can do",
     .answers = "200 application/json"},
    {"OPTIONS",
     "/",
     USER_ANYBODY,
     {.end = web_openapi},
     "What this service can do",
     .answers = "200 application/json"},
};

static void add_dicomweb(WebServer *server)
{
    const WebSettings *s = &server->settings;
    server->standard = (WebService){.web = &server->context, .retrieve_prefix = s->dicomweb_root};
    server->sphere = (WebService){
        .web = &server->context, .retrieve_prefix = "/wadors", .default_limit = 100, .sphere = true};
    const struct {
        const char *prefix;
        const HttpRoute *routes;
        size_t count;
        void *service;
    } tables[] = {
        {s->dicomweb_root, web_search_routes, web_search_route_count, &server->standard},
        {s->dicomweb_root, web_metadata_routes, web_metadata_route_count, &server->standard},
        {s->dicomweb_root, web_retrieve_routes, web_retrieve_route_count, &server->standard},
        {s->dicomweb_root, web_frame_routes, web_frame_route_count, &server->standard},
        {s->dicomweb_root, web_rendered_routes, web_rendered_route_count, &server->standard},
        {"/wadors", web_rendered_routes, web_rendered_route_count, &server->sphere},
        {s->dicomweb_root, web_bulkdata_routes, web_bulkdata_route_count, &server->standard},
        {s->dicomweb_root, web_bulkdata_all_routes, web_bulkdata_all_route_count, &server->standard},
        {s->dicomweb_root, web_remove_routes, web_remove_route_count, &server->standard},
        {s->dicomweb_root, capability_routes, 2, server},
        {"", web_uri_routes, web_uri_route_count, &server->standard},
        {s->dicomweb_root, web_uri_routes, web_uri_route_count, &server->standard},
        {s->dicomweb_root, web_store_routes, web_store_route_count, &server->standard},
        {"/qidors", web_search_routes, web_search_route_count, &server->sphere},
        {"/wadors", web_metadata_routes, web_metadata_route_count, &server->sphere},
        {"/wadors", web_retrieve_routes, web_retrieve_route_count, &server->sphere},
        {"/wadors", web_frame_routes, web_frame_route_count, &server->sphere},
        {"/wadors", web_bulkdata_routes, web_bulkdata_route_count, &server->sphere},
        {"/wadors", web_bulkdata_all_routes, web_bulkdata_all_route_count, &server->sphere},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        http_add_routes(server->http, tables[i].prefix, tables[i].routes, tables[i].count, tables[i].service);
}

static bool add_annotations(WebServer *server, Err *err)
{
    server->annotations = web_annotations_new(server->settings.annotations, server->context.archive, err);
    if (!server->annotations)
        return false;
    http_add_routes(server->http, "", web_annotation_routes, web_annotation_route_count, server->annotations);
    http_add_routes(server->http, "", web_annotation_save_routes, web_annotation_save_route_count,
                    server->annotations);
    return true;
}

/* The thread of the connection works, too. */
static Pool *helpers_new(void)
{
    long others = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    size_t n = others > HELPERS_MAX ? HELPERS_MAX : others > 0 ? (size_t)others : 0;
    return n ? pool_new(n, 2 * n, metadata_help, NULL) : NULL;
}

WebServer *web_start(const WebSettings *settings, Archive *archive, Err *err)
{
    WebServer *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->settings = *settings;
    server->context =
        (WebContext){.settings = &server->settings,
                     .archive = archive,
                     .frames = arc_frame_cache_new(archive, FRAME_CACHE),
                     .rendered = render_cache_new(RENDERED_BYTES),
                     .metadata = render_cache_new(METADATA_BYTES),
                     .pages = web_pages_new(PAGES, PAGES_KEPT_MS),
                     .committers = pool_new(COMMITTERS, COMMITTERS_BACKLOG, web_store_commit, NULL),
                     .helpers = helpers_new()};
    server->began_ms = clock_ms();
    HttpSettings http = settings->http;
    http.finished = finished;
    http.finished_ctx = server;
    http.authorize = authorize;
    http.authorize_ctx = server;
    server->http = http_start(&http, err);
    if (!server->http)
        goto failed;
    http_add_routes(server->http, "", web_own_routes, web_own_route_count, server);
    if (settings->dicomweb)
        add_dicomweb(server);
    if (settings->annotations && !add_annotations(server, err))
        goto failed;
    if (!http_serve(server->http, err))
        goto failed;
    return server;
failed:
    web_stop(server, 0);
    return NULL;
}

uint16_t web_port(const WebServer *server)
{
    return http_port(server->http);
}

void web_stop(WebServer *server, int64_t grace_ms)
{
    if (!server)
        return;
    http_stop(server->http, grace_ms);
    pool_finish(server->context.committers);
    if (server->context.helpers)
        pool_finish(server->context.helpers);
    web_pages_free(server->context.pages);
    arc_frame_cache_free(server->context.frames);
    render_cache_free(server->context.rendered);
    render_cache_free(server->context.metadata);
    web_annotations_free(server->annotations);
    free(server);
}
