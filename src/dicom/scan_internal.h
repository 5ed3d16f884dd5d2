// SPDX-License-Identifier: MIT
/* What the sources of the scanner share: scan.c (bytes to steps), scan_element.c (headers to events), scan_frame.c (nesting). */
#ifndef GANTRY_DICOM_SCAN_INTERNAL_H
#define GANTRY_DICOM_SCAN_INTERNAL_H

#include "base/buf.h"
#include "dicom/deflate.h"
#include "dicom/scan.h"
#include "dicom/scan_header.h"

enum { SCAN_MAX_CREATORS = 512, SCAN_CREATOR_MAX = 64 };

typedef enum ScanFrameKind {
    SCAN_SET,       /* the data set itself; one, at the bottom */
    SCAN_SEQUENCE,  /* between items */
    SCAN_ITEM,      /* in the data set of an item */
    SCAN_FRAGMENTS, /* between fragments of encapsulated pixel data */
} ScanFrameKind;

typedef struct ScanFrame {
    ScanFrameKind kind;
    bool undefined;               /* ends with a delimiter */
    bool muted;                   /* skipped by the handler: structure only */
    bool explicit_vr, big_endian; /* of what is inside */
    bool fresh;                   /* no element has been seen yet */
    bool checked;                 /* the first header has been compared with the encoding announced */
    bool signed_pixels;           /* Pixel Representation is 1: "US or SS" means SS */
    unsigned creators;            /* how many were known before */
    int depth;                    /* of the elements inside */
    uint64_t end;                 /* undefined: of what it is in; UINT64_MAX at top level */
    DcmTag last;                  /* tag before */
    DcmScanElement element;       /* that opened a sequence or fragments */
} ScanFrame;

typedef struct ScanCreator {
    uint32_t block; /* group << 8 | block */
    uint8_t length;
    char name[SCAN_CREATOR_MAX];
} ScanCreator;

typedef enum ScanState {
    SCAN_HEADER,  /* collecting a header */
    SCAN_PASS,    /* passing over `left` bytes */
    SCAN_GATHER,  /* collecting a value, `left` bytes to go */
    SCAN_PIECES,  /* handing out a value as it comes */
    SCAN_PADDING, /* behind the last element */
    SCAN_STOPPED,
} ScanState;

struct DcmScan {
    DcmScanHandler handler;
    DcmScanLimits limits;
    bool resolve_un;
    ScanFrame *frames;
    size_t frame_count, frame_capacity;
    ScanState state;
    uint64_t at; /* bytes consumed */
    uint64_t left;
    uint64_t elements;
    uint8_t head[DCM_HEADER_MAX];
    unsigned head_n;
    DcmScanElement element; /* whose value is being read */
    bool tell;              /* the handler wants the value */
    bool in_pieces;         /* as parts */
    Buf gathered;
    ScanCreator *creators; /* of all open data sets, innermost last */
    unsigned creator_count;
    unsigned defects;
    DcmInflate *inflate; /* NULL unless the syntax is deflated */
    bool failed;
    Err error; /* why */
};

/* Sets err to "data set, (gggg,eeee) at byte N: …", marks the scan as failed, returns false. */
bool scan_fail(DcmScan *scan, Err *err, ErrCode code, DcmTag tag, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* scan_frame.c */
ScanFrame *scan_top(DcmScan *scan);
bool scan_open_sequence(DcmScan *scan, const DcmScanElement *e, bool fragments, bool implicit_inside,
                        bool muted, Err *err);
bool scan_open_item(DcmScan *scan, uint32_t length, Err *err);
/* Leaves the innermost frame and tells the handler. */
bool scan_close(DcmScan *scan, Err *err);
/* Leaves all frames whose end has been reached. */
bool scan_close_finished(DcmScan *scan, Err *err);
Span scan_creator(const DcmScan *scan, DcmTag tag);
/* Remembers private creators and the Pixel Representation, which say how later elements are read. */
bool scan_wants_to_know(const DcmScanElement *e);
void scan_learn(DcmScan *scan, const DcmScanElement *e, Span value);

/* scan_element.c: what a complete header in scan->head means. *again: it belongs to an outer frame, decode it anew. */
bool scan_on_header(DcmScan *scan, const DcmHeader *h, bool *again, Err *err);

/* scan.c */
bool scan_deliver(DcmScan *scan, Span value, bool is_view, Err *err);

#endif
