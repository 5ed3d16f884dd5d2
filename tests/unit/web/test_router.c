// SPDX-License-Identifier: MIT
#include "web/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const HttpRoute routes[] = {
    {.method = "GET", .pattern = "/"},
    {.method = "GET", .pattern = "/studies"},
    {.method = "POST", .pattern = "/studies"},
    {.method = "GET", .pattern = "/studies/{study}"},
    {.method = "DELETE", .pattern = "/studies/{study}"},
    {.method = "GET", .pattern = "/studies/{study}/metadata"},
    {.method = "GET", .pattern = "/studies/{study}/{what}"},
    {.method = "GET", .pattern = "/studies/all/{what}"},
    {.method = "GET", .pattern = "/files/{path+}"},
    {.method = "GET", .pattern = "/files/{one}"},
    {.method = "HEAD", .pattern = "/files/{one}"},
    {.method = "POST", .pattern = "/save/"},
    {.method = "OPTIONS", .pattern = "/described"},
};
enum { ROUTES = sizeof routes / sizeof *routes };

static Arena *arena;
static Router *router;

static int setup(void **state)
{
    arena = arena_new(0);
    router = router_new();
    router_add(router, "", routes, ROUTES, NULL);
    router_add(router, "/dicom-web", routes, ROUTES, &router);
    return 0;
}

static int teardown(void **state)
{
    router_free(router);
    arena_free(arena);
    return 0;
}

static Url url_of(const char *target)
{
    Url url;
    Err err = {0};
    if (!url_parse(arena, target, &url, &err))
        fail_msg("%s: %s", target, err.text);
    return url;
}

static void finds(void **state)
{
    static const struct {
        const char *method, *path, *pattern; /* NULL: none */
    } rows[] = {
        {"GET", "/", "/"},
        {"GET", "/studies", "/studies"},
        {"HEAD", "/studies", "/studies"},
        {"POST", "/studies", "/studies"},
        {"GET", "/studies/1.2", "/studies/{study}"},
        {"DELETE", "/studies/1.2/", "/studies/{study}"},
        {"GET", "/studies/1.2/metadata", "/studies/{study}/metadata"},
        {"GET", "/studies/1.2/series", "/studies/{study}/{what}"},
        {"GET", "/studies/all/metadata", "/studies/all/{what}"},
        {"GET", "/studies/1/2/3", NULL},
        {"GET", "/files/a", "/files/{one}"},
        {"HEAD", "/files/a", "/files/{one}"},
        {"GET", "/files/a/b/c", "/files/{path+}"},
        {"GET", "/files", NULL},
        {"POST", "/save", "/save/"},
        {"POST", "/save/", "/save/"},
        {"PUT", "/studies", NULL},
        {"get", "/studies", NULL},
        {"GET", "/Studies", NULL},
        {"GET", "/dicom-web/studies/1.2/metadata", "/dicom-web/studies/{study}/metadata"},
        {"GET", "/dicom-web", "/dicom-web/"},
        {"GET", "/dicom-webstudies", NULL},
        {"OPTIONS", "/described", "/described"},
        {"OPTIONS", "/studies", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Url url = url_of(rows[i].path);
        const RouterEntry *entry = router_find(router, rows[i].method, &url, NULL);
        if (rows[i].pattern ? !entry || strcmp(entry->pattern, rows[i].pattern) != 0 : entry != NULL)
            fail_msg("%s %s: %s", rows[i].method, rows[i].path, entry ? entry->pattern : "nothing");
        if (entry)
            assert_ptr_equal(entry->ctx,
                             strncmp(entry->pattern, "/dicom-web", 10) == 0 ? (void *)&router : NULL);
    }
}

static const char *allowed(const char *path)
{
    Url url = url_of(path);
    Buf allow;
    buf_init(&allow, 0);
    assert_null(router_find(router, "PATCH", &url, &allow));
    const char *text = arena_strdup(arena, buf_cstr(&allow));
    buf_free(&allow);
    return text;
}

static void methods_of_a_path(void **state)
{
    assert_string_equal(allowed("/studies"), "GET, HEAD, OPTIONS, POST");
    assert_string_equal(allowed("/studies/1"), "GET, HEAD, OPTIONS, DELETE");
    assert_string_equal(allowed("/files/x"), "GET, HEAD, OPTIONS");
    assert_string_equal(allowed("/save"), "POST, OPTIONS");
    assert_string_equal(allowed("/nothing"), "");
}

static void parts(void **state)
{
    Url url = url_of("/studies/1.2/a%20b");
    const RouterEntry *entry = router_find(router, "GET", &url, NULL);
    assert_string_equal(router_part(entry, &url, "study", arena), "1.2");
    assert_string_equal(router_part(entry, &url, "what", arena), "a b");
    assert_null(router_part(entry, &url, "studies", arena));
    url = url_of("/files/a/b/c/");
    entry = router_find(router, "GET", &url, NULL);
    assert_string_equal(router_part(entry, &url, "path", arena), "a/b/c");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(finds), T(methods_of_a_path), T(parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
