// SPDX-License-Identifier: MIT
/*
 * UIDs of PS3.6 A: names, transfer syntaxes with their properties, SOP classes with theirs. The generated header
 * dicom/uids.h has one string constant DCM_UID_<Keyword> for each.
 */
#ifndef GANTRY_DICOM_UID_H
#define GANTRY_DICOM_UID_H

#include "base/span.h"

#define DCM_UID_MAX 64 /* characters, PS3.5 §9.1 */

typedef struct DcmTransferSyntax {
    const char *uid, *keyword, *name;
    bool big_endian, explicit_vr, deflated, encapsulated, lossy, video, retired;
    bool
        native; /* none of compression, deflation of frames or encapsulation: the four of PS3.5 A.1, A.2, A.3, A.5 */
} DcmTransferSyntax;

/* NULL when unknown (an unknown one is read as explicit VR little endian). */
const DcmTransferSyntax *dcm_transfer_syntax(Span uid);
size_t dcm_transfer_syntax_count(void);
/* Ones that describe a data set of their own (not RFC 2557, XML, SMPTE, Papyrus), in the order of the table. */
const DcmTransferSyntax *dcm_transfer_syntax_at(size_t i);

typedef struct DcmSopClass {
    const char *uid, *keyword, *name;
    bool retired, storage, non_patient;
} DcmSopClass;

const DcmSopClass *dcm_sop_class(Span uid); /* NULL when unknown */
size_t dcm_storage_class_count(void);
const DcmSopClass *dcm_storage_class_at(size_t i);

/* Name of any UID of PS3.6, or NULL. */
const char *dcm_uid_name(Span uid);

/* Digits and dots, components without leading zeros (tolerated when !strict), 1 to 64 characters. */
bool dcm_uid_valid(Span uid, bool strict);

/* Ours: under 2.25 (PS3.5 B.2), constant for the program. */
#define DCM_IMPLEMENTATION_CLASS_UID    "2.25.211637418230176522139402385147920461297"
#define DCM_IMPLEMENTATION_VERSION_NAME "GANTRY_" GANTRY_VERSION
/* A new UUID-derived UID, "2.25.<decimal>". */
void dcm_uid_new(char out[65]);

#endif
