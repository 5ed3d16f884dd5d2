// SPDX-License-Identifier: MIT
/* Element headers, PS3.5 §7.1, and whether bytes look like one. For the sources of this room. */
#ifndef GANTRY_DICOM_SCAN_HEADER_H
#define GANTRY_DICOM_SCAN_HEADER_H

#include "dicom/tag.h"
#include "dicom/vr.h"

typedef struct DcmHeader {
    DcmTag tag;
    DcmVr vr; /* explicit VR: as written, UN when unknown; NONE in implicit VR, items and delimiters */
    bool unknown_vr;
    uint32_t length;
} DcmHeader;

enum { DCM_HEADER_MIN = 8, DCM_HEADER_MAX = 12 };

/* Decodes the header at the start of `bytes`, of which there are eight at least, and returns how many it has: 8, or 12. When that is more than there are, `out` is
   not filled. */
unsigned dcm_header_decode(Span bytes, bool explicit_vr, bool big_endian, DcmHeader *out);

/* Do the first bytes (at least 6) of a data set hold a VR as the dictionary has it for their tag? */
bool dcm_header_is_explicit(Span first, bool big_endian);

/* The encoding of a data set or item by the eight bytes of its first element. `explicit_vr` and `big_endian` say what was
   announced and are corrected; true when they were wrong. `room`: bytes there may be behind a header. */
bool dcm_header_correct(Span first, uint64_t room, bool *explicit_vr, bool *big_endian);

#endif
