// SPDX-License-Identifier: MIT
/* What terms.c (ingest) and search.c (queries) must do alike. Only those files include this. */
#ifndef GANTRY_INDEX_TERMS_H
#define GANTRY_INDEX_TERMS_H

#include "dicom/datetime.h"
#include "dicom/dict.h"
#include "dicom/pn.h"
#include "index/search.h"

/* Sorts behind every term that begins alike. */
#define IDX_TERM_LAST "\xF4\x8F\xBF\xBF"

/* Folds case and accents, removes spaces. Values and groups must be split afterwards: compatibility forms of \ and = become them. */
void idx_term_fold(Span utf8, Buf *out);
/* Names lose the delimiters at the end. */
Span idx_term_trim(Span term, bool name);

static inline bool idx_is_name(DcmTag tag)
{
    const DcmDictEntry *entry = dcm_dict(tag);
    return entry && entry->vr == DCM_VR_PN;
}

#endif
