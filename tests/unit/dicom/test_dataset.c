// SPDX-License-Identifier: MIT
#include "dicom/dataset.h"
#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "real_files.h"

#define PATIENT_ID "\x10\x00\x20\x00"
#define SEQUENCE   "\x08\x00\x40\x11"
#define INSTANCE   "\x08\x00\x55\x11"
#define PIXELS     "\xE0\x7F\x10\x00"
#define ITEM       "\xFE\xFF\x00\xE0"
#define UNDEFINED  "\xFF\xFF\xFF\xFF"

static Arena *arena;

static int setup(void **state)
{
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    arena_free(arena);
    return 0;
}

static DcmDataset *parse(Span bytes, const DcmReadOptions *options)
{
    Err err = {0};
    DcmDataset *ds = dcm_dataset_parse(arena, bytes, NULL, options, &err);
    if (!ds)
        fail_msg("%s", err.text);
    return ds;
}

static void values_are_views(void **state)
{
    Span bytes = SPAN(PATIENT_ID "LO\4\0"
                                 "ABC ");
    const DcmElement *e = dcm_find(parse(bytes, NULL), DCM_PatientID);
    assert_ptr_equal(e->value.p, bytes.p + 8);
    assert_int_equal(e->value.n, 4);
    assert_int_equal(e->offset, 8);
    assert_int_equal(e->vr, DCM_VR_LO);
    assert_false(e->skipped);
}

#define UN "UN\0\0"

/* PS3.5 §6.2.2, CP-246: what somebody did not know on the way. */
static void unknown_vr_is_looked_up(void **state)
{
    static const DcmReadOptions options = {.resolve_un = true};
    Span bytes = SPAN(SEQUENCE UN "\x14\0\0\0" ITEM "\x0C\0\0\0" INSTANCE "\4\0\0\0"
                                  "1.23" PATIENT_ID UN "\4\0\0\0"
                                  "ABC "
                                  "\x28\0\x03\1US\2\0\1\0"
                                  "\x28\0\x06\1" UN "\2\0\0\0\xFF\xFF"
                                  "\x28\0\x10\0" UN "\3\0\0\0\1\2\3"
                                  "\x29\0\x10\0" UN "\x12\0\0\0SIEMENS CSA HEADER"
                                  "\x29\0\x08\x10" UN "\2\0\0\0"
                                  "A "
                                  "\x29\0\x08\x11" UN "\2\0\0\0"
                                  "B ");
    static const struct {
        DcmTag tag;
        DcmVr vr;
    } rows[] = {{DCM_ReferencedImageSequence, DCM_VR_SQ}, {DCM_PatientID, DCM_VR_LO},
                {DCM_SmallestImagePixelValue, DCM_VR_SS}, {DCM_Rows, DCM_VR_UN},
                {DCM_TAG(0x0029, 0x0010), DCM_VR_LO},     {DCM_TAG(0x0029, 0x1008), DCM_VR_CS},
                {DCM_TAG(0x0029, 0x1108), DCM_VR_UN}};
    DcmDataset *ds = parse(bytes, &options), *as_is = parse(bytes, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(dcm_find(ds, rows[i].tag)->vr, rows[i].vr);
        assert_int_equal(dcm_find(as_is, rows[i].tag)->vr, DCM_VR_UN);
    }
    char uid[65];
    assert_true(dcm_uid(dcm_item(ds, DCM_ReferencedImageSequence, 0), DCM_ReferencedSOPInstanceUID, uid));
    assert_string_equal(uid, "1.23");
    Err err = {0};
    Span no_items = SPAN(SEQUENCE UN "\x08\0\0\0NO ITEMS");
    assert_null(dcm_dataset_parse(arena, no_items, NULL, &options, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(dcm_find(parse(no_items, NULL), DCM_ReferencedImageSequence)->value.n, 8);
}

static void nested_items(void **state)
{
    DcmDataset *ds = parse(SPAN("\x08\0\5\0CS\x0A\0ISO_IR 192" SEQUENCE "SQ\0\0" UNDEFINED ITEM
                                "\x0C\0\0\0" INSTANCE "UI\4\0"
                                "1.23" ITEM "\0\0\0\0"
                                "\xFE\xFF\xDD\xE0\0\0\0\0"),
                           NULL);
    assert_int_equal(dcm_find(ds, DCM_ReferencedImageSequence)->item_count, 2);
    const DcmDataset *item = dcm_item(ds, DCM_ReferencedImageSequence, 0);
    assert_ptr_equal(item->parent, ds);
    char uid[65];
    assert_true(dcm_uid(item, DCM_ReferencedSOPInstanceUID, uid));
    assert_string_equal(uid, "1.23");
    assert_int_equal(dcm_item(ds, DCM_ReferencedImageSequence, 1)->count, 0);
    assert_null(dcm_item(ds, DCM_ReferencedImageSequence, 2));
    assert_null(dcm_item(ds, DCM_PatientID, 0));
    assert_ptr_equal(dcm_dataset_charset(item), dcm_charset(SPAN("ISO_IR 192"), NULL));
}

static void many_items_and_fragments(void **state)
{
    Buf bytes;
    buf_init(&bytes, 0);
    buf_append(&bytes, SEQUENCE "SQ\0\0" UNDEFINED, 12);
    for (int i = 0; i < 1000; i++)
        buf_append(&bytes, ITEM "\0\0\0\0", 8);
    buf_append(&bytes, "\xFE\xFF\xDD\xE0\0\0\0\0" PIXELS "OB\0\0" UNDEFINED, 20);
    for (int i = 0; i < 1000; i++) {
        buf_append(&bytes, ITEM "\2\0\0\0", 8);
        buf_u16le(&bytes, (uint16_t)i);
    }
    buf_append(&bytes, "\xFE\xFF\xDD\xE0\0\0\0\0", 8);
    DcmDataset *ds = parse(buf_span(&bytes), NULL);
    assert_int_equal(dcm_find(ds, DCM_ReferencedImageSequence)->item_count, 1000);
    const DcmElement *pixels = dcm_find(ds, DCM_PixelData);
    assert_int_equal(pixels->item_count, 1000);
    assert_false(pixels->skipped);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pixels->fragments[i].p[0] | pixels->fragments[i].p[1] << 8, i);
    buf_free(&bytes);
}

static void out_of_order_and_twice(void **state)
{
    DcmDataset *ds = parse(SPAN("\x28\0\x11\0US\2\0\1\0"
                                "\x28\0\x10\0US\2\0\2\0" PATIENT_ID "LO\2\0"
                                "A "
                                "\x28\0\x10\0US\2\0\3\0"),
                           NULL);
    int64_t rows;
    assert_int_equal(ds->count, 3);
    for (size_t i = 1; i < ds->count; i++)
        assert_true(ds->elements[i - 1].tag < ds->elements[i].tag);
    assert_true(dcm_int(ds, DCM_Rows, 0, &rows));
    assert_int_equal(rows, 2); /* the first one counts */
    assert_int_equal(ds->defects, DCM_DEFECT_ORDER);
}

/* Descending tags would move elements without end. */
static void hostile_order_is_bounded(void **state)
{
    Buf bytes;
    buf_init(&bytes, 0);
    for (uint32_t tag = 60000; tag > 0; tag--) {
        buf_u16le(&bytes, (uint16_t)(0x10 + tag / 0x8000));
        buf_u16le(&bytes, (uint16_t)(tag % 0x8000 + 1));
        buf_append(&bytes, "LO\0\0", 4);
    }
    Err err = {0};
    assert_null(dcm_dataset_parse(arena, buf_span(&bytes), NULL, NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&bytes);
}

static void reading_options(void **state)
{
    Span bytes = SPAN(PATIENT_ID "LO\4\0"
                                 "ABC "
                                 "\x28\0\x10\0US\2\0\1\0" PIXELS "OB\0\0\xF0\0\0\0rest");
    DcmDataset *ds = parse(bytes, &(DcmReadOptions){.stop_before = DCM_PixelData});
    assert_int_equal(ds->count, 2);
    ds = parse(bytes, &(DcmReadOptions){.max_value = 3, .tolerate_truncated = true});
    assert_int_equal(ds->count, 3);
    assert_true(dcm_find(ds, DCM_PatientID)->skipped);
    assert_int_equal(dcm_find(ds, DCM_PatientID)->length, 4);
    assert_false(dcm_find(ds, DCM_Rows)->skipped);
    assert_int_equal(ds->defects, DCM_DEFECT_TRUNCATED);
    ds = parse(bytes, &(DcmReadOptions){.tolerate_truncated = true});
    const DcmElement *pixels = dcm_find(ds, DCM_PixelData);
    assert_true(pixels->skipped);
    assert_int_equal(pixels->length, 240);
    assert_int_equal(pixels->offset, 34);
    Err err = {0};
    assert_null(dcm_dataset_parse(arena, bytes, NULL, NULL, &err));
    assert_int_equal(err.code, ERR_FORMAT);
}

static void fragments_too_large_to_keep(void **state)
{
    DcmDataset *ds = parse(SPAN(PIXELS "OB\0\0" UNDEFINED ITEM "\0\0\0\0" ITEM "\4\0\0\0wxyz"
                                       "\xFE\xFF\xDD\xE0\0\0\0\0"),
                           &(DcmReadOptions){.max_value = 2});
    const DcmElement *pixels = dcm_find(ds, DCM_PixelData);
    assert_int_equal(pixels->item_count, 2);
    assert_true(pixels->skipped);
}

static void memory_limit(void **state)
{
    Arena *small = arena_new(20000);
    Buf bytes;
    buf_init(&bytes, 0);
    buf_append(&bytes, SEQUENCE "SQ\0\0" UNDEFINED, 12);
    for (int i = 0; i < 1000; i++)
        buf_append(&bytes, ITEM "\0\0\0\0", 8);
    Err err = {0};
    assert_null(dcm_dataset_parse(small, buf_span(&bytes), NULL, NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&bytes);
    arena_free(small);
}

static void building(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_PatientID, "ABC");
    dcm_put_utf8(ds, DCM_SOPInstanceUID, "1.2");
    dcm_put_u16(ds, DCM_Rows, 258);
    dcm_put_u32(ds, DCM_TAG(0x0000, 0x0000), 70000);
    dcm_put_printf(ds, DCM_InstanceNumber, "%d", 42);
    assert_true(span_eq(dcm_find(ds, DCM_PatientID)->value, SPAN("ABC ")));
    assert_true(span_eq(dcm_find(ds, DCM_SOPInstanceUID)->value, SPAN("1.2\0")));
    assert_true(span_eq(dcm_find(ds, DCM_Rows)->value, SPAN("\2\1")));
    assert_true(span_eq(dcm_find(ds, DCM_InstanceNumber)->value, SPAN("42")));
    assert_int_equal(dcm_find(ds, DCM_TAG(0, 0))->vr, DCM_VR_UL);
    dcm_put_utf8(ds, DCM_PatientID, NULL);
    assert_int_equal(dcm_find(ds, DCM_PatientID)->value.n, 0);
    dcm_remove(ds, DCM_PatientID);
    dcm_remove(ds, DCM_PatientID);
    assert_null(dcm_find(ds, DCM_PatientID));
    assert_int_equal(ds->count, 4);
    DcmDataset *item = dcm_add_item(ds, DCM_ReferencedImageSequence);
    dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, "1.2.3");
    dcm_add_item(ds, DCM_ReferencedImageSequence);
    assert_int_equal(dcm_find(ds, DCM_ReferencedImageSequence)->item_count, 2);
    dcm_put_sequence(ds, DCM_ReferencedImageSequence);
    assert_int_equal(dcm_find(ds, DCM_ReferencedImageSequence)->item_count, 0);
    for (size_t i = 1; i < ds->count; i++)
        assert_true(ds->elements[i - 1].tag < ds->elements[i].tag);
}

static void text_goes_into_the_character_set(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_SpecificCharacterSet, "ISO_IR 100");
    dcm_put_utf8(ds, DCM_PatientName, "M\xC3\xBCller^J\xC3\xB6rg");
    assert_true(span_eq(dcm_find(ds, DCM_PatientName)->value, SPAN("M\xFCller^J\xF6rg ")));
    dcm_put_utf8(ds, DCM_OtherPatientNames, "M\xC3\xBCller\\\xE5\xB1\xB1");
    assert_true(span_eq(dcm_find(ds, DCM_OtherPatientNames)->value, SPAN("M\xFCller\\?")));
    dcm_put_utf8(ds, DCM_OtherPatientNames, "A\\");
    assert_true(span_eq(dcm_find(ds, DCM_OtherPatientNames)->value, SPAN("A\\")));
}

static void copies(void **state)
{
    DcmDataset *from = dcm_dataset_new(arena), *to = dcm_dataset_new(arena);
    from->big_endian = true;
    dcm_put_utf8(from, DCM_SpecificCharacterSet, "ISO_IR 100");
    dcm_put_utf8(from, DCM_PatientName, "M\xC3\xBCller");
    dcm_put_utf8(from, DCM_OtherPatientNames, "\xC3\xBC\\\xC3\xB6");
    dcm_put_u16(from, DCM_Rows, 258);
    DcmDataset *item = dcm_add_item(from, DCM_RequestAttributesSequence);
    dcm_put_utf8(item, DCM_ScheduledProcedureStepDescription, "\xC3\xA4");
    dcm_add_fragment(from, DCM_PixelData, DCM_VR_OB, (Span){NULL, 0});
    dcm_add_fragment(from, DCM_PixelData, DCM_VR_OB, SPAN("ab"));
    dcm_add_fragment(from, DCM_PixelData, DCM_VR_OB, SPAN("cd"));
    dcm_put_utf8(to, DCM_SpecificCharacterSet, "ISO_IR 192");
    for (size_t i = 0; i < from->count; i++)
        if (from->elements[i].tag != DCM_SpecificCharacterSet)
            dcm_copy(to, from, &from->elements[i]);
    assert_true(span_eq(dcm_find(to, DCM_PatientName)->value, SPAN("M\xC3\xBCller ")));
    assert_true(span_eq(dcm_find(to, DCM_OtherPatientNames)->value, SPAN("\xC3\xBC\\\xC3\xB6 ")));
    assert_true(span_eq(dcm_find(to, DCM_Rows)->value, SPAN("\2\1")));
    const DcmDataset *copy = dcm_item(to, DCM_RequestAttributesSequence, 0);
    assert_true(span_eq(dcm_find(copy, DCM_ScheduledProcedureStepDescription)->value, SPAN("\xC3\xA4")));
    assert_ptr_equal(copy->parent, to);
    assert_int_equal(dcm_find(to, DCM_PixelData)->item_count, 3);
    assert_true(span_eq(dcm_find(to, DCM_PixelData)->fragments[2], SPAN("cd")));
}

static void creators(void **state)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_TAG(0x29, 0x11), DCM_VR_LO, SPAN("SIEMENS CSA HEADER"));
    DcmDataset *item = dcm_add_item(ds, DCM_ReferencedImageSequence);
    assert_true(span_eq(dcm_creator(ds, DCM_TAG(0x29, 0x1108)), SPAN("SIEMENS CSA HEADER")));
    assert_true(span_eq(dcm_creator(item, DCM_TAG(0x29, 0x1108)), SPAN("SIEMENS CSA HEADER")));
    assert_int_equal(dcm_creator(ds, DCM_TAG(0x29, 0x1008)).n, 0);
    assert_int_equal(dcm_creator(ds, DCM_TAG(0x29, 0x11)).n, 0);
    assert_int_equal(dcm_creator(ds, DCM_PatientID).n, 0);
    assert_int_equal(dcm_put_utf8(ds, DCM_TAG(0x29, 0x1108), "X")->vr, DCM_VR_CS);
}

static void check_order(const char *name, const DcmDataset *ds)
{
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        if (i > 0 && ds->elements[i - 1].tag >= e->tag)
            fail_msg("%s: out of order", name);
        if (dcm_find(ds, e->tag) != e)
            fail_msg("%s: %08x is not found", name, (unsigned)e->tag);
        for (uint32_t k = 0; e->vr == DCM_VR_SQ && k < e->item_count; k++)
            check_order(name, e->items[k]);
    }
}

/* Every prefix of every real file, at some cuts, reads as a prefix; what dcmdump reads reads whole. */
static void read_file(const char *name, Span bytes, bool readable)
{
    Arena *own = arena_new(1u << 30);
    Err err = {0};
    DcmDataset *ds = dcm_file_parse(own, bytes, NULL, NULL, &err);
    if (readable && !ds)
        fail_msg("%s: %s", name, err.text);
    if (ds)
        check_order(name, ds);
    DcmReadOptions prefix = {.tolerate_truncated = true, .max_value = 1024};
    for (size_t n = bytes.n; n > 0; n /= 3) {
        DcmDataset *part = dcm_file_parse(own, span_sub(bytes, 0, n), &prefix, NULL, NULL);
        if (part)
            check_order(name, part);
    }
    arena_free(own);
}

static void real_files(void **state)
{
    assert_true(each_real_file(read_file) > 300);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(values_are_views),
        TEST(unknown_vr_is_looked_up),
        TEST(nested_items),
        TEST(many_items_and_fragments),
        TEST(out_of_order_and_twice),
        TEST(hostile_order_is_bounded),
        TEST(reading_options),
        TEST(fragments_too_large_to_keep),
        TEST(memory_limit),
        TEST(building),
        TEST(text_goes_into_the_character_set),
        TEST(copies),
        TEST(creators),
        TEST(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
