// SPDX-License-Identifier: MIT
/* The levels of the Query/Retrieve information models, PS3.4 C.6. */
#ifndef GANTRY_DICOM_LEVEL_H
#define GANTRY_DICOM_LEVEL_H

#include "base/span.h"
#include "dicom/tag.h"

typedef enum DcmLevel {
    DCM_LEVEL_PATIENT,
    DCM_LEVEL_STUDY,
    DCM_LEVEL_SERIES,
    DCM_LEVEL_IMAGE,
} DcmLevel;
enum { DCM_LEVEL_COUNT = 4 };

/* "PATIENT", "STUDY", "SERIES", "IMAGE": the values of (0008,0052). */
const char *dcm_level_name(DcmLevel level);
/* Any case, blanks trimmed; "INSTANCE" is understood. */
bool dcm_level_parse(Span text, DcmLevel *out);
/* PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID. */
DcmTag dcm_level_unique_key(DcmLevel level);

#endif
