// SPDX-License-Identifier: MIT
/*
 * `gantry load`: many associations that put a peer under load, and what came of it.
 *
 * load.c reads the command line, load_work.c does the work (a thread for each association), load_report.c tells. What all threads count into has no lock but for
 * the list of errors. Memory does not grow with the number of operations.
 */
#ifndef GANTRY_CLI_LOAD_H
#define GANTRY_CLI_LOAD_H

#include "base/histogram.h"
#include "cli/load_object.h"
#include "cli/outbox.h"

#include <pthread.h>
#include <stdatomic.h>

typedef enum LoadVerb { LOAD_STORE, LOAD_FIND, LOAD_GET, LOAD_MOVE, LOAD_ECHO, LOAD_VERBS } LoadVerb;
extern const char *const load_verb_names[LOAD_VERBS];
/* By ScuFault; 0 is none. */
extern const char *const load_fault_names[SCU_FAULT_COUNT];

/* What is to be done; not changed while it is. */
typedef struct LoadPlan {
    ScuPeer peer;
    ScuPlan proposals;
    unsigned associations;
    uint64_t operations; /* 0 = until the time is over */
    int64_t duration_ns; /* 0 = until the operations are done */
    double rate; /* operations a second that fall due, whatever the peer does (open loop); 0 = closed loop */
    int64_t think_ms;         /* pause behind each operation */
    uint64_t per_association; /* operations before a new one is made; 0 = never */
    unsigned mix[LOAD_VERBS], mix_sum;
    unsigned faults[SCU_FAULT_COUNT]; /* percent of the operations they apply to */
    int64_t drip_ms;
    const char *destination;
    LoadShape shape;
    LoadPixels pixels;
    uint64_t studies;    /* that are there already */
    const Outbox *files; /* sent instead of made-up objects; NULL = none */
    const atomic_bool *stop;
} LoadPlan;

enum { LOAD_MAX_ERRORS = 24 };
typedef struct LoadError {
    char kind[48];
    char example[480];
    uint64_t count;
} LoadError;

typedef struct LoadVerbTotals {
    Histogram served; /* from sending to the answer, ns */
    Histogram waited; /* from when it was due to the answer; open loop only */
    atomic_uint_fast64_t failed, warnings, bytes;
    atomic_uint_fast64_t things; /* answers of a find, objects of a get or move */
} LoadVerbTotals;

typedef struct LoadTotals {
    LoadVerbTotals verbs[LOAD_VERBS];
    Histogram opening; /* association requested to accepted, ns */
    atomic_uint_fast64_t opening_failed;
    atomic_uint_fast64_t faults[SCU_FAULT_COUNT];
    atomic_uint_fast64_t latest_ns; /* open loop: how late an operation began at worst */
    atomic_uint_fast64_t given_up;  /* threads that found no peer */
    int64_t ns;                     /* from the first operation to the last answer */
    double cpu;                     /* seconds of this process */
    pthread_mutex_t lock;           /* guards the errors */
    LoadError errors[LOAD_MAX_ERRORS];
    size_t error_count;
} LoadTotals;

/* Runs the plan to its end. */
void load_run(const LoadPlan *plan, LoadTotals *totals);

void load_report_text(const LoadPlan *plan, const LoadTotals *totals, Buf *out);
void load_report_json(const LoadPlan *plan, const LoadTotals *totals, Buf *out);
/* Operations that failed, other than by our own faults. */
uint64_t load_failures(const LoadTotals *totals);

#endif
