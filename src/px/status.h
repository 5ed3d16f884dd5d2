// SPDX-License-Identifier: MIT
/*
 * How far a series has come: asked for, received, packed, pushed, registered, in the words and objects of pypx. The counters are true: objects in the
 * index, files that are there, objects with a valid mark. Where pypx has a sign of its own it is kept: -1 for a series nobody asked for, -10 for a
 * push or a registration that failed for all of it.
 */
#ifndef GANTRY_PX_STATUS_H
#define GANTRY_PX_STATUS_H

#include "px/series.h"

#include <jansson.h>

typedef enum PxDialect {
    PX_CLASSIC, /* 3.6 to 3.11 */
    PX_NEWEST,  /* 3.12 */
} PxDialect;

typedef struct PxStatusAsk {
    const char *study, *series; /* "" or NULL = not given */
    bool verify;                /* the study must be here, and have the series */
    PxDialect dialect;
} PxStatusAsk;

/* *out is the status object, also of what is not here (the caller frees it). False when the database cannot be read. */
bool px_status(PxBase *base, const PxStatusAsk *ask, json_t **out, Err *err);
/* What px_status says where there is no database at all. */
json_t *px_status_unknown(const char *log_path, const PxStatusAsk *ask);

/* Is it whole: everything asked for received (or something, where nobody asked), and all of it there? */
bool px_status_complete(const json_t *status);
/* The line for people, 104 columns, of either dialect. */
void px_status_line(const json_t *status, const char *description, Buf *out);

/* Gives each series of a document of px-find the line of its status as attribute "seriesStatus", as far as "then" has one. */
void px_status_annotate(json_t *document);

#endif
