// SPDX-License-Identifier: MIT
/*
 * C-GET as SCU, PS3.4 C.4.3, PS3.7 §9.1.3: between our request and its last response the peer stores to us on the same
 * association, in the contexts where we took the SCP role.
 */
#include "scu/query_internal.h"

#include "dicom/status.h"

#include <string.h>

typedef struct Get {
    ScuQuery *query;
    const ScuSink *sink;
} Get;

/* Reads the object into the sink. False only when the association is over; what the sink said is in *refusal. */
static bool receive_object(const Get *get, const NetCommand *store, const NetAccepted *context, Err *refusal,
                           Err *err)
{
    NetAssociation *association = get->query->association;
    const ScuSink *sink = get->sink;
    void *handle =
        sink->begin(sink->ctx, store->sop_class, store->sop_instance, context->transfer_syntax, refusal);
    bool wanted = handle != NULL;
    for (;;) {
        Span piece;
        if (!net_data_next(association, &piece, err)) {
            if (handle)
                sink->end(sink->ctx, handle, false, NULL);
            return false;
        }
        if (!piece.n)
            break;
        if (wanted && !sink->piece(sink->ctx, handle, piece, refusal))
            wanted = false;
    }
    if (!handle)
        return true;
    if (!wanted)
        sink->end(sink->ctx, handle, false, NULL);
    else
        sink->end(sink->ctx, handle, true, refusal);
    return true;
}

static bool answer_store(const Get *get, const NetCommand *store, Err *err)
{
    NetAssociation *association = get->query->association;
    const NetAccepted *context = net_context_by_id(association, store->context_id);
    Err refusal = {0};
    if (!store->has_data_set)
        err_set(&refusal, ERR_FORMAT, "no data set");
    else if (!context || !context->we_are_scp) {
        err_set(&refusal, ERR_REFUSED, "not agreed on");
        refusal.dimse = DCM_STATUS_SOP_CLASS_NOT_SUPPORTED;
        if (!net_data_skip(association, err))
            return false;
    } else if (!receive_object(get, store, context, &refusal, err)) {
        return false;
    }
    uint16_t status = !refusal.code   ? DCM_STATUS_SUCCESS
                      : refusal.dimse ? refusal.dimse
                                      : DCM_STATUS_PROCESSING_FAILURE;
    NetCommand response = net_response_to(store, status);
    return net_send(association, &response, NULL, err);
}

bool scu_get(ScuQuery *query, DcmLevel level, const DcmDataset *keys, const ScuSink *sink,
             ScuProgress progress, void *ctx, ScuResult *result, Err *err)
{
    *result = (ScuResult){.associated = true};
    Get get = {query, sink};
    NetCommand request = {.field = NET_C_GET_RQ};
    if (!scu_request(query, SCU_GET, level, keys, &request, err))
        return false;
    bool cancelled = false;
    for (;;) {
        NetCommand command = {0};
        arena_reset(query->arena);
        if (!scu_next(query, &command, err))
            return false;
        if (command.field == NET_C_STORE_RQ) {
            if (!answer_store(&get, &command, err))
                return err_wrap(err, "%s", query->peer);
            continue;
        }
        if (!scu_check_response(query, &request, &command, err))
            return false;
        const DcmDataset *identifier = NULL;
        if (command.has_data_set) {
            identifier = scu_read_data_set(query, &command, err);
            if (!identifier)
                return false;
        }
        scu_take_response(result, &command);
        bool go_on = !progress || progress(ctx, result, identifier);
        if (dcm_status_class(command.status) != DCM_PENDING)
            return scu_judge(result, NULL, query->peer, "Query/Retrieve", err);
        if (!go_on && !cancelled) {
            cancelled = true;
            if (!scu_cancel(query, &request, err))
                return err_wrap(err, "%s", query->peer);
        }
    }
}
