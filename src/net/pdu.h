// SPDX-License-Identifier: MIT
/*
 * The seven PDUs of PS3.8 §9.3 and the user-information items of PS3.8 D and PS3.7 D.3.3, as plain structs; encoding and decoding
 * are pure. All numbers on the wire are big endian.
 */
#ifndef GANTRY_NET_PDU_H
#define GANTRY_NET_PDU_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    NET_PDU_HEADER = 6,
    NET_PDV_HEADER = 6,                 /* length, context id, control */
    NET_MAX_CONTEXTS = 128,             /* odd ids 1 … 255 */
    NET_MAX_SYNTAXES = 128,             /* per proposed context */
    NET_MAX_ASSOCIATE_PDU = 256 * 1024, /* larger A-ASSOCIATE PDUs are refused before they are read */
};

typedef enum NetPduType {
    NET_A_ASSOCIATE_RQ = 1,
    NET_A_ASSOCIATE_AC = 2,
    NET_A_ASSOCIATE_RJ = 3,
    NET_P_DATA_TF = 4,
    NET_A_RELEASE_RQ = 5,
    NET_A_RELEASE_RP = 6,
    NET_A_ABORT = 7
} NetPduType;

/* Result of a context, PS3.8 §9.3.3.2 */
typedef enum NetContextResult {
    NET_CONTEXT_ACCEPTED = 0,
    NET_CONTEXT_USER_REJECTED = 1,
    NET_CONTEXT_NO_REASON = 2,
    NET_CONTEXT_ABSTRACT_SYNTAX = 3,
    NET_CONTEXT_TRANSFER_SYNTAXES = 4
} NetContextResult;

typedef struct NetContext {
    uint8_t id;
    NetContextResult result; /* AC only */
    Span abstract_syntax;    /* RQ only on the wire; an Association fills it for both */
    Span *transfer_syntaxes; /* RQ: proposed in order; AC: exactly one */
    size_t transfer_syntax_count;
} NetContext;

/* SCP/SCU role selection, PS3.7 D.3.3.4 */
typedef struct NetRole {
    Span sop_class;
    bool scu, scp;
} NetRole;
/* SOP class extended negotiation, D.3.3.5: service-class application information, raw */
typedef struct NetExtended {
    Span sop_class, info;
} NetExtended;
/* SOP class common extended negotiation, D.3.3.6 */
typedef struct NetCommonExtended {
    Span sop_class, service_class;
    Span *related;
    size_t related_count;
} NetCommonExtended;
/* User identity, D.3.3.7. type 1 user, 2 user + passcode, 3 Kerberos, 4 SAML, 5 JWT. RQ; the response is `identity_response`. */
typedef struct NetIdentity {
    uint8_t type;
    bool response_requested;
    Span primary, secondary;
} NetIdentity;

/* A-ASSOCIATE-RQ and -AC; spans view the PDU's bytes or whatever the caller gave. Arrays may be NULL when the count is 0. */
typedef struct NetAssociate {
    uint16_t protocol_version;
    Span called_ae, calling_ae; /* trimmed, at most 16 characters */
    Span application_context;   /* 1.2.840.10008.3.1.1.1 */
    NetContext *contexts;
    size_t context_count;
    uint32_t max_pdu; /* 0 = no limit */
    Span implementation_class, implementation_version;
    bool has_async;
    uint16_t async_invoked, async_performed; /* 0 = unlimited */
    NetRole *roles;
    size_t role_count;
    NetExtended *extended;
    size_t extended_count;
    NetCommonExtended *common;
    size_t common_count;
    bool has_identity;
    NetIdentity identity; /* RQ */
    bool has_identity_response;
    Span identity_response; /* AC */
} NetAssociate;

typedef struct NetReject {
    uint8_t result, source, reason;
} NetReject; /* PS3.8 §9.3.4 */
typedef struct NetAbort {
    uint8_t source, reason;
} NetAbort; /* PS3.8 §9.3.8 */

enum { NET_REJECT_PERMANENT = 1, NET_REJECT_TRANSIENT = 2 };
enum { NET_REJECT_BY_USER = 1, NET_REJECT_BY_ACSE = 2, NET_REJECT_BY_PRESENTATION = 3 };
enum { /* reasons by user */ NET_REJECT_NO_REASON = 1,
       NET_REJECT_APPLICATION_CONTEXT = 2,
       NET_REJECT_CALLING_AE = 3,
       NET_REJECT_CALLED_AE = 7 };
enum { /* by ACSE */ NET_REJECT_PROTOCOL_VERSION = 2 };
enum { /* by presentation */ NET_REJECT_CONGESTION = 1, NET_REJECT_LIMIT = 2 };
enum { NET_ABORT_BY_USER = 0, NET_ABORT_BY_PROVIDER = 2 };
enum {
    NET_ABORT_NO_REASON = 0,
    NET_ABORT_UNRECOGNISED_PDU = 1,
    NET_ABORT_UNEXPECTED_PDU = 2,
    NET_ABORT_UNRECOGNISED_PARAMETER = 4,
    NET_ABORT_UNEXPECTED_PARAMETER = 5,
    NET_ABORT_INVALID_PARAMETER = 6
};

/* One presentation data value inside a P-DATA-TF, PS3.8 §9.3.5, E.2 */
typedef struct NetPdv {
    uint8_t context_id;
    bool command, last;
    Span data;
} NetPdv;

/* The six header bytes. False when type is none of the seven. */
bool net_pdu_header(Span six, NetPduType *type, uint32_t *length);

/* Decode the body behind the header. Unknown items are skipped; repeated or lying ones are errors that name the item and byte. */
bool net_associate_decode(Arena *arena, NetPduType type, Span body, NetAssociate *out, Err *err);
bool net_reject_decode(Span body, NetReject *out, Err *err);
bool net_abort_decode(Span body, NetAbort *out, Err *err);
/* Cuts the next PDV off the body of a P-DATA-TF. False at the end (err untouched: err->code stays ERR_NONE) or on a lie (err set). */
bool net_pdv_next(Span *body, NetPdv *out, Err *err);
/* The same for a body that is still coming: reads a PDV's six header bytes, of which pdu_left bytes of the PDU begin, and fills *out but its
   data, and how long that will be. */
bool net_pdv_header(Span six, size_t pdu_left, NetPdv *out, uint32_t *length, Err *err);

/* Append whole PDUs, header included. */
bool net_associate_encode(Buf *out, NetPduType type, const NetAssociate *pdu, Err *err);
void net_reject_encode(Buf *out, NetReject reject);
void net_release_encode(Buf *out, NetPduType type);
void net_abort_encode(Buf *out, NetAbort abort);
/* Header of a P-DATA-TF with one PDV of `n` bytes: 12 bytes; the data follows. */
void net_pdata_header(uint8_t out[12], uint8_t context_id, bool command, bool last, uint32_t n);

/* For people: "rejected (permanent) by service user: calling AE title not recognised". Static text pieces, into out. */
const char *net_reject_text(NetReject reject, char out[160]);
const char *net_abort_text(NetAbort abort, char out[120]);

#endif
