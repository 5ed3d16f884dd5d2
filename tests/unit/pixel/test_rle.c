// SPDX-License-Identifier: MIT
#include "pixel/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A frame with one segment per plane, each given as PackBits. */
static void make_frame(Buf *frame, const Span *segments, size_t count)
{
    uint32_t at = 64;
    buf_u32le(frame, (uint32_t)count);
    for (size_t i = 0; i < 15; i++) {
        buf_u32le(frame, i < count ? at : 0);
        at += i < count ? (uint32_t)segments[i].n : 0;
    }
    for (size_t i = 0; i < count; i++)
        buf_append_span(frame, segments[i]);
}

static bool decode(const Span *segments, size_t count, PixFormat *format, Buf *out, Err *err)
{
    Buf frame;
    buf_init(&frame, 0);
    make_frame(&frame, segments, count);
    bool ok = pix_decode_rle(buf_span(&frame), format, out, err);
    buf_free(&frame);
    return ok;
}

static PixFormat format_of(uint16_t samples, uint16_t bits)
{
    return (PixFormat){.rows = 2, .columns = 3, .frames = 1, .samples = samples, .bits_allocated = bits};
}

static void literal_and_repeated_runs(void **state)
{
    (void)state;
    /* 2 literal bytes, a no-operation (128), 3 times 07, 1 literal */
    Span segment = SPAN("\x01\xAA\xBB\x80\xFE\x07\x00\x09");
    PixFormat format = format_of(1, 8);
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    assert_true(decode(&segment, 1, &format, &out, &err));
    assert_memory_equal(out.p, "\xAA\xBB\x07\x07\x07\x09", 6);
    buf_free(&out);
}

static void most_significant_plane_comes_first(void **state)
{
    (void)state;
    Span planes[] = {SPAN("\x05\x01\x02\x03\x04\x05\x06"), SPAN("\xFB\xF0")};
    PixFormat format = format_of(1, 16);
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    assert_true(decode(planes, 2, &format, &out, &err));
    assert_memory_equal(out.p, "\xF0\x01\xF0\x02\xF0\x03\xF0\x04\xF0\x05\xF0\x06", 12);
    buf_free(&out);
}

static void planes_of_colour_become_pixels(void **state)
{
    (void)state;
    Span planes[] = {SPAN("\xFB\x01"), SPAN("\xFB\x02"), SPAN("\xFB\x03")};
    PixFormat format = format_of(3, 8);
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    assert_true(decode(planes, 3, &format, &out, &err));
    assert_int_equal(out.n, 18);
    for (size_t i = 0; i < 6; i++)
        assert_memory_equal(out.p + 3 * i, "\x01\x02\x03", 3);
    buf_free(&out);
}

static void lies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        Span segment;
        size_t count;
    } lies[] = {
        {"too few bytes", {(const uint8_t *)"\x01\xAA\xBB", 3}, 1},
        {"a literal run beyond the end", {(const uint8_t *)"\x7F\xAA", 2}, 1},
        {"a repeat without its byte", {(const uint8_t *)"\xFB", 1}, 1},
        {"more segments than planes", {(const uint8_t *)"\xFB\x01", 2}, 2},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        Span segments[] = {lies[i].segment, lies[i].segment};
        PixFormat format = format_of(1, 8);
        Buf out;
        Err err = {0};
        buf_init(&out, 0);
        if (decode(segments, lies[i].count, &format, &out, &err))
            fail_msg("%s was accepted", lies[i].what);
        assert_int_equal(err.code, ERR_FORMAT);
        assert_int_equal(out.n, 0);
        buf_free(&out);
    }
}

static void offsets_outside_are_refused(void **state)
{
    (void)state;
    static const uint32_t offsets[] = {0, 63, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        Buf frame, out;
        Err err = {0};
        PixFormat format = format_of(1, 8);
        buf_init(&frame, 0);
        buf_init(&out, 0);
        buf_u32le(&frame, 1);
        buf_u32le(&frame, offsets[i]);
        for (size_t k = 0; k < 14; k++)
            buf_u32le(&frame, 0);
        buf_append_cstr(&frame, "\xFB\x01");
        assert_false(pix_decode_rle(buf_span(&frame), &format, &out, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        buf_free(&frame);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_and_repeated_runs),
        cmocka_unit_test(most_significant_plane_comes_first),
        cmocka_unit_test(planes_of_colour_become_pixels),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(offsets_outside_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
