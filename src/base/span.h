// SPDX-License-Identifier: MIT
/*
 * Span: a view of bytes, pointer and length. It never owns and is never NUL-terminated.
 * An empty span may have any pointer, NULL included.
 */
#ifndef GANTRY_BASE_SPAN_H
#define GANTRY_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Span {
    const uint8_t *p;
    size_t n;
} Span;

/* Span of a string literal, without its NUL. */
#define SPAN(literal) ((Span){(const uint8_t *)("" literal), sizeof("" literal) - 1})

/* printf("%.*s", SPAN_FMT(s)) */
#define SPAN_FMT(s) (int)(s).n, (const char *)(s).p

static inline Span span_of(const void *p, size_t n)
{
    return (Span){(const uint8_t *)p, n};
}

/* text may be NULL: empty span */
static inline Span span_cstr(const char *text)
{
    return (Span){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool span_eq(Span a, Span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_eq_cstr(Span a, const char *b);
bool span_eq_nocase(Span a, Span b); /* ASCII only */
int span_cmp(Span a, Span b);        /* bytewise, shorter first: like strcmp */
bool span_starts(Span s, Span prefix);
bool span_ends(Span s, Span suffix);

/* The part from `from` of at most `n` bytes; clamps to what is there. */
static inline Span span_sub(Span s, size_t from, size_t n)
{
    if (from >= s.n)
        return (Span){s.p, 0};
    size_t left = s.n - from;
    return (Span){s.p + from, n < left ? n : left};
}

/* Index of the first `byte`, or SIZE_MAX. */
static inline size_t span_index(Span s, uint8_t byte)
{
    const uint8_t *found = s.n ? (const uint8_t *)memchr(s.p, byte, s.n) : NULL;
    return found ? (size_t)(found - s.p) : SIZE_MAX;
}

/* Without leading and trailing spaces (and trailing NULs). */
Span span_trim(Span s);
/* Without trailing spaces and NULs. */
static inline Span span_rtrim(Span s)
{
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == 0))
        s.n--;
    return s;
}

/*
 * Cuts the next part off `rest` at `separator`. Returns false when nothing is left; an empty input has one empty part.
 * Start with `bool more = true;`:  while (span_split(&rest, '\\', &part, &more)) …
 */
bool span_split(Span *rest, uint8_t separator, Span *part, bool *more);

/* Whole span as a decimal integer within [min, max]; surrounding spaces allowed. False if it is anything else. */
bool span_to_i64(Span s, int64_t min, int64_t max, int64_t *out);
/* Whole span as a finite decimal number; surrounding spaces allowed. */
bool span_to_double(Span s, double *out);

/* Length of the valid UTF-8 sequence (RFC 3629) at the start of s, 0 if there is none. */
size_t span_utf8_length(Span s);
bool span_is_utf8(Span s);

/* Two lower-case hexadecimal digits for each byte, and a NUL: 2 n + 1 characters. Returns `out`. */
char *span_hex(Span s, char *out);
/* Back from there: exactly n bytes. False, and nothing written, when `hex` is NULL or anything else than 2 n lower-case digits. */
bool span_from_hex(const char *hex, uint8_t *out, size_t n);

/* Copies into a C string of `size` bytes, truncating; always terminated. Returns false if it did not fit. */
bool span_copy(Span s, char *out, size_t size);

#endif
