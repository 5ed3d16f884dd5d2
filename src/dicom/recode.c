// SPDX-License-Identifier: MIT
/*
 * A scan whose every value is streamed into the encoding of the other syntax. Values that are swapped pass through
 * `carry`, which holds the bytes of a unit that is not complete yet.
 */
#include "dicom/recode.h"
#include "dicom/deflate.h"
#include "dicom/scan.h"
#include "dicom/swap.h"
#include "dicom/tags.h"
#include "dicom/write.h"

#include <stdlib.h>
#include <string.h>

enum { DEFLATE_AT = 256 * 1024, MAX_SHORT_LENGTH = 0xFFFE };

struct DcmRecode {
    DcmScan *scan;
    const DcmTransferSyntax *to;
    DcmDeflate *deflate; /* NULL unless `to` is deflated */
    Buf *out;            /* where encoded bytes go: the caller's, or `plain` */
    Buf plain;           /* what is still to be deflated */
    Buf *target;         /* the caller's */
    uint8_t carry[8];
    unsigned carried;
};

static bool check(const DcmRecode *r, Err *err)
{
    return !r->out->failed || err_set(err, ERR_LIMIT, "re-encode: larger than %zu bytes", r->out->limit);
}

/* Deflates what has gathered when it is worth it. */
static bool flush(DcmRecode *r, size_t at_least, Err *err)
{
    if (!r->deflate || r->plain.n < at_least)
        return true;
    bool ok = dcm_deflate_feed(r->deflate, buf_span(&r->plain), r->target, err);
    buf_clear(&r->plain);
    return ok;
}

static uint32_t even(uint32_t length)
{
    return length + length % 2;
}

static DcmScanWish on_element(void *ctx, const DcmScanElement *e, Err *err)
{
    DcmRecode *r = ctx;
    if (!e->fragment && DCM_TAG_ELEMENT(e->tag) == 0)
        return DCM_SCAN_SKIP;
    if (e->vr == DCM_VR_SQ || e->length == DCM_UNDEFINED_LENGTH)
        return DCM_SCAN_TAKE; /* sequence() writes the header */
    dcm_write_header(r->out, e->fragment ? DCM_Item : e->tag, e->vr, even(e->length), r->to);
    r->carried = 0;
    return check(r, err) ? DCM_SCAN_STREAM : DCM_SCAN_FAIL;
}

static bool on_value(void *ctx, const DcmScanElement *e, Span value, bool is_view, Err *err)
{
    return true; /* only sequences are taken, and they have none */
}

static bool on_sequence(void *ctx, const DcmScanElement *e, bool begins, Err *err)
{
    DcmRecode *r = ctx;
    if (begins)
        dcm_write_header(r->out, e->tag, e->vr, DCM_UNDEFINED_LENGTH, r->to);
    else
        dcm_write_header(r->out, DCM_SequenceDelimitationItem, DCM_VR_NONE, 0, r->to);
    return check(r, err);
}

static bool on_item(void *ctx, bool begins, Err *err)
{
    DcmRecode *r = ctx;
    if (begins)
        dcm_write_header(r->out, DCM_Item, DCM_VR_NONE, DCM_UNDEFINED_LENGTH, r->to);
    else
        dcm_write_header(r->out, DCM_ItemDelimitationItem, DCM_VR_NONE, 0, r->to);
    return check(r, err);
}

/* Appends whole units of carry + piece, swapped; keeps the rest in carry. */
static void append_swapped(DcmRecode *r, Span piece, unsigned unit)
{
    while (r->carried > 0 && r->carried < sizeof r->carry && piece.n > 0) {
        r->carry[r->carried++] = piece.p[0];
        piece = span_sub(piece, 1, piece.n);
        if (r->carried == unit) {
            dcm_swap(r->carry, unit, unit);
            buf_append(r->out, r->carry, unit);
            r->carried = 0;
        }
    }
    size_t whole = piece.n - piece.n % unit, from = r->out->n;
    if (whole && buf_append(r->out, piece.p, whole))
        dcm_swap(r->out->p + from, whole, unit);
    for (size_t i = whole; i < piece.n; i++)
        r->carry[r->carried++] = piece.p[i];
}

static bool on_part(void *ctx, const DcmScanElement *e, Span piece, uint64_t at, bool last, Err *err)
{
    DcmRecode *r = ctx;
    /* What a 16-bit length cannot hold goes out as UN, which is little endian as it came. */
    bool as_unknown = r->to->explicit_vr && !dcm_vr_info(e->vr)->long_length && e->length > MAX_SHORT_LENGTH;
    unsigned unit = as_unknown ? 1 : dcm_vr_swap_unit(e->vr);
    if (e->big_endian != r->to->big_endian && unit > 1)
        append_swapped(r, piece, unit);
    else
        buf_append_span(r->out, piece);
    if (last) {
        buf_append(r->out, r->carry, r->carried);
        r->carried = 0;
        if (e->length % 2)
            buf_u8(r->out, (uint8_t)dcm_vr_info(e->vr)->pad);
    }
    return check(r, err) && flush(r, DEFLATE_AT, err);
}

DcmRecode *dcm_recode_new(const DcmTransferSyntax *from, const DcmTransferSyntax *to, Err *err)
{
    const DcmTransferSyntax *other = from && from->native ? to : from;
    if (!from || !to || !from->native || !to->native) {
        err_set(err, ERR_UNSUPPORTED, "re-encode: %s is not one of the uncompressed transfer syntaxes",
                other ? other->name : "an unknown transfer syntax");
        return NULL;
    }
    DcmRecode *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    DcmScanHandler handler = {.ctx = r,
                              .element = on_element,
                              .value = on_value,
                              .sequence = on_sequence,
                              .item = on_item,
                              .part = on_part};
    r->scan = dcm_scan_new(from, NULL, &handler);
    r->to = to;
    buf_init(&r->plain, 0);
    if (to->deflated)
        r->deflate = dcm_deflate_new();
    return r;
}

void dcm_recode_free(DcmRecode *r)
{
    if (!r)
        return;
    dcm_scan_free(r->scan);
    dcm_deflate_free(r->deflate);
    buf_free(&r->plain);
    free(r);
}

bool dcm_recode_feed(DcmRecode *r, Span in, Buf *out, Err *err)
{
    r->target = out;
    r->out = r->deflate ? &r->plain : out;
    return dcm_scan_feed(r->scan, in, err);
}

bool dcm_recode_finish(DcmRecode *r, Buf *out, Err *err)
{
    r->target = out;
    r->out = r->deflate ? &r->plain : out;
    if (!dcm_scan_finish(r->scan, err))
        return false;
    return !r->deflate || (flush(r, 0, err) && dcm_deflate_finish(r->deflate, out, err));
}
