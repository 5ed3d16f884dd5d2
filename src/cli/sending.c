// SPDX-License-Identifier: MIT
#include "cli/sending.h"

#include "base/clock.h"
#include "base/crew.h"
#include "dicom/status.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * An object on which associations break twice is the cause and has failed. One for which no association can be had is put back; a
 * worker for which that happens twice in a row gives up.
 */
enum { MAX_BREAKS = 2, MAX_FAILURES = 2, PAUSE_MS = 300 };

typedef struct Run {
    const Sending *sending;
    OutItem *items;
    size_t count;

    pthread_mutex_t lock; /* guards all below */
    size_t next;
    OutItem **back; /* put back; room for all */
    size_t back_count;
    SendingTotals totals;
    Err last; /* why the last association failed */
} Run;

static OutItem *take(Run *run)
{
    pthread_mutex_lock(&run->lock);
    OutItem *item = NULL;
    if (run->next < run->count)
        item = &run->items[run->next++];
    else if (run->back_count)
        item = run->back[--run->back_count];
    pthread_mutex_unlock(&run->lock);
    return item;
}

static void finish(Run *run, const OutItem *item, bool ok, const ScuResult *result,
                   const NetAccepted *context, const Err *err)
{
    pthread_mutex_lock(&run->lock);
    if (!ok)
        run->totals.failed++;
    else if (result->status)
        run->totals.warnings++;
    else
        run->totals.sent++;
    run->sending->report(run->sending->ctx, item, ok, result, context, err);
    pthread_mutex_unlock(&run->lock);
}

static void put_back(Run *run, OutItem *item, const Err *why)
{
    pthread_mutex_lock(&run->lock);
    run->back[run->back_count++] = item;
    run->last = *why;
    pthread_mutex_unlock(&run->lock);
}

static ArcReader *open_item(void *ctx, const char *transfer_syntax, Err *err)
{
    const OutItem *item = ctx;
    return arc_reader_open_path(item->path, item->data_offset, item->syntax, transfer_syntax, err);
}

/* Announces every kind of object, so that one negotiation covers all. Neighbours are alike, so that this is cheap. */
static ScuSender *new_sender(const Run *run)
{
    const Sending *sending = run->sending;
    ScuSender *sender = scu_sender_new(sending->peer);
    if (sending->contexts)
        scu_sender_restrict(sender, sending->contexts->classes.items, sending->contexts->classes.count,
                            sending->contexts->syntaxes.items, sending->contexts->syntaxes.count);
    for (size_t i = 0; i < run->count; i++)
        scu_sender_expect(sender, run->items[i].sop_class, run->items[i].syntax);
    return sender;
}

/* No association, or it broke on the way: the object may go over another one. */
static bool is_broken(const ScuResult *result, const Err *err)
{
    return !result->associated && !result->answered && err->code != ERR_UNSUPPORTED;
}

static void *work(void *ctx)
{
    Run *run = ctx;
    ScuSender *sender = new_sender(run);
    OutItem *item;
    for (unsigned failures = 0; failures < MAX_FAILURES && (item = take(run));) {
        ScuObject object = {.sop_class = item->sop_class,
                            .sop_instance = item->sop_instance,
                            .transfer_syntax = item->syntax,
                            .open = open_item,
                            .ctx = item};
        ScuResult result = {0};
        Err err = {0};
        bool ok = scu_sender_send(sender, &object, &result, &err);
        bool lost = !ok && is_broken(&result, &err);
        bool midway = lost && scu_sender_context(sender);
        failures = lost ? failures + 1 : 0;
        item->tried = true;
        item->broken += midway;
        if (lost && item->broken < MAX_BREAKS) {
            put_back(run, item, &err);
            clock_sleep_ms(PAUSE_MS);
        } else {
            finish(run, item, ok, &result, lost ? NULL : scu_sender_context(sender), &err);
        }
    }
    scu_sender_free(sender);
    return NULL;
}

/* What nobody could send: each is reported with the reason the last association failed for. */
static void give_up_rest(Run *run)
{
    OutItem *item;
    while ((item = take(run)))
        finish(run, item, false, &(ScuResult){0}, NULL, &run->last);
}

void sending_run(const Sending *sending, OutItem *items, size_t count, SendingTotals *totals)
{
    Run run = {.sending = sending, .items = items, .count = count};
    run.back = calloc(count + 1, sizeof *run.back);
    if (!run.back)
        abort();
    pthread_mutex_init(&run.lock, NULL);
    crew_run(sending->associations < count ? sending->associations : count, work, &run);
    /* Workers give up when the peer limits associations; while something still gets through, one goes on alone. */
    uint64_t before = 0;
    while ((run.back_count || run.next < run.count) && run.totals.sent + run.totals.warnings > before) {
        before = run.totals.sent + run.totals.warnings;
        work(&run);
    }
    give_up_rest(&run);
    *totals = run.totals;
    pthread_mutex_destroy(&run.lock);
    free(run.back);
}
