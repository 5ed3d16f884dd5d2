// SPDX-License-Identifier: MIT
/*
 * The structure of a JPEG stream, T.81 B: markers, frame and scan headers, Huffman and quantisation tables; and the entropy-coded bits,
 * T.81 F.2.2. For the two processes that no library of Debian decodes: 12-bit sequential and lossless.
 */
#ifndef GANTRY_PIXEL_JPEG_MARKERS_H
#define GANTRY_PIXEL_JPEG_MARKERS_H

#include "base/cursor.h"
#include "base/err.h"

typedef enum JpegProcess { JPEG_SEQUENTIAL, JPEG_LOSSLESS, JPEG_OTHER } JpegProcess;

typedef struct JpegComponent {
    uint8_t id, h, v, quantisation; /* sampling factors 1 … 4, table 0 … 3 */
    uint8_t dc, ac;                 /* Huffman tables of the scan at hand */
    int32_t prediction;             /* DC of the block before */
} JpegComponent;

typedef struct JpegFrame {
    JpegProcess process;
    uint8_t precision;
    uint16_t rows, columns;
    uint8_t count;
    JpegComponent components[4];
} JpegFrame;

/* Codes of up to 16 bits, T.81 F.2.2.3: code lengths first tried in a table of 9 bits. */
typedef struct JpegHuffman {
    bool defined;
    uint8_t values[256];
    uint8_t lookup_length[512], lookup_value[512]; /* length 0: longer than 9 bits */
    int32_t max_code[18], offset[17];              /* by length; max_code -1 = none of this length */
} JpegHuffman;

/* A stream being read. The caller walks: jpeg_next_scan until it returns false without an error. */
typedef struct JpegStream {
    Cursor in;
    JpegFrame frame;
    bool has_frame;
    JpegHuffman dc[4], ac[4];
    uint16_t quantisation[4][64]; /* in zigzag order */
    bool has_quantisation[4];
    uint16_t restart_interval;
    /* the scan at hand */
    uint8_t scan_count, scan_components[4];              /* indices into frame.components */
    uint8_t spectral_start, spectral_end, approximation; /* lossless: predictor, -, point transform */
    /* entropy-coded bits */
    uint32_t bits;
    int bit_count;
    bool at_marker; /* the coded data has ended; zeros are supplied */
} JpegStream;

/* Looks for the frame header only. */
bool jpeg_find_frame(Span stream, JpegFrame *out, Err *err);

bool jpeg_open(JpegStream *s, Span stream, Err *err);
/* Reads marker segments up to and with the next SOS; the bits follow. False with err->code ERR_NONE at EOI or the end of the data. */
bool jpeg_next_scan(JpegStream *s, Err *err);

/* Value of the next Huffman code, or -1 when there is none such. */
int jpeg_code(JpegStream *s, const JpegHuffman *table);
/* n bits (0 … 16) as the signed number of T.81 F.2.2.1 (EXTEND). */
int32_t jpeg_signed_bits(JpegStream *s, int n);
/* Skips to and over the next RSTn marker and forgets waiting bits. False when there is none. */
bool jpeg_restart(JpegStream *s);

#endif
