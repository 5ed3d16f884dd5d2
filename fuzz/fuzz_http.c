// SPDX-License-Identifier: MIT
/*
 * What the HTTP server reads of a request by itself. Lines: target; Range; Forwarded; X-Forwarded-For; Host; If-None-Match; a date; Accept-Encoding.
 */
#include "fuzz.h"

#include "web/http_condition.h"
#include "web/http_forwarded.h"
#include "web/http_gzip.h"
#include "web/http_range.h"
#include "web/router.h"

#include <string.h>

static const HttpRoute routes[] = {
    {.method = "GET", .pattern = "/studies/{study}/series/{series}"},
    {.method = "GET", .pattern = "/studies/{study}/metadata"},
    {.method = "POST", .pattern = "/studies"},
    {.method = "GET", .pattern = "/files/{path+}"},
    {.method = "GET", .pattern = "/"},
};

static void check_part(const char *part)
{
    if (!*part || !strcmp(part, ".") || !strcmp(part, "..") || strpbrk(part, "/\\"))
        fuzz_broken();
}

static void check_target(Arena *arena, const char *target)
{
    Url url;
    Err err = {0};
    if (!url_parse(arena, target, &url, &err)) {
        if (!err.code || !*err.text)
            fuzz_broken();
        return;
    }
    for (size_t i = 0; i < url.part_count; i++)
        check_part(url.parts[i]);
    for (size_t i = 0; i < url.parameter_count; i++)
        if (!span_is_utf8(span_cstr(url.parameters[i].value)))
            fuzz_broken();
    Router *router = router_new();
    router_add(router, "", routes, sizeof routes / sizeof *routes, NULL);
    Buf allow;
    buf_init(&allow, 0);
    const RouterEntry *entry = router_find(router, "GET", &url, &allow);
    if (entry && allow.n == 0)
        fuzz_broken();
    if (entry && strstr(entry->pattern, "{study}"))
        check_part(router_part(entry, &url, "study", arena));
    if (entry)
        router_part(entry, &url, "path", arena);
    buf_free(&allow);
    router_free(router);
}

static void check_range(const char *header)
{
    static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX / 2};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        HttpRange ranges[RANGE_MAX];
        size_t count;
        RangeAnswer answer = range_parse(header, sizes[i], ranges, &count);
        if (answer == RANGE_SOME && (count == 0 || count > RANGE_MAX))
            fuzz_broken();
        for (size_t k = 0; answer == RANGE_SOME && k < count; k++)
            if (ranges[k].length == 0 || ranges[k].from >= sizes[i] ||
                ranges[k].length > sizes[i] - ranges[k].from)
                fuzz_broken();
    }
}

static void check_forwarded(Arena *arena, const char *forwarded, const char *list, const char *host)
{
    static const char *const proxies[] = {"10.0.0.0/8", NULL};
    ForwardedHeaders headers = {.host = host,
                                .forwarded = *forwarded ? forwarded : NULL,
                                .x_for = list,
                                .x_host = list,
                                .x_proto = forwarded,
                                .x_port = list,
                                .x_prefix = list};
    Forwarded out;
    forwarded_read(arena, &headers, "10.0.0.1", false, proxies, "", &out);
    if (strncmp(out.base_url, "http", 4) != 0 || strpbrk(out.base_url, " \"<>\\") ||
        strpbrk(out.client, " \"<>/"))
        fuzz_broken();
    const char *name = host_name(arena, host);
    if (name)
        host_allowed(name, proxies);
}

int fuzz_http(const uint8_t *data, size_t size)
{
    enum { LINES = 8 };
    Arena *arena = arena_new(0);
    const char *lines[LINES];
    Span rest = span_of(data, size), one;
    bool more = true;
    for (size_t i = 0; i < LINES; i++)
        lines[i] = span_split(&rest, '\n', &one, &more) ? arena_span_cstr(arena, one) : "";
    check_target(arena, lines[0]);
    check_range(lines[1]);
    check_forwarded(arena, lines[2], lines[3], lines[4]);
    HttpConditions conditions = {
        .if_none_match = lines[5], .if_match = lines[5], .if_modified_since = lines[6], .if_range = lines[5]};
    condition_check(&conditions, "tag", 784111777, true);
    condition_if_range(lines[5], "tag", 784111777);
    condition_if_range(lines[6], "tag", 784111777);
    gzip_wanted(lines[7]);
    gzip_suits(lines[7]);
    arena_free(arena);
    return 0;
}
