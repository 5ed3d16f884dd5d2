// SPDX-License-Identifier: MIT
/* What is done with each series that was found: verb after verb, study after study. A series that fails does not hold up the others. */
#ifndef GANTRY_PX_THEN_H
#define GANTRY_PX_THEN_H

#include "px/report.h"
#include "px/retrieve.h"

typedef enum PxVerb { PX_VERB_REPORT, PX_VERB_RETRIEVE } PxVerb;

enum { PX_VERBS_MAX = 16 };
typedef struct PxVerbs {
    PxVerb items[PX_VERBS_MAX];
    size_t count;
} PxVerbs;

/* The pause behind each series, so that the receiver keeps up. */
typedef struct PxDelay {
    bool dynamic;
    int64_t seconds; /* dynamic: images for each second */
} PxDelay;

/* "report,retrieve". ERR_UNSUPPORTED for a verb of pypx that this version does not have. */
bool px_verbs_parse(PxVerbs *verbs, const char *list, Err *err);
/* One object for each verb, joined by ";" or in a JSON list. Neither verb takes arguments, so the objects must be empty. */
bool px_verbs_check_arguments(const PxVerbs *verbs, const char *text, Err *err);
/* "5", "dynamic", "dynamic:6" */
bool px_delay_parse(PxDelay *delay, const char *text, Err *err);

typedef struct PxThen {
    PxVerbs verbs;
    PxDelay delay;
    PxMover *mover;
    FILE *feedback; /* NULL = none */
    bool terminal;  /* feedback may move the cursor */
    PxScheme scheme;
} PxThen;

/* The member "then" into *results (caller frees). False with err when a series failed. */
bool px_then(const PxThen *then, const json_t *document, json_t **results, Err *err);

#endif
