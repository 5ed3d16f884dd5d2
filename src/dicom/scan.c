// SPDX-License-Identifier: MIT
/*
 * The push parser. Between two calls it stands either inside a header (at most twelve bytes, kept in `head`) or inside
 * a value (`left` bytes to go); every decision is made on a whole header, so that how the input is cut changes nothing.
 * Not thread-safe: one scan belongs to one thread.
 */
#include "dicom/scan_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than this behind the first header of an undelimited data set is no implicit VR length. */
#define FIRST_VALUE_MAX (1u << 20)

bool scan_fail(DcmScan *scan, Err *err, ErrCode code, DcmTag tag, const char *format, ...)
{
    char reason[256], name[12];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return err_set(err, code, "data set, %s at byte %llu: %s", dcm_tag_format(tag, name),
                   (unsigned long long)(scan->at - scan->head_n), reason);
}

static bool feed_plain(void *ctx, Span bytes, Err *err);

DcmScan *dcm_scan_new(const DcmTransferSyntax *syntax, const DcmScanLimits *limits,
                      const DcmScanHandler *handler)
{
    DcmScan *scan = calloc(1, sizeof *scan);
    if (!scan || !(scan->frames = calloc(8, sizeof *scan->frames)))
        abort();
    scan->frame_capacity = 8;
    scan->handler = *handler;
    if (limits)
        scan->limits = *limits;
    if (scan->limits.max_depth == 0 || scan->limits.max_depth > INT32_MAX)
        scan->limits.max_depth = 64;
    if (scan->limits.max_elements == 0)
        scan->limits.max_elements = 50 * 1000 * 1000;
    if (scan->limits.max_taken_value == 0)
        scan->limits.max_taken_value = 16u << 20;
    if (scan->limits.max_taken_value < SCAN_CREATOR_MAX)
        scan->limits.max_taken_value = SCAN_CREATOR_MAX;
    if (scan->limits.max_inflate_ratio == 0)
        scan->limits.max_inflate_ratio = 1100;
    buf_init(&scan->gathered, scan->limits.max_taken_value);
    scan->frames[scan->frame_count++] = (ScanFrame){.kind = SCAN_SET,
                                                    .explicit_vr = !syntax || syntax->explicit_vr,
                                                    .big_endian = syntax && syntax->big_endian,
                                                    .fresh = true,
                                                    .end = UINT64_MAX};
    if (syntax && syntax->deflated)
        scan->inflate = dcm_inflate_new(scan->limits.max_inflate_ratio, feed_plain, scan);
    return scan;
}

void dcm_scan_resolve_un(DcmScan *scan)
{
    scan->resolve_un = true;
}

void dcm_scan_free(DcmScan *scan)
{
    if (!scan)
        return;
    dcm_inflate_free(scan->inflate);
    buf_free(&scan->gathered);
    free(scan->creators);
    free(scan->frames);
    free(scan);
}

bool dcm_scan_stopped(const DcmScan *scan)
{
    return scan->state == SCAN_STOPPED;
}

unsigned dcm_scan_defects(const DcmScan *scan)
{
    return scan->defects | (scan->inflate ? dcm_inflate_defects(scan->inflate) : 0);
}

uint64_t dcm_scan_offset(const DcmScan *scan)
{
    return scan->at;
}

static Span take(DcmScan *scan, Span *in, uint64_t n)
{
    Span taken = span_sub(*in, 0, n < in->n ? (size_t)n : in->n);
    *in = span_sub(*in, taken.n, in->n);
    scan->at += taken.n;
    return taken;
}

static bool all_zero(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i])
            return false;
    return true;
}

/* A whole value has come (view or gathered). */
bool scan_deliver(DcmScan *scan, Span value, bool is_view, Err *err)
{
    const DcmScanHandler *handler = &scan->handler;
    const DcmScanElement *e = &scan->element;
    scan->state = SCAN_HEADER;
    if (scan_wants_to_know(e))
        scan_learn(scan, e, value);
    if (scan->tell && scan->in_pieces && !handler->part(handler->ctx, e, value, 0, true, err))
        return false;
    if (scan->tell && !scan->in_pieces && !handler->value(handler->ctx, e, value, is_view, err))
        return false;
    return scan_close_finished(scan, err);
}

static bool gather(DcmScan *scan, Span *in, Err *err)
{
    uint32_t length = scan->element.length;
    if (scan->left == length && in->n >= length) {
        scan->left = 0;
        return scan_deliver(scan, take(scan, in, length), !scan->inflate, err);
    }
    if (length > scan->limits.max_taken_value)
        return scan_fail(scan, err, ERR_LIMIT, scan->element.tag,
                         "a value of %u bytes is more than the %u that are kept", length,
                         scan->limits.max_taken_value);
    Span part = take(scan, in, scan->left);
    if (!buf_append_span(&scan->gathered, part))
        return scan_fail(scan, err, ERR_LIMIT, scan->element.tag, "no memory for a value of %u bytes",
                         length);
    scan->left -= part.n;
    if (scan->left > 0)
        return true;
    bool ok = scan_deliver(scan, buf_span(&scan->gathered), false, err);
    buf_clear(&scan->gathered);
    return ok;
}

static bool hand_out(DcmScan *scan, Span *in, Err *err)
{
    uint64_t done = scan->element.length - scan->left;
    Span part = take(scan, in, scan->left);
    scan->left -= part.n;
    if (!scan->handler.part(scan->handler.ctx, &scan->element, part, done, scan->left == 0, err))
        return false;
    if (scan->left > 0)
        return true;
    scan->state = SCAN_HEADER;
    return scan_close_finished(scan, err);
}

static bool pass_over(DcmScan *scan, Span *in, Err *err)
{
    scan->left -= take(scan, in, scan->left).n;
    if (scan->left > 0)
        return true;
    scan->state = SCAN_HEADER;
    return scan_close_finished(scan, err);
}

static bool padding(DcmScan *scan, Span *in, Err *err)
{
    size_t zeros = 0;
    while (zeros < in->n && in->p[zeros] == 0)
        zeros++;
    take(scan, in, zeros);
    if (in->n > 0)
        return scan_fail(scan, err, ERR_FORMAT, 0, "something follows the zeros behind the last element");
    return true;
}

/* Eight zeros where an element should be: padding to the end of the item or of the input. */
static void begin_padding(DcmScan *scan)
{
    const ScanFrame *top = scan_top(scan);
    scan->defects |= DCM_DEFECT_PADDING;
    scan->head_n = 0;
    scan->state = top->kind == SCAN_SET ? SCAN_PADDING : SCAN_PASS;
    scan->left = top->end - scan->at;
    if (scan->state == SCAN_PASS && scan->left == 0)
        scan->state = SCAN_HEADER;
}

static bool is_padding(DcmScan *scan)
{
    if (scan->head[0] | scan->head[1] | scan->head[2] | scan->head[3])
        return false;
    const ScanFrame *top = scan_top(scan);
    bool possible = top->kind == SCAN_SET ? scan->elements > 0 : top->kind == SCAN_ITEM && !top->undefined;
    return possible && all_zero(span_of(scan->head, DCM_HEADER_MIN));
}

static bool fill_head(DcmScan *scan, Span *in, unsigned size)
{
    if (scan->head_n < size) {
        Span part = take(scan, in, size - scan->head_n);
        if (part.n)
            memcpy(scan->head + scan->head_n, part.p, part.n);
        scan->head_n += (unsigned)part.n;
    }
    return scan->head_n >= size;
}

/* The first element of a data set or item shows how it is really encoded. */
static void correct_encoding(DcmScan *scan)
{
    ScanFrame *top = scan_top(scan);
    if (top->checked || (top->kind != SCAN_SET && top->kind != SCAN_ITEM))
        return;
    top->checked = true;
    uint64_t room = top->end == UINT64_MAX ? FIRST_VALUE_MAX : top->end - scan->at;
    if (dcm_header_correct(span_of(scan->head, DCM_HEADER_MIN), room, &top->explicit_vr, &top->big_endian))
        scan->defects |= DCM_DEFECT_WRONG_SYNTAX;
}

static bool header(DcmScan *scan, Span *in, Err *err)
{
    uint64_t room = scan_top(scan)->end - scan->at;
    if (scan->head_n == 0 && room < DCM_HEADER_MIN) {
        scan->defects |= DCM_DEFECT_SEQUENCE_END;
        scan->left = room;
        scan->state = SCAN_PASS;
        return true;
    }
    if (!fill_head(scan, in, DCM_HEADER_MIN))
        return true;
    if (is_padding(scan)) {
        begin_padding(scan);
        return scan->state != SCAN_HEADER || scan_close_finished(scan, err);
    }
    correct_encoding(scan);
    bool again = true;
    while (again) {
        const ScanFrame *top = scan_top(scan);
        bool between = top->kind == SCAN_SEQUENCE || top->kind == SCAN_FRAGMENTS;
        bool explicit_vr = top->explicit_vr && !between;
        DcmHeader h;
        unsigned size =
            dcm_header_decode(span_of(scan->head, scan->head_n), explicit_vr, top->big_endian, &h);
        if (size > scan->head_n) {
            if (!fill_head(scan, in, size))
                return true;
            dcm_header_decode(span_of(scan->head, scan->head_n), explicit_vr, top->big_endian, &h);
        }
        again = false;
        if (!scan_on_header(scan, &h, &again, err))
            return false;
    }
    scan->head_n = 0;
    return scan->state != SCAN_HEADER || scan_close_finished(scan, err);
}

static bool step(DcmScan *scan, Span *in, Err *err)
{
    switch (scan->state) {
    case SCAN_HEADER:
        return header(scan, in, err);
    case SCAN_PASS:
        return pass_over(scan, in, err);
    case SCAN_GATHER:
        return gather(scan, in, err);
    case SCAN_PIECES:
        return hand_out(scan, in, err);
    case SCAN_PADDING:
        return padding(scan, in, err);
    case SCAN_STOPPED:
        *in = (Span){NULL, 0};
        return true;
    }
    return false;
}

static bool feed_plain(void *ctx, Span bytes, Err *err)
{
    DcmScan *scan = ctx;
    while (bytes.n > 0)
        if (!step(scan, &bytes, err))
            return false;
    return true;
}

/* Keeps the first error, so that a caller who goes on feeding is told it again. */
static bool conclude(DcmScan *scan, bool ok, const Err *local, Err *err)
{
    if (!ok && !scan->failed) {
        scan->failed = true;
        scan->error = *local;
        if (scan->error.code == ERR_NONE)
            err_set(&scan->error, ERR_INTERNAL, "data set: the reader gave up without a reason");
    }
    if (scan->failed && err)
        *err = scan->error;
    return !scan->failed;
}

bool dcm_scan_feed(DcmScan *scan, Span bytes, Err *err)
{
    Err local = {0};
    if (scan->failed)
        return conclude(scan, false, &local, err);
    if (scan->state == SCAN_STOPPED)
        return true;
    bool ok =
        scan->inflate ? dcm_inflate_feed(scan->inflate, bytes, &local) : feed_plain(scan, bytes, &local);
    return conclude(scan, ok, &local, err);
}

uint64_t dcm_scan_passable(const DcmScan *scan)
{
    return scan->state == SCAN_PASS && !scan->inflate && !scan->failed ? scan->left : 0;
}

bool dcm_scan_pass(DcmScan *scan, uint64_t n, Err *err)
{
    Err local = {0};
    if (n > dcm_scan_passable(scan))
        return err_set(err, ERR_INTERNAL, "data set: more is passed over than may be");
    scan->at += n;
    scan->left -= n;
    if (scan->left > 0)
        return true;
    scan->state = SCAN_HEADER;
    return conclude(scan, scan_close_finished(scan, &local), &local, err);
}

static bool check_end(DcmScan *scan, Err *err)
{
    const ScanFrame *top = scan_top(scan);
    if (scan->state == SCAN_GATHER || scan->state == SCAN_PIECES || scan->state == SCAN_PASS)
        return scan_fail(scan, err, ERR_FORMAT, scan->element.tag,
                         "the data ends here, %llu bytes before the end of its value",
                         (unsigned long long)scan->left);
    if (scan->frame_count > 1)
        return scan_fail(scan, err, ERR_FORMAT, top->element.tag, "the data ends here, inside a sequence");
    if (scan->head_n == 0)
        return true;
    bool zeros = scan->head_n < DCM_HEADER_MIN && all_zero(span_of(scan->head, scan->head_n));
    if (!zeros || scan->elements == 0)
        return scan_fail(scan, err, ERR_FORMAT, top->last,
                         "the data ends inside the header behind this element");
    scan->defects |= DCM_DEFECT_PADDING;
    scan->head_n = 0;
    return true;
}

bool dcm_scan_finish(DcmScan *scan, Err *err)
{
    Err local = {0};
    if (scan->failed)
        return conclude(scan, false, &local, err);
    if (scan->state == SCAN_STOPPED)
        return true;
    bool ok = (!scan->inflate || dcm_inflate_finish(scan->inflate, &local)) &&
              (scan->state == SCAN_STOPPED || check_end(scan, &local));
    return conclude(scan, ok, &local, err);
}
