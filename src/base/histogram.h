// SPDX-License-Identifier: MIT
/*
 * How often each value came: slots as wide as a 128th of the value, so that a percentile is at most 0.8 % too high, whatever the range. Its size does
 * not depend on how much is counted. Counting takes no lock; many threads may count at once.
 */
#ifndef GANTRY_BASE_HISTOGRAM_H
#define GANTRY_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_FINE_BITS = 7, HISTOGRAM_VALUE_BITS = 43 };
enum { HISTOGRAM_SLOTS = (1 << HISTOGRAM_FINE_BITS) * (HISTOGRAM_VALUE_BITS - HISTOGRAM_FINE_BITS + 1) };

typedef struct Histogram {
    atomic_uint_fast64_t slots[HISTOGRAM_SLOTS];
    atomic_uint_fast64_t count, sum, max;
} Histogram; /* all zero is empty */

/* Values of 2^43 and more (two hours in nanoseconds) are counted as the largest below. */
void histogram_add(Histogram *histogram, uint64_t value);
uint64_t histogram_count(const Histogram *histogram);
uint64_t histogram_max(const Histogram *histogram);
double histogram_mean(const Histogram *histogram); /* 0 of an empty one */
/* A value that `part` (0 to 1) of all do not exceed: the upper end of its slot, never above the maximum; 0 of an empty one. */
uint64_t histogram_percentile(const Histogram *histogram, double part);
/* One slot after the other that has something: from *slot on, which goes on behind it. False at the end. */
typedef struct HistogramSlot {
    uint64_t up_to, count; /* values up to and with this */
} HistogramSlot;
bool histogram_next(const Histogram *histogram, size_t *slot, HistogramSlot *out);

#endif
