// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_LIMIT_SMALL = 1024 * 1024 };
#define NO_LIMIT (SIZE_MAX / 2)

void buf_init(Buf *buf, size_t limit)
{
    *buf = (Buf){.limit = limit ? limit : NO_LIMIT};
}

void buf_free(Buf *buf)
{
    free(buf->p);
    buf_init(buf, buf->limit);
}

void buf_clear(Buf *buf)
{
    buf->n = 0;
    buf->failed = false;
}

/* A text of our own that is cut short would say something else, an SQL statement for one. */
static uint8_t *no_memory(Buf *buf, size_t n)
{
    if (buf->limit == NO_LIMIT && n <= NO_LIMIT_SMALL) {
        fprintf(stderr, "gantry: out of memory (%zu bytes)\n", n);
        abort();
    }
    buf->failed = true;
    return NULL;
}

uint8_t *buf_reserve(Buf *buf, size_t n)
{
    if (buf->failed || n > buf->limit || buf->n > buf->limit - n) {
        buf->failed = true;
        return NULL;
    }
    size_t need =
        buf->n + n + 1; /* room for the NUL of buf_cstr and buf_printf, which the limit does not count */
    if (need > buf->capacity) {
        size_t capacity = buf->capacity ? buf->capacity : 256;
        while (capacity < need)
            capacity = capacity > SIZE_MAX / 4 ? need : capacity * 2;
        uint8_t *p = realloc(buf->p, capacity);
        if (!p)
            return no_memory(buf, capacity);
        buf->p = p;
        buf->capacity = capacity;
    }
    return buf->p + buf->n;
}

bool buf_append_slow(Buf *buf, const void *p, size_t n)
{
    uint8_t *room = buf_reserve(buf, n);
    if (!room)
        return false;
    if (n)
        memcpy(room, p, n);
    buf->n += n;
    return true;
}

bool buf_printf(Buf *buf, const char *format, ...)
{
    va_list args;
    size_t left = buf_fits(buf, 0) ? buf->capacity - buf->n : 0;
    va_start(args, format);
    int n = vsnprintf(left ? (char *)buf->p + buf->n : NULL, left, format, args);
    va_end(args);
    if (n < 0)
        return false;
    if (buf_fits(buf, (size_t)n)) {
        buf->n += (size_t)n;
        return true;
    }
    uint8_t *room = buf_reserve(buf, (size_t)n);
    if (!room)
        return false;
    va_start(args, format);
    vsnprintf((char *)room, (size_t)n + 1, format, args);
    va_end(args);
    buf->n += (size_t)n;
    return true;
}

bool buf_u16be(Buf *buf, uint16_t v)
{
    return buf_append(buf, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

bool buf_u32be(Buf *buf, uint32_t v)
{
    return buf_append(buf, (uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v},
                      4);
}

bool buf_u16le(Buf *buf, uint16_t v)
{
    return buf_append(buf, (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

bool buf_u32le(Buf *buf, uint32_t v)
{
    return buf_append(buf, (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)},
                      4);
}

bool buf_u64le(Buf *buf, uint64_t v)
{
    return buf_u32le(buf, (uint32_t)v) && buf_u32le(buf, (uint32_t)(v >> 32));
}

void buf_consume(Buf *buf, size_t n)
{
    if (n >= buf->n) {
        buf->n = 0;
        return;
    }
    memmove(buf->p, buf->p + n, buf->n - n);
    buf->n -= n;
}

const char *buf_cstr(Buf *buf)
{
    if (!buf->p)
        return "";
    buf->p[buf->n] = 0;
    return (const char *)buf->p;
}
