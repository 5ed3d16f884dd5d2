// SPDX-License-Identifier: MIT
#include "dicom/part10.h"
#include "dicom/recode.h"
#include "dicom/tags.h"
#include "dicom/uids.h"

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

static bool run(Span in, const char *from, const char *to, size_t piece, Buf *out, Err *err)
{
    DcmRecode *recode = dcm_recode_new(syntax_of(from), syntax_of(to), err);
    if (!recode)
        return false;
    bool ok = true;
    for (size_t at = 0; ok && at < in.n; at += piece)
        ok = dcm_recode_feed(recode, span_sub(in, at, piece), out, err);
    ok = ok && dcm_recode_finish(recode, out, err);
    dcm_recode_free(recode);
    return ok;
}

static void little_to_big(void **state)
{
    Span in = SPAN("\x08\0\0\0UL\4\0\1\0\0\0"
                   "\x08\0\x40\x11SQ\0\0\x13\0\0\0\xFE\xFF\0\xE0\x0B\0\0\0\x08\0\x55\x11UI\3\0"
                   "1.2"
                   "\x28\0\x09\0AT\4\0\x18\0\x63\x10"
                   "\x28\0\x10\0US\2\0\2\1\xE0\x7F\x10\0OW\0\0\4\0\0\0\1\2\3\4");
    Span right = SPAN("\0\x08\x11\x40SQ\0\0\xFF\xFF\xFF\xFF\xFF\xFE\xE0\0\xFF\xFF\xFF\xFF\0\x08\x11\x55UI\0\4"
                      "1.2\0\xFF\xFE\xE0\x0D\0\0\0\0\xFF\xFE\xE0\xDD\0\0\0\0"
                      "\0\x28\0\x09"
                      "AT\0\4\0\x18\x10\x63\0\x28\0\x10US\0\2\1\2\x7F\xE0\0\x10OW\0\0\0\0\0\4\2\1\4\3");
    for (size_t piece = 1; piece < 20; piece++) {
        Buf out;
        Err err = {0};
        buf_init(&out, 0);
        if (!run(in, DCM_UID_ExplicitVRLittleEndian, DCM_UID_ExplicitVRBigEndian, piece, &out, &err))
            fail_msg("%s", err.text);
        assert_int_equal(out.n, right.n);
        assert_memory_equal(out.p, right.p, right.n);
        buf_free(&out);
    }
}

static void refused(void **state)
{
    Err err = {0};
    assert_null(
        dcm_recode_new(syntax_of(DCM_UID_JPEGBaseline8Bit), syntax_of(DCM_UID_ExplicitVRLittleEndian), &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "JPEG Baseline"));
    assert_null(
        dcm_recode_new(syntax_of(DCM_UID_ExplicitVRLittleEndian), syntax_of(DCM_UID_RLELossless), &err));
    assert_null(dcm_recode_new(NULL, syntax_of(DCM_UID_ExplicitVRLittleEndian), &err));
    Buf out;
    buf_init(&out, 0);
    assert_false(run(SPAN("\x28\0\x10\0US\2\0\2"), DCM_UID_ExplicitVRLittleEndian,
                     DCM_UID_ImplicitVRLittleEndian, 3, &out, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    buf_free(&out);
    buf_init(&out, 5);
    assert_false(run(SPAN("\x28\0\x10\0US\2\0\2\0"), DCM_UID_ExplicitVRLittleEndian,
                     DCM_UID_ImplicitVRLittleEndian, 3, &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&out);
}

/* What comes out is taken away: the stream itself holds nothing that grows. */
static void memory_does_not_grow(void **state)
{
    static uint8_t piece[1 << 20];
    DcmRecode *recode = dcm_recode_new(syntax_of(DCM_UID_ImplicitVRLittleEndian),
                                       syntax_of(DCM_UID_ExplicitVRBigEndian), NULL);
    Buf out;
    buf_init(&out, 3u << 20);
    assert_true(dcm_recode_feed(recode, SPAN("\xE0\x7F\x10\0\0\0\0\x10"), &out, NULL));
    for (int i = 0; i < 256; i++) {
        buf_clear(&out);
        assert_true(dcm_recode_feed(recode, span_of(piece, sizeof piece), &out, NULL));
        assert_int_equal(out.n, sizeof piece);
    }
    assert_true(dcm_recode_finish(recode, &out, NULL));
    buf_free(&out);
    dcm_recode_free(recode);
}

static void through_all(const char *name, Span bytes, bool readable)
{
    Arena *arena = arena_new(0);
    DcmFileMeta meta;
    Err err = {0};
    DcmDataset *ds = dcm_file_parse(arena, bytes, NULL, &meta, NULL);
    const DcmTransferSyntax *from = ds ? dcm_transfer_syntax(span_cstr(meta.transfer_syntax)) : NULL;
    for (size_t i = 0; from && from->native && i < sizeof native / sizeof *native; i++) {
        const DcmTransferSyntax *to = syntax_of(native[i]);
        Buf out;
        buf_init(&out, 0);
        if (!run(span_sub(bytes, (size_t)meta.data_offset, bytes.n), meta.transfer_syntax, native[i], 997,
                 &out, &err))
            fail_msg("%s to %s: %s", name, to->keyword, err.text);
        DcmDataset *back = dcm_dataset_parse(arena, buf_span(&out), to, NULL, &err);
        if (!back)
            fail_msg("%s to %s: %s", name, to->keyword, err.text);
        if (!(ds->defects & DCM_DEFECT_ORDER)) /* which of two counts is not the question here */
            same_dataset(name, ds, back, !to->explicit_vr);
        buf_free(&out);
    }
    arena_free(arena);
}

static void real_files(void **state)
{
    assert_true(each_real_file(through_all) > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_to_big),
        cmocka_unit_test(refused),
        cmocka_unit_test(memory_does_not_grow),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
