// SPDX-License-Identifier: MIT
#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "real_files.h"
#include "same_dataset.h"

static const char *const native[] = {DCM_UID_ImplicitVRLittleEndian, DCM_UID_ExplicitVRLittleEndian,
                                     DCM_UID_ExplicitVRBigEndian, DCM_UID_DeflatedExplicitVRLittleEndian};

static const DcmTransferSyntax *syntax_of(const char *uid)
{
    return dcm_transfer_syntax(span_cstr(uid));
}

static DcmDataset *example(Arena *arena)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_u32(ds, DCM_TAG(0x0008, 0x0000), 99); /* group lengths are left out */
    dcm_put_utf8(dcm_add_item(ds, DCM_ReferencedImageSequence), DCM_ReferencedSOPInstanceUID, "1.2");
    dcm_put_utf8(ds, DCM_PatientID, "ABC");
    dcm_put_u16(ds, DCM_Rows, 258);
    dcm_put(ds, DCM_PixelData, DCM_VR_OW, SPAN("\1\2\3\4"));
    return ds;
}

static void expect(const char *uid, Span bytes)
{
    Arena *arena = arena_new(0);
    Buf out;
    buf_init(&out, 0);
    assert_true(dcm_write(&out, example(arena), syntax_of(uid), NULL));
    assert_int_equal(out.n, bytes.n);
    assert_memory_equal(out.p, bytes.p, bytes.n);
    buf_free(&out);
    arena_free(arena);
}

static void three_encodings(void **state)
{
    expect(DCM_UID_ExplicitVRLittleEndian,
           SPAN("\x08\0\x40\x11SQ\0\0\x14\0\0\0\xFE\xFF\0\xE0\x0C\0\0\0\x08\0\x55\x11UI\4\0"
                "1.2\0\x10\0\x20\0LO\4\0"
                "ABC \x28\0\x10\0US\2\0\2\1\xE0\x7F\x10\0OW\0\0\4\0\0\0\1\2\3\4"));
    expect(DCM_UID_ImplicitVRLittleEndian,
           SPAN("\x08\0\x40\x11\x14\0\0\0\xFE\xFF\0\xE0\x0C\0\0\0\x08\0\x55\x11\4\0\0\0"
                "1.2\0\x10\0\x20\0\4\0\0\0"
                "ABC \x28\0\x10\0\2\0\0\0\2\1\xE0\x7F\x10\0\4\0\0\0\1\2\3\4"));
    expect(DCM_UID_ExplicitVRBigEndian,
           SPAN("\0\x08\x11\x40SQ\0\0\0\0\0\x14\xFF\xFE\xE0\0\0\0\0\x0C\0\x08\x11\x55UI\0\4"
                "1.2\0\0\x10\0\x20LO\0\4"
                "ABC \0\x28\0\x10US\0\2\1\2\x7F\xE0\0\x10OW\0\0\0\0\0\4\2\1\4\3"));
}

static void deflated_is_even_and_reads_back(void **state)
{
    Arena *arena = arena_new(0);
    Buf out;
    for (size_t n = 0; n < 20; n++) {
        buf_init(&out, 0);
        DcmDataset *ds = example(arena);
        dcm_put_printf(ds, DCM_PatientComments, "%.*s", (int)n, "a quick brown fox jumps");
        assert_true(dcm_write(&out, ds, syntax_of(DCM_UID_DeflatedExplicitVRLittleEndian), NULL));
        assert_int_equal(out.n % 2, 0);
        DcmDataset *back = dcm_dataset_parse(arena, buf_span(&out),
                                             syntax_of(DCM_UID_DeflatedExplicitVRLittleEndian), NULL, NULL);
        assert_non_null(back);
        same_dataset("example", ds, back, false);
        buf_free(&out);
    }
    arena_free(arena);
}

static void encapsulated(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    dcm_add_fragment(ds, DCM_PixelData, DCM_VR_OB, (Span){NULL, 0});
    dcm_add_fragment(ds, DCM_PixelData, DCM_VR_OB, SPAN("odd"));
    assert_false(dcm_write(&out, ds, syntax_of(DCM_UID_ExplicitVRLittleEndian), &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    buf_clear(&out);
    assert_true(dcm_write(&out, ds, syntax_of(DCM_UID_JPEGBaseline8Bit), &err));
    Span right = SPAN("\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\0\xE0\4\0\0\0odd\0"
                      "\xFE\xFF\xDD\xE0\0\0\0\0");
    assert_true(span_eq(buf_span(&out), right));
    buf_free(&out);
    arena_free(arena);
}

static void what_a_short_length_cannot_hold(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    Buf out;
    buf_init(&out, 0);
    dcm_put(ds, DCM_LUTData, DCM_VR_US, span_of(arena_alloc(arena, 70000), 70000));
    assert_true(dcm_write(&out, ds, NULL, NULL));
    assert_true(span_starts(buf_span(&out), SPAN("\x28\0\6\x30UN\0\0\x70\x11\1\0")));
    buf_free(&out);
    arena_free(arena);
}

static void headers(void **state)
{
    Buf out;
    buf_init(&out, 0);
    assert_true(dcm_write_header(&out, DCM_PixelData, DCM_VR_OB, 0x01020304, NULL));
    assert_true(dcm_write_header(&out, DCM_Rows, DCM_VR_US, 2, NULL));
    assert_true(dcm_write_header(&out, DCM_Item, DCM_VR_NONE, 5, NULL));
    assert_true(span_eq(buf_span(&out),
                        SPAN("\xE0\x7F\x10\0OB\0\0\4\3\2\1\x28\0\x10\0US\2\0\xFE\xFF\0\xE0\5\0\0\0")));
    buf_free(&out);
    buf_init(&out, 5);
    assert_false(dcm_write_header(&out, DCM_Rows, DCM_VR_US, 2, NULL));
    buf_free(&out);
}

static void failures(void **state)
{
    Arena *arena = arena_new(0);
    Buf out;
    Err err = {0};
    buf_init(&out, 40);
    assert_false(dcm_write(&out, example(arena), NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&out);
    DcmDataset *ds = example(arena);
    ((DcmElement *)dcm_find(ds, DCM_PatientID))->skipped = true;
    buf_init(&out, 0);
    assert_false(dcm_write(&out, ds, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "(0010,0020)"));
    DcmDataset *deep = ds = dcm_dataset_new(arena);
    for (int i = 0; i < 300; i++)
        ds = dcm_add_item(ds, DCM_ReferencedImageSequence);
    assert_false(dcm_write(&out, deep, NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&out);
    arena_free(arena);
}

static void round_trip(Arena *arena, const char *name, const DcmDataset *ds, const DcmTransferSyntax *syntax)
{
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    if (!dcm_write(&out, ds, syntax, &err))
        fail_msg("%s: %s: %s", name, syntax->keyword, err.text);
    DcmDataset *back = dcm_dataset_parse(arena, buf_span(&out), syntax, NULL, &err);
    if (!back)
        fail_msg("%s: %s: %s", name, syntax->keyword, err.text);
    same_dataset(name, ds, back, !syntax->explicit_vr);
    buf_free(&out);
}

static void each_way(const char *name, Span bytes, bool readable)
{
    Arena *arena = arena_new(0);
    DcmFileMeta meta;
    DcmDataset *ds = dcm_file_parse(arena, bytes, NULL, &meta, NULL);
    const DcmTransferSyntax *syntax = ds ? dcm_transfer_syntax(span_cstr(meta.transfer_syntax)) : NULL;
    for (size_t i = 0; syntax && i < sizeof native / sizeof *native; i++) {
        const DcmElement *pixels = dcm_find(ds, DCM_PixelData);
        if (!pixels || pixels->length != DCM_UNDEFINED_LENGTH)
            round_trip(arena, name, ds, syntax_of(native[i]));
    }
    if (syntax && !syntax->native)
        round_trip(arena, name, ds, syntax);
    arena_free(arena);
}

static void real_files(void **state)
{
    assert_true(each_real_file(each_way) > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_encodings), cmocka_unit_test(deflated_is_even_and_reads_back),
        cmocka_unit_test(encapsulated),    cmocka_unit_test(what_a_short_length_cannot_hold),
        cmocka_unit_test(headers),         cmocka_unit_test(failures),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
