// SPDX-License-Identifier: MIT
/*
 * Made-up objects for `gantry load`: everything in object number N follows from the seed and N, so that a run can be repeated, and what it stored can
 * be asked for, without a list of it. Patients are called Madeup-…, so that nobody takes them for people.
 */
#ifndef GANTRY_CLI_LOAD_OBJECT_H
#define GANTRY_CLI_LOAD_OBJECT_H

#include "dicom/dataset.h"
#include "scu/exercise.h"

/* What the objects are like. */
typedef struct LoadShape {
    const char *sop_class, *modality;
    uint32_t columns, rows, frames;
    uint32_t sample_bytes;          /* 1 or 2 */
    uint32_t per_series, per_study; /* objects */
    uint64_t seed;
} LoadShape;

/* "ct", "small" or "multi-frame"; the rest of the shape is left alone. */
void load_shape_of(const char *name, LoadShape *shape);
/* "COLUMNSxROWS" or "COLUMNSxROWSxFRAMES". False when it is not, or an object would not fit into 32 bits. */
bool load_shape_size(const char *text, LoadShape *shape);
uint64_t load_pixel_bytes(const LoadShape *shape);

/* A number that follows from the seed, `what` and `number`; evenly spread. */
uint64_t load_random(uint64_t seed, uint64_t what, uint64_t number);

/* The noise that all objects of a shape take their pixels from; shared by the threads. */
typedef struct LoadPixels {
    uint8_t *bytes;
    size_t frame, spare; /* a frame begins anywhere within the first `spare` bytes */
} LoadPixels;
void load_pixels_make(const LoadShape *shape, LoadPixels *pixels);
void load_pixels_free(LoadPixels *pixels);

/* One object as a NetSource. */
typedef struct LoadObject {
    char sop_instance[65];
    Buf head; /* encoded, with the header of the pixel data */
    const LoadPixels *pixels;
    uint64_t pixel_bytes, at; /* `at` counts from the first byte of the head */
    size_t from;              /* where in the noise its frame begins */
} LoadObject;
void load_object_make(const LoadShape *shape, const LoadPixels *pixels, uint64_t number, const char *syntax,
                      Arena *arena, LoadObject *object);
uint64_t load_object_bytes(const LoadObject *object);
ssize_t load_object_read(void *object, uint8_t *p, size_t n, Err *err);

/* An identifier that asks for study number `study`; `way` picks one of the keys that people ask by. Sets the level. */
enum { LOAD_WAYS = 4 };
DcmDataset *load_query(const LoadShape *shape, uint64_t study, unsigned way, Arena *arena, DcmLevel *level);
/* One that retrieves it. */
DcmDataset *load_retrieve_keys(const LoadShape *shape, uint64_t study, Arena *arena);

#endif
