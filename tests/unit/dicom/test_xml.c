// SPDX-License-Identifier: MIT
/* The Native DICOM Model. */
#include "dicom/dicom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;

static int make_arena(void **state)
{
    arena = arena_new(0);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(arena);
    return 0;
}

#define HEAD                                                                                                 \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<NativeDicomModel "                                         \
    "xmlns=\"http://dicom.nema.org/PS3.19/models/NativeDICOM\" xml:space=\"preserve\">"
#define TAIL "</NativeDicomModel>\n"

static void check_with(const DcmDataset *ds, const DcmJsonOptions *options, const char *body)
{
    Buf out;
    Err err = {0};
    buf_init(&out, 0);
    assert_true(dcm_xml_write(&out, ds, options, &err));
    assert_string_equal(buf_cstr(&out), arena_printf(arena, HEAD "%s" TAIL, body));
    buf_free(&out);
}

#define RAW(literal) literal, sizeof(literal) - 1

static void test_values(void **state)
{
    static const struct {
        DcmVr vr;
        const char *raw;
        size_t n;
        const char *xml;
    } rows[] = {
        {DCM_VR_CS, RAW("A\\B "), "<Value number=\"1\">A</Value><Value number=\"2\">B</Value>"},
        {DCM_VR_CS, RAW("A\\\\B"),
         "<Value number=\"1\">A</Value><Value number=\"2\"></Value><Value number=\"3\">B</Value>"},
        {DCM_VR_CS, RAW(""), ""},
        {DCM_VR_CS, RAW("  "), ""},
        {DCM_VR_UI, RAW("1.2\0"), "<Value number=\"1\">1.2</Value>"},
        {DCM_VR_DS, RAW(" 1.50\\+2"), "<Value number=\"1\">1.50</Value><Value number=\"2\">+2</Value>"},
        {DCM_VR_LT, RAW("<a> & \"b\"\r\n\t\\c"),
         "<Value number=\"1\">&lt;a&gt; &amp; &quot;b&quot;&#13;&#10;&#9;\\c</Value>"},
        {DCM_VR_LO, RAW("a\x01\x1b\xc3\xa4\xff\xef\xbf\xbe\xed\xa0\x80"),
         "<Value number=\"1\">a\xEF\xBF\xBD\xEF\xBF\xBDä\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
         "\xEF\xBF\xBD</Value>"},
        {DCM_VR_PN, RAW("Adams^John Robert^Q.^Rev.^B.A.=\xe5\xb1\xb1\\C^^D"),
         "<PersonName number=\"1\"><Alphabetic><FamilyName>Adams</FamilyName><GivenName>John "
         "Robert</GivenName>"
         "<MiddleName>Q.</MiddleName><NamePrefix>Rev.</NamePrefix><NameSuffix>B.A.</NameSuffix></Alphabetic>"
         "<Ideographic><FamilyName>山</FamilyName></Ideographic></PersonName><PersonName "
         "number=\"2\"><Alphabetic>"
         "<FamilyName>C</FamilyName><MiddleName>D</MiddleName></Alphabetic></PersonName>"},
        {DCM_VR_PN, RAW("^^"), ""},
        {DCM_VR_US, RAW("\x01\0\x02\0"), "<Value number=\"1\">1</Value><Value number=\"2\">2</Value>"},
        {DCM_VR_AT, RAW("\x10\0\x20\0"), "<Value number=\"1\">00100020</Value>"},
        {DCM_VR_FL, RAW("\xcd\xcc\xcc\x3d\0\0\xc0\x7f"),
         "<Value number=\"1\">0.1</Value><Value number=\"2\">NaN</Value>"},
        {DCM_VR_UV, RAW("\xff\xff\xff\xff\xff\xff\xff\xff"),
         "<Value number=\"1\">18446744073709551615</Value>"},
        {DCM_VR_OB, RAW("\x01\x02\x03\x04"), "<InlineBinary>AQIDBA==</InlineBinary>"},
        {DCM_VR_SQ, RAW(""), ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmDataset *ds = dcm_dataset_new(arena);
        dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("utf8"));
        DcmElement *e = dcm_put(ds, DCM_TAG(0x0008, 0x1150), rows[i].vr, (Span){NULL, 0});
        e->value = span_of(rows[i].raw, rows[i].n);
        check_with(
            ds, NULL,
            arena_printf(arena,
                         "<DicomAttribute tag=\"00080005\" vr=\"CS\" keyword=\"SpecificCharacterSet\"><Value "
                         "number=\"1\">ISO_IR 192</Value></DicomAttribute><DicomAttribute tag=\"00081150\" "
                         "vr=\"%s\" keyword=\"ReferencedSOPClassUID\">%s</DicomAttribute>",
                         dcm_vr_info(rows[i].vr)->name, rows[i].xml));
    }
}

static void test_sequences(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_TAG(0x0002, 0x0010), DCM_VR_UI, SPAN("1.2"));
    dcm_put_sequence(ds, DCM_ReferencedSeriesSequence);
    dcm_put_utf8(dcm_add_item(ds, DCM_ReferencedSeriesSequence), DCM_SeriesInstanceUID, "1.2");
    dcm_add_item(ds, DCM_ReferencedSeriesSequence);
    check_with(
        ds, NULL,
        "<DicomAttribute tag=\"00081115\" vr=\"SQ\" keyword=\"ReferencedSeriesSequence\"><Item number=\"1\">"
        "<DicomAttribute tag=\"0020000E\" vr=\"UI\" keyword=\"SeriesInstanceUID\"><Value number=\"1\">1.2"
        "</Value></DicomAttribute></Item><Item number=\"2\"></Item></DicomAttribute>");
}

/* The block is left out of the tag of a private element whose creator is known. */
static void test_private_elements(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_TAG(0x0009, 0x0010), DCM_VR_LO, SPAN("A&B "));
    dcm_put(ds, DCM_TAG(0x0009, 0x1001), DCM_VR_CS, SPAN("x "));
    dcm_put(ds, DCM_TAG(0x0009, 0x1101), DCM_VR_CS, SPAN("y "));
    check_with(
        ds, NULL,
        "<DicomAttribute tag=\"00090010\" vr=\"LO\"><Value number=\"1\">A&amp;B</Value></DicomAttribute>"
        "<DicomAttribute tag=\"00090001\" vr=\"CS\" privateCreator=\"A&amp;B\"><Value number=\"1\">x</Value>"
        "</DicomAttribute><DicomAttribute tag=\"00091101\" vr=\"CS\"><Value number=\"1\">y</Value>"
        "</DicomAttribute>");
}

static bool uri_of_path(void *ctx, const char *path, const DcmElement *e, Buf *out)
{
    return buf_printf(out, "%s?a=1&b=\"2\"", path);
}

static void test_bulk(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_PixelData, DCM_VR_OW, SPAN("abcd"));
    DcmJsonOptions options = {.bulk_uri = uri_of_path};
    check_with(ds, &options,
               "<DicomAttribute tag=\"7FE00010\" vr=\"OW\" keyword=\"PixelData\"><BulkData "
               "uri=\"7FE00010?a=1&amp;b=&quot;2&quot;\"/></DicomAttribute>");
    options.bulk_threshold = 4;
    check_with(ds, &options,
               "<DicomAttribute tag=\"7FE00010\" vr=\"OW\" keyword=\"PixelData\"><InlineBinary>YWJjZA=="
               "</InlineBinary></DicomAttribute>");
}

static void test_limit(void **state)
{
    Buf out;
    Err err = {0};
    buf_init(&out, 100);
    assert_false(dcm_xml_write(&out, dcm_dataset_new(arena), NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_private_elements),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
