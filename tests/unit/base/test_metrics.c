// SPDX-License-Identifier: MIT
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

static char *text(void)
{
    Buf out;
    buf_init(&out, 0);
    metrics_write(&out);
    char *copy = strdup(buf_cstr(&out));
    buf_free(&out);
    return copy;
}

static void has(const char *wanted)
{
    char *all = text();
    if (!strstr(all, wanted))
        fail_msg("no %s in:\n%s", wanted, all);
    free(all);
}

static void counters_and_gauges(void **state)
{
    Metric *a = metric_counter("t_total", "Things.", "kind=\"a\"");
    metric_add(a, 2);
    metric_add(metric_counter("t_total", "Things.", "kind=\"b\""), 5);
    metric_add(metric_counter("t_total", "Things.", "kind=\"a\""), 1);
    assert_ptr_equal(a, metric_counter("t_total", "Things.", "kind=\"a\""));
    metric_set(metric_gauge("t_now", "Now.", ""), -3);
    has("# HELP t_now Now.\n# TYPE t_now gauge\nt_now -3\n");
    has("# HELP t_total Things.\n# TYPE t_total counter\nt_total{kind=\"a\"} 3\nt_total{kind=\"b\"} 5\n");
}

static void histograms(void **state)
{
    Metric *plain = metric_histogram("t_seconds", "Time.", "");
    metric_observe_us(plain, 500);
    metric_observe_us(plain, 501);
    metric_observe_us(plain, 70000000);
    has("t_seconds_bucket{le=\"0.0005\"} 1\nt_seconds_bucket{le=\"0.001\"} 2\n");
    has("t_seconds_bucket{le=\"60\"} 2\nt_seconds_bucket{le=\"+Inf\"} 3\nt_seconds_sum "
        "70.001001\nt_seconds_count 3\n");
    metric_observe_us(metric_histogram("t_stage_seconds", "Time.", "stage=\"x\""), 1);
    has("t_stage_seconds_bucket{stage=\"x\",le=\"0.0005\"} 1\n");
    has("t_stage_seconds_count{stage=\"x\"} 1\n");
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *count(void *ctx)
{
    char labels[32];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(labels, sizeof labels, "n=\"%d\"", i % 50);
        metric_add(metric_counter("t_threads_total", "Things.", labels), 1);
    }
    return NULL;
}

static void many_threads(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    char wanted[64];
    for (int i = 0; i < 50; i++) {
        snprintf(wanted, sizeof wanted, "t_threads_total{n=\"%d\"} %d\n", i, THREADS * ROUNDS / 50);
        has(wanted);
    }
}

/* Labels that never end do not fill the memory. */
static void a_full_table(void **state)
{
    char labels[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(labels, sizeof labels, "n=\"%d\"", i);
        metric_add(metric_counter("t_flood_total", "Things.", labels), 1);
        metric_observe_us(metric_histogram("t_flood_seconds", "Things.", labels), 1);
    }
    has("t_flood_total{n=\"0\"} 1\n");
    metric_add(metric_counter("t_total", "Things.", "kind=\"a\""), 1);
    has("t_total{kind=\"a\"} 4\n");
}

static void the_process(void **state)
{
    Buf out;
    buf_init(&out, 0);
    metrics_write_process(&out);
    const char *memory = strstr(buf_cstr(&out), "\nprocess_resident_memory_bytes ");
    assert_non_null(memory);
    assert_true(strtod(memory + strlen("\nprocess_resident_memory_bytes "), NULL) > 100000);
    assert_non_null(strstr(buf_cstr(&out), "\nprocess_open_fds "));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counters_and_gauges), cmocka_unit_test(histograms),
                                       cmocka_unit_test(many_threads), cmocka_unit_test(a_full_table),
                                       cmocka_unit_test(the_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
