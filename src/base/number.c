// SPDX-License-Identifier: MIT
/*
 * Most real numbers that people measure are a few decimal digits: digits × 10^-n. When such a product, rounded once, is the number, its digits are the answer, and
 * neither printf nor strtod need be asked: both factors are exact in binary64 as long as the digits are below 2^53 and n is at most 22.
 */
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t put_digits(uint64_t value, char *out)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + value % 10);
    while (value /= 10);
    size_t length = sizeof digits - n;
    memcpy(out, digits + n, length);
    out[length] = 0;
    return length;
}

size_t number_u64(uint64_t value, char out[NUMBER_TEXT])
{
    return put_digits(value, out);
}

size_t number_i64(int64_t value, char out[NUMBER_TEXT])
{
    if (value >= 0)
        return put_digits((uint64_t)value, out);
    *out = '-';
    return 1 + put_digits(-(uint64_t)value, out + 1);
}

/* Digits with a point before the last `places` of them. */
static size_t put_point(uint64_t digits, unsigned places, char *out)
{
    char text[NUMBER_TEXT], *end = text + sizeof text, *p = end;
    for (unsigned i = 0; digits || i <= places; i++, digits /= 10) {
        if (places && i == places)
            *--p = '.';
        *--p = (char)('0' + digits % 10);
    }
    size_t n = (size_t)(end - p);
    memcpy(out, p, n);
    out[n] = 0;
    return n;
}

/* What "%g" writes without an exponent and with at most `limit` as digits. A float times a power of ten below 10^13 is exact, so that it is rounded once to the digits that printf
   would choose; that those are rounded twice on the way back does no harm, because no so few digits come as close to the middle of two floats without
   meeting it. */
static size_t try_digits(double value, int64_t limit, bool single, char *out)
{
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    if (value < 0.0001 || value >= (single ? 1e6 : 1e15))
        return 0;
    for (unsigned places = 0; places < sizeof tens / sizeof *tens; places++) {
        int64_t digits = llrint(value * tens[places]);
        if (digits >= limit)
            return 0;
        double back = (double)digits / tens[places];
        if (single)
            back = (double)(float)back;
        if (back >= value && back <= value)
            return put_point((uint64_t)digits, places, out);
    }
    return 0;
}

static size_t put_real(double value, int digits, bool single, char out[NUMBER_TEXT])
{
    size_t sign = signbit(value) != 0;
    *out = '-';
    if (value <= 0 && value >= 0)
        return sign + put_digits(0, out + sign);
    size_t n = try_digits(fabs(value), single ? 1000000000 : 1000000000000000, single, out + sign);
    if (n)
        return n + sign;
    for (; digits <= 17; digits++) {
        n = (size_t)snprintf(out, NUMBER_TEXT, "%.*g", digits, value);
        double back = single ? (double)strtof(out, NULL) : strtod(out, NULL);
        if (back >= value && back <= value)
            break;
    }
    return n;
}

size_t number_double(double value, char out[NUMBER_TEXT])
{
    return put_real(value, 15, false, out);
}

size_t number_float(float value, char out[NUMBER_TEXT])
{
    return put_real((double)value, 6, true, out);
}
