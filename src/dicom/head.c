// SPDX-License-Identifier: MIT
/* DcmHead: a scan that never stops, feeding a builder that copies what is wanted and skips the rest. */
#include "dicom/dataset_build.h"

#include <stdlib.h>

struct DcmHead {
    DcmBuilder builder;
    DcmScan *scan;
    bool tolerate_truncated, truncated, finished;
};

enum { DEFAULT_MAX_TAKEN = 16 * 1024 * 1024 };

DcmHead *dcm_head_new(Arena *arena, const DcmTransferSyntax *syntax, const DcmReadOptions *options)
{
    DcmHead *head = calloc(1, sizeof *head);
    if (!head)
        abort();
    dcm_builder_init(&head->builder, arena, options);
    head->builder.copies = true;
    /* A value that may not be gathered is skipped rather than refused. */
    uint32_t taken =
        options && options->limits.max_taken_value ? options->limits.max_taken_value : DEFAULT_MAX_TAKEN;
    if (head->builder.max_value == 0 || head->builder.max_value > taken)
        head->builder.max_value = taken;
    head->tolerate_truncated = options && options->tolerate_truncated;
    DcmScanHandler handler = dcm_builder_handler(&head->builder);
    head->scan = dcm_scan_new(syntax, options ? &options->limits : NULL, &handler);
    if (options && options->resolve_un)
        dcm_scan_resolve_un(head->scan);
    return head;
}

void dcm_head_free(DcmHead *head)
{
    if (!head)
        return;
    dcm_scan_free(head->scan);
    free(head);
}

bool dcm_head_feed(DcmHead *head, Span bytes, Err *err)
{
    return dcm_scan_feed(head->scan, bytes, err);
}

bool dcm_head_feed_lasting(DcmHead *head, Span bytes, Err *err)
{
    head->builder.copies = false;
    bool ok = dcm_scan_feed(head->scan, bytes, err);
    head->builder.copies = true;
    return ok;
}

uint64_t dcm_head_passable(const DcmHead *head)
{
    return dcm_scan_passable(head->scan);
}

bool dcm_head_pass(DcmHead *head, uint64_t n, Err *err)
{
    return dcm_scan_pass(head->scan, n, err);
}

bool dcm_head_complete(const DcmHead *head)
{
    return head->builder.reached || head->finished;
}

bool dcm_head_finish(DcmHead *head, Err *err)
{
    head->truncated = !dcm_scan_finish(head->scan, head->tolerate_truncated ? NULL : err);
    head->finished = true;
    return !head->truncated || head->tolerate_truncated;
}

DcmDataset *dcm_head_dataset(DcmHead *head)
{
    DcmDataset *ds = head->builder.root;
    ds->defects = dcm_scan_defects(head->scan) | (head->truncated ? DCM_DEFECT_TRUNCATED : 0);
    return ds;
}
