// SPDX-License-Identifier: MIT
#include "web/http_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static Url parse(const char *target)
{
    Url url;
    Err err = {0};
    if (!url_parse(arena, target, &url, &err))
        fail_msg("%s: %s", target, err.text);
    return url;
}

static void paths(void **state)
{
    static const struct {
        const char *target, *path;
        size_t parts;
    } rows[] = {{"/", "/", 0},
                {"/a", "/a", 1},
                {"/a/", "/a", 1},
                {"/a/b%20c", "/a/b c", 2},
                {"/a+b", "/a+b", 1},
                {"/113001%5EDCM", "/113001^DCM", 1},
                {"/%C3%A4", "/ä", 1},
                {"/...", "/...", 1},
                {"/a?b#c", "/a", 1},
                {"http://host/a", "/a", 1},
                {"HTTP://host:80", "/", 0},
                {"https://host?x=1", "/", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Url url = parse(rows[i].target);
        assert_string_equal(url.path, rows[i].path);
        assert_int_equal(url.part_count, rows[i].parts);
    }
    assert_string_equal(parse("http://host:80/a").authority, "host:80");
    assert_null(parse("/http:host").authority);
    assert_true(parse("*").asterisk);
}

static void parameters(void **state)
{
    Url url = parse("/x?a=1&a=2&&b&c=&d=x%26y+z%3D&PatientName=M%C3%BCller*&StudyInstanceUID=1%5C2");
    static const HttpParameter wanted[] = {{"a", "1"},
                                           {"a", "2"},
                                           {"b", ""},
                                           {"c", ""},
                                           {"d", "x&y z="},
                                           {"PatientName", "Müller*"},
                                           {"StudyInstanceUID", "1\\2"}};
    assert_int_equal(url.parameter_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(url.parameters[i].name, wanted[i].name);
        assert_string_equal(url.parameters[i].value, wanted[i].value);
    }
    assert_int_equal(parse("/x?").parameter_count, 0);
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "",     "a",    "/%",      "/%1",        "/%g0",   "/a/%00",   "//a",     "/a//b", "/a//",
        "/.",   "/..",  "/a/../b", "/%2e%2E",    "/%2e",   "/a%2Fb",   "/a%5cb",  "/a\\b", "/a%0d%0a",
        "/%7f", "/%FF", "/%C0%AF", "/%ED%A0%80", "/x?a=%", "/x?%00=1", "/x?a=%ff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Url url;
        Err err = {0};
        if (url_parse(arena, bad[i], &url, &err))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERR_FORMAT);
    }
}

static void limits(void **state)
{
    Buf text;
    buf_init(&text, 0);
    for (int i = 0; i < URL_PARTS_MAX; i++)
        buf_append_cstr(&text, "/a");
    assert_int_equal(parse(buf_cstr(&text)).part_count, URL_PARTS_MAX);
    buf_append_cstr(&text, "/a");
    Url url;
    Err err = {0};
    assert_false(url_parse(arena, buf_cstr(&text), &url, &err));
    buf_clear(&text);
    buf_append_cstr(&text, "/?a");
    for (int i = 0; i < URL_PARAMETERS_MAX; i++)
        buf_append_cstr(&text, "&a");
    assert_false(url_parse(arena, buf_cstr(&text), &url, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(paths), T(parameters), T(refused), T(limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
