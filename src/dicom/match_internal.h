// SPDX-License-Identifier: MIT
/* What the match_*.c files share. Only those files include this. */
#ifndef GANTRY_DICOM_MATCH_INTERNAL_H
#define GANTRY_DICOM_MATCH_INTERNAL_H

#include "base/buf.h"
#include "dicom/match.h"

/* One side of a comparison. */
typedef struct MatchSide {
    const DcmDataset *ds;
    const DcmElement *e;
} MatchSide;

/* One call: the options, and memory that is used again for each key. */
typedef struct Matcher {
    DcmMatchOptions options;
    Buf key_text, candidate_text, scratch;
} Matcher;

/* Text VRs but UI, DA, TM, DT, IS, DS; `vr` is the key's. */
bool match_text(Matcher *m, MatchSide key, MatchSide candidate, DcmVr vr);
/* Values of both sides, trimmed, compared by `same`; true when one pair is the same. Not for VRs with a character set. */
bool match_any_value(MatchSide key, MatchSide candidate, bool (*same)(Span key, Span candidate));
/* DA, TM, DT; with the other half of a date and time where the options say so. */
bool match_time(Matcher *m, MatchSide key, MatchSide candidate, DcmVr vr);
/* The element of the candidate that a key means: private keys are found by their creator, whatever its block. */
const DcmElement *match_find(const DcmDataset *keys, const DcmDataset *candidate, DcmTag tag);

#endif
