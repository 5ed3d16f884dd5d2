// SPDX-License-Identifier: MIT
/*
 * Figures of the running process for Prometheus (its text format, version 0.0.4): counters, gauges, histograms of durations. Counting takes no lock: a metric
 * is found once and kept, or found again by a look into a hash table.
 *
 * Names and labels are ours, never a peer's: the table holds a few thousand, and what comes beyond that is not counted.
 */
#ifndef GANTRY_BASE_METRICS_H
#define GANTRY_BASE_METRICS_H

#include "base/buf.h"

typedef struct Metric Metric;

/*
 * The metric of this name and these labels ("route=\"/health\",status=\"200\"", or ""), made when it is not there; lives as long as the process. `name` and
 * `help` are literals; one name is always asked for with the same kind and help. Never NULL.
 */
Metric *metric_counter(const char *name, const char *help, const char *labels);
Metric *metric_gauge(const char *name, const char *help, const char *labels);
/* In seconds; buckets from a tenth of a millisecond to a minute. */
Metric *metric_histogram(const char *name, const char *help, const char *labels);

void metric_add(Metric *metric, uint64_t n); /* counter */
void metric_set(Metric *metric, int64_t n);  /* gauge */
void metric_observe_us(Metric *histogram, int64_t microseconds);

/* All of them, by name. */
void metrics_write(Buf *out);
/* Memory, processor time, open files of this process, as every Prometheus client names them. */
void metrics_write_process(Buf *out);

#endif
