// SPDX-License-Identifier: MIT
/*
 * A blocking association over a stream, both roles, driven by the state machine. One thread uses an association at a time;
 * net_association_interrupt may come from any thread. Everything handed out lives as long as the association unless said otherwise.
 */
#ifndef GANTRY_NET_ASSOCIATION_H
#define GANTRY_NET_ASSOCIATION_H

#include "net/dimse.h"
#include "net/pdu.h"
#include "net/stream.h"

typedef struct NetAssociation NetAssociation;

typedef struct NetTimeouts {
    int64_t
        connect_ms; /* TCP (and TLS handshake); < 0 = for ever, 0 = the default of 10 s, 30 s, 60 s for these three */
    int64_t acse_ms;  /* association request to answer, release, ARTIM */
    int64_t dimse_ms; /* waiting for the next response, or the next piece of a message that has begun */
    int64_t
        network_ms; /* idle: waiting for the next request (for the caller, who gives net_receive its deadline) */
    uint32_t
        min_rate; /* bytes a second that a data set comes with, as long as we wait for it; slower peers are cut off. 0 = any */
    int64_t rate_ms; /* … counted over so long; 0 = the default of 30 s */
} NetTimeouts;

/* -- requesting -- */

typedef struct NetProposal {
    const char *abstract_syntax;
    const char *const *transfer_syntaxes; /* in order of preference */
    size_t transfer_syntax_count;
    bool role_selection, scu, scp; /* role selection item sent when role_selection; default: SCU only */
    Span extended;                 /* SOP class extended negotiation info; empty = none */
} NetProposal;

typedef struct NetRequest {
    const char *host;
    uint16_t port;
    NetTls *tls; /* NULL = plain TCP */
    const char *calling_ae, *called_ae;
    const NetProposal *proposals;
    size_t proposal_count;  /* at most 128 */
    uint32_t max_pdu;       /* what we can receive; 0 = 256 KiB */
    uint16_t async_invoked; /* 0 or 1 = not negotiated */
    bool has_identity;
    NetIdentity identity;
    const NetCommonExtended *common; /* SOP class common extended negotiation; NULL = none */
    size_t common_count;
    NetTimeouts timeouts;
    const atomic_bool *cancelled; /* ends every wait when it becomes true; NULL = nobody cancels */
} NetRequest;

/* Connects and negotiates. On rejection err is ERR_REFUSED with the reason in words and *reject (may be NULL) filled. */
NetAssociation *net_associate(const NetRequest *request, NetReject *reject, Err *err);
/* The same over a stream that is connected already (taken over): host, port and tls are not looked at. */
NetAssociation *net_associate_on(NetStream *stream, const NetRequest *request, NetReject *reject, Err *err);
/* What became of proposals[i], for messages to people. */
NetContextResult net_proposal_result(const NetAssociation *a, size_t i);
/* The acceptor's answer to our user identity; false when it gave none. */
bool net_identity_response(const NetAssociation *a, Span *out);

/* -- accepting -- */

/* One proposed context, for the acceptor's policy to decide. */
typedef struct NetOffer {
    Span abstract_syntax;
    const Span *transfer_syntaxes;
    size_t transfer_syntax_count;
    bool role_proposed, scu,
        scp;       /* what the requestor wants to be; without role selection: scu = true, scp = false */
    Span extended; /* proposed extended negotiation info */
    const NetAssociate *request; /* the whole request */
} NetOffer;

typedef struct NetDecision {
    NetContextResult result;
    size_t transfer_syntax; /* index of the chosen one */
    bool scu, scp; /* roles granted to the requestor (sent only if proposed; neither and not proposed: SCU) */
    Span extended; /* extended negotiation answer; empty = none. Copied. */
} NetDecision;

typedef struct NetPolicy {
    void *ctx;
    /* Whether to accept at all; fill *reject and return false to refuse. Called once, before contexts. */
    bool (*admit)(void *ctx, const NetAssociate *request, NetAddress peer, NetReject *reject);
    NetDecision (*decide)(void *ctx, const NetOffer *offer);
    /* What to answer to a user identity that asks for a response; false: nothing, as who knows no identities does. NULL = the same. */
    bool (*identity_response)(void *ctx, const NetAssociate *request, Span *response);
    uint32_t max_pdu;   /* what we can receive; 0 = 256 KiB (we never advertise "unlimited") */
    uint16_t max_async; /* operations the peer may have outstanding; 1 = no window */
    int64_t request_ms; /* for the whole A-ASSOCIATE-RQ to come; 0 = acse_ms */
    NetTimeouts timeouts;
} NetPolicy;

/* Waits for the A-ASSOCIATE-RQ on an accepted stream (taken over) and answers. NULL and err when it was refused, or no association came
   about; err ERR_REFUSED when policy refused. */
NetAssociation *net_accept(NetStream *stream, const NetPolicy *policy, Err *err);

/* -- both -- */

const char *net_calling_ae(const NetAssociation *a);
const char *net_called_ae(const NetAssociation *a);
NetAddress net_association_peer(const NetAssociation *a);
bool net_association_is_tls(const NetAssociation *a);
/* As net_stream_certificate; NULL as well when the association is over. */
const NetCertificate *net_association_certificate(const NetAssociation *a);
const char *net_peer_implementation_class(const NetAssociation *a);
const char *net_peer_implementation_version(const NetAssociation *a);
/* Largest PDU body we may send; 0 = unlimited by the peer. */
uint32_t net_peer_max_pdu(const NetAssociation *a);
uint16_t net_async_window(
    const NetAssociation *a); /* operations we may have outstanding as requestor; 1 = none negotiated */

typedef struct NetAccepted {
    uint8_t id;
    const char *abstract_syntax, *transfer_syntax;
    bool we_are_scu, we_are_scp; /* our roles in this context */
    Span extended;               /* negotiated extended info (AC); empty = none */
} NetAccepted;

/* Accepted contexts. */
size_t net_context_count(const NetAssociation *a);
const NetAccepted *net_context_at(const NetAssociation *a, size_t i);
const NetAccepted *net_context_by_id(const NetAssociation *a, uint8_t id);
/* First accepted context for the abstract syntax, with that transfer syntax if not NULL, in which we have the role. NULL if none. */
const NetAccepted *net_context_for(const NetAssociation *a, const char *abstract_syntax,
                                   const char *transfer_syntax, bool as_scu);

/* -- messages in -- */

typedef enum NetGot {
    NET_GOT_COMMAND, /* *out is filled; if has_data_set, its data set must be read to the end before the next receive */
    NET_GOT_RELEASE, /* the peer asked for release; it has been answered and the association is over */
    NET_GOT_NOTHING, /* the deadline passed before a message began; the association is as it was */
    NET_GOT_END      /* aborted, closed or broken: err says how; the association is over */
} NetGot;

/* Waits for the next command until `deadline` (once it has begun, dimse_ms applies to each further piece). Views in *out live until the
   next net_receive. On a protocol error the peer is aborted. */
NetGot net_receive(NetAssociation *a, NetCommand *out, Deadline deadline, Err *err);

/* `told` is called when the peer has asked for release, before the answer leaves: who has the answer may come again at once. */
void net_on_release(NetAssociation *a, void (*told)(void *ctx), void *ctx);

/* The next piece of the current data set: a view valid until the next call on this association. true with an empty span at the end.
   False: the association is over (err). */
bool net_data_next(NetAssociation *a, Span *piece, Err *err);
/* The same for who has room for what comes: large fragments are received there (`piece` then begins at `room`), which saves a copy. Small ones are not. */
bool net_data_next_into(NetAssociation *a, uint8_t *room, size_t n, Span *piece, Err *err);
/* All of it, up to `limit` bytes (ERR_LIMIT after the rest has been read and dropped; the association lives on). */
bool net_data_all(NetAssociation *a, size_t limit, Buf *out, Err *err);
/* Reads and drops what is left of the current data set. */
bool net_data_skip(NetAssociation *a, Err *err);

/* Has the peer sent C-CANCEL for this message id? Looks at what has arrived, without waiting; other commands that are found stay queued
   for net_receive (at most 16; more is a protocol error). It does not look behind a data set that has not been read. False also when the association has ended: then *ended = true. */
bool net_cancelled(NetAssociation *a, uint16_t message_id, bool *ended);

/* -- messages out -- */

/* Sends a command and, if data_set is not NULL, its data set (already encoded in the context's syntax), in as few writes as can be. */
bool net_send(NetAssociation *a, const NetCommand *command, const Span *data_set, Err *err);
/* The same for one of many short messages, such as answers: it may wait for those behind it and leave in one write with them, at the latest with
   the next net_send or net_send_held. */
bool net_send_later(NetAssociation *a, const NetCommand *command, const Span *data_set, Err *err);
bool net_send_held(NetAssociation *a, Err *err);
/* Bytes that wait. */
size_t net_held(const NetAssociation *a);

/* A source of bytes: fills up to n bytes at p; returns how many, 0 at the end, -1 on failure with err. */
typedef ssize_t (*NetSource)(void *ctx, uint8_t *p, size_t n, Err *err);
/* Sends a command and a data set that is read from `source` as it goes. When the source fails, the message cannot be completed: the association
   is aborted. */
bool net_send_stream(NetAssociation *a, const NetCommand *command, NetSource source, void *ctx, Err *err);

/* A stretch of a regular file, which holds the data set as it is to be sent. */
typedef struct NetFile {
    int fd;
    uint64_t offset, size;
} NetFile;
/* Sends a command and a data set that lies in a file. Where there is no TLS the kernel takes it out of the file itself. When the file becomes shorter meanwhile, the
   message cannot be completed: the association is broken off. */
bool net_send_file(NetAssociation *a, const NetCommand *command, const NetFile *file, Err *err);

/* Next message id of ours. */
uint16_t net_next_message_id(NetAssociation *a);

/* -- end -- */
/* A-RELEASE, with collision handled. Then free. */
bool net_release(NetAssociation *a, Err *err);
/* A-ABORT. Safe in any state. */
void net_abort(NetAssociation *a, NetAbort abort);
bool net_is_open(const NetAssociation *a);
/* Makes waits fail with ERR_CLOSED. From any thread. */
void net_association_interrupt(NetAssociation *a);
/* Aborts if still open; NULL is fine. */
void net_association_free(NetAssociation *a);

#endif
