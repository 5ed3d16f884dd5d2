// SPDX-License-Identifier: MIT
/*
 * Large objects and deleting. Segments are objects NAME/MD5/NUMBER in CONTAINER_segments, so that those of another content never mix; one that is there already is not sent
 * again. A static manifest names each with size and MD5, and the store checks them; a dynamic one names their beginning.
 */
#include "px/swift_internal.h"

#include "px/document.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { BULK_MAX = 1000, BULK_ANSWER_MAX = 4 << 20 };

static const char *segments_container(const PxSwiftLine *line, Arena *arena)
{
    return arena_printf(arena, "%s_segments", line->swift->service->container);
}

/* A window of the whole content. */
typedef struct Window {
    const PxHttpSource *whole;
    uint64_t from;
} Window;

static bool read_window(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    const Window *w = ctx;
    return w->whole->read(w->whole->ctx, w->from + offset, p, n, err);
}

static bool put_segment(PxSwiftLine *line, const char *container, const char *name,
                        const PxHttpSource *source, const char *md5, Err *err)
{
    PxSwiftObject there;
    bool found;
    if (!px_swift_head_in(line, container, name, &there, &found, err))
        return false;
    if (found && there.size == source->size && !strcmp(there.md5, md5))
        return true;
    return px_swift_put_piece(line, container, name, "", NULL, source, md5, err);
}

static bool read_text(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    memcpy(p, buf_span(ctx).p + offset, n);
    return true;
}

static bool put_manifest(PxSwiftLine *line, Arena *arena, const char *name, const char *prefix,
                         const json_t *parts, const PxSwiftContent *content, Err *err)
{
    bool bulk, is_static;
    px_swift_abilities(line, &bulk, &is_static);
    Buf text, where;
    buf_init(&text, 0);
    buf_init(&where, 0);
    if (is_static)
        px_document_write(parts, true, &text);
    px_http_escape_path(&where, span_cstr(prefix));
    const char *const headers[] = {
        arena_printf(arena, "X-Object-Meta-Md5: %s", content->md5), "Content-Type: application/octet-stream",
        is_static ? NULL : arena_printf(arena, "X-Object-Manifest: %s", buf_cstr(&where)), NULL};
    PxHttpSource source = {&text, text.n, read_text};
    bool ok = px_swift_put_piece(line, line->swift->service->container, name,
                                 is_static ? "?multipart-manifest=put" : "", headers, &source, NULL, err);
    buf_free(&text);
    buf_free(&where);
    return ok;
}

bool px_swift_put_segments(PxSwiftLine *line, const char *name, const PxSwiftContent *content, Err *err)
{
    Arena *arena = arena_new(0);
    const char *container = segments_container(line, arena);
    uint64_t size = content->source.size;
    json_t *parts = json_array();
    bool ok = px_swift_make_container(line, container, err);
    for (uint64_t at = 0, number = 0; ok && at < size; at += content->segment, number++) {
        Window window = {&content->source, at};
        PxHttpSource source = {&window, size - at < content->segment ? size - at : content->segment,
                               read_window};
        const char *segment = arena_printf(arena, "%s/%s/%08u", name, content->md5, (unsigned)number);
        const char *md5 = content->segment_md5[number];
        ok = put_segment(line, container, segment, &source, md5, err);
        json_array_append_new(parts, json_pack("{s:s,s:s,s:I}", "path",
                                               arena_printf(arena, "/%s/%s", container, segment), "etag", md5,
                                               "size_bytes", (json_int_t)source.size));
    }
    ok =
        ok && put_manifest(line, arena, name, arena_printf(arena, "%s/%s/%s/", container, name, content->md5),
                           parts, content, err);
    json_decref(parts);
    arena_free(arena);
    return ok;
}

/* -- deleting -- */

static bool delete_one(PxSwiftLine *line, const char *container, const char *name, Err *err)
{
    Arena *arena = arena_new(0);
    PxHttpRequest r = {.method = "DELETE"};
    PxHttpAnswer answer;
    bool ok = px_swift_ask(line, arena, container, name, "", &r, &answer, err) &&
              (answer.status < 300 || answer.status == 404 || px_http_refused(&r, &answer, err));
    buf_free(&answer.body);
    arena_free(arena);
    return ok;
}

/* What is behind "CONTAINER_segments/NAME/" in a dynamic manifest of ours; NULL = it is none. What somebody else's manifest names is not ours to delete. */
static const char *dynamic_part(PxSwiftLine *line, Arena *arena, const char *name, Err *err)
{
    PxSwiftObject object;
    bool found;
    if (!px_swift_head(line, name, &object, &found, err) || !found)
        return NULL;
    const char *manifest = px_http_header(line->http, "X-Object-Manifest");
    Buf ours;
    buf_init(&ours, 0);
    px_http_escape_path(&ours,
                        span_cstr(arena_printf(arena, "%s/%s/", segments_container(line, arena), name)));
    const char *part = NULL;
    if (manifest && span_starts(span_cstr(manifest), buf_span(&ours)))
        part = arena_strdup(arena, manifest + ours.n);
    buf_free(&ours);
    return part && strspn(part, "0123456789abcdef") == PX_MD5_TEXT - 1 ? part : NULL;
}

typedef struct Segments {
    PxSwiftLine *line;
    const char *container;
} Segments;

static bool delete_segment(void *ctx, const PxSwiftEntry *entry, Err *err)
{
    const Segments *s = ctx;
    return delete_one(s->line, s->container, entry->name, err);
}

/* -- many at once, and what counts as that -- */

/* "/CONTAINER/NAME" as a bulk request and its answer have it. */
static void put_path(Buf *out, const PxSwiftLine *line, const char *name)
{
    buf_u8(out, '/');
    px_http_escape_value(out, span_cstr(line->swift->service->container));
    buf_u8(out, '/');
    px_http_escape_path(out, span_cstr(name));
}

static bool has_error(const PxSwiftLine *line, const json_t *errors, const char *name)
{
    Buf path;
    buf_init(&path, 0);
    put_path(&path, line, name);
    size_t i;
    json_t *one;
    bool found = false;
    json_array_foreach((json_t *)errors, i, one)
    {
        const char *which = json_string_value(json_array_get(one, 0));
        found = found || (which && !strcmp(which, buf_cstr(&path)));
    }
    buf_free(&path);
    return found;
}

/* The status of a bulk request is 200 whatever becomes of it; what became of it is in the body. */
static bool judge_bulk(PxSwiftLine *line, const PxHttpAnswer *answer, const PxSwiftEntry *entries, size_t n,
                       bool *deleted, Err *err)
{
    json_t *body = px_json_read(buf_span(&answer->body), "the answer to the deletion", err);
    if (!body)
        return false;
    const char *status = json_string_value(json_object_get(body, "Response Status"));
    const json_t *errors = json_object_get(body, "Errors");
    bool all = status && (!strncmp(status, "200", 3) || !strncmp(status, "404", 3));
    for (size_t i = 0; i < n; i++)
        deleted[i] = json_array_size(errors) ? !has_error(line, errors, entries[i].name) : all;
    bool ok = all && !json_array_size(errors);
    if (!ok)
        err_set(err, ERR_REFUSED, "the object store did not delete all of them (%.60s)",
                status ? status : "no status");
    json_decref(body);
    return ok;
}

static bool delete_bulk(PxSwiftLine *line, const PxSwiftEntry *entries, size_t n, bool *deleted, Err *err)
{
    static const char *const headers[] = {"Content-Type: text/plain", "Accept: application/json", NULL};
    Arena *arena = arena_new(0);
    Buf names;
    buf_init(&names, 0);
    for (size_t i = 0; i < n; i++) {
        put_path(&names, line, entries[i].name);
        buf_u8(&names, '\n');
    }
    PxHttpRequest r = {
        .method = "POST", .headers = headers, .body = buf_span(&names), .body_max = BULK_ANSWER_MAX};
    PxHttpAnswer answer;
    bool ok = px_swift_ask(line, arena, "", "", "?bulk-delete", &r, &answer, err);
    if (ok)
        ok = answer.status < 300 ? judge_bulk(line, &answer, entries, n, deleted, err)
                                 : px_http_refused(&r, &answer, err);
    buf_free(&answer.body);
    buf_free(&names);
    arena_free(arena);
    return ok;
}

/* Manifest and segments; to the store that is many, too. */
static bool delete_static(PxSwiftLine *line, const PxSwiftEntry *entry, Err *err)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    Arena *arena = arena_new(0);
    PxHttpRequest r = {.method = "DELETE", .headers = headers, .body_max = BULK_ANSWER_MAX};
    PxHttpAnswer answer;
    bool gone, ok = px_swift_ask(line, arena, line->swift->service->container, entry->name,
                                 "?multipart-manifest=delete", &r, &answer, err);
    if (ok && answer.status == 200)
        ok = judge_bulk(line, &answer, entry, 1, &gone, err);
    else if (ok)
        ok = answer.status < 300 || answer.status == 404 || px_http_refused(&r, &answer, err);
    buf_free(&answer.body);
    arena_free(arena);
    return ok;
}

static bool delete_with_segments(PxSwiftLine *line, const PxSwiftEntry *entry, Err *err)
{
    const char *container = line->swift->service->container;
    if (entry->is_static)
        return delete_static(line, entry, err);
    Arena *arena = arena_new(0);
    Err problem = {0};
    const char *part = entry->bytes ? NULL : dynamic_part(line, arena, entry->name, &problem);
    Segments segments = {line, segments_container(line, arena)};
    bool ok = !problem.code || (err && (*err = problem, false));
    if (ok && part)
        ok = px_swift_list_in(line, segments.container, arena_printf(arena, "%s/%s", entry->name, part),
                              delete_segment, &segments, err);
    ok = ok && delete_one(line, container, entry->name, err);
    arena_free(arena);
    return ok;
}

static bool is_plain(const PxSwiftEntry *entry)
{
    return entry->bytes && !entry->is_static;
}

bool px_swift_delete(PxSwiftLine *line, const PxSwiftEntry *entries, size_t n, bool *deleted, Err *err)
{
    bool bulk = false, is_static, ok = true;
    memset(deleted, 0, n * sizeof *deleted);
    if (n > 1)
        px_swift_abilities(line, &bulk, &is_static);
    for (size_t i = 0, run; i < n; i += run) {
        Err problem = {0};
        run = 0;
        while (bulk && i + run < n && run < BULK_MAX && is_plain(&entries[i + run]))
            run++;
        bool done;
        if (run > 1) {
            done = delete_bulk(line, &entries[i], run, &deleted[i], &problem);
        } else {
            run = 1;
            done = deleted[i] = delete_with_segments(line, &entries[i], &problem);
        }
        if (!done && ok && err)
            *err = problem;
        ok = ok && done;
    }
    return ok;
}
