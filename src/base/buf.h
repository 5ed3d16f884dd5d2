// SPDX-License-Identifier: MIT
/*
 * Buf: growable bytes with a limit given at birth. Appending beyond the limit fails once and for all (`failed` is
 * sticky), so that a writer appends many times and checks once. A Buf without a limit holds what is ours: up to 1 MiB it does not fail, running out of
 * memory ends the process.
 */
#ifndef GANTRY_BASE_BUF_H
#define GANTRY_BASE_BUF_H

#include "base/span.h"

typedef struct Buf {
    uint8_t *p;
    size_t n, capacity, limit;
    bool failed;
} Buf;

void buf_init(Buf *buf, size_t limit); /* limit 0 = none; no allocation yet */
void buf_free(Buf *buf);               /* leaves an empty Buf with the same limit */
void buf_clear(Buf *buf);              /* keeps the memory, clears `failed` */

/* Is there room without growing and without reaching the limit? The common case, and cheap to ask. */
static inline bool buf_fits(const Buf *buf, size_t n)
{
    size_t most = buf->capacity < buf->limit ? buf->capacity : buf->limit;
    return !buf->failed && buf->n < most && n < most - buf->n;
}

bool buf_append_slow(Buf *buf, const void *p, size_t n);
static inline bool buf_append(Buf *buf, const void *p, size_t n)
{
    if (!buf_fits(buf, n))
        return buf_append_slow(buf, p, n);
    if (n)
        memcpy(buf->p + buf->n, p, n);
    buf->n += n;
    return true;
}

static inline bool buf_append_span(Buf *buf, Span s)
{
    return buf_append(buf, s.p, s.n);
}

static inline bool buf_append_cstr(Buf *buf, const char *text)
{
    return buf_append_span(buf, span_cstr(text));
}

bool buf_printf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool buf_u8(Buf *buf, uint8_t v)
{
    return buf_append(buf, &v, 1);
}
bool buf_u16be(Buf *buf, uint16_t v);
bool buf_u32be(Buf *buf, uint32_t v);
bool buf_u16le(Buf *buf, uint16_t v);
bool buf_u32le(Buf *buf, uint32_t v);
bool buf_u64le(Buf *buf, uint64_t v);

/* Room for `n` more bytes at buf->p + buf->n, for reading into; then buf->n += what came. NULL past the limit. */
uint8_t *buf_reserve(Buf *buf, size_t n);
/* Drops the first `n` bytes. */
void buf_consume(Buf *buf, size_t n);
static inline Span buf_span(const Buf *buf)
{
    return span_of(buf->p, buf->n);
}
/* The content as a C string owned by the Buf (a NUL is kept behind it). */
const char *buf_cstr(Buf *buf);

#endif
