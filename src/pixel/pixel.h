// SPDX-License-Identifier: MIT
/*
 * pixel/ — PS3.5 §8, A.4: pixel data. Decoding of compressed frames to native ones, and whole objects from an encapsulated
 * transfer syntax to explicit VR little endian.
 *
 * Codecs: RLE (own, PS3.5 G), JPEG baseline (libjpeg-turbo), JPEG extended 12 bit and lossless (own, T.81), JPEG-LS (CharLS), JPEG 2000 and
 * HTJ2K (OpenJPEG), deflated image frames (zlib).
 *
 * Promises: Rows × Columns × Samples × Bits is checked with overflow arithmetic and against limits before anything is allocated; frame
 * counts and fragment lengths are checked against what is there; one frame in memory at a time.
 */
#ifndef GANTRY_PIXEL_PIXEL_H
#define GANTRY_PIXEL_PIXEL_H

#include "base/buf.h"
#include "base/err.h"
#include "dicom/dataset.h"
#include "dicom/uid.h"
#include <sys/types.h>

/* The Image Pixel attributes a codec needs, PS3.3 C.7.6.3. */
typedef struct PixFormat {
    uint32_t rows, columns;
    uint32_t frames;
    uint16_t samples;        /* per pixel: 1 or 3 (4 retired) */
    uint16_t bits_allocated; /* 1, 8, 16, 32 */
    uint16_t bits_stored;
    bool is_signed;
    uint16_t planar; /* 0 colour-by-pixel, 1 colour-by-plane */
    char photometric[17];
} PixFormat;

/* From a data set; checks ranges and the frame size. */
bool pix_format(const DcmDataset *ds, PixFormat *out, Err *err);
/* Bytes of one native frame (rounded up for 1 bit). */
size_t pix_frame_bytes(const PixFormat *format);

/* Can this transfer syntax be decoded? */
bool pix_can_decode(const DcmTransferSyntax *syntax);

/* Decodes one compressed frame; appends exactly pix_frame_bytes to `out`, little endian, colour-by-pixel (planar 0). `format->photometric` is changed to
   what the decoded samples are (YBR_FULL_422 from JPEG becomes RGB). */
bool pix_decode(const DcmTransferSyntax *syntax, Span frame, PixFormat *format, Buf *out, Err *err);
/* The same in a smaller size where the code stream allows it (JPEG of 8 bits, JPEG 2000, HTJ2K), for less work: rows and columns are halved up to `halvings` times,
   rounded up, and format->rows and ->columns are what they became. */
bool pix_decode_reduced(const DcmTransferSyntax *syntax, Span frame, unsigned halvings, PixFormat *format,
                        Buf *out, Err *err);
/* Do the pixels that are left lie where the even ones of the frame are (wavelets), and not in the middle of those they stand for? */
bool pix_keeps_even(const DcmTransferSyntax *syntax);

/*
 * A whole object as a stream: reads an encapsulated object through `read` (the data set without meta; any offset), produces the same object in explicit
 * VR little endian with decoded pixel data and corrected attributes (Photometric Interpretation, Planar Configuration, Bits …; lossy compression attributes kept).
 */
typedef ssize_t (*PixReadAt)(void *ctx, uint64_t offset, void *p, size_t n, Err *err);
typedef struct PixDecoder PixDecoder;
PixDecoder *pix_decoder_new(const DcmTransferSyntax *syntax, PixReadAt read, void *ctx, uint64_t size,
                            Err *err);
void pix_decoder_free(PixDecoder *decoder);
/* Up to n bytes of the output; 0 at the end; -1 and err. */
ssize_t pix_decoder_read(PixDecoder *decoder, uint8_t *p, size_t n, Err *err);

#endif
