// SPDX-License-Identifier: MIT
#include "base/span.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

bool span_eq_cstr(Span a, const char *b)
{
    return span_eq(a, span_cstr(b));
}

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool span_eq_nocase(Span a, Span b)
{
    bool same = a.n == b.n;
    for (size_t i = 0; same && i < a.n; i++)
        same = ascii_lower(a.p[i]) == ascii_lower(b.p[i]);
    return same;
}

int span_cmp(Span a, Span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool span_starts(Span s, Span prefix)
{
    return span_eq(span_sub(s, 0, prefix.n), prefix);
}

bool span_ends(Span s, Span suffix)
{
    return s.n >= suffix.n && span_eq(span_sub(s, s.n - suffix.n, suffix.n), suffix);
}

Span span_trim(Span s)
{
    s = span_rtrim(s);
    while (s.n && *s.p == ' ')
        s = span_sub(s, 1, s.n);
    return s;
}

bool span_split(Span *rest, uint8_t separator, Span *part, bool *more)
{
    if (!*more)
        return false;
    size_t at = span_index(*rest, separator);
    *more = at != SIZE_MAX;
    *part = span_sub(*rest, 0, at);
    *rest = *more ? span_sub(*rest, at + 1, rest->n) : (Span){NULL, 0};
    return true;
}

bool span_to_i64(Span s, int64_t min, int64_t max, int64_t *out)
{
    char text[32];
    s = span_trim(s);
    if (s.n == 0 || !span_copy(s, text, sizeof text) || strlen(text) != s.n)
        return false;
    if (!((text[0] >= '0' && text[0] <= '9') || ((text[0] == '-' || text[0] == '+') && s.n > 1)))
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool span_to_double(Span s, double *out)
{
    char text[64];
    s = span_trim(s);
    if (s.n == 0 || !span_copy(s, text, sizeof text))
        return false;
    if (strspn(text, "0123456789+-.eE") != s.n)
        return false;
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

char *span_hex(Span s, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < s.n; i++) {
        out[2 * i] = digits[s.p[i] >> 4];
        out[2 * i + 1] = digits[s.p[i] & 15];
    }
    out[2 * s.n] = 0;
    return out;
}

bool span_from_hex(const char *hex, uint8_t *out, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    if (!hex || strlen(hex) != 2 * n || strspn(hex, digits) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t high = (size_t)(strchr(digits, hex[2 * i]) - digits);
        size_t low = (size_t)(strchr(digits, hex[2 * i + 1]) - digits);
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool span_copy(Span s, char *out, size_t size)
{
    size_t n = s.n < size ? s.n : size - 1;
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
    return n == s.n;
}

size_t span_utf8_length(Span s)
{
    if (s.n == 0)
        return 0;
    uint8_t c = s.p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xC2 && c < 0xE0 ? 2
               : c >= 0xE0 && c < 0xF0 ? 3
               : c >= 0xF0 && c < 0xF5 ? 4
                                       : 0;
    if (n == 0 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.p[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && s.p[1] < 0xA0) || (c == 0xED && s.p[1] > 0x9F) || (c == 0xF0 && s.p[1] < 0x90) ||
        (c == 0xF4 && s.p[1] > 0x8F))
        return 0;
    return n;
}

bool span_is_utf8(Span s)
{
    for (size_t n; s.n; s = span_sub(s, n, SIZE_MAX))
        if ((n = span_utf8_length(s)) == 0)
            return false;
    return true;
}
