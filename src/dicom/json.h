// SPDX-License-Identifier: MIT
/* The DICOM JSON model, PS3.18 F: written by a streaming writer, read through jansson. */
#ifndef GANTRY_DICOM_JSON_H
#define GANTRY_DICOM_JSON_H

#include "base/buf.h"
#include "base/json.h"
#include "dicom/dataset.h"

typedef struct DcmJsonOptions {
    /* Values of OB, OD, OF, OL, OV, OW, UN larger than this many bytes become a BulkDataURI when `bulk_uri` is given, else
       InlineBinary. */
    size_t bulk_threshold;
    /* Writes the URI of an element's bulk data to `out` (relative is best); `path` is the attribute path
       ("7FE00010", "00081140/0/00091010"). NULL: InlineBinary always; skipped values are left out. */
    bool (*bulk_uri)(void *ctx, const char *path, const DcmElement *e, Buf *out);
    void *ctx;
} DcmJsonOptions;

/* Writes the data set as one JSON object. Group 0002 and group lengths are left out; (0008,0005) says ISO_IR 192. options may be NULL. */
bool dcm_json_write(JsonWriter *w, const DcmDataset *ds, const DcmJsonOptions *options, Err *err);

/* Reads one object, or the only object of an array. Bulk data: BulkDataURI elements come out as skipped elements whose value is
   the URI. The data set is UTF-8, little endian, in the arena. Depth- and size-limited. */
DcmDataset *dcm_json_read(Arena *arena, Span text, Err *err);

/* Data sets of one document, one after the other. `why` NULL: it is whole. Else what is wrong with it; `ds` (may be NULL) is what was read before that, in the
   order of tags. Group 0002 is read too. The visitor returns false to end the reading. */
typedef struct DcmReadEach {
    bool (*visit)(void *ctx, DcmDataset *ds, const Err *why, Err *err);
    void *ctx;
} DcmReadEach;
/* Each object of an array, or the one object there is. False: the text is no JSON (nothing was visited), or the visitor ended it. */
bool dcm_json_read_each(Arena *arena, Span text, const DcmReadEach *each, Err *err);

#endif
