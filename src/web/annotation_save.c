// SPDX-License-Identifier: MIT
/*
 * POST /save_annotation/, SPHERE's way to attach a file: a JSON object names a file on the server's machine, the UID of what it belongs to and its level. What its clients
 * rely on stays: the order of the checks, status 400 with "detail" (and "example data", or "level" in its place) and 200 with "received data". What is new: 200 only
 * when file and rows are durable, true statuses otherwise, level study, and files only of folders that the settings name.
 *
 * Refusals are problem documents (RFC 9457) with SPHERE's members in them.
 */
#include "base/json.h"
#include "web/annotation.h"
#include "web/annotation_source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BODY_MAX = 64 << 10 };

static void free_body(void *state)
{
    buf_free(state);
    free(state);
}

static void begin(HttpExchange *x, void *ctx)
{
    (void)ctx;
    const char *type = http_request_header(x, "Content-Type");
    if (!type || strncasecmp(type, "application/json", 16) != 0 || (type[16] && !strchr("; ", type[16]))) {
        http_header(x, "Accept-Post", "application/json");
        http_refuse(x, 415, "Unsupported media type \"%.100s\" in request; it must be application/json",
                    type ? type : "");
        return;
    }
    Buf *text = malloc(sizeof *text);
    if (!text)
        abort();
    buf_init(text, BODY_MAX);
    http_set_state(x, text, free_body);
}

static bool take_piece(HttpExchange *x, void *ctx, Span piece)
{
    (void)ctx;
    if (buf_append_span(http_state(x), piece))
        return true;
    http_refuse(x, 413, "the request is larger than %d bytes", BODY_MAX);
    return false;
}

/* -- refusals as SPHERE's clients know them -- */

static void write_example(JsonWriter *w)
{
    json_key(w, "example data");
    json_begin_object(w);
    json_member(w, "file_path", "/path/of/the/file");
    json_member(w, "uid", "1.2.840.1.2.3");
    json_member(w, "level", "instance");
    json_end_object(w);
}

typedef enum Members { DETAIL, DETAIL_AND_EXAMPLE, LEVEL } Members;

static void refuse(HttpExchange *x, Members members, const char *text)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "type", "about:blank");
    json_member(&w, "title", "Bad Request");
    json_member_int(&w, "status", 400);
    if (members == LEVEL)
        json_member(&w, "level", text);
    json_member(&w, "detail", text);
    if (members == DETAIL_AND_EXAMPLE)
        write_example(&w);
    json_member_int(&w, "request", (int64_t)http_number(x));
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    http_answer_buf(x, 400, "application/problem+json", &out);
    buf_free(&out);
}

/* -- checks, in SPHERE's order -- */

typedef struct Request {
    json_t *received;
    const char *level, *uid, *path, *media;
    DcmLevel at;
} Request;

static bool read_texts(HttpExchange *x, Request *r)
{
    Arena *arena = http_arena(x);
    const struct {
        const char *key, **text;
    } keys[] = {{"level", &r->level}, {"uid", &r->uid}, {"file_path", &r->path}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_object_get(r->received, keys[i].key)) {
            refuse(x, DETAIL, arena_printf(arena, "the key %s is missing", keys[i].key));
            return false;
        }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(r->received, keys[i].key);
        *keys[i].text = json_string_value(value);
        if (*keys[i].text && **keys[i].text)
            continue;
        const char *what = *keys[i].text || json_is_null(value) ? "is empty" : "is no text";
        refuse(x, DETAIL, arena_printf(arena, "the value of %s %s", keys[i].key, what));
        return false;
    }
    r->media = json_string_value(json_object_get(r->received, "media_type"));
    return true;
}

static bool read_request(HttpExchange *x, const Buf *body, Request *r)
{
    json_error_t why;
    if (body->n == 0) {
        refuse(x, DETAIL, "JSON parse error - the request has no body");
        return false;
    }
    r->received = json_loadb((const char *)body->p, body->n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!r->received) {
        refuse(x, DETAIL,
               arena_printf(http_arena(x), "JSON parse error - %.150s: line %d column %d", why.text, why.line,
                            why.column));
        return false;
    }
    if (!json_is_object(r->received)) {
        refuse(x, DETAIL_AND_EXAMPLE, "the request must be a JSON object");
        return false;
    }
    if (!read_texts(x, r))
        return false;
    if (!idx_annotation_level(span_cstr(r->level), &r->at)) {
        refuse(x, LEVEL, "level must be instance, series or study");
        return false;
    }
    if (r->path[strlen(r->path) - 1] == '/') {
        refuse(x, DETAIL, "file_path ends in a slash: it must name a file");
        return false;
    }
    return true;
}

/* -- what it does -- */

static int open_source(HttpExchange *x, const WebAnnotations *a, const Request *r)
{
    Err err = {0};
    int fd = web_annotation_source(web_annotations_settings(a)->sources, r->path, &err);
    if (fd < 0 && err.code == ERR_USAGE)
        refuse(x, DETAIL, err.text);
    else if (fd < 0)
        http_refuse(x, err.http, "%s", err.text);
    return fd;
}

static bool is_there(HttpExchange *x, WebAnnotations *a, const Request *r)
{
    bool found = false;
    Err err = {0};
    if (!web_annotation_has_source(a, r->at, r->uid, &found, &err))
        web_annotation_problem(x, &err);
    else if (!found)
        http_refuse(x, 404, "there is no %s \"%.64s\" in this archive", idx_annotation_level_name(r->at),
                    r->uid);
    return found;
}

static bool store(HttpExchange *x, WebAnnotations *a, const Request *r, int fd, IdxAnnotation *out)
{
    Err err = {0};
    IdxAnnotation what = {.source = r->uid,
                          .level = r->at,
                          .media_type = web_annotation_media(http_arena(x), r->media),
                          .name = web_annotation_name(http_arena(x), r->path)};
    ArcAnnotationPut *put = web_annotation_begin(a, &err);
    bool copied = put && arc_annotation_copy(put, fd, web_annotations_settings(a)->max_size, &err);
    if (put && !copied)
        arc_annotation_abandon(put);
    bool ok = copied && web_annotation_commit(x, put, &what, out, &err);
    if (!ok)
        web_annotation_problem(x, &err);
    return ok;
}

static void answer(HttpExchange *x, const Request *r, const IdxAnnotation *a)
{
    char *echo = json_dumps(r->received, JSON_COMPACT);
    if (!echo)
        abort();
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_key(&w, "received data");
    json_raw(&w, span_cstr(echo));
    json_member(&w, "annotation uid", a->uid);
    json_key(&w, "annotation");
    json_begin_object(&w);
    web_annotation_members(x, &w, a);
    json_end_object(&w);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    http_answer_buf(x, 200, "application/json", &out);
    buf_free(&out);
    free(echo);
}

static void end(HttpExchange *x, void *ctx)
{
    Request r = {0};
    IdxAnnotation a;
    if (read_request(x, http_state(x), &r)) {
        int fd = open_source(x, ctx, &r);
        if (fd >= 0) {
            if (is_there(x, ctx, &r) && store(x, ctx, &r, fd, &a))
                answer(x, &r, &a);
            close(fd);
        }
    }
    json_decref(r.received);
}

const HttpRoute web_annotation_save_routes[] = {
    {.method = "POST",
     .pattern = "/save_annotation/",
     .role = USER_WRITE,
     .handler = {begin, take_piece, end},
     .summary = "Attach a file of the server's machine to an instance, a series or a study (SPHERE's way)",
     .answers = "200 application/json; 400; 403; 404; 409; 413; 415; 502; 503; 507",
     .consumes = "application/json"},
};
const size_t web_annotation_save_route_count =
    sizeof web_annotation_save_routes / sizeof *web_annotation_save_routes;
