// SPDX-License-Identifier: MIT
/*
 * What CUBE is told of an image or a series: thirteen attributes, in the order of pypx, in the form that CUBE's serializers take.
 *
 * Texts: UTF-8, control characters are blanks, cut to CUBE's longest. A missing one is "" (CUBE refuses null).
 * Dates: YYYY-MM-DD. A missing or unreadable one is null (CUBE refuses "").
 * PatientAge: in days, 365 a year, 30 a month, 7 a week; text for an image, a number for a series. Where there is none, the days from birth to study; else null.
 * PatientSex: M, F or O; CUBE knows no other, which become "".
 * CUBE demands PatientID, StudyDate, StudyInstanceUID and SeriesInstanceUID: without them there is nothing to register.
 */
#ifndef GANTRY_PX_REGISTER_FIELDS_H
#define GANTRY_PX_REGISTER_FIELDS_H

#include "base/err.h"
#include "dicom/dataset.h"

#include <jansson.h>

typedef enum PxRegisterApi { PX_REGISTER_FILES, PX_REGISTER_SERIES } PxRegisterApi;

/* NULL and err (ERR_MISMATCH) when something is missing that CUBE demands. `changed` (an array; may be NULL) gets the names of those that could not be sent as they are.
   Caller frees. */
json_t *px_register_fields(const DcmDataset *image, PxRegisterApi api, json_t *changed, Err *err);

/* Days of an age as DICOM has it (AS, PS3.5 §6.2), or of a bare number of years. False when it is none. */
bool px_age_days(const char *age, int64_t *out);

/* A name that CUBE takes for a PACS: 1 to 20 characters, no comma, no slash. */
bool px_pacs_name_check(const char *name, Err *err);
/* A path that CUBE takes for something of this PACS: below SERVICES/PACS/NAME/, no comma, not too long. */
bool px_object_path_check(const char *path, const char *pacs_name, Err *err);

/* The names of fields that CUBE has otherwise than we, as an array of {"field", "here", "CUBE"}; an empty one when all is the same. What CUBE does not show is not
   compared; null and "" are the same, numbers and their text too. Caller frees. */
json_t *px_register_differences(const json_t *ours, const json_t *theirs);

#endif
