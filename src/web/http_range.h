// SPDX-License-Identifier: MIT
/* Range requests (RFC 9110 §14): which bytes of a body are wanted. Pure functions. */
#ifndef GANTRY_WEB_HTTP_RANGE_H
#define GANTRY_WEB_HTTP_RANGE_H

#include "base/buf.h"

enum { RANGE_MAX = 64 };

typedef struct HttpRange {
    uint64_t from, length; /* length > 0 */
} HttpRange;

typedef enum RangeAnswer {
    RANGE_WHOLE, /* no range, one that cannot be read, or so many that the whole is cheaper: 200 */
    RANGE_SOME,  /* 206 */
    RANGE_NONE   /* nothing of it is there: 416 */
} RangeAnswer;

/* `header` may be NULL. In the order in which they were asked for. */
RangeAnswer range_parse(const char *header, uint64_t size, HttpRange out[RANGE_MAX], size_t *count);

/* "bytes 0-99/1000"; length 0: "bytes * / 1000", without blanks, of a 416. */
void range_content(HttpRange range, uint64_t size, char out[80]);
/* What goes before one part of multipart/byteranges, the CRLF of the part before it included; media may be NULL. */
void range_part_head(Buf *out, const char *boundary, const char *media, HttpRange range, uint64_t size);
void range_close(Buf *out, const char *boundary);

#endif
