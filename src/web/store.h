// SPDX-License-Identifier: MIT
/*
 * What the files of STOW-RS share: a request is a list of objects, each of which becomes durable for itself and has a result of its own. Only the store*.c of web/
 * include this.
 */
#ifndef GANTRY_WEB_STORE_H
#define GANTRY_WEB_STORE_H

#include "archive/file_ingest.h"
#include "web/dicomweb.h"
#include "web/multipart.h"

#include <pthread.h>

typedef struct StowMetadata StowMetadata;

typedef struct StowObject {
    struct StowObject *next;
    struct Stow *stow;
    ArcFileIngest *ingest;                /* NULL: it has its result, or is at work */
    char sop_class[65], sop_instance[65]; /* as the file or the object says; "" = unknown */
    char transfer_syntax[65];
    int64_t began_us;
    bool ok;
    ArcStored stored;
    Err err;
} StowObject;

typedef struct Stow {
    HttpExchange *x;
    const WebService *service;
    const char *client;
    MultipartReader *reader; /* NULL: the body is one file, or metadata alone */
    StowMetadata *metadata;  /* NULL: DICOM files */
    bool any_kind;           /* the first part tells whether files come, or metadata */
    StowObject *first, **last, *current;
    size_t count;
    bool audited;
    pthread_mutex_t lock; /* guards the counts, and the results of objects at work */
    pthread_cond_t done;
    size_t at_work, awaited; /* of which no more than these are waited for */
} Stow;

/* -- store_objects.c -- */
/* stow->current is a new one. False when there are too many. */
bool stow_begin_object(Stow *stow, Err *err);
/* What is wrong with one object is its own matter: the request goes on. */
void stow_feed_object(StowObject *object, Span piece);
/* object->err is its result. */
void stow_fail_object(StowObject *object);
/* The current one is whole: the committers have it from now on. */
void stow_end_object(Stow *stow);
/* Until at most `n` objects of the request are at work. The archive bounds the time of each. */
void stow_wait(Stow *stow, size_t n);
void stow_free_objects(Stow *stow);

/* -- store_answer.c -- */
/* Store Instances Response Module, PS3.18 §I.2. */
void stow_answer(Stow *stow);

/* -- store_metadata.c: metadata and bulk data -- */
StowMetadata *stow_metadata_new(Archive *archive);
void stow_metadata_free(StowMetadata *metadata); /* NULL is fine */
/* Is this the type of a part with metadata? */
bool stow_is_metadata(const char *type);
bool stow_metadata_begin(StowMetadata *metadata, const MultipartPart *part, Err *err);
bool stow_metadata_data(StowMetadata *metadata, Span piece, Err *err);
bool stow_metadata_end(StowMetadata *metadata, Err *err);
/* All parts have come: makes the objects of the request. */
bool stow_metadata_store(Stow *stow, Err *err);

/* -- store_syntax.c, store_encode.c: an object of its metadata and the parts that it refers to -- */
typedef struct StowPart {
    const char *location;    /* what BulkDataURI names it by */
    const char *type;        /* media type without parameters, lower case */
    char syntax[65];         /* transfer-syntax of the media type; "" = not said */
    uint64_t offset, length; /* in the file */
    uint8_t start[8];        /* its first bytes */
    bool used;
} StowPart;

typedef struct StowParts {
    StowPart *parts; /* by location; those of one location in the order in which they came */
    size_t count;
    int fd; /* all of them, one behind the other */
} StowParts;

/* What pixel data whose first part is this one is stored in: explicit VR little endian, or an encapsulated syntax. `said` by the metadata; "" = nothing. NULL and err
   when it cannot be stored. */
const DcmTransferSyntax *stow_choose_syntax(const StowParts *parts, const StowPart *first, const char *said,
                                            Err *err);
/* The parts that the object refers to are used, whatever becomes of it. */
void stow_claim(const StowParts *parts, const DcmDataset *ds);
/* Writes it as a DICOM file. Changes `ds`: what says how the object is encoded is taken out. */
bool stow_encode(const StowParts *parts, DcmDataset *ds, ArcFileIngest *out, Err *err);

#endif
