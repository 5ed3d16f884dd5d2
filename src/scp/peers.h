// SPDX-License-Identifier: MIT
/*
 * The white list: a folder of YAML files (or one of them alone), each a mapping of AE title to { ip: address or host name, port: number }. `port` is needed only
 * for a move destination. An AE title may stand in several files with different addresses. Files are read again when one changes; a broken
 * file is reported and does not stop the others.
 */
#ifndef GANTRY_SCP_PEERS_H
#define GANTRY_SCP_PEERS_H

#include "base/arena.h"
#include "base/err.h"
#include "net/stream.h"

typedef struct Peers Peers;

/* `report` (may be NULL) gets a line for each broken file or entry when they are read. */
Peers *peers_open(const char *folder, void (*report)(void *ctx, const char *line), void *ctx, Err *err);
void peers_close(Peers *peers);

/* May this AE title speak to us from this address? When not, `why` says which rule and what to do. Thread-safe. NULL: everybody may. */
bool peers_admit(Peers *peers, const char *ae_title, NetAddress from, char why[200]);

typedef struct PeerAddress {
    char host[256];
    uint16_t port;
} PeerAddress;
/* Where a move destination listens. ERR_NOT_FOUND (dimse A801) when the title is unknown or has no port, or `peers` is NULL; err says which and what
   to do. */
bool peers_destination(Peers *peers, const char *ae_title, PeerAddress *out, Err *err);

#endif
