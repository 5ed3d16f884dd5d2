// SPDX-License-Identifier: MIT
/*
 * The white list: a folder of YAML files (or one of them alone), each a mapping of AE title to
 *
 *   { ip: address, network or host name, port: number, services: [echo, store, find, move, get], read_only: yes, move_to: [TITLE], max_assoc: number,
 *     tls: yes, certificate: [NAME, sha256:DIGITS] }
 *
 * of which only `ip` is required; without the others a peer may do what the server does. `port` is for a move destination. With `tls` a peer is admitted, and
 * reached by C-MOVE, over TLS only; with `certificate` only who shows one of these, both ways. An AE title may stand
 * in several files with different addresses; the entry with the narrowest address that fits decides, of several such the last. Files are read
 * again when one changes; a broken file is reported and does not stop the others, and an entry that cannot be understood admits nobody.
 */
#ifndef GANTRY_SCP_PEERS_H
#define GANTRY_SCP_PEERS_H

#include "base/arena.h"
#include "base/err.h"
#include "net/certificate.h"
#include "net/stream.h"

typedef struct Peers Peers;

typedef enum ScpServices {
    SCP_ECHO = 1,
    SCP_STORE = 2,
    SCP_FIND = 4,
    SCP_MOVE = 8,
    SCP_GET = 16
} ScpServices;
enum { SCP_EVERY_SERVICE = 31, PEER_PLACE = 200, PEER_WHY = 300 };
/* "echo", "store", … */
const char *scp_service_name(ScpServices service);

/* One entry, as it stands in a file. */
typedef struct PeerEntry {
    const char *title, *host, *file;
    int line;
    uint16_t port; /* 0 = none */
    bool read_only;
    unsigned services;          /* bits; without store when read_only */
    const char *const *move_to; /* NULL = anywhere */
    size_t move_to_count;
    unsigned max_associations; /* at one time; 0 = no limit of its own */
    bool tls;                  /* over TLS only; true when there is a `certificate` */
    const char *certificate;   /* rules of net/certificate.h, one per line; NULL = none */
} PeerEntry;

/* Who speaks to us. */
typedef struct PeerCaller {
    const char *ae_title;
    NetAddress from;
    bool tls;
    const NetCertificate *certificate; /* that was checked; NULL = it showed none */
} PeerCaller;

/* What the white list says of a peer that it admits. */
typedef struct PeerRules {
    unsigned services;         /* bits */
    unsigned max_associations; /* 0 = no limit of its own */
    bool read_only;
    char place[PEER_PLACE]; /* of the entry: "file:line"; "" when there is no white list */
} PeerRules;

/* `report` (may be NULL) gets a line for each broken file or entry when they are read. */
Peers *peers_open(const char *folder, void (*report)(void *ctx, const char *line), void *ctx, Err *err);
void peers_close(Peers *peers);

/* May it speak to us, and what may it do? When not, `why` says which rule and what to do. Thread-safe. NULL: everybody may. */
bool peers_rules(Peers *peers, const PeerCaller *caller, PeerRules *rules, char why[PEER_WHY]);
/* May it have objects sent to that title by C-MOVE? `why` as above. */
bool peers_may_move_to(Peers *peers, const PeerCaller *caller, const char *destination, char why[PEER_WHY]);

/* Every entry, in the order of the files; `tell` asks nothing of `peers`. */
void peers_each(Peers *peers, void (*tell)(void *ctx, const PeerEntry *entry), void *ctx);
/* Is this address one of those the entry is for? May look a name up. */
bool peer_entry_is_at(Peers *peers, const char *host, const char *address);

typedef struct PeerAddress {
    char host[256];
    uint16_t port;
    bool tls;
    char certificate[NET_RULES_MAX]; /* what it has to show; "" = the certificate is to name the host */
} PeerAddress;
/* Where a move destination listens. ERR_NOT_FOUND (dimse A801) when the title is unknown or has no port, or `peers` is NULL; err says which and what
   to do. */
bool peers_destination(Peers *peers, const char *ae_title, PeerAddress *out, Err *err);

#endif
