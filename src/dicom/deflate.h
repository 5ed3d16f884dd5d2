// SPDX-License-Identifier: MIT
/*
 * The deflated transfer syntax, PS3.5 A.5: a data set in explicit VR little endian as one raw deflate stream (RFC 1951),
 * padded to even length. Both directions are streams. For the sources of this room.
 */
#ifndef GANTRY_DICOM_DEFLATE_H
#define GANTRY_DICOM_DEFLATE_H

#include "base/buf.h"
#include "base/err.h"

typedef bool (*DcmInflateSink)(void *ctx, Span bytes, Err *err);

/* Tolerates a zlib header (RFC 1950), and input that is not deflated at all but plain explicit VR: it passes through. */
typedef struct DcmInflate DcmInflate;
DcmInflate *dcm_inflate_new(uint32_t max_ratio, DcmInflateSink sink, void *ctx);
void dcm_inflate_free(DcmInflate *inflate);
bool dcm_inflate_feed(DcmInflate *inflate, Span in, Err *err);
/* Fails when the stream has not ended. */
bool dcm_inflate_finish(DcmInflate *inflate, Err *err);
unsigned dcm_inflate_defects(const DcmInflate *inflate); /* DcmDefect bits */

typedef struct DcmDeflate DcmDeflate;
DcmDeflate *dcm_deflate_new(void);
void dcm_deflate_free(DcmDeflate *deflate);
bool dcm_deflate_feed(DcmDeflate *deflate, Span in, Buf *out, Err *err);
/* Ends the stream and pads it to even length. */
bool dcm_deflate_finish(DcmDeflate *deflate, Buf *out, Err *err);

#endif
