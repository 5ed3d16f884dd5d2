// SPDX-License-Identifier: MIT
/*
 * The scanner: the one parser of encoded data sets, PS3.5 §7 and A. Fed bytes in pieces of any size, it calls back with
 * elements. Iterative, depth- and count-limited; holds only what an element header or a *wanted* value needs. Whole-
 * buffer parsing (dicom/dataset.h) and reading the head of an object while it arrives stand on it.
 *
 * Reads all encodings (implicit, explicit little, explicit big; deflated is inflated on the way with a ratio limit),
 * undefined lengths, nested sequences, UN sequences (implicit little endian inside), encapsulated pixel data, odd
 * lengths, group lengths. Tolerates what real files do: items or delimiters with wrong lengths at the end of a
 * defined-length sequence, unknown VR letters (as UN with a 16-bit length or 32-bit by the reserved field), trailing
 * zero padding and (FFFC,FFFC). `defects` says what was tolerated.
 */
#ifndef GANTRY_DICOM_SCAN_H
#define GANTRY_DICOM_SCAN_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/tag.h"
#include "dicom/uid.h"
#include "dicom/vr.h"

#define DCM_UNDEFINED_LENGTH UINT32_MAX

typedef struct DcmScanElement {
    DcmTag tag;
    DcmVr vr;        /* as read; from the dictionary in implicit VR */
    uint32_t length; /* as encoded; DCM_UNDEFINED_LENGTH possible */
    uint64_t offset; /* of the value, from the first byte fed (after inflation for deflated) */
    int depth;       /* 0 = top level */
    bool fragment;   /* an item of encapsulated pixel data; tag is the pixel data element's */
    bool big_endian; /* byte order of the value */
    Span creator;    /* private creator of its block, empty when none */
    bool was_un;     /* vr is the dictionary's, in spite of what was read: see dcm_scan_resolve_un */
} DcmScanElement;

/* What to do with an element's value. Sequences and encapsulated pixel data are descended into on TAKE, jumped over on
   SKIP (jumping still checks their structure). */
typedef enum DcmScanWish {
    DCM_SCAN_TAKE,   /* call value() once with the whole value */
    DCM_SCAN_SKIP,   /* pass over it; costs nothing per byte */
    DCM_SCAN_STREAM, /* call part() with pieces of the value as they come, then value() is not called */
    DCM_SCAN_STOP,   /* the scan is done; the rest of the input is ignored */
    DCM_SCAN_FAIL,   /* the handler has set err */
} DcmScanWish;

typedef struct DcmScanHandler {
    void *ctx;
    /* An element header (at any depth). */
    DcmScanWish (*element)(void *ctx, const DcmScanElement *e, Err *err);
    /* The value of an element that was taken (not for SQ). `value` is a view valid until the next feed returns when the
       element lay whole inside one fed piece, else valid during the call; is_view tells which. */
    bool (*value)(void *ctx, const DcmScanElement *e, Span value, bool is_view, Err *err);
    /* A sequence that was taken begins / an item begins / ends / the sequence ends. May be NULL. Encapsulated pixel data calls
       sequence() too (e->vr is not SQ then); its fragments come as element() and value(), without item(). */
    bool (*sequence)(void *ctx, const DcmScanElement *e, bool begins, Err *err);
    bool (*item)(void *ctx, bool begins, Err *err);
    /* A piece of a streamed value that begins `at` bytes behind the value's start; `last` with the piece that completes it
       (an empty value has one empty piece). Only needed by handlers that wish DCM_SCAN_STREAM. */
    bool (*part)(void *ctx, const DcmScanElement *e, Span piece, uint64_t at, bool last, Err *err);
} DcmScanHandler;

typedef struct DcmScanLimits {
    uint32_t max_depth;         /* nested sequences; 0 = 64 */
    uint64_t max_elements;      /* 0 = 50 million */
    uint32_t max_taken_value;   /* largest value TAKE may gather from several pieces; 0 = 16 MiB */
    uint32_t max_inflate_ratio; /* 0 = 1100 (deflate's own bound is 1032) */
} DcmScanLimits;

typedef enum DcmDefect {
    DCM_DEFECT_ODD_LENGTH = 1 << 0,
    DCM_DEFECT_UNKNOWN_VR = 1 << 1,
    DCM_DEFECT_ORDER = 1 << 2,   /* tags not ascending */
    DCM_DEFECT_PADDING = 1 << 3, /* bytes behind the last element that are no element */
    DCM_DEFECT_WRONG_SYNTAX =
        1 << 4, /* implicit where explicit was said, or the reverse; was read as it is */
    DCM_DEFECT_SEQUENCE_END = 1 << 5, /* missing or stray delimiters */
    DCM_DEFECT_NO_PREAMBLE = 1 << 6,
    DCM_DEFECT_NO_META = 1 << 7,
    DCM_DEFECT_PARTIAL_META = 1 << 8,
    DCM_DEFECT_TRUNCATED = 1 << 9, /* ended inside an element (only where the caller tolerates it) */
} DcmDefect;

typedef struct DcmScan DcmScan;

/* `syntax` NULL = explicit VR little endian. limits NULL = defaults. Free with dcm_scan_free. */
DcmScan *dcm_scan_new(const DcmTransferSyntax *syntax, const DcmScanLimits *limits,
                      const DcmScanHandler *handler);
void dcm_scan_free(DcmScan *scan);
/*
 * From now on elements that say UN have the VR of the dictionary, where that knows it (PS3.5 §6.2.2, CP-246): somebody on the way knew less. Sequences are implicit VR little
 * endian inside. What cannot be of that VR stays UN: no whole number of values, or public and of 65,535 bytes or more, which UN is made for. A sequence that has no items
 * inside is a format error then; whoever wants to read on scans again without.
 */
void dcm_scan_resolve_un(DcmScan *scan);
/* Scans what can be scanned of `bytes`. False on a format error (err names tag and byte offset), limits or DCM_SCAN_FAIL. */
bool dcm_scan_feed(DcmScan *scan, Span bytes, Err *err);
/* How many of the bytes that come next nobody needs to see: the rest of a value that is passed over. Whoever can seek says dcm_scan_pass instead of
   feeding them. 0 while a header or a wanted value comes, and always for deflated input. */
uint64_t dcm_scan_passable(const DcmScan *scan);
/* The next n bytes, at most dcm_scan_passable, have been left out. */
bool dcm_scan_pass(DcmScan *scan, uint64_t n, Err *err);
/* Says that the input has ended: fails when it ended inside an element or an undefined-length sequence. */
bool dcm_scan_finish(DcmScan *scan, Err *err);
bool dcm_scan_stopped(const DcmScan *scan); /* a handler said STOP */
unsigned dcm_scan_defects(const DcmScan *scan);
uint64_t dcm_scan_offset(const DcmScan *scan); /* bytes consumed so far */

#endif
