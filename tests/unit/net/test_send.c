// SPDX-License-Identifier: MIT
/* send.c: what leaves for peers of every size, streams that are longer than memory, and peers that stop listening. */
#include "peers.h"

#include <inttypes.h>

/* -- a raw acceptor -- */

typedef struct Requestor {
    NetAssociation *a;
    int fd;
} Requestor;

static void raw_answer(int fd, uint32_t max_pdu)
{
    Span syntax = SPAN(IMPLICIT);
    NetContext contexts[] = {
        {.id = VERIFICATION_ID, .transfer_syntaxes = &syntax, .transfer_syntax_count = 1},
        {.id = CT_ID, .transfer_syntaxes = &syntax, .transfer_syntax_count = 1}};
    NetAssociate ac = {.protocol_version = 1,
                       .called_ae = SPAN("CALLED"),
                       .calling_ae = SPAN("CALLER"),
                       .application_context = SPAN("1.2.840.10008.3.1.1.1"),
                       .contexts = contexts,
                       .context_count = 2,
                       .max_pdu = max_pdu};
    Buf out;
    buf_init(&out, 0);
    assert_true(net_associate_encode(&out, NET_A_ASSOCIATE_AC, &ac, NULL));
    raw_write(fd, out.p, out.n);
    buf_free(&out);
}

/* The answer is written before the question is asked; it waits in the socket. */
static Requestor requestor(uint32_t max_pdu, int64_t dimse_ms, Err *err)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    raw_answer(fds[1], max_pdu);
    NetRequest request = simple_request();
    request.timeouts.dimse_ms = dimse_ms;
    NetAssociation *a = net_associate_on(net_stream_of_fd(fds[0]), &request, NULL, err);
    raw_expect_type(fds[1], NET_A_ASSOCIATE_RQ);
    return (Requestor){a, fds[1]};
}

/* -- fragments -- */

typedef struct Reader {
    int fd;
    uint32_t max_pdu;
    pthread_t thread;
    /* found */
    size_t command_bytes, bytes, pdus;
    bool too_long, odd, unmarked, finished;
    uint64_t sum;
} Reader;

static bool read_all(int fd, void *p, size_t n)
{
    for (size_t have = 0; have < n;) {
        ssize_t got = recv(fd, (uint8_t *)p + have, n - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

/* Reads PDUs until the last fragment of a data set. */
static void *reader_main(void *ctx)
{
    Reader *r = ctx;
    uint8_t *body = malloc(2 << 20), header[6];
    while (!r->finished && read_all(r->fd, header, 6)) {
        uint32_t n =
            (uint32_t)header[2] << 24 | (uint32_t)header[3] << 16 | (uint32_t)header[4] << 8 | header[5];
        if (n > 2 << 20 || !read_all(r->fd, body, n))
            break;
        Span left = span_of(body, n);
        NetPdv pdv;
        r->pdus++;
        r->too_long |= r->max_pdu && n > r->max_pdu;
        while (net_pdv_next(&left, &pdv, NULL)) {
            r->odd |= pdv.data.n % 2 && !pdv.last;
            r->finished = !pdv.command && pdv.last;
            if (pdv.command) {
                r->command_bytes += pdv.data.n;
                continue;
            }
            for (size_t i = 0; i < pdv.data.n; i++)
                r->sum += pdv.data.p[i] * (uint64_t)(r->bytes + i + 1);
            r->bytes += pdv.data.n;
        }
    }
    free(body);
    return NULL;
}

typedef struct Pattern {
    size_t left, at;
    size_t piece; /* at most so many bytes per call */
    bool fails;
    uint64_t sum;
} Pattern;

static ssize_t pattern_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Pattern *s = ctx;
    if (s->left == 0 && s->fails) {
        err_set(err, ERR_IO, "the disk fell off");
        return -1;
    }
    n = n < s->left ? n : s->left;
    n = s->piece && n > s->piece ? s->piece : n;
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)((s->at + i) * 7 + (s->at + i) / 256);
        s->sum += p[i] * (uint64_t)(s->at + i + 1);
    }
    s->at += n;
    s->left -= n;
    return (ssize_t)n;
}

/* An open file without a name: `before` other bytes, then `n` of the pattern. */
static int pattern_file(size_t before, size_t n, Pattern *pattern)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    uint8_t block[4096] = {0};
    for (size_t left = before; left;)
        left -= fwrite(block, 1, left < sizeof block ? left : sizeof block, f);
    for (ssize_t got; (got = pattern_read(pattern, block, sizeof block, NULL)) > 0;)
        assert_int_equal(fwrite(block, 1, (size_t)got, f), got);
    assert_int_equal(fflush(f), 0);
    int fd = dup(fileno(f));
    fclose(f);
    return fd;
}

typedef enum How { AT_ONCE, STREAMED, FROM_FILE } How;

static void send_one(uint32_t max_pdu, size_t n, How how, size_t piece)
{
    Err err = {0};
    Requestor t = requestor(max_pdu, 10000, &err);
    assert_non_null(t.a);
    Reader reader = {.fd = t.fd, .max_pdu = max_pdu};
    pthread_create(&reader.thread, NULL, reader_main, &reader);
    NetCommand rq = store_request(t.a);
    Pattern pattern = {.left = n, .piece = piece};
    bool sent;
    if (how == FROM_FILE) {
        NetFile file = {pattern_file(piece, n, &pattern), piece, n};
        sent = net_send_file(t.a, &rq, &file, &err);
        close(file.fd);
    } else if (how == STREAMED) {
        sent = net_send_stream(t.a, &rq, pattern_read, &pattern, &err);
    } else {
        uint8_t *all = malloc(n ? n : 1);
        for (size_t have = 0; have < n;)
            have += (size_t)pattern_read(&pattern, all + have, n - have, NULL);
        Span data = span_of(all, n);
        sent = net_send(t.a, &rq, &data, &err);
        free(all);
    }
    if (!sent)
        fail_msg("%s", err.text);
    pthread_join(reader.thread, NULL);
    if (!reader.finished || reader.bytes != n || reader.sum != pattern.sum || reader.too_long || reader.odd)
        fail_msg("max %u, %zu bytes: %zu arrived in %zu PDUs, %s%s%s", max_pdu, n, reader.bytes, reader.pdus,
                 reader.finished ? "" : "no end ", reader.too_long ? "too long " : "",
                 reader.odd ? "odd fragments" : "");
    assert_true(reader.command_bytes > 50);
    close(t.fd);
    net_association_free(t.a);
}

static void fragments_fit_the_peer(void **unused)
{
    static const struct {
        uint32_t max;
        size_t sizes[8];
    } cases[] = {
        {8, {0, 1, 2, 3, 4, 1000}},         {9, {0, 1, 2, 3, 999}}, /* odd: only 8 can be used */
        {16, {0, 9, 10, 11, 20, 30, 5000}}, {16384, {0, 16377, 16378, 16379, 32756, 262048, 262050, 1000000}},
        {131072, {131066, 131068, 500001}}, {0, {1, 1048570, 1048572, 3000000}},
        {UINT32_MAX, {2097140, 2097141}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < 8 && (j == 0 || cases[i].sizes[j]); j++) {
            send_one(cases[i].max, cases[i].sizes[j], AT_ONCE, 0);
            send_one(cases[i].max, cases[i].sizes[j], STREAMED, 0);
            send_one(cases[i].max, cases[i].sizes[j], STREAMED, 1021);
            send_one(cases[i].max, cases[i].sizes[j], FROM_FILE, 0);
            send_one(cases[i].max, cases[i].sizes[j], FROM_FILE, 4321);
        }
}

static void a_peer_too_small_for_any_message(void **unused)
{
    for (uint32_t max = 1; max < 8; max += 6) {
        Err err = {0};
        Requestor t = requestor(max, 1000, &err);
        assert_null(t.a);
        assert_int_equal(err.code, ERR_FORMAT);
        raw_expect_abort(t.fd, NET_ABORT_BY_PROVIDER, NET_ABORT_INVALID_PARAMETER);
        close(t.fd);
    }
}

/* -- long streams, little memory -- */

static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t size, resident = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu %zu", &size, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void a_hundred_megabytes(bool tcp)
{
    enum { SIZE = 100 << 20 };
    Err err = {0};
    Service s = {.listening = tcp, .fd = tcp ? net_listen("127.0.0.1", 0, &err) : -1};
    NetAssociation *a;
    if (tcp) {
        service_start(&s);
        NetRequest request = simple_request();
        request.port = net_listen_port(s.fd);
        a = net_associate(&request, NULL, &err);
        assert_non_null(a);
    } else {
        a = associate_over(service_over_pair(&s));
    }
    expect_echo(a);
    size_t before = resident_bytes();
    NetCommand rq = store_request(a);
    Pattern pattern = {.left = SIZE};
    if (!net_send_stream(a, &rq, pattern_read, &pattern, &err))
        fail_msg("%s", err.text);
    expect_response(a, NET_C_STORE_RSP, rq.message_id);
    size_t after = resident_bytes();
    release_and_free(a);
    service_join(&s);
    assert_int_equal(s.bytes, SIZE);
    assert_true(s.sum == pattern.sum);
    assert_true(s.largest <= 1 << 20);
    if (after > before + (8 << 20))
        fail_msg("memory grew by %zu KiB", (after - before) >> 10);
    if (tcp)
        close(s.fd);
}

static void a_hundred_megabytes_over_a_pair(void **unused)
{
    a_hundred_megabytes(false);
}

static void a_hundred_megabytes_over_tcp(void **unused)
{
    a_hundred_megabytes(true);
}

/* Mapped piece by piece. */
static void a_large_file(void **unused)
{
    send_one(131072, (9 << 20) + 17, FROM_FILE, 350);
    send_one(16384, (8 << 20), FROM_FILE, 1);
}

/* -- failures -- */

typedef struct Cutter {
    int file, peer;
    pthread_t thread;
} Cutter;

static void *cutter_main(void *ctx)
{
    Cutter *c = ctx;
    uint8_t dropped[4096];
    assert_true(recv(c->peer, dropped, sizeof dropped, 0) > 0);
    clock_sleep_ms(20);
    assert_int_equal(ftruncate(c->file, 0), 0);
    while (recv(c->peer, dropped, sizeof dropped, 0) > 0)
        ;
    return NULL;
}

/* While nobody reads, most of it is still mapped and unsent. */
static void a_file_that_is_cut_meanwhile(void **unused)
{
    Err err = {0};
    Requestor t = requestor(16384, 5000, &err);
    assert_non_null(t.a);
    Pattern pattern = {.left = 3 << 20};
    NetFile file = {pattern_file(0, 3 << 20, &pattern), 0, 3 << 20};
    Cutter cutter = {.file = file.fd, .peer = t.fd};
    pthread_create(&cutter.thread, NULL, cutter_main, &cutter);
    NetCommand rq = store_request(t.a);
    assert_false(net_send_file(t.a, &rq, &file, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "shorter"));
    assert_false(net_is_open(t.a));
    net_association_free(t.a);
    pthread_join(cutter.thread, NULL);
    close(file.fd);
    close(t.fd);
}

/* What was cut behind our back is no end of a data set. */
static void a_file_that_was_cut(void **unused)
{
    static const size_t lengths[] = {0, 1000, 300000, 599999};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Err err = {0};
        Requestor t = requestor(16384, 2000, &err);
        assert_non_null(t.a);
        Reader reader = {.fd = t.fd, .max_pdu = 16384};
        pthread_create(&reader.thread, NULL, reader_main, &reader);
        NetCommand rq = store_request(t.a);
        Pattern pattern = {.left = 600000};
        NetFile file = {pattern_file(0, 600000, &pattern), 0, 600000};
        assert_int_equal(ftruncate(file.fd, (off_t)lengths[i]), 0);
        assert_false(net_send_file(t.a, &rq, &file, &err));
        assert_int_equal(err.code, ERR_IO);
        assert_non_null(strstr(err.text, "shorter"));
        assert_false(net_is_open(t.a));
        net_association_free(t.a);
        pthread_join(reader.thread, NULL);
        assert_false(reader.finished);
        close(file.fd);
        close(t.fd);
    }
}

static void a_source_that_fails(void **unused)
{
    Err err = {0};
    Requestor t = requestor(16384, 2000, &err);
    assert_non_null(t.a);
    NetCommand rq = store_request(t.a);
    Pattern pattern = {.left = 50000, .fails = true};
    assert_false(net_send_stream(t.a, &rq, pattern_read, &pattern, &err));
    assert_string_equal(err.text, "the disk fell off");
    assert_false(net_is_open(t.a));
    raw_expect_abort(t.fd, NET_ABORT_BY_USER, NET_ABORT_NO_REASON);
    assert_false(net_send(t.a, &rq, NULL, &err));
    assert_int_equal(err.code, ERR_CLOSED);
    close(t.fd);
    net_association_free(t.a);
}

static void a_peer_that_stops_reading(void **unused)
{
    Err err = {0};
    Requestor t = requestor(0, 100, &err);
    assert_non_null(t.a);
    NetCommand rq = store_request(t.a);
    Pattern pattern = {.left = 50 << 20};
    int64_t start = clock_ms();
    assert_false(net_send_stream(t.a, &rq, pattern_read, &pattern, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(clock_ms() - start < 5000);
    assert_false(net_is_open(t.a));
    net_association_free(t.a);
    close(t.fd);
}

static void a_peer_that_aborts_meanwhile(void **unused)
{
    Err err = {0};
    Requestor t = requestor(0, 2000, &err);
    assert_non_null(t.a);
    raw_send(t.fd, "070000000004 00000206");
    shutdown(t.fd, SHUT_RD);
    close(t.fd);
    NetCommand rq = store_request(t.a);
    Pattern pattern = {.left = 50 << 20};
    assert_false(net_send_stream(t.a, &rq, pattern_read, &pattern, &err));
    assert_int_equal(err.code, ERR_CLOSED);
    assert_non_null(strstr(err.text, "invalid PDU parameter value"));
    net_association_free(t.a);
}

static size_t waiting_bytes(int fd)
{
    uint8_t room[1 << 18];
    ssize_t n = recv(fd, room, sizeof room, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

static bool next_message_has(int fd, uint8_t context, size_t data_bytes)
{
    uint8_t header[12], room[1 << 16];
    for (int command = 1; command >= 0; command--) {
        assert_true(raw_read(fd, header, sizeof header));
        size_t n = (size_t)header[8] << 8 | header[9];
        if (header[0] != NET_P_DATA_TF || header[10] != context || (header[11] & 1) != command ||
            (!command && n - 2 != data_bytes))
            return false;
        assert_true(raw_read(fd, room, n - 2));
    }
    return true;
}

/* Short messages wait for each other, but not for ever, and never for one that does not wait or is long. */
static void messages_that_wait(void **unused)
{
    enum { SHORT = 1000, LONG = 40000 };
    static const uint8_t bytes[LONG];
    Err err = {0};
    Requestor t = requestor(0, 2000, &err);
    assert_non_null(t.a);
    NetCommand rq = store_request(t.a);
    Span some = span_of(bytes, SHORT), many = span_of(bytes, LONG);
    assert_true(net_send_held(t.a, &err));
    assert_true(net_send_later(t.a, &rq, &some, &err) && net_send_later(t.a, &rq, &some, &err));
    assert_int_equal(waiting_bytes(t.fd), 0);
    assert_true(net_held(t.a) > 2 * SHORT);
    assert_true(net_send_held(t.a, &err));
    assert_int_equal(net_held(t.a), 0);
    assert_true(next_message_has(t.fd, CT_ID, SHORT) && next_message_has(t.fd, CT_ID, SHORT));
    assert_true(net_send_later(t.a, &rq, &some, &err) && net_send(t.a, &rq, &many, &err));
    assert_true(next_message_has(t.fd, CT_ID, SHORT) && next_message_has(t.fd, CT_ID, LONG));
    assert_true(net_send_later(t.a, &rq, &many, &err));
    assert_true(next_message_has(t.fd, CT_ID, LONG));
    int sent = 0;
    for (; sent == 0 || net_held(t.a); sent++)
        assert_true(sent < LONG / SHORT && net_send_later(t.a, &rq, &some, &err));
    assert_true(sent > 20);
    while (sent--)
        assert_true(next_message_has(t.fd, CT_ID, SHORT));
    assert_int_equal(waiting_bytes(t.fd), 0);
    assert_true(net_send_later(t.a, &rq, &some, &err));
    net_abort(t.a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    assert_false(net_send_held(t.a, &err));
    close(t.fd);
    net_association_free(t.a);
}

static void message_ids(void **unused)
{
    Err err = {0};
    Requestor t = requestor(0, 2000, &err);
    uint16_t last = 0;
    for (int i = 0; i < 70000; i++) {
        uint16_t id = net_next_message_id(t.a);
        assert_true(id != 0 && (id == last + 1 || (last == UINT16_MAX && id == 1)));
        last = id;
    }
    close(t.fd);
    net_association_free(t.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_fit_the_peer),
        cmocka_unit_test(a_peer_too_small_for_any_message),
        cmocka_unit_test(a_hundred_megabytes_over_a_pair),
        cmocka_unit_test(a_hundred_megabytes_over_tcp),
        cmocka_unit_test(a_large_file),
        cmocka_unit_test(a_file_that_was_cut),
        cmocka_unit_test(a_file_that_is_cut_meanwhile),
        cmocka_unit_test(a_source_that_fails),
        cmocka_unit_test(a_peer_that_stops_reading),
        cmocka_unit_test(a_peer_that_aborts_meanwhile),
        cmocka_unit_test(messages_that_wait),
        cmocka_unit_test(message_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
