// SPDX-License-Identifier: MIT
/* What came of a load: for people, and as JSON. */
#include "cli/load.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double ms_of(uint64_t ns)
{
    return (double)ns / 1e6;
}

static double seconds(const LoadTotals *totals)
{
    return totals->ns > 0 ? (double)totals->ns / 1e9 : 1e-9;
}

/* Of all CPUs, 1 is everything. */
static double share_of_machine(const LoadTotals *totals)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return totals->cpu / seconds(totals) / (double)(cpus > 0 ? cpus : 1);
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

uint64_t load_failures(const LoadTotals *totals)
{
    uint64_t failures = 0;
    for (size_t i = 0; i < LOAD_VERBS; i++)
        failures += totals->verbs[i].failed;
    return failures;
}

static uint64_t load_successes(const LoadTotals *totals)
{
    uint64_t n = 0;
    for (size_t i = 0; i < LOAD_VERBS; i++)
        n += histogram_count(&totals->verbs[i].served);
    return n;
}

/* -- text -- */

static void text_row(Buf *out, const char *name, const Histogram *h)
{
    buf_printf(out, "%-22s %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, histogram_mean(h) / 1e6,
               ms_of(histogram_percentile(h, 0.5)), ms_of(histogram_percentile(h, 0.95)),
               ms_of(histogram_percentile(h, 0.99)), ms_of(histogram_percentile(h, 0.999)),
               ms_of(histogram_max(h)));
}

static void text_rates(const LoadTotals *totals, Buf *out)
{
    buf_printf(out, "%-8s %10s %8s %8s %10s %10s %10s\n", "", "succeeded", "warned", "failed", "each s",
               "MB/s", "answers");
    for (size_t i = 0; i < LOAD_VERBS; i++) {
        const LoadVerbTotals *v = &totals->verbs[i];
        uint64_t n = histogram_count(&v->served);
        if (n || v->failed)
            buf_printf(out, "%-8s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %10.1f %10.1f %10" PRIu64 "\n",
                       load_verb_names[i], n, (uint64_t)v->warnings, (uint64_t)v->failed,
                       (double)n / seconds(totals), (double)v->bytes / 1e6 / seconds(totals),
                       (uint64_t)v->things);
    }
}

static void text_latencies(const LoadPlan *plan, const LoadTotals *totals, Buf *out)
{
    buf_printf(out, "\n%-22s %9s %9s %9s %9s %9s %9s\n", "latency, ms", "mean", "median", "95 %", "99 %",
               "99.9 %", "max");
    for (size_t i = 0; i < LOAD_VERBS; i++) {
        const LoadVerbTotals *v = &totals->verbs[i];
        char name[32];
        if (!histogram_count(&v->served))
            continue;
        if (plan->rate > 0) {
            snprintf(name, sizeof name, "%s, from when due", load_verb_names[i]);
            text_row(out, name, &v->waited);
        }
        snprintf(name, sizeof name, "%s, from when sent", load_verb_names[i]);
        text_row(out, name, &v->served);
    }
    if (histogram_count(&totals->opening))
        text_row(out, "association", &totals->opening);
    if (plan->rate > 0)
        buf_printf(
            out,
            "Open loop: what had to wait for a free association is in \"from when due\"; the latest began "
            "%.1f ms late.\n",
            ms_of(totals->latest_ns));
    else
        buf_printf(out, "Closed loop: while the peer stalls nothing is asked of it, so that the wait of "
                        "those who would have come "
                        "is not in these figures (-r counts it).\n");
}

static void text_generator(const LoadTotals *totals, Buf *out)
{
    enum { MUCH = 60 };
    double share = share_of_machine(totals) * 100;
    buf_printf(out, "\nThis program took %.2f s of CPU, %.0f %% of the machine, and %.0f MiB at most.%s\n",
               totals->cpu, share, peak_mib(),
               share > MUCH ? " It may be the limit itself: take a second machine." : "");
}

void load_report_text(const LoadPlan *plan, const LoadTotals *totals, Buf *out)
{
    buf_printf(out, "%s at %s:%u, %u associations, ", plan->peer.called_ae, plan->peer.host, plan->peer.port,
               plan->associations);
    if (plan->rate > 0)
        buf_printf(out, "%.0f operations a second (open loop)", plan->rate);
    else
        buf_printf(out, "closed loop");
    buf_printf(out, ", --seed %" PRIu64 ": %" PRIu64 " operations succeeded in %.2f s, %.1f a second\n\n",
               plan->shape.seed, load_successes(totals), seconds(totals),
               (double)load_successes(totals) / seconds(totals));
    text_rates(totals, out);
    text_latencies(plan, totals, out);
    buf_printf(out, "\nAssociations: %" PRIu64 " made, %" PRIu64 " not\n", histogram_count(&totals->opening),
               (uint64_t)totals->opening_failed);
    for (size_t i = 1; i < SCU_FAULT_COUNT; i++)
        if (plan->faults[i])
            buf_printf(out, "Fault %s: %" PRIu64 " times\n", load_fault_names[i],
                       (uint64_t)totals->faults[i]);
    for (size_t i = 0; i < totals->error_count; i++)
        buf_printf(out, "Error %s: %" PRIu64 " times, first: %s\n", totals->errors[i].kind,
                   totals->errors[i].count, totals->errors[i].example);
    if (totals->given_up)
        buf_printf(out, "%" PRIu64 " of the associations were given up.\n", (uint64_t)totals->given_up);
    text_generator(totals, out);
}

/* -- JSON -- */

static void json_number(JsonWriter *w, const char *key, double value)
{
    json_key(w, key);
    json_double(w, value);
}

static void json_latency(JsonWriter *w, const char *key, const Histogram *h)
{
    static const struct {
        const char *key;
        double part;
    } parts[] = {{"median", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99_9", 0.999}, {"max", 1}};
    json_key(w, key);
    json_begin_object(w);
    json_member_int(w, "count", (int64_t)histogram_count(h));
    json_number(w, "mean", histogram_mean(h) / 1e6);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        json_number(w, parts[i].key, ms_of(histogram_percentile(h, parts[i].part)));
    json_key(w, "histogram");
    json_begin_array(w);
    HistogramSlot one;
    for (size_t slot = 0; histogram_next(h, &slot, &one);) {
        json_begin_array(w);
        json_double(w, ms_of(one.up_to));
        json_int(w, (int64_t)one.count);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void json_verb(JsonWriter *w, const LoadPlan *plan, const LoadTotals *totals, LoadVerb verb)
{
    const LoadVerbTotals *v = &totals->verbs[verb];
    json_key(w, load_verb_names[verb]);
    json_begin_object(w);
    json_member_int(w, "succeeded", (int64_t)histogram_count(&v->served));
    json_member_int(w, "warned", (int64_t)v->warnings);
    json_member_int(w, "failed", (int64_t)v->failed);
    json_number(w, "per_second", (double)histogram_count(&v->served) / seconds(totals));
    json_member_int(w, "bytes", (int64_t)v->bytes);
    json_number(w, "megabytes_per_second", (double)v->bytes / 1e6 / seconds(totals));
    json_member_int(w, "answers", (int64_t)v->things);
    if (plan->rate > 0)
        json_latency(w, "ms_from_due", &v->waited);
    json_latency(w, "ms_from_sent", &v->served);
    json_end_object(w);
}

static void json_errors(JsonWriter *w, const LoadTotals *totals)
{
    json_key(w, "errors");
    json_begin_array(w);
    for (size_t i = 0; i < totals->error_count; i++) {
        json_begin_object(w);
        json_member(w, "kind", totals->errors[i].kind);
        json_member_int(w, "count", (int64_t)totals->errors[i].count);
        json_member(w, "first", totals->errors[i].example);
        json_end_object(w);
    }
    json_end_array(w);
}

void load_report_json(const LoadPlan *plan, const LoadTotals *totals, Buf *out)
{
    JsonWriter writer = json_writer(out), *w = &writer;
    json_begin_object(w);
    json_member(w, "peer", plan->peer.called_ae);
    json_member(w, "loop", plan->rate > 0 ? "open" : "closed");
    json_member_int(w, "seed", (int64_t)plan->shape.seed);
    json_member_int(w, "concurrency", plan->associations);
    if (plan->rate > 0) {
        json_number(w, "rate", plan->rate);
        json_number(w, "latest_ms", ms_of(totals->latest_ns));
    }
    json_number(w, "seconds", seconds(totals));
    json_member_int(w, "succeeded", (int64_t)load_successes(totals));
    json_member_int(w, "failed", (int64_t)load_failures(totals));
    json_key(w, "verbs");
    json_begin_object(w);
    for (LoadVerb verb = 0; verb < LOAD_VERBS; verb++)
        if (plan->mix[verb])
            json_verb(w, plan, totals, verb);
    json_end_object(w);
    json_key(w, "associations");
    json_begin_object(w);
    json_member_int(w, "made", (int64_t)histogram_count(&totals->opening));
    json_member_int(w, "failed", (int64_t)totals->opening_failed);
    json_member_int(w, "given_up", (int64_t)totals->given_up);
    json_latency(w, "ms", &totals->opening);
    json_end_object(w);
    json_key(w, "faults");
    json_begin_object(w);
    for (size_t i = 1; i < SCU_FAULT_COUNT; i++)
        if (plan->faults[i])
            json_member_int(w, load_fault_names[i], (int64_t)totals->faults[i]);
    json_end_object(w);
    json_errors(w, totals);
    json_key(w, "generator");
    json_begin_object(w);
    json_number(w, "cpu_seconds", totals->cpu);
    json_number(w, "cpu_share_of_machine", share_of_machine(totals));
    json_number(w, "peak_mib", peak_mib());
    json_end_object(w);
    json_end_object(w);
    buf_append_cstr(out, "\n");
}
