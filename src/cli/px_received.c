// SPDX-License-Identifier: MIT
#include "cli/px_received.h"

#include "base/log.h"
#include "px/legacy.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 10000 }; /* of one association that are remembered until it ends */

typedef struct Series {
    char uid[65], study[65];
    char newest[65]; /* its last object */
    uint64_t objects;
    bool noted; /* its pack record is set */
} Series;

/* Belongs to the association's thread; only the list of them is shared. */
typedef struct Visit {
    struct Visit *next;
    unsigned long association;
    Series *series;
    size_t count, capacity, last; /* last: the one that the newest object is of */
} Visit;

struct PxReceived {
    PxBase *base;
    bool legacy;
    pthread_mutex_t lock; /* guards the list */
    Visit *visits;
};

PxReceived *px_received_new(PxBase *base, bool legacy)
{
    PxReceived *received = calloc(1, sizeof *received);
    if (!received)
        abort();
    received->base = base;
    received->legacy = legacy;
    pthread_mutex_init(&received->lock, NULL);
    return received;
}

static void visit_free(Visit *visit)
{
    free(visit->series);
    free(visit);
}

void px_received_free(PxReceived *received)
{
    if (!received)
        return;
    for (Visit *next, *v = received->visits; v; v = next) {
        next = v->next;
        visit_free(v);
    }
    pthread_mutex_destroy(&received->lock);
    free(received);
}

static Visit *visit_of(PxReceived *received, unsigned long association)
{
    pthread_mutex_lock(&received->lock);
    Visit *visit = received->visits;
    while (visit && visit->association != association)
        visit = visit->next;
    if (!visit && (visit = calloc(1, sizeof *visit))) {
        visit->association = association;
        visit->next = received->visits;
        received->visits = visit;
    }
    pthread_mutex_unlock(&received->lock);
    if (!visit)
        abort();
    return visit;
}

static Visit *take_visit(PxReceived *received, unsigned long association)
{
    Visit *taken = NULL;
    pthread_mutex_lock(&received->lock);
    for (Visit **link = &received->visits; *link && !taken; link = taken ? link : &(*link)->next)
        if ((*link)->association == association) {
            taken = *link;
            *link = taken->next;
        }
    pthread_mutex_unlock(&received->lock);
    return taken;
}

/* -- a series -- */

static bool write_packed(PxReceived *received, const Series *series, Err *err)
{
    json_t *members = json_pack("{s:b}", "seriesPack", 1);
    bool ok = px_record_merge(received->base, PX_TABLE_PACK, series->study, series->uid, members, err);
    json_decref(members);
    return ok;
}

/* pypx sets it for each file; once is enough. */
static void note_packed(PxReceived *received, Series *series)
{
    Err err;
    json_t *record = NULL;
    if (series->noted)
        return;
    series->noted =
        px_record_read(received->base, PX_TABLE_PACK, series->uid, &record, &err) &&
        (json_is_true(json_object_get(record, "seriesPack")) || write_packed(received, series, &err));
    if (!series->noted)
        log_warning(PX_LOG_RECEIVED, "the record of series %s cannot be written: %s", series->uid, err.text);
    json_decref(record);
}

static void tell(PxReceived *received, Series *series)
{
    Err err;
    int64_t requested, here;
    note_packed(received, series);
    if (received->legacy && !px_legacy_end(received->base, series->newest, &err))
        log_warning(PX_LOG_RECEIVED, "series %s: %s", series->uid, err.text);
    if (!px_base_received(received->base, series->uid, &requested, &here, &err)) {
        log_warning(PX_LOG_RECEIVED,
                    "series %s: %" PRIu64 " objects came; how many are here is not known: %s", series->uid,
                    series->objects, err.text);
    } else if (requested < 0) {
        log_info(PX_LOG_RECEIVED, "series %s: received %" PRId64 ", not asked for (%" PRIu64 " came now)",
                 series->uid, here, series->objects);
    } else {
        log_write(here < requested ? LOG_WARNING : LOG_INFO, PX_LOG_RECEIVED,
                  "series %s: received %" PRId64 " of %" PRId64 " (%" PRIu64 " came now)", series->uid, here,
                  requested, series->objects);
    }
}

static Series *series_of(PxReceived *received, Visit *visit, const ScpEvent *event)
{
    for (size_t i = 0; i < visit->count; i++) {
        size_t at = (visit->last + i) % visit->count;
        if (strcmp(visit->series[at].uid, event->series) == 0) {
            visit->last = at;
            return &visit->series[at];
        }
    }
    if (visit->count == SERIES_MAX) {
        for (size_t i = 0; i < visit->count; i++)
            tell(received, &visit->series[i]);
        visit->count = 0;
    }
    if (visit->count == visit->capacity) {
        visit->capacity = visit->capacity ? 2 * visit->capacity : 8;
        visit->series = realloc(visit->series, visit->capacity * sizeof *visit->series);
        if (!visit->series)
            abort();
    }
    visit->last = visit->count++;
    Series *series = &visit->series[visit->last];
    *series = (Series){0};
    snprintf(series->uid, sizeof series->uid, "%s", event->series);
    snprintf(series->study, sizeof series->study, "%s", event->study);
    note_packed(received, series);
    Err err;
    if (received->legacy && !px_legacy_begin(received->base, event->instance, &err))
        log_warning(PX_LOG_RECEIVED, "series %s: %s", series->uid, err.text);
    return series;
}

void px_received_event(void *ctx, const ScpEvent *event)
{
    PxReceived *received = ctx;
    Err err;
    if (strcmp(event->action, "CSTORE") != 0 || !event->committed || !event->success)
        return;
    Series *series = series_of(received, visit_of(received, event->association), event);
    series->objects++;
    snprintf(series->newest, sizeof series->newest, "%s", event->instance);
    if (!px_base_took(received->base, event->instance, &err))
        log_warning(PX_LOG_RECEIVED, "the JSON records of object %s cannot be written: %s", event->instance,
                    err.text);
}

void px_received_ended(void *ctx, unsigned long association)
{
    PxReceived *received = ctx;
    Visit *visit = take_visit(received, association);
    if (!visit)
        return;
    for (size_t i = 0; i < visit->count; i++)
        tell(received, &visit->series[i]);
    visit_free(visit);
}
