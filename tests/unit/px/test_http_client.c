// SPDX-License-Identifier: MIT
/* px/http_client against a server that says what each test wants said: one answer for each connection. */
#include "px/http_client.h"

#include "base/outgoing.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MAX_ANSWERS = 8, ANY = 99, ASKED_MAX = 1 << 22 };

typedef struct Script {
    const char *answers[MAX_ANSWERS]; /* NULL behind the last */
    int listener;
    pthread_t thread;
    Buf asked[MAX_ANSWERS]; /* whole requests */
    size_t served;
    char url[64];
} Script;

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void read_request(int fd, Buf *in)
{
    buf_init(in, ASKED_MAX);
    for (bool continued = false;;) {
        const char *text = buf_cstr(in), *end = strstr(text, "\r\n\r\n");
        if (end && in->n >= (size_t)(end - text) + 4 + content_length(text))
            return;
        if (end && !continued && strcasestr(text, "\r\nExpect: 100-continue")) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            send(fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL);
            continued = true;
        }
        uint8_t *p = buf_reserve(in, 65536);
        ssize_t n = recv(fd, p, 65536, 0);
        if (n <= 0)
            return;
        in->n += (size_t)n;
    }
}

static void *serve(void *ctx)
{
    Script *script = ctx;
    while (script->served < MAX_ANSWERS && script->answers[script->served]) {
        int fd = accept(script->listener, NULL, NULL);
        if (fd < 0)
            break;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 10}, sizeof(struct timeval));
        read_request(fd, &script->asked[script->served]);
        const char *answer = script->answers[script->served];
        send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        script->served++;
        close(fd);
    }
    return NULL;
}

static void start(Script *script)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(script->listener, 8), 0);
    assert_int_equal(getsockname(script->listener, (struct sockaddr *)&at, &n), 0);
    snprintf(script->url, sizeof script->url, "http://127.0.0.1:%u/v1/a%%20b", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&script->thread, NULL, serve, script), 0);
}

static void stop(Script *script, size_t served)
{
    shutdown(script->listener, SHUT_RDWR);
    pthread_join(script->thread, NULL);
    close(script->listener);
    if (served != ANY)
        assert_int_equal(script->served, served);
    for (size_t i = 0; i < MAX_ANSWERS; i++)
        buf_free(&script->asked[i]);
}

#define OK_TEXT    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Note: hello\r\nConnection: close\r\n\r\nok"
#define BUSY_TEXT  "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define WRONG_TEXT "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops"
#define CUT_TEXT   "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\nfirst"
#define AWAY_TEXT  ""

static PxHttp *quick(unsigned tries)
{
    return px_http_new(&(PxHttpSettings){.pause_ms = 1, .tries = tries, .silence_ms = 5000});
}

static void an_answer(void **state)
{
    Script script = {.answers = {OK_TEXT}};
    start(&script);
    PxHttp *http = quick(1);
    const char *const headers[] = {"X-Auth-Token: t", NULL};
    PxHttpRequest ask = {
        .method = "GET", .url = script.url, .headers = headers, .user = "u", .password = "p"};
    PxHttpAnswer answer;
    Err err = {0};
    assert_true(px_http(http, &ask, &answer, &err));
    assert_int_equal(answer.status, 200);
    assert_string_equal(buf_cstr(&answer.body), "ok");
    assert_string_equal(px_http_header(http, "x-note"), "hello");
    assert_null(px_http_header(http, "x-other"));
    const char *asked = buf_cstr(&script.asked[0]);
    assert_non_null(strstr(asked, "GET /v1/a%20b HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "\r\nX-Auth-Token: t\r\n"));
    assert_non_null(strstr(asked, "\r\nAuthorization: Basic dTpw\r\n"));
    buf_free(&answer.body);
    px_http_free(http);
    stop(&script, 1);
}

static bool read_letters(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    size_t *calls = ctx;
    ++*calls;
    for (size_t i = 0; i < n; i++)
        ((char *)p)[i] = (char)('a' + (offset + i) % 26);
    return true;
}

static void a_body_is_sent_again_from_its_beginning(void **state)
{
    enum { SIZE = 3000000 };
    Script script = {.answers = {AWAY_TEXT, BUSY_TEXT, OK_TEXT}};
    start(&script);
    PxHttp *http = quick(3);
    size_t calls = 0;
    PxHttpSource source = {.ctx = &calls, .size = SIZE, .read = read_letters};
    PxHttpRequest ask = {.method = "PUT", .url = script.url, .source = &source};
    PxHttpAnswer answer;
    Err err = {0};
    assert_true(px_http(http, &ask, &answer, &err));
    assert_int_equal(answer.status, 200);
    for (size_t i = 0; i < 3; i++) {
        const char *body = strstr(buf_cstr(&script.asked[i]), "\r\n\r\n") + 4;
        assert_int_equal(strlen(body), SIZE);
        assert_int_equal(strncmp(body, "abcdefghijklmnopqrstuvwxyzab", 28), 0);
        assert_int_equal(body[SIZE - 1], 'a' + (SIZE - 1) % 26);
    }
    buf_free(&answer.body);
    px_http_free(http);
    stop(&script, 3);
}

static bool read_nothing(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    return err_set(err, ERR_IO, "the file is gone");
}

static void a_source_that_fails(void **state)
{
    Script script = {.answers = {OK_TEXT}};
    start(&script);
    PxHttp *http = quick(3);
    PxHttpSource source = {.size = 10, .read = read_nothing};
    PxHttpRequest ask = {.method = "PUT", .url = script.url, .source = &source};
    PxHttpAnswer answer;
    Err err = {0};
    assert_false(px_http(http, &ask, &answer, &err));
    assert_string_equal(err.text, "the file is gone");
    buf_free(&answer.body);
    px_http_free(http);
    stop(&script, ANY);
}

static void what_must_not_be_repeated(void **state)
{
    Script script = {.answers = {BUSY_TEXT, WRONG_TEXT}};
    start(&script);
    PxHttp *http = quick(4);
    PxHttpRequest ask = {.method = "POST", .url = script.url, .body = SPAN("{}"), .once = true};
    PxHttpAnswer answer;
    Err err = {0};
    assert_true(px_http(http, &ask, &answer, &err));
    assert_int_equal(answer.status, 500);
    assert_false(px_http_refused(&ask, &answer, &err));
    assert_non_null(strstr(err.text, " answered 500 Server Error"));
    assert_null(strstr(err.text, "v1"));
    buf_free(&answer.body);
    px_http_free(http);
    stop(&script, 2);
}

static void no_server(void **state)
{
    Script script = {.answers = {NULL}};
    start(&script);
    stop(&script, 0);
    PxHttp *http = quick(3);
    PxHttpRequest ask = {.method = "GET", .url = script.url};
    PxHttpAnswer answer;
    Err err = {0};
    assert_false(px_http(http, &ask, &answer, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "127.0.0.1:"));
    assert_non_null(strstr(err.text, "(3 tries)"));
    buf_free(&answer.body);
    px_http_free(http);
}

static void an_answer_that_is_too_long(void **state)
{
    Script script = {.answers = {OK_TEXT, WRONG_TEXT}};
    start(&script);
    PxHttp *http = quick(1);
    PxHttpRequest ask = {.method = "GET", .url = script.url, .body_max = 1};
    PxHttpAnswer answer;
    Err err = {0};
    assert_false(px_http(http, &ask, &answer, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&answer.body);
    assert_true(px_http(http, &ask, &answer, &err));
    assert_string_equal(buf_cstr(&answer.body), "o");
    buf_free(&answer.body);
    px_http_free(http);
    stop(&script, 2);
}

typedef struct Taken {
    unsigned begun;
    Buf bytes;
} Taken;

static bool begin(void *ctx, Err *err)
{
    Taken *taken = ctx;
    taken->begun++;
    buf_clear(&taken->bytes);
    return true;
}

static bool take(void *ctx, Span bytes, Err *err)
{
    Taken *taken = ctx;
    return bytes.n < 100 ? buf_append_span(&taken->bytes, bytes) : err_set(err, ERR_NO_SPACE, "no room");
}

static void a_body_that_broke_off_comes_again(void **state)
{
    Script script = {.answers = {CUT_TEXT, WRONG_TEXT, OK_TEXT}};
    start(&script);
    PxHttp *http = quick(3);
    Taken taken = {0};
    buf_init(&taken.bytes, 0);
    PxHttpSink sink = {.ctx = &taken, .begin = begin, .take = take};
    PxHttpRequest ask = {.method = "GET", .url = script.url, .sink = &sink};
    PxHttpAnswer answer;
    Err err = {0};
    assert_true(px_http(http, &ask, &answer, &err));
    assert_int_equal(taken.begun, 3);
    assert_string_equal(buf_cstr(&taken.bytes), "ok");
    assert_int_equal(answer.body.n, 0);
    buf_free(&answer.body);
    buf_free(&taken.bytes);
    px_http_free(http);
    stop(&script, 3);
}

static void what_cannot_be_asked(void **state)
{
    PxHttp *http = quick(1);
    const char *const bad[] = {"X: a\r\nY: b", NULL};
    const PxHttpRequest asks[] = {
        {.method = "GET", .url = "file:///etc/passwd"},
        {.method = "GET", .url = "http://127.0.0.1:1/\r\nX: y"},
        {.method = "GET", .url = "http://127.0.0.1:1/", .headers = bad},
    };
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        PxHttpAnswer answer;
        Err err = {0};
        assert_false(px_http(http, &asks[i], &answer, &err));
        assert_int_equal(err.code, ERR_USAGE);
        buf_free(&answer.body);
    }
    px_http_free(http);
}

static void escapes(void **state)
{
    Buf out;
    buf_init(&out, 0);
    px_http_escape_path(&out, SPAN("a b/%/\xE5\xB1\xB1?#~+\0x"));
    px_http_escape_value(&out, SPAN("a/b"));
    assert_string_equal(buf_cstr(&out), "a%20b/%25/%E5%B1%B1%3F%23~%2B%00xa%2Fb");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer),
        cmocka_unit_test(a_body_is_sent_again_from_its_beginning),
        cmocka_unit_test(a_source_that_fails),
        cmocka_unit_test(what_must_not_be_repeated),
        cmocka_unit_test(no_server),
        cmocka_unit_test(an_answer_that_is_too_long),
        cmocka_unit_test(a_body_that_broke_off_comes_again),
        cmocka_unit_test(what_cannot_be_asked),
        cmocka_unit_test(escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
