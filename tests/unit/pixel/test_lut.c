// SPDX-License-Identifier: MIT
#include "pixel/lut.h"

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

static void put_words(DcmTag tag, DcmVr vr, const uint16_t *words, size_t count)
{
    uint8_t *raw = arena_alloc(arena, 2 * count);
    for (size_t i = 0; i < count; i++) {
        raw[2 * i] = (uint8_t)words[i];
        raw[2 * i + 1] = (uint8_t)(words[i] >> 8);
    }
    dcm_put(ds, tag, vr, span_of(raw, 2 * count));
}

#define PUT(tag, vr, ...)                                                                                    \
    put_words(tag, vr, (const uint16_t[]){__VA_ARGS__},                                                      \
              sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static bool read_lut(bool is_signed, PixLut *out)
{
    return pix_lut_read(ds, DCM_LUTDescriptor, DCM_LUTData, is_signed, out);
}

static void values_outside_have_those_of_the_ends(void **state)
{
    (void)state;
    PixLut lut;
    PUT(DCM_LUTDescriptor, DCM_VR_US, 3, 10, 12);
    PUT(DCM_LUTData, DCM_VR_OW, 100, 200, 4095);
    assert_true(read_lut(false, &lut));
    assert_true(lut.highest == 4095);
    assert_true(pix_lut_at(&lut, 11) == 200 && pix_lut_at(&lut, -5) == 100 && pix_lut_at(&lut, 13) == 4095 &&
                pix_lut_at(&lut, INT64_C(1) << 40) == 4095);
    pix_lut_free(&lut);
    assert_int_equal(lut.count, 0);
}

static void the_first_value_may_be_negative(void **state)
{
    (void)state;
    static const struct {
        DcmVr vr;
        bool is_signed;
        int64_t first;
    } rows[] = {{DCM_VR_US, false, 64512}, {DCM_VR_US, true, -1024}, {DCM_VR_SS, false, -1024}};
    PUT(DCM_LUTData, DCM_VR_OW, 1, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        PixLut lut;
        PUT(DCM_LUTDescriptor, rows[i].vr, 2, 64512, 16);
        assert_true(read_lut(rows[i].is_signed, &lut));
        assert_int_equal(lut.first, rows[i].first);
        pix_lut_free(&lut);
    }
}

static void bits_that_are_not_those_of_the_data(void **state)
{
    (void)state;
    PixLut lut;
    PUT(DCM_LUTDescriptor, DCM_VR_US, 2, 0, 8);
    PUT(DCM_LUTData, DCM_VR_OW, 0x2010);
    assert_true(read_lut(false, &lut)); /* two in a word */
    assert_true(pix_lut_at(&lut, 0) == 0x10 && pix_lut_at(&lut, 1) == 0x20 && lut.highest == 255);
    pix_lut_free(&lut);
    PUT(DCM_LUTData, DCM_VR_OW, 0x1000, 0xFFFF);
    assert_true(read_lut(false, &lut)); /* said 8, are 16 */
    assert_true(pix_lut_at(&lut, 1) == 0xFFFF && lut.highest == 65535);
    pix_lut_free(&lut);
}

static void damaged_tables_are_none(void **state)
{
    (void)state;
    PixLut lut;
    assert_false(read_lut(false, &lut));
    PUT(DCM_LUTDescriptor, DCM_VR_US, 0, 0, 16); /* 65,536 entries */
    PUT(DCM_LUTData, DCM_VR_OW, 1, 2, 3);
    assert_false(read_lut(false, &lut));
    assert_int_equal(lut.count, 0);
    PUT(DCM_LUTDescriptor, DCM_VR_US, 3, 0);
    assert_false(read_lut(false, &lut));
}

static const struct {
    DcmTag descriptor, data, segmented;
} palette[3] = {
    {DCM_RedPaletteColorLookupTableDescriptor, DCM_RedPaletteColorLookupTableData,
     DCM_SegmentedRedPaletteColorLookupTableData},
    {DCM_GreenPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableData,
     DCM_SegmentedGreenPaletteColorLookupTableData},
    {DCM_BluePaletteColorLookupTableDescriptor, DCM_BluePaletteColorLookupTableData,
     DCM_SegmentedBluePaletteColorLookupTableData},
};

/* The example of PS3.3 C.7.9.2: a discrete, a linear segment, and both once more. */
static void segments(void **state)
{
    (void)state;
    static const uint16_t wanted[] = {10, 50, 100, 150, 200, 250, 300, 10, 50, 100, 150, 200, 250, 300};
    PixLut colours[3];
    for (size_t c = 0; c < 3; c++) {
        PUT(palette[c].descriptor, DCM_VR_US, 14, 0, 16);
        PUT(palette[c].segmented, DCM_VR_OW, 0, 2, 10, 50, 1, 5, 300, 2, 2, 0, 0);
    }
    assert_true(pix_palette_read(ds, false, colours, NULL));
    for (size_t c = 0; c < 3; c++) {
        assert_memory_equal(colours[c].entries, wanted, sizeof wanted);
        pix_lut_free(&colours[c]);
    }
}

static void segments_that_lie(void **state)
{
    (void)state;
    static const uint16_t lies[][8] = {
        {0, 9, 1, 1},             /* fewer than said */
        {2, 1, 0, 0},             /* leads to itself */
        {2, 1, 60000, 60000},     /* leads outside */
        {3, 1, 1, 1},             /* no such segment */
        {1, 0, 5, 1, 0, 5, 1, 0}, /* lines of no length */
        {2, 65535, 0, 0},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        PixLut colours[3];
        Err err = {0};
        for (size_t c = 0; c < 3; c++) {
            PUT(palette[c].descriptor, DCM_VR_US, 14, 0, 16);
            put_words(palette[c].segmented, DCM_VR_OW, lies[i], 8);
        }
        if (pix_palette_read(ds, false, colours, &err))
            fail_msg("lie %zu", i);
        assert_int_equal(err.code, ERR_FORMAT);
    }
}

static void palettes_of_8_bits_that_say_16(void **state)
{
    (void)state;
    PixLut colours[3];
    for (size_t c = 0; c < 3; c++) {
        PUT(palette[c].descriptor, DCM_VR_US, 2, 0, 16);
        PUT(palette[c].data, DCM_VR_OW, 0, (uint16_t)(100 + c));
    }
    assert_true(pix_palette_read(ds, false, colours, NULL));
    for (size_t c = 0; c < 3; c++) {
        assert_true(colours[c].highest == 255);
        pix_lut_free(&colours[c]);
    }
    PUT(palette[2].data, DCM_VR_OW, 0, 256);
    assert_true(pix_palette_read(ds, false, colours, NULL));
    for (size_t c = 0; c < 3; c++) {
        assert_true(colours[c].highest == 65535);
        pix_lut_free(&colours[c]);
    }
    dcm_remove(ds, palette[1].data);
    assert_false(pix_palette_read(ds, false, colours, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_outside_have_those_of_the_ends),
        TEST(the_first_value_may_be_negative),
        TEST(bits_that_are_not_those_of_the_data),
        TEST(damaged_tables_are_none),
        TEST(segments),
        TEST(segments_that_lie),
        TEST(palettes_of_8_bits_that_say_16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
