// SPDX-License-Identifier: MIT
#include "scp/refusals.h"

#include <stdio.h>
#include <string.h>

void refusals_init(Refusals *refusals, int64_t window_ms)
{
    memset(refusals, 0, sizeof *refusals);
    refusals->window_ms = window_ms;
    pthread_mutex_init(&refusals->lock, NULL);
    snprintf(refusals->of[0].from.host, sizeof refusals->of[0].from.host, "%s", "other addresses");
}

void refusals_end(Refusals *refusals)
{
    pthread_mutex_destroy(&refusals->lock);
}

/* Its place, or a free one, or one whose time is over; of these one that has nothing left to say. */
static size_t place_of(const Refusals *r, const char *host)
{
    size_t found = 0;
    for (size_t i = 1; i <= REFUSALS_ADDRESSES; i++) {
        if (r->of[i].until && !strcmp(r->of[i].from.host, host))
            return i;
        bool over = deadline_passed(r->of[i].until);
        if (over && (!found || (r->of[found].counted && !r->of[i].counted)))
            found = i;
    }
    return found;
}

static bool tell(Refusals *r, size_t i, char note[REFUSALS_NOTE])
{
    if (deadline_passed(r->of[i].until)) {
        if (r->of[i].counted)
            snprintf(note, REFUSALS_NOTE, "%u more connections of %s were turned away than were told",
                     r->of[i].counted, r->of[i].from.host);
        r->of[i].until = deadline_in(r->window_ms);
        r->of[i].told = r->of[i].counted = 0;
    }
    if (r->of[i].told == REFUSALS_TOLD) {
        r->of[i].counted++;
        return false;
    }
    if (++r->of[i].told == REFUSALS_TOLD)
        snprintf(
            note, REFUSALS_NOTE,
            "%u connections of %s were turned away within %lld s; more are only counted until these are over",
            r->of[i].told, r->of[i].from.host, (long long)r->window_ms / 1000);
    return true;
}

bool refusals_tell(Refusals *r, const NetAddress *from, NetAddress *among, char note[REFUSALS_NOTE])
{
    *note = 0;
    pthread_mutex_lock(&r->lock);
    size_t i = place_of(r, from->host);
    bool told = tell(r, i, note);
    if (i)
        r->of[i].from = *from;
    *among = r->of[i].from;
    pthread_mutex_unlock(&r->lock);
    return told;
}
