// SPDX-License-Identifier: MIT
/*
 * What DICOMweb takes in a query string. The first byte: the level, and which UIDs the path has; the first line: the query; the rest: lines of window, viewport and region of an image.
 */
#include "fuzz.h"

#include "pixel/image.h"
#include "web/http_url.h"
#include "web/search_query.h"
#include "web/view.h"

#include <string.h>

static void check_search(Arena *arena, uint8_t how, Span query)
{
    static const char *const path_uids[DCM_LEVEL_COUNT] = {"PAT", "1.2.3", "1.2.3.4", "1.2.3.4.5"};
    const char *path[DCM_LEVEL_COUNT] = {NULL};
    Url url;
    WebSearch search;
    Err err = {0};
    for (int i = 0; i < DCM_LEVEL_COUNT; i++)
        path[i] = how & 8 << i ? path_uids[i] : NULL;
    const char *target = arena_printf(arena, "/studies?%s", arena_span_cstr(arena, query));
    if (!url_parse(arena, target, &url, &err))
        return;
    if (!web_search_parse(arena, (DcmLevel)(how % DCM_LEVEL_COUNT), path, url.parameters, url.parameter_count,
                          &search, &err)) {
        if (!*err.text)
            fuzz_broken();
        return;
    }
    for (size_t i = 1; i < search.keys->count; i++)
        if (search.keys->elements[i - 1].tag >= search.keys->elements[i].tag)
            fuzz_broken();
}

static void check_view(Arena *arena, Span rest)
{
    bool (*const parsers[])(WebView *, const char *, Err *) = {web_view_window, web_view_viewport,
                                                               web_view_region};
    WebView view = {.quality = WEB_VIEW_QUALITY};
    Err err = {0};
    for (size_t i = 0; i < 3; i++) {
        const char *text = arena_span_cstr(arena, fuzz_line(&rest));
        int64_t number;
        if (!parsers[i](&view, text, &err) && !*err.text)
            fuzz_broken();
        if (web_view_number("quality", text, 100, &number, &err) && (number < 1 || number > 100))
            fuzz_broken();
    }
    PixImage image;
    const WebFrame frame = {.columns = 7, .rows = 5, .aspect = 1};
    if (view.width > WEB_VIEW_SIZE_MAX || view.height > WEB_VIEW_SIZE_MAX)
        fuzz_broken();
    if (view.width <= 256 && view.height <= 256 && pix_image_new(&image, 7, 5, 1, &err)) {
        if (!web_view_apply(&view, &frame, &image, &err) && !*err.text)
            fuzz_broken();
        pix_image_free(&image);
    }
    if (web_view_halvings(&view, &frame, 2) > 5)
        fuzz_broken();
    web_view_key(arena, &view);
}

int fuzz_query(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    Arena *arena = arena_new(0);
    Span rest = span_of(data + 1, size - 1);
    check_search(arena, data[0], fuzz_line(&rest));
    check_view(arena, rest);
    arena_free(arena);
    return 0;
}
