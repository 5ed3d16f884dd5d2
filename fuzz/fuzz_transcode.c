// SPDX-License-Identifier: MIT
/* A whole object with encapsulated pixel data, as a Part 10 file; read decoded, piece by piece. What comes is a data set in explicit VR little endian. */
#include "fuzz.h"

#include "dicom/part10.h"
#include "dicom/uids.h"
#include "pixel/pixel.h"

#include <string.h>

enum { MOST = 16u << 20 };

static ssize_t read_at(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    Span *object = ctx, piece = offset < object->n ? span_sub(*object, (size_t)offset, n) : (Span){0};
    if (piece.n)
        memcpy(p, piece.p, piece.n);
    return (ssize_t)piece.n;
}

static void check_output(Span out)
{
    static const DcmReadOptions options = {.limits = {.max_elements = 20000}};
    Err err = {0};
    Arena *arena = arena_new(0);
    if (!dcm_dataset_parse(arena, out, dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), &options,
                           &err) &&
        err.code != ERR_LIMIT)
        fuzz_broken();
    arena_free(arena);
}

int fuzz_transcode(const uint8_t *data, size_t size)
{
    Span bytes = span_of(data, size);
    DcmFileMeta meta;
    Err err = {0};
    if (!dcm_file_meta_parse(bytes, false, &meta, NULL, &err) || meta.data_offset > size)
        return 0;
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(meta.transfer_syntax));
    Span object = span_sub(bytes, (size_t)meta.data_offset, size);
    if (!syntax || !pix_can_decode(syntax))
        return 0;
    PixDecoder *decoder = pix_decoder_new(syntax, read_at, &object, object.n, &err);
    if (!decoder) {
        if (!*err.text)
            fuzz_broken();
        return 0;
    }
    Buf out;
    buf_init(&out, MOST);
    ssize_t n = -1;
    uint8_t *room;
    while ((room = buf_reserve(&out, 65536)) &&
           (n = pix_decoder_read(decoder, room, 1 + size % 65536, &err)) > 0)
        out.n += (size_t)n;
    if (n == 0)
        check_output(buf_span(&out));
    else if (room && !*err.text)
        fuzz_broken();
    buf_free(&out);
    pix_decoder_free(decoder);
    return 0;
}
