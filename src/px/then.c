// SPDX-License-Identifier: MIT
#include "px/then.h"

#include "base/arena.h"
#include "px/report_internal.h"

#include <inttypes.h>
#include <string.h>

/* -- feedback -- */

void px_feedback_put(const PxFeedback *feedback, Buf *text)
{
    if (feedback->to) {
        fwrite(text->p, 1, text->n, feedback->to);
        fflush(feedback->to);
    }
    buf_free(text);
}

void px_feedback_line(const PxFeedback *feedback, Buf *line)
{
    bool colour = feedback->scheme != PX_PLAIN;
    Buf text;
    buf_init(&text, 0);
    buf_printf(&text, "%s%s%s\n", colour ? "\x1b[1;37m" : "", buf_cstr(line), colour ? "\x1b[0m" : "");
    buf_free(line);
    px_feedback_put(feedback, &text);
}

static void banner(const PxFeedback *feedback, const char *what, PxVerb verb)
{
    bool colour = feedback->scheme != PX_PLAIN;
    fprintf(feedback->to, "%s[ %s %s ]%s\n", colour ? "\x1b[44m\x1b[1;37m" : "", what, px_verb_name(verb),
            colour ? "\x1b[0m" : "");
}

static void show_study(const PxFeedback *feedback, const json_t *document, const json_t *study, PxVerb verb)
{
    PxReport report;
    px_report_defaults(&report);
    report.kind = PX_REPORT_RAW_TEXT;
    report.scheme = feedback->scheme;
    Buf text;
    buf_init(&text, 0);
    px_report_header(&report, document, study, &text);
    buf_append_cstr(&text, "\n");
    fputc('\n', feedback->to);
    banner(feedback, "STUDY", verb);
    px_feedback_put(feedback, &text);
    banner(feedback, "SERIES", verb);
}

static void show_failure(const PxFeedback *feedback, const json_t *result)
{
    Buf text;
    buf_init(&text, 0);
    px_document_write(result, false, &text);
    px_feedback_put(feedback, &text);
}

void px_put_number(Buf *out, const json_t *series)
{
    uint64_t number;
    if (px_count(series, "SeriesNumber", &number))
        buf_printf(out, " [ %04" PRIu64 " ] ", number);
}

void px_feedback_images(const PxFeedback *feedback, const char *what, int64_t images, const PxTarget *target)
{
    enum { WIDTH = 50 };
    Buf line;
    buf_init(&line, 0);
    buf_printf(&line, "%s [ %03" PRId64 " ]: ", what, images);
    px_left(&line, target->about, WIDTH);
    buf_append_cstr(&line, target->series);
    px_feedback_line(feedback, &line);
}

/* -- report: nothing but the telling -- */

static bool report(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    enum { WIDTH = 55 };
    Buf about, line;
    buf_init(&about, 0);
    buf_init(&line, 0);
    px_put_number(&about, target->record);
    buf_append_cstr(&about, target->about);
    px_left(&line, buf_cstr(&about), WIDTH);
    buf_printf(&line, " │ %s", target->series);
    buf_free(&about);
    px_feedback_line(feedback, &line);
    *result = json_object();
    return true;
}

const PxDoer px_doer_report = {.verb = PX_VERB_REPORT, .run = report};

/* -- doing -- */

typedef struct Tally {
    size_t done, failed;
    Err first;
} Tally;

/* A UID becomes part of lines, names and requests. */
static bool is_uid(const char *text)
{
    enum { UID_MAX = 64 };
    if (!text || !*text || strlen(text) > UID_MAX)
        return false;
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static json_t *do_series(const PxThen *then, const PxDoer *doer, const json_t *study, const json_t *series,
                         Tally *tally)
{
    Arena *arena = arena_new(0);
    PxTarget target = {.study = px_value(study, "StudyInstanceUID"),
                       .series = px_value(series, "SeriesInstanceUID"),
                       .about = px_look_up(arena, series, "SeriesDescription", true),
                       .study_record = study,
                       .record = series};
    json_t *result = NULL;
    Err err = {0};
    bool ok;
    if (!is_uid(target.study) || !is_uid(target.series)) {
        ok = err_set(&err, ERR_FORMAT, "the PACS gave a series without its UIDs, or with some that are none");
        result = px_outcome(false, px_text(err.text), "", 1);
    } else {
        ok = doer->run(doer->ctx, &target, &then->feedback, &result, &err);
    }
    arena_free(arena);
    tally->done++;
    if (ok)
        return result;
    if (!tally->failed++)
        tally->first = err;
    if (then->feedback.to)
        show_failure(&then->feedback, result);
    return result;
}

static json_t *do_study(const PxThen *then, const PxDoer *doer, const json_t *document, const json_t *study,
                        Tally *tally)
{
    json_t *results = json_array();
    const json_t *series;
    size_t i;
    if (then->feedback.to)
        show_study(&then->feedback, document, study, doer->verb);
    json_array_foreach(json_object_get(study, "series"), i, series)
        json_array_append_new(results, do_series(then, doer, study, series, tally));
    return results;
}

/* One verb for all studies. */
static json_t *do_pass(const PxThen *then, const PxDoer *doer, const json_t *document, Tally *tally)
{
    json_t *studies = json_array(), *pass = json_object();
    const json_t *study;
    size_t i;
    if (doer->begin && !doer->begin(doer->ctx, document, &tally->first)) {
        tally->failed++;
    } else {
        json_array_foreach(json_object_get(document, "data"), i, study)
        {
            const char *uid = px_value(study, "StudyInstanceUID");
            json_t *one = json_object();
            json_object_set_new(one, uid ? uid : "", do_study(then, doer, document, study, tally));
            json_array_append_new(studies, one);
        }
        if (doer->end)
            doer->end(doer->ctx);
    }
    json_object_set_new(pass, "study", studies);
    return pass;
}

static void add_failure(Buf *out, PxVerb verb, const Tally *tally)
{
    buf_printf(out, "%s%s", out->n ? ", " : "", px_verb_name(verb));
    if (tally->done)
        buf_printf(out, " failed for %zu of %zu series", tally->failed, tally->done);
    else
        buf_append_cstr(out, " could not begin");
}

bool px_then(const PxThen *then, const json_t *document, json_t **results, Err *err)
{
    size_t studies = json_array_size(json_object_get(document, "data"));
    Buf failures;
    buf_init(&failures, 0);
    *results = json_object();
    json_object_set_new(*results, "do", json_boolean(studies > 0 && then->count > 0));
    for (size_t i = 0; i < then->count && studies; i++) {
        const PxDoer *doer = &then->doers[i];
        Tally tally = {0};
        char key[32];
        snprintf(key, sizeof key, "%02zu-%s", i, px_verb_name(doer->verb));
        json_object_set_new(*results, key, do_pass(then, doer, document, &tally));
        if (tally.failed && !failures.n)
            *err = tally.first;
        if (tally.failed)
            add_failure(&failures, doer->verb, &tally);
    }
    bool ok = !failures.n || err_wrap(err, "%s", buf_cstr(&failures));
    buf_free(&failures);
    return ok;
}
