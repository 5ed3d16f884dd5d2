// SPDX-License-Identifier: MIT
/*
 * Sending objects by C-STORE over one association that is reused, PS3.4 B. Negotiates what the objects need: for each SOP class its stored
 * transfer syntax and those it can be brought to; when an object comes that the open association cannot carry, a new one is negotiated for it
 * and what else is expected. An object is converted (arc_reader) when the peer does not accept its own syntax.
 */
#ifndef GANTRY_SCU_SENDER_H
#define GANTRY_SCU_SENDER_H

#include "scu/scu.h"

typedef struct ScuSender ScuSender;

typedef struct ScuOriginator {
    const char *ae;
    uint16_t message_id;
} ScuOriginator; /* (0000,1030), (0000,1031) */

/* No connection is made yet. `extra_syntaxes` (may be NULL) are proposed for each class besides. */
ScuSender *scu_sender_new(const ScuPeer *peer);
/* Announces a kind of object to come, so that one negotiation covers all. */
void scu_sender_expect(ScuSender *sender, const char *sop_class, const char *transfer_syntax);
/* Restricts proposals to a named context set: only these classes with these syntaxes. */
void scu_sender_restrict(ScuSender *sender, const char *const *classes, size_t class_count,
                         const char *const *syntaxes, size_t syntax_count);

/* Opens (archive object) in the syntax asked for; see arc_reader_open and arc_reader_open_path. */
typedef ArcReader *(*ScuOpen)(void *ctx, const char *transfer_syntax, Err *err);

typedef struct ScuObject {
    const char *sop_class, *sop_instance, *transfer_syntax; /* as stored */
    ScuOpen open;
    void *ctx;
    uint16_t priority;
    const ScuOriginator *originator; /* NULL = none */
} ScuObject;

/* Sends one object and waits for its response. True when the status is success or a warning (result->status tells). False with err: refused,
   failed (result->answered and status), or the association could not be had or broke (result->associated = false); the next send tries a new one. */
bool scu_sender_send(ScuSender *sender, const ScuObject *object, ScuResult *result, Err *err);
/* One C-STORE-RQ with its data set, in the quickest way there is: the sender's own, and C-GET's, which sends on the association it was asked on. */
bool scu_send_object(NetAssociation *net, const NetCommand *command, ArcReader *reader, Err *err);
/* The context of the last object: for the association block. NULL when none. */
const NetAccepted *scu_sender_context(const ScuSender *sender);
/* Makes a send that is going on fail with ERR_CLOSED. From any thread; the sender stays usable. */
void scu_sender_interrupt(ScuSender *sender);
/* Releases; NULL is fine. */
void scu_sender_free(ScuSender *sender);

#endif
