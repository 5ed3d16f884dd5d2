// SPDX-License-Identifier: MIT
/*
 * Series from a PACS to ourselves, one after the other on one association, which is opened when it is first needed and again after it broke: C-MOVE, where the
 * calling AE title is the destination (PS3.4 C.4.2), or C-GET straight into a BASEMOUNT, which needs no listener (C.4.3).
 */
#ifndef GANTRY_PX_RETRIEVE_H
#define GANTRY_PX_RETRIEVE_H

#include "base/textset.h"
#include "px/base.h"
#include "px/document.h"
#include "scu/scu.h"

typedef enum PxWay {
    PX_WAY_MOVE,
    PX_WAY_GET,
    PX_WAY_GET_OR_MOVE, /* C-MOVE from when the peer turns out not to offer C-GET */
} PxWay;

typedef struct PxMover {
    ScuPeer peer;
    const char *destination; /* AE title that C-MOVE sends to; NULL = our own */
    const char *movescu;     /* as `command` shows it */
    bool series_first;       /* in the text of `command` */
    FILE *trace;             /* each request before it is sent; NULL = none */
    PxWay way;
    PxBase *base;    /* where C-GET puts what comes */
    TextSet classes; /* of the objects that C-GET will bring; empty = any */
    ScuQuery *association;
} PxMover;

/* Before the first C-GET: asks the peer for the SOP classes of a document's studies, so that objects come as they are stored. Does nothing for C-MOVE. */
void px_mover_scout(PxMover *mover, Arena *arena, const json_t *document);

/* What a request came to, in the words of the px tools: "status", "data", "command", "returncode". `result` has the counters. False with err when not
   everything came; *outcome says so too. Caller frees *outcome. */
bool px_move(PxMover *mover, const char *study, const char *series, json_t **outcome, ScuResult *result,
             Err *err);
void px_mover_close(PxMover *mover);

#endif
