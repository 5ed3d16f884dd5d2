// SPDX-License-Identifier: MIT
/*
 * What the charset_*.c files share: the table of sets (generated), the ISO 2022 state and the reader of code units.
 * Only those files include this.
 */
#ifndef GANTRY_DICOM_CHARSET_INTERNAL_H
#define GANTRY_DICOM_CHARSET_INTERNAL_H

#include "dicom/charset.h"

typedef enum CharCodec {
    CODEC_NONE,
    CODEC_EUC_JP, /* JIS X 0208 as two bytes above 0xA0, JIS X 0212 behind 0x8F */
    CODEC_CP932,  /* Shift-JIS, which uses the bytes that JIS X 0201 leaves free */
    CODEC_EUC_KR,
    CODEC_UHC, /* superset of EUC-KR that Korean systems send as IR 149 */
    CODEC_EUC_CN,
    CODEC_GB18030,
    CODEC_GBK,
    CODEC_COUNT
} CharCodec;

typedef enum SetKind {
    SET_ASCII,
    SET_SINGLE,     /* one byte in G1 */
    SET_JIS_X_0201, /* romaji in G0 (0x7E is overline), katakana in G1 */
    SET_DOUBLE_G0,  /* two bytes 0x21 to 0x7E */
    SET_DOUBLE_G1,  /* two bytes 0xA1 to 0xFE */
    SET_GB,
    SET_UTF8
} SetKind;

typedef struct CharSet {
    const char *term;
    uint16_t ir; /* ISO registration; 0 for GB18030 and GBK */
    bool extension;
    SetKind kind;
    CharCodec reads, writes;
    char escape_g0[5], escape_g1[5];
    const uint16_t *upper; /* SET_SINGLE: code points of 0x80 to 0xFF, 0 = none */
} CharSet;

extern const CharSet charset_rows[];
extern const size_t charset_row_count;

enum { CHARSET_MAX_SETS = 8 };

struct DcmCharset {
    const CharSet *set[CHARSET_MAX_SETS]; /* as listed; set[0] is the one of value 1 */
    uint8_t count;
    bool extension;         /* escapes may be written */
    const CharSet *g0, *g1; /* initial state; g1 NULL = nothing */
    const CharSet
        *lone_g1; /* read in G1 where nothing was designated: the first listed set that lives there */
    const char *terms;
};

/* The row of ISO registration `ir`, with or without code extensions; NULL when there is none. */
const CharSet *charset_row(uint16_t ir, bool extension);

/* -- reading -- */
typedef struct CharState {
    const CharSet *g0, *g1, *last_g1;
} CharState;

typedef enum UnitKind {
    UNIT_ASCII,  /* one byte that is itself */
    UNIT_SET,    /* a character of `set` */
    UNIT_GUESS,  /* a byte above 0x7F where no set was designated: UTF-8 if it is, else Latin-1 */
    UNIT_ESCAPE, /* a designation, already applied */
    UNIT_BAD
} UnitKind;

typedef struct CharUnit {
    UnitKind kind;
    uint8_t n; /* bytes, at least 1 */
    const CharSet *set;
} CharUnit;

CharState charset_initial(const DcmCharset *charset);
/* The unit at the start of `rest`, which is not empty; applies escapes and resets at delimiters to `state`. */
CharUnit charset_next(const DcmCharset *charset, CharState *state, Span rest, bool pn);
/* Does this byte end what an escape began (PS3.5 §6.1.2.5.3)? */
bool charset_is_delimiter(uint8_t byte, bool pn);

/* -- codecs (charset_iconv.c), one iconv descriptor per thread and direction -- */
/* Appends `in` as UTF-8. Sequences the codec lacks become U+FFFD; returns false then. */
bool charset_to_utf8(CharCodec codec, Span in, Buf *out);
/* One character given in UTF-8 into out[8]; 0 when the codec lacks it. */
size_t charset_from_utf8(CharCodec codec, Span character, uint8_t out[8]);

#define CHARSET_REPLACEMENT "\xEF\xBF\xBD"

#endif
