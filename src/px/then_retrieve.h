// SPDX-License-Identifier: MIT
/*
 * --then retrieve: each series is sent to us, one after the other. With a BASEMOUNT that the images come into, what was asked for and what came of it is on
 * record, the next request waits until the images of the last one are there, and the result says how many are. A BASEMOUNT that nothing comes into (the receiver is
 * another machine's) is noticed, and not waited for.
 */
#ifndef GANTRY_PX_THEN_RETRIEVE_H
#define GANTRY_PX_THEN_RETRIEVE_H

#include "px/retrieve.h"
#include "px/then.h"

/* The pause behind each series, so that the receiver keeps up. */
typedef struct PxDelay {
    bool dynamic;
    int64_t seconds; /* dynamic: images for each second */
} PxDelay;

/* "5", "dynamic", "dynamic:6" */
bool px_delay_parse(PxDelay *delay, const char *text, Err *err);

typedef struct PxRetriever {
    PxMover *mover;
    PxDelay delay;
    PxBase *base;      /* NULL = none */
    bool missing_only; /* pass over series that are complete */
    bool filled;       /* an image came into the base since the start */
    bool elsewhere;    /* images came, but not into the base */
    Arena *arena;      /* lives as long as the mover */
} PxRetriever;

PxDoer px_doer_retrieve(PxRetriever *retriever);

#endif
