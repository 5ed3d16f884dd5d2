// SPDX-License-Identifier: MIT
/*
 * What is told of those who are turned away before they are an association. A flood of them must fill neither the log nor the audit trail, nor drive
 * out of the log what else it says: of each address so many refusals a minute are told, the others counted. Where more addresses come than are
 * remembered, the rest share one count. Thread-safe.
 */
#ifndef GANTRY_SCP_REFUSALS_H
#define GANTRY_SCP_REFUSALS_H

#include "net/stream.h"

#include <pthread.h>

enum { REFUSALS_ADDRESSES = 64, REFUSALS_TOLD = 20, REFUSALS_WINDOW_MS = 60000, REFUSALS_NOTE = 200 };

typedef struct Refusals {
    pthread_mutex_t lock;
    int64_t window_ms;
    struct {
        NetAddress from;
        Deadline until; /* 0 = free */
        unsigned told, counted;
    } of[1 + REFUSALS_ADDRESSES]; /* the first: of all addresses for which there is no room */
} Refusals;

void refusals_init(Refusals *refusals, int64_t window_ms);
void refusals_end(Refusals *refusals);
/* Is one more refusal of that address to be told? `note` is another line for the log, "" = none: that no more are told, or how many were not. `among`: in whose
   count it is, which is not the address when that shares one. */
bool refusals_tell(Refusals *refusals, const NetAddress *from, NetAddress *among, char note[REFUSALS_NOTE]);

#endif
