// SPDX-License-Identifier: MIT
#include "px/then_retrieve.h"

#include "base/arena.h"
#include "base/clock.h"

#include <inttypes.h>

enum { DAY = 86400 };

bool px_delay_parse(PxDelay *delay, const char *text, Err *err)
{
    Span rest = span_cstr(text), word = SPAN("dynamic");
    double number;
    *delay = (PxDelay){.dynamic = span_starts(rest, word), .seconds = 1};
    if (span_eq(rest, word))
        return true;
    if (delay->dynamic && span_starts(rest, SPAN("dynamic:")) &&
        span_to_i64(span_sub(rest, word.n + 1, rest.n), 1, DAY, &delay->seconds))
        return true;
    if (!delay->dynamic && span_to_double(rest, &number) && number >= 0 && number <= DAY) {
        delay->seconds = (int64_t)number;
        return true;
    }
    return err_set(err, ERR_USAGE,
                   "--intraSeriesRetrieveDelay: '%.40s' is neither a number of seconds nor dynamic[:N]",
                   text);
}

/* -- the pause -- */

/* A countdown on a terminal, one line on paper. */
static void show_wait(const PxFeedback *feedback, int64_t left, bool first)
{
    const char *before = feedback->terminal ? "\r" : "", *after = feedback->terminal ? "\x1b[K" : "\n";
    if (first || feedback->terminal)
        fprintf(feedback->to, "%s     [ Parsing incoming images %02" PRId64 ":%02" PRId64 " ]%s", before,
                left / 60, left % 60, after);
    fflush(feedback->to);
}

static int64_t seconds_behind(const PxDelay *delay, const json_t *series)
{
    uint64_t images;
    if (!delay->dynamic)
        return delay->seconds;
    if (!px_count(series, "NumberOfSeriesRelatedInstances", &images))
        return 0;
    uint64_t seconds = images / (uint64_t)delay->seconds;
    return seconds < DAY ? (int64_t)seconds : DAY;
}

static void wait_behind(const PxDelay *delay, const PxFeedback *feedback, const json_t *series)
{
    int64_t seconds = seconds_behind(delay, series);
    for (int64_t left = seconds; left > 0; left--) {
        if (feedback->to)
            show_wait(feedback, left, left == seconds);
        clock_sleep_ms(1000);
    }
    if (feedback->to && feedback->terminal && seconds > 0)
        fputs("\r\x1b[K", feedback->to);
}

/* -- the request -- */

static void show(const PxTarget *target, const PxFeedback *feedback)
{
    uint64_t images;
    Buf line;
    buf_init(&line, 0);
    buf_append_cstr(&line, "     Requesting ");
    if (px_count(target->record, "NumberOfSeriesRelatedInstances", &images))
        buf_printf(&line, "%03" PRIu64, images);
    else
        buf_append_cstr(&line, "???");
    buf_append_cstr(&line, " images for ");
    px_put_number(&line, target->record);
    buf_append_cstr(&line, target->about);
    px_feedback_line(feedback, &line);
}

static bool retrieve(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    PxRetriever *retriever = ctx;
    ScuResult counters;
    show(target, feedback);
    if (!px_move(retriever->mover, target->study, target->series, result, &counters, err))
        return false;
    wait_behind(&retriever->delay, feedback, target->record);
    return true;
}

PxDoer px_doer_retrieve(PxRetriever *retriever)
{
    return (PxDoer){.verb = PX_VERB_RETRIEVE, .ctx = retriever, .run = retrieve};
}
