// SPDX-License-Identifier: MIT
/* Typed getters, PS3.5 §6.2. They never fail loudly: absent, empty and malformed values answer false, NULL or empty. */
#ifndef GANTRY_DICOM_VALUE_H
#define GANTRY_DICOM_VALUE_H

#include "base/buf.h"
#include "dicom/dataset.h"

/* Number of values: 0 when absent or empty, 1 for VRs without multiplicity. */
uint32_t dcm_value_count(const DcmDataset *ds, DcmTag tag);

/* Raw value i of a text element, trimmed as its VR says (trailing pad always; leading spaces where not significant).
   Splitting respects multi-byte character sets in which 0x5C can be a second byte. */
Span dcm_text_raw(const DcmDataset *ds, DcmTag tag, uint32_t i);
/* The same in UTF-8, NUL-terminated, in the arena. "" when absent. */
const char *dcm_text(Arena *arena, const DcmDataset *ds, DcmTag tag, uint32_t i);
/* All values joined by backslash, UTF-8. NULL when the element is absent; "" when empty. */
const char *dcm_text_all(Arena *arena, const DcmDataset *ds, DcmTag tag);
/* The same for an element at hand. */
const char *dcm_element_text(Arena *arena, const DcmDataset *ds, const DcmElement *e, uint32_t i);
const char *dcm_element_text_all(Arena *arena, const DcmDataset *ds, const DcmElement *e);

/* Value 0 of a UI element without padding, into `out`. False when absent, empty or longer than 64. */
bool dcm_uid(const DcmDataset *ds, DcmTag tag, char out[65]);

/* Integers from IS, US, SS, UL, SL, UV, SV, AT; reals also from DS, FL, FD. */
bool dcm_int(const DcmDataset *ds, DcmTag tag, uint32_t i, int64_t *out);
bool dcm_real(const DcmDataset *ds, DcmTag tag, uint32_t i, double *out);

/* One line for people, tag, name, VR and value in pydicom's columns: "(0010, 0020) Patient ID                          LO: 'ABC'". Long and
   binary values are shortened. Into `out`. */
void dcm_element_describe(const DcmDataset *ds, const DcmElement *e, Buf *out);

#endif
