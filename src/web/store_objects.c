// SPDX-License-Identifier: MIT
/*
 * The objects of a store request. While the next one comes in, those before it are made durable by the server's committers, some of each request at a time.
 */
#include "base/clock.h"
#include "base/log.h"
#include "dicom/status.h"
#include "web/audit.h"
#include "web/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { AT_WORK_MAX = 32, OBJECTS_MAX = 100000, PUT_WAIT_MS = 60000 };

bool stow_begin_object(Stow *s, Err *err)
{
    if (s->count == OBJECTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d objects in one request; send them in several",
                       OBJECTS_MAX);
    StowObject *o = calloc(1, sizeof *o);
    if (!o)
        abort();
    o->stow = s;
    o->began_us = clock_wall_us();
    o->ingest = arc_file_ingest_new(s->service->web->archive, NULL, http_part(s->x, "study"));
    *s->last = s->current = o;
    s->last = &o->next;
    s->count++;
    return true;
}

static void report(const StowObject *o)
{
    const WebSettings *settings = o->stow->service->web->settings;
    const char *client = o->stow->client;
    if (o->ok)
        log_info("pacs.file_dicom", "STOW from %s: %s, %" PRIu64 " bytes, %" PRId64 " ms: %s", client,
                 o->stored.sop_instance, o->stored.size, (clock_wall_us() - o->began_us) / 1000,
                 arc_outcome_text(o->stored.outcome));
    else
        log_warning("pacs.file_dicom", "STOW from %s: %s failed with %04X: %s", client,
                    *o->sop_instance ? o->sop_instance : "an object", o->err.dimse, o->err.text);
    if (settings->stored)
        settings->stored(settings->stored_ctx,
                         &(WebStored){.stored = o->ok ? &o->stored : NULL,
                                      .instance = o->sop_instance,
                                      .transfer_syntax = o->transfer_syntax,
                                      .status = o->ok ? DCM_STATUS_SUCCESS : o->err.dimse,
                                      .what = o->ok ? arc_outcome_text(o->stored.outcome) : o->err.text,
                                      .client = client,
                                      .began_us = o->began_us});
}

static void take_meta(StowObject *o)
{
    const DcmFileMeta *meta = arc_file_ingest_meta(o->ingest);
    if (*meta->sop_class)
        memcpy(o->sop_class, meta->sop_class, sizeof o->sop_class);
    if (*meta->sop_instance)
        memcpy(o->sop_instance, meta->sop_instance, sizeof o->sop_instance);
    memcpy(o->transfer_syntax, meta->transfer_syntax, sizeof o->transfer_syntax);
}

void stow_fail_object(StowObject *o)
{
    take_meta(o);
    arc_file_ingest_abandon(o->ingest);
    o->ingest = NULL;
    if (!o->err.dimse)
        o->err.dimse = DCM_STATUS_PROCESSING_FAILURE;
    report(o);
}

void stow_feed_object(StowObject *o, Span piece)
{
    if (o->ingest && !arc_file_ingest_write(o->ingest, piece, &o->err))
        stow_fail_object(o);
}

void web_store_commit(void *ctx, void *item)
{
    (void)ctx;
    StowObject *o = item;
    Stow *s = o->stow;
    take_meta(o);
    o->ok = arc_file_ingest_commit(o->ingest, &o->stored, &o->err);
    o->ingest = NULL;
    report(o);
    pthread_mutex_lock(&s->lock);
    if (--s->at_work == s->awaited)
        pthread_cond_signal(&s->done);
    pthread_mutex_unlock(&s->lock);
}

void stow_wait(Stow *s, size_t n)
{
    pthread_mutex_lock(&s->lock);
    s->awaited = n;
    while (s->at_work > n)
        pthread_cond_wait(&s->done, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void stow_end_object(Stow *s)
{
    StowObject *o = s->current;
    s->current = NULL;
    if (!o || !o->ingest)
        return;
    stow_wait(s, AT_WORK_MAX - 1);
    pthread_mutex_lock(&s->lock);
    s->at_work++;
    pthread_mutex_unlock(&s->lock);
    if (pool_put(s->service->web->committers, o, deadline_in(PUT_WAIT_MS)))
        return;
    pthread_mutex_lock(&s->lock);
    s->at_work--;
    pthread_mutex_unlock(&s->lock);
    err_set(&o->err, ERR_LIMIT, "too many objects wait to be stored; try again later");
    stow_fail_object(o);
}

void stow_free_objects(Stow *s)
{
    stow_wait(s, 0);
    web_audit_stored(s, NULL);
    for (StowObject *o = s->first, *next; o; o = next) {
        next = o->next;
        arc_file_ingest_abandon(o->ingest);
        free(o);
    }
}
