// SPDX-License-Identifier: MIT
/* --then retrieve: each series is sent to us, one after the other. */
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
} PxRetriever;

PxDoer px_doer_retrieve(PxRetriever *retriever);

#endif
