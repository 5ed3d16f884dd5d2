// SPDX-License-Identifier: MIT
/*
 * Values as Python's str() shows what pydicom reads: several values in brackets, texts among them in quotes, bytes as b'…', floating point numbers
 * in repr's form, sequences as pydicom's dump. The records of pypx hold values in this form.
 */
#ifndef GANTRY_PX_PYTEXT_H
#define GANTRY_PX_PYTEXT_H

#include "dicom/dataset.h"

/* Appends the value of an element of `dataset`, in UTF-8. False, and nothing appended, when it was not read (DcmElement.skipped) or is encapsulated. */
bool px_python_text(const DcmDataset *dataset, const DcmElement *element, Buf *out);
/* Appends a number as repr() does: 0.1, 100.0, 1e-05, 1e+16. */
void px_python_real(double value, Buf *out);

#endif
