// SPDX-License-Identifier: MIT
/* Frames that are decoded in a smaller size; those of real files are in archive/test_frames.c. */
#include "pixel/pixel.h"

#include "dicom/uids.h"

#include <openjpeg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Stream {
    uint8_t bytes[1 << 16];
    size_t n, at;
} Stream;

static OPJ_SIZE_T write_stream(void *p, OPJ_SIZE_T n, void *ctx)
{
    Stream *s = ctx;
    assert_true(n <= sizeof s->bytes - s->at);
    memcpy(s->bytes + s->at, p, n);
    s->at += n;
    s->n = s->at > s->n ? s->at : s->n;
    return n;
}

static OPJ_BOOL seek_stream(OPJ_OFF_T to, void *ctx)
{
    ((Stream *)ctx)->at = (size_t)to;
    return OPJ_TRUE;
}

static OPJ_OFF_T skip_stream(OPJ_OFF_T n, void *ctx)
{
    ((Stream *)ctx)->at += (size_t)n;
    return n;
}

/* Columns as bright as their number; the image begins at (x, y) of its grid. */
static void encode(Stream *s, uint32_t columns, uint32_t rows, uint32_t x, uint32_t y)
{
    opj_cparameters_t parameters;
    opj_set_default_encoder_parameters(&parameters);
    parameters.numresolution = 4;
    opj_image_cmptparm_t component = {.dx = 1, .dy = 1, .w = columns, .h = rows, .x0 = x, .y0 = y, .prec = 8};
    opj_image_t *image = opj_image_create(1, &component, OPJ_CLRSPC_GRAY);
    assert_non_null(image);
    image->x0 = x;
    image->y0 = y;
    image->x1 = x + columns;
    image->y1 = y + rows;
    for (size_t i = 0; i < (size_t)columns * rows; i++)
        image->comps[0].data[i] = (int32_t)(i % columns);
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_create(4096, OPJ_FALSE);
    assert_true(codec && stream && opj_setup_encoder(codec, &parameters, image));
    *s = (Stream){.n = 0};
    opj_stream_set_user_data(stream, s, NULL);
    opj_stream_set_write_function(stream, write_stream);
    opj_stream_set_seek_function(stream, seek_stream);
    opj_stream_set_skip_function(stream, skip_stream);
    assert_true(opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
                opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
}

/* The format of what it became. */
static PixFormat decode(const Stream *s, uint32_t columns, uint32_t rows, unsigned halvings, Buf *out)
{
    PixFormat format = {.rows = rows,
                        .columns = columns,
                        .samples = 1,
                        .frames = 1,
                        .bits_allocated = 8,
                        .bits_stored = 8,
                        .photometric = "MONOCHROME2"};
    Err err = {0};
    buf_init(out, 0);
    if (!pix_decode_reduced(dcm_transfer_syntax(SPAN(DCM_UID_JPEG2000Lossless)), span_of(s->bytes, s->n),
                            halvings, &format, out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out->n, pix_frame_bytes(&format));
    return format;
}

static void jpeg2000_halves_and_rounds_up(void **state)
{
    static Stream s;
    Buf out;
    encode(&s, 203, 61, 0, 0);
    for (unsigned halvings = 0; halvings < 6; halvings++) {
        unsigned done = halvings < 3 ? halvings : 3;
        PixFormat f = decode(&s, 203, 61, halvings, &out);
        assert_int_equal(f.columns, (203 + (1u << done) - 1) >> done);
        assert_int_equal(f.rows, (61 + (1u << done) - 1) >> done);
        buf_free(&out);
    }
}

/* Its sides are 102 -> 101 there: who counts how often they were halved would find one too many, and show a part of the image. */
static void jpeg2000_that_begins_inside_of_its_grid_stays_whole(void **state)
{
    static Stream s;
    Buf out;
    for (unsigned halvings = 0; halvings < 6; halvings++) {
        encode(&s, 203, 61, 1, 3);
        PixFormat f = decode(&s, 203, 61, halvings, &out);
        assert_int_equal(f.columns, 203);
        assert_int_equal(f.rows, 61);
        for (size_t i = 0; i < out.n; i++)
            assert_int_equal(out.p[i], i % 203);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg2000_halves_and_rounds_up),
        cmocka_unit_test(jpeg2000_that_begins_inside_of_its_grid_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
