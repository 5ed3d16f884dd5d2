// SPDX-License-Identifier: MIT
#include "web/http_forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;

static int setup(void **state)
{
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static const char *const proxies[] = {"10.0.0.0/8", "2001:db8::/32", NULL};

static void requests(void **state)
{
    static const struct {
        const char *peer;
        ForwardedHeaders h;
        const char *client, *url;
    } rows[] = {
        {"192.0.2.1", {.host = "a:80"}, "192.0.2.1", "http://a:80"},
        /* A peer that is nobody's proxy is not believed. */
        {"192.0.2.1",
         {.host = "a", .x_for = "1.2.3.4", .x_proto = "https", .x_host = "b"},
         "192.0.2.1",
         "http://a"},
        {"10.1.1.1",
         {.host = "a", .x_for = "1.2.3.4", .x_proto = "https", .x_host = "b"},
         "1.2.3.4",
         "https://b"},
        {"10.1.1.1", {.host = "a", .x_for = "6.6.6.6, 1.2.3.4, 10.2.2.2"}, "1.2.3.4", "http://a"},
        {"10.1.1.1", {.host = "a", .x_for = "unknown"}, "10.1.1.1", "http://a"},
        {"10.1.1.1", {.host = "a", .x_for = "1.2.3.4:5678"}, "1.2.3.4", "http://a"},
        {"10.1.1.1", {.host = "a", .x_proto = "https", .x_port = "8443"}, "10.1.1.1", "https://a:8443"},
        {"10.1.1.1", {.host = "a", .x_proto = "https", .x_port = "443"}, "10.1.1.1", "https://a"},
        {"10.1.1.1", {.host = "a", .x_prefix = "/pacs/"}, "10.1.1.1", "http://a/pacs"},
        {"10.1.1.1", {.host = "a", .x_prefix = "\"><script>"}, "10.1.1.1", "http://a"},
        {"10.1.1.1", {.host = "a", .x_host = "b/../c", .x_proto = "javascript"}, "10.1.1.1", "http://a"},
        {"10.1.1.1",
         {.host = "a",
          .forwarded = "for=1.1.1.1;host=evil, For=\"[2001:470::1]:4711\";proto=https;host=\"b:8443\""},
         "2001:470::1",
         "https://b:8443"},
        {"10.1.1.1", {.host = "a", .forwarded = "for=_hidden;proto=https"}, "10.1.1.1", "https://a"},
        {"2001:db8::5", {.host = "[::1]:80", .x_for = "::1"}, "::1", "http://[::1]:80"},
        {"10.1.1.1", {.host = "a b"}, "10.1.1.1", "http://localhost"},
        {"10.1.1.1", {0}, "10.1.1.1", "http://localhost"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Forwarded out;
        forwarded_read(arena, &rows[i].h, rows[i].peer, false, proxies, "", &out);
        if (strcmp(out.client, rows[i].client) != 0 || strcmp(out.base_url, rows[i].url) != 0)
            fail_msg("row %zu: %s %s", i, out.client, out.base_url);
    }
    Forwarded out;
    forwarded_read(arena, &(ForwardedHeaders){.host = "a"}, "1.1.1.1", true, NULL, "/root", &out);
    assert_string_equal(out.base_url, "https://a/root");
}

static void networks(void **state)
{
    static const char *const list[] = {"127.0.0.1",   "192.168.4.0/22", "::1", "fe80::/10",
                                       "300.0.0.0/8", "10.0.0.0/99",    NULL};
    static const char *const in[] = {"127.0.0.1", "192.168.7.255", "::1", "fe80::9", "::ffff:127.0.0.1"};
    static const char *const out[] = {"127.0.0.2", "192.168.8.0", "::2", "fec0::1", "10.0.0.1", "", "x"};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        if (!forwarded_listed(in[i], list))
            fail_msg("%s", in[i]);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        if (forwarded_listed(out[i], list))
            fail_msg("%s", out[i]);
    static const char *const any[] = {"*", NULL};
    assert_true(forwarded_listed("1.2.3.4", any));
    assert_false(forwarded_listed("1.2.3.4", NULL));
}

static void hosts(void **state)
{
    assert_string_equal(host_name(arena, "Example.ORG:8080"), "example.org");
    assert_string_equal(host_name(arena, "[::1]:80"), "::1");
    assert_string_equal(host_name(arena, "a."), "a");
    assert_null(host_name(arena, ""));
    assert_null(host_name(arena, "a b"));
    assert_null(host_name(arena, "a/b"));
    assert_null(host_name(arena, "[::1"));
    assert_null(host_name(arena, ":80"));
    static const char *const list[] = {"127.0.0.1", ".example.org", NULL};
    assert_true(host_allowed("127.0.0.1", list));
    assert_true(host_allowed("example.org", list));
    assert_true(host_allowed("a.b.example.org", list));
    assert_false(host_allowed("badexample.org", list));
    assert_false(host_allowed("example.org.evil", list));
    assert_true(host_allowed("anything", NULL));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(requests), T(networks), T(hosts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
