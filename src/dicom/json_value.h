// SPDX-License-Identifier: MIT
/* One member of a "Value" array as the bytes of its VR, PS3.18 F.2.3 to F.2.7. For dicom/json_read.c. */
#ifndef GANTRY_DICOM_JSON_VALUE_H
#define GANTRY_DICOM_JSON_VALUE_H

#include "base/buf.h"
#include "dicom/vr.h"

#include <jansson.h>

/* Appends the value, little endian and UTF-8, without padding. NULL, or what is wrong with it. */
const char *json_value_append(Buf *out, DcmVr vr, const json_t *value);
/* Appends the bytes that `text` stands for. False when it is no base64 (RFC 4648 §4; line ends are allowed). */
bool json_value_base64(Buf *out, Span text);

#endif
