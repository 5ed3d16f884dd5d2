// SPDX-License-Identifier: MIT
/* Do two data sets say the same? For round trips. Include behind cmocka.h. */
#ifndef GANTRY_TEST_SAME_DATASET_H
#define GANTRY_TEST_SAME_DATASET_H

#include "dicom/dataset.h"

#include <stdio.h>

/* Byte i of a value as it would be in little endian, with a pad byte behind an odd value. */
static uint8_t byte_of(const DcmDataset *ds, const DcmElement *e, size_t i)
{
    unsigned unit = dcm_vr_swap_unit(e->vr);
    if (i >= e->value.n)
        return (uint8_t)dcm_vr_info(e->vr)->pad;
    if (ds->big_endian && unit > 1 && i / unit < e->value.n / unit)
        i = i - i % unit + (unit - 1 - i % unit);
    return e->value.p[i];
}

static bool same_value(const DcmDataset *a, const DcmElement *x, const DcmDataset *b, const DcmElement *y)
{
    size_t n = x->value.n + x->value.n % 2;
    if (n != y->value.n + y->value.n % 2)
        return false;
    for (size_t i = 0; i < n; i++)
        if (byte_of(a, x, i) != byte_of(b, y, i))
            return false;
    return true;
}

static size_t next_element(const DcmDataset *ds, size_t i)
{
    while (i < ds->count && DCM_TAG_ELEMENT(ds->elements[i].tag) == 0)
        i++;
    return i;
}

/* Tags, values, items and fragments, group lengths apart; VRs too unless `implicit`. Fails the test with `name` otherwise. */
static void same_dataset(const char *name, const DcmDataset *a, const DcmDataset *b, bool implicit)
{
    size_t i = next_element(a, 0), k = next_element(b, 0);
    for (; i < a->count && k < b->count; i = next_element(a, i + 1), k = next_element(b, k + 1)) {
        const DcmElement *x = &a->elements[i], *y = &b->elements[k];
        bool forced_unknown = y->vr == DCM_VR_UN && x->value.n > 0xFFFE;
        if (x->tag != y->tag)
            fail_msg("%s: %08x became %08x", name, (unsigned)x->tag, (unsigned)y->tag);
        if (x->vr != y->vr && !implicit && !forced_unknown)
            fail_msg("%s: %08x: VR %s became %s", name, (unsigned)x->tag, dcm_vr_info(x->vr)->name,
                     dcm_vr_info(y->vr)->name);
        if (x->item_count != y->item_count || !same_value(a, x, b, y))
            fail_msg("%s: %08x: its value changed", name, (unsigned)x->tag);
        for (uint32_t n = 0; n < x->item_count; n++)
            if (x->vr == DCM_VR_SQ)
                same_dataset(name, x->items[n], y->items[n], implicit);
            else if (!span_eq(x->fragments[n], span_sub(y->fragments[n], 0, x->fragments[n].n)))
                fail_msg("%s: %08x: fragment %u changed", name, (unsigned)x->tag, (unsigned)n);
    }
    if (i < a->count || k < b->count)
        fail_msg("%s: an element is missing or too many", name);
}

#endif
