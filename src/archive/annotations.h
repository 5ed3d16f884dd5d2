// SPDX-License-Identifier: MIT
/*
 * Files that people attach to an instance, a series or a study, kept beside the objects: FOLDER/<annotation UID> is the file, byte for byte, and
 * FOLDER/<annotation UID>.json says what it belongs to, so that the folder is the truth and the index can be made again from it.
 *
 * Promises: when a commit reports success, file and rows are durable; on any failure there is neither. What a process that died left
 * between the two is settled when the folder is opened again. An annotation outlives what it belongs to.
 *
 * Threads: a put belongs to one thread at a time; everything else may be called from any thread.
 */
#ifndef GANTRY_ARCHIVE_ANNOTATIONS_H
#define GANTRY_ARCHIVE_ANNOTATIONS_H

#include "archive/archive.h"
#include "index/annotations.h"

typedef struct ArcAnnotations ArcAnnotations;
typedef struct ArcAnnotationPut ArcAnnotationPut;

/* Opens (creating) the folder. */
ArcAnnotations *arc_annotations_open(Archive *archive, const char *folder, Err *err);
void arc_annotations_close(ArcAnnotations *annotations); /* NULL is fine */

/* Begins an annotation under a UID that nobody has: ERR_EXISTS when somebody has it, ERR_USAGE when it is none. */
ArcAnnotationPut *arc_annotation_begin(ArcAnnotations *annotations, const char *uid, Err *err);
bool arc_annotation_write(ArcAnnotationPut *put, Span piece, Err *err);
/* All that comes from `fd`, at most `limit` bytes (ERR_LIMIT). */
bool arc_annotation_copy(ArcAnnotationPut *put, int fd, uint64_t limit, Err *err);
uint64_t arc_annotation_size(const ArcAnnotationPut *put);
const char *arc_annotation_uid(const ArcAnnotationPut *put);
/* What it belongs to and what it is: source, level, media_type, name and author of `what`; the rest is filled in. Consumes the put in every case.
   ERR_NOT_FOUND when there is no such source. *out (may be NULL) in the arena. */
bool arc_annotation_commit(ArcAnnotationPut *put, Arena *arena, const IdxAnnotation *what, IdxAnnotation *out,
                           Err *err);
/* Nothing remains. NULL is fine. */
void arc_annotation_abandon(ArcAnnotationPut *put);

/* The file of an annotation that the index has; the caller closes it. -1 and err. */
int arc_annotation_open_file(ArcAnnotations *annotations, const IdxAnnotation *annotation, Err *err);
/* ERR_NOT_FOUND when absent, ERR_EXISTS while another is at it. */
bool arc_annotation_remove(ArcAnnotations *annotations, const char *uid, Err *err);

#endif
