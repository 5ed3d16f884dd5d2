// SPDX-License-Identifier: MIT
#include "px/swift_internal.h"

#include "px/document.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAGE_MAX = 64 << 20, PAGES_MAX = 100000, PIECE = 256 * 1024 };

PxSwift *px_swift_new(const PxSwiftService *service, const PxHttpSettings *http)
{
    PxSwift *swift = calloc(1, sizeof *swift);
    if (!swift)
        abort();
    swift->service = service;
    if (http)
        swift->http = *http;
    swift->http.ca = service->ca;
    pthread_mutex_init(&swift->lock, NULL);
    return swift;
}

void px_swift_free(PxSwift *swift)
{
    if (!swift)
        return;
    free(swift->token);
    free(swift->url);
    pthread_mutex_destroy(&swift->lock);
    free(swift);
}

PxSwiftLine *px_swift_open(PxSwift *swift)
{
    PxSwiftLine *line = calloc(1, sizeof *line);
    if (!line)
        abort();
    *line = (PxSwiftLine){swift, px_http_new(&swift->http)};
    return line;
}

void px_swift_close(PxSwiftLine *line)
{
    if (!line)
        return;
    px_http_free(line->http);
    free(line);
}

bool px_swift_is_out_of_reach(const Err *err)
{
    return err->http == 401 || err->http == 502 || err->code == ERR_TIMEOUT;
}

/* -- requests -- */

static const char *address(Arena *arena, const char *account, const char *container, const char *name,
                           const char *query)
{
    Buf url;
    buf_init(&url, 0);
    buf_printf(&url, "%s/", account);
    px_http_escape_value(&url, span_cstr(container));
    if (*name) {
        buf_u8(&url, '/');
        px_http_escape_path(&url, span_cstr(name));
    }
    buf_append_cstr(&url, query);
    const char *out = arena_strdup(arena, buf_cstr(&url));
    buf_free(&url);
    return out;
}

enum { HEADERS_MAX = 8 };

bool px_swift_ask(PxSwiftLine *line, Arena *arena, const char *container, const char *name, const char *query,
                  PxHttpRequest *r, PxHttpAnswer *answer, Err *err)
{
    const char *const *own = r->headers;
    const char *token = NULL, *account, *headers[HEADERS_MAX + 2];
    bool ok = false;
    *answer = (PxHttpAnswer){0};
    for (int renewed = 0; renewed < 2; renewed++) {
        ok = px_swift_identity(line, arena, token, &token, &account, err);
        if (!ok)
            break;
        size_t n = 0;
        headers[n++] = arena_printf(arena, "X-Auth-Token: %s", token);
        for (size_t i = 0; own && own[i] && i < HEADERS_MAX; i++)
            headers[n++] = own[i];
        headers[n] = NULL;
        r->url = address(arena, account, container, name, query);
        r->headers = headers;
        buf_free(&answer->body);
        ok = px_http(line->http, r, answer, err);
        if (!ok || answer->status != 401)
            break;
    }
    r->headers = own; /* those here end with this function */
    return ok;
}

/* What a status comes to that nobody wanted. */
static bool refused(PxSwiftLine *line, const PxHttpRequest *r, const PxHttpAnswer *answer, Err *err)
{
    px_http_refused(r, answer, err);
    if (!err)
        return false;
    if (answer->status == 401)
        err->http = 401;
    else if (answer->status == 403)
        err_wrap(err, "who logged in may not do this in container '%s'", line->swift->service->container);
    else if (answer->status < 500 || answer->status == 507)
        err->http = (uint16_t)answer->status;
    return false;
}

static bool no_container(PxSwiftLine *line, Err *err)
{
    err_set(err, ERR_NOT_FOUND,
            "the object store has no container '%s'; make it there, or set \"create\": true in the service",
            line->swift->service->container);
    if (err)
        err->http = 502;
    return false;
}

bool px_swift_make_container(PxSwiftLine *line, const char *container, Err *err)
{
    Arena *arena = arena_new(0);
    PxHttpRequest r = {.method = "PUT"};
    PxHttpAnswer answer;
    bool ok = px_swift_ask(line, arena, container, "", "", &r, &answer, err) &&
              (answer.status < 300 || refused(line, &r, &answer, err));
    buf_free(&answer.body);
    arena_free(arena);
    return ok || err_wrap(err, "container '%s' cannot be made", container);
}

/* -- going up -- */

bool px_swift_etag_is(PxSwiftLine *line, const char *md5)
{
    const char *etag = px_http_header(line->http, "Etag");
    Span s = span_cstr(etag);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = span_sub(s, 1, s.n - 2);
    return span_eq_nocase(s, span_cstr(md5));
}

bool px_swift_put_piece(PxSwiftLine *line, const char *container, const char *name, const char *query,
                        const char *const *headers, const PxHttpSource *source, const char *md5, Err *err)
{
    Arena *arena = arena_new(0);
    const char *all[HEADERS_MAX] = {0};
    size_t n = 0;
    if (md5)
        all[n++] = arena_printf(arena, "ETag: %s", md5);
    for (; headers && *headers && n < HEADERS_MAX - 1; headers++)
        all[n++] = *headers;
    PxHttpRequest r = {.method = "PUT", .headers = all, .source = source};
    PxHttpAnswer answer;
    bool ok = px_swift_ask(line, arena, container, name, query, &r, &answer, err);
    if (ok && answer.status == 404)
        ok = no_container(line, err);
    else if (ok && answer.status == 422)
        ok = err_set(err, ERR_MISMATCH,
                     "what came to the object store is not what was sent, or the file changed meanwhile");
    else if (ok && answer.status >= 300)
        ok = refused(line, &r, &answer, err);
    else if (ok && md5 && !px_swift_etag_is(line, md5))
        ok = err_set(err, ERR_MISMATCH, "the object store has another checksum than what was sent");
    buf_free(&answer.body);
    arena_free(arena);
    return ok;
}

bool px_swift_put(PxSwiftLine *line, const char *name, const PxSwiftContent *content, Err *err)
{
    if (strlen(name) > PX_SWIFT_NAME_MAX)
        return err_set(err, ERR_LIMIT, "the name of the object is longer than %d bytes", PX_SWIFT_NAME_MAX);
    const PxSwiftService *s = line->swift->service;
    Err problem = {0};
    for (int made = 0;; made++) {
        bool ok = content->segment ? px_swift_put_segments(line, name, content, &problem)
                                   : px_swift_put_piece(line, s->container, name, "", NULL, &content->source,
                                                        content->md5, &problem);
        if (ok)
            return true;
        if (problem.code != ERR_NOT_FOUND || !s->create || made) {
            if (err)
                *err = problem;
            return false;
        }
        if (!px_swift_make_container(line, s->container, err))
            return false;
    }
}

/* -- content -- */

void px_swift_content_free(PxSwiftContent *content)
{
    free(content->segment_md5);
    content->segment_md5 = NULL;
}

static void hex(EVP_MD_CTX *md, char out[PX_MD5_TEXT])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(md, sum, &n);
    for (unsigned i = 0; i < n && i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static void choose_segments(PxSwift *swift, PxSwiftContent *c)
{
    uint64_t size = c->source.size, segment = swift->service->segment;
    if (size <= segment)
        return;
    c->segment = segment;
    if (size / segment >= PX_SEGMENTS_MAX)
        c->segment = size / (PX_SEGMENTS_MAX - 1) + 1;
    c->segment_md5 = calloc((size_t)((size + c->segment - 1) / c->segment), sizeof *c->segment_md5);
    if (!c->segment_md5)
        abort();
}

bool px_swift_content(PxSwift *swift, const PxHttpSource *source, PxSwiftContent *out, Err *err)
{
    *out = (PxSwiftContent){.source = *source};
    choose_segments(swift, out);
    EVP_MD_CTX *whole = EVP_MD_CTX_new(), *part = EVP_MD_CTX_new();
    uint8_t *piece = malloc(PIECE);
    if (!whole || !part || !piece || !EVP_DigestInit_ex(whole, EVP_md5(), NULL))
        abort();
    bool ok = true;
    for (uint64_t at = 0; ok && at < source->size;) {
        uint64_t left = source->size - at, end = out->segment ? out->segment - at % out->segment : left;
        size_t n = left < PIECE ? (size_t)left : PIECE;
        n = n < end ? n : (size_t)end;
        ok = source->read(source->ctx, at, piece, n, err);
        if (!ok)
            break;
        EVP_DigestUpdate(whole, piece, n);
        if (out->segment && at % out->segment == 0)
            EVP_DigestInit_ex(part, EVP_md5(), NULL);
        if (out->segment)
            EVP_DigestUpdate(part, piece, n);
        at += n;
        if (out->segment && (at % out->segment == 0 || at == source->size))
            hex(part, out->segment_md5[(at - 1) / out->segment]);
    }
    hex(whole, out->md5);
    EVP_MD_CTX_free(whole);
    EVP_MD_CTX_free(part);
    free(piece);
    if (!ok)
        px_swift_content_free(out);
    return ok;
}

/* -- what is there -- */

static bool is_md5(const char *text)
{
    size_t n = 0;
    while (n < PX_MD5_TEXT && isxdigit((unsigned char)text[n]))
        n++;
    return n == PX_MD5_TEXT - 1 && !text[n];
}

/* Of a manifest the ETag is no checksum of the content; ours carry one. */
static void describe(PxSwiftLine *line, PxSwiftObject *out)
{
    const char *length = px_http_header(line->http, "Content-Length");
    int64_t size;
    *out = (PxSwiftObject){0};
    if (length && span_to_i64(span_cstr(length), 0, INT64_MAX, &size))
        out->size = (uint64_t)size;
    const char *md5 = px_http_header(line->http, "X-Object-Meta-Md5");
    bool large = px_http_header(line->http, "X-Static-Large-Object") ||
                 px_http_header(line->http, "X-Object-Manifest");
    if (!large)
        md5 = px_http_header(line->http, "Etag");
    if (md5 && is_md5(md5))
        memcpy(out->md5, md5, PX_MD5_TEXT);
}

bool px_swift_head_in(PxSwiftLine *line, const char *container, const char *name, PxSwiftObject *out,
                      bool *found, Err *err)
{
    Arena *arena = arena_new(0);
    PxHttpRequest r = {.method = "HEAD"};
    PxHttpAnswer answer;
    bool ok = px_swift_ask(line, arena, container, name, "", &r, &answer, err);
    *found = ok && answer.status < 300;
    if (*found)
        describe(line, out);
    else if (ok && answer.status != 404)
        ok = refused(line, &r, &answer, err);
    buf_free(&answer.body);
    arena_free(arena);
    return ok;
}

bool px_swift_head(PxSwiftLine *line, const char *name, PxSwiftObject *out, bool *found, Err *err)
{
    return px_swift_head_in(line, line->swift->service->container, name, out, found, err);
}

/* -- coming down -- */

typedef struct Download {
    const PxHttpSink *sink;
    EVP_MD_CTX *md5;
} Download;

static bool begin_download(void *ctx, Err *err)
{
    Download *d = ctx;
    EVP_DigestInit_ex(d->md5, EVP_md5(), NULL);
    return d->sink->begin(d->sink->ctx, err);
}

static bool take_download(void *ctx, Span bytes, Err *err)
{
    Download *d = ctx;
    EVP_DigestUpdate(d->md5, bytes.p, bytes.n);
    return d->sink->take(d->sink->ctx, bytes, err);
}

bool px_swift_get(PxSwiftLine *line, const char *name, const PxHttpSink *sink, PxSwiftObject *out, Err *err)
{
    Arena *arena = arena_new(0);
    Download d = {sink, EVP_MD_CTX_new()};
    PxHttpSink counted = {&d, begin_download, take_download};
    PxHttpRequest r = {.method = "GET", .sink = &counted};
    PxHttpAnswer answer;
    PxSwiftObject object = {0};
    if (!d.md5)
        abort();
    bool ok = px_swift_ask(line, arena, line->swift->service->container, name, "", &r, &answer, err) &&
              (answer.status < 300 || refused(line, &r, &answer, err));
    if (ok) {
        char md5[PX_MD5_TEXT] = "";
        hex(d.md5, md5);
        describe(line, &object);
        ok = !*object.md5 || !strcasecmp(md5, object.md5) ||
             err_set(err, ERR_MISMATCH, "what came from the object store has another checksum than it says");
    }
    if (out)
        *out = object;
    EVP_MD_CTX_free(d.md5);
    buf_free(&answer.body);
    arena_free(arena);
    return ok;
}

/* -- lists -- */

/* "" also for what is longer than any name. */
static const char *text_of(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return json_is_string(text) && json_string_length(text) <= PX_SWIFT_NAME_MAX ? json_string_value(text)
                                                                                 : "";
}

/* One page; *last is its last name, "" at the end. */
static bool visit_page(const json_t *page, const char *prefix, PxSwiftVisit visit, void *ctx,
                       char last[PX_SWIFT_NAME_MAX + 1], Err *err)
{
    if (!json_is_array(page))
        return err_set(err, ERR_FORMAT, "the object store answered with something that is no list");
    bool ok = true;
    size_t i;
    json_t *one;
    char before[PX_SWIFT_NAME_MAX + 1];
    memcpy(before, last, sizeof before);
    *last = 0;
    json_array_foreach(page, i, one)
    {
        PxSwiftEntry entry = {.name = text_of(one, "name"),
                              .hash = text_of(one, "hash"),
                              .last_modified = text_of(one, "last_modified"),
                              .content_type = text_of(one, "content_type"),
                              .is_static = json_object_get(one, "slo_etag")};
        json_int_t bytes = json_integer_value(json_object_get(one, "bytes"));
        entry.bytes = bytes > 0 ? (uint64_t)bytes : 0;
        if (!*entry.name || strcmp(entry.name, before) <= 0 ||
            !span_copy(span_cstr(entry.name), last, PX_SWIFT_NAME_MAX + 1))
            return err_set(err, ERR_FORMAT, "the object store's list is not in order");
        /* What was not asked for must be neither pulled nor deleted. */
        if (!span_starts(span_cstr(entry.name), span_cstr(prefix)))
            return err_set(err, ERR_FORMAT, "the object store lists what was not asked for");
        ok = visit(ctx, &entry, err);
        if (!ok)
            break;
    }
    return ok;
}

bool px_swift_list_in(PxSwiftLine *line, const char *container, const char *prefix, PxSwiftVisit visit,
                      void *ctx, Err *err)
{
    char last[PX_SWIFT_NAME_MAX + 1] = "";
    bool ok = true, end = false;
    for (unsigned pages = 0; ok && !end && pages < PAGES_MAX; pages++) {
        Arena *arena = arena_new(0);
        Buf query;
        buf_init(&query, 0);
        buf_append_cstr(&query, "?format=json");
        if (*last)
            buf_append_cstr(&query, "&marker=");
        px_http_escape_value(&query, span_cstr(last));
        buf_append_cstr(&query, "&prefix=");
        px_http_escape_value(&query, span_cstr(prefix));
        PxHttpRequest r = {.method = "GET", .body_max = PAGE_MAX};
        PxHttpAnswer answer;
        ok = px_swift_ask(line, arena, container, "", buf_cstr(&query), &r, &answer, err);
        if (ok && answer.status == 404)
            ok = no_container(line, err);
        else if (ok && answer.status >= 300)
            ok = refused(line, &r, &answer, err);
        json_t *page = NULL;
        if (ok && answer.status == 204)
            *last = 0;
        else if (ok)
            ok = (page = px_json_read(buf_span(&answer.body), "the object store's list", err)) &&
                 visit_page(page, prefix, visit, ctx, last, err);
        end = !*last;
        json_decref(page);
        buf_free(&answer.body);
        buf_free(&query);
        arena_free(arena);
    }
    return ok &&
           (end || err_set(err, ERR_LIMIT, "the object store's list has more than %d pages", PAGES_MAX));
}

bool px_swift_list(PxSwiftLine *line, const char *prefix, PxSwiftVisit visit, void *ctx, Err *err)
{
    return px_swift_list_in(line, line->swift->service->container, prefix, visit, ctx, err);
}
