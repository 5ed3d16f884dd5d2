// SPDX-License-Identifier: MIT
/* Person names, PS3.5 §6.2.1: up to three component groups (alphabetic, ideographic, phonetic) of five components. UTF-8. */
#ifndef GANTRY_DICOM_PN_H
#define GANTRY_DICOM_PN_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct DcmPn {
    Span group[3];        /* alphabetic, ideographic, phonetic; trailing ^ and spaces removed */
    Span component[3][5]; /* family, given, middle, prefix, suffix */
} DcmPn;

void dcm_pn_parse(Span utf8, DcmPn *out);

/* Case and accents folded, compatibility forms unified, punctuation kept: for matching that ignores case (and accents when
   `accents`). Appends UTF-8. NFKD, case fold, marks removed; NFC at the end. Invalid UTF-8 passes byte by byte. */
void dcm_fold(Span utf8, bool accents, Buf *out);

#endif
