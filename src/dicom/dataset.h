// SPDX-License-Identifier: MIT
/*
 * Data sets: elements sorted by tag, in an arena, whose values are views into the bytes they were parsed from (or
 * copies in the arena when they were built or gathered from pieces).
 */
#ifndef GANTRY_DICOM_DATASET_H
#define GANTRY_DICOM_DATASET_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/charset.h"
#include "dicom/scan.h"
#include "dicom/tag.h"
#include "dicom/uid.h"
#include "dicom/vr.h"

typedef struct DcmDataset DcmDataset;

typedef struct DcmElement {
    DcmTag tag;
    DcmVr vr;
    bool skipped; /* the value was not kept (too large, or past the wanted part): `length` is all there is */
    uint32_t length; /* as encoded, may be DCM_UNDEFINED_LENGTH */
    uint64_t
        offset; /* of the value, from the first byte of the data set (inflated, if deflated); 0 for built ones */
    Span value;          /* raw bytes, byte order of the data set; empty for SQ and encapsulated pixel data */
    DcmDataset **items;  /* SQ: item_count data sets */
    Span *fragments;     /* encapsulated pixel data: fragments[0] is the basic offset table */
    uint32_t item_count; /* of items or fragments */
} DcmElement;

struct DcmDataset {
    Arena *arena;
    DcmElement *elements; /* ascending by tag, unique */
    size_t count, capacity;
    const DcmDataset
        *parent;      /* of an item: the data set that holds it; character set and creators are inherited */
    bool big_endian;  /* byte order of binary values */
    unsigned defects; /* DcmDefect bits, top level only */
};

typedef struct DcmReadOptions {
    DcmTag stop_before;  /* first top-level tag not wanted; 0 = read all */
    uint32_t max_value;  /* larger values are skipped, not kept; 0 = keep all that is there */
    uint32_t max_binary; /* the same of fragments, and of values that have no text: OB OD OF OL OV OW UN */
    bool resolve_un;     /* dcm_scan_resolve_un */
    bool tolerate_truncated; /* a data set that ends early yields what was read, with DCM_DEFECT_TRUNCATED */
    DcmScanLimits limits;
} DcmReadOptions;

/* Parses encoded bytes (no preamble, no meta). options may be NULL. The data set lives in `arena` and views `bytes`
   (inflated bytes live in the arena). NULL and err on failure. */
DcmDataset *dcm_dataset_parse(Arena *arena, Span bytes, const DcmTransferSyntax *syntax,
                              const DcmReadOptions *options, Err *err);

/*
 * The head of an object as it arrives: fed pieces, keeps elements below `stop_before` and values up to `max_value`,
 * checks the structure of everything that follows. When dcm_head_complete, the wanted part is all there; feeding must go
 * on to the end for the check. dcm_head_finish fails if the object ends early.
 */
typedef struct DcmHead DcmHead;
DcmHead *dcm_head_new(Arena *arena, const DcmTransferSyntax *syntax, const DcmReadOptions *options);
void dcm_head_free(DcmHead *head);
bool dcm_head_feed(DcmHead *head, Span bytes, Err *err);
/* The same with bytes that stay as long as the arena: values are views of them, not copies. */
bool dcm_head_feed_lasting(DcmHead *head, Span bytes, Err *err);
/* As dcm_scan_passable and dcm_scan_pass. */
uint64_t dcm_head_passable(const DcmHead *head);
bool dcm_head_pass(DcmHead *head, uint64_t n, Err *err);
bool dcm_head_complete(const DcmHead *head);
bool dcm_head_finish(DcmHead *head, Err *err);
/* What has been read so far; owned by the arena. */
DcmDataset *dcm_head_dataset(DcmHead *head);

/* -- looking -- */
/* NULL when absent. */
const DcmElement *dcm_find(const DcmDataset *ds, DcmTag tag);
/* Item i of a sequence, NULL when absent. */
const DcmDataset *dcm_item(const DcmDataset *ds, DcmTag sequence, uint32_t i);
/* The private creator that reserves the block of a private tag; empty when none. */
Span dcm_creator(const DcmDataset *ds, DcmTag tag);
/* The character set in force: (0008,0005) of this data set or of its parents. Never NULL. */
const DcmCharset *dcm_dataset_charset(const DcmDataset *ds);

/* -- building (values are copied into the arena, padded to even length) -- */
DcmDataset *dcm_dataset_new(Arena *arena); /* little endian, no parent */
/* The same, with room for so many elements to begin with: for many small data sets. */
DcmDataset *dcm_dataset_new_for(Arena *arena, size_t elements);
/* Replaces an element of the same tag. vr DCM_VR_NONE: from the dictionary. The returned element may move on the next put. */
DcmElement *dcm_put(DcmDataset *ds, DcmTag tag, DcmVr vr, Span raw);
/* Text given in UTF-8, encoded into the data set's character set (characters it lacks become '?'). NULL text = empty value. */
DcmElement *dcm_put_utf8(DcmDataset *ds, DcmTag tag, const char *utf8);
DcmElement *dcm_put_printf(DcmDataset *ds, DcmTag tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
DcmElement *dcm_put_u16(DcmDataset *ds, DcmTag tag, uint16_t value);
DcmElement *dcm_put_u32(DcmDataset *ds, DcmTag tag, uint32_t value);
/* An empty sequence, replacing what was there; then items. */
void dcm_put_sequence(DcmDataset *ds, DcmTag tag);
DcmDataset *dcm_add_item(DcmDataset *ds, DcmTag sequence);
/* One more fragment (copied) of encapsulated pixel data; the first one is the basic offset table. Replaces a native value. */
void dcm_add_fragment(DcmDataset *ds, DcmTag tag, DcmVr vr, Span fragment);
void dcm_remove(DcmDataset *ds, DcmTag tag);
/* Copies an element (deeply, into the arena of `to`), converting text to the character set of `to`. */
void dcm_copy(DcmDataset *to, const DcmDataset *from, const DcmElement *e);

#endif
