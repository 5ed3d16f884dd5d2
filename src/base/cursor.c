// SPDX-License-Identifier: MIT
#include "base/cursor.h"

Cursor cur_of(Span bytes, bool big_endian)
{
    return (Cursor){.bytes = bytes, .big_endian = big_endian};
}

size_t cur_left(const Cursor *c)
{
    return c->failed ? 0 : c->bytes.n - c->at;
}

Span cur_take(Cursor *c, size_t n)
{
    if (n > cur_left(c)) {
        c->failed = true;
        return (Span){NULL, 0};
    }
    Span s = span_sub(c->bytes, c->at, n);
    c->at += n;
    return s;
}

Span cur_peek(const Cursor *c, size_t n)
{
    return n > cur_left(c) ? (Span){NULL, 0} : span_sub(c->bytes, c->at, n);
}

void cur_skip(Cursor *c, size_t n)
{
    cur_take(c, n);
}

static uint64_t take_number(Cursor *c, size_t n)
{
    Span s = cur_take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[c->big_endian ? i : s.n - 1 - i];
    return v;
}

uint8_t cur_u8(Cursor *c)
{
    return (uint8_t)take_number(c, 1);
}

uint16_t cur_u16(Cursor *c)
{
    return (uint16_t)take_number(c, 2);
}

uint32_t cur_u32(Cursor *c)
{
    return (uint32_t)take_number(c, 4);
}

uint64_t cur_u64(Cursor *c)
{
    return take_number(c, 8);
}
