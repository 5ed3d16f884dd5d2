// SPDX-License-Identifier: MIT
/* The DICOM JSON model read: bytes of each VR, what is refused and how it is named, limits, and real files there and back. */
#include "base/file.h"
#include "dicom/dicom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

static DcmDataset *read_text(const char *text)
{
    Err err = {0};
    DcmDataset *ds = dcm_json_read(arena, span_cstr(text), &err);
    if (!ds)
        fail_msg("%s: %s", text, err.text);
    return ds;
}

static void test_values(void **state)
{
    static const struct {
        const char *attribute; /* without the braces */
        const char *bytes;
        size_t n;
    } rows[] = {
#define ROW(attribute, bytes) {attribute, bytes, sizeof(bytes) - 1}
        ROW("\"vr\":\"CS\"", ""),
        ROW("\"vr\":\"CS\",\"Value\":[]", ""),
        ROW("\"vr\":\"CS\",\"Value\":[null]", ""),
        ROW("\"vr\":\"CS\",\"Value\":[\"A\",\"B\"]", "A\\B "),
        ROW("\"vr\":\"CS\",\"Value\":[\"A\",null,\"B\"]", "A\\\\B"),
        ROW("\"vr\":\"UI\",\"Value\":[\"1.2.3\"]", "1.2.3\0"),
        ROW("\"vr\":\"LT\",\"Value\":[\"a\\\\b\"]", "a\\b "),
        ROW("\"vr\":\"LO\",\"Value\":[\"\\u00e4\"]", "\xc3\xa4"),
        ROW("\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"A^B\",\"Phonetic\":\"C\"}]", "A^B==C"),
        ROW("\"vr\":\"PN\",\"Value\":[{\"Ideographic\":\"A\"},null,{}]", "=A\\\\"),
        ROW("\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"AB\",\"Ideographic\":\"\",\"Phonetic\":null}]", "AB"),
        ROW("\"vr\":\"PN\",\"Value\":[\"A^B=C\"]", "A^B=C "),
        ROW("\"vr\":\"DS\",\"Value\":[1.5,2,\"3.50\",-0.1]", "1.5\\2\\3.50\\-0.1 "),
        ROW("\"vr\":\"DS\",\"Value\":[0.12345678901234567]", "0.12345678901235"),
        ROW("\"vr\":\"DS\",\"Value\":[-1.2345678901234567e-300]", "-1.23456789e-300"),
        ROW("\"vr\":\"DS\",\"Value\":[12345678901234567]", "1.2345678901e+16"),
        ROW("\"vr\":\"IS\",\"Value\":[1,\"2\",-3.0]", "1\\2\\-3"),
        ROW("\"vr\":\"US\",\"Value\":[1,65535,\"2\"]", "\x01\0\xff\xff\x02\0"),
        ROW("\"vr\":\"SS\",\"Value\":[-32768,32767]", "\0\x80\xff\x7f"),
        ROW("\"vr\":\"UL\",\"Value\":[4294967295]", "\xff\xff\xff\xff"),
        ROW("\"vr\":\"SL\",\"Value\":[-2147483648]", "\0\0\0\x80"),
        ROW("\"vr\":\"UV\",\"Value\":[\"18446744073709551615\",1]",
            "\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0\0"),
        ROW("\"vr\":\"SV\",\"Value\":[-1,\"-9223372036854775808\"]",
            "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x80"),
        ROW("\"vr\":\"FL\",\"Value\":[0.1,\"Infinity\",\"-inf\"]",
            "\xcd\xcc\xcc\x3d\0\0\x80\x7f\0\0\x80\xff"),
        ROW("\"vr\":\"FL\",\"Value\":[1e300]", "\0\0\x80\x7f"),
        ROW("\"vr\":\"FD\",\"Value\":[1]", "\0\0\0\0\0\0\xf0\x3f"),
        ROW("\"vr\":\"AT\",\"Value\":[\"00100020\",\"7fe00010\"]", "\x10\0\x20\0\xe0\x7f\x10\0"),
        ROW("\"vr\":\"OB\",\"InlineBinary\":\"AQIDBA==\"", "\x01\x02\x03\x04"),
        ROW("\"vr\":\"OB\",\"InlineBinary\":\"AQID\"", "\x01\x02\x03\0"),
        ROW("\"vr\":\"OW\",\"InlineBinary\":\"AQ\\r\\nI=\"", "\x01\x02"),
        ROW("\"vr\":\"UN\",\"InlineBinary\":\"\"", ""),
        ROW("\"vr\":\"CS\",\"Value\":[\"A\"],\"comment\":7", "A "),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DcmDataset *ds = read_text(arena_printf(arena, "{\"00091001\":{%s}}", rows[i].attribute));
        const DcmElement *e = dcm_find(ds, DCM_TAG(0x0009, 0x1001));
        assert_non_null(e);
        if (!span_eq(e->value, span_of(rows[i].bytes, rows[i].n)))
            fail_msg("%s gives '%.*s'", rows[i].attribute, SPAN_FMT(e->value));
        assert_int_equal(e->length, rows[i].n);
        assert_memory_equal(dcm_vr_info(e->vr)->name, rows[i].attribute + 6, 2);
    }
}

static void test_not_a_number(void **state)
{
    DcmDataset *ds = read_text("{\"00189073\":{\"vr\":\"FD\",\"Value\":[\"NaN\"]}}");
    double value = 0;
    assert_true(dcm_real(ds, DCM_TAG(0x0018, 0x9073), 0, &value));
    assert_true(value != value);
}

static void test_structure(void **state)
{
    DcmDataset *ds =
        read_text("[{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"7\"]},\"00081115\":{\"vr\":\"SQ\",\"Value\":"
                  "[{\"0020000E\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]}},{},null]},"
                  "\"00081110\":{\"vr\":\"SQ\"},\"00080060\":{\"Value\":[\"CT\"]}}]");
    assert_int_equal(ds->count, 5);
    for (size_t i = 1; i < ds->count; i++)
        assert_true(ds->elements[i - 1].tag < ds->elements[i].tag);
    assert_string_equal(dcm_charset_terms(dcm_dataset_charset(ds)), "ISO_IR 192");
    assert_int_equal(dcm_find(ds, DCM_Modality)->vr, DCM_VR_CS); /* from the dictionary */
    assert_int_equal(dcm_find(ds, DCM_ReferencedStudySequence)->item_count, 0);
    assert_int_equal(dcm_find(ds, DCM_ReferencedSeriesSequence)->item_count, 3);
    const DcmDataset *item = dcm_item(ds, DCM_ReferencedSeriesSequence, 0);
    assert_ptr_equal(item->parent, ds);
    assert_string_equal(dcm_text(arena, item, DCM_SeriesInstanceUID, 0), "1.2");
    assert_int_equal(dcm_item(ds, DCM_ReferencedSeriesSequence, 2)->count, 0);
}

/* Text is UTF-8 whatever the object says; group lengths and group 0002 are no part of a data set. */
static void test_left_out(void **state)
{
    DcmDataset *ds =
        read_text("{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 100\"]},\"00020010\":{\"vr\":\"UI\"},"
                  "\"00080000\":{\"vr\":\"UL\",\"Value\":[4]},"
                  "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"ä\"}]}}");
    assert_int_equal(ds->count, 2);
    assert_string_equal(dcm_text(arena, ds, DCM_PatientName, 0), "ä");
    assert_int_equal(read_text("{}")->count, 1);
}

static void test_bulk(void **state)
{
    DcmDataset *ds = read_text("{\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"http://a/b?c\"}}");
    const DcmElement *e = dcm_find(ds, DCM_PixelData);
    assert_true(e->skipped);
    assert_true(span_eq_cstr(e->value, "http://a/b?c"));
    assert_int_equal(e->vr, DCM_VR_OW);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *says; /* part of the error */
    } rows[] = {
        {"", "ends early"},
        {"{", "ends early"},
        {"nonsense", "is not JSON (line 1"},
        {"{}x", "is not JSON"},
        {"7", "is not JSON"},
        {"[]", "one object is wanted"},
        {"[{},{}]", "one object is wanted"},
        {"[7]", "one object is wanted"},
        {"{\"00100020\":{},\"00100020\":{}}", "twice"},
        {"{\"00100020\":{},\"0010,0020\":{}}", "00100020: is there twice"},
        {"{\"\xff\":{}}", "not UTF-8"},
        {"{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"a\\u0000b\"]}}", "NUL"},
        {"{\"xyz\":{}}", "no attribute tag"},
        {"{\"00100020\":7}", "00100020: must be an object"},
        {"{\"00100020\":{\"vr\":7}}", "00100020: vr must be"},
        {"{\"00100020\":{\"vr\":\"LOO\"}}", "00100020: vr must be"},
        {"{\"00100020\":{\"vr\":\"ZZ\"}}", "00100020: vr is unknown"},
        {"{\"00100020\":{\"vr\":\"LO\",\"Value\":\"a\"}}", "00100020: Value must be an array"},
        {"{\"00100020\":{\"vr\":\"LO\",\"Value\":[7]}}", "00100020: a value must be a string"},
        {"{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"a\\\\b\"]}}", "backslash"},
        {"{\"00100010\":{\"vr\":\"PN\",\"Value\":[7]}}", "a name must be an object"},
        {"{\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":7}]}}", "must be a string"},
        {"{\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"a=b\"}]}}", "equals sign"},
        {"{\"00104000\":{\"vr\":\"LT\",\"Value\":[\"a\",\"b\"]}}", "more than one value"},
        {"{\"00280010\":{\"vr\":\"US\",\"Value\":[65536]}}", "00280010: a value must be an integer"},
        {"{\"00280010\":{\"vr\":\"US\",\"Value\":[-1]}}", "in the range"},
        {"{\"00280010\":{\"vr\":\"US\",\"Value\":[1.5]}}", "in the range"},
        {"{\"00280010\":{\"vr\":\"US\",\"Value\":[null]}}", "may not be null"},
        {"{\"00280010\":{\"vr\":\"SS\",\"Value\":[32768]}}", "in the range"},
        {"{\"00280010\":{\"vr\":\"UL\",\"Value\":[4294967296]}}", "in the range"},
        {"{\"00280010\":{\"vr\":\"UV\",\"Value\":[\"18446744073709551616\"]}}", "in the range"},
        {"{\"00280010\":{\"vr\":\"UV\",\"Value\":[18446744073709551615]}}", "too large"},
        {"{\"00280010\":{\"vr\":\"FD\",\"Value\":[\"x\"]}}", "must be a number"},
        {"{\"00280010\":{\"vr\":\"DS\",\"Value\":[true]}}", "a number or a string"},
        {"{\"00200013\":{\"vr\":\"IS\",\"Value\":[2147483648]}}", "32 bits"},
        {"{\"00280009\":{\"vr\":\"AT\",\"Value\":[\"0010002\"]}}", "a tag of eight"},
        {"{\"00280009\":{\"vr\":\"AT\",\"Value\":[7]}}", "a tag of eight"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"Value\":[1]}}", "needs InlineBinary"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":7}}", "must be a string"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"A\"}}", "no base64"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"A===\"}}", "no base64"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"A=BC\"}}", "no base64"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"AQ I\"}}", "no base64"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"InlineBinary\":\"\",\"BulkDataURI\":\"\"}}", "only one of"},
        {"{\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":7}}", "must be a string"},
        {"{\"00100020\":{\"vr\":\"LO\",\"InlineBinary\":\"\"}}", "binary VRs only"},
        {"{\"00081115\":{\"vr\":\"SQ\",\"Value\":[7]}}", "00081115: an item"},
        {"{\"00081115\":{\"vr\":\"SQ\",\"Value\":[{},{\"00100020\":7}]}}", "00081115/1/00100020: must be"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err err = {0};
        if (dcm_json_read(arena, span_cstr(rows[i].text), &err))
            fail_msg("taken: %s", rows[i].text);
        assert_int_equal(err.code, ERR_FORMAT);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: says '%s', not '%s'", rows[i].text, err.text, rows[i].says);
    }
}

/* What the text holds may be a patient's name: no error repeats it. */
static void test_errors_are_discreet(void **state)
{
    static const char *const rows[] = {
        "{\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Secret\" 7]}}",
        "{\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Secret=\"}]}}",
        "{\"Secret\":7}",
        "{\"00100020\":{\"vr\":\"US\",\"Value\":[\"Secret\"]}}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err err = {0};
        assert_null(dcm_json_read(arena, span_cstr(rows[i]), &err));
        assert_null(strstr(err.text, "Secret"));
    }
}

/* Each object of an array for itself. */
typedef struct Seen {
    const char *instances[4], *why[4];
    unsigned count, most;
} Seen;

static bool see(void *ctx, DcmDataset *ds, const Err *why, Err *err)
{
    Seen *seen = ctx;
    assert_non_null(ds);
    if (seen->count == seen->most)
        return err_set(err, ERR_LIMIT, "enough");
    seen->instances[seen->count] = dcm_text(arena, ds, DCM_SOPInstanceUID, 0);
    seen->why[seen->count++] = why ? arena_strdup(arena, why->text) : NULL;
    return true;
}

static void test_each(void **state)
{
    static const char text[] =
        "[{\"00080018\":{\"vr\":\"UI\",\"Value\":[\"1.1\"]},\"00020010\":{\"vr\":\"UI\"}},"
        "{\"00100020\":7,\"00080018\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]}},7]";
    Err err = {0};
    Seen seen = {.most = 4};
    assert_true(dcm_json_read_each(arena, span_cstr(text), &(DcmReadEach){see, &seen}, &err));
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.instances[0], "1.1");
    assert_null(seen.why[0]);
    assert_string_equal(seen.instances[1], "1.2");
    assert_non_null(strstr(seen.why[1], "00100020: must be an object"));
    assert_non_null(strstr(seen.why[2], "an object is wanted"));
    seen = (Seen){.most = 1};
    assert_false(dcm_json_read_each(arena, span_cstr(text), &(DcmReadEach){see, &seen}, &err));
    assert_string_equal(err.text, "enough");
    seen = (Seen){.most = 4};
    assert_true(dcm_json_read_each(arena, span_cstr("{}"), &(DcmReadEach){see, &seen}, &err));
    assert_int_equal(seen.count, 1);
    assert_false(dcm_json_read_each(arena, span_cstr("[{}"), &(DcmReadEach){see, &seen}, &err));
    assert_int_equal(seen.count, 1);
}

static char *nested(size_t depth)
{
    Buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < depth; i++)
        buf_append_cstr(&text, "{\"00081115\":{\"vr\":\"SQ\",\"Value\":[");
    buf_append_cstr(&text, "{}");
    for (size_t i = 0; i < depth; i++)
        buf_append_cstr(&text, "]}}");
    char *copy = arena_strdup(arena, buf_cstr(&text));
    buf_free(&text);
    return copy;
}

static void check_limit(Arena *small, const char *text, const char *says)
{
    Err err = {0};
    assert_null(dcm_json_read(small, span_cstr(text), &err));
    assert_non_null(strstr(err.text, says));
}

static void test_limits(void **state)
{
    const DcmDataset *ds = read_text(nested(64));
    for (int i = 0; i < 64; i++)
        assert_non_null(ds = dcm_item(ds, DCM_ReferencedSeriesSequence, 0));
    check_limit(arena, nested(65), "nested too deeply");
    check_limit(arena, nested(100000), "nested too deeply");
    char *text = malloc(33u << 20);
    assert_non_null(text);
    memset(text, ' ', 33u << 20);
    Err err = {0};
    assert_null(dcm_json_read(arena, span_of(text, 33u << 20), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(text);
    static const char *const large[] = {
        "{\"00081115\":{\"vr\":\"SQ\",\"Value\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}}",
        "{\"00100020\":{\"vr\":\"LO\",\"Value\":["
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}}",
        "{\"7FE00010\":{\"vr\":\"OB\",\"BulkDataURI\":"
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}",
    };
    /* every limit up to what is needed: refused, never a crash */
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        DcmDataset *done = NULL;
        for (size_t limit = 16; !done; limit += 16) {
            Arena *small = arena_new(limit);
            err = (Err){0};
            done = dcm_json_read(small, span_cstr(large[i]), &err);
            assert_true(done || err.code == ERR_LIMIT);
            arena_free(small);
        }
    }
}

/* In reverse order, which must not cost the square of their number. */
static void test_many_attributes(void **state)
{
    enum { COUNT = 200000 };
    Buf text;
    buf_init(&text, 0);
    for (unsigned i = COUNT; i > 0; i--)
        buf_printf(&text, "%s\"%04X%04X\":{\"vr\":\"US\"}", i == COUNT ? "{" : ",", 0x1000 + 2 * (i / 60000),
                   i % 60000 + 1);
    buf_append_cstr(&text, "}");
    Err err = {0};
    DcmDataset *ds = dcm_json_read(arena, buf_span(&text), &err);
    assert_non_null(ds);
    assert_int_equal(ds->count, COUNT + 1);
    buf_free(&text);
}

/* -- real files, there and back -- */

static void write_json(const DcmDataset *ds, Buf *out)
{
    JsonWriter w = json_writer(out);
    Err err = {0};
    assert_true(dcm_json_write(&w, ds, NULL, &err));
}

static void check_file(const char *folder, const char *name)
{
    Buf file, first, second, third;
    Err err = {0};
    buf_init(&file, 0);
    buf_init(&first, 0);
    buf_init(&second, 0);
    buf_init(&third, 0);
    if (!file_read_all(arena_printf(arena, "%s/%s", folder, name), 64 << 20, &file, &err))
        fail_msg("%s", err.text);
    DcmDataset *ds = dcm_file_parse(arena, buf_span(&file), NULL, NULL, &err);
    if (!ds)
        fail_msg("%s: %s", name, err.text);
    write_json(ds, &first);
    DcmDataset *back = dcm_json_read(arena, buf_span(&first), &err);
    if (!back)
        fail_msg("%s: %s", name, err.text);
    write_json(back, &second);
    assert_true(second.n > 1000);
    /* DS are numbers now, so the second text is the one that stays */
    back = dcm_json_read(arena, buf_span(&second), &err);
    assert_non_null(back);
    write_json(back, &third);
    assert_true(span_eq(buf_span(&second), buf_span(&third)));
    static const DcmTag same[] = {DCM_PatientName,      DCM_PatientID,        DCM_StudyDate,
                                  DCM_StudyInstanceUID, DCM_StudyDescription, DCM_ImageType};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *before = dcm_text_all(arena, ds, same[i]), *after = dcm_text_all(arena, back, same[i]);
        assert_int_equal(before == NULL, after == NULL);
        if (before)
            assert_string_equal(before, after);
    }
    buf_free(&file);
    buf_free(&first);
    buf_free(&second);
    buf_free(&third);
}

static void test_real_files(void **state)
{
    static const char *const names[] = {
        "pydicom/test_files/CT_small.dcm",  "pydicom/test_files/MR_small_bigendian.dcm",
        "pydicom/test_files/rtplan.dcm",    "pydicom/test_files/test-SR.dcm",
        "pydicom/charset_files/chrH31.dcm", "pydicom/charset_files/chrI2.dcm",
    };
    const char *folder = getenv("GANTRY_TEST_DATA");
    assert_non_null(folder);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_file(folder, names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_errors_are_discreet),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_attributes),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
