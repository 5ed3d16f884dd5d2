// SPDX-License-Identifier: MIT
/*
 * Who gets a place. Two bounds, apart from each other:
 *
 *   associations   max_associations; of one address, one AE title, one entry of the white list, as far as those have limits. The last tenth of the places
 *                  is for peers that have none: whoever sends on many associations leaves others a way in. When there is no place left at
 *                  all, such a peer gets the place of the association that has been idle longest, if that is long enough.
 *   connections    that have not said who they are: they hold no place. Where there are MAX_WAITING, the oldest one of the address that
 *                  has most of them makes room; where there are twice as many, only who has none yet is let in. One machine may have any number of
 *                  addresses of IPv6: the network (/64) that has most of them is looked for first.
 *
 * An association gives its place back before the peer's wish for release is answered: a peer that may have one may come again at once, and what is left to be done for
 * the old one (its lines, for one) may take longer than that. MAX_LINGERING may linger so; those beyond keep their places to the end.
 *
 * "Peer" is an AE title at an address. Everything here is counted anew when somebody asks: the list of connections is the only truth.
 */
#include "scp/server_inside.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void show_associations(const ScpServer *server, unsigned count)
{
    metric_set(server->open_now, count);
}

/* -- associations -- */

typedef struct Held {
    unsigned address, title, peer;
} Held;

static Held held_by(const Connection *newcomer)
{
    Held held = {0};
    for (const Connection *c = newcomer->server->connections; c; c = c->next) {
        if (!c->counted)
            continue;
        bool address = !strcmp(c->from.host, newcomer->from.host);
        bool title = !strcmp(c->calling, newcomer->calling);
        held.address += address;
        held.title += title;
        held.peer += address && title;
    }
    return held;
}

static bool within_own_limits(const Connection *c, const Held *held, char why[200])
{
    const ScpSettings *s = &c->server->settings;
    if (c->rules.max_associations && held->title >= c->rules.max_associations)
        snprintf(why, 200, "it has %u associations already (max_assoc of its entry, %.120s)", held->title,
                 c->rules.place);
    else if (s->max_of_title && held->title >= s->max_of_title)
        snprintf(why, 200, "its AE title has %u associations already (ae_params.max_assoc_per_title)",
                 held->title);
    else if (s->max_of_address && held->address >= s->max_of_address)
        snprintf(why, 200, "its address has %u associations already (ae_params.max_assoc_per_address)",
                 held->address);
    else
        return true;
    return false;
}

/* Of several alike, the oldest. */
static Connection *longest_idle(const ScpServer *server, long long *since)
{
    Connection *found = NULL;
    for (Connection *c = server->connections; c; c = c->next) {
        long long idle = c->counted ? atomic_load(&c->idle_since) : 0;
        if (idle > 0 && (!found || idle <= *since)) {
            found = c;
            *since = idle;
        }
    }
    return found;
}

/* Its thread notices, because it looks up before it serves the next request. */
static bool take_from_idle(ScpServer *server)
{
    long long since = 0;
    Connection *c = server->settings.idle_ms > 0 ? longest_idle(server, &since) : NULL;
    if (!c || clock_ms() - since < server->settings.idle_ms ||
        !atomic_compare_exchange_strong(&c->idle_since, &since, -1))
        return false;
    log_warning(SCP_LOG_ACCESS,
                "all %u places are taken: the association of %s at %s, idle for %lld s, makes room "
                "(ae_params.max_assoc, ae_params.max_assoc_idle_second)",
                server->settings.max_associations, c->calling, c->from.host, (clock_ms() - since) / 1000);
    places_leave(c);
    return true;
}

static bool find_place(Connection *c, char why[200])
{
    ScpServer *server = c->server;
    unsigned max = server->settings.max_associations, kept = max / 10;
    unsigned open = scp_associations(server), left = open < max ? max - open : 0;
    Held held = held_by(c);
    if (!within_own_limits(c, &held, why))
        return false;
    if (left > (held.peer ? kept : 0) || (!held.peer && take_from_idle(server)))
        return true;
    if (left)
        snprintf(why, 200,
                 "%u associations are open already, %u of them its own; the last %u of %u are for peers that "
                 "have none (ae_params.max_assoc)",
                 open, held.peer, kept, max);
    else
        snprintf(why, 200, "%u associations are open already (ae_params.max_assoc)", max);
    return false;
}

bool places_take(Connection *c, char why[200])
{
    ScpServer *server = c->server;
    pthread_mutex_lock(&server->lock);
    bool room = find_place(c, why);
    if (room) {
        show_associations(server, atomic_fetch_add(&server->associations, 1) + 1);
        c->counted = true;
    }
    pthread_mutex_unlock(&server->lock);
    return room;
}

void places_leave(Connection *c)
{
    if (c->counted)
        show_associations(c->server, atomic_fetch_sub(&c->server->associations, 1) - 1);
    c->counted = false;
    c->server->lingering -= c->lingers;
    c->lingers = false;
}

bool scp_give_place_back(ScpAssociation *a)
{
    Connection *c = a->connection;
    ScpServer *server = c->server;
    pthread_mutex_lock(&server->lock);
    bool may = server->lingering < MAX_LINGERING;
    if (may) {
        places_leave(c);
        c->lingers = true;
        server->lingering++;
    }
    pthread_mutex_unlock(&server->lock);
    return may;
}

/* -- idleness -- */

void scp_set_idle(ScpAssociation *a, int64_t now_ms)
{
    Connection *c = a->connection;
    long long busy = 0;
    atomic_compare_exchange_strong(&c->idle_since, &busy, now_ms);
}

bool scp_end_idle(ScpAssociation *a)
{
    Connection *c = a->connection;
    long long since = atomic_load(&c->idle_since);
    return since >= 0 && atomic_compare_exchange_strong(&c->idle_since, &since, 0);
}

bool scp_has_place(const ScpAssociation *a)
{
    const Connection *c = a->connection;
    return atomic_load(&((Connection *)c)->idle_since) >= 0;
}

/* -- connections that have said nothing yet -- */

/* How many each one has. Whoever floods pays for no more than one look at each connection. */
typedef struct Tally {
    struct {
        uint64_t key; /* 0 = free */
        unsigned n;
    } of[4 * MAX_WAITING]; /* more than there can be: see places_for_silent */
} Tally;

static unsigned *tally_of(Tally *tally, uint64_t key)
{
    enum { SLOTS = sizeof tally->of / sizeof *tally->of };
    size_t i = key % SLOTS;
    while (tally->of[i].key && tally->of[i].key != key)
        i = (i + 1) % SLOTS;
    tally->of[i].key = key;
    return &tally->of[i].n;
}

void places_know(Connection *c)
{
    c->address = net_address_key(&c->from);
    c->network = net_address_network(&c->from);
}

static bool is_silent(const Connection *c)
{
    return !c->counted && !c->cut && !c->lingers;
}

static void cut_greediest(const ScpServer *server)
{
    Tally networks = {0}, addresses = {0};
    Connection *victim = NULL;
    unsigned most = 0, most_here = 0, silent = 0;
    for (Connection *c = server->connections; c; c = c->next)
        if (is_silent(c)) {
            ++*tally_of(&networks, c->network);
            ++*tally_of(&addresses, c->address);
            silent++;
        }
    /* The list has the newest first. */
    for (Connection *c = server->connections; c; c = c->next) {
        if (!is_silent(c))
            continue;
        unsigned all = *tally_of(&networks, c->network), here = *tally_of(&addresses, c->address);
        if (all > most || (all == most && here >= most_here)) {
            most = all;
            most_here = here;
            victim = c;
        }
    }
    if (silent < MAX_WAITING)
        return;
    victim->cut = true;
    shutdown(victim->fd, SHUT_RDWR);
}

static bool has_one(const ScpServer *server, const NetAddress *from)
{
    for (const Connection *c = server->connections; c; c = c->next)
        if (!c->counted && !c->lingers && !strcmp(c->from.host, from->host))
            return true;
    return false;
}

/* Those that were cut take a moment to go. Who has none yet does not have to wait for that. */
bool places_for_silent(ScpServer *server, const NetAddress *from)
{
    unsigned not_counted = server->connection_count - scp_associations(server) - server->lingering;
    if (not_counted < MAX_WAITING)
        return true;
    if (not_counted >= 3 * MAX_WAITING || (not_counted >= 2 * MAX_WAITING && has_one(server, from)))
        return false;
    cut_greediest(server);
    return true;
}
