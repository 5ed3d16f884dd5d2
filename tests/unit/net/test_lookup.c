// SPDX-License-Identifier: MIT
/* net/lookup: numbers, names, and those who wait no longer. */
#include "net/lookup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct addrinfo tcp = {.ai_socktype = SOCK_STREAM};

static void numbers_do_not_wait(void **unused)
{
    struct addrinfo *found = NULL;
    atomic_bool cancelled = true;
    assert_int_equal(net_look_up("127.0.0.1", "104", &tcp, 0, &cancelled, &found), 0);
    assert_int_equal(found->ai_family, AF_INET);
    assert_int_equal(ntohs(((struct sockaddr_in *)(void *)found->ai_addr)->sin_port), 104);
    freeaddrinfo(found);
    assert_int_equal(net_look_up("fd00::1", NULL, &tcp, 0, &cancelled, &found), 0);
    assert_int_equal(found->ai_family, AF_INET6);
    freeaddrinfo(found);
}

static void names_are_looked_up(void **unused)
{
    struct addrinfo *found = NULL;
    assert_int_equal(net_look_up("localhost", "104", &tcp, deadline_in(20000), NULL, &found), 0);
    assert_non_null(found);
    freeaddrinfo(found);
    assert_int_not_equal(net_look_up("no.such.host.invalid", "104", &tcp, deadline_in(20000), NULL, &found),
                         0);
    assert_null(found);
}

/* The answer may come later; then it is nobody's. */
static void nobody_waits_longer_than_meant(void **unused)
{
    struct addrinfo *found = NULL;
    atomic_bool cancelled = true;
    for (int i = 0; i < 100; i++) {
        int late = net_look_up("no.such.host.invalid", "104", &tcp, 0, NULL, &found);
        int given_up = net_look_up("no.such.host.invalid", "104", &tcp, CLOCK_NEVER, &cancelled, &found);
        assert_int_not_equal(late, 0);
        assert_int_not_equal(given_up, 0);
        assert_null(found);
    }
    Deadline deadline = deadline_in(60000);
    int code;
    while ((code = net_look_up("localhost", NULL, &tcp, deadline_in(20000), NULL, &found)) != 0 &&
           !deadline_passed(deadline))
        clock_sleep_ms(20); /* those left behind may be at work for a while */
    assert_int_equal(code, 0);
    freeaddrinfo(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_do_not_wait),
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(nobody_waits_longer_than_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
