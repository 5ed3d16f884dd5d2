// SPDX-License-Identifier: MIT
/*
 * Cursor: the one bounds-checked reader of bytes that came from outside. Errors are sticky: read many fields, then
 * check `failed` once. After a failure every read returns zero or an empty span and nothing moves.
 */
#ifndef GANTRY_BASE_CURSOR_H
#define GANTRY_BASE_CURSOR_H

#include "base/span.h"

typedef struct Cursor {
    Span bytes;
    size_t at;
    bool big_endian; /* byte order of cur_u16 … cur_u64 */
    bool failed;
} Cursor;

Cursor cur_of(Span bytes, bool big_endian);
size_t cur_left(const Cursor *c);

uint8_t cur_u8(Cursor *c);
uint16_t cur_u16(Cursor *c);
uint32_t cur_u32(Cursor *c);
uint64_t cur_u64(Cursor *c);
/* The next n bytes, or a failure when there are fewer. */
Span cur_take(Cursor *c, size_t n);
/* The next n bytes without moving; does not fail: empty when there are fewer. */
Span cur_peek(const Cursor *c, size_t n);
void cur_skip(Cursor *c, size_t n);

#endif
