// SPDX-License-Identifier: MIT
/*
 * Annotations: files of any kind that people attach to an instance, a series or a study. POST /annotations stores the body of the request, GET lists
 * them, /annotations/{annotation} is the file as it came, beside what is known of it.
 *
 * What comes back is somebody's file: it is always an attachment, with its media type as it was said, and a browser is told to run nothing of it.
 */
#include "web/annotation.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/outgoing.h"
#include "index/tables.h"
#include "web/annotation_uid.h"
#include "web/audit.h"
#include "web/dicomweb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGGER "api_annotation"
enum { NAME_MAX_BYTES = 255, MEDIA_MAX_BYTES = 200, LIST_DEFAULT = 100, LIST_LONGEST = 1000 };

struct WebAnnotations {
    const WebAnnotationSettings *settings;
    Archive *archive;
    ArcAnnotations *store;
    Fetcher *fetcher; /* NULL: UIDs are made here */
};

WebAnnotations *web_annotations_new(const WebAnnotationSettings *settings, Archive *archive, Err *err)
{
    bool asks = settings->uids != WEB_UID_INTERNAL;
    if (asks && !(settings->uid_url && outgoing_can(settings->uid_url)))
        return err_set(err, ERR_USAGE,
                       "api.annotation.url_uuid_generator must be an http or https address when "
                       "type_uuid_generator is EXTERNAL or MIXED"),
               NULL;
    ArcAnnotations *store = arc_annotations_open(archive, settings->folder, err);
    if (!store)
        return err_wrap(err, "api.annotation.path_data"), NULL;
    WebAnnotations *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    *a = (WebAnnotations){settings, archive, store, asks ? fetcher_new() : NULL};
    return a;
}

void web_annotations_free(WebAnnotations *a)
{
    if (!a)
        return;
    arc_annotations_close(a->store);
    fetcher_free(a->fetcher);
    free(a);
}

const WebAnnotationSettings *web_annotations_settings(const WebAnnotations *a)
{
    return a->settings;
}

/* -- small steps -- */

void web_annotation_problem(HttpExchange *x, Err *err)
{
    if (idx_is_away(err)) {
        log_warning(LOGGER, "request %lu: %s", http_number(x), err->text);
        http_header(x, "Retry-After", "10");
        http_refuse(x, 503, "the archive's database does not answer; try again later");
    } else {
        http_problem(x, err);
    }
}

const char *web_annotation_name(Arena *arena, const char *name)
{
    Span s = span_cstr(name);
    for (size_t i = s.n; i > 0; i--)
        if (strchr("/\\", s.p[i - 1])) {
            s = span_sub(s, i, SIZE_MAX);
            break;
        }
    char *out = arena_alloc(arena, NAME_MAX_BYTES + 1);
    size_t n = 0;
    while (s.n) {
        size_t one = span_utf8_length(s);
        bool control = one == 0 || s.p[0] < 0x20 || s.p[0] == 0x7F;
        if (n + (control ? 1 : one) > NAME_MAX_BYTES)
            break;
        if (control)
            out[n++] = '_';
        else
            memcpy(out + n, s.p, one), n += one;
        s = span_sub(s, control ? 1 : one, SIZE_MAX);
    }
    out[n] = 0;
    return out;
}

static bool is_token(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", s.p[i]))
            return false;
    return s.n > 0;
}

const char *web_annotation_media(Arena *arena, const char *media)
{
    Span s = span_trim(span_cstr(media));
    size_t slash = span_index(s, '/'), semicolon = span_index(s, ';');
    bool plain = s.n <= MEDIA_MAX_BYTES && slash != SIZE_MAX;
    for (size_t i = 0; i < s.n; i++)
        plain = plain && s.p[i] >= ' ' && s.p[i] <= '~';
    Span type = span_sub(s, 0, semicolon);
    plain = plain && is_token(span_sub(type, 0, slash)) &&
            is_token(span_rtrim(span_sub(type, slash + 1, SIZE_MAX)));
    return plain ? arena_span_cstr(arena, s) : "application/octet-stream";
}

bool web_annotation_has_source(WebAnnotations *a, DcmLevel level, const char *uid, bool *found, Err *err)
{
    IdxLookup *lookup = idx_lookup_open(arc_index(a->archive), err);
    bool ok = lookup && idx_lookup_has(lookup, level, uid, found, err);
    idx_lookup_close(lookup);
    return ok;
}

ArcAnnotationPut *web_annotation_begin(WebAnnotations *a, Err *err)
{
    char uid[DCM_UID_MAX + 1];
    bool own;
    if (!web_annotation_uid(a->settings->uids, a->fetcher, a->settings->uid_url, uid, &own, err))
        return NULL;
    ArcAnnotationPut *put = arc_annotation_begin(a->store, uid, err);
    if (put || own || a->settings->uids != WEB_UID_MIXED || err->code != ERR_EXISTS)
        return put;
    dcm_uid_new(uid);
    return arc_annotation_begin(a->store, uid, err);
}

bool web_annotation_commit(HttpExchange *x, ArcAnnotationPut *put, const IdxAnnotation *what,
                           IdxAnnotation *out, Err *err)
{
    IdxAnnotation row = *what;
    row.author = http_user(x);
    if (!arc_annotation_commit(put, http_arena(x), &row, out, err))
        return false;
    web_audit_annotation(x, out->uid, out->level, out->source);
    log_info(LOGGER, "stored annotation=%s of %s %s bytes=%" PRIu64 " client=%s user=%s request=%lu",
             out->uid, idx_annotation_level_name(out->level), out->source, out->size, http_client(x),
             *http_user(x) ? http_user(x) : "-", http_number(x));
    return true;
}

/* -- what is known of one -- */

static const char *hex(Arena *arena, const uint8_t digest[32])
{
    return span_hex(span_of(digest, 32), arena_alloc(arena, 65));
}

void web_annotation_members(HttpExchange *x, JsonWriter *w, const IdxAnnotation *a)
{
    Arena *arena = http_arena(x);
    char when[32];
    clock_format(a->end_us, true, when);
    char *blank = strchr(when, ' ');
    if (blank)
        *blank = 'T';
    json_member(w, "annotation", a->uid);
    json_member(w, "uid", a->source);
    json_member(w, "level", idx_annotation_level_name(a->level));
    json_member(w, "media_type", a->media_type);
    json_member(w, "name", a->name);
    json_member(w, "author", a->author);
    json_member_int(w, "size", (int64_t)a->size);
    json_member(w, "sha256", hex(arena, a->sha256));
    json_member(w, "stored", arena_printf(arena, "%sZ", when));
    json_member(w, "url", arena_printf(arena, "%s/annotations/%s", http_base_url(x), a->uid));
}

static void answer_one(HttpExchange *x, unsigned status, const IdxAnnotation *a)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    web_annotation_members(x, &w, a);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    http_answer_buf(x, status, "application/json", &out);
    buf_free(&out);
}

/* False: the exchange is answered. */
static bool find(HttpExchange *x, WebAnnotations *a, IdxAnnotation *out)
{
    Err err = {0};
    const char *uid = http_part(x, "annotation");
    if (!dcm_uid_valid(span_cstr(uid), false)) {
        http_refuse(x, 400, "the path: \"%.64s\" is no annotation UID", uid);
        return false;
    }
    bool found = idx_annotation(arc_index(a->archive), http_arena(x), uid, out, &err);
    web_audit_annotation(x, uid, found ? out->level : DCM_LEVEL_PATIENT, found ? out->source : NULL);
    if (found)
        return true;
    if (err.code == ERR_NOT_FOUND)
        http_refuse(x, 404, "annotation %s is not in this archive", uid);
    else
        web_annotation_problem(x, &err);
    return false;
}

static void get_metadata(HttpExchange *x, void *ctx)
{
    IdxAnnotation a;
    if (find(x, ctx, &a))
        answer_one(x, 200, &a);
}

/* -- the file -- */

/* RFC 6266: the name in ASCII for old clients, and as it is. */
static void say_name(HttpExchange *x, const IdxAnnotation *a)
{
    const char *name = *a->name ? a->name : a->uid;
    Buf out;
    buf_init(&out, 0);
    buf_append_cstr(&out, "attachment; filename=\"");
    for (const char *p = name; *p; p++)
        buf_u8(&out, *p < 0x20 || *p > 0x7E || strchr("\"\\%", *p) ? '_' : (uint8_t)*p);
    buf_append_cstr(&out, "\"; filename*=UTF-8''");
    web_append_part(&out, name);
    http_header(x, "Content-Disposition", buf_cstr(&out));
    buf_free(&out);
}

static bool is_unchanged(HttpExchange *x, const IdxAnnotation *a)
{
    return http_unchanged(x, hex(http_arena(x), a->sha256), a->end_us / 1000000);
}

static void get_file(HttpExchange *x, void *ctx)
{
    WebAnnotations *store = ctx;
    IdxAnnotation a;
    Err err = {0};
    if (!find(x, store, &a) || is_unchanged(x, &a))
        return;
    int fd = arc_annotation_open_file(store->store, &a, &err);
    if (fd < 0) {
        err.http = 500;
        http_problem(x, &err);
        return;
    }
    say_name(x, &a);
    http_header(x, "Content-Security-Policy", "sandbox; default-src 'none'");
    http_answer_file(x, 200, a.media_type, fd, 0, a.size);
}

static void remove_one(HttpExchange *x, void *ctx)
{
    WebAnnotations *store = ctx;
    IdxAnnotation a;
    Err err = {0};
    if (!find(x, store, &a) || is_unchanged(x, &a))
        return;
    if (!arc_annotation_remove(store->store, a.uid, &err)) {
        web_annotation_problem(x, &err);
        return;
    }
    log_info(LOGGER, "deleted annotation=%s of %s %s client=%s user=%s request=%lu", a.uid,
             idx_annotation_level_name(a.level), a.source, http_client(x), *http_user(x) ? http_user(x) : "-",
             http_number(x));
    http_answer(x, 204, NULL, (Span){0});
}

/* -- lists -- */

/* False: 400 was answered. Absent: *out stays. */
static bool number_parameter(HttpExchange *x, const char *name, int64_t least, int64_t most, uint64_t *out)
{
    const char *text = http_parameter(x, name);
    int64_t number;
    if (!text)
        return true;
    if (!span_to_i64(span_cstr(text), least, most, &number)) {
        http_refuse(x, 400, "%s is \"%.40s\"; it must be a number from %" PRId64 " to %" PRId64, name, text,
                    least, most);
        return false;
    }
    *out = (uint64_t)number;
    return true;
}

/* *out PATIENT when nothing is said. */
static bool level_parameter(HttpExchange *x, DcmLevel *out)
{
    const char *text = http_parameter(x, "level");
    *out = DCM_LEVEL_PATIENT;
    if (!text || idx_annotation_level(span_cstr(text), out))
        return true;
    http_refuse(x, 400, "level is \"%.40s\"; it must be instance, series or study", text);
    return false;
}

/* A filter that is misspelt must not select everything. `known`: "name: text" each, ended by NULL. False: 400 was answered. */
static bool only_parameters(HttpExchange *x, const char *const *known)
{
    size_t count;
    const HttpParameter *p = http_parameters(x, &count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0, n = strlen(p[i].name);
        while (known[k] && (strncmp(known[k], p[i].name, n) != 0 || known[k][n] != ':'))
            k++;
        bool again = http_parameter(x, p[i].name) != p[i].value;
        if (known[k] && !again)
            continue;
        http_refuse(x, 400, again ? "%.40s is given twice" : "\"%.40s\" is no parameter here", p[i].name);
        return false;
    }
    return true;
}

static const char *const list_parameters[] = {
    "uid: only what belongs to this instance, series or study", "level: only this level",
    "limit: at most so many, 100 without it", "offset: so many are passed over", NULL};

static void get_list(HttpExchange *x, void *ctx)
{
    WebAnnotations *store = ctx;
    IdxAnnotationAsk ask = {.source = http_parameter(x, "uid"), .limit = LIST_DEFAULT};
    IdxAnnotation *found;
    size_t count;
    Err err = {0};
    if (!only_parameters(x, list_parameters) || !level_parameter(x, &ask.level) ||
        !number_parameter(x, "limit", 1, LIST_LONGEST, &ask.limit) ||
        !number_parameter(x, "offset", 0, INT32_MAX, &ask.offset))
        return;
    web_audit_annotation(x, NULL, ask.level, ask.source);
    uint64_t limit = ask.limit++;
    if (!idx_annotations(arc_index(store->archive), http_arena(x), &ask, &found, &count, &err)) {
        web_annotation_problem(x, &err);
        return;
    }
    if (count && ask.level == DCM_LEVEL_PATIENT) /* it was not said */
        web_audit_annotation(x, NULL, found[0].level, ask.source);
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_key(&w, "annotations");
    json_begin_array(&w);
    for (size_t i = 0; i < count && i < limit; i++) {
        json_begin_object(&w);
        web_annotation_members(x, &w, &found[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_key(&w, "more");
    json_bool(&w, count > limit);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    http_answer_buf(x, 200, "application/json", &out);
    buf_free(&out);
}

/* -- upload -- */

typedef struct Upload {
    ArcAnnotationPut *put;
    IdxAnnotation what;
} Upload;

static void free_upload(void *state)
{
    Upload *u = state;
    arc_annotation_abandon(u->put);
    free(u);
}

static bool too_large(HttpExchange *x, const WebAnnotations *store)
{
    http_refuse(x, 413, "an annotation may have %" PRIu64 " bytes here (api.annotation.max_size)",
                store->settings->max_size);
    return false;
}

/* Looks for what has the UID at the levels from `lowest` up to `highest`. False with err, or without when nothing has it. */
static bool has_source(WebAnnotations *store, DcmLevel highest, DcmLevel lowest, IdxAnnotation *what,
                       Err *err)
{
    bool found = false;
    for (int level = lowest; !found && level >= (int)highest; level--) {
        if (!web_annotation_has_source(store, (DcmLevel)level, what->source, &found, err))
            return false;
        what->level = (DcmLevel)level;
    }
    return found;
}

/* What the annotation is to belong to; where no level is said, whatever has the UID. False: answered. */
static bool find_source(HttpExchange *x, WebAnnotations *store, IdxAnnotation *what)
{
    DcmLevel level;
    Err err = {0};
    what->source = http_parameter(x, "uid");
    if (!what->source || !*what->source) {
        http_refuse(x, 400,
                    "the query has no uid: of the instance, series or study that the file belongs to");
        return false;
    }
    if (!level_parameter(x, &level))
        return false;
    bool any = level == DCM_LEVEL_PATIENT;
    if (has_source(store, any ? DCM_LEVEL_STUDY : level, any ? DCM_LEVEL_IMAGE : level, what, &err))
        return true;
    if (err.code)
        web_annotation_problem(x, &err);
    else
        http_refuse(x, 404, "there is no %s \"%.64s\" in this archive",
                    any ? "instance, series or study" : idx_annotation_level_name(level), what->source);
    return false;
}

static const char *const upload_parameters[] = {
    "uid: of the instance, series or study that the file belongs to",
    "level: instance, series or study; without it, whichever has the UID", "name: of the file", NULL};

static void begin_upload(HttpExchange *x, void *ctx)
{
    WebAnnotations *store = ctx;
    Err err = {0};
    IdxAnnotation what = {0};
    if (http_request_length(x) > 0 && (uint64_t)http_request_length(x) > store->settings->max_size) {
        too_large(x, store);
        return;
    }
    if (http_request_length(x) == 0) {
        http_refuse(x, 400, "the request has no body: the file to be stored");
        return;
    }
    if (!only_parameters(x, upload_parameters) || !find_source(x, store, &what))
        return;
    what.media_type = web_annotation_media(http_arena(x), http_request_header(x, "Content-Type"));
    what.name = web_annotation_name(http_arena(x), http_parameter(x, "name"));
    ArcAnnotationPut *put = web_annotation_begin(store, &err);
    if (!put) {
        web_annotation_problem(x, &err);
        return;
    }
    Upload *u = calloc(1, sizeof *u);
    if (!u)
        abort();
    *u = (Upload){put, what};
    http_set_state(x, u, free_upload);
}

static bool take_piece(HttpExchange *x, void *ctx, Span piece)
{
    WebAnnotations *store = ctx;
    Upload *u = http_state(x);
    Err err = {0};
    if (arc_annotation_size(u->put) + piece.n > store->settings->max_size)
        return too_large(x, store);
    if (arc_annotation_write(u->put, piece, &err))
        return true;
    http_problem(x, &err);
    return false;
}

static void end_upload(HttpExchange *x, void *ctx)
{
    (void)ctx;
    Upload *u = http_state(x);
    IdxAnnotation a;
    Err err = {0};
    if (arc_annotation_size(u->put) == 0) {
        http_refuse(x, 400, "the request has no body: the file to be stored");
        return;
    }
    ArcAnnotationPut *put = u->put;
    u->put = NULL;
    if (!web_annotation_commit(x, put, &u->what, &a, &err)) {
        web_annotation_problem(x, &err);
        return;
    }
    http_header(x, "Location", arena_printf(http_arena(x), "%s/annotations/%s", http_base_url(x), a.uid));
    answer_one(x, 201, &a);
}

const HttpRoute web_annotation_routes[] = {
    {.method = "POST",
     .pattern = "/annotations",
     .role = USER_WRITE,
     .handler = {begin_upload, take_piece, end_upload},
     .summary = "Attach a file, the body of the request, to an instance, a series or a study",
     .parameters = upload_parameters,
     .answers = "201 application/json; 400; 404; 409; 413; 502; 503; 507",
     .consumes = "*/*"},
    {.method = "GET",
     .pattern = "/annotations",
     .role = USER_READ,
     .handler = {.end = get_list},
     .summary = "Files that are attached to something",
     .parameters = list_parameters,
     .answers = "200 application/json; 400; 503"},
    {.method = "GET",
     .pattern = "/annotations/{annotation}",
     .role = USER_READ,
     .handler = {.end = get_file},
     .summary = "An attached file, as it came",
     .answers = "200 */*; 206; 304; 400; 404; 503"},
    {.method = "GET",
     .pattern = "/annotations/{annotation}/metadata",
     .role = USER_READ,
     .handler = {.end = get_metadata},
     .summary = "What is known of an attached file",
     .answers = "200 application/json; 400; 404; 503"},
    {.method = "DELETE",
     .pattern = "/annotations/{annotation}",
     .role = USER_DELETE,
     .handler = {.end = remove_one},
     .summary = "Delete an attached file, for good",
     .answers = "204; 400; 404; 409; 412; 503"},
};
const size_t web_annotation_route_count = sizeof web_annotation_routes / sizeof *web_annotation_routes;
