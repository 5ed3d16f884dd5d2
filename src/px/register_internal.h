// SPDX-License-Identifier: MIT
/* What the files of px/register*.c share. Only those files include this. */
#ifndef GANTRY_PX_REGISTER_INTERNAL_H
#define GANTRY_PX_REGISTER_INTERNAL_H

#include "px/register.h"

#include <stdatomic.h>

/* What came of an entry. */
typedef struct Result {
    enum { RESULT_NONE, RESULT_FAILED, RESULT_REGISTERED, RESULT_SAME } word;
    Err err;             /* RESULT_FAILED */
    Buf message;         /* what CUBE said, as it is */
    json_t *info;        /* what CUBE shows of it */
    json_t *differences; /* between that and ours */
} Result;

struct Series;

typedef struct Image {
    const char *path, *folder, *name; /* local; path is folder/name */
    const char *object;               /* path in the storage */
    bool pushed;                      /* it is known to be there */
    bool readable;
    struct Series *of; /* readable */
    const char *sop_instance, *study, *series, *templated;
    json_t *fields, *changed;
    bool in_base;
    const char *sha256; /* in_base */
    uint64_t size;
    Result result;
} Image;

/* A pushed object of the base, whether it is among the images or not. */
typedef struct Pushed {
    const char *sop_instance, *sha256, *object;
    uint64_t size;
} Pushed;

typedef struct Series {
    const char *uid, *study;
    Image **images; /* by their order in the run */
    size_t count;
    Pushed *pushed; /* by path in the storage */
    size_t pushed_count;
    size_t held;           /* objects of it in the base */
    const char *directory; /* in the storage; of the first image */
    size_t number;         /* of images there: ndicom */
    json_t *found;         /* what CUBE has of it: {path: fields} */
    Result result;         /* of the series; in per-file mode of the search */
} Series;

typedef struct Notes Notes;

typedef struct Run {
    const PxRegister *ask;
    Arena *arena;
    const char *pacs_name;
    PxRegisterApi api;
    Image *images;
    size_t count;
    Series *series;
    size_t series_count;
    PxCube *cube;
    Result opening; /* when CUBE cannot be used */
} Run;

/* -- register_images.c: what is known of the images before CUBE is asked -- */
bool register_read_images(Run *run, const PxRegisterFiles *files, Err *err);
void register_free(Run *run);

/* -- register_cube.c: CUBE is asked and told -- */
/* The results are in images and series. */
void register_all(Run *run, Notes *notes);

/* -- register_note.c: what is noted in the px database -- */
Notes *register_notes_new(const Run *run); /* NULL without a base */
/* From any thread: CUBE has the image, or the series with all that was pushed of it. Marks are written some at a time; that they cannot be is told by
   register_notes_end. NULL is fine. */
void register_notes_image(Notes *notes, const Image *image);
void register_notes_series(Notes *notes, const Series *series);
/* The marks that are left, and the records. Frees. NULL is fine. */
bool register_notes_end(Notes *notes, Err *err);

/* -- register_result.c: what is printed -- */
json_t *register_document(const Run *run);
bool register_ok(const Result *result);
/* The result that holds for an image: its own, or its series'. */
const Result *register_result(const Run *run, const Image *image);
/* What CUBE shows of an entry, without its own bookkeeping; or why it is not there. */
json_t *register_answer(const Result *result, const char *path);

#endif
