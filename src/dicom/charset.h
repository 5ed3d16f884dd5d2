// SPDX-License-Identifier: MIT
/*
 * Specific Character Set (0008,0005), PS3.3 C.12.1.1.2, PS3.5 §6.1. Every term of data/dicom/character_sets.csv to UTF-8 and
 * back, with ISO 2022 code extensions. glibc iconv under a scanner of our own; values are split before they
 * are converted, because 0x5C can be the second byte of a character (GBK, GB18030, ISO 2022).
 */
#ifndef GANTRY_DICOM_CHARSET_H
#define GANTRY_DICOM_CHARSET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Immutable, shared between threads; from dcm_charset only. */
typedef struct DcmCharset DcmCharset;

/* By the value of (0008,0005): "ISO_IR 100", "\\ISO 2022 IR 87". Misspellings of the field are understood ("ISO-IR 100", "ISO_IR_100",
   "ISO 2022 IR 6\\ISO 2022 IR 100", "UTF-8", "latin1" …). Unknown terms: *known = false (may be NULL) and the default repertoire, in which
   bytes above 0x7F that form UTF-8 pass, others read as Latin-1. Never NULL; no need to free. */
const DcmCharset *dcm_charset(Span value, bool *known);
const DcmCharset *dcm_charset_default(void);
const DcmCharset *dcm_charset_utf8(void);
/* The defined terms as they stand in (0008,0005), "" for the default repertoire. */
const char *dcm_charset_terms(const DcmCharset *charset);

/* End of the first value in `s`: index of the first backslash that is a character of its own, or s.n. `pn` resets
   code extensions at ^ and = too (PS3.5 §6.1.2.5.3). */
size_t dcm_charset_value_end(const DcmCharset *charset, Span s, bool pn);

/* ASCII that means itself: decoding it is copying it. */
bool dcm_charset_is_plain(const DcmCharset *charset, Span s);
/* Appends `s` (one value) as UTF-8. What cannot be decoded becomes U+FFFD; returns false then. */
bool dcm_charset_decode(const DcmCharset *charset, Span s, bool pn, Buf *utf8);
/* Appends UTF-8 text encoded into the charset, with escapes where it has code extensions and back to the initial state at
   the end. What it lacks becomes '?'; returns false then. */
bool dcm_charset_encode(const DcmCharset *charset, Span utf8, bool pn, Buf *out);

#endif
