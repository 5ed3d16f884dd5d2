// SPDX-License-Identifier: MIT
/*
 * Packing: files of received objects into a BASEMOUNT. Each is copied byte for byte through the archive's ingest, which checks, makes durable and indexes; then the copy is
 * compared with its source. Only after that may the source be deleted. A file that cannot be packed stays where it is. What was packed before is found and
 * compared again, so that a second run completes what the first one left.
 */
#ifndef GANTRY_PX_PACK_H
#define GANTRY_PX_PACK_H

#include "px/base.h"

#include <stdatomic.h>

/* What became of one file. */
typedef struct PxPacked {
    const char *source;
    bool ok;
    bool removed;           /* the source is deleted */
    Err err;                /* why not */
    ArcStored stored;       /* how it went in; valid when there is an object */
    const PxObject *object; /* where it is now; NULL when nothing of it is here */
} PxPacked;

typedef struct PxPack {
    const char *const *sources;
    size_t count;
    bool cleanup;  /* delete what was packed */
    unsigned jobs; /* files at one time, CREW_MAX at most; 0 = 16, or one for each core when there are more */
    /* Called for each file when it is done, by several threads at once. May be NULL. */
    void (*done)(void *ctx, const PxPacked *packed);
    void *ctx;
    const atomic_bool *stop; /* set: no further file is begun. May be NULL */
} PxPack;

typedef struct PxPackCounts {
    uint64_t packed; /* are here now */
    uint64_t same;   /* of them, were here before */
    uint64_t kept;   /* of them, could not be deleted as was asked */
    uint64_t failed;
    uint64_t left; /* not begun, because of `stop` */
} PxPackCounts;

/* False and err only when nothing could be begun; what became of each file is told through `done` and counted. */
bool px_pack(PxBase *base, const PxPack *pack, PxPackCounts *out, Err *err);

#endif
