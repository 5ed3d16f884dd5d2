// SPDX-License-Identifier: MIT
/* Writes down what a scan tells its handler, one line per event, so that two scans can be compared. */
#ifndef GANTRY_TEST_SCAN_TRACE_H
#define GANTRY_TEST_SCAN_TRACE_H

#include "base/buf.h"
#include "dicom/scan.h"

#include <inttypes.h>

typedef struct ScanTrace {
    Buf text;
    /* What is wished: all values taken; all skipped; by tag, taken, streamed or skipped. */
    enum { TRACE_TAKE, TRACE_SKIP, TRACE_MIXED } mode;
    DcmTag stop_at;
    uint64_t hash;
} ScanTrace;

static ScanTrace trace_new(int mode)
{
    ScanTrace t = {0};
    t.mode = mode;
    buf_init(&t.text, 0);
    return t;
}

static uint64_t trace_hash(uint64_t hash, Span s)
{
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ s.p[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static DcmScanWish trace_element(void *ctx, const DcmScanElement *e, Err *err)
{
    ScanTrace *t = ctx;
    buf_printf(&t->text, "%d %08X %s %u @%" PRIu64 "%s%s%s%.*s\n", e->depth, (unsigned)e->tag,
               dcm_vr_info(e->vr)->name, (unsigned)e->length, e->offset, e->fragment ? " fragment" : "",
               e->big_endian ? " big" : "", e->creator.n ? " " : "", SPAN_FMT(e->creator));
    if (t->stop_at && e->depth == 0 && e->tag >= t->stop_at)
        return DCM_SCAN_STOP;
    if (t->mode != TRACE_MIXED)
        return t->mode == TRACE_TAKE ? DCM_SCAN_TAKE : DCM_SCAN_SKIP;
    if (e->vr == DCM_VR_SQ || e->length == DCM_UNDEFINED_LENGTH)
        return e->tag % 8 == 5 ? DCM_SCAN_SKIP : DCM_SCAN_TAKE;
    static const DcmScanWish wishes[] = {DCM_SCAN_TAKE, DCM_SCAN_STREAM, DCM_SCAN_SKIP};
    return wishes[(e->tag >> 1) % 3];
}

/* Short values as they are, long ones as a hash. */
static bool trace_value(void *ctx, const DcmScanElement *e, Span value, bool is_view, Err *err)
{
    ScanTrace *t = ctx;
    if (value.n > 32)
        return buf_printf(&t->text, "value %zu %016" PRIx64 "\n", value.n, trace_hash(1, value));
    buf_append_cstr(&t->text, "value [");
    for (size_t i = 0; i < value.n; i++)
        buf_printf(&t->text, value.p[i] > ' ' && value.p[i] < 0x7F ? "%c" : "<%02x>", value.p[i]);
    return buf_append_cstr(&t->text, "]\n");
}

static bool trace_part(void *ctx, const DcmScanElement *e, Span piece, uint64_t at, bool last, Err *err)
{
    ScanTrace *t = ctx;
    t->hash = trace_hash(at == 0 ? 1 : t->hash, piece);
    return !last || buf_printf(&t->text, "streamed %" PRIu64 " %016" PRIx64 "\n", at + piece.n, t->hash);
}

static bool trace_sequence(void *ctx, const DcmScanElement *e, bool begins, Err *err)
{
    ScanTrace *t = ctx;
    return buf_printf(&t->text, "%s %08X\n", begins ? "sequence" : "end of sequence", (unsigned)e->tag);
}

static bool trace_item(void *ctx, bool begins, Err *err)
{
    ScanTrace *t = ctx;
    return buf_append_cstr(&t->text, begins ? "item\n" : "end of item\n");
}

/* Scans `bytes`, cut where `cut` says (pieces of cut(ctx) bytes; NULL: whole), and notes result and defects too. */
static void trace_scan(ScanTrace *t, Span bytes, const DcmTransferSyntax *syntax, const DcmScanLimits *limits,
                       size_t (*cut)(void *ctx), void *ctx)
{
    DcmScanHandler handler = {t, trace_element, trace_value, trace_sequence, trace_item, trace_part};
    DcmScan *scan = dcm_scan_new(syntax, limits, &handler);
    Err err = {0};
    bool ok = true;
    while (ok && bytes.n > 0) {
        size_t n = cut ? cut(ctx) : bytes.n;
        ok = dcm_scan_feed(scan, span_sub(bytes, 0, n), &err);
        bytes = span_sub(bytes, n, bytes.n);
    }
    ok = ok && dcm_scan_finish(scan, &err);
    buf_printf(&t->text, "%s at %" PRIu64 ", defects %x%s\n", ok ? "read" : err.text, dcm_scan_offset(scan),
               dcm_scan_defects(scan), dcm_scan_stopped(scan) ? ", stopped" : "");
    dcm_scan_free(scan);
}

#endif
