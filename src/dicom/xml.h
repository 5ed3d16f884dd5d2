// SPDX-License-Identifier: MIT
/* The Native DICOM Model in XML, PS3.19 A.1, written. UTF-8. Bulk data as in dicom/json.h. */
#ifndef GANTRY_DICOM_XML_H
#define GANTRY_DICOM_XML_H

#include "dicom/json.h"

/* A whole document with its declaration. Characters XML 1.0 cannot hold become U+FFFD. */
bool dcm_xml_write(Buf *out, const DcmDataset *ds, const DcmJsonOptions *options, Err *err);

#endif
