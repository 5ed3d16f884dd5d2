// SPDX-License-Identifier: MIT
/*
 * Nested attributes of a row: elements inside sequences. The row's data set has the sequences themselves, as far as they are indexed,
 * so that keys that are sequences match as the standard says (PS3.4 C.2.2.2.6); the column has what their first items say.
 */
#ifndef GANTRY_INDEX_NESTED_H
#define GANTRY_INDEX_NESTED_H

#include "dicom/dataset.h"
#include "index/attributes.h"

/* The element in the first items of its sequences; *holder is the item that has it. NULL when one of them is absent. */
const DcmElement *idx_nested_find(const DcmDataset *row, const IdxAttribute *a, const DcmDataset **holder);

/* Copies of the sequence `top` what the nested attributes of its level need: of all items, or only of the first ones. */
typedef enum IdxItems { IDX_ALL_ITEMS, IDX_FIRST_ITEMS } IdxItems;
void idx_nested_copy(DcmDataset *to, const DcmDataset *from, const IdxAttributes *set,
                     const IdxAttribute *top, IdxItems items);

/* The item that would hold the element, made with the sequences above it where they are absent. */
DcmDataset *idx_nested_holder(DcmDataset *row, const IdxAttribute *a);

/* The element and, of a private one, the creator of its block. `e` is of `from`. */
void idx_copy(DcmDataset *to, const DcmDataset *from, const DcmElement *e);

#endif
