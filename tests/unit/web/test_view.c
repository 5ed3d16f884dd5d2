// SPDX-License-Identifier: MIT
#include "web/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void windows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        double center, width;
        PixFunction function;
    } rows[] = {
        {"40,400", true, 40, 400, PIX_LINEAR},
        {"-600.5,1.5e3,linear", true, -600.5, 1500, PIX_LINEAR},
        {"0,0.5,linear-exact", true, 0, 0.5, PIX_LINEAR_EXACT},
        {"0,0.5,Sigmoid", true, 0, 0.5, PIX_SIGMOID},
        {"0,0.5,linear", false, 0, 0, PIX_LINEAR}, /* a width below 1 has no meaning there */
        {"40,0", false, 0, 0, PIX_LINEAR},
        {"40,-400", false, 0, 0, PIX_LINEAR},
        {"40", false, 0, 0, PIX_LINEAR},
        {"", false, 0, 0, PIX_LINEAR},
        {",400", false, 0, 0, PIX_LINEAR},
        {"40,400,", false, 0, 0, PIX_LINEAR},
        {"40,400,cubic", false, 0, 0, PIX_LINEAR},
        {"40,400,linear,1", false, 0, 0, PIX_LINEAR},
        {"inf,400", false, 0, 0, PIX_LINEAR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WebView view = {0};
        Err err = {0};
        bool ok = web_view_window(&view, rows[i].text, &err);
        if (ok != rows[i].ok ||
            (ok && (view.window.center != rows[i].center || view.window.width != rows[i].width ||
                    view.window.function != rows[i].function)))
            fail_msg("%s", rows[i].text);
        assert_true(ok || (err.code == ERR_USAGE && err.http == 400 && view.window.width == 0));
    }
}

static void viewports(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint32_t width, height;
        PixRegion region;
    } rows[] = {
        {"10,20", true, 10, 20, {.x = 0}},
        {"8192,1,1.5,2,3,4", true, 8192, 1, {1.5, 2, 3, 4, false, false}},
        {"10,20,,,5", true, 10, 20, {0, 0, 5, 0, false, false}},
        {"10,20,1,2,-3,-4", true, 10, 20, {1, 2, 3, 4, true, true}},
        {"8193,1", false, 0, 0, {.x = 0}},
        {"0,1", false, 0, 0, {.x = 0}},
        {"10", false, 0, 0, {.x = 0}},
        {"1.5,2", false, 0, 0, {.x = 0}},
        {"10,20,-1,0", false, 0, 0, {.x = 0}},
        {"10,20,0,0,0,5", false, 0, 0, {.x = 0}},
        {"1,2,3,4,5,6,7", false, 0, 0, {.x = 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WebView view = {0};
        Err err = {0};
        bool ok = web_view_viewport(&view, rows[i].text, &err);
        assert_int_equal(ok, rows[i].ok);
        if (!ok)
            continue;
        const PixRegion *a = &view.region, *b = &rows[i].region;
        assert_int_equal(view.width, rows[i].width);
        assert_int_equal(view.height, rows[i].height);
        assert_true(a->x == b->x && a->y == b->y && a->width == b->width && a->height == b->height &&
                    a->mirrored == b->mirrored && a->upside_down == b->upside_down);
    }
}

static void regions_and_numbers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0,0,1",     "0,0,1,1,1",  "0.5,0,0.5,1",
                                        "0,0,1,1.1", "-0.1,0,1,1", "a,0,1,1"};
    WebView view = {0};
    int64_t number = 7;
    assert_true(web_view_region(&view, "0.25,0.5,0.75,1", NULL));
    assert_true(view.has_region && view.region_is_relative && view.region.width == 0.5);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(web_view_region(&view, wrong[i], NULL));
    assert_true(web_view_number("rows", "8192", 8192, &number, NULL) && number == 8192);
    assert_false(web_view_number("rows", "8193", 8192, &number, NULL));
    assert_false(web_view_number("rows", "0", 8192, &number, NULL));
}

static void geometry(void **state)
{
    (void)state;
    static const struct {
        WebView view;
        double aspect;
        uint32_t width, height; /* of an image of 40 x 20 */
    } rows[] = {
        {{.width = 0}, 1, 40, 20},
        {{.width = 128, .height = 128}, 1, 128, 64},
        {{.width = 128, .height = 128, .shrink_only = true}, 1, 40, 20},
        {{.width = 10, .height = 10, .shrink_only = true}, 1, 10, 5},
        {{.height = 10}, 1, 20, 10},
        {{.width = 20}, 1, 20, 10},
        {{.width = 0}, 2, 40, 40},
        {{.width = 20, .height = 20}, 2, 20, 20},
        {{.has_region = true, .region = {10, 10, 500, 500, false, false}}, 1, 30, 10},
        {{.has_region = true, .region_is_relative = true, .region = {0.5, 0, 0.5, 1, false, false}},
         1,
         20,
         20},
        {{.has_region = true, .region = {39.5, 0, 0, 0, false, false}}, 1, 1, 20},
        {{.has_region = true, .region = {40, 0, 0, 0, false, false}}, 1, 0, 0},
        {{.has_region = true, .region = {0, 1e300, 1, 1, false, false}}, 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PixImage image;
        Err err = {0};
        assert_true(pix_image_new(&image, 40, 20, 1, NULL));
        bool ok = web_view_apply(&rows[i].view, &(WebFrame){40, 20, rows[i].aspect, false}, &image, &err);
        assert_int_equal(ok, rows[i].width > 0);
        assert_int_equal(image.width, ok ? rows[i].width : 40);
        assert_int_equal(image.height, ok ? rows[i].height : 20);
        assert_true(ok || err.code == ERR_USAGE);
        pix_image_free(&image);
    }
}

/* Where a frame may be made smaller before, and that it is the same place that is shown of it then. */
static void smaller_frames(void **state)
{
    (void)state;
    static const struct {
        WebView view;
        double aspect;
        unsigned kept, halvings;
    } rows[] = {
        {{.width = 0}, 1, 2, 0},
        {{.width = 128, .height = 128}, 1, 2, 3}, /* of 2048 x 1024 */
        {{.width = 128, .height = 128}, 1, 4, 2},
        {{.width = 129, .height = 129}, 1, 4, 1},
        {{.width = 1, .height = 1}, 1, 2, 5},
        {{.width = 4096, .height = 4096}, 1, 2, 0},
        {{.height = 128}, 2, 2, 2},
        {{.width = 128, .has_region = true, .region = {0, 0, 512, 512, false, false}}, 1, 2, 1},
        {{.width = 128, .has_region = true, .region = {4000, 0, 0, 0, false, false}}, 1, 2, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(
            web_view_halvings(&rows[i].view, &(WebFrame){2048, 1024, rows[i].aspect, false}, rows[i].kept),
            rows[i].halvings);
    /* Of 79 columns, 20 are left of which the sixth is white: it stands for columns 20 to 23. */
    static const WebView view = {.width = 8, .has_region = true, .region = {16, 0, 32, 4, false, false}};
    for (int even = 0; even < 2; even++) {
        PixImage image;
        assert_true(pix_image_new(&image, 20, 1, 1, NULL));
        image.pixels[5] = 200;
        assert_true(web_view_apply(&view, &(WebFrame){79, 4, 1, even}, &image, NULL));
        assert_int_equal(image.width, 8);
        assert_int_equal(image.height, 1);
        /* or column 20 alone, when that is what a wavelet kept */
        static const uint8_t wanted[2][3] = {{0, 200, 0}, {75, 125, 0}};
        assert_memory_equal(image.pixels, wanted[even], 3);
        pix_image_free(&image);
    }
}

static void keys_differ(void **state)
{
    (void)state;
    static const WebView views[] = {
        {.width = 0},
        {.quality = 5},
        {.width = 12},
        {.height = 12},
        {.width = 1, .height = 2},
        {.shrink_only = true},
        {.has_region = true},
        {.has_region = true, .region_is_relative = true},
        {.region = {.x = 0.1}},
        {.region = {.x = 0.10000001}},
        {.region = {.mirrored = true}},
        {.region = {.upside_down = true}},
        {.window = {.width = 400}},
        {.window = {.center = 40.0000001, .width = 400}},
        {.window = {.center = 40, .width = 400}},
        {.window = {.center = 40, .width = 400, .function = PIX_SIGMOID}},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        for (size_t k = 0; k < sizeof views / sizeof *views; k++)
            assert_int_equal(!strcmp(web_view_key(arena, &views[i]), web_view_key(arena, &views[k])), i == k);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),  cmocka_unit_test(viewports),      cmocka_unit_test(regions_and_numbers),
        cmocka_unit_test(geometry), cmocka_unit_test(smaller_frames), cmocka_unit_test(keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
