// SPDX-License-Identifier: MIT
/*
 * Buf: growable bytes with a limit given at birth. Appending beyond the limit fails once and for all (`failed` is
 * sticky), so that a writer appends many times and checks once.
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

bool buf_append(Buf *buf, const void *p, size_t n);
bool buf_append_span(Buf *buf, Span s);
bool buf_append_cstr(Buf *buf, const char *text);
bool buf_printf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_u8(Buf *buf, uint8_t v);
bool buf_u16be(Buf *buf, uint16_t v);
bool buf_u32be(Buf *buf, uint32_t v);
bool buf_u16le(Buf *buf, uint16_t v);
bool buf_u32le(Buf *buf, uint32_t v);
bool buf_u64le(Buf *buf, uint64_t v);

/* Room for `n` more bytes at buf->p + buf->n, for reading into; then buf->n += what came. NULL past the limit. */
uint8_t *buf_reserve(Buf *buf, size_t n);
/* Drops the first `n` bytes. */
void buf_consume(Buf *buf, size_t n);
Span buf_span(const Buf *buf);
/* The content as a C string owned by the Buf (a NUL is kept behind it). */
const char *buf_cstr(Buf *buf);

#endif
