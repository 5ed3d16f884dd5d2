// SPDX-License-Identifier: MIT
#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "real_files.h"

#define CLASS                                                                                                \
    "\2\0\2\0UI\x1A\0"                                                                                       \
    "1.2.840.10008.5.1.4.1.1.2\0"
#define INSTANCE                                                                                             \
    "\2\0\3\0UI\4\0"                                                                                         \
    "1.2\0"
#define SYNTAX                                                                                               \
    "\2\0\x10\0UI\x12\0"                                                                                     \
    "1.2.840.10008.1.2\0"
#define DATA                                                                                                 \
    "\x08\0\x18\0UI\4\0"                                                                                     \
    "1.2\0"
#define DATA_IMP                                                                                             \
    "\x08\0\x18\0\4\0\0\0"                                                                                   \
    "1.2\0"
#define DATA_BIG                                                                                             \
    "\0\x08\0\x18UI\0\4"                                                                                     \
    "1.2\0"

static char file[4096];

/* A preamble of zeros, "DICM", and what follows. */
static Span with_preamble(Span rest)
{
    memset(file, 0, 128);
    memcpy(file + 128, "DICM", 4);
    memcpy(file + 132, rest.p, rest.n);
    return span_of(file, 132 + rest.n);
}

static void write_then_read(void **state)
{
    Buf out;
    DcmFileMeta meta;
    buf_init(&out, 0);
    assert_true(dcm_file_meta_write(&out, DCM_UID_CTImageStorage, "1.2.3", DCM_UID_JPEGBaseline8Bit,
                                    "MODALITY", NULL));
    size_t n = out.n;
    buf_append(&out, DATA, sizeof DATA - 1);
    assert_true(dcm_file_meta_parse(buf_span(&out), false, &meta, NULL, NULL));
    assert_string_equal(meta.sop_class, DCM_UID_CTImageStorage);
    assert_string_equal(meta.sop_instance, "1.2.3");
    assert_string_equal(meta.transfer_syntax, DCM_UID_JPEGBaseline8Bit);
    assert_string_equal(meta.implementation_class, DCM_IMPLEMENTATION_CLASS_UID);
    assert_string_equal(meta.implementation_version, DCM_IMPLEMENTATION_VERSION_NAME);
    assert_string_equal(meta.source_ae, "MODALITY");
    assert_int_equal(meta.data_offset, n);
    assert_int_equal(meta.defects, 0);
    assert_false(meta.dicomdir);
    /* the group length is that of what follows it */
    assert_int_equal(out.p[140] | out.p[141] << 8, n - 144);
    buf_free(&out);
    buf_init(&out, 100);
    assert_false(dcm_file_meta_write(&out, DCM_UID_CTImageStorage, "1.2.3", "1.2", NULL, NULL));
    buf_free(&out);
}

static void what_is_missing(void **state)
{
    static const struct {
        Span rest;
        bool preamble;
        const char *syntax;
        unsigned defects;
        size_t offset;
    } table[] = {
        {SPAN(CLASS INSTANCE SYNTAX DATA_IMP), true, DCM_UID_ImplicitVRLittleEndian, 0, 204},
        {SPAN(CLASS INSTANCE SYNTAX DATA_IMP), false, DCM_UID_ImplicitVRLittleEndian, DCM_DEFECT_NO_PREAMBLE,
         72},
        {SPAN(CLASS SYNTAX DATA_IMP), true, DCM_UID_ImplicitVRLittleEndian, DCM_DEFECT_PARTIAL_META, 192},
        {SPAN(CLASS INSTANCE DATA_IMP), true, DCM_UID_ImplicitVRLittleEndian, DCM_DEFECT_PARTIAL_META, 178},
        {SPAN(CLASS INSTANCE DATA_BIG), true, DCM_UID_ExplicitVRBigEndian, DCM_DEFECT_PARTIAL_META, 178},
        {SPAN(CLASS INSTANCE DATA), true, DCM_UID_ExplicitVRLittleEndian, DCM_DEFECT_PARTIAL_META, 178},
        {SPAN(DATA), true, DCM_UID_ExplicitVRLittleEndian, DCM_DEFECT_NO_META, 132},
        {SPAN(DATA), false, DCM_UID_ExplicitVRLittleEndian, DCM_DEFECT_NO_PREAMBLE | DCM_DEFECT_NO_META, 0},
        {SPAN(DATA_IMP), false, DCM_UID_ImplicitVRLittleEndian, DCM_DEFECT_NO_PREAMBLE | DCM_DEFECT_NO_META,
         0},
        {SPAN(DATA_BIG), false, DCM_UID_ExplicitVRBigEndian, DCM_DEFECT_NO_PREAMBLE | DCM_DEFECT_NO_META, 0},
        {SPAN("DICM" CLASS INSTANCE SYNTAX DATA_IMP), false, DCM_UID_ImplicitVRLittleEndian,
         DCM_DEFECT_NO_PREAMBLE, 76},
        /* implicit VR in the meta group, and a group length that lies */
        {SPAN("\2\0\x10\0\x12\0\0\0"
              "1.2.840.10008.1.2\0" DATA_IMP),
         true, DCM_UID_ImplicitVRLittleEndian, DCM_DEFECT_PARTIAL_META, 158},
        {SPAN("\2\0\0\0UL\4\0\xFF\xFF\0\0" CLASS INSTANCE SYNTAX DATA_IMP), true,
         DCM_UID_ImplicitVRLittleEndian, 0, 216},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        DcmFileMeta meta;
        Err err = {0};
        Span bytes = table[i].preamble ? with_preamble(table[i].rest) : table[i].rest;
        if (!dcm_file_meta_parse(bytes, false, &meta, NULL, &err))
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(meta.transfer_syntax, table[i].syntax);
        assert_int_equal(meta.defects, table[i].defects);
        assert_int_equal(meta.data_offset, table[i].offset);
        Arena *arena = arena_new(0);
        DcmDataset *ds = dcm_file_parse(arena, bytes, NULL, NULL, &err);
        assert_non_null(ds);
        assert_string_equal(dcm_text(arena, ds, DCM_SOPInstanceUID, 0), "1.2");
        assert_int_equal(ds->defects, table[i].defects);
        arena_free(arena);
    }
}

static void no_dicom(void **state)
{
    static const Span table[] = {
        SPAN(""),
        SPAN("x"),
        SPAN("<html><head><title>An HTML page is no image</title></head></html>"),
        SPAN("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n"),
        SPAN("\x89PNG\r\n\x1A\n\0\0\0\rIHDR"),
        SPAN("\xFF\xD8\xFF\xE0\0\x10JFIF"),
        SPAN("\x08\0\5\0\xFF\xFF\xFF\x7F"),
        SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        DcmFileMeta meta;
        Err err = {0};
        if (dcm_file_meta_parse(table[i], false, &meta, NULL, &err))
            fail_msg("row %zu", i);
        assert_int_equal(err.code, ERR_FORMAT);
    }
    Err err = {0};
    DcmFileMeta meta;
    assert_false(dcm_file_meta_parse(with_preamble(SPAN("\2\0\2\0UI\x1A\0"
                                                        "1.2")),
                                     false, &meta, NULL, &err));
    assert_false(dcm_file_meta_parse(with_preamble(SPAN("\2\0\1\0OB\0\0\xFF\xFF\xFF\x7Fx")), false, &meta,
                                     NULL, &err));
    assert_false(dcm_file_meta_parse(with_preamble(SPAN("")), false, &meta, NULL, &err));
}

/* Of every prefix: either more is needed, or the answer is that of the whole. */
static void prefixes(void **state)
{
    Span bytes = with_preamble(SPAN(CLASS INSTANCE SYNTAX DATA_IMP));
    for (size_t n = 0; n <= bytes.n; n++) {
        DcmFileMeta meta;
        bool more = false;
        bool ok = dcm_file_meta_parse(span_sub(bytes, 0, n), true, &meta, &more, NULL);
        assert_int_equal(ok, n >= 204 + 8);
        assert_int_equal(more, !ok);
        if (ok)
            assert_int_equal(meta.data_offset, 204);
    }
}

/* "DICM" at byte 128 of a value, in a file without preamble. */
static void dicm_by_chance(void **state)
{
    char bytes[200];
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, "\x08\0\x70\0LO\xC0\0", 8);
    memcpy(bytes + 128, "DICM", 4);
    DcmFileMeta meta;
    assert_true(dcm_file_meta_parse(span_of(bytes, sizeof bytes), false, &meta, NULL, NULL));
    assert_int_equal(meta.data_offset, 0);
}

static int dicomdirs;

static void read_meta(const char *name, Span bytes, bool readable)
{
    DcmFileMeta meta, again;
    Err err = {0};
    bool ok = dcm_file_meta_parse(bytes, false, &meta, NULL, &err);
    if (readable && !ok)
        fail_msg("%s: %s", name, err.text);
    if (!ok)
        return;
    dicomdirs += meta.dicomdir;
    bool more;
    if (bytes.n > 65536 && (!dcm_file_meta_parse(span_sub(bytes, 0, 65536), true, &again, &more, &err) ||
                            memcmp(&meta, &again, sizeof meta)))
        fail_msg("%s: its prefix says something else", name);
}

static void real_files(void **state)
{
    assert_true(each_real_file(read_meta) > 300);
    assert_true(dicomdirs > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read), cmocka_unit_test(what_is_missing), cmocka_unit_test(no_dicom),
        cmocka_unit_test(prefixes),        cmocka_unit_test(dicm_by_chance),  cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
