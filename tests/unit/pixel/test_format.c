// SPDX-License-Identifier: MIT
#include "pixel/pixel.h"

#include "dicom/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static DcmDataset *image(Arena *arena, uint16_t rows, uint16_t columns, uint16_t samples, uint16_t bits)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_u16(ds, DCM_Rows, rows);
    dcm_put_u16(ds, DCM_Columns, columns);
    dcm_put_u16(ds, DCM_SamplesPerPixel, samples);
    dcm_put_u16(ds, DCM_BitsAllocated, bits);
    dcm_put_utf8(ds, DCM_PhotometricInterpretation, "MONOCHROME2");
    return ds;
}

static void reads_the_image_attributes(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    DcmDataset *ds = image(arena, 512, 256, 1, 16);
    PixFormat f;
    Err err = {0};
    dcm_put_utf8(ds, DCM_NumberOfFrames, "7");
    dcm_put_u16(ds, DCM_PixelRepresentation, 1);
    assert_true(pix_format(ds, &f, &err));
    assert_int_equal(f.rows, 512);
    assert_int_equal(f.columns, 256);
    assert_int_equal(f.frames, 7);
    assert_true(f.is_signed);
    assert_string_equal(f.photometric, "MONOCHROME2");
    assert_int_equal(pix_frame_bytes(&f), 512 * 256 * 2);
    arena_free(arena);
}

static void impossible_images_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint16_t rows, columns, samples, bits;
        const char *frames;
        ErrCode code;
    } bad[] = {
        {0, 10, 1, 8, "1", ERR_FORMAT},
        {10, 0, 1, 8, "1", ERR_FORMAT},
        {10, 10, 2, 8, "1", ERR_UNSUPPORTED},
        {10, 10, 1, 12, "1", ERR_UNSUPPORTED},
        {65535, 65535, 3, 32, "1", ERR_LIMIT},
        {10, 10, 1, 8, "-1", ERR_FORMAT},
        {10, 10, 1, 8, "99999999999", ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Arena *arena = arena_new(0);
        DcmDataset *ds = image(arena, bad[i].rows, bad[i].columns, bad[i].samples, bad[i].bits);
        dcm_put_utf8(ds, DCM_NumberOfFrames, bad[i].frames);
        PixFormat f;
        Err err = {0};
        if (pix_format(ds, &f, &err) || err.code != bad[i].code)
            fail_msg("case %zu: code %d, %s", i, err.code, err.text);
        arena_free(arena);
    }
}

static void a_data_set_without_image_is_refused(void **state)
{
    (void)state;
    Arena *arena = arena_new(0);
    PixFormat f;
    Err err = {0};
    assert_false(pix_format(dcm_dataset_new(arena), &f, &err));
    assert_non_null(strstr(err.text, "(0028,0010)"));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_image_attributes),
        cmocka_unit_test(impossible_images_are_refused),
        cmocka_unit_test(a_data_set_without_image_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
