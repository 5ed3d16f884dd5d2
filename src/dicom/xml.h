// SPDX-License-Identifier: MIT
/* The Native DICOM Model in XML, PS3.19 A.1. UTF-8. Bulk data as in dicom/json.h. */
#ifndef GANTRY_DICOM_XML_H
#define GANTRY_DICOM_XML_H

#include "dicom/json.h"

/* A whole document with its declaration. Characters XML 1.0 cannot hold become U+FFFD. */
bool dcm_xml_write(Buf *out, const DcmDataset *ds, const DcmJsonOptions *options, Err *err);

/* Reads a document: the data set as dcm_json_read makes it, except that group 0002 is read too. Private attributes without a block get that of their creator. Text is taken as
   it is. A document type declaration is refused, so that there are no entities but the five of XML. What was read before an error is in *partial (may be NULL). */
DcmDataset *dcm_xml_read(Arena *arena, Span text, DcmDataset **partial, Err *err);

#endif
