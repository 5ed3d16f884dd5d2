// SPDX-License-Identifier: MIT
/*
 * What a header means where it stands, PS3.5 §7.5 and A.4: an element, an item, a fragment, a delimiter, or one of the
 * mistakes that are common enough to be read past (each leaves its DcmDefect).
 */
#include "dicom/dict.h"
#include "dicom/scan_internal.h"
#include "dicom/tags.h"

static bool count(DcmScan *scan, DcmTag tag, Err *err)
{
    if (++scan->elements > scan->limits.max_elements)
        return scan_fail(scan, err, ERR_LIMIT, tag, "more than %llu elements",
                         (unsigned long long)scan->limits.max_elements);
    return true;
}

/* "US or SS" in implicit VR: by the Pixel Representation seen before. */
static DcmVr vr_of_implicit(DcmScan *scan, DcmTag tag, Span creator)
{
    DcmVr vr = dcm_dict_vr(tag, creator);
    if (vr == DCM_VR_US && scan_top(scan)->signed_pixels) {
        const DcmDictEntry *entry = dcm_dict(tag);
        if (entry && entry->alternative == DCM_VR_SS)
            return DCM_VR_SS;
    }
    return vr;
}

/* Of an element that says UN. */
static DcmVr vr_of_unknown(DcmScan *scan, const DcmScanElement *e)
{
    DcmVr vr = vr_of_implicit(scan, e->tag, e->creator);
    const DcmVrInfo *info = dcm_vr_info(vr);
    bool whole = info->text || vr == DCM_VR_SQ || e->length % info->unit == 0;
    bool too_long = !DCM_TAG_IS_PRIVATE(e->tag) && e->length >= UINT16_MAX;
    return whole && !too_long ? vr : DCM_VR_UN;
}

/* What holds items of data sets: sequences, and all of undefined length that cannot be encapsulated pixel data. */
static bool is_sequence(const DcmScanElement *e, bool explicit_vr, bool *fragments)
{
    *fragments = false;
    if (e->vr == DCM_VR_SQ)
        return true;
    if (e->length != DCM_UNDEFINED_LENGTH)
        return false;
    bool other = e->vr == DCM_VR_OB || e->vr == DCM_VR_OW || e->vr == DCM_VR_OF || e->vr == DCM_VR_OD ||
                 e->vr == DCM_VR_OL || e->vr == DCM_VR_OV;
    *fragments = e->tag == DCM_PixelData || (explicit_vr && other);
    return true;
}

static DcmScanWish ask(DcmScan *scan, const DcmScanElement *e, Err *err)
{
    if (scan_top(scan)->muted)
        return DCM_SCAN_SKIP;
    return scan->handler.element(scan->handler.ctx, e, err);
}

static bool begin_value(DcmScan *scan, const DcmScanElement *e, DcmScanWish wish, Err *err)
{
    scan->element = *e;
    scan->left = e->length;
    scan->tell = wish != DCM_SCAN_SKIP;
    scan->in_pieces = wish == DCM_SCAN_STREAM;
    if (e->length == 0)
        return scan_deliver(scan, (Span){NULL, 0}, false, err);
    if (scan_wants_to_know(e) || wish == DCM_SCAN_TAKE)
        scan->state = SCAN_GATHER;
    else
        scan->state = wish == DCM_SCAN_STREAM ? SCAN_PIECES : SCAN_PASS;
    return true;
}

static bool stop(DcmScan *scan)
{
    scan->state = SCAN_STOPPED;
    scan->at -= scan->head_n;
    return true;
}

static bool begin_element(DcmScan *scan, DcmScanElement *e, Err *err)
{
    bool fragments = false, implicit_inside = false;
    bool sequence = !e->fragment && is_sequence(e, scan_top(scan)->explicit_vr, &fragments);
    if (e->was_un && e->vr == DCM_VR_SQ)
        implicit_inside = true;
    if (sequence && !fragments && e->vr != DCM_VR_SQ) {
        /* PS3.5 §6.2.2 note 5: what has no VR of its own is implicit VR little endian inside. */
        if (e->vr != DCM_VR_UN)
            scan->defects |= DCM_DEFECT_UNKNOWN_VR;
        implicit_inside = true;
        e->vr = DCM_VR_SQ;
        e->big_endian = false;
    }
    if (!sequence && e->length > scan_top(scan)->end - scan->at)
        return scan_fail(scan, err, ERR_FORMAT, e->tag,
                         "its value of %u bytes is longer than what is left of the item around it",
                         e->length);
    DcmScanWish wish = ask(scan, e, err);
    if (wish == DCM_SCAN_FAIL)
        return false;
    if (wish == DCM_SCAN_STOP)
        return stop(scan);
    if (sequence)
        return scan_open_sequence(scan, e, fragments, implicit_inside, wish == DCM_SCAN_SKIP, err);
    return begin_value(scan, e, wish, err);
}

static bool on_element(DcmScan *scan, const DcmHeader *h, Err *err)
{
    ScanFrame *top = scan_top(scan);
    DcmScanElement e = {.tag = h->tag,
                        .vr = h->vr,
                        .length = h->length,
                        .offset = scan->at,
                        .depth = top->depth,
                        .big_endian = top->big_endian};
    if (DCM_TAG_IS_PRIVATE(e.tag) && DCM_TAG_ELEMENT(e.tag) > 0xFF)
        e.creator = scan_creator(scan, e.tag);
    if (!top->explicit_vr)
        e.vr = vr_of_implicit(scan, e.tag, e.creator);
    else if (scan->resolve_un && e.vr == DCM_VR_UN && !h->unknown_vr && !e.big_endian &&
             e.length != DCM_UNDEFINED_LENGTH) {
        e.vr = vr_of_unknown(scan, &e);
        e.was_un = e.vr != DCM_VR_UN;
    }
    if (h->unknown_vr)
        scan->defects |= DCM_DEFECT_UNKNOWN_VR;
    if (!top->fresh && e.tag <= top->last)
        scan->defects |= DCM_DEFECT_ORDER;
    top->fresh = false;
    top->last = e.tag;
    bool sequence = e.vr == DCM_VR_SQ || e.length == DCM_UNDEFINED_LENGTH;
    if (!sequence && e.length % 2 == 1)
        scan->defects |= DCM_DEFECT_ODD_LENGTH;
    return count(scan, e.tag, err) && begin_element(scan, &e, err);
}

static bool on_fragment(DcmScan *scan, const DcmHeader *h, Err *err)
{
    const ScanFrame *top = scan_top(scan);
    if (h->tag == DCM_SequenceDelimitationItem)
        return scan_close(scan, err);
    if (h->tag != DCM_Item)
        return scan_fail(scan, err, ERR_FORMAT, h->tag,
                         "found among the fragments of encapsulated pixel data");
    if (h->length == DCM_UNDEFINED_LENGTH)
        return scan_fail(scan, err, ERR_FORMAT, h->tag, "a fragment of pixel data has no length");
    DcmScanElement e = top->element;
    e.length = h->length;
    e.offset = scan->at;
    e.depth = top->depth;
    e.fragment = true;
    if (e.length % 2 == 1)
        scan->defects |= DCM_DEFECT_ODD_LENGTH;
    return count(scan, e.tag, err) && begin_element(scan, &e, err);
}

static bool stray(DcmScan *scan)
{
    scan->defects |= DCM_DEFECT_SEQUENCE_END;
    return true;
}

/* An outer frame has to make sense of the header. */
static bool leave(DcmScan *scan, bool *again, Err *err)
{
    *again = true;
    return stray(scan) && scan_close(scan, err);
}

/* What fills a sequence of known length is no item: text, say, under a tag whose VR was changed to SQ. It is no loss to jump over it. */
static bool pass_over_contents(DcmScan *scan, Err *err)
{
    const ScanFrame *top = scan_top(scan);
    if (top->element.was_un)
        return scan_fail(scan, err, ERR_FORMAT, top->element.tag, "no items in what should be a sequence");
    scan->left = top->end - scan->at;
    scan->element = top->element;
    scan->state = scan->left ? SCAN_PASS : SCAN_HEADER;
    return stray(scan);
}

static bool on_sequence(DcmScan *scan, const DcmHeader *h, bool *again, Err *err)
{
    bool undefined = scan_top(scan)->undefined;
    switch (h->tag) {
    case DCM_Item:
        return count(scan, h->tag, err) && scan_open_item(scan, h->length, err);
    case DCM_SequenceDelimitationItem:
        return undefined ? scan_close(scan, err) : stray(scan);
    case DCM_ItemDelimitationItem:
        return stray(scan);
    default:
        return undefined ? leave(scan, again, err) : pass_over_contents(scan, err);
    }
}

static bool on_item(DcmScan *scan, const DcmHeader *h, bool *again, Err *err)
{
    bool undefined = scan_top(scan)->undefined;
    switch (h->tag) {
    case DCM_ItemDelimitationItem:
        return undefined ? scan_close(scan, err) : stray(scan);
    case DCM_SequenceDelimitationItem:
        return undefined ? leave(scan, again, err) : stray(scan);
    case DCM_Item:
        return undefined ? leave(scan, again, err)
                         : scan_fail(scan, err, ERR_FORMAT, h->tag, "an item inside an item");
    default:
        return on_element(scan, h, err);
    }
}

static bool on_set(DcmScan *scan, const DcmHeader *h, Err *err)
{
    switch (h->tag) {
    case DCM_ItemDelimitationItem:
    case DCM_SequenceDelimitationItem:
        return stray(scan);
    case DCM_Item:
        return scan_fail(scan, err, ERR_FORMAT, h->tag, "an item outside a sequence");
    default:
        return on_element(scan, h, err);
    }
}

bool scan_on_header(DcmScan *scan, const DcmHeader *h, bool *again, Err *err)
{
    switch (scan_top(scan)->kind) {
    case SCAN_SET:
        return on_set(scan, h, err);
    case SCAN_SEQUENCE:
        return on_sequence(scan, h, again, err);
    case SCAN_ITEM:
        return on_item(scan, h, again, err);
    case SCAN_FRAGMENTS:
        return on_fragment(scan, h, err);
    }
    return false;
}
