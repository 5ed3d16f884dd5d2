// SPDX-License-Identifier: MIT
/* What px-repack tells of each file: on stderr, in its result document or line by line, and in the logs of --debug. Calls may come from several threads. */
#ifndef GANTRY_CLI_PX_REPACK_TOLD_H
#define GANTRY_CLI_PX_REPACK_TOLD_H

#include "cli/cli.h"
#include "px/pack.h"

typedef struct RepackTold RepackTold;

typedef struct RepackWish {
    const Cli *cli;
    PxBase *base;
    bool cleanup;
    bool document;   /* the result as pypx prints it */
    bool lines;      /* one line of JSON for each file instead */
    bool debug;      /* LOG/repack.log, LOG/<session>-pulse.log */
    const char *dir; /* whose last part is the session */
} RepackWish;

/* NULL and err when what is to be told cannot be kept. */
RepackTold *repack_told_start(const RepackWish *wish, Err *err);
/* For PxPack.done. */
void repack_told(void *told, const PxPacked *packed);
/* Prints the document. False when something could not be written. */
bool repack_told_end(RepackTold *told, const PxPackCounts *counts, Err *err);

#endif
