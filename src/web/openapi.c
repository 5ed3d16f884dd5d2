// SPDX-License-Identifier: MIT
/*
 * GET /openapi.json: OpenAPI 3.0.3, made from the tables that the router uses, so that it lists what is served and nothing else. JSON is YAML, so the same
 * text goes out at /swagger.yaml.
 */
#include "base/json.h"
#include "web/web_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct Line {
    const char *path; /* with {name} in place of {name+} */
    const char *prefix;
    const HttpRoute *route;
    size_t order;
} Line;

typedef struct Lines {
    Arena *arena;
    Line *items;
    size_t count, capacity;
} Lines;

static void collect(void *ctx, const char *prefix, const HttpRoute *route)
{
    Lines *lines = ctx;
    if (lines->count == lines->capacity) {
        size_t capacity = lines->capacity ? 2 * lines->capacity : 64;
        Line *items = arena_alloc(lines->arena, capacity * sizeof *items);
        if (lines->count)
            memcpy(items, lines->items, lines->count * sizeof *items);
        lines->items = items;
        lines->capacity = capacity;
    }
    char *path = arena_printf(lines->arena, "%s%s", prefix, route->pattern);
    for (char *p; (p = strstr(path, "+}"));)
        memmove(p, p + 1, strlen(p));
    lines->items[lines->count] = (Line){path, prefix, route, lines->count};
    lines->count++;
}

static int by_path(const void *a, const void *b)
{
    const Line *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

bool web_next_answer(Span *rest, WebAnswer *out)
{
    for (;;) {
        while (rest->n && strchr(" ;,", rest->p[0]))
            *rest = span_sub(*rest, 1, SIZE_MAX);
        if (rest->n == 0)
            return false;
        size_t end = 0;
        while (end < rest->n && !strchr(" ;,", rest->p[end]))
            end++;
        Span word = span_sub(*rest, 0, end);
        bool alone = end == rest->n || rest->p[end] == ';';
        *rest = span_sub(*rest, end, SIZE_MAX);
        int64_t status;
        if (span_to_i64(word, 100, 599, &status)) {
            *out = (WebAnswer){.status = (unsigned)status};
            if (alone)
                return true;
        } else {
            out->media = word;
            return true;
        }
    }
}

static void write_parameter(JsonWriter *w, const char *where, Span name, Span text, bool required)
{
    json_begin_object(w);
    json_key(w, "name");
    json_text(w, name);
    json_member(w, "in", where);
    if (text.n) {
        json_key(w, "description");
        json_text(w, text);
    }
    if (required) {
        json_key(w, "required");
        json_bool(w, true);
    }
    json_key(w, "schema");
    json_begin_object(w);
    json_member(w, "type", "string");
    json_end_object(w);
    json_end_object(w);
}

static void write_parameters(JsonWriter *w, const Line *line)
{
    json_key(w, "parameters");
    json_begin_array(w);
    for (const char *p = line->path; (p = strchr(p, '{')); p++)
        write_parameter(w, "path", span_of(p + 1, strcspn(p + 1, "}")), (Span){0}, true);
    for (const char *const *one = line->route->parameters; one && *one; one++) {
        Span text = span_cstr(*one);
        size_t colon = span_index(text, ':');
        Span description = colon == SIZE_MAX ? SPAN("") : span_trim(span_sub(text, colon + 1, SIZE_MAX));
        write_parameter(w, "query", span_sub(text, 0, colon), description, false);
    }
    json_end_array(w);
}

static void write_media(JsonWriter *w, Arena *arena, Span media)
{
    json_key(w, arena_span_cstr(arena, media));
    json_begin_object(w);
    json_end_object(w);
}

static const char *meaning(unsigned status)
{
    return status < 200    ? "goes on"
           : status == 204 ? "nothing to say"
           : status < 300  ? "done"
           : status < 400  ? "see the headers"
           : status < 500  ? "refused: a problem document says why"
                           : "failed: a problem document says what";
}

/* Statuses and their media types; each status is one member, so its types are gathered. */
static void write_answers(JsonWriter *w, Arena *arena, const HttpRoute *route)
{
    json_key(w, "responses");
    json_begin_object(w);
    Span rest = span_cstr(route->answers ? route->answers : "200");
    WebAnswer answer = {0};
    unsigned open = 0;
    while (web_next_answer(&rest, &answer)) {
        if (answer.status != open) {
            if (open) {
                json_end_object(w);
                json_end_object(w);
            }
            open = answer.status;
            json_key(w, arena_printf(arena, "%u", open));
            json_begin_object(w);
            json_member(w, "description", meaning(open));
            json_key(w, "content");
            json_begin_object(w);
            if (open >= 400)
                write_media(w, arena, SPAN("application/problem+json"));
        }
        if (answer.media.n && open < 400)
            write_media(w, arena, answer.media);
        answer.media = (Span){0};
    }
    if (open) {
        json_end_object(w);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_body(JsonWriter *w, Arena *arena, const char *consumes)
{
    json_key(w, "requestBody");
    json_begin_object(w);
    json_key(w, "content");
    json_begin_object(w);
    Span rest = span_cstr(consumes), one;
    bool more = true;
    while (span_split(&rest, ',', &one, &more))
        write_media(w, arena, span_trim(one));
    json_end_object(w);
    json_end_object(w);
}

/* "get_studies_study_series": what generators of clients can make a name of. */
static const char *operation_id(Arena *arena, const char *method, const char *path)
{
    char *id = arena_printf(arena, "%s%s", method, path), *end = id;
    for (const char *p = id; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z');
        if (plain)
            *end++ = *p;
        else if ((p[1] || *p == '/') && end[-1] != '_')
            *end++ = '_';
    }
    *end = 0;
    return id;
}

static void write_operation(JsonWriter *w, Arena *arena, const Line *line)
{
    char method[16];
    size_t n = strlen(line->route->method);
    for (size_t i = 0; i <= n && i < sizeof method; i++)
        method[i] = (char)(line->route->method[i] | (line->route->method[i] ? 0x20 : 0));
    json_key(w, method);
    json_begin_object(w);
    json_key(w, "tags");
    json_begin_array(w);
    json_cstr(w, *line->prefix ? line->prefix + 1 : "server");
    json_end_array(w);
    json_member(w, "summary", line->route->summary);
    json_member(w, "operationId", operation_id(arena, method, line->path));
    write_parameters(w, line);
    if (line->route->consumes)
        write_body(w, arena, line->route->consumes);
    write_answers(w, arena, line->route);
    if (line->route->role == USER_ANYBODY) {
        json_key(w, "security");
        json_begin_array(w);
        json_end_array(w);
    }
    json_end_object(w);
}

static void write_paths(JsonWriter *w, const Lines *lines)
{
    json_key(w, "paths");
    json_begin_object(w);
    for (size_t i = 0; i < lines->count; i++) {
        const Line *line = &lines->items[i];
        if (i == 0 || strcmp(line->path, line[-1].path) != 0) {
            json_key(w, line->path);
            json_begin_object(w);
        }
        write_operation(w, lines->arena, line);
        if (i + 1 == lines->count || strcmp(line->path, line[1].path) != 0)
            json_end_object(w);
    }
    json_end_object(w);
}

static void write_security(JsonWriter *w)
{
    json_key(w, "components");
    json_raw(w, SPAN("{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
                     "\"basic\":{\"type\":\"http\",\"scheme\":\"basic\"}}}"));
    json_key(w, "security");
    json_raw(w, SPAN("[{},{\"bearer\":[]},{\"basic\":[]}]"));
}

void web_openapi(HttpExchange *x, void *ctx)
{
    const WebServer *server = ctx;
    Lines lines = {.arena = http_arena(x)};
    http_routes(server->http, collect, &lines);
    qsort(lines.items, lines.count, sizeof *lines.items, by_path);
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "openapi", "3.0.3");
    json_key(&w, "info");
    json_begin_object(&w);
    json_member(&w, "title", "Gantry");
    json_member(&w, "description",
                "A DICOM archive over HTTP: DICOMweb (PS3.18) and the server's own pages.");
    json_member(&w, "version", GANTRY_VERSION);
    json_end_object(&w);
    json_key(&w, "servers");
    json_begin_array(&w);
    json_begin_object(&w);
    json_member(&w, "url", http_base_url(x));
    json_end_object(&w);
    json_end_array(&w);
    write_paths(&w, &lines);
    write_security(&w);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    bool yaml = span_ends(span_cstr(http_path(x)), SPAN(".yaml"));
    http_answer_buf(x, 200, yaml ? "application/yaml" : "application/json", &out);
    buf_free(&out);
}
