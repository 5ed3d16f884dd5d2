// SPDX-License-Identifier: MIT
#include "archive/frames.h"
#include "dicom/part10.h"
#include "dicom/value.h"

#include "archive_fixture.h"

#include <math.h>

static Buf read_object(const IdxFile *file, const char *syntax)
{
    Buf all;
    Err err = {0};
    ssize_t n;
    buf_init(&all, 0);
    ArcReader *reader = arc_reader_open(archive, file, syntax, &err);
    if (!reader)
        fail_msg("%s", err.text);
    while ((n = arc_reader_read(reader, buf_reserve(&all, 65536), 65536, &err)) > 0)
        all.n += (size_t)n;
    arc_reader_close(reader);
    assert_int_equal(n, 0);
    return all;
}

typedef struct Tour {
    size_t images, decoded, many, placed, reduced;
} Tour;

/* Where a frame is said to lie in the file, its bytes are. */
static void compare_places(Tour *tour, const ArcFrames *frames, const IdxFile *file)
{
    Err err = {0};
    Buf whole, frame;
    uint64_t offset, length;
    buf_init(&whole, 0);
    buf_init(&frame, 0);
    assert_true(file_read_all(file->path, 1 << 30, &whole, &err));
    for (uint32_t i = 1; i <= arc_frames_format(frames)->frames; i++) {
        if (!arc_frame_place(frames, i, &offset, &length))
            continue;
        buf_clear(&frame);
        assert_true(arc_frame_read(frames, i, &frame, &err));
        assert_true(length == frame.n &&
                    span_eq(buf_span(&frame), span_sub(buf_span(&whole), (size_t)offset, (size_t)length)));
        tour->placed++;
    }
    assert_false(arc_frame_place(frames, 0, &offset, &length));
    assert_false(arc_frame_place(frames, arc_frames_format(frames)->frames + 1, &offset, &length));
    buf_free(&whole);
    buf_free(&frame);
}

static int64_t sample(const PixFormat *f, const Buf *frame, size_t i)
{
    const uint8_t *p = frame->p;
    if (f->bits_allocated == 8)
        return f->is_signed ? (int8_t)p[i] : p[i];
    uint16_t value = (uint16_t)(p[2 * i] | p[2 * i + 1] << 8);
    return f->is_signed ? (int16_t)value : value;
}

/* The mean of a square of one component. */
static double mean(const PixFormat *f, const Buf *frame, size_t x, size_t y, size_t side, size_t component)
{
    double sum = 0;
    for (size_t k = 0; k < side * side; k++)
        sum += (double)sample(
            f, frame, ((y * side + k / side) * f->columns + x * side + k % side) * f->samples + component);
    return sum / (double)(side * side);
}

/* How far squares of four pixels of the smaller frame are from those of the whole one, on the average, in parts of the range of values; whole
   numbers cannot be nearer than one. Pixels themselves differ more: the
   wavelets of JPEG 2000 keep the even ones and not those between. */
static double distance(const PixFormat *whole, const Buf *frame, const PixFormat *small, const Buf *less,
                       unsigned halvings)
{
    enum { SIDE = 4 };
    size_t count = 0;
    double sum = 0;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < (size_t)whole->rows * whole->columns * whole->samples; i++) {
        int64_t v = sample(whole, frame, i);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    for (size_t y = 0; y < (whole->rows >> halvings) / SIDE; y++)
        for (size_t x = 0; x < (whole->columns >> halvings) / SIDE; x++)
            for (size_t c = 0; c < whole->samples; c++, count++)
                sum += fabs(mean(whole, frame, x, y, (size_t)SIDE << halvings, c) -
                            mean(small, less, x, y, SIDE, c));
    double far = count ? sum / (double)count : 0;
    return far > 1 ? far / (double)(high - low) : 0;
}

/* A frame that is decoded small is the whole one made small. */
static void compare_reduced(Tour *tour, const ArcFrames *frames, const char *path)
{
    Err err = {0};
    Buf whole, small;
    PixFormat format, reduced;
    buf_init(&whole, 0);
    buf_init(&small, 0);
    if (!arc_frame_decode(frames, 1, &whole, &format, &err))
        fail_msg("%s: %s", path, err.text);
    for (unsigned halvings = 1; halvings <= 8 && format.bits_allocated <= 16; halvings++) {
        buf_clear(&small);
        if (!arc_frame_decode_reduced(frames, 1, halvings, &small, &reduced, &err))
            fail_msg("%s: %s", path, err.text);
        assert_int_equal(small.n, pix_frame_bytes(&reduced));
        assert_string_equal(reduced.photometric, format.photometric);
        unsigned done = 0;
        while (done < halvings && ((format.columns - 1) >> done) + 1 > reduced.columns)
            done++;
        assert_int_equal(((format.columns - 1) >> done) + 1, reduced.columns);
        assert_int_equal(((format.rows - 1) >> done) + 1, reduced.rows);
        tour->reduced += done > 0;
        double far = distance(&format, &whole, &reduced, &small, done);
        if (done <= 2 && far > 0.05)
            fail_msg("%s: halved %u times it is %.3f away from the frame", path, done, far);
    }
    buf_free(&whole);
    buf_free(&small);
}

/* The frames of the object, one after the other, are the pixel data of the object decoded as a whole. */
static void compare(Tour *tour, const IdxFile *file)
{
    Err err = {0};
    ArcFrameCache *cache = arc_frame_cache_new(archive, 4);
    ArcFrames *frames = arc_frames_get(cache, file, &err);
    if (!frames) {
        arc_frame_cache_free(cache);
        return;
    }
    const PixFormat *format = arc_frames_format(frames);
    tour->images++;
    tour->many += format->frames > 1;
    Buf joined;
    buf_init(&joined, 0);
    bool ok = arc_frames_decodable(frames);
    for (uint32_t i = 1; ok && i <= format->frames; i++)
        ok = arc_frame_decode(frames, i, &joined, NULL, &err);
    if (ok && format->bits_allocated >= 8) {
        Arena *arena = arena_new(0);
        Buf all = read_object(file, DCM_UID_ExplicitVRLittleEndian);
        DcmDataset *ds = dcm_dataset_parse(arena, buf_span(&all), NULL, NULL, &err);
        const DcmElement *pixels = ds ? dcm_find(ds, DCM_PixelData) : NULL;
        if (!pixels || joined.n > pixels->value.n ||
            !span_eq(buf_span(&joined), span_sub(pixels->value, 0, joined.n)))
            fail_msg("%s: the frames are not the pixel data", file->path);
        tour->decoded++;
        buf_free(&all);
        arena_free(arena);
    }
    if (ok && format->bits_allocated >= 8 &&
        strcmp(arc_frames_syntax(frames), DCM_UID_ExplicitVRLittleEndian) != 0)
        compare_reduced(tour, frames, file->path);
    compare_places(tour, frames, file);
    assert_false(arc_frame_read(frames, 0, &joined, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(arc_frame_read(frames, format->frames + 1, &joined, &err));
    buf_free(&joined);
    arc_frames_release(cache, frames);
    arc_frame_cache_free(cache);
}

static bool tour_file(void *ctx, const char *path, Err *err)
{
    ArcStored stored;
    Err ignored = {0};
    IdxFile file;
    Arena *arena = arena_new(0);
    (void)err;
    if (arc_ingest_file(archive, path, NULL, &stored, &ignored) &&
        find_instance(arena, stored.sop_instance, &file))
        compare(ctx, &file);
    arena_free(arena);
    return true;
}

static void test_real_files(void **state)
{
    const char *folder = getenv("GANTRY_TEST_DATA");
    Tour tour = {0};
    Err err = {0};
    if (!folder)
        skip();
    assert_true(file_walk(folder, true, tour_file, &tour, &err));
    print_message("%zu images, %zu compared, %zu with several frames\n", tour.images, tour.decoded,
                  tour.many);
    assert_true(tour.images > 150);
    assert_true(tour.decoded * 10 > tour.images * 8);
    assert_true(tour.many > 5);
    assert_true(tour.placed > 150);
    assert_true(tour.reduced > 50);
}

/* Frames of 3 x 3 single bits: nine bits each, without padding between them. */
static void test_single_bits(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    Err err = {0};
    Buf bytes, frame;
    IdxFile file;
    buf_init(&bytes, 0);
    buf_init(&frame, 0);
    dcm_put_utf8(ds, DCM_SOPClassUID, DCM_UID_SecondaryCaptureImageStorage);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, "1.2.3");
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2");
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, "1.2.1");
    dcm_put_utf8(ds, DCM_NumberOfFrames, "3");
    dcm_put_utf8(ds, DCM_PhotometricInterpretation, "MONOCHROME2");
    dcm_put_u16(ds, DCM_SamplesPerPixel, 1);
    dcm_put_u16(ds, DCM_Rows, 3);
    dcm_put_u16(ds, DCM_Columns, 3);
    dcm_put_u16(ds, DCM_BitsAllocated, 1);
    dcm_put_u16(ds, DCM_BitsStored, 1);
    dcm_put_u16(ds, DCM_PixelRepresentation, 0);
    dcm_put(ds, DCM_PixelData, DCM_VR_OB, span_of("\xFF\x01\x54\x05", 4)); /* 1 x 9, 0 x 9 but one, … */
    assert_true(dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), &err));
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian};
    assert_true(ingest_bytes(&incoming, buf_span(&bytes), 1 << 20, NULL, &err));
    assert_true(find_instance(arena, "1.2.3", &file));
    ArcFrameCache *cache = arc_frame_cache_new(archive, 2);
    ArcFrames *frames = arc_frames_get(cache, &file, &err);
    assert_non_null(frames);
    /* bits, first to last: 11111111 1|0000000 00|101010 101000 00 */
    static const uint8_t wanted[3][2] = {{0xFF, 0x01}, {0x00, 0x00}, {0x55, 0x01}};
    for (uint32_t i = 0; i < 3; i++) {
        buf_clear(&frame);
        assert_true(arc_frame_read(frames, i + 1, &frame, &err));
        assert_int_equal(frame.n, 2);
        assert_memory_equal(frame.p, wanted[i], 2);
        uint64_t offset, length;
        assert_false(arc_frame_place(frames, i + 1, &offset, &length));
    }
    arc_frames_release(cache, frames);
    arc_frame_cache_free(cache);
    buf_free(&bytes);
    buf_free(&frame);
    arena_free(arena);
}

/* More objects than entries, used by several at once. */
static void *use_frames(void *ctx)
{
    ArcFrameCache *cache = ctx;
    Arena *arena = arena_new(0);
    for (int round = 0; round < 200; round++) {
        char uid[32];
        IdxFile file;
        Err err = {0};
        Buf frame;
        buf_init(&frame, 0);
        snprintf(uid, sizeof uid, "1.2.3.4.%d", round % 5);
        assert_true(find_instance(arena, uid, &file));
        ArcFrames *frames = arc_frames_get(cache, &file, &err);
        assert_non_null(frames);
        assert_true(arc_frame_read(frames, 1, &frame, &err));
        arc_frames_release(cache, frames);
        buf_free(&frame);
        arena_reset(arena);
    }
    arena_free(arena);
    return NULL;
}

static void store_image(const char *uid)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    dcm_put_utf8(ds, DCM_SOPClassUID, DCM_UID_SecondaryCaptureImageStorage);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, uid);
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2");
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, "1.2.1");
    dcm_put_utf8(ds, DCM_PhotometricInterpretation, "MONOCHROME2");
    dcm_put_u16(ds, DCM_SamplesPerPixel, 1);
    dcm_put_u16(ds, DCM_Rows, 2);
    dcm_put_u16(ds, DCM_Columns, 2);
    dcm_put_u16(ds, DCM_BitsAllocated, 8);
    dcm_put(ds, DCM_PixelData, DCM_VR_OB, span_of("abcd", 4));
    assert_true(dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), &err));
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian};
    assert_true(ingest_bytes(&incoming, buf_span(&bytes), 1 << 20, NULL, &err));
    buf_free(&bytes);
    arena_free(arena);
}

static void test_several_at_once(void **state)
{
    for (int i = 0; i < 5; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        store_image(uid);
    }
    ArcFrameCache *cache = arc_frame_cache_new(archive, 2);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_frames, cache), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    arc_frame_cache_free(cache);
}

static void test_failures(void **state)
{
    Arena *arena = arena_new(0);
    IdxFile file;
    Err err = {0};
    Buf frame;
    buf_init(&frame, 0);
    store_image("1.2.3.9");
    assert_true(find_instance(arena, "1.2.3.9", &file));
    ArcFrameCache *cache = arc_frame_cache_new(archive, 2);
    ArcFrames *frames = arc_frames_get(cache, &file, &err);
    assert_non_null(frames);
    assert_int_equal(truncate(file.path, (off_t)file.size - 2), 0);
    assert_false(arc_frame_read(frames, 1, &frame, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(unlink(file.path), 0);
    assert_false(arc_frame_read(frames, 1, &frame, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    arc_frames_release(cache, frames);
    arc_frame_cache_free(cache);
    buf_free(&frame);
    arena_free(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_real_files), TEST(test_single_bits),
                                       TEST(test_several_at_once), TEST(test_failures)};
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
