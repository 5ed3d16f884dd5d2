// SPDX-License-Identifier: MIT
/* Encoding of data sets, PS3.5 §7 and A.1, A.2, A.3 (without deflation) and A.5 (deflated). */
#ifndef GANTRY_DICOM_WRITE_H
#define GANTRY_DICOM_WRITE_H

#include "base/buf.h"
#include "dicom/dataset.h"

/* Appends the encoded data set. Sequences and items get defined lengths, encapsulated pixel data undefined; group lengths
   are left out. Binary values are swapped to the byte order of `syntax`. False (and err) when the Buf's limit is
   passed, a value was skipped at reading, or the syntax cannot carry it. */
bool dcm_write(Buf *out, const DcmDataset *ds, const DcmTransferSyntax *syntax, Err *err);

/* One element header as encoded (without value): for streaming a value behind it. */
bool dcm_write_header(Buf *out, DcmTag tag, DcmVr vr, uint32_t length, const DcmTransferSyntax *syntax);

#endif
