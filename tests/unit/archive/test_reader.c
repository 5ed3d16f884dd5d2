// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"
#include "dicom/part10.h"
#include "dicom/value.h"

#include "archive_fixture.h"

static const char *const natives[] = {DCM_UID_ImplicitVRLittleEndian, DCM_UID_ExplicitVRLittleEndian,
                                      DCM_UID_ExplicitVRBigEndian, DCM_UID_DeflatedExplicitVRLittleEndian};

static bool read_through(ArcReader *reader, size_t piece, Buf *out, Err *err)
{
    ssize_t n = 0;
    do {
        uint8_t *room = buf_reserve(out, piece);
        n = arc_reader_read(reader, room, piece, err);
        if (n > 0)
            out->n += (size_t)n;
    } while (n > 0);
    arc_reader_close(reader);
    return n == 0;
}

/* The object as `syntax` (NULL = as stored), appended to `out`. */
static void read_as(const IdxFile *file, const char *syntax, size_t piece, Buf *out)
{
    Err err = {0};
    ArcReader *reader = arc_reader_open(archive, file, syntax, &err);
    if (!reader || !read_through(reader, piece, out, &err))
        fail_msg("%s", err.text);
}

/* Between the uncompressed four, every pair: what dcm_write makes of the same attributes is the right answer. */
static void test_uncompressed(void **state)
{
    Arena *arena = arena_new(0);
    Buf bytes, wanted, got;
    buf_init(&bytes, 0);
    buf_init(&wanted, 0);
    buf_init(&got, 0);
    for (size_t from = 0; from < 4; from++) {
        char uid[32];
        Err err = {0};
        IdxFile file;
        Spec spec = SPEC(uid);
        spec.pixels = 300000;
        spec.number = 3;
        snprintf(uid, sizeof uid, "1.2.3.4.%zu", from);
        buf_clear(&bytes);
        encode(&spec, natives[from], &bytes);
        ArcIncoming incoming = {.transfer_syntax = natives[from]};
        assert_true(ingest_bytes(&incoming, buf_span(&bytes), 1 << 20, NULL, &err));
        assert_true(find_instance(arena, uid, &file));
        for (size_t to = 0; to < 4; to++) {
            buf_clear(&wanted);
            buf_clear(&got);
            encode(&spec, natives[to], &wanted);
            read_as(&file, natives[to], to % 2 ? 1000 : 1 << 17, &got);
            if (to == 3 && from != 3) { /* deflated streams may differ: compare what is in them */
                assert_true(file_replace(at("deflated"), buf_span(&got), 0640, &err));
                ArcReader *again = arc_reader_open_path(at("deflated"), 0, natives[3], natives[1], &err);
                assert_non_null(again);
                buf_clear(&got);
                buf_clear(&wanted);
                encode(&spec, natives[1], &wanted);
                assert_true(read_through(again, 4096, &got, &err));
            }
            assert_int_equal(got.n, wanted.n);
            assert_memory_equal(got.p, wanted.p, wanted.n);
        }
    }
    buf_free(&bytes);
    buf_free(&wanted);
    buf_free(&got);
    arena_free(arena);
}

static void test_can_convert(void **state)
{
    static const struct {
        const char *from, *to;
        bool can;
    } cases[] = {
        {DCM_UID_ImplicitVRLittleEndian, DCM_UID_ExplicitVRBigEndian, true},
        {DCM_UID_DeflatedExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian, true},
        {DCM_UID_RLELossless, DCM_UID_ExplicitVRLittleEndian, true},
        {DCM_UID_JPEG2000, DCM_UID_ImplicitVRLittleEndian, true},
        {DCM_UID_JPEG2000, DCM_UID_JPEG2000, true},
        {DCM_UID_JPEG2000, NULL, true},
        {DCM_UID_JPEG2000, DCM_UID_RLELossless, false},
        {DCM_UID_ExplicitVRLittleEndian, DCM_UID_RLELossless, false},
        {DCM_UID_MPEG2MPML, DCM_UID_ExplicitVRLittleEndian, false},
        {"1.2.3", DCM_UID_ExplicitVRLittleEndian, false},
        {"1.2.3", "1.2.3", true},
        {DCM_UID_ExplicitVRLittleEndian, "1.2.3", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (arc_can_convert(cases[i].from, cases[i].to) != cases[i].can)
            fail_msg("%s to %s", cases[i].from, cases[i].to);
}

/* An object that cannot be had is an error of its own, with its name. */
static void test_failures(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    IdxFile file;
    Spec spec = SPEC("1.2.3.4.5"), other = SPEC("1.2.3.4.6");
    Buf got;
    buf_init(&got, 0);
    store_spec(&spec);
    store_spec(&other);
    assert_true(find_instance(arena, "1.2.3.4.5", &file));
    assert_null(arc_reader_open(archive, &file, DCM_UID_RLELossless, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_int_equal(truncate(file.path, (off_t)file.size - 2), 0);
    assert_null(arc_reader_open(archive, &file, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(unlink(file.path), 0);
    assert_null(arc_reader_open(archive, &file, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "1.2.3.4.5"));
    assert_null(arc_reader_open_path(at("data"), 0, natives[0], NULL, &err));
    arc_reader_close(NULL);
    assert_true(find_instance(arena, "1.2.3.4.6", &file));
    read_as(&file, NULL, 100, &got);
    assert_true(got.n > 0);
    buf_free(&got);
    arena_free(arena);
}

/* -- real files -- */

typedef struct Tour {
    size_t files, stored, converted;
} Tour;

/* PatientID and pixel data length of an encoded data set, or what is wrong with it. */
static void describe(Span bytes, const char *syntax, char *out, size_t size)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    const DcmDataset *ds =
        dcm_dataset_parse(arena, bytes, dcm_transfer_syntax(span_cstr(syntax)), NULL, &err);
    const DcmElement *pixels = ds ? dcm_find(ds, DCM_PixelData) : NULL;
    if (ds) /* an odd length is made even when the encoding is changed */
        snprintf(out, size, "'%s' %u", dcm_text(arena, ds, DCM_PatientID, 0),
                 pixels ? pixels->length + (pixels->length & 1) : 0);
    else
        snprintf(out, size, "%s", err.text);
    arena_free(arena);
}

/* What can be read in explicit little endian reads the same through the other three. */
static void check_conversions(Tour *tour, const char *path, const IdxFile *file)
{
    Buf first, other;
    Err err = {0};
    char expected[600], got[600];
    buf_init(&first, 0);
    buf_init(&other, 0);
    ArcReader *reader = arc_can_convert(file->transfer_syntax, natives[1])
                            ? arc_reader_open(archive, file, natives[1], &err)
                            : NULL;
    if (reader && read_through(reader, 65536, &first, &err)) {
        tour->converted++;
        describe(buf_span(&first), natives[1], expected, sizeof expected);
        if (expected[0] != '\'')
            fail_msg("%s in explicit little endian: %s", path, expected);
        for (size_t i = 0; i < 4; i++) {
            buf_clear(&other);
            read_as(file, natives[i], 70001, &other);
            describe(buf_span(&other), natives[i], got, sizeof got);
            if (strcmp(got, expected) != 0)
                fail_msg("%s in %s: %s instead of %s", path, natives[i], got, expected);
        }
    }
    buf_free(&first);
    buf_free(&other);
}

/* In and out again: the data set is the same, byte for byte. */
static bool tour_file(void *ctx, const char *path, Err *err)
{
    Tour *tour = ctx;
    Arena *arena = arena_new(0);
    Buf original, got;
    DcmFileMeta meta;
    ArcStored stored;
    IdxFile file;
    Err why = {0};
    bool more;
    buf_init(&original, 0);
    buf_init(&got, 0);
    assert_true(file_read_all(path, 1 << 28, &original, &why));
    if (dcm_file_meta_parse(buf_span(&original), false, &meta, &more, &why)) {
        tour->files++;
        if (arc_ingest_file(archive, path, "TOUR", &stored, &why)) {
            tour->stored++;
            assert_true(find_instance(arena, stored.sop_instance, &file));
            Span data = span_sub(buf_span(&original), (size_t)meta.data_offset, SIZE_MAX);
            assert_stored_bytes(&file, data);
            read_as(&file, NULL, 65536, &got);
            assert_int_equal(got.n, data.n);
            assert_memory_equal(got.p, data.p, data.n);
            check_conversions(tour, path, &file);
        } else if (getenv("TOUR_VERBOSE")) {
            print_message("%s\n", why.text);
        }
    }
    buf_free(&original);
    buf_free(&got);
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
    print_message("%zu files, %zu stored, %zu converted\n", tour.files, tour.stored, tour.converted);
    assert_true(tour.files > 200);
    assert_true(tour.stored * 10 > tour.files * 9);
    assert_true(tour.converted * 10 > tour.stored * 7);
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(count_files("temp"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_uncompressed), TEST(test_can_convert), TEST(test_failures),
                                       TEST(test_real_files)};
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
