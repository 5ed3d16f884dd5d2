// SPDX-License-Identifier: MIT
/*
 * What a listener has received: for each association the series that came on it. A series' first object sets its pack record; when the
 * association is over, the log says how much of each series is here. What was not asked for is counted as well. Called from association threads.
 */
#ifndef GANTRY_CLI_PX_RECEIVED_H
#define GANTRY_CLI_PX_RECEIVED_H

#include "px/base.h"
#include "scp/scp.h"

#define PX_LOG_RECEIVED "px.received"

typedef struct PxReceived PxReceived;

/* `legacy`: with the files of px/legacy.h. */
PxReceived *px_received_new(PxBase *base, bool legacy);
/* When no association is open any more. */
void px_received_free(PxReceived *received);
/* For ScpSettings.event and .ended; ctx is the PxReceived. */
void px_received_event(void *ctx, const ScpEvent *event);
void px_received_ended(void *ctx, unsigned long association);

#endif
