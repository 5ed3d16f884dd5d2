// SPDX-License-Identifier: MIT
/*
 * Studies, and the series of each: a C-FIND at STUDY level, then one at SERIES level for each study, PS3.4 C.6.2. The series are asked for on
 * several associations at once, up to a limit; the one that asked for the studies is one of them, so that a peer that
 * grants only one still answers. Constraints that belong to series are left to the second step.
 */
#ifndef GANTRY_PX_QUERY_H
#define GANTRY_PX_QUERY_H

#include "px/document.h"
#include "scu/scu.h"

enum { PX_KEYS_MAX = 96, PX_PARALLEL_MAX = 16 };

typedef struct PxKey {
    const char *keyword;
    const char *value; /* "" = to be returned */
} PxKey;

/* What is asked, sorted by keyword as the text of `command` has it. */
typedef struct PxKeys {
    PxKey items[PX_KEYS_MAX];
    size_t count;
} PxKeys;

/* The list that is asked for by default. */
void px_keys_default(PxKeys *keys);
/* Comma-separated keywords instead of it (texts in the arena); those that the two steps need are there in any case. */
bool px_keys_parse(PxKeys *keys, Arena *arena, const char *list, Err *err);
/* A constraint, or a key to be returned. False with err when the keyword is not in the dictionary, or there are too many. */
bool px_keys_set(PxKeys *keys, const char *keyword, const char *value, Err *err);
const char *px_keys_value(const PxKeys *keys, const char *keyword); /* "" when absent */
/* Is any of them a constraint? */
bool px_keys_constrain(const PxKeys *keys);

typedef struct PxQuery {
    ScuPeer peer;
    const char *findscu; /* as `command` shows it */
    PxKeys keys;
    bool study_only;
    unsigned parallel;
    FILE *trace; /* each request before it is sent; NULL = none */
} PxQuery;

/* The document of px-find without "args" and "then". False with err when the peer did not answer all of it: *document then says so too. Caller
   frees *document with json_decref; it is never NULL. */
bool px_find(const PxQuery *query, json_t **document, Err *err);

#endif
