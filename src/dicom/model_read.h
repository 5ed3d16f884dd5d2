// SPDX-License-Identifier: MIT
/*
 * What the readers of the JSON and XML models share (dicom/json_read.c, dicom/xml_read.c): the attribute's path for errors, and elements put from gathered bytes
 * within the arena's limit. Text is UTF-8 whatever the document says of itself.
 */
#ifndef GANTRY_DICOM_MODEL_READ_H
#define GANTRY_DICOM_MODEL_READ_H

#include "base/buf.h"
#include "dicom/dataset.h"

/* Bytes of a document, and sequences in one another. */
enum { MODEL_TEXT_MAX = 32 << 20, MODEL_DEPTH_MAX = 64 };

typedef struct ModelReader {
    Arena *arena;
    Err *err;
    const char *format; /* "DICOM JSON" */
    bool keeps_meta;    /* group 0002 of the data set itself is read too */
    Buf path;           /* of the attribute being read */
    Buf value;          /* its bytes, without padding */
    unsigned depth;     /* sequences around what is being read */
} ModelReader;

void model_reader_init(ModelReader *r, Arena *arena, const char *format, bool keeps_meta, Err *err);
void model_reader_free(ModelReader *r);

/* ERR_FORMAT with the path. `what` never quotes a value. */
bool model_reader_fail(ModelReader *r, const char *what);
bool model_reader_short_of_memory(ModelReader *r);

/* An empty data set that says it is in UTF-8; NULL and err when memory is short. */
DcmDataset *model_reader_dataset(ModelReader *r);
/* A new or emptied element in its place. */
DcmElement *model_reader_put(ModelReader *r, DcmDataset *ds, DcmTag tag, DcmVr vr);
/* The gathered bytes as its value. */
bool model_reader_put_value(ModelReader *r, DcmElement *e);
/* Its value is elsewhere: a skipped element whose value is the URI. */
bool model_reader_put_uri(ModelReader *r, DcmElement *e, Span uri);
/* Group lengths, (0008,0005), and what belongs to no data set. */
bool model_reader_leaves_out(const ModelReader *r, DcmTag tag);

#endif
