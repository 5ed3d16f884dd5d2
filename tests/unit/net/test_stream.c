// SPDX-License-Identifier: MIT
/* stream.c, stream_tcp.c: deadlines, interruption, ends, partial writes, connecting and listening. */
#include "peers.h"

static int pair_with(NetStream **stream)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *stream = net_stream_of_fd(fds[0]);
    assert_non_null(*stream);
    return fds[1];
}

static void reading(void **unused)
{
    NetStream *s;
    int fd = pair_with(&s);
    char text[16];
    Err err = {0};
    assert_false(net_stream_readable(s));
    int64_t start = clock_ms();
    assert_int_equal(net_stream_read(s, text, sizeof text, deadline_in(50), &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(clock_ms() - start, 45, 1000);
    raw_write(fd, "hello", 5);
    assert_true(net_stream_readable(s));
    /* A deadline that has passed still takes what is there. */
    assert_int_equal(net_stream_read(s, text, 3, 0, &err), 3);
    assert_int_equal(net_stream_read(s, text + 3, sizeof text - 3, CLOCK_NEVER, &err), 2);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(net_stream_read(s, text, sizeof text, 0, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    close(fd);
    assert_true(net_stream_readable(s));
    assert_int_equal(net_stream_read(s, text, sizeof text, CLOCK_NEVER, &err), 0);
    net_stream_close(s);
    net_stream_close(NULL);
}

static void *drain(void *ctx)
{
    int fd = *(int *)ctx;
    static uint8_t room[1 << 16];
    uint64_t sum = 0, at = 0;
    for (ssize_t n; (n = recv(fd, room, sizeof room, 0)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            sum += room[i] * ++at;
    return (void *)(uintptr_t)sum;
}

/* More parts than one system call takes, some empty, and more bytes than the socket holds. */
static void writing_many_parts(void **unused)
{
    enum { PARTS = 3000, EACH = 1500 };
    static uint8_t bytes[PARTS * EACH];
    static struct iovec parts[PARTS];
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 13 + i / 1000);
        sum += bytes[i] * (uint64_t)(i + 1);
    }
    for (size_t i = 0; i < PARTS; i++) {
        /* Lengths 1, 2999, 1, 2999 … and nothing in every tenth pair. */
        bool first = i % 2 == 0;
        size_t cut = i % 20 < 2 ? 0 : 1;
        parts[i].iov_base = bytes + i / 2 * 2 * EACH + (first ? 0 : cut);
        parts[i].iov_len = first ? cut : 2 * EACH - cut;
    }
    NetStream *s;
    int fd = pair_with(&s);
    pthread_t reader;
    pthread_create(&reader, NULL, drain, &fd);
    Err err = {0};
    assert_true(net_stream_writev(s, parts, PARTS, deadline_in(20000), &err));
    assert_true(net_stream_writev(s, parts, 0, deadline_in(20000), &err));
    net_stream_close(s);
    void *got;
    pthread_join(reader, &got);
    assert_true((uint64_t)(uintptr_t)got == sum);
    close(fd);
}

static void writing_to_nobody(void **unused)
{
    NetStream *s;
    int fd = pair_with(&s);
    static uint8_t bytes[8 << 20];
    struct iovec part = {bytes, sizeof bytes};
    Err err = {0};
    assert_false(net_stream_writev(s, &part, 1, deadline_in(50), &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    close(fd);
    assert_false(net_stream_writev(s, &part, 1, deadline_in(50), &err)); /* and no SIGPIPE */
    assert_int_equal(err.code, ERR_CLOSED);
    net_stream_close(s);
}

static void *interrupt_soon(void *s)
{
    clock_sleep_ms(30);
    net_stream_interrupt(s);
    return NULL;
}

static void interrupting(void **unused)
{
    static uint8_t bytes[8 << 20];
    for (int writing = 0; writing < 2; writing++) {
        NetStream *s;
        int fd = pair_with(&s);
        pthread_t thread;
        struct iovec part = {bytes, sizeof bytes};
        Err err = {0};
        pthread_create(&thread, NULL, interrupt_soon, s);
        if (writing)
            assert_false(net_stream_writev(s, &part, 1, CLOCK_NEVER, &err));
        else
            assert_int_equal(net_stream_read(s, bytes, 1, CLOCK_NEVER, &err), -1);
        assert_int_equal(err.code, ERR_CLOSED);
        pthread_join(thread, NULL);
        raw_write(fd, "x", 1);
        assert_int_equal(net_stream_read(s, bytes, 1, CLOCK_NEVER, &err), -1); /* for good */
        assert_false(net_stream_writev(s, &part, 1, CLOCK_NEVER, &err));
        net_stream_close(s);
        close(fd);
    }
}

static void bytes_in_memory(void **unused)
{
    NetStream *s = net_stream_memory(SPAN("abc"));
    char text[4];
    struct iovec part = {text, 2};
    assert_true(net_stream_readable(s));
    assert_int_equal(net_stream_read(s, text, 2, 0, NULL), 2);
    assert_true(net_stream_writev(s, &part, 1, 0, NULL));
    assert_int_equal(net_stream_read(s, text + 2, 2, 0, NULL), 1);
    assert_int_equal(net_stream_read(s, text, 2, 0, NULL), 0);
    assert_memory_equal(text, "abc", 3);
    net_stream_close(s);
}

/* -- TCP -- */

static void connecting_to(const char *listen_on, const char *host, const char *seen)
{
    Err err = {0};
    int listening = net_listen(listen_on, 0, &err);
    if (listening < 0)
        fail_msg("%s", err.text);
    uint16_t port = net_listen_port(listening);
    assert_true(port != 0);
    NetStream *out = net_stream_connect(host, port, NULL, deadline_in(5000), &err);
    if (!out)
        fail_msg("%s", err.text);
    assert_int_equal(net_stream_peer(out).port, port);
    NetStream *in = net_stream_accept(accept(listening, NULL, NULL), NULL, deadline_in(1000), &err);
    assert_non_null(in);
    assert_string_equal(net_stream_peer(in).host, seen);
    struct iovec part = {(void *)"ping", 4};
    char text[8];
    assert_true(net_stream_writev(out, &part, 1, deadline_in(1000), &err));
    assert_int_equal(net_stream_read(in, text, sizeof text, deadline_in(1000), &err), 4);
    net_stream_close(out);
    assert_int_equal(net_stream_read(in, text, sizeof text, deadline_in(1000), &err), 0);
    net_stream_close(in);
    close(listening);
}

static void connecting(void **unused)
{
    connecting_to("127.0.0.1", "127.0.0.1", "127.0.0.1");
    connecting_to("127.0.0.1", "localhost", "127.0.0.1");
    connecting_to(NULL, "127.0.0.1", "127.0.0.1"); /* all addresses: an IPv4 peer is named as one */
}

static void names_and_ports_that_fail(void **unused)
{
    Err err = {0};
    assert_null(net_stream_connect("no.such.host.invalid", 104, NULL, deadline_in(3000), &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "no.such.host.invalid"));
    int taken = net_listen("127.0.0.1", 0, &err);
    assert_int_equal(net_listen("127.0.0.1", net_listen_port(taken), &err), -1);
    assert_non_null(strstr(err.text, "in use"));
    close(taken);
    assert_int_equal(net_listen("no.such.host.invalid", 0, &err), -1);
}

/* A listener whose queue is full lets a connection hang: the deadline ends it. */
static void a_host_that_does_not_answer(void **unused)
{
    Err err = {0};
    int fd = net_listen("127.0.0.1", 0, &err), count;
    listen(fd, 0);
    uint16_t port = net_listen_port(fd);
    NetStream *s = NULL;
    int64_t start = clock_ms();
    NetStream *streams[8];
    for (count = 0; count < 8; count++) {
        s = net_stream_connect("127.0.0.1", port, NULL, deadline_in(200), &err);
        if (!s)
            break;
        streams[count] = s;
    }
    assert_null(s);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(clock_ms() - start, 190, 5000);
    for (int i = 0; i < count; i++)
        net_stream_close(streams[i]);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(writing_many_parts),
        cmocka_unit_test(writing_to_nobody),
        cmocka_unit_test(interrupting),
        cmocka_unit_test(bytes_in_memory),
        cmocka_unit_test(connecting),
        cmocka_unit_test(names_and_ports_that_fail),
        cmocka_unit_test(a_host_that_does_not_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
