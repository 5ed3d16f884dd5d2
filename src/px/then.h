// SPDX-License-Identifier: MIT
/*
 * What is done with each series that was found: verb after verb, study after study. A series that fails does not hold up the others.
 * A verb is a PxDoer, in a file of its own (then_retrieve.h …); this is the loop around them, and what the user is told.
 */
#ifndef GANTRY_PX_THEN_H
#define GANTRY_PX_THEN_H

#include "px/report.h"

/* -- what the user asked for -- */

typedef enum PxVerb {
    PX_VERB_REPORT,
    PX_VERB_RETRIEVE,
    PX_VERB_STATUS,
    PX_VERB_PUSH,
    PX_VERB_REGISTER
} PxVerb;

enum { PX_VERBS_MAX = 16 };
typedef struct PxVerbs {
    PxVerb items[PX_VERBS_MAX];
    size_t count;
} PxVerbs;

/* "retrieve,push" */
bool px_verbs_parse(PxVerbs *verbs, const char *list, Err *err);
const char *px_verb_name(PxVerb verb);
/* --thenArgs: one object for each verb, joined by ";" or in a JSON list. A list of that many objects, which the caller frees; NULL with err. No text = empty
   objects. */
json_t *px_verbs_arguments(const PxVerbs *verbs, const char *text, Err *err);

/* -- what the user is told -- */

typedef struct PxFeedback {
    FILE *to;      /* NULL = nothing */
    bool terminal; /* it may move the cursor */
    PxScheme scheme;
} PxFeedback;

/* Text as it is; frees it. */
void px_feedback_put(const PxFeedback *feedback, Buf *text);
/* One line in the colour of lines, without its newline; frees it. */
void px_feedback_line(const PxFeedback *feedback, Buf *line);

/* -- the doing -- */

/* One series, as a verb sees it. */
typedef struct PxTarget {
    const char *study, *series; /* their UIDs */
    const char *about;          /* the description, fit for a terminal */
    const json_t *study_record, *record;
} PxTarget;

/* "Pushing [ 002 ]: description  UID" */
void px_feedback_images(const PxFeedback *feedback, const char *what, int64_t images, const PxTarget *target);

typedef struct PxDoer {
    PxVerb verb;
    void *ctx;
    /* Before the first series and after the last one; may be NULL. False ends the verb, without `end`. */
    bool (*begin)(void *ctx, const json_t *document, Err *err);
    void (*end)(void *ctx);
    /* *result is what the px tools print for it, never NULL. False with err when it failed. */
    bool (*run)(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err);
} PxDoer;

extern const PxDoer px_doer_report;

typedef struct PxThen {
    PxDoer doers[PX_VERBS_MAX];
    size_t count;
    PxFeedback feedback;
} PxThen;

/* The member "then" into *results (caller frees). False with err when a series failed. */
bool px_then(const PxThen *then, const json_t *document, json_t **results, Err *err);

/* " [ 0003 ] " when the number of the series is known. */
void px_put_number(Buf *out, const json_t *series);

#endif
