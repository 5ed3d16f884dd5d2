// SPDX-License-Identifier: MIT
#include "px/status.h"

#include "px/document.h"
#include "px/tables.h"

#include <stdio.h>
#include <string.h>

/* What was found out, before it is put into the words of a dialect. */
typedef struct Found {
    PxBase *base; /* NULL: there is no database */
    const char *log_path;
    const PxStatusAsk *ask;
    json_t *in_study; /* UIDs of the study's series */
    bool study, contains, series;
    bool push_failed, register_failed;
    PxThere there;
    PxCounts counts;
} Found;

static const char *given(const char *text)
{
    return text ? text : "";
}

/* -- finding out -- */

static bool note_series(void *ctx, const PxSeriesRow *row, Err *err)
{
    Found *f = ctx;
    (void)err;
    f->study = true;
    f->contains = f->contains || strcmp(row->series, given(f->ask->series)) == 0;
    json_array_append_new(f->in_study, px_text(row->series));
    return true;
}

static bool failed(const Found *f, PxTable table, bool *out, Err *err)
{
    json_t *record;
    if (!px_record_read(f->base, table, f->ask->series, &record, err))
        return false;
    *out = json_is_false(json_object_get(record, "status"));
    json_decref(record);
    return true;
}

static bool look(Found *f, Err *err)
{
    const PxStatusAsk *ask = f->ask;
    PxSelection study = {.study = ask->study};
    if (!f->base)
        return true;
    if (*given(ask->study) && !px_base_series(f->base, &study, note_series, f, err))
        return false;
    if (!*given(ask->series))
        return true;
    if (!px_base_counts(f->base, ask->series, &f->counts, err) ||
        !px_look_at_series(f->base, ask->series, &f->there, err) ||
        !failed(f, PX_TABLE_PUSH, &f->push_failed, err) ||
        !failed(f, PX_TABLE_REGISTER, &f->register_failed, err))
        return false;
    f->series = f->counts.received > 0;
    return true;
}

/* -- the classic object -- */

static json_t *study_object(const Found *f, const char *state)
{
    json_t *list =
        json_pack("{s:b,s:O,s:[]}", "status", f->contains, "seriesList", f->in_study, "JSONparseError");
    return json_pack("{s:b,s:o,s:s,s:o}", "status", f->contains, "studyTable",
                     px_tables_of_study(f->log_path, given(f->ask->study), f->study, NULL, false), "state",
                     state, "seriesListInStudy", list);
}

static json_t *series_object(const Found *f)
{
    return json_pack("{s:b,s:o,s:s}", "status", f->series, "seriesTable",
                     px_tables_of_series(f->log_path, given(f->ask->series), NULL, &f->there), "state",
                     f->series ? "SeriesMapMetaOK" : "SeriesNotFound");
}

static json_t *counter(int64_t count, bool ok)
{
    return json_pack("{s:b,s:I}", "status", ok, "count", (json_int_t)count);
}

static json_t *no_images(void)
{
    static const char *const names[] = {"received", "requested", "packed", "pushed", "registered"};
    json_t *images = json_object();
    for (size_t i = 0; i < 5; i++)
        json_object_set_new(images, names[i], json_pack("{s:i}", "count", -1));
    return images;
}

/* A stage that failed for every object has pypx's sign; one that failed for some has its count. */
static int64_t stage_count(bool failed, int64_t count)
{
    enum { FAILED = -10 };
    return failed && count == 0 ? FAILED : count;
}

/* A later stage says so only when it has all that was received. */
static const char *images_state(const Found *f)
{
    const PxCounts *c = &f->counts;
    if (c->registered >= c->received)
        return "ImagesRegisteredOK";
    if (c->pushed >= c->received)
        return "ImagesPushedOK";
    if (c->requested < 0)
        return "ImagesReceiveCountOK";
    return c->received >= c->requested ? "ImagesAllReceivedOK" : "ImagesInFlight";
}

static json_t *images_object(const Found *f)
{
    const PxCounts *c = &f->counts;
    int64_t pushed = stage_count(f->push_failed, c->pushed),
            registered = stage_count(f->register_failed, c->registered);
    json_t *images = json_object();
    json_object_set_new(images, "received", counter(c->received, true));
    json_object_set_new(images, "requested", counter(c->requested, c->requested >= 0));
    json_object_set_new(images, "packed", counter(c->packed, c->packed > 0));
    json_object_set_new(images, "pushed", counter(pushed, pushed > 0));
    json_object_set_new(images, "registered", counter(registered, registered > 0));
    json_object_set_new(images, "state", px_text(images_state(f)));
    json_object_set_new(images, "status", json_boolean(c->received >= c->requested));
    return images;
}

/* Why there is nothing to count; NULL = there is something. */
static const char *problem_of(const Found *f)
{
    if (f->ask->verify && !f->study)
        return "Study not found";
    return f->series && (!f->ask->verify || f->contains) ? NULL : "Series not found";
}

static json_t *classic(const Found *f)
{
    const char *problem = problem_of(f);
    bool no_study = f->ask->verify && !f->study;
    const char *study = no_study      ? "StudyNotFound"
                        : f->contains ? "StudyContainsSeriesOK"
                                      : "StudyDoesNotContainSeries";
    json_t *series = no_study ? json_object() : series_object(f);
    if (!no_study && problem && f->series)
        json_object_set_new(series, "state", json_string("SeriesNotInStudy"));
    json_t *images = problem ? no_images() : images_object(f);
    const char *images_word = problem ? "NoImagesFound" : images_state(f);
    bool ok = !problem && json_is_true(json_object_get(images, "status"));
    return json_pack("{s:{s:s,s:s,s:s},s:o,s:o,s:o,s:b,s:s}", "state", "study", study, "series",
                     !problem    ? "SeriesMapMetaOK"
                     : f->series ? "SeriesNotInStudy"
                                 : "NoSeriesFound",
                     "images", images_word, "study", study_object(f, study), "series", series, "images",
                     images, "status", ok, "error", problem ? problem : "");
}

/* -- the object of 3.12 -- */

static json_t *newest_images(const Found *f)
{
    const PxCounts *c = &f->counts;
    json_t *images = no_images();
    const struct {
        const char *name;
        int64_t count;
    } all[] = {{"received", c->received},
               {"requested", c->requested},
               {"packed", c->packed},
               {"pushed", c->pushed},
               {"registered", c->registered}};
    for (size_t i = 0; i < 5; i++)
        json_object_set_new(images, all[i].name, json_pack("{s:I}", "count", (json_int_t)all[i].count));
    return images;
}

static json_t *newest(const Found *f)
{
    bool found = !problem_of(f), whole = found && f->counts.received >= f->counts.requested;
    const char *none = "NoInfoAvailable";
    const char *images = !found                                       ? "NoImagesFound"
                         : f->counts.registered >= f->counts.received ? "ImagesPulledAndRegisteredOK"
                         : whole                                      ? "ImagesPulledOK"
                                                                      : "ImagesInFlight";
    return json_pack("{s:b,s:{s:s,s:s,s:s},s:{s:s,s:{s:b,s:o},s:b,s:o},s:{s:s,s:b},s:o}", "status", whole,
                     "state", "study", found ? "StudyOK" : "NoStudyFound", "series",
                     found ? "SeriesOK" : "NoSeriesFound", "images", images, "study", "state",
                     found ? "StudyOK" : none, "seriesListInStudy", "status", found, "SeriesInstanceUID",
                     px_text(f->ask->series), "status", found, "StudyInstanceUID", px_text(f->ask->study),
                     "series", "state", found ? "SeriesOK" : none, "status", found, "images",
                     found ? newest_images(f) : no_images());
}

/* -- the calls -- */

static bool answer(Found *f, json_t **out, Err *err)
{
    f->in_study = json_array();
    f->counts.requested = -1;
    bool ok = look(f, err);
    if (ok)
        *out = f->ask->dialect == PX_NEWEST ? newest(f) : classic(f);
    json_decref(f->in_study);
    return ok;
}

bool px_status(PxBase *base, const PxStatusAsk *ask, json_t **out, Err *err)
{
    Found f = {.base = base, .log_path = px_base_log_path(base), .ask = ask};
    return answer(&f, out, err);
}

json_t *px_status_unknown(const char *log_path, const PxStatusAsk *ask)
{
    Found f = {.log_path = log_path, .ask = ask};
    json_t *out = NULL;
    answer(&f, &out, NULL);
    return out;
}
