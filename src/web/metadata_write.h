// SPDX-License-Identifier: MIT
/* The document that metadata is sent as: all instances of a selection, one after the other. */
#ifndef GANTRY_WEB_METADATA_WRITE_H
#define GANTRY_WEB_METADATA_WRITE_H

#include "web/dicomweb.h"
#include "web/multipart.h"
#include "web/stream.h"

typedef enum MetadataFormat { METADATA_DICOM_JSON, METADATA_XML, METADATA_JSON } MetadataFormat;

/* Changes with what is written here of the same objects. */
enum { METADATA_EDITION = 2 };

enum {
    METADATA_KEPT_MAX = 1 << 20,   /* larger values are not even read */
    METADATA_INLINE_MAX = 2 << 10, /* larger binary values are referred to */
};

/* Appends what leads from an address of this level ("…/metadata", "…/bulkdata") to a value of an object. */
bool metadata_bulk_uri(DcmLevel level, const IdxFile *file, const char *path, Buf *out);

typedef struct Metadata Metadata;

/* NULL and err on failure; nothing to be found is told when it is produced. `boundary` counts for XML only. */
Metadata *metadata_open(const WebContext *web, const IdxSelection *selection, MetadataFormat format,
                        const char *boundary, Err *err);
/* As WebProducer has it: appends some instances; with the last ones *ended. */
bool metadata_produce(void *metadata, Buf *out, bool *ended, Err *err);
void metadata_free(void *metadata);

/* What the pool WebContext.helpers does. */
void metadata_help(void *ctx, void *item);

#endif
