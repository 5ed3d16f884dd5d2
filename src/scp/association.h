// SPDX-License-Identifier: MIT
/*
 * One association served: what the service classes share. Belongs to the association's thread; only server.c looks in from outside, through
 * the functions named there.
 */
#ifndef GANTRY_SCP_ASSOCIATION_H
#define GANTRY_SCP_ASSOCIATION_H

#include "base/buf.h"
#include "base/log.h"
#include "dicom/status.h"
#include "scp/identity.h"
#include "scp/negotiate.h"
#include "scu/sender.h"

/* A C-MOVE destination whose association is kept for the next C-MOVE. */
typedef struct ScpDestination {
    struct ScpDestination *next;
    char title[17];
    PeerAddress address;
    NetTls *tls; /* NULL = plain */
    ScuSender *sender;
} ScpDestination;

typedef struct ScpAssociation {
    const ScpSettings *settings;
    Archive *archive;
    Peers *peers;
    ScpServer *server;
    void *connection; /* server.c's */
    NetAssociation *net;
    unsigned long number;
    char calling[17]; /* printable */
    char called[17];
    NetAddress from;
    PeerRules rules;
    ScpIdentity identity;
    Arena *arena;         /* of the message at hand */
    Arena *row;           /* of one answer */
    Buf identifier;       /* as received */
    Buf answer;           /* as sent */
    bool tls;             /* it came over TLS */
    int64_t began;        /* clock_ms */
    bool serving;         /* a request */
    Deadline admit_again; /* when the white list is to be asked again */
    ScpDestination *destinations;
    uint64_t stored, refused, sent;      /* objects */
    struct AuditStudies *stored_studies; /* audit.c's; NULL = none yet */
} ScpAssociation;

/* Whom the white list is asked about. */
PeerCaller scp_caller(const ScpAssociation *a);
/* Serves until the association is over. */
void scp_association_run(ScpAssociation *a);

/* -- server.c -- */
bool scp_stopping(ScpServer *server);
/* True as soon as a stop waits no longer for what goes on. */
const atomic_bool *scp_cutting(const ScpServer *server);
/* Lets a stop that cannot wait interrupt what `sender` is doing; NULL again before it is freed. */
void scp_set_sender(ScpAssociation *a, ScuSender *sender);

/* How to reach a destination that wants TLS; NULL and err when our own files cannot be used. To be freed. */
NetTls *scp_tls_to(ScpServer *server, const PeerAddress *address, Err *err);

/* -- places.c: an association that waits for its next request may have to make room -- */
void scp_set_idle(ScpAssociation *a, int64_t now_ms);
bool scp_end_idle(ScpAssociation *a); /* false: its place was given away, it must end */
bool scp_has_place(const ScpAssociation *a);
/* Its peer has asked for release and may come again as soon as it has the answer. False: so many have done so and are not gone that this one keeps its place to the end. */
bool scp_give_place_back(ScpAssociation *a);

/* -- for the services: each handles one request. False: the association is over, err says why. -- */
bool scp_echo(ScpAssociation *a, const NetCommand *request, Err *err);
bool scp_store(ScpAssociation *a, const NetCommand *request, Err *err);
bool scp_find(ScpAssociation *a, const NetCommand *request, Err *err);
bool scp_move(ScpAssociation *a, const NetCommand *request, Err *err);
bool scp_get(ScpAssociation *a, const NetCommand *request, Err *err);
void scp_destinations_free(ScpAssociation *a);

/* Answers with a status and, if not NULL, an Error Comment (cut to 64 characters, PS3.7 C). */
bool scp_respond(ScpAssociation *a, const NetCommand *request, uint16_t status, const char *comment,
                 Err *err);
/* Puts text into an Error Comment: printable ASCII, no backslash. */
void scp_set_comment(NetCommand *response, const char *text);
/* What a peer may be told of `why`: the text, or only its kind when the trouble is inside our house. */
const char *scp_comment_of(const Err *why, const char *service);
/* why->dimse, or 0110 when it has none. */
uint16_t scp_status_of(const Err *why);

/* Completes (who, which association, context) and reports an event. */
void scp_event(ScpAssociation *a, const NetCommand *request, ScpEvent event);

/* Has a C-CANCEL come for the request, is the server about to stop, or has the peer gone (*over)? */
bool scp_interrupted(ScpAssociation *a, const NetCommand *request, bool *over);

#define SCP_LOG_ACCESS      "pacs.access_list"
#define SCP_LOG_EVENT       "pacs.event_sphere"
#define SCP_LOG_TRANSACTION "pacs.transaction_dicom"
#define SCP_LOG_FILE        "pacs.file_dicom"
#define SCP_LOG_NETWORK     "pynetdicom"       /* what is below the services */
#define SCP_LOG_FAULT       "pacs.code_python" /* of the program itself */

/* Where a failure is logged: a fault of ours is not lost among what peers do wrong. */
static inline const char *scp_logger(const Err *why, const char *usual)
{
    return why->code == ERR_INTERNAL ? SCP_LOG_FAULT : usual;
}

#endif
