// SPDX-License-Identifier: MIT
/* C-MOVE of series to ourselves (the calling AE title is the destination), one after the other on one association, which is opened when it is first
   needed and again after it broke. PS3.4 C.4.2. */
#ifndef GANTRY_PX_RETRIEVE_H
#define GANTRY_PX_RETRIEVE_H

#include "px/document.h"
#include "scu/scu.h"

typedef struct PxMover {
    ScuPeer peer;
    const char *movescu; /* as `command` shows it */
    bool series_first;   /* in the text of `command` */
    FILE *trace;         /* each request before it is sent; NULL = none */
    ScuQuery *association;
} PxMover;

/* What a C-MOVE came to, in the words of the px tools: "status", "data", "command", "returncode". `result` has the counters. False with err when not
   everything was sent; *outcome says so too. Caller frees *outcome. */
bool px_move(PxMover *mover, const char *study, const char *series, json_t **outcome, ScuResult *result,
             Err *err);
void px_mover_close(PxMover *mover);

#endif
