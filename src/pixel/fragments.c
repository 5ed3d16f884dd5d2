// SPDX-License-Identifier: MIT
#include "pixel/fragments.h"

#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t item_tag = 0xFFFEE000, sequence_end_tag = 0xFFFEE0DD;
enum { MAX_OFFSET_TABLE = 64 * 1024 * 1024, ITEM_HEADER = 8, MAX_FRAGMENTS = 16 * 1024 * 1024 };

/* Exactly n bytes at offset. */
static bool read_exactly(PixReadAt read, void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    uint8_t *at = p;
    while (n) {
        ssize_t got = read(ctx, offset, at, n, err);
        if (got < 0)
            return false;
        if (got == 0)
            return err_set(err, ERR_FORMAT, "pixel data ends early, at byte %llu",
                           (unsigned long long)offset);
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

static bool read_item(PixReadAt read, void *ctx, uint64_t offset, uint32_t *tag, uint32_t *length, Err *err)
{
    uint8_t bytes[ITEM_HEADER];
    if (!read_exactly(read, ctx, offset, bytes, sizeof bytes, err))
        return false;
    Cursor c = cur_of(span_of(bytes, sizeof bytes), false);
    *tag = (uint32_t)cur_u16(&c) << 16;
    *tag |= cur_u16(&c);
    *length = cur_u32(&c);
    return true;
}

static bool add(PixFragments *f, uint64_t offset, uint32_t length, Err *err)
{
    if (f->count == MAX_FRAGMENTS)
        return err_set(err, ERR_LIMIT, "the pixel data has more than %d fragments", MAX_FRAGMENTS);
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 64;
        PixFragment *list = realloc(f->list, capacity * sizeof *list);
        if (!list)
            return err_set(err, ERR_LIMIT, "no memory for %zu fragments", capacity);
        f->list = list;
        f->capacity = capacity;
    }
    f->list[f->count++] = (PixFragment){.offset = offset, .length = length};
    return true;
}

static bool walk(PixFragments *f, PixReadAt read, void *ctx, uint64_t offset, uint64_t size, Err *err)
{
    for (;;) {
        uint32_t tag, length;
        if (!read_item(read, ctx, offset, &tag, &length, err))
            return false;
        offset += ITEM_HEADER;
        if (tag == sequence_end_tag) {
            f->end = offset;
            return true;
        }
        if (tag != item_tag || length > size || offset > size - length)
            return err_set(err, ERR_FORMAT, "a fragment of pixel data at byte %llu is damaged",
                           (unsigned long long)offset);
        if (!add(f, offset, length, err))
            return false;
        offset += length;
    }
}

/* Marks the fragments whose items begin at the table's offsets, counted from the first item after the table. False if one is in no table. */
static bool mark_by_table(PixFragments *f, Span table, size_t width, uint32_t frames)
{
    Cursor c = cur_of(table, false);
    uint64_t base = f->count ? f->list[0].offset : 0;
    size_t i = 0, marked = 0;
    while (cur_left(&c) >= width) {
        uint64_t wanted = base + (width == 8 ? cur_u64(&c) : cur_u32(&c));
        while (i < f->count && f->list[i].offset < wanted)
            i++;
        if (i == f->count || f->list[i].offset != wanted)
            return false;
        f->list[i].starts_frame = true;
        marked++;
    }
    return marked == frames;
}

static void unmark(PixFragments *f)
{
    for (size_t i = 0; i < f->count; i++)
        f->list[i].starts_frame = false;
}

/* Without a table: a fragment that begins like a JPEG or JPEG 2000 stream begins a frame. */
static bool mark_by_content(PixFragments *f, PixReadAt read, void *ctx, uint32_t frames)
{
    size_t marked = 0;
    for (size_t i = 0; i < f->count; i++) {
        uint8_t head[3] = {0};
        if (f->list[i].length < sizeof head ||
            !read_exactly(read, ctx, f->list[i].offset, head, sizeof head, NULL))
            continue;
        bool jpeg = head[0] == 0xFF && head[1] == 0xD8 && head[2] == 0xFF;
        bool jpeg2000 = head[0] == 0xFF && head[1] == 0x4F && head[2] == 0xFF;
        f->list[i].starts_frame = jpeg || jpeg2000;
        marked += f->list[i].starts_frame;
    }
    return marked == frames;
}

static bool divide(PixFragments *f, PixReadAt read, void *ctx, Span basic, Span extended, uint32_t frames,
                   Err *err)
{
    if (f->count == frames) {
        for (size_t i = 0; i < f->count; i++)
            f->list[i].starts_frame = true;
        return true;
    }
    if (f->count && frames == 1) {
        f->list[0].starts_frame = true;
        return true;
    }
    if (f->count < frames)
        return err_set(err, ERR_FORMAT, "pixel data has %zu fragments for %u frames", f->count, frames);
    if (extended.n && mark_by_table(f, extended, 8, frames))
        return true;
    unmark(f);
    if (basic.n && mark_by_table(f, basic, 4, frames))
        return true;
    unmark(f);
    if (mark_by_content(f, read, ctx, frames))
        return true;
    return err_set(err, ERR_FORMAT,
                   "%zu fragments of pixel data cannot be divided among %u frames: no offset table", f->count,
                   frames);
}

bool pix_fragments_find(PixFragments *out, PixReadAt read, void *ctx, uint64_t offset, uint64_t size,
                        uint32_t frames, Span extended, Err *err)
{
    uint32_t tag, length;
    *out = (PixFragments){0};
    if (!read_item(read, ctx, offset, &tag, &length, err))
        return false;
    offset += ITEM_HEADER;
    if (tag != item_tag || length > size || offset > size - length || length > MAX_OFFSET_TABLE)
        return err_set(err, ERR_FORMAT, "the basic offset table is damaged");
    Buf table;
    buf_init(&table, MAX_OFFSET_TABLE);
    uint8_t *room = buf_reserve(&table, length);
    bool ok = room && read_exactly(read, ctx, offset, room, length, err);
    table.n = ok ? length : 0;
    ok = ok && walk(out, read, ctx, offset + length, size, err) &&
         divide(out, read, ctx, buf_span(&table), extended, frames, err);
    buf_free(&table);
    if (!ok)
        pix_fragments_free(out);
    return ok;
}

void pix_fragments_free(PixFragments *fragments)
{
    free(fragments->list);
    *fragments = (PixFragments){0};
}
