// SPDX-License-Identifier: MIT
/*
 * Files that people attach to an instance, a series or a study: SPHERE's table mapping_annotation says what an annotation belongs to, and
 * file_storage_metadata_annotation where its file is and what it is. Both have a row for each annotation, or neither has.
 *
 * An annotation outlives what it belongs to: when that is deleted, the UIDs stay.
 */
#ifndef GANTRY_INDEX_ANNOTATIONS_H
#define GANTRY_INDEX_ANNOTATIONS_H

#include "index/index.h"

typedef struct IdxAnnotation {
    const char *uid;          /* the annotation's own */
    const char *source;       /* the UID of what it belongs to … */
    DcmLevel level;           /* … which is of this level; not PATIENT */
    const char *path;         /* of its file */
    const char *media_type;   /* as its sender said */
    const char *name;         /* what its sender calls it; "" = nothing */
    const char *author;       /* who sent it; "" = nobody in particular */
    uint64_t size;            /* bytes */
    uint8_t sha256[32];       /* of the file */
    int64_t begin_us, end_us; /* when the writing of the file began and ended, wall clock */
} IdxAnnotation;

/* "instance", "series", "study". */
const char *idx_annotation_level_name(DcmLevel level);
/* In any case. */
bool idx_annotation_level(Span name, DcmLevel *out);

/* Inside the writer's transaction. ERR_NOT_FOUND when there is no such source, ERR_EXISTS when the UID is taken. */
bool idx_annotation_put(Index *index, const IdxAnnotation *annotation, Err *err);
/* The same for one whose file is kept already: its source may be missing, and it may be there. */
bool idx_annotation_restore(Index *index, const IdxAnnotation *annotation, Err *err);
/* ERR_NOT_FOUND when absent. */
bool idx_annotation_remove(Index *index, const char *uid, Err *err);

/* From any thread. ERR_NOT_FOUND when absent. */
bool idx_annotation(Index *index, Arena *arena, const char *uid, IdxAnnotation *out, Err *err);

typedef struct IdxAnnotationAsk {
    const char *source; /* NULL = of everything */
    DcmLevel level;     /* PATIENT = any */
    uint64_t limit, offset;
} IdxAnnotationAsk;
/* In order of storing, in the arena. */
bool idx_annotations(Index *index, Arena *arena, const IdxAnnotationAsk *ask, IdxAnnotation **out,
                     size_t *count, Err *err);

#endif
