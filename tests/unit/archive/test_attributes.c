// SPDX-License-Identifier: MIT
#include "archive/attributes.h"
#include "archive/dicom_file.h"
#include "archive/slice.h"
#include "dicom/part10.h"
#include "dicom/value.h"

#include "archive_fixture.h"

static const char *const natives[] = {DCM_UID_ImplicitVRLittleEndian, DCM_UID_ExplicitVRLittleEndian,
                                      DCM_UID_ExplicitVRBigEndian, DCM_UID_DeflatedExplicitVRLittleEndian};

/* One object of each encoding, with 300,000 bytes of pixel data. */
static void store_one(size_t which, Arena *arena, IdxFile *file)
{
    char uid[32];
    Err err = {0};
    Buf bytes;
    buf_init(&bytes, 0);
    Spec spec = SPEC(uid);
    spec.pixels = 300000;
    snprintf(uid, sizeof uid, "1.2.3.4.%zu", which);
    encode(&spec, natives[which], &bytes);
    ArcIncoming incoming = {.transfer_syntax = natives[which]};
    assert_true(ingest_bytes(&incoming, buf_span(&bytes), 1 << 20, NULL, &err));
    assert_true(find_instance(arena, uid, file));
    buf_free(&bytes);
}

static void test_large_values_are_described_not_read(void **state)
{
    for (size_t i = 0; i < 4; i++) {
        Arena *arena = arena_new(0);
        IdxFile file;
        ArcAttributes a;
        Err err = {0};
        store_one(i, arena, &file);
        if (!arc_attributes(archive, arena, &file, 1024, 1024, &a, &err))
            fail_msg("%s", err.text);
        assert_string_equal(dcm_text(arena, a.attributes, DCM_SOPInstanceUID, 0), file.sop_instance);
        assert_string_equal(a.syntax, i < 2 ? natives[i] : DCM_UID_ExplicitVRLittleEndian);
        const DcmElement *pixels = dcm_find(a.attributes, DCM_PixelData);
        assert_true(pixels->skipped);
        assert_int_equal(pixels->length, 300000);

        /* the offset is that of the value in the encoding that was named */
        ArcReader *reader = arc_reader_open(archive, &file, a.syntax, &err);
        assert_non_null(reader);
        Buf all;
        buf_init(&all, 0);
        ssize_t n;
        while ((n = arc_reader_read(reader, buf_reserve(&all, 65536), 65536, &err)) > 0)
            all.n += (size_t)n;
        arc_reader_close(reader);
        DcmDataset *whole =
            dcm_dataset_parse(arena, buf_span(&all), dcm_transfer_syntax(span_cstr(a.syntax)), NULL, &err);
        assert_non_null(whole);
        assert_true(
            span_eq(dcm_find(whole, DCM_PixelData)->value, span_sub(buf_span(&all), pixels->offset, 300000)));
        assert_int_equal(whole->count, a.attributes->count);
        Buf slice;
        buf_init(&slice, 0);
        assert_true(arc_slice_append(archive, &file, a.syntax, pixels->offset, 300000, &slice, &err));
        assert_true(span_eq(buf_span(&slice), dcm_find(whole, DCM_PixelData)->value));
        assert_false(arc_slice_append(archive, &file, a.syntax, pixels->offset, 300002, &slice, &err));
        assert_int_equal(err.code, ERR_IO);
        buf_free(&slice);
        buf_free(&all);
        arena_free(arena);
    }
}

static void test_failures(void **state)
{
    Arena *arena = arena_new(0);
    IdxFile file;
    ArcAttributes a;
    Err err = {0};
    store_one(0, arena, &file);
    file.size += 100;
    assert_false(arc_attributes(archive, arena, &file, 1024, 1024, &a, &err));
    assert_int_equal(err.code, ERR_IO);
    /* a file that has become shorter is no object, also where it would be handed out as it lies */
    assert_null(arc_dicom_file_open(archive, &file, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(arc_slice_open(archive, &file, file.transfer_syntax, 0, 1, &err));
    assert_int_equal(err.code, ERR_IO);
    file.path = at("no such file");
    assert_false(arc_attributes(archive, arena, &file, 1024, 1024, &a, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(arc_dicom_file_open(archive, &file, NULL, &err));
    arena_free(arena);
}

static void read_whole(const IdxFile *file, const char *syntax, Buf *out)
{
    Err err = {0};
    ArcDicomFile *f = arc_dicom_file_open(archive, file, syntax, &err);
    if (!f)
        fail_msg("%s", err.text);
    ssize_t n;
    while ((n = arc_dicom_file_read(f, buf_reserve(out, 1000), 1000, &err)) > 0)
        out->n += (size_t)n;
    assert_int_equal(n, 0);
    arc_dicom_file_close(f);
}

static void test_as_a_file(void **state)
{
    for (size_t i = 0; i < 4; i++) {
        Arena *arena = arena_new(0);
        IdxFile file;
        Buf stored, got;
        Err err = {0};
        DcmFileMeta meta;
        buf_init(&stored, 0);
        buf_init(&got, 0);
        store_one(i, arena, &file);
        assert_true(file_read_all(file.path, 1 << 20, &stored, &err));
        read_whole(&file, NULL, &got);
        assert_true(span_eq(buf_span(&stored), buf_span(&got)));
        for (size_t to = 0; to < 4; to++) {
            buf_clear(&got);
            read_whole(&file, natives[to], &got);
            DcmDataset *ds = dcm_file_parse(arena, buf_span(&got), NULL, &meta, &err);
            assert_non_null(ds);
            assert_string_equal(meta.transfer_syntax, natives[to]);
            assert_string_equal(meta.sop_instance, file.sop_instance);
            assert_int_equal(dcm_find(ds, DCM_PixelData)->length, 300000);
        }
        assert_null(arc_dicom_file_open(archive, &file, DCM_UID_JPEGBaseline8Bit, &err));
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        buf_free(&stored);
        buf_free(&got);
        arena_free(arena);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_large_values_are_described_not_read), TEST(test_failures),
                                       TEST(test_as_a_file)};
    return cmocka_run_group_tests_name("attributes", tests, NULL, NULL);
}
