// SPDX-License-Identifier: MIT
/*
 * Elements come in ascending order as a rule and are appended; one that does not is put where it belongs, which is
 * bounded, because moving costs the square of what a hostile sender chooses. Of two elements with one tag the first counts.
 */
#include "dicom/dataset_build.h"

#include <string.h>

/* Elements moved in all before giving up: a few tenths of a second. */
#define MAX_MOVED (UINT64_C(1) << 26)

/* An open sequence: its element, and the data set that holds it. */
typedef struct DcmBuilderLevel {
    DcmDataset *holder;
    size_t index;
} DcmBuilderLevel;

/* Index of the first element whose tag is not below `tag`. */
static size_t lower_bound(const DcmDataset *ds, DcmTag tag)
{
    size_t low = 0, high = ds->count;
    if (high == 0 || ds->elements[high - 1].tag < tag)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ds->elements[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool grow(DcmDataset *ds)
{
    if (ds->count < ds->capacity)
        return true;
    size_t capacity = ds->capacity ? ds->capacity * 2 : ds->parent ? 8 : 64;
    DcmElement *elements = arena_try_array(ds->arena, capacity, sizeof *elements);
    if (!elements)
        return false;
    if (ds->count)
        memcpy(elements, ds->elements, ds->count * sizeof *elements);
    ds->elements = elements;
    ds->capacity = capacity;
    return true;
}

DcmElement *dcm_dataset_slot(DcmDataset *ds, DcmTag tag, bool *found)
{
    size_t at = lower_bound(ds, tag);
    *found = at < ds->count && ds->elements[at].tag == tag;
    if (*found)
        return &ds->elements[at];
    if (!grow(ds))
        return NULL;
    memmove(&ds->elements[at + 1], &ds->elements[at], (ds->count - at) * sizeof *ds->elements);
    ds->count++;
    ds->elements[at] = (DcmElement){.tag = tag};
    return &ds->elements[at];
}

/* Arrays without a capacity of their own are full at 0, 1, 2, 4, 8 …: they double there. NULL when memory is short. */
static void *doubled(Arena *arena, void *array, uint32_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    void *bigger =
        count < UINT32_MAX / 2 ? arena_try_array(arena, count ? (size_t)count * 2 : 1, size) : NULL;
    if (bigger && count)
        memcpy(bigger, array, count * size);
    return bigger;
}

DcmDataset *dcm_element_add_item(Arena *arena, const DcmDataset *parent, DcmElement *e)
{
    DcmDataset **items = doubled(arena, e->items, e->item_count, sizeof *items);
    DcmDataset *item = arena_try(arena, sizeof *item);
    if (!items || !item)
        return NULL;
    *item = (DcmDataset){.arena = arena, .parent = parent, .big_endian = parent->big_endian};
    e->items = items;
    e->items[e->item_count++] = item;
    return item;
}

bool dcm_element_add_fragment(Arena *arena, DcmElement *e, Span fragment)
{
    Span *fragments = doubled(arena, e->fragments, e->item_count, sizeof *fragments);
    if (!fragments)
        return false;
    e->fragments = fragments;
    e->fragments[e->item_count++] = fragment;
    return true;
}

static bool out_of_memory(Err *err)
{
    return err_set(err, ERR_LIMIT, "data set: more memory is needed than the limit allows");
}

static bool is_open(const DcmBuilder *b, const DcmScanElement *e)
{
    return e->fragment && b->depth > 0;
}

static bool too_large(uint32_t length, uint32_t max)
{
    return max && length > max;
}

static bool is_wanted(const DcmBuilder *b, const DcmScanElement *e)
{
    return !too_large(e->length, b->max_value) &&
           !(too_large(e->length, b->max_binary) && (e->fragment || dcm_vr_is_bytes(e->vr)));
}

/* A fragment too large to keep: an empty span in its place, and the element counts as not kept. */
static DcmScanWish fragment_element(DcmBuilder *b, const DcmScanElement *e, Err *err)
{
    if (is_wanted(b, e))
        return DCM_SCAN_TAKE;
    DcmBuilderLevel *level = &b->levels[b->depth - 1];
    DcmElement *pixels = &level->holder->elements[level->index];
    pixels->skipped = true;
    if (!dcm_element_add_fragment(b->arena, pixels, (Span){NULL, 0})) {
        out_of_memory(err);
        return DCM_SCAN_FAIL;
    }
    return DCM_SCAN_SKIP;
}

/* Makes room for the element in its place; *found when its tag has been there before. */
static DcmElement *place(DcmBuilder *b, const DcmScanElement *e, bool *found, Err *err)
{
    DcmDataset *ds = b->current;
    size_t before = ds->count;
    if (before == 0)
        ds->big_endian = e->big_endian;
    DcmElement *slot = dcm_dataset_slot(ds, e->tag, found);
    if (!slot) {
        out_of_memory(err);
        return NULL;
    }
    b->pending = (size_t)(slot - ds->elements);
    b->moved += *found ? 0 : before - b->pending;
    if (b->moved > MAX_MOVED) {
        err_set(err, ERR_LIMIT, "data set: too many elements are out of order");
        return NULL;
    }
    return slot;
}

static DcmScanWish on_element(void *ctx, const DcmScanElement *e, Err *err)
{
    DcmBuilder *b = ctx;
    if (is_open(b, e))
        return fragment_element(b, e, err);
    if (b->stop_before && e->depth == 0 && e->tag >= b->stop_before) {
        b->reached = true;
        return b->stop ? DCM_SCAN_STOP : DCM_SCAN_SKIP;
    }
    bool found;
    DcmElement *slot = place(b, e, &found, err);
    if (!slot)
        return DCM_SCAN_FAIL;
    if (found)
        return DCM_SCAN_SKIP;
    bool nested = e->vr == DCM_VR_SQ || e->length == DCM_UNDEFINED_LENGTH;
    slot->vr = e->vr;
    slot->length = e->length;
    slot->offset = e->offset;
    slot->skipped = !nested; /* until the value comes */
    return nested || is_wanted(b, e) ? DCM_SCAN_TAKE : DCM_SCAN_SKIP;
}

static bool on_value(void *ctx, const DcmScanElement *e, Span value, bool is_view, Err *err)
{
    DcmBuilder *b = ctx;
    if (value.n && (b->copies || !is_view)) {
        uint8_t *copy = arena_try(b->arena, value.n);
        if (!copy)
            return out_of_memory(err);
        memcpy(copy, value.p, value.n);
        value.p = copy;
    }
    if (is_open(b, e)) {
        DcmBuilderLevel *level = &b->levels[b->depth - 1];
        return dcm_element_add_fragment(b->arena, &level->holder->elements[level->index], value) ||
               out_of_memory(err);
    }
    DcmElement *element = &b->current->elements[b->pending];
    element->value = value;
    element->skipped = false;
    return true;
}

static bool push_level(DcmBuilder *b, Err *err)
{
    if (b->depth == b->capacity) {
        unsigned capacity = b->capacity ? b->capacity * 2 : 8;
        DcmBuilderLevel *levels = arena_try_array(b->arena, capacity, sizeof *levels);
        if (!levels)
            return out_of_memory(err);
        if (b->depth)
            memcpy(levels, b->levels, b->depth * sizeof *levels);
        b->levels = levels;
        b->capacity = capacity;
    }
    b->levels[b->depth++] = (DcmBuilderLevel){b->current, b->pending};
    return true;
}

static bool on_sequence(void *ctx, const DcmScanElement *e, bool begins, Err *err)
{
    DcmBuilder *b = ctx;
    if (begins)
        return push_level(b, err);
    b->current = b->levels[--b->depth].holder;
    return true;
}

static bool on_item(void *ctx, bool begins, Err *err)
{
    DcmBuilder *b = ctx;
    DcmBuilderLevel *level = &b->levels[b->depth - 1];
    if (!begins) {
        b->current = level->holder;
        return true;
    }
    b->current = dcm_element_add_item(b->arena, level->holder, &level->holder->elements[level->index]);
    return b->current || out_of_memory(err);
}

void dcm_builder_init(DcmBuilder *b, Arena *arena, const DcmReadOptions *options)
{
    *b = (DcmBuilder){.arena = arena};
    if (options) {
        b->stop_before = options->stop_before;
        b->max_value = options->max_value;
        b->max_binary = options->max_binary;
    }
    b->root = b->current = dcm_dataset_new(arena);
}

DcmScanHandler dcm_builder_handler(DcmBuilder *b)
{
    return (DcmScanHandler){
        .ctx = b, .element = on_element, .value = on_value, .sequence = on_sequence, .item = on_item};
}
