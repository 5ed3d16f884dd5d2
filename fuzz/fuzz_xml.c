// SPDX-License-Identifier: MIT
/* A document of the Native DICOM Model. What can be read can be written, and read again as the same. */
#include "fuzz.h"

#include "dicom/xml.h"

static DcmDataset *again(Arena *arena, const DcmDataset *ds, Buf *text)
{
    Err err = {0};
    if (!dcm_xml_write(text, ds, NULL, &err))
        fuzz_broken();
    DcmDataset *back = dcm_xml_read(arena, buf_span(text), NULL, &err);
    if (!back && err.code != ERR_LIMIT)
        fuzz_broken();
    return back;
}

int fuzz_xml(const uint8_t *data, size_t size)
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
        fuzz_broken();
    if (partial && !dcm_xml_write(&third, partial, NULL, &err))
        fuzz_broken();
    buf_clear(&third);
    /* the first writing settles padding and empty values; from then on nothing changes */
    ds = ds ? again(arena, ds, &first) : NULL;
    ds = ds ? again(arena, ds, &second) : NULL;
    if (ds) {
        again(arena, ds, &third);
        if (!span_eq(buf_span(&second), buf_span(&third)))
            fuzz_broken();
    }
    buf_free(&first);
    buf_free(&second);
    buf_free(&third);
    arena_free(arena);
    return 0;
}
