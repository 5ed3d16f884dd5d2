// SPDX-License-Identifier: MIT
#include "index/nested.h"

enum { ITEMS_MAX = 4096 }; /* of one sequence, when all are wanted */

const DcmElement *idx_nested_find(const DcmDataset *row, const IdxAttribute *a, const DcmDataset **holder)
{
    const DcmDataset *at = row;
    for (size_t i = 0; at && i < a->parent_count; i++)
        at = dcm_item(at, a->parents[i], 0);
    *holder = at;
    return at ? dcm_find(at, a->tag) : NULL;
}

void idx_copy(DcmDataset *to, const DcmDataset *from, const DcmElement *e)
{
    dcm_copy(to, from, e);
    if (!DCM_TAG_IS_PRIVATE(e->tag) || DCM_TAG_IS_CREATOR(e->tag))
        return;
    const DcmElement *creator = dcm_find(from, DCM_TAG(DCM_TAG_GROUP(e->tag), DCM_TAG_ELEMENT(e->tag) >> 8));
    if (creator && !creator->skipped)
        dcm_copy(to, from, creator);
}

static DcmDataset *item_at(DcmDataset *ds, DcmTag sequence, uint32_t i)
{
    const DcmElement *e = dcm_find(ds, sequence);
    return e && e->items && i < e->item_count ? e->items[i] : NULL;
}

/* `depth` sequences are behind us. Items stand at the same places in both. */
static void copy_chain(DcmDataset *to, const DcmDataset *from, const IdxAttribute *a, size_t depth,
                       IdxItems items)
{
    const DcmElement *e = dcm_find(from, depth < a->parent_count ? a->parents[depth] : a->tag);
    if (depth == a->parent_count) {
        if (e && !e->skipped && !e->fragments && !e->items)
            idx_copy(to, from, e);
        return;
    }
    if (!e || !e->items)
        return;
    if (!dcm_find(to, e->tag))
        dcm_put_sequence(to, e->tag);
    uint32_t most = items == IDX_FIRST_ITEMS || e->item_count > ITEMS_MAX ? 1 : e->item_count;
    for (uint32_t i = 0; i < most; i++) {
        DcmDataset *item = item_at(to, e->tag, i);
        if (!item)
            item = dcm_add_item(to, e->tag);
        copy_chain(item, e->items[i], a, depth + 1, items);
    }
}

void idx_nested_copy(DcmDataset *to, const DcmDataset *from, const IdxAttributes *set,
                     const IdxAttribute *top, IdxItems items)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, top->level, &n);
    for (size_t i = 0; i < n; i++)
        if (a[i].parents && a[i].parents[0] == top->tag)
            copy_chain(to, from, &a[i], 0, items);
}

DcmDataset *idx_nested_holder(DcmDataset *row, const IdxAttribute *a)
{
    for (size_t i = 0; i < a->parent_count; i++) {
        DcmDataset *item = item_at(row, a->parents[i], 0);
        if (!item && !dcm_find(row, a->parents[i]))
            dcm_put_sequence(row, a->parents[i]);
        row = item ? item : dcm_add_item(row, a->parents[i]);
    }
    return row;
}
