// SPDX-License-Identifier: MIT
/*
 * From events of the scanner to a data set: what dcm_dataset_parse and DcmHead have in common. For the sources of
 * this room.
 */
#ifndef GANTRY_DICOM_DATASET_BUILD_H
#define GANTRY_DICOM_DATASET_BUILD_H

#include "dicom/dataset.h"

typedef struct DcmBuilder {
    Arena *arena;
    DcmTag stop_before;
    uint32_t max_value, max_binary; /* 0 = any */
    bool stop;                      /* end the scan at stop_before; else go on without keeping */
    bool reached;                   /* an element at or behind stop_before has been seen */
    bool copies;                    /* values do not outlive the call: copy them even when they are views */
    DcmDataset *root, *current;
    struct DcmBuilderLevel *levels; /* open sequences, outermost first */
    unsigned depth, capacity;
    size_t pending; /* index in `current` of the element whose value comes next */
    uint64_t moved; /* elements shifted to keep order: bounded */
} DcmBuilder;

void dcm_builder_init(DcmBuilder *builder, Arena *arena, const DcmReadOptions *options);
DcmScanHandler dcm_builder_handler(DcmBuilder *builder);

/* -- arrays that grow in the arena; NULL when its limit is reached -- */
/* Room for a new element with this tag, in order; `found` when it is there already. */
DcmElement *dcm_dataset_slot(DcmDataset *ds, DcmTag tag, bool *found);
/* A new empty item behind the others. */
DcmDataset *dcm_element_add_item(Arena *arena, const DcmDataset *parent, DcmElement *e);
bool dcm_element_add_fragment(Arena *arena, DcmElement *e, Span fragment);

#endif
