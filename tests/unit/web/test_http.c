// SPDX-License-Identifier: MIT
/* The facade over a real socket: a server in this process, a client that sends bytes as they are. */
#include "web/http.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <zlib.h>

/* -- what the server offers -- */

static atomic_int closed, released, bodies_seen;
static atomic_ulong finished_count;
static atomic_uint last_status;

static void echo(HttpExchange *x, void *ctx)
{
    Buf out;
    buf_init(&out, 0);
    size_t n;
    const HttpParameter *p = http_parameters(x, &n);
    buf_printf(&out, "%s|%s|%s|", http_path(x), http_client(x), http_base_url(x));
    for (size_t i = 0; i < n; i++)
        buf_printf(&out, "%s=%s;", p[i].name, p[i].value);
    if (http_part(x, "name"))
        buf_printf(&out, "|%s", http_part(x, "name"));
    http_answer_buf(x, 200, "text/plain", &out);
    buf_free(&out);
}

static void unchanged(HttpExchange *x, void *ctx)
{
    if (!http_unchanged(x, "v1", 784111777))
        http_answer(x, 200, "application/octet-stream", SPAN("0123456789"));
}

typedef struct Upload {
    uint64_t bytes, sum;
} Upload;

static void upload_release(void *state)
{
    free(state);
    atomic_fetch_add(&released, 1);
}

static void upload_begin(HttpExchange *x, void *ctx)
{
    if (http_parameter(x, "refuse")) {
        http_refuse(x, 403, "not today");
        return;
    }
    http_set_state(x, calloc(1, sizeof(Upload)), upload_release);
}

static bool upload_body(HttpExchange *x, void *ctx, Span piece)
{
    atomic_fetch_add(&bodies_seen, 1);
    Upload *upload = http_state(x);
    for (size_t i = 0; i < piece.n; i++)
        upload->sum += piece.p[i];
    upload->bytes += piece.n;
    if (http_parameter(x, "stop")) {
        http_refuse(x, 409, "enough");
        return false;
    }
    return true;
}

static void upload_end(HttpExchange *x, void *ctx)
{
    const Upload *upload = http_state(x);
    char text[64];
    snprintf(text, sizeof text, "%llu %llu", (unsigned long long)upload->bytes,
             (unsigned long long)upload->sum);
    http_answer(x, 200, "text/plain", span_cstr(text));
}

typedef struct Stream {
    uint64_t left;
    bool fails;
} Stream;

static ssize_t stream_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Stream *s = ctx;
    n = n < s->left ? n : (size_t)s->left;
    if (n == 0 && s->fails) {
        err_set(err, ERR_IO, "the disk is gone");
        return -1;
    }
    memset(p, 'x', n);
    s->left -= n;
    return (ssize_t)n;
}

static void stream_close(void *ctx)
{
    free(ctx);
    atomic_fetch_add(&closed, 1);
}

static void stream(HttpExchange *x, void *ctx)
{
    Stream *s = calloc(1, sizeof *s);
    const char *bytes = http_parameter(x, "bytes");
    s->left = strtoull(bytes ? bytes : "1000000", NULL, 10);
    s->fails = http_parameter(x, "fails");
    int64_t length = http_parameter(x, "length") ? (int64_t)s->left : HTTP_LENGTH_UNKNOWN;
    http_answer_source(x, 200, http_parameter(x, "text") ? "text/plain" : "application/octet-stream",
                       &(HttpSource){stream_read, stream_close, s}, length);
}

enum { FILE_SIZE = 3000000 };

static int pattern_file(void)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    uint8_t *bytes = malloc(FILE_SIZE + 100);
    for (size_t i = 0; i < FILE_SIZE + 100; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 1000);
    assert_int_equal(write(fd, bytes, FILE_SIZE + 100), FILE_SIZE + 100);
    free(bytes);
    return fd;
}

static void file(HttpExchange *x, void *ctx)
{
    int fd = pattern_file();
    if (!http_unchanged(x, "file1", 0))
        http_answer_file(x, 200, "application/dicom", fd, 100, FILE_SIZE);
    else
        close(fd);
}

/* Pieces of a text and a file each; every third one has to be read. */
enum { TEXT_SIZE = 10, PIECE_SIZE = TEXT_SIZE + FILE_SIZE };

typedef struct Pieces {
    int fd;
    uint64_t at, end;
    char text[TEXT_SIZE + 1];
} Pieces;

static bool pieces_stretch(void *ctx, HttpStretch *out)
{
    Pieces *s = ctx;
    unsigned number = (unsigned)(s->at / PIECE_SIZE);
    if (s->at >= s->end || s->at % PIECE_SIZE || number % 3 == 2)
        return false;
    snprintf(s->text, sizeof s->text, "piece %03u\n", number % 1000);
    *out = (HttpStretch){span_of(s->text, TEXT_SIZE), s->fd, 100, FILE_SIZE};
    s->at += PIECE_SIZE;
    return true;
}

static ssize_t pieces_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Pieces *s = ctx;
    uint64_t in = s->at % PIECE_SIZE;
    if (s->at >= s->end)
        return 0;
    if (in < TEXT_SIZE) {
        snprintf(s->text, sizeof s->text, "piece %03u\n", (unsigned)(s->at / PIECE_SIZE) % 1000);
        *p = (uint8_t)s->text[in];
        s->at++;
        return 1;
    }
    n = n < PIECE_SIZE - in ? n : (size_t)(PIECE_SIZE - in);
    ssize_t got = pread(s->fd, p, n, (off_t)(100 + in - TEXT_SIZE));
    s->at += got > 0 ? (uint64_t)got : 0;
    return got > 0 ? got : (err_set(err, ERR_IO, "shorter"), -1);
}

static void pieces_close(void *ctx)
{
    Pieces *s = ctx;
    close(s->fd);
    free(s);
    atomic_fetch_add(&closed, 1);
}

static void pieces(HttpExchange *x, void *ctx)
{
    Pieces *s = calloc(1, sizeof *s);
    const char *count = http_parameter(x, "count"), *cut = http_parameter(x, "cut");
    s->fd = pattern_file();
    s->end = strtoull(count, NULL, 10) * PIECE_SIZE;
    if (cut)
        assert_int_equal(ftruncate(s->fd, (off_t)strtoull(cut, NULL, 10)), 0);
    http_answer_source(
        x, 200, "application/octet-stream",
        &(HttpSource){.read = pieces_read, .close = pieces_close, .ctx = s, .stretch = pieces_stretch},
        HTTP_LENGTH_UNKNOWN);
}

static void nothing(HttpExchange *x, void *ctx)
{
}

static void broken(HttpExchange *x, void *ctx)
{
    Err err = {0};
    err_set(&err, ERR_IO, "read /srv/archive/secret: Input/output error");
    http_problem(x, &err);
}

static void json(HttpExchange *x, void *ctx)
{
    Buf out;
    buf_init(&out, 0);
    for (int i = 0; i < 20000; i++)
        buf_printf(&out, "%d,", i);
    http_header(x, "Vary", "Accept");
    if (!http_unchanged(x, "j1", 0))
        http_answer_buf(x, 200, "application/dicom+json", &out);
    buf_free(&out);
}

static const HttpRoute routes[] = {
    {"GET", "/echo", USER_ANYBODY, {.end = echo}},
    {"GET", "/echo/{name}", USER_ANYBODY, {.end = echo}},
    {"GET", "/rest/{name+}", USER_ANYBODY, {.end = echo}},
    {"GET", "/slash/", USER_ANYBODY, {.end = echo}},
    {"GET", "/unchanged", USER_ANYBODY, {.end = unchanged}},
    {"POST", "/upload", USER_WRITE, {upload_begin, upload_body, upload_end}},
    {"GET", "/stream", USER_ANYBODY, {.end = stream}},
    {"GET", "/file", USER_ANYBODY, {.end = file}},
    {"GET", "/pieces", USER_ANYBODY, {.end = pieces}},
    {"GET", "/nothing", USER_ANYBODY, {.end = nothing}},
    {"GET", "/broken", USER_ANYBODY, {.end = broken}},
    {"GET", "/json", USER_ANYBODY, {.end = json}},
    {"GET", "/secret", USER_ADMIN, {.end = echo}},
};

static bool authorize(void *ctx, HttpExchange *x, UserRole role)
{
    if (role != USER_ADMIN)
        return true;
    http_header(x, "WWW-Authenticate", "Bearer");
    http_refuse(x, 401, "who are you?");
    return false;
}

static void finished(void *ctx, const HttpExchange *x, unsigned status, uint64_t sent, int64_t microseconds)
{
    atomic_store(&last_status, status);
    atomic_fetch_add(&finished_count, 1);
}

static const char *const origins[] = {"https://viewer.example", NULL};
static const char *const proxies[] = {"127.0.0.1", NULL};
static const char *const hosts[] = {"localhost", ".example.org", NULL};

static HttpSettings settings(void)
{
    return (HttpSettings){.gzip = true,
                          .cors_origins = origins,
                          .authorize = authorize,
                          .finished = finished,
                          .head_timeout_ms = 700,
                          .idle_timeout_ms = 60000,
                          .slow_timeout_ms = 700,
                          .max_body = UINT64_C(200) << 20};
}

static HttpServer *start(const HttpSettings *s)
{
    Err err = {0};
    HttpServer *server = http_start(s, &err);
    if (!server)
        fail_msg("%s", err.text);
    http_add_routes(server, "", routes, sizeof routes / sizeof *routes, NULL);
    if (!http_serve(server, &err))
        fail_msg("%s", err.text);
    return server;
}

static HttpServer *server;

static int setup(void **state)
{
    HttpSettings s = settings();
    server = start(&s);
    atomic_store(&closed, 0);
    atomic_store(&released, 0);
    return 0;
}

static int teardown(void **state)
{
    http_stop(server, 1000);
    return 0;
}

/* One request on a connection of its own. */
static Reply ask(const char *method, const char *target, const char *headers)
{
    int fd = client_connect(http_port(server));
    char text[4096];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, target, headers);
    client_send(fd, text);
    Reply reply = client_reply(fd, !strcmp(method, "HEAD"));
    close(fd);
    return reply;
}

static void expect(const char *method, const char *target, const char *headers, unsigned status,
                   const char *in_body)
{
    Reply r = ask(method, target, headers);
    if (r.status != status || (in_body && !strstr(r.body, in_body)))
        fail_msg("%s %s: %s%s", method, target, r.head, r.body);
    if (status >= 400 && strcmp(reply_header(&r, "Content-Type"), "application/problem+json") != 0)
        fail_msg("%s %s: not a problem document: %s", method, target, r.head);
    reply_free(&r);
}

/* -- tests -- */

static void requests(void **state)
{
    expect("GET", "/echo?a=1&b=x%20y+z&a=%C3%BC", "", 200,
           "/echo|127.0.0.1|http://localhost|a=1;b=x y z;a=ü;");
    expect("GET", "/echo/113001%5EDCM", "", 200, "|113001^DCM");
    expect("GET", "/rest/a/b/c", "", 200, "|a/b/c");
    expect("GET", "/slash/", "", 200, "/slash|");
    expect("GET", "/slash", "", 200, "/slash|");
    expect("GET", "http://localhost/echo?x", "", 200, "/echo|127.0.0.1|http://localhost|x=;");
    expect("GET", "/nowhere", "", 404, "nothing at /nowhere");
    expect("DELETE", "/echo", "", 405, "GET, HEAD, OPTIONS");
    expect("GET", "/nothing", "", 500, "could not be served");
    expect("GET", "/secret", "", 401, "who are you");
    expect("OPTIONS", "/echo", "", 204, NULL);
    expect("OPTIONS", "*", "", 204, NULL);
    Reply r = ask("GET", "/broken", "");
    assert_int_equal(r.status, 500);
    assert_null(strstr(r.body, "/srv"));
    reply_free(&r);
}

static void bad_targets(void **state)
{
    static const char *const bad[] = {"/echo/%00",   "/echo/%2e%2e", "/echo/..",    "/echo/.",
                                      "/echo/%2E",   "/echo/a%2fb",  "/echo/a%5Cb", "/echo/%",
                                      "/echo/%4",    "/echo/%zz",    "/echo//x",    "/echo/%ff",
                                      "/echo?a=%00", "/echo?a=%ff",  "/echo/%0a",   "echo"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect("GET", bad[i], "", 400, "\"status\":400");
}

static void bad_heads(void **state)
{
    expect("GET", "/echo", "Host: other\r\n", 400, "more than one Host");
    expect("POST", "/upload", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400, "both");
    expect("POST", "/upload", "Content-Length: 10737418240\r\n", 413, "api.max_body");
    char many[8192] = "";
    for (int i = 0; i < 200; i++)
        snprintf(many + strlen(many), 32, "X-%d: y\r\n", i);
    int fd = client_connect(http_port(server));
    client_send(fd, "GET /echo HTTP/1.1\r\nHost: a\r\n");
    client_send(fd, many);
    client_send(fd, "\r\n");
    Reply r = client_reply(fd, false);
    assert_int_equal(r.status, 431);
    reply_free(&r);
    close(fd);
    char *longest = malloc(40001);
    memset(longest, 'a', 40000);
    longest[40000] = 0;
    fd = client_connect(http_port(server));
    client_send(fd, "GET /");
    client_send(fd, longest);
    client_send(fd, " HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 414);
    reply_free(&r);
    close(fd);
    free(longest);
    fd = client_connect(http_port(server));
    client_send(fd, "GET /echo HTTP/1.1\r\n\r\n");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 400);
    reply_free(&r);
    close(fd);
}

static void keep_alive_and_pipelines(void **state)
{
    int fd = client_connect(http_port(server));
    client_send(fd,
                "GET /echo?1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: "
                "3\r\n\r\nabcGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nHEAD /echo HTTP/1.1\r\nHost: "
                "a\r\n\r\nGET /echo?5 HTTP/1.1\r\nHost: a\r\n\r\n");
    static const struct {
        unsigned status;
        const char *body;
    } wanted[] = {{200, "|1=;"}, {200, "3 294"}, {404, ""}, {200, ""}, {200, "|5=;"}};
    for (size_t i = 0; i < 5; i++) {
        Reply r = client_reply(fd, i == 3);
        assert_int_equal(r.status, wanted[i].status);
        assert_non_null(strstr(r.body, wanted[i].body));
        reply_free(&r);
    }
    close(fd);
}

static void uploads(void **state)
{
    int fd = client_connect(http_port(server));
    client_send(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    Reply r = client_reply(fd, false);
    assert_string_equal(r.body, "7 700");
    reply_free(&r);
    /* Refused before the body: it is dropped, and the connection goes on. */
    client_send(fd, "POST /upload?refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 403);
    reply_free(&r);
    client_send(fd, "POST /upload?stop HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    char *zeros = calloc(1, 300000);
    client_send_bytes(fd, zeros, 300000);
    free(zeros);
    r = client_reply(fd, false);
    assert_int_equal(r.status, 409);
    reply_free(&r);
    client_send(fd, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    close(fd);
}

static void continue_is_said_or_not(void **state)
{
    int fd = client_connect(http_port(server));
    client_send(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    Reply r = client_reply(fd, false);
    assert_int_equal(r.status, 100);
    reply_free(&r);
    client_send(fd, "abc");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    client_send(
        fd, "POST /upload?refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 403);
    reply_free(&r);
    close(fd);
}

static void ranges(void **state)
{
    Reply r = ask("GET", "/unchanged", "Range: bytes=2-4\r\n");
    assert_int_equal(r.status, 206);
    assert_string_equal(r.body, "234");
    assert_string_equal(reply_header(&r, "Content-Range"), "bytes 2-4/10");
    reply_free(&r);
    r = ask("GET", "/unchanged", "Range: bytes=-3\r\nIf-Range: \"v2\"\r\n");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = ask("GET", "/unchanged", "Range: bytes=0-0,-2\r\nIf-Range: \"v1\"\r\n");
    assert_int_equal(r.status, 206);
    assert_non_null(strstr(reply_header(&r, "Content-Type"), "multipart/byteranges; boundary="));
    assert_non_null(strstr(r.body, "Content-Range: bytes 0-0/10\r\n\r\n0\r\n--"));
    assert_non_null(strstr(r.body, "Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"));
    reply_free(&r);
    expect("GET", "/unchanged", "Range: bytes=10-\r\n", 416, "10 bytes");
    r = ask("GET", "/file", "");
    assert_int_equal(r.length, FILE_SIZE);
    for (size_t i = 0; i < FILE_SIZE; i++)
        assert_int_equal((uint8_t)r.body[i], (uint8_t)((i + 100) * 7 + (i + 100) / 1000));
    reply_free(&r);
    r = ask("GET", "/file", "Range: bytes=2999990-4000000\r\n");
    assert_int_equal(r.status, 206);
    assert_int_equal(r.length, 10);
    assert_int_equal((uint8_t)r.body[9], (uint8_t)(3000099 * 7 + 3000));
    reply_free(&r);
    r = ask("GET", "/file", "Range: bytes=0-999999,2000000-2000001\r\n");
    assert_int_equal(r.status, 206);
    assert_true(r.length > 1000002);
    reply_free(&r);
}

static void conditions(void **state)
{
    Reply r = ask("GET", "/unchanged", "");
    assert_string_equal(reply_header(&r, "ETag"), "\"v1\"");
    assert_string_equal(reply_header(&r, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    reply_free(&r);
    r = ask("GET", "/unchanged", "If-None-Match: W/\"v1\"\r\n");
    assert_int_equal(r.status, 304);
    assert_string_equal(reply_header(&r, "ETag"), "\"v1\"");
    reply_free(&r);
    expect("GET", "/unchanged", "If-Match: \"v2\"\r\n", 412, NULL);
    expect("GET", "/unchanged", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, NULL);
    expect("GET", "/unchanged", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200, "0123456789");
}

static void compression(void **state)
{
    Reply r = ask("GET", "/json", "Accept-Encoding: br, gzip\r\n");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Encoding"), "gzip");
    assert_string_equal(reply_header(&r, "Vary"), "Accept, Accept-Encoding, Origin");
    assert_string_equal(reply_header(&r, "ETag"), "\"j1-gzip\"");
    uint8_t *plain = calloc(1, 200000);
    z_stream z = {
        .next_in = (uint8_t *)r.body, .avail_in = (uInt)r.length, .next_out = plain, .avail_out = 200000};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_memory_equal(plain, "0,1,2,3,", 8);
    assert_int_equal(z.total_out, 108890);
    free(plain);
    reply_free(&r);
    r = ask("GET", "/json", "Accept-Encoding: gzip;q=0\r\n");
    assert_null(reply_header(&r, "Content-Encoding"));
    assert_int_equal(r.length, 108890);
    reply_free(&r);
    expect("GET", "/json", "Accept-Encoding: gzip\r\nIf-None-Match: \"j1-gzip\"\r\n", 304, NULL);
}

static void cors(void **state)
{
    Reply r =
        ask("OPTIONS", "/secret", "Origin: https://viewer.example\r\nAccess-Control-Request-Method: GET\r\n");
    assert_int_equal(r.status, 204);
    assert_string_equal(reply_header(&r, "Access-Control-Allow-Origin"), "https://viewer.example");
    assert_non_null(strstr(reply_header(&r, "Access-Control-Allow-Headers"), "Authorization"));
    assert_non_null(strstr(reply_header(&r, "Access-Control-Allow-Methods"), "GET"));
    reply_free(&r);
    r = ask("GET", "/secret", "Origin: https://viewer.example\r\n");
    assert_int_equal(r.status, 401);
    assert_string_equal(reply_header(&r, "Access-Control-Allow-Origin"), "https://viewer.example");
    assert_string_equal(reply_header(&r, "Cross-Origin-Resource-Policy"), "cross-origin");
    reply_free(&r);
    r = ask("GET", "/echo", "Origin: https://evil.example\r\n");
    assert_int_equal(r.status, 200);
    assert_null(reply_header(&r, "Access-Control-Allow-Origin"));
    reply_free(&r);
}

static void sources(void **state)
{
    Reply r = ask("GET", "/stream?bytes=3000000", "");
    assert_int_equal(r.length, 3000000);
    assert_string_equal(reply_header(&r, "Transfer-Encoding"), "chunked");
    reply_free(&r);
    r = ask("GET", "/stream?bytes=3000000&length", "");
    assert_int_equal(r.length, 3000000);
    assert_string_equal(reply_header(&r, "Content-Length"), "3000000");
    reply_free(&r);
    r = ask("HEAD", "/stream?bytes=3000000&length", "");
    assert_string_equal(reply_header(&r, "Content-Length"), "3000000");
    reply_free(&r);
    r = ask("GET", "/stream?bytes=100&fails", "");
    assert_true(r.length <= 100);
    reply_free(&r);
    r = ask("GET", "/stream?bytes=3000000&text", "Accept-Encoding: gzip\r\n");
    assert_string_equal(reply_header(&r, "Content-Encoding"), "gzip");
    assert_true(r.length < 30000);
    reply_free(&r);
    for (int i = 0; i < 500 && atomic_load(&closed) < 5; i++)
        clock_sleep_ms(10);
    assert_int_equal(atomic_load(&closed), 5);
}

static void expect_pieces(const uint8_t *body, size_t n, unsigned count)
{
    assert_int_equal(n, (size_t)count * PIECE_SIZE);
    for (unsigned i = 0; i < count; i++, body += PIECE_SIZE) {
        char text[TEXT_SIZE + 8];
        snprintf(text, sizeof text, "piece %03u\n", i);
        assert_memory_equal(body, text, TEXT_SIZE);
        for (size_t k = 0; k < FILE_SIZE; k++)
            if (body[TEXT_SIZE + k] != (uint8_t)((k + 100) * 7 + (k + 100) / 1000))
                fail_msg("piece %u differs at byte %zu", i, k);
    }
}

/* Chunks of ours between those of the library, on a connection that stays. */
static void stretches_of_files(void **state)
{
    int fd = client_connect(http_port(server));
    for (unsigned count = 0; count < 5; count++) {
        char text[100];
        snprintf(text, sizeof text, "GET /pieces?count=%u HTTP/1.1\r\nHost: a\r\n\r\n", count);
        client_send(fd, text);
        Reply r = client_reply(fd, false);
        assert_int_equal(r.status, 200);
        assert_string_equal(reply_header(&r, "Transfer-Encoding"), "chunked");
        expect_pieces((const uint8_t *)r.body, r.length, count);
        reply_free(&r);
    }
    close(fd);
    Reply r = ask("HEAD", "/pieces?count=2", "");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    /* without chunks */
    fd = client_connect(http_port(server));
    client_send(fd, "GET /pieces?count=2 HTTP/1.0\r\n\r\n");
    Buf in;
    buf_init(&in, 0);
    assert_true(read_until(fd, &in, "\r\n\r\n"));
    assert_null(memmem(in.p, in.n, "chunked", 7));
    buf_clear(&in);
    assert_false(read_exactly(fd, &in, 2 * PIECE_SIZE + 1));
    expect_pieces(in.p, in.n, 2);
    buf_free(&in);
    close(fd);
}

/* That is no end of a body. */
static void stretches_of_a_file_that_was_cut(void **state)
{
    static const char *const cuts[] = {"0", "1000", "3000000", "3000099"};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char text[100], *all;
        int fd = client_connect(http_port(server));
        snprintf(text, sizeof text, "GET /pieces?count=2&cut=%s HTTP/1.1\r\nHost: a\r\n\r\n", cuts[i]);
        client_send(fd, text);
        all = client_read_all(fd);
        assert_non_null(strstr(all, "200 OK"));
        assert_null(strstr(all, "\r\n0\r\n"));
        free(all);
        close(fd);
    }
}

static void wait_for(atomic_int *count, int wanted)
{
    for (int i = 0; i < 2000 && atomic_load(count) < wanted; i++)
        clock_sleep_ms(10);
    assert_int_equal(atomic_load(count), wanted);
}

static void clients_that_go_away(void **state)
{
    static const char *const long_ones[] = {"/stream?bytes=100000000000&length", "/pieces?count=100000"};
    int fd;
    for (int i = 0; i < 2; i++) {
        char text[100], some[1000];
        fd = client_connect(http_port(server));
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", long_ones[i]);
        client_send(fd, text);
        assert_true(recv(fd, some, sizeof some, 0) > 0);
        close(fd);
        wait_for(&closed, i + 1);
    }
    fd = client_connect(http_port(server));
    client_send(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    clock_sleep_ms(50);
    close(fd);
    wait_for(&released, 1);
}

/* The server hangs up by itself; the answer, when there is one, is 408. */
static void slow_ones_are_cut(void **state)
{
    static const char *const slow[] = {"GET /echo HTTP/1.1\r\nHos",
                                       "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\nab"};
    for (size_t i = 0; i < 2; i++) {
        int fd = client_connect(http_port(server));
        client_send(fd, slow[i]);
        char *text = NULL;
        for (int k = 0; k < 200; k++) {
            clock_sleep_ms(50);
            client_send(fd, "t");
            char c;
            if (recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) >= 0) {
                text = client_read_all(fd);
                break;
            }
        }
        assert_non_null(text);
        assert_true(strncmp(text, "HTTP/1.1 408", 12) == 0);
        free(text);
        close(fd);
    }
    wait_for(&released, 1);
    /* Those that ask and do not read. */
    int fds[] = {client_connect(http_port(server)), client_connect(http_port(server))};
    client_send(fds[0], "GET /stream?bytes=100000000000&length HTTP/1.1\r\nHost: a\r\n\r\n");
    client_send(fds[1], "GET /pieces?count=100000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&closed, 2);
    close(fds[0]);
    close(fds[1]);
}

static void hosts_and_proxies(void **state)
{
    HttpSettings s = settings();
    s.allowed_hosts = hosts;
    s.trusted_proxies = proxies;
    s.root = "/pacs";
    http_stop(server, 0);
    server = start(&s);
    expect("GET", "/echo",
           "X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
           "pacs.example.org:8443\r\n",
           200, "|192.0.2.7|https://pacs.example.org:8443/pacs|");
    expect("GET", "/echo", "Forwarded: for=\"[2001:db8::1]:99\";proto=https;host=a.example.org\r\n", 200,
           "|2001:db8::1|https://a.example.org/pacs|");
    int fd = client_connect(http_port(server));
    client_send(fd, "GET /echo HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    Reply r = client_reply(fd, false);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "allowed_hosts"));
    reply_free(&r);
    client_send(fd, "GET /echo HTTP/1.1\r\nHost: WWW.Example.org:80\r\n\r\n");
    r = client_reply(fd, false);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    close(fd);
}

static void limits_of_connections(void **state)
{
    HttpSettings s = settings();
    s.max_connections_per_peer = 3;
    http_stop(server, 0);
    server = start(&s);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = client_connect(http_port(server));
        client_send(fds[i], "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        Reply r = client_reply(fds[i], false);
        assert_int_equal(r.status, i < 3 ? 200 : 0);
        reply_free(&r);
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    for (int i = 0; i < 500 && http_connections(server); i++)
        clock_sleep_ms(10);
    expect("GET", "/echo", "", 200, NULL);
}

/* Those who hold all connections and ask for nothing make room. */
static void a_full_house(void **state)
{
    HttpSettings s = settings();
    s.max_connections = 4;
    http_stop(server, 0);
    server = start(&s);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = client_connect(http_port(server));
        client_send(fds[i], "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        Reply r = client_reply(fds[i], false);
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    /* Until then newcomers are sent away. */
    unsigned status = 0;
    for (int i = 0; i < 200 && status != 200; i++) {
        Reply r = ask("GET", "/echo", "");
        status = r.status;
        reply_free(&r);
        clock_sleep_ms(50);
    }
    assert_int_equal(status, 200);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void stops_with_work_to_do(void **state)
{
    int fd = client_connect(http_port(server)), idle = client_connect(http_port(server));
    client_send(fd, "GET /stream?bytes=100000000000&length HTTP/1.1\r\nHost: a\r\n\r\n");
    char some[1000];
    assert_true(recv(fd, some, sizeof some, 0) > 0);
    int other = client_connect(http_port(server));
    client_send(other, "GET /pieces?count=100000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(recv(other, some, sizeof some, 0) > 0);
    http_stop(server, 100);
    assert_int_equal(atomic_load(&closed), 2);
    close(other);
    close(fd);
    close(idle);
    HttpSettings s = settings();
    server = start(&s);
}

static void a_port_that_is_taken(void **state)
{
    HttpSettings s = settings();
    s.port = http_port(server);
    Err err = {0};
    assert_null(http_start(&s, &err));
    assert_non_null(strstr(err.text, "in use"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(requests),
        T(bad_targets),
        T(bad_heads),
        T(keep_alive_and_pipelines),
        T(uploads),
        T(continue_is_said_or_not),
        T(ranges),
        T(conditions),
        T(compression),
        T(cors),
        T(sources),
        T(stretches_of_files),
        T(stretches_of_a_file_that_was_cut),
        T(clients_that_go_away),
        T(slow_ones_are_cut),
        T(hosts_and_proxies),
        T(limits_of_connections),
        T(a_full_house),
        T(stops_with_work_to_do),
        T(a_port_that_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
