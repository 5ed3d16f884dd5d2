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

/* -- the record -- */

/* What the PACS says that the series has; false when it does not say. */
static bool expected_of(const PxTarget *target, uint64_t *out)
{
    return px_count(target->record, "NumberOfSeriesRelatedInstances", out);
}

static bool record(const PxRetriever *retriever, const PxTarget *target, const char *name, json_t *value,
                   Err *err)
{
    json_t *members = json_object();
    json_object_set_new(members, name, value);
    bool ok = !retriever->base || px_record_merge(retriever->base, PX_TABLE_RETRIEVE, target->study,
                                                  target->series, members, err);
    json_decref(members);
    return ok;
}

static bool record_number(const PxRetriever *retriever, const PxTarget *target, uint64_t images, Err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, images);
    return record(retriever, target, "NumberOfSeriesRelatedInstances", json_string(text), err);
}

/* -- what has come -- */

static bool count_received(const PxRetriever *retriever, const PxTarget *target, uint64_t *out, Err *err)
{
    int64_t requested, received = 0;
    bool ok = px_base_received(retriever->base, target->series, &requested, &received, err);
    *out = ok ? (uint64_t)received : 0;
    return ok;
}

/* Waits until `sent` images of the series are in the base, as long as some come. Longer pauses towards the end: each look costs the receiver time. */
static bool wait_for_receiver(PxRetriever *retriever, const PxTarget *target, uint64_t sent,
                              uint64_t *received, Err *err)
{
    enum { FIRST_MS = 3000, STILL_MS = 10000, PAUSE_MS = 10, PAUSE_MAX_MS = 500 };
    int64_t pause = PAUSE_MS;
    Deadline deadline = deadline_in(retriever->filled ? STILL_MS : FIRST_MS);
    uint64_t before = 0;
    for (;;) {
        if (!count_received(retriever, target, received, err))
            return false;
        if (*received >= sent)
            break;
        if (*received > before) {
            deadline = deadline_in(STILL_MS);
            pause = PAUSE_MS;
        } else if (deadline_passed(deadline)) {
            break;
        }
        before = *received;
        clock_sleep_ms(pause);
        pause = pause < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
    }
    retriever->filled |= *received > 0;
    retriever->elsewhere |= !retriever->filled && sent > 0;
    return true;
}

static void tell_elsewhere(const PxRetriever *retriever, const PxFeedback *feedback)
{
    Buf line;
    buf_init(&line, 0);
    buf_printf(&line, "     Nothing came into %s: the images go elsewhere, whether all came cannot be told",
               px_base_log_path(retriever->base));
    px_feedback_line(feedback, &line);
}

static void tell_incomplete(const PxFeedback *feedback, uint64_t received, uint64_t expected)
{
    Buf line;
    buf_init(&line, 0);
    buf_printf(&line, "     Incomplete: %03" PRIu64 " of %03" PRIu64 " images are here", received, expected);
    px_feedback_line(feedback, &line);
}

/* How much of the series is here, into its result. False with err when images that the PACS sent are not. */
static bool judge(PxRetriever *retriever, const PxTarget *target, const PxFeedback *feedback,
                  const ScuResult *counters, json_t *result, Err *err)
{
    uint64_t sent = (uint64_t)counters->completed + counters->warning, expected = sent, received;
    bool counted = expected_of(target, &expected), was_elsewhere = retriever->elsewhere;
    if (!counters->has_counters)
        sent = expected;
    if (was_elsewhere)
        return true;
    if (!counted && !record_number(retriever, target, sent + counters->failed, err))
        return false;
    if (!wait_for_receiver(retriever, target, sent, &received, err))
        return false;
    if (retriever->elsewhere) {
        tell_elsewhere(retriever, feedback);
        return true;
    }
    json_object_set_new(result, "expected", json_integer((json_int_t)expected));
    json_object_set_new(result, "received", json_integer((json_int_t)received));
    if (received < expected)
        tell_incomplete(feedback, received, expected);
    return received >= sent || err_set(err, ERR_REFUSED,
                                       "the PACS sent %" PRIu64 " images, %" PRIu64
                                       " of them are in %s; the receiver lost or refused "
                                       "some, or is still busy",
                                       sent, received, px_base_log_path(retriever->base));
}

/* -- the request -- */

static void show(const PxTarget *target, const PxFeedback *feedback, const char *what)
{
    enum { WIDTH = 31 };
    uint64_t images;
    char text[64];
    Buf line;
    buf_init(&line, 0);
    if (expected_of(target, &images))
        snprintf(text, sizeof text, "%s %03" PRIu64 " images for ", what, images);
    else
        snprintf(text, sizeof text, "%s ??? images for ", what);
    buf_printf(&line, "%*s", WIDTH, text);
    px_put_number(&line, target->record);
    buf_append_cstr(&line, target->about);
    px_feedback_line(feedback, &line);
}

/* Is all of it here already? */
static bool is_complete(const PxRetriever *retriever, const PxTarget *target)
{
    uint64_t expected, received;
    return retriever->missing_only && retriever->base && expected_of(target, &expected) && expected > 0 &&
           count_received(retriever, target, &received, NULL) && received >= expected;
}

static void put_counters(json_t *result, const ScuResult *counters)
{
    json_object_set_new(result, "completed", json_integer(counters->completed));
    json_object_set_new(result, "failed", json_integer(counters->failed));
    json_object_set_new(result, "warning", json_integer(counters->warning));
}

static json_t *passed_over(void)
{
    json_t *result = px_outcome(true, json_array(), "", 0);
    json_object_set_new(result, "complete", json_true());
    return result;
}

static void fail(json_t *result, const Err *err)
{
    char text[sizeof err->text + 8];
    snprintf(text, sizeof text, "W: %s\n", err->text);
    json_object_set_new(result, "status", json_string("error"));
    json_object_set_new(result, "data", px_text(text));
}

static bool request(PxRetriever *retriever, const PxTarget *target, const PxFeedback *feedback,
                    json_t **result, Err *err)
{
    ScuResult counters;
    Err first = {0};
    bool ok = px_move(retriever->mover, target->study, target->series, result, &counters, err);
    if (counters.answered)
        put_counters(*result, &counters);
    if (ok && retriever->base && !judge(retriever, target, feedback, &counters, *result, err)) {
        ok = false;
        fail(*result, err);
    }
    if (!record(retriever, target, "command", json_incref(*result), &first) && ok) {
        ok = false;
        *err = first;
        fail(*result, err);
    }
    if (ok)
        wait_behind(&retriever->delay, feedback, target->record);
    return ok;
}

static bool retrieve(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    PxRetriever *retriever = ctx;
    uint64_t expected;
    if (is_complete(retriever, target)) {
        show(target, feedback, "All here:");
        *result = passed_over();
        return true;
    }
    show(target, feedback, "Requesting");
    if (!expected_of(target, &expected) || record_number(retriever, target, expected, err))
        return request(retriever, target, feedback, result, err);
    *result = px_outcome(false, px_text(err->text), "", 1);
    return false;
}

static bool begin(void *ctx, const json_t *document, Err *err)
{
    PxRetriever *retriever = ctx;
    px_mover_scout(retriever->mover, retriever->arena, document);
    return true;
}

PxDoer px_doer_retrieve(PxRetriever *retriever)
{
    return (PxDoer){.verb = PX_VERB_RETRIEVE, .ctx = retriever, .begin = begin, .run = retrieve};
}
