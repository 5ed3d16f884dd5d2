// SPDX-License-Identifier: MIT
/*
 * Turns at computing. A handshake costs a server a millisecond of a processor, and the peer, of whom nothing is known yet, nothing: whoever floods would have as many
 * threads compute as connections are let in, beside a few that serve. So no more compute at one time than there are processors, and the networks whose peers wait take
 * turns: who comes alone waits for one handshake of somebody else, not for all that a flood has under way.
 *
 * Each who waits has a round: one more than the last of its network that waits, or than the round that is on. The lowest round is next, in it the oldest.
 */
#include "net/tls_inside.h"

#include "base/cond.h"

#include <unistd.h>

typedef struct Waiter {
    struct Waiter *next; /* who came later */
    uint64_t network, round;
    bool called;
    pthread_cond_t turn;
} Waiter;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static Waiter *waiting;
static uint64_t round_on;
static long at_work, places;

static uint64_t round_for(uint64_t network)
{
    uint64_t last = round_on;
    for (const Waiter *w = waiting; w; w = w->next)
        if (w->network == network && w->round > last)
            last = w->round;
    return last + 1;
}

static void enlist(Waiter *waiter)
{
    Waiter **end = &waiting;
    while (*end)
        end = &(*end)->next;
    *end = waiter;
}

static void unlist(const Waiter *waiter)
{
    Waiter **at = &waiting;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

static void call_next(void)
{
    Waiter *next = waiting;
    for (Waiter *w = waiting; w; w = w->next)
        if (w->round < next->round)
            next = w;
    unlist(next);
    round_on = next->round;
    next->called = true;
    pthread_cond_signal(&next->turn);
}

static bool await_turn(uint64_t network, Deadline deadline)
{
    Waiter own = {.network = network, .round = round_for(network)};
    bool in_time = true;
    cond_init(&own.turn);
    enlist(&own);
    while (!own.called && in_time)
        in_time = cond_wait(&own.turn, &lock, deadline);
    if (!own.called)
        unlist(&own);
    pthread_cond_destroy(&own.turn);
    return own.called;
}

bool tls_turn_begin(uint64_t network, Deadline deadline)
{
    pthread_mutex_lock(&lock);
    if (!places)
        places = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? sysconf(_SC_NPROCESSORS_ONLN) : 1;
    bool ok = at_work < places;
    if (ok)
        at_work++;
    else
        ok = await_turn(network, deadline); /* and has the place of whoever called */
    pthread_mutex_unlock(&lock);
    return ok;
}

void tls_turn_end(void)
{
    pthread_mutex_lock(&lock);
    if (waiting)
        call_next();
    else
        at_work--;
    pthread_mutex_unlock(&lock);
}
