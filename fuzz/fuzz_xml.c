// SPDX-License-Identifier: MIT
/* A document of the Native DICOM Model. What can be read can be written, and read again as the same. */
#include "dicom/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static DcmDataset *again(Arena *arena, const DcmDataset *ds, Buf *text)
{
    Err err = {0};
    if (!dcm_xml_write(text, ds, NULL, &err))
        __builtin_trap();
    DcmDataset *back = dcm_xml_read(arena, buf_span(text), NULL, &err);
    if (!back && err.code != ERR_LIMIT)
        __builtin_trap();
    return back;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(8u << 20);
    Buf first, second, third;
    Err err = {0};
    DcmDataset *partial;
    buf_init(&first, 0);
    buf_init(&second, 0);
    buf_init(&third, 0);
    DcmDataset *ds = dcm_xml_read(arena, span_of(data, size), &partial, &err);
    if (!ds && !err.text[0])
        __builtin_trap();
    if (partial && !dcm_xml_write(&third, partial, NULL, &err))
        __builtin_trap();
    buf_clear(&third);
    /* the first writing settles padding and empty values; from then on nothing changes */
    ds = ds ? again(arena, ds, &first) : NULL;
    ds = ds ? again(arena, ds, &second) : NULL;
    if (ds) {
        again(arena, ds, &third);
        if (!span_eq(buf_span(&second), buf_span(&third)))
            __builtin_trap();
    }
    buf_free(&first);
    buf_free(&second);
    buf_free(&third);
    arena_free(arena);
    return 0;
}
