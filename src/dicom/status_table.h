// SPDX-License-Identifier: MIT
/* Form of the table that tools/gen/status_table.py makes. For status.c only. */
#ifndef GANTRY_DICOM_STATUS_TABLE_H
#define GANTRY_DICOM_STATUS_TABLE_H

#include "dicom/status.h"
#include <stddef.h>

typedef struct DcmStatusRow {
    const char *service;
    uint16_t first, last;
    const char *meaning;
} DcmStatusRow;

extern const DcmStatusRow dcm_status_rows[]; /* of one service: narrow ranges first */
extern const size_t dcm_status_row_count;

#endif
