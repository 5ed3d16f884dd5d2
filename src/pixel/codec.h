// SPDX-License-Identifier: MIT
/*
 * Inside of pixel/: one decoder per compression. Each decodes one frame and appends exactly pix_frame_bytes(format) bytes: samples of
 * bits_allocated bits, little endian, colour-by-pixel. Each may change format->photometric to what the samples are now.
 */
#ifndef GANTRY_PIXEL_CODEC_H
#define GANTRY_PIXEL_CODEC_H

#include "pixel/pixel.h"

typedef bool (*PixCodec)(Span frame, PixFormat *format, Buf *out, Err *err);
/* The same, with rows and columns halved up to so many times; format->rows and ->columns become those of what is appended. */
typedef bool (*PixReducedCodec)(Span frame, unsigned halvings, PixFormat *format, Buf *out, Err *err);

bool pix_decode_rle(Span frame, PixFormat *format, Buf *out, Err *err); /* PS3.5 G */
bool pix_decode_jpeg(Span frame, PixFormat *format, Buf *out,
                     Err *err); /* any process: 8 bit here, the rest in the next two */
bool pix_decode_jpeg_sequential(Span frame, PixFormat *format, Buf *out, Err *err); /* T.81 F, 12 bit */
bool pix_decode_jpeg_lossless(Span frame, PixFormat *format, Buf *out, Err *err);   /* T.81 H */
bool pix_decode_jpegls(Span frame, PixFormat *format, Buf *out, Err *err);
bool pix_decode_jpeg2000(Span frame, PixFormat *format, Buf *out, Err *err);
bool pix_decode_deflated(Span frame, PixFormat *format, Buf *out, Err *err); /* PS3.5 A.4.12 */
bool pix_decode_plain(Span frame, PixFormat *format, Buf *out,
                      Err *err); /* PS3.5 A.4.11: encapsulated, uncompressed */
bool pix_decode_jpeg_reduced(Span frame, unsigned halvings, PixFormat *format, Buf *out, Err *err);
bool pix_decode_jpeg2000_reduced(Span frame, unsigned halvings, PixFormat *format, Buf *out, Err *err);

/* NULL when there is none for the syntax. */
PixCodec pix_codec_for(const DcmTransferSyntax *syntax);

/* Does the size a code stream claims agree with the attributes? */
bool pix_same_size(const PixFormat *format, uint32_t rows, uint32_t columns, uint32_t samples,
                   const char *codec, Err *err);
/* Room for one frame at the end of `out`, zeroed; NULL and err when memory or the limit is short. Call pix_frame_done when it is full. */
uint8_t *pix_frame_room(const PixFormat *format, Buf *out, Err *err);
void pix_frame_done(const PixFormat *format, Buf *out);
/* Puts sample `i` (counted over the frame, colour-by-pixel) into a frame. */
void pix_put_sample(const PixFormat *format, uint8_t *frame, size_t i, int32_t value);

#endif
