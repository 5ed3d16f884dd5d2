// SPDX-License-Identifier: MIT
#include "px/cube.h"

#include "px/http_client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    TIMEOUT_MS = 90000,
    TRIES = 4,
    ANSWER_MAX = 32 << 20,
    PAGE = 200, /* CUBE's own default is 10 */
    ITEMS_MAX = 1000000,
    PAGES_MAX = 10000,
};

typedef struct Place {
    const char *url; /* NULL: not offered */
    json_t *list;    /* the collection, for its search */
    bool takes;      /* new entries */
} Place;

struct PxCube {
    PxHttp *http;
    Arena *arena;
    PxCubeSettings settings;
    const char *url;
    size_t origin; /* the part of url before the path */
    Place places[2];
};

static const char *const rels[] = {[PX_REGISTER_FILES] = "pacsfiles", [PX_REGISTER_SERIES] = "pacsseries"};

/* -- requests -- */

/* Where a link leads, absolute. NULL when that is another host, which must not learn the password. */
static const char *follow(PxCube *cube, const char *href, Err *err)
{
    if (href[0] == '/' && href[1] != '/')
        return arena_printf(cube->arena, "%.*s%s", (int)cube->origin, cube->url, href);
    if (!strncasecmp(href, cube->url, cube->origin) && href[cube->origin] == '/')
        return arena_strdup(cube->arena, href);
    err_set(err, ERR_REFUSED,
            "CUBE at %s links to another address, %.100s; ask it by that one, so that the password goes to "
            "one host only",
            cube->url, href);
    return NULL;
}

/* CUBE's reason, which is UTF-8, without control characters and without the path: that may have a patient's name in it. */
static void put_reason(Buf *out, const char *message, const char *path)
{
    enum { MAX_REASON = 300 };
    Span rest = span_cstr(message), hidden = span_cstr(path);
    while (rest.n && out->n < MAX_REASON) {
        size_t n = span_utf8_length(rest);
        if (hidden.n && span_starts(rest, hidden)) {
            buf_append_cstr(out, "(the path)");
            n = hidden.n;
        } else if (n == 0 || rest.p[0] < 0x20 || rest.p[0] == 0x7F ||
                   (rest.p[0] == 0xC2 && rest.p[1] < 0xA0)) {
            buf_u8(out, ' ');
        } else {
            buf_append(out, rest.p, n);
        }
        rest = span_sub(rest, n ? n : 1, SIZE_MAX);
    }
}

static bool refused(const PxCube *cube, unsigned status, const char *message, const char *path, Err *err)
{
    Buf reason;
    buf_init(&reason, 0);
    put_reason(&reason, message, path);
    const char *text = buf_cstr(&reason);
    if (status == 401)
        err_set(err, ERR_REFUSED, "CUBE at %s does not accept user %.60s with this password (401): %s",
                cube->url, cube->settings.user, text);
    else if (status == 403)
        err_set(err, ERR_REFUSED,
                "CUBE at %s does not let user %.60s do this (403; it takes images from user chris only): %s",
                cube->url, cube->settings.user, text);
    else if (status == 405)
        err_set(err, ERR_UNSUPPORTED,
                "CUBE at %s takes no images over its API, only from a receiver of its own (405): %s",
                cube->url, text);
    else
        err_set(err, status >= 500 ? ERR_IO : ERR_REFUSED, "CUBE refused it (%u): %s", status, text);
    buf_free(&reason);
    return false;
}

/* One request. The collection (caller frees), also of a refusal; NULL and err without one. */
static json_t *request(PxCube *cube, const char *method, const char *url, Span body, unsigned *status,
                       Err *err)
{
    static const char *const headers[] = {"Accept: " PX_COLLECTION_TYPE, "Content-Type: " PX_COLLECTION_TYPE,
                                          NULL};
    PxHttpRequest asked = {.method = method,
                           .url = url,
                           .headers = headers,
                           .user = cube->settings.user,
                           .password = cube->settings.password,
                           .body = body,
                           .body_max = ANSWER_MAX};
    PxHttpAnswer answer = {0};
    json_t *collection = NULL;
    *status = 0;
    if (cube->settings.trace)
        fprintf(cube->settings.trace, "%s %s\n", method, url);
    if (px_http(cube->http, &asked, &answer, err)) {
        *status = answer.status;
        collection = px_collection_read(buf_span(&answer.body), err);
        if (!collection && (answer.status < 200 || answer.status >= 300)) {
            err_clear(err);
            px_http_refused(&asked, &answer, err);
        }
    }
    buf_free(&answer.body);
    if (!collection)
        err_wrap(err, "CUBE at %s", cube->url);
    return collection;
}

static json_t *get(PxCube *cube, const char *url, Buf *said, Err *err)
{
    unsigned status;
    json_t *collection = request(cube, "GET", url, (Span){0}, &status, err);
    const char *message = px_collection_message(collection);
    if (!collection || (status < 300 && !message))
        return collection;
    message = message ? message : "no reason given";
    buf_append_cstr(said, message);
    refused(cube, status, message, NULL, err);
    json_decref(collection);
    return NULL;
}

/* -- opening -- */

static bool set_url(PxCube *cube, const char *url, Err *err)
{
    const char *host = !strncasecmp(url, "http://", 7)    ? url + 7
                       : !strncasecmp(url, "https://", 8) ? url + 8
                                                          : NULL;
    size_t n = host ? strcspn(host, "/?#") : 0;
    if (!n || memchr(host, '@', n) || strpbrk(url, "?# \t\r\n"))
        return err_set(err, ERR_USAGE,
                       "CUBE's address must look like http://HOST:8000/api/v1/, without user and password");
    cube->origin = (size_t)(host - url) + n;
    cube->url = arena_printf(cube->arena, "%s%s", url, url[strlen(url) - 1] == '/' ? "" : "/");
    return true;
}

static PxCube *new_cube(const PxCubeSettings *settings)
{
    PxCube *cube = calloc(1, sizeof *cube);
    if (!cube)
        abort();
    cube->arena = arena_new(0);
    cube->settings = *settings;
    cube->settings.user = arena_strdup(cube->arena, settings->user);
    cube->settings.password = arena_strdup(cube->arena, settings->password);
    cube->settings.ca = settings->ca ? arena_strdup(cube->arena, settings->ca) : NULL;
    cube->http =
        px_http_new(&(PxHttpSettings){.silence_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
                                      .ca = cube->settings.ca,
                                      .pause_ms = settings->pause_ms,
                                      .tries = TRIES});
    return cube;
}

static bool discover(PxCube *cube, Buf *said, Err *err)
{
    json_t *root = get(cube, cube->url, said, err);
    if (!root)
        return false;
    bool ok = true;
    for (size_t api = 0; ok && api < 2; api++) {
        Place *place = &cube->places[api];
        const char *href = px_collection_link(root, rels[api]);
        ok = !href ||
             ((place->url = follow(cube, href, err)) && (place->list = get(cube, place->url, said, err)));
        place->takes = place->list && px_collection_takes(place->list);
    }
    json_decref(root);
    if (ok && !cube->places[PX_REGISTER_FILES].url && !cube->places[PX_REGISTER_SERIES].url)
        ok = err_set(err, ERR_UNSUPPORTED,
                     "%s is an API without PACS files (no link pacsfiles, none pacsseries); is it the top of "
                     "CUBE's API, "
                     "http://HOST:8000/api/v1/?",
                     cube->url);
    return ok;
}

PxCube *px_cube_open(const PxCubeSettings *settings, Buf *message, Err *err)
{
    PxCube *cube = new_cube(settings);
    if (set_url(cube, settings->url, err) && discover(cube, message, err))
        return cube;
    px_cube_close(cube);
    return NULL;
}

PxCube *px_cube_another(const PxCube *cube)
{
    PxCube *other = new_cube(&cube->settings);
    other->url = arena_strdup(other->arena, cube->url);
    other->origin = cube->origin;
    for (size_t api = 0; api < 2; api++) {
        const Place *from = &cube->places[api];
        other->places[api] = (Place){.url = from->url ? arena_strdup(other->arena, from->url) : NULL,
                                     .list = from->list ? json_deep_copy(from->list) : NULL,
                                     .takes = from->takes};
    }
    return other;
}

void px_cube_close(PxCube *cube)
{
    if (!cube)
        return;
    for (size_t api = 0; api < 2; api++)
        json_decref(cube->places[api].list);
    px_http_free(cube->http);
    arena_free(cube->arena);
    free(cube);
}

bool px_cube_offers(const PxCube *cube, PxRegisterApi api)
{
    return cube->places[api].takes;
}

const char *px_cube_url(const PxCube *cube)
{
    return cube->url;
}

/* -- searching -- */

/* Adds a page's items. *next is the address of the next page, NULL behind the last. */
static bool take_page(PxCube *cube, const char *url, json_t *found, const char **next, Err *err)
{
    Buf said;
    buf_init(&said, 0);
    json_t *page = get(cube, url, &said, err);
    buf_free(&said);
    if (!page)
        return false;
    size_t n = px_collection_count(page);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(found, px_collection_item(page, i));
    const char *href = n ? px_collection_link(page, "next") : NULL;
    *next = href ? follow(cube, href, err) : NULL;
    json_decref(page);
    if (*next && !strcmp(*next, url))
        return err_set(err, ERR_FORMAT, "CUBE at %s says that a page follows itself", cube->url);
    if (json_array_size(found) > ITEMS_MAX)
        return err_set(err, ERR_LIMIT, "CUBE at %s finds more than %d entries", cube->url, ITEMS_MAX);
    return !href || *next;
}

json_t *px_cube_search(PxCube *cube, PxRegisterApi api, const PxParameter *keys, size_t n, Err *err)
{
    const char *href = px_collection_search(cube->arena, cube->places[api].list, keys, n);
    if (!href)
        return json_null();
    const char *url = follow(cube, href, err);
    if (url)
        url = arena_printf(cube->arena, "%s%climit=%d", url, strchr(url, '?') ? '&' : '?', PAGE);
    json_t *found = json_array();
    bool ok = url != NULL;
    for (size_t pages = 0; ok && url; pages++)
        ok = (pages < PAGES_MAX || err_set(err, ERR_LIMIT, "CUBE at %s finds more than %d pages of entries",
                                           cube->url, PAGES_MAX)) &&
             take_page(cube, url, found, &url, err);
    if (ok)
        return found;
    json_decref(found);
    return NULL;
}

/* -- adding -- */

PxCubeOutcome px_cube_add(PxCube *cube, PxRegisterApi api, const json_t *fields, json_t **item, Buf *message,
                          Err *err)
{
    Buf body;
    buf_init(&body, 0);
    px_collection_template(fields, &body);
    unsigned status;
    json_t *collection = request(cube, "POST", cube->places[api].url, buf_span(&body), &status, err);
    buf_free(&body);
    if (!collection)
        return PX_CUBE_UNUSABLE;
    const char *said = px_collection_message(collection);
    bool done = status < 300 && !said;
    if (done) {
        *item = px_collection_item(collection, 0);
    } else {
        said = said ? said : "no reason given";
        buf_append_cstr(message, said);
        refused(cube, status, said, json_string_value(json_object_get(fields, "path")), err);
    }
    json_decref(collection);
    if (done)
        return PX_CUBE_DONE;
    return status == 400 || status == 409 || status == 413 || status == 422 || status < 300
               ? PX_CUBE_REFUSED
               : PX_CUBE_UNUSABLE;
}
