// SPDX-License-Identifier: MIT
/* pacing.c: who is given another congestion control than the system's. Where that does not pace, nobody may be. */
#include "peers.h"

#include "net/pacing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

typedef struct Name {
    char text[16];
} Name;

static Name control_of(int fd)
{
    Name name = {0};
    socklen_t n = sizeof name.text - 1;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.text, &n), 0);
    return name;
}

static Name of_the_system(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    Name name = control_of(fd);
    close(fd);
    return name;
}

static Name within_this_machine(void)
{
    Name name = of_the_system();
    return strncmp(name.text, "bbr", 3) == 0 ? (Name){"reno"} : name;
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;
    out.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    void *at = out.ss_family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr;
    assert_int_equal(inet_pton(out.ss_family, text, at), 1);
    return out;
}

static const struct {
    const char *text;
    bool here;
} addresses[] = {{"127.0.0.1", true},  {"127.255.0.7", true},       {"::1", true},
                 {"192.0.2.1", false}, {"::ffff:127.0.0.1", true},  {"126.0.0.1", false},
                 {"0.0.0.1", false},   {"::ffff:192.0.2.1", false}, {"2001:db8::1", false}};

static void connecting(void **unused)
{
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct sockaddr_storage to = address(addresses[i].text);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        net_pacing_to(fd, (struct sockaddr *)&to);
        Name wanted = addresses[i].here ? within_this_machine() : of_the_system();
        assert_string_equal(control_of(fd).text, wanted.text);
        close(fd);
    }
}

static void accepting(void **unused)
{
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct sockaddr_storage from = address(addresses[i].text);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        net_pacing_of_listener(fd);
        assert_string_equal(control_of(fd).text, within_this_machine().text);
        net_pacing_of_accepted(fd, (struct sockaddr *)&from);
        Name wanted = addresses[i].here ? within_this_machine() : of_the_system();
        assert_string_equal(control_of(fd).text, wanted.text);
        close(fd);
    }
}

/* What is neither (a socketpair) is left alone. */
static void no_tcp(void **unused)
{
    int fds[2];
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    net_pacing_to(fds[0], &local);
    net_pacing_of_listener(fds[0]);
    net_pacing_of_accepted(fds[1], &local);
    assert_int_equal(write(fds[0], "x", 1), 1);
    close(fds[0]);
    close(fds[1]);
}

/* Both ends of a connection that the stream's functions make have it from their beginning. */
static void streams(void **unused)
{
    Err err = {0};
    NetAddress from;
    int listening = net_listen(NULL, 0, &err);
    assert_true(listening >= 0 && net_listen_for_many(listening, &err));
    NetStream *out =
        net_stream_connect("127.0.0.1", net_listen_port(listening), NULL, deadline_in(5000), &err);
    assert_non_null(out);
    struct iovec part = {(void *)"x", 1}; /* a listener for many waits for the first bytes */
    assert_true(net_stream_writev(out, &part, 1, deadline_in(1000), &err));
    struct pollfd one = {.fd = listening, .events = POLLIN};
    assert_int_equal(poll(&one, 1, 5000), 1);
    int in = net_accept_one(listening, &from);
    assert_true(in >= 0);
    assert_string_equal(from.host, "127.0.0.1");
    assert_string_equal(control_of(listening).text, within_this_machine().text);
    assert_string_equal(control_of(in).text, within_this_machine().text);
    close(in);
    net_stream_close(out);
    close(listening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connecting),
        cmocka_unit_test(accepting),
        cmocka_unit_test(no_tcp),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
