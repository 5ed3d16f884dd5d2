// SPDX-License-Identifier: MIT
#include "pixel/render.h"

#include "dicom/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;
static DcmDataset *ds;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    ds = dcm_dataset_new(arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static PixFormat format_of(uint32_t columns, uint16_t samples, uint16_t allocated, uint16_t stored,
                           const char *photometric)
{
    PixFormat f = {.rows = 1,
                   .columns = columns,
                   .frames = 1,
                   .samples = samples,
                   .bits_allocated = allocated,
                   .bits_stored = stored};
    span_copy(span_cstr(photometric), f.photometric, sizeof f.photometric);
    return f;
}

static void shows_frame(const PixFormat *f, Span frame, uint32_t number, const PixWindow *window,
                        const uint8_t *wanted, size_t n)
{
    PixImage image;
    Err err = {0};
    if (!pix_render(ds, f, frame, number, window, &image, &err))
        fail_msg("%s", err.text);
    assert_int_equal((size_t)image.width * image.height * image.channels, n);
    assert_memory_equal(image.pixels, wanted, n);
    pix_image_free(&image);
}

#define BYTES(...)                                                                                           \
    (const uint8_t[])                                                                                        \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define FRAME(...) span_of(BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)))
#define SHOWS(f, frame, window, ...)                                                                         \
    shows_frame(f, frame, 1, window, BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)))

/* The worked values of PS3.3 C.11.2.1.2: center 2048, width 4096 and center 0, width 100. */
static void windows(void **state)
{
    (void)state;
    PixFormat f = format_of(4, 1, 16, 16, "MONOCHROME2");
    f.is_signed = true;
    Span frame = FRAME(0xCE, 0xFF, 0, 0, 49, 0, 100, 0); /* -50, 0, 49, 100 */
    SHOWS(&f, frame, (&(PixWindow){0, 100, PIX_LINEAR}), 0, 129, 255, 255);
    SHOWS(&f, frame, (&(PixWindow){0, 100, PIX_LINEAR_EXACT}), 0, 128, 252, 255);
    SHOWS(&f, frame, (&(PixWindow){0, 100, PIX_SIGMOID}), 30, 128, 224, 250);
    SHOWS(&f, frame, (&(PixWindow){49, 1, PIX_LINEAR}), 0, 0, 255, 255);
    /* the object's own, and without one the range of the values */
    SHOWS(&f, frame, NULL, 0, 85, 168, 255);
    dcm_put_utf8(ds, DCM_WindowCenter, "0\\7");
    dcm_put_utf8(ds, DCM_WindowWidth, "100\\7");
    SHOWS(&f, frame, NULL, 0, 129, 255, 255);
    dcm_put_utf8(ds, DCM_VOILUTFunction, "SIGMOID");
    SHOWS(&f, frame, NULL, 30, 128, 224, 250);
    dcm_put_utf8(ds, DCM_RescaleSlope, "2");
    dcm_put_utf8(ds, DCM_RescaleIntercept, "-98");
    dcm_put_utf8(ds, DCM_VOILUTFunction, "LINEAR");
    SHOWS(&f, frame, NULL, 0, 0, 129, 255);
}

static void inverted_once(void **state)
{
    (void)state;
    PixFormat one = format_of(3, 1, 8, 8, "MONOCHROME1"), two = format_of(3, 1, 8, 8, "MONOCHROME2");
    Span frame = FRAME(0, 100, 200);
    SHOWS(&two, frame, NULL, 0, 128, 255);
    SHOWS(&one, frame, NULL, 255, 128, 0);
    dcm_put_utf8(ds, DCM_PresentationLUTShape, "INVERSE");
    SHOWS(&one, frame, NULL, 255, 128, 0);
    SHOWS(&two, frame, NULL, 255, 128, 0);
}

static void bits(void **state)
{
    (void)state;
    PixFormat f = format_of(3, 1, 16, 4, "MONOCHROME2");
    SHOWS(&f, FRAME(0xF0, 0xFF, 5, 0, 0x1F, 0), NULL, 0, 85,
          255); /* what is above the stored bits does not count */
    dcm_put_u16(ds, DCM_HighBit, 15);
    SHOWS(&f, FRAME(0, 0, 0xFF, 0x5F, 0, 0xF0), NULL, 0, 85, 255);
    f.is_signed = true;
    SHOWS(&f, FRAME(0, 0x80, 0, 0x70, 0, 0xD0), NULL, 0, 255, 85); /* -8, 7, -3 */
    dcm_remove(ds, DCM_HighBit);
    f = format_of(10, 1, 1, 1, "MONOCHROME2");
    SHOWS(&f, FRAME(0x05, 0x02), NULL, 255, 0, 255, 0, 0, 0, 0, 0, 0, 255);
    f = format_of(3, 1, 32, 32, "MONOCHROME2");
    SHOWS(&f, FRAME(0, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0xFF, 0xFF, 0xFF), NULL, 0, 128, 255);
    f.is_signed = true;
    SHOWS(&f, FRAME(0, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0xFF, 0xFF, 0x7F), NULL, 128, 0, 255);
}

static void padding_is_not_in_the_range(void **state)
{
    (void)state;
    PixFormat f = format_of(4, 1, 8, 8, "MONOCHROME2");
    Span frame = FRAME(0, 100, 150, 200);
    SHOWS(&f, frame, NULL, 0, 128, 191, 255);
    dcm_put_u16(ds, DCM_PixelPaddingValue, 0);
    SHOWS(&f, frame, NULL, 0, 0, 128, 255);
    dcm_put_u16(ds, DCM_PixelPaddingRangeLimit, 149);
    SHOWS(&f, frame, NULL, 0, 0, 0, 255);
    dcm_put_u16(ds, DCM_PixelPaddingRangeLimit,
                150); /* one value is left: it differs from the padding at least */
    SHOWS(&f, frame, NULL, 0, 128, 191, 255);
    dcm_put_u16(ds, DCM_PixelPaddingRangeLimit, 255);
    SHOWS(&f, frame, NULL, 0, 128, 191, 255);
    f.columns = 2;
    SHOWS(&f, FRAME(9, 9), NULL, 0, 0);
}

static void put_lut(DcmTag sequence, Span descriptor, Span data)
{
    dcm_put_sequence(ds, sequence);
    DcmDataset *item = dcm_add_item(ds, sequence);
    dcm_put(item, DCM_LUTDescriptor, DCM_VR_US, descriptor);
    dcm_put(item, DCM_LUTData, DCM_VR_OW, data);
}

static void tables(void **state)
{
    (void)state;
    PixFormat f = format_of(3, 1, 8, 8, "MONOCHROME2");
    Span frame = FRAME(4, 5, 6);
    put_lut(DCM_VOILUTSequence, SPAN("\3\0\4\0\x08\0"), SPAN("\xFF\0\x80\0\x01\0"));
    SHOWS(&f, frame, NULL, 255, 128, 1);
    SHOWS(&f, frame, (&(PixWindow){5, 2, PIX_LINEAR}), 0, 255, 255); /* the request's window in its place */
    put_lut(DCM_ModalityLUTSequence, SPAN("\3\0\4\0\x10\0"), SPAN("\6\0\4\0\5\0")); /* 4, 5, 6 to 6, 4, 5 */
    SHOWS(&f, frame, NULL, 1, 255, 128);
}

static void functional_groups(void **state)
{
    (void)state;
    PixFormat f = format_of(2, 1, 8, 8, "MONOCHROME2");
    f.frames = 2;
    dcm_put_sequence(ds, DCM_PerFrameFunctionalGroupsSequence);
    dcm_put_sequence(ds, DCM_SharedFunctionalGroupsSequence);
    static const char *const centers[] = {"10", "200", "100"}; /* frame 1, frame 2, the rest */
    for (int i = 0; i < 3; i++) {
        DcmDataset *groups = dcm_add_item(ds, i < 2 ? DCM_PerFrameFunctionalGroupsSequence
                                                    : DCM_SharedFunctionalGroupsSequence);
        dcm_put_sequence(groups, DCM_FrameVOILUTSequence);
        DcmDataset *voi = dcm_add_item(groups, DCM_FrameVOILUTSequence);
        dcm_put_utf8(voi, DCM_WindowCenter, centers[i]);
        dcm_put_utf8(voi, DCM_WindowWidth, "1");
    }
    Span frame = FRAME(50, 150);
    shows_frame(&f, frame, 1, NULL, BYTES(255, 255), 2);
    shows_frame(&f, frame, 2, NULL, BYTES(0, 0), 2);
    shows_frame(&f, frame, 3, NULL, BYTES(0, 255), 2);
}

static void colours(void **state)
{
    (void)state;
    PixFormat f = format_of(2, 3, 8, 8, "RGB");
    SHOWS(&f, FRAME(1, 2, 3, 4, 5, 6), NULL, 1, 2, 3, 4, 5, 6);
    f.planar = 1;
    SHOWS(&f, FRAME(1, 4, 2, 5, 3, 6), NULL, 1, 2, 3, 4, 5, 6);
    f = format_of(2, 3, 16, 12, "RGB");
    SHOWS(&f, FRAME(0, 0, 0xFF, 0x0F, 0, 8, 0, 0, 0, 0, 0, 0), NULL, 0, 255, 128, 0, 0, 0);
    f = format_of(2, 4, 8, 8, "ARGB");
    SHOWS(&f, FRAME(9, 1, 2, 3, 9, 4, 5, 6), NULL, 1, 2, 3, 4, 5, 6);
    f = format_of(2, 3, 8, 8, "YBR_FULL"); /* gray, and red */
    SHOWS(&f, FRAME(100, 128, 128, 76, 85, 255), NULL, 100, 100, 100, 254, 0, 0);
    f = format_of(2, 3, 8, 8, "YBR_FULL_422");
    SHOWS(&f, FRAME(100, 50, 128, 128), NULL, 100, 100, 100, 50, 50, 50);
}

static void palettes(void **state)
{
    (void)state;
    static const DcmTag tags[3][2] = {
        {DCM_RedPaletteColorLookupTableDescriptor, DCM_RedPaletteColorLookupTableData},
        {DCM_GreenPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableData},
        {DCM_BluePaletteColorLookupTableDescriptor, DCM_BluePaletteColorLookupTableData},
    };
    static const char data[3][5] = {"\xFF\xFF\0\0", "\0\0\0\x80", "\0\0\xFF\xFF"};
    for (size_t c = 0; c < 3; c++) {
        dcm_put(ds, tags[c][0], DCM_VR_US, SPAN("\2\0\1\0\x10\0"));
        dcm_put(ds, tags[c][1], DCM_VR_OW, span_of(data[c], 4));
    }
    PixFormat f = format_of(3, 1, 8, 8, "PALETTE COLOR");
    SHOWS(&f, FRAME(0, 1, 2), NULL, 255, 0, 0, 255, 0, 0, 0, 128, 255);
    f = format_of(3, 1, 16, 16, "PALETTE COLOR");
    SHOWS(&f, FRAME(1, 0, 2, 0, 0xFF, 0xFF), NULL, 255, 0, 0, 0, 128, 255, 0, 128, 255);
}

static void what_cannot_be_shown(void **state)
{
    (void)state;
    static const struct {
        uint16_t samples, allocated;
        const char *photometric;
        size_t bytes;
        ErrCode code;
    } rows[] = {
        {1, 16, "MONOCHROME2", 7, ERR_FORMAT},  {3, 8, "RGB", 11, ERR_FORMAT},
        {3, 8, "YBR_FULL_422", 7, ERR_FORMAT},  {3, 16, "YBR_FULL_422", 16, ERR_FORMAT},
        {1, 8, "PALETTE COLOR", 4, ERR_FORMAT}, {4, 8, "CMYK", 16, ERR_UNSUPPORTED},
        {3, 8, "ARGB", 16, ERR_UNSUPPORTED},
    };
    static const uint8_t bytes[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PixFormat f =
            format_of(4, rows[i].samples, rows[i].allocated, rows[i].allocated, rows[i].photometric);
        PixImage image;
        Err err = {0};
        uint8_t *frame = malloc(rows[i].bytes); /* so that a sanitizer sees what is read behind it */
        memcpy(frame, bytes, rows[i].bytes);
        assert_false(pix_render(ds, &f, span_of(frame, rows[i].bytes), 1, NULL, &image, &err));
        assert_int_equal(err.code, rows[i].code);
        assert_null(image.pixels);
        free(frame);
    }
}

static void aspects(void **state)
{
    (void)state;
    assert_true(pix_aspect(ds, 1) == 1);
    dcm_put_utf8(ds, DCM_PixelAspectRatio, "4\\3");
    assert_true(pix_aspect(ds, 1) > 1.33 && pix_aspect(ds, 1) < 1.34);
    dcm_put_utf8(ds, DCM_PixelSpacing, "0.5\\1");
    assert_true(pix_aspect(ds, 1) == 0.5);
    dcm_put_utf8(ds, DCM_PixelSpacing, "0\\1"); /* nonsense does not count */
    assert_true(pix_aspect(ds, 1) > 1.33);
    dcm_put_utf8(ds, DCM_PixelAspectRatio, "100000\\1");
    assert_true(pix_aspect(ds, 1) == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(windows),
        TEST(inverted_once),
        TEST(bits),
        TEST(padding_is_not_in_the_range),
        TEST(tables),
        TEST(functional_groups),
        TEST(colours),
        TEST(palettes),
        TEST(what_cannot_be_shown),
        TEST(aspects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
