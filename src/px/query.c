// SPDX-License-Identifier: MIT
#include "px/query.h"

#include "dicom/dict.h"
#include "dicom/tags.h"
#include "px/command.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* More than a person can look at; what a peer sends beyond is not kept. All answers to one query together have MAX_MEMORY. */
enum { MAX_STUDIES = 20000, MAX_SERIES = 10000 };
#define MAX_MEMORY ((size_t)2 << 30)

static bool is_of_series(const char *keyword)
{
    static const char *const keywords[] = {"Modality",
                                           "PerformedStationAETitle",
                                           "SeriesDescription",
                                           "SeriesInstanceUID",
                                           "ProtocolName",
                                           "AcquisitionProtocolName",
                                           "AcquisitionProtocolDescription"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (!strcmp(keywords[i], keyword))
            return true;
    return false;
}

/* The keys of the first step. A study has no Modality: archives that take the constraint seriously would find nothing. */
static void keys_of_studies(const PxQuery *query, PxKeys *out)
{
    *out = query->keys;
    for (size_t i = 0; i < out->count; i++) {
        PxKey *key = &out->items[i];
        if (!strcmp(key->keyword, "QueryRetrieveLevel"))
            key->value = "STUDY";
        else if (!query->study_only && is_of_series(key->keyword))
            key->value = "";
    }
}

static void keys_of_series(const PxQuery *query, const char *study, PxKeys *out)
{
    *out = query->keys;
    for (size_t i = 0; i < out->count; i++) {
        PxKey *key = &out->items[i];
        if (!strcmp(key->keyword, "QueryRetrieveLevel"))
            key->value = "SERIES";
        else if (!strcmp(key->keyword, "StudyInstanceUID"))
            key->value = study;
    }
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

static DcmDataset *identifier_of(Arena *arena, const PxKeys *keys)
{
    DcmDataset *identifier = dcm_dataset_new(arena);
    for (size_t i = 0; i < keys->count; i++)
        if (!is_ascii(keys->items[i].value))
            dcm_put_utf8(identifier, DCM_SpecificCharacterSet, "ISO_IR 192");
    for (size_t i = 0; i < keys->count; i++) {
        const DcmDictEntry *entry = dcm_dict_keyword(span_cstr(keys->items[i].keyword));
        if (entry)
            dcm_put_utf8(identifier, entry->tag, keys->items[i].value);
    }
    return identifier;
}

/* One C-FIND: its matches as records. */
typedef struct Request {
    json_t *records;
    atomic_size_t *room; /* bytes that all requests together may still take */
    size_t limit;
    bool too_many, too_much;
} Request;

/* What a match takes in memory: its values, and the JSON around each of them. */
static size_t weight_of(const DcmDataset *match)
{
    enum { AROUND = 700 };
    size_t weight = 0;
    for (size_t i = 0; i < match->count; i++)
        weight += match->elements[i].value.n + AROUND;
    return weight;
}

static bool takes_room(atomic_size_t *room, size_t bytes)
{
    size_t left = atomic_load(room);
    while (left >= bytes)
        if (atomic_compare_exchange_weak(room, &left, left - bytes))
            return true;
    return false;
}

static bool take_match(void *ctx, const DcmDataset *match)
{
    Request *request = ctx;
    size_t n = json_array_size(request->records);
    request->too_many = n == request->limit;
    request->too_much = !request->too_many && !takes_room(request->room, weight_of(match));
    if (request->too_many || request->too_much)
        return false;
    json_array_append_new(request->records, px_record(match, n));
    return true;
}

/* The records, or NULL and err. */
static json_t *ask(const PxQuery *query, ScuQuery *association, DcmLevel level, const PxKeys *keys,
                   const char *command, atomic_size_t *room, Err *err)
{
    Request request = {
        .records = json_array(), .room = room, .limit = level == DCM_LEVEL_STUDY ? MAX_STUDIES : MAX_SERIES};
    if (query->trace)
        fprintf(query->trace, "%s\n", command);
    Arena *arena = arena_new(0);
    ScuResult result;
    bool ok = scu_find(association, level, identifier_of(arena, keys), take_match, &request, &result, err);
    arena_free(arena);
    if (request.too_many)
        ok = err_set(err, ERR_LIMIT, "more than %zu matches of %s level; ask for less", request.limit,
                     dcm_level_name(level));
    if (request.too_much)
        ok = err_set(err, ERR_LIMIT, "the answers of %s are more than %zu MiB; ask for less",
                     query->peer.called_ae, MAX_MEMORY >> 20);
    if (ok)
        return request.records;
    json_decref(request.records);
    return NULL;
}

/* -- the series of all studies -- */

typedef struct Work {
    const PxQuery *query;
    json_t *studies;
    json_t **series; /* per study: its records, NULL until they are there */
    atomic_size_t *room;
    pthread_mutex_t lock;
    size_t next;
    bool failed;
    Err err;
} Work;

typedef struct Worker {
    Work *work;
    ScuQuery *association; /* NULL: opens one of its own */
} Worker;

static bool take_study(Work *work, size_t *index)
{
    pthread_mutex_lock(&work->lock);
    bool there = !work->failed && work->next < json_array_size(work->studies);
    if (there)
        *index = work->next++;
    pthread_mutex_unlock(&work->lock);
    return there;
}

static void fail(Work *work, const Err *err)
{
    pthread_mutex_lock(&work->lock);
    if (!work->failed)
        work->err = *err;
    work->failed = true;
    pthread_mutex_unlock(&work->lock);
}

static json_t *series_of(const Work *work, ScuQuery *association, const char *study, Err *err)
{
    PxKeys keys;
    keys_of_series(work->query, study, &keys);
    Arena *arena = arena_new(0);
    const char *command = px_command_find(arena, work->query->findscu, &work->query->peer, &keys);
    json_t *series = ask(work->query, association, DCM_LEVEL_SERIES, &keys, command, work->room, err);
    json_t *record;
    size_t i;
    json_array_foreach(series, i, record)
    {
        px_synthetic(record, "label", json_string("SERIES"), "RetrieveLevel");
        px_synthetic(record, "command", px_text(command), "command");
        px_synthetic(record, "status", json_string("success"), "status");
    }
    arena_free(arena);
    return series;
}

static void *run_worker(void *ctx)
{
    Worker *worker = ctx;
    Work *work = worker->work;
    Err err = {0};
    ScuResult result;
    /* A peer that grants no further association has the first one for everything. */
    if (!worker->association)
        worker->association =
            scu_query_open(&work->query->peer, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, &err);
    size_t i;
    while (worker->association && take_study(work, &i)) {
        const char *study = px_value(json_array_get(work->studies, i), "StudyInstanceUID");
        if (!study)
            err_set(&err, ERR_FORMAT, "the peer answered with a study that has no StudyInstanceUID");
        else
            work->series[i] = series_of(work, worker->association, study, &err);
        if (!work->series[i])
            fail(work, &err);
    }
    scu_query_close(worker->association);
    return NULL;
}

/* Asks for the series of all studies; takes over the association. */
static bool find_series(const PxQuery *query, ScuQuery *association, json_t *studies, json_t **series,
                        atomic_size_t *room, Err *err)
{
    Work work = {.query = query, .studies = studies, .series = series, .room = room};
    pthread_mutex_init(&work.lock, NULL);
    pthread_t threads[PX_PARALLEL_MAX];
    Worker workers[PX_PARALLEL_MAX] = {0};
    size_t limit = query->parallel < PX_PARALLEL_MAX ? query->parallel : PX_PARALLEL_MAX;
    size_t wanted = json_array_size(studies) < limit ? json_array_size(studies) : limit, n = 1;
    workers[0] = (Worker){&work, association};
    for (; n < wanted; n++) {
        workers[n] = (Worker){&work, NULL};
        if (pthread_create(&threads[n], NULL, run_worker, &workers[n]) != 0)
            break;
    }
    run_worker(&workers[0]);
    for (size_t i = 1; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&work.lock);
    if (work.failed)
        *err = work.err;
    return !work.failed;
}

/* Studies with series that match, with them. */
static json_t *join(json_t *studies, json_t **series)
{
    json_t *joined = json_array(), *study;
    size_t i;
    json_array_foreach(studies, i, study)
    {
        if (!json_array_size(series[i]))
            continue;
        json_object_set(study, "series", series[i]);
        json_array_append(joined, study);
    }
    return joined;
}

static json_t *error_document(const Err *err, const char *command)
{
    char text[sizeof err->text + 8];
    snprintf(text, sizeof text, "E: %s\n", err->text);
    enum { DCMTK_FAILED = 2 };
    return px_outcome(false, px_text(text), command, DCMTK_FAILED);
}

static json_t *study_document(json_t *data, const char *command)
{
    json_t *document = json_object();
    json_object_set_new(document, "status", json_string("success"));
    json_object_set_new(document, "command", px_text(command));
    json_object_set_new(document, "data", data);
    return document;
}

bool px_find(const PxQuery *query, json_t **document, Err *err)
{
    Arena *arena = arena_new(0);
    PxKeys keys;
    keys_of_studies(query, &keys);
    const char *command = px_command_find(arena, query->findscu, &query->peer, &keys);
    ScuResult result;
    atomic_size_t room = MAX_MEMORY;
    ScuQuery *association = scu_query_open(&query->peer, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, err);
    json_t *studies =
        association ? ask(query, association, DCM_LEVEL_STUDY, &keys, command, &room, err) : NULL;
    size_t count = json_array_size(studies);
    json_t **series = calloc(count + 1, sizeof *series);
    if (!series)
        abort();
    bool ok = studies != NULL;
    if (ok && query->study_only) {
        *document = px_outcome(true, json_incref(studies), command, 0);
    } else if (ok) {
        ok = find_series(query, association, studies, series, &room, err);
        association = NULL;
        if (ok)
            *document = study_document(join(studies, series), command);
    }
    if (!ok)
        *document = error_document(err, command);
    for (size_t i = 0; i < count; i++)
        json_decref(series[i]);
    free(series);
    json_decref(studies);
    scu_query_close(association);
    arena_free(arena);
    return ok;
}
