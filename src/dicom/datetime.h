// SPDX-License-Identifier: MIT
/*
 * DA, TM, DT values and ranges, PS3.5 §6.2, PS3.4 C.2.2.2.5. Old forms of ACR-NEMA (YYYY.MM.DD, HH:MM:SS) are read.
 * A partial value means the interval it covers: TM "10" is 10:00:00.000000 to 10:59:59.999999.
 */
#ifndef GANTRY_DICOM_DATETIME_H
#define GANTRY_DICOM_DATETIME_H

#include "base/span.h"

/* An interval of time, both ends included. Microseconds since 0001-01-01 00:00 of the proleptic Gregorian calendar (DA, DT), or since midnight (TM).
   INT64_MIN / INT64_MAX = open. */
typedef struct DcmTimeRange {
    int64_t from, to;
    bool
        has_offset; /* DT: a UTC offset was given and has been applied (the range is UTC); else local time as written */
} DcmTimeRange;

#define DCM_DAY_US INT64_C(86400000000)

/* One value. False when it is no date/time. */
bool dcm_da_parse(Span value, DcmTimeRange *out);
bool dcm_tm_parse(Span value, DcmTimeRange *out);
bool dcm_dt_parse(Span value, DcmTimeRange *out);
/* A matching key: a value, "a-b", "-b" or "a-" (a DT offset "-0500" is not taken for a range). */
bool dcm_da_range(Span key, DcmTimeRange *out);
bool dcm_tm_range(Span key, DcmTimeRange *out);
bool dcm_dt_range(Span key, DcmTimeRange *out);

/* Minutes east of UTC of "+0130", "-0500" (Timezone Offset From UTC, (0008,0201)). */
bool dcm_utc_offset_parse(Span value, int *minutes);

/* "YYYYMMDD" and "HHMMSS.FFFFFF" of an instant, for the index. */
void dcm_da_format(int64_t us, char out[9]);
void dcm_tm_format(int64_t us, char out[14]);

#endif
