// SPDX-License-Identifier: MIT
/* A DICOM JSON document. What can be read can be written, and read again as the same. */
#include "fuzz.h"

#include "dicom/json.h"
#include "dicom/xml.h"

static DcmDataset *again(Arena *arena, const DcmDataset *ds, Buf *text)
{
    Err err = {0};
    JsonWriter w = json_writer(text);
    if (!dcm_json_write(&w, ds, NULL, &err))
        fuzz_broken();
    DcmDataset *back = dcm_json_read(arena, buf_span(text), &err);
    if (!back && err.code != ERR_LIMIT)
        fuzz_broken();
    return back;
}

static bool visit(void *ctx, DcmDataset *ds, const Err *why, Err *err)
{
    Buf text;
    buf_init(&text, 0);
    JsonWriter w = json_writer(&text);
    if ((!ds && !why) || (why && !why->text[0]) || (ds && !dcm_json_write(&w, ds, NULL, err)))
        fuzz_broken();
    buf_free(&text);
    return true;
}

int fuzz_json(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(8u << 20);
    Buf first, second, third;
    Err err = {0};
    buf_init(&first, 0);
    buf_init(&second, 0);
    buf_init(&third, 0);
    DcmDataset *ds = dcm_json_read(arena, span_of(data, size), &err);
    if (!ds && !err.text[0])
        fuzz_broken();
    bool read = dcm_json_read_each(arena, span_of(data, size), &(DcmReadEach){visit, NULL}, &err);
    if (ds && !read && err.code != ERR_LIMIT)
        fuzz_broken();
    if (ds && dcm_xml_write(&third, ds, NULL, &err))
        buf_clear(&third);
    /* the first writing settles numbers and padding; from then on nothing changes */
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
