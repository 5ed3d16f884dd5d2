// SPDX-License-Identifier: MIT
/*
 * What C-MOVE and C-GET share, PS3.4 C.4.2 and C.4.3: the selection, the sub-operations' counters, pending responses, C-CANCEL, the
 * final status and the list of failed SOP Instance UIDs. How an object is sent is the caller's.
 */
#ifndef GANTRY_SCP_RETRIEVE_H
#define GANTRY_SCP_RETRIEVE_H

#include "scp/identifier.h"

/* What became of one object. */
typedef enum ScpSent {
    SCP_SENT,
    SCP_SENT_WARNING, /* the receiver stored it with a warning */
    SCP_NOT_SENT,
    SCP_NONE_CAN_BE_SENT, /* nor any that follows: the destination is out of reach */
    SCP_OVER              /* the association of the request is over */
} ScpSent;

typedef struct ScpRetrieve {
    ScpAssociation *a;
    const NetCommand *request;
    const char *name, *action;  /* "C-MOVE", "CMOVE" */
    const char *status_service; /* as in status_codes.csv */
    void *ctx;
    /* Called for every object before the first is sent. May be NULL. */
    void (*expect)(void *ctx, const IdxFile *file);
    /* err: why not, for the log. */
    ScpSent (*send)(void *ctx, const IdxFile *file, Err *err);
    ScpIdentifier id;    /* read by scp_retrieve_begin */
    bool cancelled;      /* `send` may set it when it meets the C-CANCEL */
    const char *to_host; /* of C-MOVE's destination; NULL = not known */

    /* -- private -- */
    uint64_t remaining, completed, failed, warning;
    Deadline tell_again; /* when the next pending response is due */
    Buf failed_uids;     /* joined by backslash, as many as one element can hold */
    int64_t began;
    bool over; /* the peer went away while the objects were being selected */
    Err why;
    struct AuditStudies *studies; /* audit.c's */
} ScpRetrieve;

/* Reads the identifier; refuses what cannot be served. False: the association is over. *serve: go on to scp_retrieve_run. */
bool scp_retrieve_begin(ScpRetrieve *r, bool *serve, Err *err);
/* Refuses the request with why's status. */
bool scp_retrieve_refuse(ScpRetrieve *r, const Err *why, Err *err);
bool scp_retrieve_run(ScpRetrieve *r, Err *err);

#endif
