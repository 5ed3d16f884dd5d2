// SPDX-License-Identifier: MIT
#include "base/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SLOTS = 4096, FULL = 3072, BUCKETS = 18 };

typedef enum MetricKind { COUNTER, GAUGE, HISTOGRAM } MetricKind;

/* Upper bounds in microseconds; the last bucket has none. */
static const int64_t bounds[BUCKETS] = {100,     250,     500,     1000,     2500,     5000,
                                        10000,   25000,   50000,   100000,   250000,   500000,
                                        1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

struct Metric {
    const char *name, *help;
    char *labels;
    MetricKind kind;
    atomic_int_fast64_t value;     /* of a histogram: the sum in microseconds */
    atomic_uint_fast64_t *buckets; /* BUCKETS + 1 */
};

/* Open addressing; a slot is written once, by compare and swap. */
static _Atomic(Metric *) table[SLOTS];
static atomic_uint used;

static uint32_t hash_of(const char *name, const char *labels)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (const char *p = name; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619U;
    for (const char *p = labels; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619U;
    return h;
}

static void metric_free(Metric *metric)
{
    free(metric->labels);
    free(metric->buckets);
    free(metric);
}

static Metric *metric_new(MetricKind kind, const char *name, const char *help, const char *labels)
{
    Metric *metric = calloc(1, sizeof *metric);
    if (!metric)
        abort();
    metric->name = name;
    metric->help = help;
    metric->labels = strdup(labels);
    metric->kind = kind;
    if (kind == HISTOGRAM)
        metric->buckets = calloc(BUCKETS + 1, sizeof *metric->buckets);
    if (!metric->labels || (kind == HISTOGRAM && !metric->buckets))
        abort();
    return metric;
}

static Metric *uncounted(void)
{
    static atomic_uint_fast64_t buckets[BUCKETS + 1];
    static Metric nobody = {.buckets = buckets};
    return &nobody;
}

static Metric *find(MetricKind kind, const char *name, const char *help, const char *labels)
{
    Metric *made = NULL;
    for (uint32_t at = hash_of(name, labels);; at++) {
        _Atomic(Metric *) *slot = &table[at % SLOTS];
        Metric *there = atomic_load(slot);
        if (!there) {
            if (!made && atomic_fetch_add(&used, 1) >= FULL) {
                atomic_fetch_sub(&used, 1);
                return uncounted();
            }
            made = made ? made : metric_new(kind, name, help, labels);
            if (atomic_compare_exchange_strong(slot, &there, made))
                return made;
        }
        if (!strcmp(there->name, name) && !strcmp(there->labels, labels)) {
            if (made) {
                atomic_fetch_sub(&used, 1);
                metric_free(made);
            }
            return there;
        }
    }
}

Metric *metric_counter(const char *name, const char *help, const char *labels)
{
    return find(COUNTER, name, help, labels);
}

Metric *metric_gauge(const char *name, const char *help, const char *labels)
{
    return find(GAUGE, name, help, labels);
}

Metric *metric_histogram(const char *name, const char *help, const char *labels)
{
    return find(HISTOGRAM, name, help, labels);
}

void metric_add(Metric *metric, uint64_t n)
{
    atomic_fetch_add_explicit(&metric->value, (int64_t)n, memory_order_relaxed);
}

void metric_set(Metric *metric, int64_t n)
{
    atomic_store_explicit(&metric->value, n, memory_order_relaxed);
}

void metric_observe_us(Metric *histogram, int64_t microseconds)
{
    size_t i = 0;
    while (i < BUCKETS && microseconds > bounds[i])
        i++;
    atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->value, microseconds, memory_order_relaxed);
}

/* -- the text -- */

static void write_histogram(const Metric *m, Buf *out)
{
    const char *comma = *m->labels ? "," : "", *open = *m->labels ? "{" : "", *close = *m->labels ? "}" : "";
    uint64_t count = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        char bound[32] = "+Inf";
        if (i < BUCKETS)
            snprintf(bound, sizeof bound, "%g", (double)bounds[i] / 1e6);
        buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", m->name, m->labels, comma, bound, count);
    }
    int64_t sum = atomic_load_explicit(&m->value, memory_order_relaxed);
    buf_printf(out, "%s_sum%s%s%s %.6f\n", m->name, open, m->labels, close, (double)sum / 1e6);
    buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", m->name, open, m->labels, close, count);
}

static void write_one(const Metric *m, Buf *out)
{
    if (m->kind == HISTOGRAM) {
        write_histogram(m, out);
        return;
    }
    int64_t value = atomic_load_explicit(&m->value, memory_order_relaxed);
    if (*m->labels)
        buf_printf(out, "%s{%s} %" PRId64 "\n", m->name, m->labels, value);
    else
        buf_printf(out, "%s %" PRId64 "\n", m->name, value);
}

static int by_name(const void *a, const void *b)
{
    const Metric *x = *(const Metric *const *)a, *y = *(const Metric *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->labels, y->labels);
}

void metrics_write(Buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const Metric *all[SLOTS];
    size_t n = 0;
    for (size_t i = 0; i < SLOTS; i++)
        if ((all[n] = atomic_load(&table[i])))
            n++;
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(all[i]->name, all[i - 1]->name) != 0)
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", all[i]->name, all[i]->help, all[i]->name,
                       kinds[all[i]->kind]);
        write_one(all[i], out);
    }
}

/* -- the process -- */

static void write_figure(Buf *out, const char *name, const char *kind, const char *help, double value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, kind, name, value);
}

static long resident_pages(void)
{
    long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%ld %ld", &all, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident;
}

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -3; /* "." and "..", and the folder itself */
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return dir ? n : 0;
}

void metrics_write_process(Buf *out)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    write_figure(out, "process_cpu_seconds_total", "counter", "Processor time used.", cpu);
    write_figure(out, "process_max_fds", "gauge", "Descriptors that may be open.", (double)limit.rlim_cur);
    write_figure(out, "process_open_fds", "gauge", "Descriptors that are open.", open_files());
    write_figure(out, "process_resident_memory_bytes", "gauge", "Memory that is resident.",
                 (double)resident_pages() * (double)sysconf(_SC_PAGESIZE));
}
