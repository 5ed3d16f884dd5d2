// SPDX-License-Identifier: MIT
/*
 * The layout of pypx's old px-listen, which programs that watch its folders know:
 *
 *   DATA/PatientID-PatientName/StudyDescription-StudyDate-StudyUID/SeriesDescription-SeriesDate-SeriesUID/NNNNN-SOPUID.dcm
 *   patient.info, study.info     what they say of patient and study: INI files with the sections [PATIENT], [STUDY]
 *   receiving.series             [SERIES], while the series comes; series.info when the association that brought it is over
 *   LOG/patient_map/ID.json …    {ID: folder}, also study_map and series_map
 *
 * In names each character that is no ASCII letter or digit is a '.', a value that is missing "no value provided".
 */
#ifndef GANTRY_PX_LEGACY_H
#define GANTRY_PX_LEGACY_H

#include "px/base.h"

/* "patient/study/series/image", in the arena. */
const char *px_legacy_path(Arena *arena, const DcmDataset *dataset);
/* Writes the files of a series that begins to come, by one of its objects. What is there already stays. */
bool px_legacy_begin(PxBase *base, const char *sop_instance, Err *err);
/* The series of this object has come, as far as its sender sent it. */
bool px_legacy_end(PxBase *base, const char *sop_instance, Err *err);

#endif
