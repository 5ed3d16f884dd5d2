// SPDX-License-Identifier: MIT
#include "dicom/part10.h"
#include "dicom/scan.h"
#include "dicom/tags.h"
#include "dicom/uids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "real_files.h"
#include "scan_trace.h"

#define IMPLICIT DCM_UID_ImplicitVRLittleEndian
#define EXPLICIT DCM_UID_ExplicitVRLittleEndian
#define BIG      DCM_UID_ExplicitVRBigEndian
#define DEFLATED DCM_UID_DeflatedExplicitVRLittleEndian
#define JPEG     DCM_UID_JPEGBaseline8Bit

/* Bytes of an encoded header in little endian. */
#define PATIENT_ID   "\x10\x00\x20\x00"
#define ROWS         "\x28\x00\x10\x00"
#define PIXELS       "\xE0\x7F\x10\x00"
#define SEQUENCE     "\x08\x00\x40\x11" /* Referenced Image Sequence */
#define INSTANCE     "\x08\x00\x55\x11" /* Referenced SOP Instance UID */
#define ITEM         "\xFE\xFF\x00\xE0"
#define ITEM_END     "\xFE\xFF\x0D\xE0\0\0\0\0"
#define SEQUENCE_END "\xFE\xFF\xDD\xE0\0\0\0\0"
#define UNDEFINED    "\xFF\xFF\xFF\xFF"

static size_t one(void *ctx)
{
    return 1;
}

static size_t few(void *ctx)
{
    uint32_t *seed = ctx;
    *seed = *seed * 1664525u + 1013904223u;
    return 1 + (*seed >> 16) % ((*seed >> 8) % 3 ? 20 : 3000);
}

static const char *trace(ScanTrace *t, Span bytes, const char *syntax, const DcmScanLimits *limits,
                         size_t (*cut)(void *), void *ctx)
{
    buf_clear(&t->text);
    trace_scan(t, bytes, dcm_transfer_syntax(span_cstr(syntax)), limits, cut, ctx);
    return buf_cstr(&t->text);
}

/* Whole and byte by byte, the events are the expected ones. */
static void expect(const char *syntax, Span bytes, const char *events)
{
    ScanTrace t = trace_new(TRACE_TAKE);
    assert_string_equal(trace(&t, bytes, syntax, NULL, NULL, NULL), events);
    assert_string_equal(trace(&t, bytes, syntax, NULL, one, NULL), events);
    buf_free(&t.text);
}

/* As expect, but only how it ends counts. */
static void expect_end(const char *syntax, Span bytes, const char *end)
{
    ScanTrace t = trace_new(TRACE_TAKE);
    for (int pass = 0; pass < 2; pass++) {
        const char *text = trace(&t, bytes, syntax, NULL, pass ? one : NULL, NULL);
        if (!strstr(text, end))
            fail_msg("expected \"%s\" in:\n%s", end, text);
    }
    buf_free(&t.text);
}

static void explicit_little(void **state)
{
    expect(EXPLICIT,
           SPAN(PATIENT_ID "LO\x04\0"
                           "ABC " ROWS "US\x02\0\x02\x01" PIXELS "OB\0\0\x04\0\0\0wxyz"),
           "0 00100020 LO 4 @8\nvalue [ABC<20>]\n0 00280010 US 2 @20\nvalue [<02><01>]\n"
           "0 7FE00010 OB 4 @34\nvalue [wxyz]\nread at 38, defects 0\n");
}

static void implicit_little(void **state)
{
    expect(IMPLICIT,
           SPAN(PATIENT_ID "\x04\0\0\0"
                           "ABC " ROWS "\x02\0\0\0\x02\x01"
                           "\x10\0\x0F\x0F\0\0\0\0"),
           "0 00100020 LO 4 @8\nvalue [ABC<20>]\n0 00280010 US 2 @20\nvalue [<02><01>]\n"
           "0 00100F0F UN 0 @30\nvalue []\nread at 30, defects 4\n");
}

static void explicit_big(void **state)
{
    expect(BIG,
           SPAN("\0\x10\0\x20LO\0\x04"
                "ABC "
                "\0\x28\0\x10US\0\x02\x01\x02"
                "\x7F\xE0\0\x10OW\0\0\0\0\0\x02\1\2"),
           "0 00100020 LO 4 @8 big\nvalue [ABC<20>]\n0 00280010 US 2 @20 big\nvalue [<01><02>]\n"
           "0 7FE00010 OW 2 @34 big\nvalue [<01><02>]\nread at 36, defects 0\n");
}

static void expect_two_items(Span bytes, unsigned length, size_t end)
{
    char events[512];
    snprintf(events, sizeof events,
             "0 00081140 SQ %u @12\nsequence 00081140\nitem\n1 00081155 UI 4 @28\nvalue [1.23]\n"
             "end of item\nitem\nend of item\nend of sequence 00081140\n"
             "0 00100020 LO 0 @%zu\nvalue []\nread at %zu, defects 0\n",
             length, end, end);
    expect(EXPLICIT, bytes, events);
}

static void sequences(void **state)
{
    expect_two_items(SPAN(SEQUENCE "SQ\0\0\x1C\0\0\0" ITEM "\x0C\0\0\0" INSTANCE "UI\x04\0"
                                   "1.23" ITEM "\0\0\0\0" PATIENT_ID "LO\0\0"),
                     28, 48);
    expect_two_items(SPAN(SEQUENCE "SQ\0\0" UNDEFINED ITEM UNDEFINED INSTANCE "UI\x04\0"
                                   "1.23" ITEM_END ITEM UNDEFINED ITEM_END SEQUENCE_END PATIENT_ID "LO\0\0"),
                     DCM_UNDEFINED_LENGTH, 72);
}

static void sequence_of_unknown_vr_is_implicit_inside(void **state)
{
    expect(BIG,
           SPAN("\0\x09\0\x10LO\0\2ME"
                "\0\x09\x10\1UN\0\0" UNDEFINED ITEM UNDEFINED PATIENT_ID "\2\0\0\0"
                "AB" ITEM_END SEQUENCE_END "\0\x10\0\x20LO\0\2CD"),
           "0 00090010 LO 2 @8 big\nvalue [ME]\n0 00091001 SQ 4294967295 @22 ME\nsequence 00091001\nitem\n"
           "1 00100020 LO 2 @38\nvalue [AB]\nend of item\nend of sequence 00091001\n"
           "0 00100020 LO 2 @64 big\nvalue [CD]\nread at 66, defects 0\n");
}

static void encapsulated_pixel_data(void **state)
{
    expect(JPEG, SPAN(PIXELS "OB\0\0" UNDEFINED ITEM "\0\0\0\0" ITEM "\4\0\0\0wxyz" SEQUENCE_END),
           "0 7FE00010 OB 4294967295 @12\nsequence 7FE00010\n1 7FE00010 OB 0 @20 fragment\nvalue []\n"
           "1 7FE00010 OB 4 @28 fragment\nvalue [wxyz]\nend of sequence 7FE00010\nread at 40, defects 0\n");
}

static void private_creators_name_the_vr(void **state)
{
    expect(IMPLICIT,
           SPAN("\x29\0\x10\0\x12\0\0\0SIEMENS CSA HEADER"
                "\x29\0\x08\x10\2\0\0\0"
                "A "
                "\x29\0\x08\x11\0\0\0\0"),
           "0 00290010 LO 18 @8\nvalue [SIEMENS<20>CSA<20>HEADER]\n0 00291008 CS 2 @34 SIEMENS CSA HEADER\n"
           "value [A<20>]\n0 00291108 UN 0 @44\nvalue []\nread at 44, defects 0\n");
}

static void pixel_representation_decides_signedness(void **state)
{
    expect(IMPLICIT,
           SPAN("\x28\0\x03\1\2\0\0\0\1\0"
                "\x28\0\x06\1\2\0\0\0\xFF\xFF"),
           "0 00280103 US 2 @8\nvalue [<01><00>]\n0 00280106 SS 2 @18\nvalue [<ff><ff>]\nread at 20, defects "
           "0\n");
}

/* What was announced is not what came: read as it is, with the defect noted (0x10). */
static void the_syntax_lies(void **state)
{
    static const char events[] = "0 00100020 LO 2 @8\nvalue [AB]\nread at 10, defects 10\n";
    expect(IMPLICIT, SPAN(PATIENT_ID "LO\2\0AB"), events);
    expect(EXPLICIT, SPAN(PATIENT_ID "\2\0\0\0AB"), events);
    expect(BIG, SPAN(PATIENT_ID "LO\2\0AB"), events);
    expect(DEFLATED, SPAN(PATIENT_ID "LO\2\0AB"), events);
    expect(EXPLICIT, SPAN("\0\x10\0\x20LO\0\2AB"),
           "0 00100020 LO 2 @8 big\nvalue [AB]\nread at 10, defects 10\n");
    /* Inside one item only. */
    expect(EXPLICIT,
           SPAN(SEQUENCE "SQ\0\0" UNDEFINED ITEM "\x0A\0\0\0" INSTANCE "\2\0\0\0"
                         "1\0" SEQUENCE_END PATIENT_ID "LO\0\0"),
           "0 00081140 SQ 4294967295 @12\nsequence 00081140\nitem\n1 00081155 UI 2 @28\nvalue [1<00>]\nend "
           "of item\n"
           "end of sequence 00081140\n0 00100020 LO 0 @46\nvalue []\nread at 46, defects 10\n");
}

static void deflated(void **state)
{
    /* PATIENT_ID LO "AB" by zlib: raw, padded, and with a zlib header. */
    static const char events[] = "0 00100020 LO 2 @8\nvalue [AB]\nread at 10, defects 0\n";
    expect(DEFLATED, SPAN("\x13\x60\x50\x60\xF0\xF1\x67\x62\x70\x74\x02\x00"), events);
    expect(DEFLATED, SPAN("\x13\x60\x50\x60\xF0\xF1\x67\x62\x70\x74\x02\x00\x00"), events);
    expect(DEFLATED, SPAN("\x78\x9C\x13\x60\x50\x60\xF0\xF1\x67\x62\x70\x74\x02\x00\x05\xC9\x01\x51"),
           events);
    expect_end(DEFLATED, SPAN("\x13\x60\x50\x60\xF0\xF1\x67\x62\x70"), "ends early");
    expect_end(DEFLATED, SPAN("\x17\xFF\xFF\xFF\xFF\xF1\x67\xFF\xFF\xFF"), "damaged");
}

static void unknown_vrs(void **state)
{
    /* Two capitals and a zero reserved field: 32-bit length. Anything else: 16-bit. */
    expect(EXPLICIT,
           SPAN(PATIENT_ID "LO\0\0" ROWS "ZZ\0\0\2\0\0\0AB"
                           "\x28\0\x11\0??\2\0CD"),
           "0 00100020 LO 0 @8\nvalue []\n0 00280010 UN 2 @20\nvalue [AB]\n0 00280011 UN 2 @30\nvalue [CD]\n"
           "read at 32, defects 2\n");
}

static void tolerated(void **state)
{
    static const struct {
        Span bytes;
        const char *end;
    } table[] = {
        {SPAN(PATIENT_ID "LO\3\0ABC"), "read at 11, defects 1\n"},
        {SPAN(ROWS "US\2\0\1\0" PATIENT_ID "LO\0\0"), "read at 18, defects 4\n"},
        {SPAN(PATIENT_ID "LO\0\0" PATIENT_ID "LO\0\0"), "read at 16, defects 4\n"},
        {SPAN(PATIENT_ID "LO\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "read at 21, defects 8\n"},
        {SPAN(PATIENT_ID "LO\0\0\0\0\0"), "read at 11, defects 8\n"},
        {SPAN(PATIENT_ID "LO\0\0\xFC\xFF\xFC\xFFOB\0\0\4\0\0\0\0\0\0\0"), "read at 24, defects 0\n"},
        /* a delimiter too many: of the item, of the sequence, at top level */
        {SPAN(SEQUENCE "SQ\0\0\x10\0\0\0" ITEM "\0\0\0\0" ITEM_END), "read at 28, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0\x08\0\0\0" ITEM "\0\0\0\0" SEQUENCE_END), "read at 28, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0\x10\0\0\0" ITEM "\x08\0\0\0" ITEM_END), "read at 28, defects 20\n"},
        /* one too few: of the item before the next, before the end, of the sequence */
        {SPAN(SEQUENCE "SQ\0\0" UNDEFINED ITEM UNDEFINED ITEM UNDEFINED ITEM_END SEQUENCE_END),
         "read at 44, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0" UNDEFINED ITEM UNDEFINED SEQUENCE_END), "read at 28, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0" UNDEFINED ITEM "\0\0\0\0" PATIENT_ID "LO\0\0"), "read at 28, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0\x08\0\0\0" ITEM UNDEFINED PATIENT_ID "LO\0\0"), "read at 28, defects 20\n"},
        /* an item that says it is longer than its sequence; bytes left over in one */
        {SPAN(SEQUENCE "SQ\0\0\x08\0\0\0" ITEM "\4\0\0\0" PATIENT_ID "LO\0\0"), "read at 28, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0\x0B\0\0\0" ITEM "\3\0\0\0\0\0\0" PATIENT_ID "LO\0\0"),
         "read at 31, defects 20\n"},
        /* something that is no item fills a sequence; the element behind it is read */
        {SPAN(SEQUENCE "SQ\0\0\x0A\0\0\0NAMEPHOTOS" PATIENT_ID "LO\0\0"),
         "0 00100020 LO 0 @30\nvalue []\nread at 30, defects 20\n"},
        {SPAN(SEQUENCE "SQ\0\0\x12\0\0\0" ITEM "\x0A\0\0\0\0\0\0\0\0\0\0\0\0\0" PATIENT_ID "LO\0\0"),
         "read at 38, defects 8\n"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect_end(EXPLICIT, table[i].bytes, table[i].end);
}

static void refused(void **state)
{
    static const struct {
        Span bytes;
        const char *end;
    } table[] = {
        {SPAN(PATIENT_ID "LO\4\0AB"), "data set, (0010,0020) at byte 10: the data ends here, 2 bytes before"},
        {SPAN(PATIENT_ID "LO"), "ends inside the header"},
        {SPAN(SEQUENCE "SQ\0\0" UNDEFINED ITEM "\0\0\0\0"),
         "data set, (0008,1140) at byte 20: the data ends here, inside a sequence"},
        {SPAN(SEQUENCE "SQ\0\0\x20\0\0\0" ITEM "\0\0\0\0"), "inside a sequence"},
        {SPAN(SEQUENCE "SQ\0\0\x14\0\0\0" ITEM "\x0C\0\0\0" INSTANCE "UI\xF0\0"
                       "1.23"),
         "longer than what is left of the item"},
        {SPAN(SEQUENCE "SQ\0\0\x10\0\0\0" ITEM "\x08\0\0\0" ITEM "\0\0\0\0"), "an item inside an item"},
        {SPAN(ITEM "\0\0\0\0"), "an item outside a sequence"},
        {SPAN(PIXELS "OB\0\0" UNDEFINED ITEM UNDEFINED), "has no length"},
        {SPAN(PIXELS "OB\0\0" UNDEFINED PATIENT_ID "LO\0\0"), "found among the fragments"},
        {SPAN(PIXELS "OB\0\0" UNDEFINED ITEM "\0\0\0\0"), "inside a sequence"},
        {SPAN(PATIENT_ID "LO\0\0\0\0\0\0\0\0\0\0x"), "something follows the zeros"},
        {SPAN("\0\0\0\0\0\0\0"), "ends inside the header"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect_end(EXPLICIT, table[i].bytes, table[i].end);
}

static void limits(void **state)
{
    ScanTrace t = trace_new(TRACE_TAKE);
    Buf deep;
    buf_init(&deep, 0);
    for (int i = 0; i < 70; i++)
        buf_append(&deep, SEQUENCE "SQ\0\0" UNDEFINED ITEM UNDEFINED, 20);
    assert_non_null(
        strstr(trace(&t, buf_span(&deep), EXPLICIT, NULL, NULL, NULL), "nested more than 64 deep"));
    t.mode = TRACE_SKIP;
    assert_non_null(
        strstr(trace(&t, buf_span(&deep), EXPLICIT, NULL, NULL, NULL), "nested more than 64 deep"));
    DcmScanLimits loose = {.max_depth = 100}, counted = {.max_elements = 3}, small = {.max_taken_value = 100};
    assert_null(strstr(trace(&t, buf_span(&deep), EXPLICIT, &loose, NULL, NULL), "nested"));
    assert_non_null(
        strstr(trace(&t, buf_span(&deep), EXPLICIT, &counted, NULL, NULL), "more than 3 elements"));
    buf_clear(&deep);
    buf_append(&deep, PIXELS "OB\0\0\xC8\0\0\0", 12);
    buf_append(&deep, (char[200]){0}, 200);
    t.mode = TRACE_TAKE;
    assert_non_null(
        strstr(trace(&t, buf_span(&deep), EXPLICIT, &small, one, NULL), "200 bytes is more than the 100"));
    t.mode = TRACE_SKIP;
    assert_non_null(strstr(trace(&t, buf_span(&deep), EXPLICIT, &small, one, NULL), "read at 212"));
    buf_free(&deep);
    buf_free(&t.text);
}

static void stops_and_stays_stopped(void **state)
{
    ScanTrace t = trace_new(TRACE_TAKE);
    t.stop_at = DCM_PixelData;
    const char *events =
        trace(&t, SPAN(PATIENT_ID "LO\0\0" PIXELS "OB\0\0\xFE\0\0\0rest"), EXPLICIT, NULL, one, NULL);
    assert_string_equal(
        events, "0 00100020 LO 0 @8\nvalue []\n0 7FE00010 OB 254 @20\nread at 8, defects 0, stopped\n");
    buf_free(&t.text);
}

static bool refuse(void *ctx, const DcmScanElement *e, Span value, bool is_view, Err *err)
{
    return err_set(err, ERR_REFUSED, "not wanted");
}

static void the_first_error_is_kept(void **state)
{
    ScanTrace t = trace_new(TRACE_TAKE);
    DcmScanHandler handler = {.ctx = &t, .element = trace_element, .value = refuse};
    DcmScan *scan = dcm_scan_new(NULL, NULL, &handler);
    Err err = {0};
    assert_false(dcm_scan_feed(scan, SPAN(PATIENT_ID "LO\0\0"), &err));
    assert_int_equal(err.code, ERR_REFUSED);
    err_clear(&err);
    assert_false(dcm_scan_feed(scan, SPAN(ROWS "US\0\0"), &err));
    assert_string_equal(err.text, "not wanted");
    err_clear(&err);
    assert_false(dcm_scan_finish(scan, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    dcm_scan_free(scan);
    buf_free(&t.text);
}

/* However a real file is cut, the events are the same, with values taken, streamed and skipped. */
static void cut_anywhere(const char *name, Span bytes, bool readable)
{
    DcmFileMeta meta;
    if (!dcm_file_meta_parse(bytes, false, &meta, NULL, NULL))
        return;
    Span data = span_sub(bytes, (size_t)meta.data_offset, bytes.n);
    DcmScanLimits all = {.max_taken_value = 64u << 20};
    ScanTrace whole = trace_new(TRACE_MIXED), cut = trace_new(TRACE_MIXED);
    const char *expected = trace(&whole, data, meta.transfer_syntax, &all, NULL, NULL);
    for (uint32_t seed = 0; seed < 3; seed++) {
        uint32_t s = seed;
        if (strcmp(trace(&cut, data, meta.transfer_syntax, &all, few, &s), expected) != 0)
            fail_msg("%s differs when cut (seed %u)", name, seed);
    }
    if (bytes.n < 20000 && strcmp(trace(&cut, data, meta.transfer_syntax, &all, one, NULL), expected) != 0)
        fail_msg("%s differs byte by byte", name);
    if (readable && !strstr(expected, "read at "))
        fail_msg("%s: %s", name, strrchr(expected, '\n'));
    buf_free(&whole.text);
    buf_free(&cut.text);
}

static void real_files_cut_anywhere(void **state)
{
    assert_true(each_real_file(cut_anywhere) > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explicit_little),
        cmocka_unit_test(implicit_little),
        cmocka_unit_test(explicit_big),
        cmocka_unit_test(sequences),
        cmocka_unit_test(sequence_of_unknown_vr_is_implicit_inside),
        cmocka_unit_test(encapsulated_pixel_data),
        cmocka_unit_test(private_creators_name_the_vr),
        cmocka_unit_test(pixel_representation_decides_signedness),
        cmocka_unit_test(the_syntax_lies),
        cmocka_unit_test(deflated),
        cmocka_unit_test(unknown_vrs),
        cmocka_unit_test(tolerated),
        cmocka_unit_test(refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(stops_and_stays_stopped),
        cmocka_unit_test(the_first_error_is_kept),
        cmocka_unit_test(real_files_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
