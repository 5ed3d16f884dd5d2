// SPDX-License-Identifier: MIT
#include "web/http_range.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

/* Digits only, and not more than fit: false otherwise. An empty text is none. */
static bool number_of(Span s, bool *some, uint64_t *out)
{
    *some = s.n > 0;
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || *out > (UINT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    return true;
}

typedef enum Parsed { PARSED, UNREADABLE, NOT_THERE } Parsed;

/* "10-19", "10-" or "-10" of `size` bytes. */
static Parsed parse_one(Span s, uint64_t size, HttpRange *out)
{
    size_t dash = span_index(s, '-');
    if (dash == SIZE_MAX)
        return UNREADABLE;
    bool has_first, has_last;
    uint64_t first, last;
    if (!number_of(span_trim(span_sub(s, 0, dash)), &has_first, &first) ||
        !number_of(span_trim(span_sub(s, dash + 1, SIZE_MAX)), &has_last, &last) || (!has_first && !has_last))
        return UNREADABLE;
    if (!has_first) {
        uint64_t length = last < size ? last : size;
        *out = (HttpRange){size - length, length};
        return length ? PARSED : NOT_THERE;
    }
    if (has_last && last < first)
        return UNREADABLE;
    if (first >= size)
        return NOT_THERE;
    if (!has_last || last >= size)
        last = size - 1;
    *out = (HttpRange){first, last - first + 1};
    return PARSED;
}

RangeAnswer range_parse(const char *header, uint64_t size, HttpRange out[RANGE_MAX], size_t *count)
{
    *count = 0;
    if (!header || strncasecmp(header, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    Span rest = span_cstr(header + 6), one;
    uint64_t wanted = 0;
    bool more = true;
    while (span_split(&rest, ',', &one, &more)) {
        HttpRange range;
        one = span_trim(one);
        if (one.n == 0)
            continue;
        Parsed parsed = parse_one(one, size, &range);
        if (parsed == UNREADABLE)
            return RANGE_WHOLE;
        if (parsed == NOT_THERE)
            continue;
        if (*count == RANGE_MAX || __builtin_add_overflow(wanted, range.length, &wanted))
            return RANGE_WHOLE;
        out[(*count)++] = range;
    }
    /* Overlapping ranges that are more than the whole are an attack on our bandwidth (§14.2). */
    if (*count > 1 && wanted > size)
        return RANGE_WHOLE;
    return *count ? RANGE_SOME : RANGE_NONE;
}

void range_content(HttpRange range, uint64_t size, char out[80])
{
    if (range.length)
        snprintf(out, 80, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.from, range.from + range.length - 1,
                 size);
    else
        snprintf(out, 80, "bytes */%" PRIu64, size);
}

void range_part_head(Buf *out, const char *boundary, const char *media, HttpRange range, uint64_t size)
{
    char content[80];
    range_content(range, size, content);
    buf_printf(out, "\r\n--%s\r\n", boundary);
    if (media)
        buf_printf(out, "Content-Type: %s\r\n", media);
    buf_printf(out, "Content-Range: %s\r\n\r\n", content);
}

void range_close(Buf *out, const char *boundary)
{
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}
