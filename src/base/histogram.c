// SPDX-License-Identifier: MIT
/* Values below 128 have a slot each; above, each power of two is cut into 128 slots. */
#include "base/histogram.h"

enum { FINE = 1 << HISTOGRAM_FINE_BITS };

static size_t slot_of(uint64_t value)
{
    if (value < FINE)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_FINE_BITS;
    return (size_t)FINE * shift + (size_t)(value >> shift);
}

static uint64_t upper_end(size_t slot)
{
    if (slot < FINE)
        return slot;
    unsigned shift = (unsigned)(slot / FINE) - 1;
    return (((uint64_t)(slot % FINE) + FINE + 1) << shift) - 1;
}

void histogram_add(Histogram *histogram, uint64_t value)
{
    const uint64_t most = ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1;
    value = value < most ? value : most;
    atomic_fetch_add_explicit(&histogram->slots[slot_of(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->count, 1, memory_order_relaxed);
    uint_fast64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    while (max < value && !atomic_compare_exchange_weak_explicit(
                              &histogram->max, &max, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

uint64_t histogram_count(const Histogram *histogram)
{
    return atomic_load_explicit(&histogram->count, memory_order_relaxed);
}

uint64_t histogram_max(const Histogram *histogram)
{
    return atomic_load_explicit(&histogram->max, memory_order_relaxed);
}

double histogram_mean(const Histogram *histogram)
{
    uint64_t count = histogram_count(histogram);
    return count ? (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed) / (double)count : 0;
}

uint64_t histogram_percentile(const Histogram *histogram, double part)
{
    uint64_t max = histogram_max(histogram), seen = 0;
    /* A product like 0.95 * 20000 may come out a little above the whole number that it is. */
    double wanted = part * (double)histogram_count(histogram) - 1e-6;
    HistogramSlot one;
    for (size_t slot = 0; histogram_next(histogram, &slot, &one);) {
        seen += one.count;
        if ((double)seen >= wanted)
            return one.up_to < max ? one.up_to : max;
    }
    return max;
}

bool histogram_next(const Histogram *histogram, size_t *slot, HistogramSlot *out)
{
    while (*slot < HISTOGRAM_SLOTS) {
        size_t at = (*slot)++;
        uint64_t count = atomic_load_explicit(&histogram->slots[at], memory_order_relaxed);
        if (count) {
            *out = (HistogramSlot){.up_to = upper_end(at), .count = count};
            return true;
        }
    }
    return false;
}
