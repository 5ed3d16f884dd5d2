// SPDX-License-Identifier: MIT
/* Bytes written as hexadecimal text, blanks allowed between them, as recorders print them. */
#ifndef GANTRY_TESTS_NET_HEX_H
#define GANTRY_TESTS_NET_HEX_H

#include "base/buf.h"

#include <ctype.h>
#include <string.h>

static inline int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Appends; returns the span of all of `out`. */
static inline Span hex(Buf *out, const char *text)
{
    for (; *text; text++) {
        if (isspace((unsigned char)*text))
            continue;
        buf_u8(out, (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1])));
        text++;
    }
    return buf_span(out);
}

#endif
