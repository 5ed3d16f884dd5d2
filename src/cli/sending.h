// SPDX-License-Identifier: MIT
/*
 * Sending an Outbox over a pool of associations, each reused for many objects. An object is handed to one association at a
 * time; one whose association broke is put back and tried again, so that none is lost and each is reported exactly once.
 */
#ifndef GANTRY_CLI_SENDING_H
#define GANTRY_CLI_SENDING_H

#include "cli/contexts.h"
#include "cli/outbox.h"
#include "scu/sender.h"

/* The end of one object's story. `context` is NULL when there was none. Called under the run's lock. */
typedef void (*SendingReport)(void *ctx, const OutItem *item, bool ok, const ScuResult *result,
                              const NetAccepted *context, const Err *err);

typedef struct Sending {
    const ScuPeer *peer;
    const ContextSet *contexts; /* NULL = what the objects need */
    size_t associations;
    SendingReport report;
    void *ctx;
} Sending;

typedef struct SendingTotals {
    uint64_t sent, warnings, failed;
} SendingTotals;

void sending_run(const Sending *sending, OutItem *items, size_t count, SendingTotals *totals);

#endif
