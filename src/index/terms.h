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

/*
 * Names are also found by a part of them: each three characters in a row of a term of Patient's Name are a term of their own, of this attribute, which is no
 * tag that is indexed. Those with a ^ are left out, because every pattern worth looking for has others.
 */
enum { IDX_NAME_PIECES = 1, IDX_PIECE_CHARS = 3 };
typedef bool (*IdxPieceVisit)(void *ctx, Span piece, Err *err);
/* Calls for each piece, of left to right; the same one may come twice. */
bool idx_name_pieces(Span term, IdxPieceVisit visit, void *ctx, Err *err);

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
