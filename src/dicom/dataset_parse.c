// SPDX-License-Identifier: MIT
/* Parsing of a whole encoded data set in memory: one scan, values are views. */
#include "dicom/dataset_build.h"
#include "dicom/deflate.h"

#include <string.h>

enum { INFLATE_FIRST = 256 * 1024 };

/* Inflated bytes, contiguous in the arena; doubled as they come. */
typedef struct Inflated {
    Arena *arena;
    uint8_t *p;
    size_t n, capacity;
} Inflated;

static bool on_inflated(void *ctx, Span bytes, Err *err)
{
    Inflated *out = ctx;
    if (bytes.n > out->capacity - out->n) {
        size_t capacity = out->capacity ? out->capacity * 2 : INFLATE_FIRST;
        while (capacity - out->n < bytes.n)
            capacity *= 2;
        uint8_t *p = arena_try(out->arena, capacity);
        if (!p)
            return err_set(err, ERR_LIMIT, "deflated data set: more memory is needed than the limit allows");
        if (out->n)
            memcpy(p, out->p, out->n);
        out->p = p;
        out->capacity = capacity;
    }
    memcpy(out->p + out->n, bytes.p, bytes.n);
    out->n += bytes.n;
    return true;
}

static bool inflate_all(Arena *arena, Span *bytes, const DcmReadOptions *options, unsigned *defects, Err *err)
{
    uint32_t ratio = options && options->limits.max_inflate_ratio ? options->limits.max_inflate_ratio : 1100;
    Inflated out = {.arena = arena};
    DcmInflate *inflate = dcm_inflate_new(ratio, on_inflated, &out);
    Err late = {0};
    bool ok = dcm_inflate_feed(inflate, *bytes, err);
    if (ok && !dcm_inflate_finish(inflate, &late)) {
        ok = options && options->tolerate_truncated;
        if (ok)
            *defects |= DCM_DEFECT_TRUNCATED;
        else if (err)
            *err = late;
    }
    *defects |= dcm_inflate_defects(inflate);
    dcm_inflate_free(inflate);
    *bytes = span_of(out.p, out.n);
    return ok;
}

DcmDataset *dcm_dataset_parse(Arena *arena, Span bytes, const DcmTransferSyntax *syntax,
                              const DcmReadOptions *options, Err *err)
{
    unsigned defects = 0;
    if (syntax && syntax->deflated) {
        if (!inflate_all(arena, &bytes, options, &defects, err))
            return NULL;
        syntax = NULL; /* what comes out is explicit VR little endian */
    }
    DcmBuilder builder;
    dcm_builder_init(&builder, arena, options);
    builder.stop = true;
    DcmScanHandler handler = dcm_builder_handler(&builder);
    DcmScan *scan = dcm_scan_new(syntax, options ? &options->limits : NULL, &handler);
    if (options && options->resolve_un)
        dcm_scan_resolve_un(scan);
    Err late = {0};
    bool ok = dcm_scan_feed(scan, bytes, err);
    if (ok && !dcm_scan_finish(scan, &late)) {
        ok = options && options->tolerate_truncated;
        if (ok)
            defects |= DCM_DEFECT_TRUNCATED;
        else if (err)
            *err = late;
    }
    builder.root->defects = defects | dcm_scan_defects(scan);
    dcm_scan_free(scan);
    return ok ? builder.root : NULL;
}
