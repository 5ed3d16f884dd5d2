// SPDX-License-Identifier: MIT
/* DIMSE statuses, PS3.7 C and PS3.4. Meanings by service come from data/dicom/status_codes.csv. */
#ifndef GANTRY_DICOM_STATUS_H
#define GANTRY_DICOM_STATUS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum DcmStatusClass { DCM_SUCCESS, DCM_WARNING, DCM_FAILURE, DCM_CANCEL, DCM_PENDING } DcmStatusClass;

/* By code range where the table has no row. */
DcmStatusClass dcm_status_class(uint16_t status);
/* `service` as in the table's first column ("Storage", "Query/Retrieve" …); NULL: any. Never NULL: "Unknown status" at worst. */
const char *dcm_status_text(uint16_t status, const char *service);

enum {
    DCM_STATUS_SUCCESS = 0x0000,
    DCM_STATUS_PENDING = 0xFF00,
    DCM_STATUS_PENDING_WARNING = 0xFF01, /* C-FIND: an optional key was not supported for matching */
    DCM_STATUS_CANCEL = 0xFE00,
    DCM_STATUS_REFUSED_NOT_AUTHORISED = 0x0124,
    DCM_STATUS_SOP_CLASS_NOT_SUPPORTED = 0x0122,
    DCM_STATUS_DUPLICATE_INVOCATION = 0x0210,
    DCM_STATUS_UNRECOGNISED_OPERATION = 0x0211,
    DCM_STATUS_MISTYPED_ARGUMENT = 0x0212,
    DCM_STATUS_PROCESSING_FAILURE = 0x0110,
    DCM_STATUS_OUT_OF_RESOURCES = 0xA700,
    DCM_STATUS_MOVE_CANNOT_COUNT = 0xA701,
    DCM_STATUS_MOVE_CANNOT_SEND = 0xA702,
    DCM_STATUS_MOVE_UNKNOWN_DESTINATION = 0xA801,
    DCM_STATUS_CLASS_MISMATCH =
        0xA900, /* C-STORE: data set does not match SOP class; C-FIND/MOVE: identifier does not match */
    DCM_STATUS_CANNOT_UNDERSTAND = 0xC000,
    DCM_STATUS_SUB_OPERATIONS_WARNING = 0xB000,
};

#endif
