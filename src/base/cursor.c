// SPDX-License-Identifier: MIT
#include "base/cursor.h"

Span cur_peek(const Cursor *c, size_t n)
{
    return n > cur_left(c) ? (Span){NULL, 0} : span_sub(c->bytes, c->at, n);
}

void cur_skip(Cursor *c, size_t n)
{
    cur_take(c, n);
}
