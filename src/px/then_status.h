// SPDX-License-Identifier: MIT
/* --then status: how far each series has come, by what the px database says. */
#ifndef GANTRY_PX_THEN_STATUS_H
#define GANTRY_PX_THEN_STATUS_H

#include "px/status.h"
#include "px/then.h"

typedef struct PxStatusTeller {
    PxBase *base;         /* NULL: nothing has come here yet */
    const char *log_path; /* where it would be */
    PxDialect dialect;    /* 3.12 numbers the lines of a study */
    const json_t *study;  /* the last one */
    unsigned line;
} PxStatusTeller;

PxDoer px_doer_status(PxStatusTeller *teller);

#endif
