// SPDX-License-Identifier: MIT
/*
 * Re-encoding between the four uncompressed transfer syntaxes (PS3.5 A.1, A.2, A.3, A.5) as a stream: bytes of one go in,
 * bytes of the other come out, memory does not grow with the object. Sequences come out with undefined lengths
 * (their encoded length is not known in advance); values are swapped by their VR. Group lengths are dropped.
 * For pixel data coming from implicit VR, OW.
 */
#ifndef GANTRY_DICOM_RECODE_H
#define GANTRY_DICOM_RECODE_H

#include "base/buf.h"
#include "base/err.h"
#include "dicom/uid.h"

typedef struct DcmRecode DcmRecode;

/* Both native; NULL and ERR_UNSUPPORTED otherwise. */
DcmRecode *dcm_recode_new(const DcmTransferSyntax *from, const DcmTransferSyntax *to, Err *err);
void dcm_recode_free(DcmRecode *recode);
/* Feeds input; what comes of it is appended to `out`. */
bool dcm_recode_feed(DcmRecode *recode, Span in, Buf *out, Err *err);
bool dcm_recode_finish(DcmRecode *recode, Buf *out, Err *err);

#endif
