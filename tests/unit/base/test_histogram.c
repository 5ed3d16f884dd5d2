// SPDX-License-Identifier: MIT
/* Percentiles against those of the sorted values; nothing is lost between threads. */
#include "base/histogram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static Histogram *fresh(void)
{
    Histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    return histogram;
}

static void empty(void **state)
{
    Histogram *histogram = fresh();
    assert_int_equal(histogram_count(histogram), 0);
    assert_int_equal(histogram_percentile(histogram, 0.5), 0);
    assert_true(histogram_mean(histogram) == 0);
    free(histogram);
}

static void small_values_are_exact(void **state)
{
    Histogram *histogram = fresh();
    for (uint64_t value = 1; value <= 100; value++)
        histogram_add(histogram, value);
    assert_int_equal(histogram_percentile(histogram, 0.5), 50);
    assert_int_equal(histogram_percentile(histogram, 0.95), 95);
    assert_int_equal(histogram_percentile(histogram, 0.99), 99);
    assert_int_equal(histogram_percentile(histogram, 1), 100);
    assert_int_equal(histogram_max(histogram), 100);
    assert_true(histogram_mean(histogram) == 50.5);
    free(histogram);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_of_any_range(void **state)
{
    enum { N = 20000 };
    static uint64_t values[N];
    static const double parts[] = {0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    Histogram *histogram = fresh();
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < N; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = (random >> 21) >> (random % 43);
        histogram_add(histogram, values[i]);
    }
    qsort(values, N, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t exact = values[(size_t)(parts[i] * N + 0.5) - 1];
        uint64_t told = histogram_percentile(histogram, parts[i]);
        assert_true(told >= exact);
        assert_true(told - exact <= exact / 127);
    }
    free(histogram);
}

static void slots_neither_overlap_nor_leave_gaps(void **state)
{
    Histogram *histogram = fresh();
    uint64_t largest = ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1;
    for (uint64_t value = 1; value < largest; value = value * 2) {
        histogram_add(histogram, value - 1);
        histogram_add(histogram, value);
    }
    histogram_add(histogram, UINT64_MAX);
    HistogramSlot one, before = {0};
    uint64_t sum = 0;
    for (size_t slot = 0; histogram_next(histogram, &slot, &one); before = one) {
        assert_true(!sum || one.up_to > before.up_to);
        sum += one.count;
    }
    assert_int_equal(sum, histogram_count(histogram));
    assert_int_equal(one.up_to, largest);
    assert_int_equal(histogram_max(histogram), largest);
    free(histogram);
}

enum { THREADS = 4, EACH = 50000 };

static void *count(void *histogram)
{
    for (uint64_t i = 0; i < EACH; i++)
        histogram_add(histogram, i);
    return NULL;
}

static void many_threads(void **state)
{
    Histogram *histogram = fresh();
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, histogram), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(histogram_count(histogram), THREADS * EACH);
    assert_int_equal(histogram_max(histogram), EACH - 1);
    assert_true(histogram_mean(histogram) == (EACH - 1) / 2.0);
    free(histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(percentiles_of_any_range),
        cmocka_unit_test(slots_neither_overlap_nor_leave_gaps),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
