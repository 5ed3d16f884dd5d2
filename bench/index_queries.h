// SPDX-License-Identifier: MIT
/* The questions that the index is asked at each size: C-FIND as the commands and peers ask, `database find`, look-ups, selections. */
#ifndef GANTRY_BENCH_INDEX_QUERIES_H
#define GANTRY_BENCH_INDEX_QUERIES_H

#include "index/index.h"

#include <stddef.h>

typedef struct Latency {
    double answers, median_ms, p95_ms; /* answers of one question, on average */
} Latency;

extern const size_t query_count;
const char *query_name(size_t query);
/* Asks query number `query` about studies spread over the first `filled` of `studies`. */
bool query_measure(Index *index, size_t query, uint32_t filled, uint32_t studies, Latency *out, Err *err);

#endif
