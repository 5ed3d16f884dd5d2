// SPDX-License-Identifier: MIT
/* What server.c, listeners.c and places.c share. */
#ifndef GANTRY_SCP_SERVER_INSIDE_H
#define GANTRY_SCP_SERVER_INSIDE_H

#include "base/metrics.h"
#include "base/threads.h"
#include "scp/association.h"
#include "scp/refusals.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PLAIN, OVER_TLS, LISTENERS };
/* See places.c: connections that are no association yet, and those that are none any more. */
enum { MAX_WAITING = 128, MAX_LINGERING = 16 };

typedef struct Connection {
    struct Connection *next, *previous;
    ScpServer *server;
    int fd;                  /* lent to the stream; open as long as the connection is on the list */
    bool tls;                /* it came to the port of TLS */
    NetStream *stream;       /* while the association is negotiated */
    bool counted;            /* is among `associations` */
    bool cut;                /* had to make room before it became an association */
    bool lingers;            /* is among `lingering`: was an association, whose place is free already */
    atomic_llong idle_since; /* clock_ms when its peer fell silent; 0 = busy, -1 = its place was given away */
    ScuSender *sender;       /* what it sends through, or NULL */
    unsigned long number;
    char calling[17]; /* set at admission */
    char called[17];
    NetAddress from;
    uint64_t address, network; /* keys of where it is from */
    PeerRules rules;           /* at admission */
    ScpIdentity identity;      /* as well */
} Connection;

struct ScpServer {
    ScpSettings settings; /* defaults filled in */
    Archive *archive;
    Peers *peers;
    int listeners[LISTENERS]; /* plain and TLS, each -1 when there is none */
    int ready;                /* epoll: the listeners and `wake` */
    int wake;
    NetTlsFiles *tls_server, *tls_client; /* NULL = not wanted */
    atomic_bool stopping;
    atomic_bool cutting; /* the stop waits no longer */
    pthread_mutex_t lock;
    Threads *threads;
    Connection *connections; /* the newest first */
    unsigned connection_count;
    atomic_uint associations; /* changed under the lock, read without */
    unsigned lingering;
    unsigned long last_number;
    pthread_cond_t emptied; /* the last connection is gone */
    Deadline quiet;         /* until then connections that are turned away are only counted */
    unsigned turned_away;
    Deadline files_quiet; /* until then it is not told again that files are missing */
    Refusals refusals;
    Metric *open_now, *accepted, *rejected;
};

/* -- listeners.c -- */

bool listeners_open(ScpServer *server, Err *err);
void listeners_close(ScpServer *server); /* nobody may be in listeners_take any more */
/* For base/threads.h: a Connection, which is listed; and the end of that. */
void *listeners_take(void *ctx, Deadline deadline);
void listeners_wake(void *ctx);

/* -- places.c -- */

/* Before all others: fills in the keys. */
void places_know(Connection *c);
/* A place among the associations; otherwise `why` says which limit, and the setting. */
bool places_take(Connection *c, char why[200]);
/* With the lock held: gives the place back, if there is one. */
void places_leave(Connection *c);
/* With the lock held: may one more connection of that address be served that is no association yet? Cuts another one where that makes room. */
bool places_for_silent(ScpServer *server, const NetAddress *from);

#endif
