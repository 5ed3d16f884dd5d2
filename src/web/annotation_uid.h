// SPDX-License-Identifier: MIT
/* UIDs for annotations: made here (2.25.<decimal of a UUID>, PS3.5 B.2), or asked of another server by GET. */
#ifndef GANTRY_WEB_ANNOTATION_UID_H
#define GANTRY_WEB_ANNOTATION_UID_H

#include "auth/fetch.h"
#include "base/err.h"
#include "base/span.h"
#include "dicom/uid.h"

typedef enum WebUidSource {
    WEB_UID_INTERNAL,
    WEB_UID_EXTERNAL, /* no UID without an answer of the other server */
    WEB_UID_MIXED,    /* our own when the other server gives none */
} WebUidSource;

/* What such a server answers: a dictionary, as JSON or as Python prints it, whose key "uuid" has a UID, or a UUID in hexadecimal digits, which becomes a
   UID. Values are texts, numbers and words; there is nothing nested. */
bool web_annotation_uid_read(Span text, char out[DCM_UID_MAX + 1]);
/* *own = it was made here. `fetcher` and `url` may be NULL for WEB_UID_INTERNAL. 502 when the other server gives none. */
bool web_annotation_uid(WebUidSource source, Fetcher *fetcher, const char *url, char out[DCM_UID_MAX + 1],
                        bool *own, Err *err);

#endif
