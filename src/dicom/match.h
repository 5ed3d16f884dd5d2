// SPDX-License-Identifier: MIT
/*
 * Attribute matching in memory, PS3.4 C.2.2.2: the oracle against which the index's SQL is tested.
 *
 * By kind of key: empty = universal; UI = single UID or list; DA, TM, DT = single or range, with the partial values of
 * dicom/datetime.h; SQ = at least one item matches all keys of the key's one item (zero-length or empty item: universal);
 * text = single or wildcard (* and ?) where the VR allows it (not AS, IS, DS, AT and binary); otherwise equal by value.
 * A candidate with several values matches if one of them does. An absent or empty attribute matches only a universal
 * key ("*" alone is universal). A key with several values (backslash) outside UI matches if one of them does.
 *
 * Details: a lone "*" is no value of any text VR and peers send it for all of them, so it is universal for all. A stored date or time stands
 * for the first instant it covers ("1030" = 10:30:00). Private keys are found by their creator, whatever block it has.
 * In PN, trailing ^ and = say nothing. A value that was skipped at reading matches no key but a universal one.
 */
#ifndef GANTRY_DICOM_MATCH_H
#define GANTRY_DICOM_MATCH_H

#include "dicom/dataset.h"

typedef struct DcmMatchOptions {
    bool fold_names;   /* PN ignores case */
    bool fold_accents; /* PN ignores accents too, and a key matches any component group */
    bool fold_text;    /* other text VRs ignore case as well (LO SH CS ST LT UT UC) */
    bool
        combined_datetime; /* StudyDate+StudyTime ranges are one interval (also Series, Acquisition, Content, PatientBirth …) */
    int utc_offset_minutes; /* for DT keys with offsets against local values; 0 = UTC */
} DcmMatchOptions;

/* Keys that never match anything by themselves: (0008,0005), (0008,0052), (0008,0053), (0008,0201), group lengths, groups 0000 and 0002, private creators. */
bool dcm_match_is_key(DcmTag tag);

/* Does the candidate match every key? */
bool dcm_match(const DcmDataset *keys, const DcmDataset *candidate, const DcmMatchOptions *options);
/* One key. */
bool dcm_match_element(const DcmDataset *keys, const DcmElement *key, const DcmDataset *candidate,
                       const DcmMatchOptions *options);
/* Is the key universal: empty, "*" (text VRs), or a sequence of universal keys? */
bool dcm_match_is_universal(const DcmDataset *keys, const DcmElement *key);
/* Wildcard match of UTF-8 text: ? is one character, * any run. */
bool dcm_wildcard(Span pattern, Span text);

#endif
