// SPDX-License-Identifier: MIT
/* What query.c, find.c, move.c and get.c share: the open association, and the request-response frame of PS3.7 §9.1. */
#ifndef GANTRY_SCU_QUERY_INTERNAL_H
#define GANTRY_SCU_QUERY_INTERNAL_H

#include "scu/scu.h"

struct ScuQuery {
    NetAssociation *association;
    ScuModel model;
    int64_t dimse_ms;
    char peer[320]; /* "AET at host:port", for errors */
    Arena *arena;   /* of one response */
};

/* SOP class of a verb in a model, PS3.4 C.6; NULL when there is none. */
const char *scu_model_class(ScuModel model, ScuVerb verb);

/* Sends a request with an identifier: `keys` with the level added, in the syntax of the accepted context. `request` has field, priority, destination;
   the rest is filled in. */
bool scu_request(ScuQuery *query, ScuVerb verb, DcmLevel level, const DcmDataset *keys, NetCommand *request,
                 Err *err);
/* Waits for the next command. False with err when none came in time or the association ended. */
bool scu_next(ScuQuery *query, NetCommand *command, Err *err);
/* C-CANCEL for a request, PS3.7 §9.3.2.3. */
bool scu_cancel(ScuQuery *query, const NetCommand *request, Err *err);
/* Is this the response to the request? Else the association is aborted and err says why. */
bool scu_check_response(ScuQuery *query, const NetCommand *request, const NetCommand *response, Err *err);
/* The data set of a response, parsed in query->arena. */
DcmDataset *scu_read_data_set(ScuQuery *query, const NetCommand *response, Err *err);

/* Status, comment and counters of a response into the result. */
void scu_take_response(ScuResult *result, const NetCommand *response);
/* True for success and warnings; else err with what the peer said. `what` (may be NULL) goes in front; `service` as
   dcm_status_text wants it. */
bool scu_judge(const ScuResult *result, const char *what, const char *peer, const char *service, Err *err);
/* "AET at host:port" */
void scu_peer_name(const ScuPeer *peer, char out[320]);

#endif
