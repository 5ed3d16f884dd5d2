// SPDX-License-Identifier: MIT
#include "px/then.h"

#include "base/arena.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const verb_names[] = {[PX_VERB_REPORT] = "report", [PX_VERB_RETRIEVE] = "retrieve"};

/* -- what the user asked for -- */

static bool parse_verb(Span word, PxVerb *out, Err *err)
{
    static const char *const others[] = {"status", "push", "register"};
    for (size_t i = 0; i < 2; i++)
        if (span_eq_cstr(word, verb_names[i])) {
            *out = (PxVerb)i;
            return true;
        }
    for (size_t i = 0; i < 3; i++)
        if (span_eq_cstr(word, others[i]))
            return err_set(err, ERR_UNSUPPORTED,
                           "--then %s is not in this version; it has report and retrieve", others[i]);
    return err_set(err, ERR_USAGE, "--then: '%.*s' is none of report, retrieve, status, push, register",
                   word.n > 40 ? 40 : (int)word.n, (const char *)word.p);
}

bool px_verbs_parse(PxVerbs *verbs, const char *list, Err *err)
{
    *verbs = (PxVerbs){0};
    Span rest = span_cstr(list), part;
    bool more = true;
    while (*list && span_split(&rest, ',', &part, &more)) {
        if (verbs->count == PX_VERBS_MAX)
            return err_set(err, ERR_LIMIT, "--then: more than %d verbs", PX_VERBS_MAX);
        if (!parse_verb(span_trim(part), &verbs->items[verbs->count++], err))
            return false;
    }
    return true;
}

/* Both spellings as a list of objects: "[{…},{…}]" or "{…};{…}". */
static json_t *read_arguments(const char *text, Err *err)
{
    json_t *list = NULL;
    if (*span_trim(span_cstr(text)).p == '[')
        return px_json_read(span_cstr(text), "--thenArgs", err);
    Span rest = span_cstr(text), part;
    bool more = true;
    list = json_array();
    while (span_split(&rest, ';', &part, &more)) {
        json_t *object = px_json_read(part, "--thenArgs (objects joined by ';')", err);
        if (!object) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, object);
    }
    return list;
}

bool px_verbs_check_arguments(const PxVerbs *verbs, const char *text, Err *err)
{
    if (!span_trim(span_cstr(text)).n)
        return true;
    json_t *list = read_arguments(text, err);
    if (!list)
        return false;
    bool ok = json_array_size(list) == verbs->count ||
              err_set(err, ERR_USAGE, "--thenArgs has %zu objects for %zu verbs of --then",
                      json_array_size(list), verbs->count);
    const json_t *object;
    size_t i;
    json_array_foreach(list, i, object) if (ok && (!json_is_object(object) || json_object_size(object))) ok =
        err_set(err, ERR_USAGE, "--thenArgs: %s takes no arguments; give {} for it",
                verb_names[verbs->items[i]]);
    json_decref(list);
    return ok;
}

bool px_delay_parse(PxDelay *delay, const char *text, Err *err)
{
    enum { MAX_DELAY = 86400 };
    Span rest = span_cstr(text), word = SPAN("dynamic");
    double number;
    *delay = (PxDelay){.dynamic = span_starts(rest, word), .seconds = 1};
    if (span_eq(rest, word))
        return true;
    if (delay->dynamic && span_starts(rest, SPAN("dynamic:")) &&
        span_to_i64(span_sub(rest, word.n + 1, rest.n), 1, MAX_DELAY, &delay->seconds))
        return true;
    if (!delay->dynamic && span_to_double(rest, &number) && number >= 0 && number <= MAX_DELAY) {
        delay->seconds = (int64_t)number;
        return true;
    }
    return err_set(err, ERR_USAGE,
                   "--intraSeriesRetrieveDelay: '%.40s' is neither a number of seconds nor dynamic[:N]",
                   text);
}

/* -- feedback -- */

static void put(const PxThen *then, Buf *text)
{
    fwrite(text->p, 1, text->n, then->feedback);
    fflush(then->feedback);
    buf_free(text);
}

static void banner(const PxThen *then, const char *what, PxVerb verb)
{
    bool colour = then->scheme != PX_PLAIN;
    fprintf(then->feedback, "%s[ %s %s ]%s\n", colour ? "\x1b[44m\x1b[1;37m" : "", what, verb_names[verb],
            colour ? "\x1b[0m" : "");
}

static void show_study(const PxThen *then, const json_t *document, const json_t *study, PxVerb verb)
{
    PxReport report;
    px_report_defaults(&report);
    report.kind = PX_REPORT_RAW_TEXT;
    report.scheme = then->scheme;
    Buf text;
    buf_init(&text, 0);
    px_report_header(&report, document, study, &text);
    buf_append_cstr(&text, "\n");
    fputc('\n', then->feedback);
    banner(then, "STUDY", verb);
    put(then, &text);
    banner(then, "SERIES", verb);
}

/* " [ 0003 ] " when the number is known. */
static void put_number(Buf *out, const json_t *series)
{
    uint64_t number;
    if (px_count(series, "SeriesNumber", &number))
        buf_printf(out, " [ %04" PRIu64 " ] ", number);
}

static const char *description(Arena *arena, const json_t *series)
{
    const char *text = px_value(series, "SeriesDescription");
    char *copy = arena_strdup(arena, text ? text : "");
    for (unsigned char *p = (unsigned char *)copy; *p; p++)
        if (*p < 0x20 || *p == 0x7F)
            *p = ' ';
    return copy;
}

static void show_series(const PxThen *then, const json_t *series, PxVerb verb)
{
    Arena *arena = arena_new(0);
    const char *about = description(arena, series), *uid = px_value(series, "SeriesInstanceUID");
    uint64_t images;
    Buf line;
    buf_init(&line, 0);
    if (then->scheme != PX_PLAIN)
        buf_append_cstr(&line, "\x1b[1;37m");
    if (verb == PX_VERB_REPORT) {
        put_number(&line, series);
        buf_printf(&line, "%-55s │ %s", about, uid ? uid : "");
    } else {
        const char *count = px_count(series, "NumberOfSeriesRelatedInstances", &images)
                                ? arena_printf(arena, "%03" PRIu64, images)
                                : "???";
        buf_printf(&line, "%31s", arena_printf(arena, "Requesting %s images for ", count));
        put_number(&line, series);
        buf_append_cstr(&line, about);
    }
    buf_append_cstr(&line, then->scheme != PX_PLAIN ? "\x1b[0m\n" : "\n");
    put(then, &line);
    arena_free(arena);
}

/* A countdown on a terminal, one line on paper. */
static void show_wait(const PxThen *then, int64_t left, bool first)
{
    const char *before = then->terminal ? "\r" : "", *after = then->terminal ? "\x1b[K" : "\n";
    if (first || then->terminal)
        fprintf(then->feedback, "%s     [ Parsing incoming images %02" PRId64 ":%02" PRId64 " ]%s", before,
                left / 60, left % 60, after);
    fflush(then->feedback);
}

static void wait_behind(const PxThen *then, const json_t *series)
{
    enum { MAX_WAIT = 86400 };
    uint64_t images;
    int64_t seconds = then->delay.seconds;
    if (then->delay.dynamic)
        seconds = px_count(series, "NumberOfSeriesRelatedInstances", &images)
                      ? (int64_t)images / then->delay.seconds
                      : 0;
    seconds = seconds < MAX_WAIT ? seconds : MAX_WAIT;
    for (int64_t left = seconds; left > 0; left--) {
        if (then->feedback)
            show_wait(then, left, left == seconds);
        clock_sleep_ms(1000);
    }
    if (then->feedback && then->terminal && seconds > 0)
        fputs("\r\x1b[K", then->feedback);
}

/* -- doing -- */

typedef struct Tally {
    size_t done, failed;
    Err first;
} Tally;

static json_t *retrieve(const PxThen *then, const json_t *study, const json_t *series, Tally *tally)
{
    const char *study_uid = px_value(study, "StudyInstanceUID");
    const char *series_uid = px_value(series, "SeriesInstanceUID");
    json_t *outcome = NULL;
    ScuResult result;
    Err err = {0};
    if (!series_uid || !study_uid) {
        err_set(&err, ERR_FORMAT, "the PACS gave a series without its UIDs");
        outcome = px_outcome(false, px_text(err.text), "", 1);
    } else if (px_move(then->mover, study_uid, series_uid, &outcome, &result, &err)) {
        wait_behind(then, series);
        return outcome;
    }
    if (!tally->failed++)
        tally->first = err;
    if (then->feedback) {
        Buf text;
        buf_init(&text, 0);
        px_document_write(outcome, false, &text);
        put(then, &text);
    }
    return outcome;
}

static json_t *do_study(const PxThen *then, const json_t *document, const json_t *study, PxVerb verb,
                        Tally *tally)
{
    json_t *results = json_array();
    const json_t *series;
    size_t i;
    if (then->feedback)
        show_study(then, document, study, verb);
    json_array_foreach(json_object_get(study, "series"), i, series)
    {
        if (then->feedback)
            show_series(then, series, verb);
        tally->done++;
        json_array_append_new(results, verb == PX_VERB_RETRIEVE ? retrieve(then, study, series, tally)
                                                                : json_object());
    }
    return results;
}

bool px_then(const PxThen *then, const json_t *document, json_t **results, Err *err)
{
    const json_t *data = json_object_get(document, "data"), *study;
    Tally tally = {0};
    *results = json_object();
    json_object_set_new(*results, "do", json_boolean(json_array_size(data) > 0 && then->verbs.count > 0));
    for (size_t v = 0; v < then->verbs.count && json_array_size(data); v++) {
        json_t *studies = json_array(), *pass = json_object();
        size_t i;
        json_array_foreach(data, i, study)
        {
            const char *uid = px_value(study, "StudyInstanceUID");
            json_t *one = json_object();
            json_object_set_new(one, uid ? uid : "",
                                do_study(then, document, study, then->verbs.items[v], &tally));
            json_array_append_new(studies, one);
        }
        char key[32];
        snprintf(key, sizeof key, "%02zu-%s", v, verb_names[then->verbs.items[v]]);
        json_object_set_new(pass, "study", studies);
        json_object_set_new(*results, key, pass);
    }
    if (!tally.failed)
        return true;
    *err = tally.first;
    return err_wrap(err, "%zu of %zu series were not retrieved; the first one", tally.failed, tally.done);
}
