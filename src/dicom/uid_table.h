// SPDX-License-Identifier: MIT
/* Form of the tables that tools/gen/uid_table.py makes. For uid.c only. */
#ifndef GANTRY_DICOM_UID_TABLE_H
#define GANTRY_DICOM_UID_TABLE_H

#include "dicom/uid.h"

typedef struct DcmUidName {
    const char *uid, *name;
} DcmUidName;

extern const DcmUidName dcm_uid_names[]; /* bytewise by UID */
extern const size_t dcm_uid_name_count;
extern const DcmTransferSyntax dcm_transfer_syntaxes[]; /* in the order of uids.csv */
extern const size_t dcm_transfer_syntax_total;
extern const DcmSopClass dcm_sop_classes[]; /* bytewise by UID */
extern const size_t dcm_sop_class_total;
extern const uint16_t dcm_storage_classes[]; /* indices into dcm_sop_classes */
extern const size_t dcm_storage_class_total;

#endif
