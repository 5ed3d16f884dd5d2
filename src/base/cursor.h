// SPDX-License-Identifier: MIT
/*
 * Cursor: the one bounds-checked reader of bytes that came from outside. Errors are sticky: read many fields, then
 * check `failed` once. After a failure every read returns zero or an empty span and nothing moves.
 */
#ifndef GANTRY_BASE_CURSOR_H
#define GANTRY_BASE_CURSOR_H

#include "base/span.h"

#include <endian.h>

typedef struct Cursor {
    Span bytes;
    size_t at;
    bool big_endian; /* byte order of cur_u16 … cur_u64 */
    bool failed;
} Cursor;

static inline Cursor cur_of(Span bytes, bool big_endian)
{
    return (Cursor){.bytes = bytes, .big_endian = big_endian};
}

static inline size_t cur_left(const Cursor *c)
{
    return c->failed ? 0 : c->bytes.n - c->at;
}

/* The next n bytes, or a failure when there are fewer. */
static inline Span cur_take(Cursor *c, size_t n)
{
    if (n > cur_left(c)) {
        c->failed = true;
        return (Span){NULL, 0};
    }
    Span s = span_sub(c->bytes, c->at, n);
    c->at += n;
    return s;
}

/* n: 1 to 8 */
static inline uint64_t cur_number(Cursor *c, size_t n)
{
    Span s = cur_take(c, n);
    uint64_t v = 0;
    if (s.n < n)
        return 0;
    memcpy(&v, s.p, n);
    return c->big_endian ? be64toh(v) >> (64 - 8 * n) : le64toh(v);
}

static inline uint8_t cur_u8(Cursor *c)
{
    return (uint8_t)cur_number(c, 1);
}

static inline uint16_t cur_u16(Cursor *c)
{
    return (uint16_t)cur_number(c, 2);
}

static inline uint32_t cur_u32(Cursor *c)
{
    return (uint32_t)cur_number(c, 4);
}

static inline uint64_t cur_u64(Cursor *c)
{
    return cur_number(c, 8);
}

/* The next n bytes without moving; does not fail: empty when there are fewer. */
Span cur_peek(const Cursor *c, size_t n);
void cur_skip(Cursor *c, size_t n);

#endif
