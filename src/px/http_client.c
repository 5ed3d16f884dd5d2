// SPDX-License-Identifier: MIT
#include "px/http_client.h"

#include "base/clock.h"
#include "base/outgoing.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONNECT_MS = 10000,
    SILENCE_MS = 60000,
    PAUSE_MS = 500,
    PAUSE_MAX_MS = 64000,
    TRIES = 5,
    BODY_MAX = 1 << 20,
    ERROR_BODY_MAX = 16384,
    TRICKLE = 100,         /* bytes per second */
    PIECE = 256 * 1024,    /* curl's buffers for streams */
    EXPECT_OVER = 1 << 20, /* from here on a body waits for "100 Continue" */
};

struct PxHttp {
    PxHttpSettings settings;
    CURL *curl;
};

/* One try. */
typedef struct Exchange {
    PxHttp *http;
    const PxHttpRequest *request;
    PxHttpAnswer *answer;
    uint64_t sent;
    size_t limit; /* of what is gathered */
    bool overrun, failed;
    Err why; /* of source or sink */
} Exchange;

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

PxHttp *px_http_new(const PxHttpSettings *settings)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    PxHttp *http = calloc(1, sizeof *http);
    if (!http || !(http->curl = curl_easy_init()))
        abort();
    if (settings)
        http->settings = *settings;
    PxHttpSettings *s = &http->settings;
    s->connect_ms = s->connect_ms ? s->connect_ms : CONNECT_MS;
    s->silence_ms = s->silence_ms ? s->silence_ms : SILENCE_MS;
    s->pause_ms = s->pause_ms ? s->pause_ms : PAUSE_MS;
    s->tries = s->tries ? s->tries : TRIES;
    return http;
}

void px_http_free(PxHttp *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    free(http);
}

/* -- what curl calls -- */

static long status_of(PxHttp *http)
{
    long status = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
    Exchange *x = ctx;
    size_t all = size * n;
    long status = status_of(x->http);
    if (x->request->sink && status >= 200 && status < 300) {
        x->failed = !x->request->sink->take(x->request->sink->ctx, span_of(p, all), &x->why);
        return x->failed ? 0 : all; /* 0: curl stops */
    }
    Buf *body = &x->answer->body;
    size_t room = x->limit - body->n;
    buf_append(body, p, all < room ? all : room);
    x->overrun = all > room;
    return x->overrun ? 0 : all;
}

static size_t give_body(char *p, size_t size, size_t n, void *ctx)
{
    Exchange *x = ctx;
    const PxHttpSource *source = x->request->source;
    uint64_t left = source->size - x->sent;
    size_t wanted = size * n < left ? size * n : (size_t)left;
    if (wanted && !source->read(source->ctx, x->sent, p, wanted, &x->why)) {
        x->failed = true;
        return CURL_READFUNC_ABORT;
    }
    x->sent += wanted;
    return wanted;
}

static int rewind_body(void *ctx, curl_off_t offset, int origin)
{
    Exchange *x = ctx;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->request->source->size)
        return CURL_SEEKFUNC_FAIL;
    x->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* -- one try -- */

static bool is_plain_line(const char *text)
{
    return !strpbrk(text, "\r\n");
}

/* NULL when a header is not one line. */
static struct curl_slist *make_headers(const PxHttpRequest *r)
{
    uint64_t size = r->source ? r->source->size : r->body.n;
    struct curl_slist *list =
        curl_slist_append(NULL, size > EXPECT_OVER ? "Expect: 100-continue" : "Expect:");
    bool typed = false;
    for (const char *const *h = r->headers; h && *h; h++)
        typed = typed || !strncasecmp(*h, "Content-Type:", 13);
    if (!typed) /* curl would call it a form */
        list = curl_slist_append(list, "Content-Type:");
    for (const char *const *h = r->headers; h && *h; h++) {
        if (!is_plain_line(*h)) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = curl_slist_append(list, *h);
    }
    return list;
}

static void set_body(CURL *curl, Exchange *x)
{
    const PxHttpRequest *r = x->request;
    if (r->source) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->source->size);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(curl, CURLOPT_READDATA, x);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_body);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE);
    } else if (r->body.n || !strcmp(r->method, "PUT") || !strcmp(r->method, "POST")) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body.n ? (const char *)r->body.p : "");
    }
    if (!strcmp(r->method, "HEAD"))
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_times(CURL *curl, const PxHttpSettings *s, const PxHttpRequest *r)
{
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)TRICKLE);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)((s->silence_ms + 999) / 1000));
    if (!r->source && !r->sink)
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)s->silence_ms);
}

static CURLcode try_once(Exchange *x, struct curl_slist *headers)
{
    CURL *curl = x->http->curl;
    const PxHttpRequest *r = x->request;
    const PxHttpSettings *s = &x->http->settings;
    curl_easy_reset(curl); /* the connections are kept */
    outgoing_prepare(curl, r->url);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    if (r->user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, r->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, r->password ? r->password : "");
    }
    if (s->ca && *s->ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, s->ca);
    if (r->sink)
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)PIECE);
    set_body(curl, x);
    set_times(curl, s, r);
    buf_clear(&x->answer->body);
    x->sent = 0;
    x->overrun = x->failed = false;
    if (r->sink && !r->sink->begin(r->sink->ctx, &x->why)) {
        x->failed = true;
        return CURLE_ABORTED_BY_CALLBACK;
    }
    CURLcode code = curl_easy_perform(curl);
    x->answer->status = (unsigned)status_of(x->http);
    /* Of an error the beginning will do. */
    if (code == CURLE_WRITE_ERROR && x->overrun && x->answer->status >= 400)
        code = CURLE_OK;
    if (code == CURLE_OK && (x->answer->status < 200 || x->answer->status > 599))
        return CURLE_WEIRD_SERVER_REPLY;
    return code;
}

/* -- again -- */

/* Could it go better the next time? `once`: only if nothing was done yet. */
static bool is_passing(CURLcode code, unsigned status, bool once)
{
    if (code == CURLE_OK)
        return status == 429 || status == 503 ||
               (!once && (status == 408 || status == 500 || status == 502 || status == 504));
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_COULDNT_RESOLVE_PROXY)
        return true;
    return !once && (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SEND_ERROR ||
                     code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE ||
                     code == CURLE_SEND_FAIL_REWIND || code == CURLE_SSL_CONNECT_ERROR);
}

/* Doubled each time, a little different for each client; or what the server asks for. */
static int64_t pause_before(PxHttp *http, unsigned again)
{
    int64_t pause = http->settings.pause_ms << (again < 16 ? again : 16), asked;
    const char *after = px_http_header(http, "Retry-After");
    if (after && span_to_i64(span_cstr(after), 0, PAUSE_MAX_MS / 1000, &asked) && asked * 1000 > pause)
        pause = asked * 1000;
    pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    return pause + pause * (clock_ns() / 1024 % 16) / 64;
}

static bool judge(Exchange *x, CURLcode code, unsigned tries, Err *err)
{
    if (x->failed) {
        if (err)
            *err = x->why;
        return false;
    }
    if (x->overrun && code != CURLE_OK) {
        Span host = outgoing_host(x->request->url);
        return err_set(err, ERR_LIMIT, "%.*s: the answer is longer than %zu bytes", SPAN_FMT(host), x->limit);
    }
    if (code == CURLE_OK)
        return true;
    outgoing_failed(code, x->request->url, err);
    if (err && tries > 1)
        snprintf(err->text + strlen(err->text), sizeof err->text - strlen(err->text), " (%u tries)", tries);
    return false;
}

bool px_http(PxHttp *http, const PxHttpRequest *request, PxHttpAnswer *answer, Err *err)
{
    *answer = (PxHttpAnswer){0};
    buf_init(&answer->body, 0);
    if (!outgoing_can(request->url) || !is_plain_line(request->url))
        return err_set(err, ERR_USAGE, "an address must begin with http://HOST or https://HOST");
    struct curl_slist *headers = make_headers(request);
    if (!headers)
        return err_set(err, ERR_USAGE, "a header to be sent has more than one line");
    Exchange x = {.http = http, .request = request, .answer = answer};
    x.limit = request->sink ? ERROR_BODY_MAX : request->body_max ? request->body_max : BODY_MAX;
    CURLcode code;
    unsigned tries = 0;
    for (;;) {
        code = try_once(&x, headers);
        tries++;
        if (x.failed || tries >= http->settings.tries || !is_passing(code, answer->status, request->once))
            break;
        clock_sleep_ms(pause_before(http, tries - 1));
    }
    curl_slist_free_all(headers);
    return judge(&x, code, tries, err);
}

/* -- answers -- */

const char *px_http_header(PxHttp *http, const char *name)
{
    struct curl_header *header;
    if (curl_easy_header(http->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

static const char *words_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *words;
    } known[] = {{400, "Bad Request"},       {401, "Unauthorized"},          {403, "Forbidden"},
                 {404, "Not Found"},         {405, "Method Not Allowed"},    {408, "Request Timeout"},
                 {409, "Conflict"},          {411, "Length Required"},       {412, "Precondition Failed"},
                 {413, "Content Too Large"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
                 {500, "Server Error"},      {502, "Bad Gateway"},           {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},   {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].words;
    return status < 400   ? "which is no answer to that"
           : status < 500 ? "an error of the request"
                          : "an error";
}

bool px_http_refused(const PxHttpRequest *request, const PxHttpAnswer *answer, Err *err)
{
    unsigned status = answer->status;
    ErrCode code = status == 404                    ? ERR_NOT_FOUND
                   : status == 409                  ? ERR_EXISTS
                   : status == 507 || status == 413 ? ERR_NO_SPACE
                   : status == 408 || status == 504 ? ERR_TIMEOUT
                   : status >= 500                  ? ERR_IO
                                                    : ERR_REFUSED;
    Span host = outgoing_host(request->url);
    err_set(err, code, "%.*s answered %u %s", SPAN_FMT(host), status, words_of(status));
    if (err)
        err->http = 502;
    return false;
}

static void escape(Buf *out, Span text, const char *also)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c && (isalnum(c) || strchr("-._~", c) || strchr(also, c)))
            buf_u8(out, c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

void px_http_escape_path(Buf *out, Span text)
{
    escape(out, text, "/");
}

void px_http_escape_value(Buf *out, Span text)
{
    escape(out, text, "");
}
