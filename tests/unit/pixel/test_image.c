// SPDX-License-Identifier: MIT
#include "pixel/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static PixImage image_of(uint32_t width, uint32_t height, unsigned channels, const uint8_t *pixels)
{
    PixImage image;
    assert_true(pix_image_new(&image, width, height, channels, NULL));
    if (pixels)
        memcpy(image.pixels, pixels, (size_t)width * height * channels);
    return image;
}

static void scaled(const PixImage *image, const PixRegion *region, uint32_t width, uint32_t height,
                   const uint8_t *wanted)
{
    PixImage out;
    assert_true(pix_image_scale(image, region, width, height, &out, NULL));
    assert_memory_equal(out.pixels, wanted, (size_t)width * height * image->channels);
    pix_image_free(&out);
}

static void smaller_is_the_mean(void **state)
{
    (void)state;
    PixImage image = image_of(4, 2, 1, (const uint8_t[]){0, 10, 20, 30, 100, 110, 120, 130});
    scaled(&image, NULL, 2, 1, (const uint8_t[]){55, 75});
    scaled(&image, NULL, 1, 1, (const uint8_t[]){65});
    scaled(&image, NULL, 3, 2,
           (const uint8_t[]){3, 15, 28, 103, 115, 128}); /* a third of a pixel counts a third */
    scaled(&image, &(PixRegion){.x = 2, .width = 2, .height = 2}, 1, 2, (const uint8_t[]){25, 125});
    pix_image_free(&image);
}

static void as_large_is_the_same(void **state)
{
    (void)state;
    static const uint8_t pixels[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    PixImage image = image_of(2, 2, 3, pixels);
    scaled(&image, NULL, 2, 2, pixels);
    scaled(&image, &(PixRegion){.x = 1, .y = 1, .width = 1, .height = 1}, 1, 1, pixels + 9);
    pix_image_free(&image);
}

static void larger_is_mixed(void **state)
{
    (void)state;
    PixImage image = image_of(2, 1, 1, (const uint8_t[]){0, 100});
    scaled(&image, NULL, 4, 1, (const uint8_t[]){0, 25, 75, 100});
    scaled(&image, NULL, 4, 2, (const uint8_t[]){0, 25, 75, 100, 0, 25, 75, 100});
    pix_image_free(&image);
}

static void turned_over(void **state)
{
    (void)state;
    PixImage image = image_of(2, 2, 1, (const uint8_t[]){1, 2, 3, 4});
    scaled(&image, &(PixRegion){.width = 2, .height = 2, .mirrored = true}, 2, 2,
           (const uint8_t[]){2, 1, 4, 3});
    scaled(&image, &(PixRegion){.width = 2, .height = 2, .upside_down = true}, 2, 2,
           (const uint8_t[]){3, 4, 1, 2});
    pix_image_free(&image);
}

static void sizes_have_limits(void **state)
{
    (void)state;
    PixImage image;
    Err err = {0};
    assert_false(pix_image_new(&image, 0, 5, 1, &err));
    assert_false(pix_image_new(&image, 65535, 65535, 1, &err));
    assert_false(pix_image_new(&image, 16384, 16384, 3, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(image.pixels);
    image = image_of(70000, 1, 1, NULL);
    Buf out;
    buf_init(&out, 0);
    assert_false(pix_image_jpeg(&image, 90, &out, &err)); /* 65,500 at most */
    assert_non_null(strstr(err.text, "PNG"));
    assert_true(pix_image_png(&image, &out, NULL));
    buf_free(&out);
    pix_image_free(&image);
}

static void files(void **state)
{
    (void)state;
    PixImage image = image_of(33, 17, 3, NULL);
    for (size_t i = 0; i < (size_t)33 * 17 * 3; i++)
        image.pixels[i] = (uint8_t)(i * 37);
    Buf low, high, png, small;
    buf_init(&low, 0);
    buf_init(&high, 0);
    buf_init(&png, 0);
    buf_init(&small, 20);
    assert_true(pix_image_jpeg(&image, 1, &low, NULL) && pix_image_jpeg(&image, 100, &high, NULL));
    assert_true(pix_image_png(&image, &png, NULL));
    assert_memory_equal(high.p, "\xFF\xD8\xFF", 3);
    assert_memory_equal(png.p, "\x89PNG\r\n\x1A\n", 8);
    assert_true(low.n < high.n);
    /* what does not fit is a failure, and nothing is leaked */
    assert_false(pix_image_png(&image, &small, NULL));
    buf_clear(&small);
    assert_false(pix_image_jpeg(&image, 90, &small, NULL));
    buf_free(&low);
    buf_free(&high);
    buf_free(&png);
    buf_free(&small);
    pix_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smaller_is_the_mean), cmocka_unit_test(as_large_is_the_same),
        cmocka_unit_test(larger_is_mixed),     cmocka_unit_test(turned_over),
        cmocka_unit_test(sizes_have_limits),   cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
