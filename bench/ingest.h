// SPDX-License-Identifier: MIT
/*
 * What ingest costs an index of any size, beside a fresh one: rows alone, and the verb itself (objects in, durable and indexed) as eight
 * senders use it. Rates of a shared machine mean little, so the two take turns in short rounds, and the median of the rounds' ratios is what counts.
 */
#ifndef GANTRY_BENCH_INGEST_H
#define GANTRY_BENCH_INGEST_H

#include "catalogue.h"

#include <sys/types.h>

enum { INGEST_SENDERS = 8, INGEST_GROUP_FILES = 64 };

/* An index and what it is fed: senders take turns, each with a study of its own. */
typedef struct Filling {
    Index *index;
    uint32_t studies, next_study;
    uint64_t objects;
    CatalogueStudy at_hand[INGEST_SENDERS];
    unsigned sent[INGEST_SENDERS];
} Filling;

/* Medians of the rounds; `ratio` and `cpu_ratio` are those of the rounds' ratios, 1 = as a fresh index. */
typedef struct Ingest {
    double rate, fresh_rate, ratio, cpu_us, fresh_cpu_us, cpu_ratio;
} Ingest;

/* An index that has `objects`, those of the studies before `first`. */
Filling filling_from(Index *index, uint32_t first, uint32_t studies, uint64_t objects);

/* Rows alone, in groups of this many. `server` is PostgreSQL's process, whose processor time is counted with ours; 0 = none. */
bool ingest_rows(pid_t server, Filling *filled, Filling *fresh, unsigned group, Ingest *out, Err *err);
/* Square objects that eight senders store, so many in a round: of 11 KB, and CT of 527 KB. */
typedef struct IngestKind {
    unsigned side, bits, round;
} IngestKind;
extern const IngestKind ingest_small, ingest_ct;

/* Objects of a kind through an archive. The indexes of both are opened once more by these settings; the stores are in `folder`, and go again. */
bool ingest_objects(pid_t server, const IngestKind *kind, const char *folder, const IdxSettings *of_filled,
                    const IdxSettings *of_fresh, Filling *filled, Filling *fresh, Ingest *out, Err *err);

#endif
