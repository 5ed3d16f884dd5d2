// SPDX-License-Identifier: MIT
/* C-ECHO as SCU, PS3.4 A, PS3.7 §9.1.5: one association, one message. */
#include "scu/query_internal.h"

#include "dicom/uids.h"
#include "net/dimse.h"

#include <stdio.h>
#include <string.h>

static const char *const syntaxes[] = {DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian};

static bool exchange(NetAssociation *association, const ScuPeer *peer, const char *name, ScuResult *result,
                     Err *err)
{
    const NetAccepted *context = net_context_for(association, DCM_UID_Verification, NULL, true);
    if (!context)
        return err_set(err, ERR_UNSUPPORTED, "%s does not offer the verification service", name);
    NetCommand request = {
        .field = NET_C_ECHO_RQ, .context_id = context->id, .message_id = net_next_message_id(association)};
    snprintf(request.sop_class, sizeof request.sop_class, "%s", DCM_UID_Verification);
    if (!net_send(association, &request, NULL, err))
        return err_wrap(err, "%s", name);
    NetCommand response = {0};
    switch (net_receive(association, &response, deadline_in(peer->timeouts.dimse_ms), err)) {
    case NET_GOT_COMMAND:
        break;
    case NET_GOT_NOTHING:
        return err_set(err, ERR_TIMEOUT, "%s did not answer in time", name);
    case NET_GOT_RELEASE:
        return err_set(err, ERR_CLOSED, "%s ended the association instead of answering", name);
    case NET_GOT_END:
        return err_wrap(err, "%s", name);
    }
    if (response.field != NET_C_ECHO_RSP || response.responded_to != request.message_id)
        return err_set(err, ERR_FORMAT, "%s answered with %s, which is no answer to our C-ECHO", name,
                       net_field_name(response.field));
    if (response.has_data_set && !net_data_skip(association, err))
        return err_wrap(err, "%s", name);
    scu_take_response(result, &response);
    return scu_judge(result, NULL, name, "Verification", err);
}

bool scu_echo(const ScuPeer *peer, ScuResult *result, Err *err)
{
    *result = (ScuResult){0};
    char name[320];
    scu_peer_name(peer, name);
    NetProposal proposal = {.abstract_syntax = DCM_UID_Verification,
                            .transfer_syntaxes = syntaxes,
                            .transfer_syntax_count = sizeof syntaxes / sizeof *syntaxes};
    NetRequest request = {.host = peer->host,
                          .port = peer->port,
                          .tls = peer->tls,
                          .has_identity = peer->identity != NULL,
                          .identity = peer->identity ? *peer->identity : (NetIdentity){0},
                          .calling_ae = peer->calling_ae,
                          .called_ae = peer->called_ae,
                          .proposals = &proposal,
                          .proposal_count = 1,
                          .max_pdu = peer->max_pdu,
                          .timeouts = peer->timeouts,
                          .cancelled = peer->cancelled};
    NetAssociation *association = net_associate(&request, &result->reject, err);
    if (!association)
        return err_wrap(err, "%s", name);
    result->associated = true;
    result->confirmed = net_identity_response(association, &(Span){0});
    bool ok = exchange(association, peer, name, result, err);
    if (net_is_open(association))
        net_release(association,
                    NULL); /* the answer has come; how the peer says goodbye does not change it */
    net_association_free(association);
    return ok;
}
