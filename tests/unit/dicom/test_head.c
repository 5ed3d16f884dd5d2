// SPDX-License-Identifier: MIT
#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "real_files.h"

#define PATIENT_ID "\x10\x00\x20\x00"
#define PIXELS     "\xE0\x7F\x10\x00"

static void complete_at_the_first_unwanted_tag(void **state)
{
    Arena *arena = arena_new(0);
    DcmReadOptions options = {.stop_before = DCM_PixelData};
    DcmHead *head = dcm_head_new(arena, NULL, &options);
    char bytes[] = PATIENT_ID "LO\4\0"
                              "ABC ";
    assert_true(dcm_head_feed(head, span_of(bytes, 12), NULL));
    memset(bytes, 'x', sizeof bytes); /* values are copies */
    assert_false(dcm_head_complete(head));
    assert_true(dcm_head_feed(head, SPAN(PIXELS "OB\0\0\4\0\0\0"), NULL));
    assert_true(dcm_head_complete(head));
    DcmDataset *ds = dcm_head_dataset(head);
    assert_int_equal(ds->count, 1);
    assert_string_equal(dcm_text(arena, ds, DCM_PatientID, 0), "ABC");
    assert_true(dcm_head_feed(head, SPAN("wx"), NULL));
    Err err = {0};
    assert_false(dcm_head_finish(head, &err));
    assert_non_null(strstr(err.text, "2 bytes before the end"));
    dcm_head_free(head);
    arena_free(arena);
}

/* What comes behind the wanted part is checked all the same. */
static void checks_to_the_end(void **state)
{
    Arena *arena = arena_new(0);
    DcmReadOptions options = {.stop_before = DCM_TAG(0x0010, 0x0000)};
    DcmHead *head = dcm_head_new(arena, NULL, &options);
    Err err = {0};
    assert_true(dcm_head_feed(head, SPAN(PATIENT_ID "LO\0\0"), &err));
    assert_true(dcm_head_complete(head));
    assert_false(dcm_head_feed(head, SPAN("\xFE\xFF\0\xE0\0\0\0\0"), &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_false(dcm_head_finish(head, NULL));
    dcm_head_free(head);
    arena_free(arena);
}

/* 2 GiB of pixel data pass through without being kept. */
static void large_values_cost_no_memory(void **state)
{
    static uint8_t piece[1 << 20];
    Arena *arena = arena_new(64 * 1024);
    DcmHead *head = dcm_head_new(arena, NULL, NULL);
    assert_true(dcm_head_feed(head, SPAN(PATIENT_ID "LO\0\0" PIXELS "OW\0\0\0\0\0\x80"), NULL));
    for (int i = 0; i < 2048; i++)
        assert_true(dcm_head_feed(head, span_of(piece, sizeof piece), NULL));
    assert_true(dcm_head_finish(head, NULL));
    assert_true(dcm_head_complete(head));
    const DcmElement *pixels = dcm_find(dcm_head_dataset(head), DCM_PixelData);
    assert_true(pixels->skipped && pixels->length == 0x80000000u);
    dcm_head_free(head);
    arena_free(arena);
}

/* In pieces; with `pass`, without the bytes that nobody needs to see. Returns how many were fed. */
static size_t feed(const char *name, DcmHead *head, Span data, bool pass)
{
    Err err = {0};
    size_t at = 0, fed = 0;
    while (at < data.n) {
        uint64_t passable = pass ? dcm_head_passable(head) : 0;
        size_t left_out = passable < data.n - at ? (size_t)passable : data.n - at;
        Span piece = span_sub(data, at + left_out, 777);
        if ((left_out && !dcm_head_pass(head, left_out, &err)) || !dcm_head_feed(head, piece, &err))
            fail_msg("%s: %s", name, err.text);
        at += left_out + piece.n;
        fed += piece.n;
    }
    if (!dcm_head_finish(head, &err))
        fail_msg("%s: %s", name, err.text);
    return fed;
}

static void assert_same(const char *name, const DcmDataset *whole, const DcmDataset *ds)
{
    size_t i = 0;
    for (; whole && i < whole->count && i < ds->count; i++) {
        const DcmElement *a = &whole->elements[i], *b = &ds->elements[i];
        if (a->tag != b->tag || a->vr != b->vr || a->offset != b->offset || a->skipped != b->skipped ||
            a->item_count != b->item_count || !span_eq(a->value, b->value))
            fail_msg("%s: %08x differs", name, (unsigned)a->tag);
    }
    if (!whole || i != whole->count)
        fail_msg("%s: elements are missing", name);
}

static size_t fed_in_all, size_in_all;

/* The same elements as a parse of the whole, however the file is cut, and when what is skipped is not even looked at. */
static void same_as_whole(const char *name, Span bytes, bool readable)
{
    DcmFileMeta meta;
    if (!readable || !dcm_file_meta_parse(bytes, false, &meta, NULL, NULL))
        return;
    Span data = span_sub(bytes, (size_t)meta.data_offset, bytes.n);
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(meta.transfer_syntax));
    const DcmTag stops[] = {DCM_PixelData, 0};
    for (int round = 0; round < 4; round++) {
        DcmReadOptions options = {.stop_before = stops[round / 2], .max_value = 4096};
        Arena *arena = arena_new(0);
        DcmDataset *whole = dcm_dataset_parse(arena, data, syntax, &options, NULL);
        DcmHead *head = dcm_head_new(arena, syntax, &options);
        size_t fed = feed(name, head, data, round % 2);
        assert_same(name, whole, dcm_head_dataset(head));
        if (round == 3) {
            fed_in_all += fed;
            size_in_all += data.n;
        }
        dcm_head_free(head);
        arena_free(arena);
    }
}

static void real_files(void **state)
{
    assert_true(each_real_file(same_as_whole) > 300);
    assert_true(fed_in_all < size_in_all / 2);
}

/* Only what is skipped may be left out, and no more than that. */
static void what_may_be_passed(void **state)
{
    Arena *arena = arena_new(0);
    DcmReadOptions options = {.max_value = 4};
    DcmHead *head = dcm_head_new(arena, NULL, &options);
    Err err = {0};
    assert_int_equal(dcm_head_passable(head), 0);
    assert_true(dcm_head_feed(head, SPAN(PATIENT_ID "LO\x0A\0ab"), &err));
    assert_int_equal(dcm_head_passable(head), 8);
    assert_true(dcm_head_pass(head, 3, &err));
    assert_false(dcm_head_pass(head, 6, &err));
    assert_true(dcm_head_pass(head, 5, &err));
    assert_int_equal(dcm_head_passable(head), 0);
    assert_true(dcm_head_feed(head, SPAN(PIXELS "OW\0\0\2\0\0\0xy"), &err));
    assert_true(dcm_head_finish(head, &err));
    assert_true(dcm_find(dcm_head_dataset(head), DCM_PatientID)->skipped);
    assert_int_equal(dcm_find(dcm_head_dataset(head), DCM_PixelData)->value.n, 2);
    dcm_head_free(head);
    arena_free(arena);
}

/* Bytes have a limit of their own; text of that length is kept. So have fragments. */
static void bytes_and_text_have_limits_of_their_own(void **state)
{
    Arena *arena = arena_new(0);
    DcmReadOptions options = {.max_value = 100, .max_binary = 4};
    DcmHead *head = dcm_head_new(arena, NULL, &options);
    assert_true(dcm_head_feed(head, SPAN(PATIENT_ID "LO\6\0ABCDEF"), NULL));
    assert_true(dcm_head_feed(head, SPAN(PIXELS "OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0"), NULL));
    assert_true(dcm_head_feed(head, SPAN("\xFE\xFF\0\xE0\6\0\0\0"), NULL));
    assert_int_equal(dcm_head_passable(head), 6);
    assert_true(dcm_head_pass(head, 6, NULL));
    assert_true(
        dcm_head_feed(head, SPAN("\xFE\xFF\xDD\xE0\0\0\0\0\xFC\xFF\xFC\xFFOB\0\0\6\0\0\0abcdef"), NULL));
    assert_true(dcm_head_finish(head, NULL));
    const DcmDataset *ds = dcm_head_dataset(head);
    assert_int_equal(dcm_find(ds, DCM_PatientID)->value.n, 6);
    assert_true(dcm_find(ds, DCM_PixelData)->skipped);
    assert_int_equal(dcm_find(ds, DCM_PixelData)->item_count, 2);
    assert_true(dcm_find(ds, DCM_DataSetTrailingPadding)->skipped);
    dcm_head_free(head);
    arena_free(arena);
}

static void lasting_bytes_are_viewed(void **state)
{
    Arena *arena = arena_new(0);
    DcmHead *head = dcm_head_new(arena, NULL, NULL);
    char lasting[] = PATIENT_ID "LO\4\0ABC " PIXELS "OW\0\0\4\0\0\0wx", brief[] = "yz";
    assert_true(dcm_head_feed_lasting(head, span_of(lasting, sizeof lasting - 1), NULL));
    assert_true(dcm_head_feed(head, span_of(brief, 2), NULL));
    memset(brief, 0, sizeof brief);
    assert_true(dcm_head_finish(head, NULL));
    const DcmDataset *ds = dcm_head_dataset(head);
    assert_ptr_equal(dcm_find(ds, DCM_PatientID)->value.p, lasting + 8);
    assert_true(span_eq_cstr(dcm_find(ds, DCM_PixelData)->value, "wxyz"));
    dcm_head_free(head);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_at_the_first_unwanted_tag),
        cmocka_unit_test(checks_to_the_end),
        cmocka_unit_test(large_values_cost_no_memory),
        cmocka_unit_test(what_may_be_passed),
        cmocka_unit_test(bytes_and_text_have_limits_of_their_own),
        cmocka_unit_test(lasting_bytes_are_viewed),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
