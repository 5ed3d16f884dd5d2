// SPDX-License-Identifier: MIT
/*
 * The scanner and all that stands on it. The first byte says the transfer syntax, unless the input is a file with
 * "DICM" at byte 128, which says its own. A scan of the whole and one in pieces must tell the same; then data set, head, getters,
 * copies, writing and re-encoding, for crashes, leaks and hangs.
 */
#include "fuzz.h"

#include "../tests/unit/dicom/scan_trace.h"
#include "dicom/part10.h"
#include "dicom/recode.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "dicom/write.h"

#include <stdio.h>
#include <string.h>

static const char *const syntaxes[] = {DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian,
                                       DCM_UID_ExplicitVRBigEndian, DCM_UID_DeflatedExplicitVRLittleEndian,
                                       DCM_UID_JPEGBaseline8Bit};
enum { SYNTAXES = sizeof syntaxes / sizeof *syntaxes };

static const DcmScanLimits limits = {
    .max_depth = 20, .max_elements = 20000, .max_taken_value = 8u << 20, .max_inflate_ratio = 200};

static size_t piece(void *ctx)
{
    uint32_t *seed = ctx;
    *seed = *seed * 1664525u + 1013904223u;
    return 1 + (*seed >> 16) % ((*seed >> 8) % 3 ? 9 : 200);
}

/* Where in a deflated stream damage or the growth limit shows depends on how zlib is fed. */
static bool cut_dependent(const char *text)
{
    return strstr(text, "damaged at") || strstr(text, "grows more than");
}

static void scan_both_ways(Span bytes, const DcmTransferSyntax *syntax)
{
    ScanTrace whole = trace_new(TRACE_MIXED), cut = trace_new(TRACE_MIXED);
    uint32_t seed = (uint32_t)bytes.n;
    trace_scan(&whole, bytes, syntax, &limits, NULL, NULL);
    trace_scan(&cut, bytes, syntax, &limits, piece, &seed);
    const char *a = buf_cstr(&whole.text), *b = buf_cstr(&cut.text);
    if (strcmp(a, b) != 0 && !cut_dependent(a) && !cut_dependent(b)) {
        fprintf(stderr, "whole:\n%s\nin pieces:\n%s\n", a, b);
        fuzz_broken();
    }
    buf_free(&whole.text);
    buf_free(&cut.text);
}

static void look(Arena *arena, const DcmDataset *ds, Buf *out)
{
    DcmDataset *copy = dcm_dataset_new(arena);
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        int64_t integer;
        double real;
        char uid[65];
        buf_clear(out);
        dcm_element_describe(ds, e, out);
        dcm_int(ds, e->tag, 0, &integer);
        dcm_real(ds, e->tag, dcm_value_count(ds, e->tag), &real);
        dcm_uid(ds, e->tag, uid);
        dcm_text(arena, ds, e->tag, 1);
        dcm_element_text_all(arena, ds, e);
        dcm_copy(copy, ds, e);
        for (uint32_t k = 0; e->vr == DCM_VR_SQ && k < e->item_count; k++)
            look(arena, e->items[k], out);
    }
}

static void parse(Span bytes, const DcmTransferSyntax *syntax, bool resolve_un)
{
    Arena *arena = arena_new(0);
    Buf out;
    buf_init(&out, 16u << 20);
    DcmReadOptions options = {.resolve_un = resolve_un, .tolerate_truncated = true, .limits = limits};
    DcmDataset *ds = dcm_dataset_parse(arena, bytes, syntax, &options, NULL);
    if (ds)
        look(arena, ds, &out);
    for (int i = 0; ds && i < SYNTAXES; i++) {
        const DcmTransferSyntax *to = dcm_transfer_syntax(span_cstr(syntaxes[i]));
        buf_clear(&out);
        if (dcm_write(&out, ds, to, NULL))
            dcm_dataset_parse(arena, buf_span(&out), to, NULL, NULL);
    }
    buf_free(&out);
    arena_free(arena);
}

static void head(Span bytes, const DcmTransferSyntax *syntax)
{
    Arena *arena = arena_new(1u << 20);
    DcmReadOptions options = {.stop_before = DCM_PixelData, .max_value = 1024, .limits = limits};
    if (arena_used(arena) > 0)
        fuzz_broken();
    DcmHead *h = dcm_head_new(arena, syntax, &options);
    uint32_t seed = (uint32_t)bytes.n + 1;
    bool ok = true;
    while (ok && bytes.n > 0) {
        size_t n = piece(&seed);
        ok = dcm_head_feed(h, span_sub(bytes, 0, n), NULL);
        bytes = span_sub(bytes, n, bytes.n);
        dcm_head_dataset(h);
    }
    dcm_head_finish(h, NULL);
    dcm_head_free(h);
    arena_free(arena);
}

static void recode(Span bytes, const DcmTransferSyntax *from, const DcmTransferSyntax *to)
{
    DcmRecode *r = dcm_recode_new(from, to, NULL);
    Buf out;
    buf_init(&out, 16u << 20);
    if (r && dcm_recode_feed(r, bytes, &out, NULL))
        dcm_recode_finish(r, &out, NULL);
    dcm_recode_free(r);
    buf_free(&out);
}

int fuzz_dataset(const uint8_t *data, size_t size)
{
    Span bytes = span_of(data, size);
    DcmFileMeta meta;
    const DcmTransferSyntax *syntax;
    if (span_eq(span_sub(bytes, 128, 4), SPAN("DICM")) &&
        dcm_file_meta_parse(bytes, false, &meta, NULL, NULL)) {
        syntax = dcm_transfer_syntax(span_cstr(meta.transfer_syntax));
        bytes = span_sub(bytes, (size_t)meta.data_offset, bytes.n);
    } else if (size > 0) {
        syntax = dcm_transfer_syntax(span_cstr(syntaxes[data[0] % SYNTAXES]));
        bytes = span_sub(bytes, 1, bytes.n);
    } else {
        return 0;
    }
    scan_both_ways(bytes, syntax);
    parse(bytes, syntax, false);
    parse(bytes, syntax, true);
    head(bytes, syntax);
    if (syntax && syntax->native)
        recode(bytes, syntax, dcm_transfer_syntax(span_cstr(syntaxes[size % 4])));
    return 0;
}
