// SPDX-License-Identifier: MIT
/*
 * What the files of an association share.
 *
 *   upper.c      PDUs in and out, the state machine's actions            (PS3.8 §9)
 *   associate.c  negotiation as requestor                                (PS3.8 §7.1, PS3.7 D)
 *   accept.c     negotiation as acceptor
 *   contexts.c   what was negotiated
 *   receive.c    commands and data sets in                               (PS3.8 E)
 *   send.c       commands and data sets out
 *   release.c    release, abort, the end
 */
#ifndef GANTRY_NET_ASSOCIATION_INSIDE_H
#define GANTRY_NET_ASSOCIATION_INSIDE_H

#include "net/association.h"
#include "net/machine.h"
#include "net/stream_inside.h"

enum {
    NET_DEFAULT_MAX_PDU = 256 * 1024,
    NET_MAX_PDU_TOLERANCE =
        1024,             /* peers count headers differently; more than this over our maximum is a lie */
    NET_MIN_PEER_PDU = 8, /* a PDV header and two bytes */
    NET_MAX_SENT_PDU = 1024 * 1024,
    NET_MAX_COMMAND = 64 * 1024,
    NET_MAX_QUEUED = 16,
    NET_RATE_MS = 30000,         /* a sender is slow who was slow for so long */
    NET_CONNECT_MS = 10000,      /* unless the caller says otherwise */
    NET_CLOSE_WAIT_MS = 1000,    /* ARTIM in Sta13: how long the peer has to close first */
    NET_IN_FIRST = 1000,         /* receive buffer: what many associations get by with, … */
    NET_IN_NEXT = 64 * 1024,     /* … then grows from here while reads fill it … */
    NET_IN_MAX = 512 * 1024,     /* … to here */
    NET_DIRECT_FROM = 32 * 1024, /* a fragment from which on its receiver's room is used */
    NET_EACH_PIECE = -1,         /* a Deadline: dimse_ms from when input has to be waited for */
};

/* Bytes that have arrived: [start, end) of a buffer that is refilled when they are used up. While large fragments go elsewhere, only the headers between them come here. */
typedef struct NetInput {
    uint8_t *p;
    size_t capacity, start, end;
    uint8_t *room; /* of whoever waits for a piece; NULL = none */
    size_t room_n;
    bool direct;               /* this fragment goes there: a large one, or what follows large ones */
    uint32_t pdu_left;         /* of the P-DATA-TF that has begun */
    uint32_t pdv_left;         /* of the PDV that has begun */
    bool in_pdv;               /* a PDV has begun, and its end was not yet told */
    NetPdv pdv;                /* its header */
    bool command_begun;        /* some fragments of a command are in `command` */
    Deadline command_deadline; /* for the rest of it */
    Buf command;
    uint8_t message_context; /* of the command being collected, or whose data set is expected */
    bool data_expected;      /* the last command has a data set that has not ended */
    int64_t rate_waited_ms;  /* waited for a data set since the rate was looked at … */
    uint64_t rate_bytes;     /* … and what came meanwhile */
} NetInput;

struct NetAssociation {
    NetStream *stream;
    NetMachine machine;
    NetTimeouts timeouts;
    Deadline artim;
    NetAbort abort; /* to send, when the machine says so */
    Err end;        /* why the association is over */
    bool broken;    /* a PDU went out in part: nothing sensible can follow it */

    /* negotiated */
    Arena *arena;
    char calling[17], called[17], implementation_class[65], implementation_version[17];
    uint32_t peer_max_pdu, our_max_pdu;
    uint16_t window;
    NetAccepted *contexts;
    size_t context_count;
    uint8_t context_index[256]; /* by id: 1 + index in contexts, 0 = not accepted */
    NetContextResult *results;  /* requestor: by proposal */
    size_t result_count;
    bool has_identity_response;
    Span identity_response;

    /* in */
    NetInput in;
    Arena *message; /* what views of received commands point to */
    /* Found by net_cancelled, waiting for net_receive: room for NET_MAX_QUEUED, NULL as long as there never was one. */
    NetCommand *queued;
    size_t queued_count;
    void (*on_release)(void *ctx); /* NULL = nobody is told */
    void *on_release_ctx;

    /* out */
    Buf out_command;
    Buf held;     /* messages that wait for others to leave with */
    uint8_t *out; /* net_send_stream's pieces */
    size_t out_capacity;
    uint16_t last_message_id;
};

/* -- upper.c -- */

NetAssociation *net_association_new(NetStream *stream, bool requestor, const NetTimeouts *timeouts,
                                    uint32_t our_max_pdu);
/* Feeds the event, carries out what follows. `pdu`: what NET_DO_SEND sends. False when it could not be sent, or is not allowed now. */
bool net_event(NetAssociation *a, NetEvent event, Span pdu, Err *err);
/* The peer broke the protocol: A-P-ABORT with `reason`, err and the association's end from what err says. Always false. */
bool net_violation(NetAssociation *a, uint8_t reason, Err *err);
/* Ends without a word: the connection is gone. Always false. */
bool net_lost(NetAssociation *a, Err *err);
/* Waited too long: aborts. Always false. */
bool net_too_late(NetAssociation *a, Err *err);
/* err = why the association is over. Always false. */
bool net_is_over(const NetAssociation *a, Err *err);
/* In Sta13: waits for the peer to close, at most ARTIM, then closes. */
void net_await_close(NetAssociation *a);
/* In Sta13: once, what the peer still says is dropped: true. Closes when it has closed, or says nothing before the deadline. */
bool net_hear_out(NetAssociation *a, Deadline deadline);

/* At least n bytes at in.p + in.start, before `deadline`, which may be NET_EACH_PIECE. False: err, nothing else done. */
bool net_input_fill(NetAssociation *a, size_t n, Deadline deadline, Err *err);
/* Past the buffer, when it is empty: at least one byte, at most n. -1 and err. */
ssize_t net_input_read(NetAssociation *a, uint8_t *p, size_t n, Deadline deadline, Err *err);
Span net_input_take(NetAssociation *a, size_t n);
Deadline net_piece_deadline(const NetAssociation *a);

typedef struct NetPdu {
    NetPduType type;
    Span body; /* not of P-DATA-TF, whose in.pdu_left bytes are still to come; valid until the next read */
} NetPdu;

/*
 * The next PDU. A PDU that this state does not allow, or that lies, or an A-ABORT, ends the association: false. P-DATA-TF has gone through the
 * machine; for other PDUs the caller gives the event when the body is understood. False with ERR_TIMEOUT and the association as it was
 * when nothing came before `deadline`; later pieces have dimse_ms each (the same deadline before the association is established).
 */
bool net_pdu_read(NetAssociation *a, Deadline deadline, NetPdu *out, Err *err);

/* -- contexts.c -- */

char *net_keep(NetAssociation *a, Span text);
/* Room for so many accepted contexts at most; before the first one. */
void net_contexts_expect(NetAssociation *a, size_t count);
/* Keeps an accepted context; the spans are copied. */
void net_context_keep(NetAssociation *a, uint8_t id, Span abstract_syntax, Span transfer_syntax, bool scu,
                      bool scp, Span extended);
void net_peer_keep(NetAssociation *a, const NetAssociate *pdu);
const NetRole *net_role_find(const NetAssociate *pdu, Span sop_class);
Span net_extended_find(const NetAssociate *pdu, Span sop_class);

#endif
