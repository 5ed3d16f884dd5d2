// SPDX-License-Identifier: MIT
/*
 * The stack of open sequences, items and fragment lists. A frame of undefined length ends at its delimiter, and in any
 * case where the frame around it ends; one of defined length never reaches beyond the one around it.
 */
#include "dicom/scan_internal.h"
#include "dicom/tags.h"

#include <stdlib.h>
#include <string.h>

ScanFrame *scan_top(DcmScan *scan)
{
    return &scan->frames[scan->frame_count - 1];
}

static ScanFrame *push(DcmScan *scan)
{
    if (scan->frame_count == scan->frame_capacity) {
        size_t capacity = scan->frame_capacity ? scan->frame_capacity * 2 : 8;
        ScanFrame *frames = realloc(scan->frames, capacity * sizeof *frames);
        if (!frames)
            abort();
        scan->frames = frames;
        scan->frame_capacity = capacity;
    }
    return &scan->frames[scan->frame_count++];
}

/* A copy of the innermost frame, around which `length` bytes follow. */
static ScanFrame inner(DcmScan *scan, ScanFrameKind kind, uint32_t length)
{
    ScanFrame frame = *scan_top(scan);
    frame.kind = kind;
    frame.undefined = length == DCM_UNDEFINED_LENGTH;
    frame.creators = scan->creator_count;
    frame.fresh = true;
    frame.checked = false;
    frame.last = 0;
    if (!frame.undefined) {
        if (length > frame.end - scan->at)
            scan->defects |= DCM_DEFECT_SEQUENCE_END;
        else
            frame.end = scan->at + length;
    }
    return frame;
}

bool scan_open_sequence(DcmScan *scan, const DcmScanElement *e, bool fragments, bool implicit_inside,
                        bool muted, Err *err)
{
    ScanFrame frame = inner(scan, fragments ? SCAN_FRAGMENTS : SCAN_SEQUENCE, e->length);
    frame.element = *e;
    frame.muted |= muted;
    frame.depth = e->depth + 1;
    if (implicit_inside)
        frame.explicit_vr = frame.big_endian = false;
    if ((uint32_t)frame.depth > scan->limits.max_depth)
        return scan_fail(scan, err, ERR_LIMIT, e->tag, "sequences are nested more than %u deep",
                         scan->limits.max_depth);
    *push(scan) = frame;
    if (frame.muted || !scan->handler.sequence)
        return true;
    return scan->handler.sequence(scan->handler.ctx, e, true, err);
}

bool scan_open_item(DcmScan *scan, uint32_t length, Err *err)
{
    ScanFrame frame = inner(scan, SCAN_ITEM, length);
    *push(scan) = frame;
    if (frame.muted || !scan->handler.item)
        return true;
    return scan->handler.item(scan->handler.ctx, true, err);
}

bool scan_close(DcmScan *scan, Err *err)
{
    ScanFrame frame = *scan_top(scan);
    scan->frame_count--;
    scan->creator_count = frame.creators;
    if (frame.muted)
        return true;
    const DcmScanHandler *handler = &scan->handler;
    if (frame.kind == SCAN_ITEM)
        return !handler->item || handler->item(handler->ctx, false, err);
    return !handler->sequence || handler->sequence(handler->ctx, &frame.element, false, err);
}

bool scan_close_finished(DcmScan *scan, Err *err)
{
    while (scan->frame_count > 1 && scan->at >= scan_top(scan)->end) {
        if (scan_top(scan)->undefined)
            scan->defects |= DCM_DEFECT_SEQUENCE_END;
        if (!scan_close(scan, err))
            return false;
    }
    return true;
}

Span scan_creator(const DcmScan *scan, DcmTag tag)
{
    uint32_t block = (uint32_t)DCM_TAG_GROUP(tag) << 8 | DCM_TAG_ELEMENT(tag) >> 8;
    for (unsigned i = scan->creator_count; i > 0; i--) {
        const ScanCreator *creator = &scan->creators[i - 1];
        if (creator->block == block)
            return span_of(creator->name, creator->length);
    }
    return (Span){NULL, 0};
}

bool scan_wants_to_know(const DcmScanElement *e)
{
    if (e->fragment)
        return false;
    if (e->tag == DCM_PixelRepresentation)
        return e->length == 2;
    return DCM_TAG_IS_CREATOR(e->tag) && e->length > 0 && e->length <= SCAN_CREATOR_MAX;
}

void scan_learn(DcmScan *scan, const DcmScanElement *e, Span value)
{
    if (e->tag == DCM_PixelRepresentation) {
        scan_top(scan)->signed_pixels = value.p[0] == 1 || value.p[1] == 1;
        return;
    }
    if (!scan->creators) {
        scan->creators = malloc(SCAN_MAX_CREATORS * sizeof *scan->creators);
        if (!scan->creators)
            abort();
    }
    if (scan->creator_count == SCAN_MAX_CREATORS)
        return;
    value = span_trim(value);
    ScanCreator *creator = &scan->creators[scan->creator_count++];
    creator->block = (uint32_t)DCM_TAG_GROUP(e->tag) << 8 | DCM_TAG_ELEMENT(e->tag);
    creator->length = (uint8_t)value.n;
    if (value.n)
        memcpy(creator->name, value.p, value.n);
}
