// SPDX-License-Identifier: MIT
/* What handlers answer is kept in the exchange until http_send.c puts it on the wire. */
#include "base/json.h"
#include "base/log.h"
#include "web/http_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

void http_answer_init(HttpExchange *x)
{
    x->answer = (Answer){.fd = -1};
    x->answer.last = &x->answer.headers;
    buf_init(&x->answer.buf, 0);
}

void http_answer_free(HttpExchange *x)
{
    Answer *a = &x->answer;
    if (a->source.close)
        a->source.close(a->source.ctx);
    a->source = (HttpSource){0};
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
    buf_free(&a->buf);
}

bool http_answered(const HttpExchange *x)
{
    return x->answer.status != 0;
}

/* -- headers -- */

void http_header(HttpExchange *x, const char *name, const char *value)
{
    for (const char *p = value; *p; p++)
        if ((uint8_t)*p < 0x20 && *p != '\t')
            return;
    AnswerHeader *header = arena_alloc(x->arena, sizeof *header);
    *header = (AnswerHeader){.name = arena_strdup(x->arena, name), .value = arena_strdup(x->arena, value)};
    *x->answer.last = header;
    x->answer.last = &header->next;
}

const char *http_answer_header(const HttpExchange *x, const char *name)
{
    for (const AnswerHeader *h = x->answer.headers; h; h = h->next)
        if (!strcasecmp(h->name, name))
            return h->value;
    return NULL;
}

void http_vary(HttpExchange *x, const char *name)
{
    for (AnswerHeader *h = x->answer.headers; h; h = h->next) {
        if (!strcasecmp(h->name, "Vary")) {
            if (!strcasestr(h->value, name))
                h->value = arena_printf(x->arena, "%s, %s", h->value, name);
            return;
        }
    }
    http_header(x, "Vary", name);
}

bool http_unchanged(HttpExchange *x, const char *etag, int64_t modified)
{
    HttpConditions conditions = {.if_match = http_request_header(x, "If-Match"),
                                 .if_none_match = http_request_header(x, "If-None-Match"),
                                 .if_modified_since = http_request_header(x, "If-Modified-Since"),
                                 .if_unmodified_since = http_request_header(x, "If-Unmodified-Since")};
    x->answer.etag = etag && *etag ? arena_strdup(x->arena, etag) : NULL;
    x->answer.modified = modified;
    bool safe = x->head_only || !strcmp(x->method, "GET");
    switch (condition_check(&conditions, x->answer.etag, modified, safe)) {
    case CONDITION_NOT_MODIFIED:
        http_answer(x, 304, NULL, (Span){0});
        return true;
    case CONDITION_FAILED:
        http_refuse(x, 412, "it is not what If-Match, If-None-Match or If-Unmodified-Since say");
        return true;
    case CONDITION_GO_ON:
        break;
    }
    return false;
}

/* -- bodies -- */

/* The first answer counts: false when there is one already. */
static bool take_answer(HttpExchange *x, unsigned status, const char *media, AnswerKind kind)
{
    if (http_answered(x))
        return false;
    x->answer.status = status;
    x->answer.kind = kind;
    x->answer.media = media ? arena_strdup(x->arena, media) : NULL;
    return true;
}

void http_answer(HttpExchange *x, unsigned status, const char *media, Span body)
{
    if (take_answer(x, status, media, ANSWER_MEMORY))
        x->answer.body = body.n ? arena_span(x->arena, body) : (Span){0};
}

void http_answer_buf(HttpExchange *x, unsigned status, const char *media, Buf *body)
{
    if (!take_answer(x, status, media, ANSWER_MEMORY))
        return;
    x->answer.buf = *body;
    x->answer.body = buf_span(&x->answer.buf);
    buf_init(body, body->limit);
}

void http_answer_source(HttpExchange *x, unsigned status, const char *media, const HttpSource *source,
                        int64_t length)
{
    if (!take_answer(x, status, media, ANSWER_SOURCE)) {
        if (source->close)
            source->close(source->ctx);
        return;
    }
    x->answer.source = *source;
    x->answer.length = length;
}

void http_answer_file(HttpExchange *x, unsigned status, const char *media, int fd, uint64_t offset,
                      uint64_t length)
{
    if (!take_answer(x, status, media, ANSWER_FILE)) {
        close(fd);
        return;
    }
    x->answer.fd = fd;
    x->answer.offset = offset;
    x->answer.length = (int64_t)length;
}

void http_answer_file_between(HttpExchange *x, unsigned status, const char *media, Span before, int fd,
                              uint64_t offset, uint64_t length, Span after)
{
    if (http_answered(x)) {
        close(fd);
        return;
    }
    http_answer_file(x, status, media, fd, offset, length);
    x->answer.before = arena_span(x->arena, before);
    x->answer.after = arena_span(x->arena, after);
}

/* -- problems -- */

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {{400, "Bad Request"},
                  {401, "Unauthorized"},
                  {403, "Forbidden"},
                  {404, "Not Found"},
                  {405, "Method Not Allowed"},
                  {406, "Not Acceptable"},
                  {408, "Request Timeout"},
                  {409, "Conflict"},
                  {410, "Gone"},
                  {411, "Length Required"},
                  {412, "Precondition Failed"},
                  {413, "Content Too Large"},
                  {414, "URI Too Long"},
                  {415, "Unsupported Media Type"},
                  {416, "Range Not Satisfiable"},
                  {417, "Expectation Failed"},
                  {422, "Unprocessable Content"},
                  {429, "Too Many Requests"},
                  {431, "Request Header Fields Too Large"},
                  {499, "Client Closed Request"},
                  {500, "Internal Server Error"},
                  {501, "Not Implemented"},
                  {502, "Bad Gateway"},
                  {503, "Service Unavailable"},
                  {504, "Gateway Timeout"},
                  {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return status < 500 ? "Refused" : "Failed";
}

/* RFC 9457. `request` is the number that the access log has too. */
static void answer_problem(HttpExchange *x, unsigned status, const char *detail)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "type", "about:blank");
    json_member(&w, "title", title_of(status));
    json_member_int(&w, "status", status);
    json_member(&w, "detail", detail);
    json_member_int(&w, "request", (int64_t)x->number);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    http_answer_buf(x, status, "application/problem+json", &out);
    buf_free(&out);
}

/* " /srv/…" in a text: a path of this machine, which is nobody's business. */
static bool mentions_path(const char *text)
{
    for (const char *p = text; (p = strchr(p, '/')); p++)
        if ((p == text || strchr(" '\"(", p[-1])) && p[1] && !strchr(" ,.;:)", p[1]))
            return true;
    return false;
}

void http_problem(HttpExchange *x, const Err *err)
{
    unsigned status = err->http >= 400 && err->http <= 599 ? err->http : 500;
    bool inside = err->code == ERR_INTERNAL || err->code == ERR_IO || err->code == ERR_NO_SPACE ||
                  err->code == ERR_DAMAGED || err->code == ERR_UNAVAILABLE || err->code == ERR_CLOSED ||
                  err->code == ERR_NONE || mentions_path(err->text);
    if (!inside) {
        answer_problem(x, status, err->text);
        return;
    }
    if (status >= 500)
        log_error("api_dicomweb", "request %lu: %s", x->number, err->text);
    else
        log_warning("api_dicomweb", "request %lu: %s", x->number, err->text);
    answer_problem(x, status,
                   status == 507   ? "the archive's disk is full"
                   : status == 404 ? "it is not in the archive"
                   : status < 500  ? "the request could not be served; the server's log says why"
                                   : "the archive failed; the server's log says why");
}

void http_refuse(HttpExchange *x, unsigned status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer_problem(x, status, text);
}
