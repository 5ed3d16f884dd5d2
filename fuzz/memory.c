// SPDX-License-Identifier: MIT
/* The linker leads calls from outside their own source file here (-Wl,--wrap), so that arena_alloc, which may end the process, is not meant. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/buf.h"
#include "dicom/dataset_build.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SMALL = 256 * 1024, NO_LIMIT_SMALL = 1024 * 1024 };

static atomic_long left = -1; /* calls that still succeed; negative: all of them */
static atomic_bool all_fail, refused_some;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_arena_try(Arena *arena, size_t n);
void *__real_arena_try_array(Arena *arena, size_t count, size_t size);
uint8_t *__real_buf_reserve(Buf *buf, size_t n);
bool __real_buf_append_slow(Buf *buf, const void *p, size_t n);
DcmElement *__real_dcm_dataset_slot(DcmDataset *ds, DcmTag tag, bool *found);
DcmDataset *__real_dcm_element_add_item(Arena *arena, const DcmDataset *parent, DcmElement *e);
bool __real_dcm_element_add_fragment(Arena *arena, DcmElement *e, Span fragment);
DcmElement *__wrap_dcm_dataset_slot(DcmDataset *ds, DcmTag tag, bool *found);
DcmDataset *__wrap_dcm_element_add_item(Arena *arena, const DcmDataset *parent, DcmElement *e);
bool __wrap_dcm_element_add_fragment(Arena *arena, DcmElement *e, Span fragment);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_arena_try(Arena *arena, size_t n);
void *__wrap_arena_try_array(Arena *arena, size_t count, size_t size);
uint8_t *__wrap_buf_reserve(Buf *buf, size_t n);
bool __wrap_buf_append_slow(Buf *buf, const void *p, size_t n);

/* Inside what builds data sets of our own values, which ends the process too. */
static _Thread_local int building;

static bool refuse(void)
{
    if (building || atomic_load(&left) < 0)
        return false;
    bool now = atomic_fetch_sub(&left, 1) == 0;
    if (now) {
        atomic_store(&refused_some, true);
        atomic_store(&left, atomic_load(&all_fail) ? 0 : -1);
    }
    return now;
}

void *__wrap_malloc(size_t n)
{
    return n > SMALL && refuse() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return size && count > SMALL / size && refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return n > SMALL && refuse() ? NULL : __real_realloc(p, n);
}

void *__wrap_arena_try(Arena *arena, size_t n)
{
    return refuse() ? NULL : __real_arena_try(arena, n);
}

void *__wrap_arena_try_array(Arena *arena, size_t count, size_t size)
{
    return refuse() ? NULL : __real_arena_try_array(arena, count, size);
}

/* What is ours alone ends the process (base/buf.h). */
static bool may_fail(const Buf *buf, size_t n)
{
    return buf->limit < SIZE_MAX / 2 || buf->n + n > NO_LIMIT_SMALL;
}

uint8_t *__wrap_buf_reserve(Buf *buf, size_t n)
{
    if (!may_fail(buf, n) || !refuse())
        return __real_buf_reserve(buf, n);
    buf->failed = true;
    return NULL;
}

bool __wrap_buf_append_slow(Buf *buf, const void *p, size_t n)
{
    if (!may_fail(buf, n) || !refuse())
        return __real_buf_append_slow(buf, p, n);
    buf->failed = true;
    return false;
}

DcmElement *__wrap_dcm_dataset_slot(DcmDataset *ds, DcmTag tag, bool *found)
{
    building++;
    DcmElement *e = __real_dcm_dataset_slot(ds, tag, found);
    building--;
    return e;
}

DcmDataset *__wrap_dcm_element_add_item(Arena *arena, const DcmDataset *parent, DcmElement *e)
{
    building++;
    DcmDataset *item = __real_dcm_element_add_item(arena, parent, e);
    building--;
    return item;
}

bool __wrap_dcm_element_add_fragment(Arena *arena, DcmElement *e, Span fragment)
{
    building++;
    bool ok = __real_dcm_element_add_fragment(arena, e, fragment);
    building--;
    return ok;
}

void fuzz_broken(void)
{
    if (!atomic_load(&refused_some))
        abort();
}

void fuzz_undisturbed(void (*work)(void))
{
    long then = atomic_exchange(&left, -1);
    work();
    atomic_store(&left, then);
}

bool fuzz_nth_fails(FuzzTarget target, const uint8_t *data, size_t size, long nth, bool all_after)
{
    atomic_store(&all_fail, all_after);
    atomic_store(&left, nth);
    target(data, size);
    atomic_store(&left, -1);
    return atomic_exchange(&refused_some, false);
}

int fuzz_with_short_memory(FuzzTarget target, const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint16_t choice = (uint16_t)(data[size - 2] << 8 | data[size - 1]);
    fuzz_nth_fails(target, data, size - 2, choice & 0x7FFF, choice & 0x8000);
    return 0;
}
