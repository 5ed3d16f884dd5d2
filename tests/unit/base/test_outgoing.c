// SPDX-License-Identifier: MIT
/* base/outgoing: which addresses are ours to ask, which of them are this machine, and what an error may say of one. */
#include "base/outgoing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void addresses(void **state)
{
    assert_true(outgoing_can("http://h") && outgoing_can("HTTPS://h:1/x"));
    assert_false(outgoing_can("ftp://h") || outgoing_can("http://") || outgoing_can("file:///etc/passwd") ||
                 outgoing_can("h/x"));
}

static void loopback(void **state)
{
    static const char *const here[] = {"http://localhost:80/", "http://LOCALHOST", "https://127.0.0.1:5/x",
                                       "http://u:p@127.1.2.3/", "http://[::1]:9/"};
    static const char *const away[] = {"http://localhost.example/", "http://127.0.0.1.example/",
                                       "http://10.0.0.1/", "http://[::2]/", "http://127.0.0.1@example/"};
    for (size_t i = 0; i < 5; i++) {
        assert_true(outgoing_is_loopback(here[i]));
        assert_false(outgoing_is_loopback(away[i]));
    }
}

static void errors_name_the_host_alone(void **state)
{
    Err err = {0};
    assert_false(outgoing_failed(CURLE_OPERATION_TIMEDOUT, "https://user:secret@h:8443/Doe?token=x", &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(err.http, 502);
    assert_int_equal(strncmp(err.text, "h:8443: ", 8), 0);
    assert_null(strstr(err.text, "secret"));
    assert_null(strstr(err.text, "Doe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(loopback),
        cmocka_unit_test(errors_name_the_host_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
