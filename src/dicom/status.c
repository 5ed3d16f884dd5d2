// SPDX-License-Identifier: MIT
#include "dicom/status.h"
#include "dicom/status_table.h"

#include <string.h>

/* Failures and warnings of the general range, PS3.7 C: 01xx and 02xx are failures but for these three. */
static bool general_warning(uint16_t status)
{
    return status == 0x0001 || status == 0x0107 || status == 0x0116;
}

DcmStatusClass dcm_status_class(uint16_t status)
{
    if (status == DCM_STATUS_SUCCESS)
        return DCM_SUCCESS;
    if (status == DCM_STATUS_PENDING || status == DCM_STATUS_PENDING_WARNING)
        return DCM_PENDING;
    if (status == DCM_STATUS_CANCEL)
        return DCM_CANCEL;
    if (general_warning(status) || (status & 0xF000) == 0xB000)
        return DCM_WARNING;
    return DCM_FAILURE;
}

/* "Query/Retrieve" stands for the three "Q/R Find", "Q/R Move" and "Q/R Get" of the table. */
static bool serves(const DcmStatusRow *row, const char *service)
{
    if (strcmp(service, "Query/Retrieve") == 0)
        return strncmp(row->service, "Q/R ", 4) == 0;
    return strcmp(row->service, service) == 0;
}

static const char *look_up(uint16_t status, const char *service)
{
    const DcmStatusRow *best = NULL;
    for (size_t i = 0; i < dcm_status_row_count; i++) {
        const DcmStatusRow *row = &dcm_status_rows[i];
        if (status < row->first || status > row->last || (service && !serves(row, service)))
            continue;
        if (!best || row->last - row->first < best->last - best->first)
            best = row;
    }
    return best ? best->meaning : NULL;
}

static const char *by_class(uint16_t status)
{
    switch (status) {
    case DCM_STATUS_SUCCESS:
        return "Success";
    case DCM_STATUS_CANCEL:
        return "Cancelled";
    case DCM_STATUS_PENDING:
        return "Pending";
    case DCM_STATUS_PENDING_WARNING:
        return "Pending, with a warning";
    default:
        return "Unknown status";
    }
}

const char *dcm_status_text(uint16_t status, const char *service)
{
    const char *text = service ? look_up(status, service) : NULL;
    if (!text)
        text = look_up(status, "General");
    if (!text && !service)
        text = look_up(status, NULL);
    return text ? text : by_class(status);
}
