// SPDX-License-Identifier: MIT
/*
 * Store, PS3.18 §10.5 (STOW-RS): DICOM files, each of which goes into an ingest as it comes, whatever the size of the request; or metadata and bulk data
 * (store_metadata.c), of which the objects are made at the end.
 *
 * A body that breaks off loses the object that was on its way, never those before it.
 */
#include "web/store.h"
#include "base/cond.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- parts -- */

static bool begin_file(Stow *s, const MultipartPart *part, Err *err)
{
    if (!stow_begin_object(s, err))
        return false;
    if (!*part->type || !strcmp(part->type, "application/dicom") ||
        !strcmp(part->type, "application/octet-stream"))
        return true;
    err_set(&s->current->err, ERR_UNSUPPORTED, "a part of type %.60s is no DICOM file", part->type);
    stow_fail_object(s->current);
    return true;
}

static bool part_begins(void *ctx, const MultipartPart *part, Err *err)
{
    Stow *s = ctx;
    if (s->any_kind && stow_is_metadata(part->type))
        s->metadata = stow_metadata_new(s->service->web->archive);
    s->any_kind = false;
    return s->metadata ? stow_metadata_begin(s->metadata, part, err) : begin_file(s, part, err);
}

static bool part_data(void *ctx, Span piece, Err *err)
{
    Stow *s = ctx;
    if (s->metadata)
        return stow_metadata_data(s->metadata, piece, err);
    stow_feed_object(s->current, piece);
    return true;
}

static bool part_ends(void *ctx, Err *err)
{
    Stow *s = ctx;
    if (s->metadata)
        return stow_metadata_end(s->metadata, err);
    stow_end_object(s);
    return true;
}

/* -- the exchange -- */

static void free_store(void *ctx)
{
    Stow *s = ctx;
    stow_free_objects(s);
    multipart_reader_free(s->reader);
    stow_metadata_free(s->metadata);
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

#define CONSUMES                                                                                             \
    "multipart/related; type=\"application/dicom\", multipart/related; type=\"application/dicom+json\", "    \
    "multipart/related; type=\"application/dicom+xml\", application/dicom, application/dicom+json, "         \
    "application/dicom+xml"

static void refuse_type(HttpExchange *x)
{
    http_header(x, "Accept-Post", CONSUMES);
    http_refuse(x, 415,
                "a store request has Content-Type multipart/related; type=\"application/dicom\"; boundary=… "
                "(one file in each part), application/dicom (one file), or multipart/related with "
                "type=\"application/dicom+json\" or \"application/dicom+xml\" (metadata, then bulk data)");
}

/* Is this the media type, whatever its parameters? */
static bool is_type(const char *type, const char *name)
{
    size_t n = strlen(name);
    return !strncasecmp(type, name, n) && (!type[n] || strchr("; \t", type[n]));
}

/* The type of the root part: "" when it is not said. */
static const char *root_type(HttpExchange *x, const char *type)
{
    const char *p = strcasestr(type, "type=");
    while (p && !strchr("; \t", p[-1]))
        p = strcasestr(p + 1, "type=");
    if (!p)
        return "";
    p += strlen("type=");
    p += *p == '"';
    char *root = arena_span_cstr(http_arena(x), span_of(p, strcspn(p, "\"; \t")));
    for (char *c = root; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return root;
}

/* NULL: neither files nor metadata. */
static const char *kind_of_body(HttpExchange *x, const char *type, bool *parts)
{
    static const char *const kinds[] = {"application/dicom", "application/dicom+json",
                                        "application/dicom+xml"};
    *parts = is_type(type, "multipart/related");
    const char *wanted = *parts ? root_type(x, type) : type;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_type(wanted, kinds[i]))
            return kinds[i];
    return *parts && (!*wanted || is_type(wanted, "application/octet-stream")) ? "" : NULL;
}

static Stow *new_store(HttpExchange *x, const WebService *service)
{
    Stow *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->x = x;
    s->service = service;
    s->client = http_client(x);
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    cond_init(&s->done);
    http_set_state(x, s, free_store);
    return s;
}

static void begin(HttpExchange *x, void *ctx)
{
    const char *type = http_request_header(x, "Content-Type"), *boundary = NULL;
    size_t parameters;
    bool parts = false;
    Err err = {0};
    const char *kind = type ? kind_of_body(x, type, &parts) : NULL;
    if (!kind || (parts && !(boundary = multipart_boundary(http_arena(x), type)))) {
        refuse_type(x);
        return;
    }
    http_parameters(x, &parameters);
    if (parameters)
        http_header(x, "Warning", "299 gantry \"a store request has no parameters; they were ignored\"");
    Stow *s = new_store(x, ctx);
    bool metadata = stow_is_metadata(kind);
    s->any_kind = !*kind;
    if (metadata)
        s->metadata = stow_metadata_new(s->service->web->archive);
    if (parts)
        s->reader = multipart_reader_new(boundary, &(MultipartHandler){part_begins, part_data, part_ends, s});
    else if (metadata)
        stow_metadata_begin(s->metadata, &(MultipartPart){kind, "", "", "", ""}, &err);
    else
        stow_begin_object(s, &err);
}

/* The body is no multipart: what came before that is stored and reported, unless it is nothing. */
static void answer_broken(Stow *s, const Err *why)
{
    if (s->current) {
        s->current->err = *why;
        if (s->current->ingest)
            stow_fail_object(s->current);
        s->current = NULL;
    }
    stow_wait(s, 0);
    bool any = false;
    for (const StowObject *o = s->first; o; o = o->next)
        any = any || o->ok;
    if (any)
        stow_answer(s);
    else
        http_problem(s->x, why);
}

static bool body(HttpExchange *x, void *ctx, Span piece)
{
    (void)ctx;
    Stow *s = http_state(x);
    Err err = {0};
    if (s->reader ? multipart_feed(s->reader, piece, &err) : part_data(s, piece, &err))
        return true;
    answer_broken(s, &err);
    return false;
}

static void end(HttpExchange *x, void *ctx)
{
    (void)ctx;
    Stow *s = http_state(x);
    Err err = {0};
    if (!(s->reader ? multipart_finish(s->reader, &err) : part_ends(s, &err)) ||
        (s->metadata && !stow_metadata_store(s, &err))) {
        answer_broken(s, &err);
        return;
    }
    stow_wait(s, 0);
    if (s->first)
        stow_answer(s);
    else
        http_refuse(x, 400, "the request has no object in it");
}

#define STORE(path, text)                                                                                    \
    {                                                                                                        \
        .method = "POST", .pattern = path, .role = USER_WRITE, .handler = {begin, body, end},                \
        .summary = text,                                                                                     \
        .answers = "200 application/dicom+json, application/dicom+xml; 202; 400; 409; 413; 415; 507",        \
        .consumes = CONSUMES                                                                                 \
    }
const HttpRoute web_store_routes[] = {
    STORE("/studies", "Store objects"),
    STORE("/studies/{study}", "Store objects of one study"),
};
const size_t web_store_route_count = sizeof web_store_routes / sizeof *web_store_routes;
