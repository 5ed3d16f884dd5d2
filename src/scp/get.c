// SPDX-License-Identifier: MIT
/*
 * Retrieve on the same association, PS3.4 C.4.3: C-GET, PS3.7 §9.1.3. The objects go out as C-STORE sub-operations in the other direction. An object is
 * sent in its stored transfer syntax where a context was accepted for it, else converted to one that was.
 *
 * The peer ought to have negotiated the SCP role for the storage classes (PS3.4 C.5.3); contexts without it are used all the same, because
 * widespread clients leave it out.
 */
#include "scp/retrieve.h"

#include "base/clock.h"

#include <string.h>

/* Best first: as stored, then explicit, then any other it can be brought to. */
static int worth(const NetAccepted *context, const IdxFile *file)
{
    if (strcmp(context->abstract_syntax, file->sop_class) != 0)
        return 0;
    int role = context->we_are_scu ? 1 : 0;
    if (strcmp(context->transfer_syntax, file->transfer_syntax) == 0)
        return 6 + role;
    if (!arc_can_convert(file->transfer_syntax, context->transfer_syntax))
        return 0;
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(context->transfer_syntax));
    return (syntax && syntax->explicit_vr && !syntax->big_endian && !syntax->deflated ? 4 : 2) + role;
}

static const NetAccepted *choose_context(const ScpAssociation *a, const IdxFile *file)
{
    const NetAccepted *best = NULL;
    int most = 0;
    for (size_t i = 0; i < net_context_count(a->net); i++) {
        const NetAccepted *context = net_context_at(a->net, i);
        int value = worth(context, file);
        if (value > most) {
            best = context;
            most = value;
        }
    }
    return best;
}

/* Some request that comes while we wait for a response: it would have to wait for the whole C-GET. */
static bool turn_down(ScpAssociation *a, const NetCommand *command, Err *err)
{
    if (command->has_data_set && !net_data_skip(a->net, err))
        return false;
    if (NET_IS_RESPONSE(command->field))
        return err_set(err, ERR_FORMAT, "unexpected %s during C-GET", net_field_name(command->field));
    return command->field == NET_C_CANCEL_RQ ||
           scp_respond(a, command, 0x0213, "busy with C-GET on this association", err);
}

/* Waits for the response to our C-STORE. False: the association is over. */
static bool await_response(ScpRetrieve *r, uint16_t message_id, NetCommand *out, Err *err)
{
    ScpAssociation *a = r->a;
    Deadline deadline = deadline_in(a->settings->timeouts.dimse_ms);
    for (;;) {
        NetGot got = net_receive(a->net, out, deadline, err);
        if (got == NET_GOT_NOTHING)
            return err_set(err, ERR_TIMEOUT, "no response to a C-STORE sub-operation");
        if (got == NET_GOT_RELEASE)
            return err_set(err, ERR_CLOSED, "the peer released the association during C-GET");
        if (got == NET_GOT_END)
            return false;
        if (out->field == NET_C_STORE_RSP && out->responded_to == message_id)
            return !out->has_data_set || net_data_skip(a->net, err);
        if (out->field == NET_C_CANCEL_RQ && out->responded_to == r->request->message_id)
            r->cancelled = true;
        if (!turn_down(a, out, err))
            return false;
    }
}

static ScpSent send_object(void *ctx, const IdxFile *file, Err *err)
{
    ScpRetrieve *r = ctx;
    ScpAssociation *a = r->a;
    const NetAccepted *context = choose_context(a, file);
    if (!context) {
        err_set(err, ERR_UNSUPPORTED, "no accepted context for %s in %s or what it can be brought to",
                file->sop_class, file->transfer_syntax);
        return SCP_NOT_SENT;
    }
    bool as_stored = strcmp(context->transfer_syntax, file->transfer_syntax) == 0;
    ArcReader *reader = arc_reader_open(a->archive, file, as_stored ? NULL : context->transfer_syntax, err);
    if (!reader)
        return SCP_NOT_SENT;
    NetCommand command = {.field = NET_C_STORE_RQ,
                          .context_id = context->id,
                          .message_id = net_next_message_id(a->net),
                          .has_data_set = true,
                          .priority = r->request->priority};
    span_copy(span_cstr(file->sop_class), command.sop_class, sizeof command.sop_class);
    span_copy(span_cstr(file->sop_instance), command.sop_instance, sizeof command.sop_instance);
    bool gone = scu_send_object(a->net, &command, reader, err);
    arc_reader_close(reader);
    NetCommand response;
    if (!gone || !await_response(r, command.message_id, &response, err))
        return SCP_OVER;
    if (dcm_status_class(response.status) == DCM_FAILURE) {
        err_set(err, ERR_REFUSED, "the peer answered %04X (%s) %s", response.status,
                dcm_status_text(response.status, "Storage"), response.error_comment);
        err->dimse = response.status;
        return SCP_NOT_SENT;
    }
    return dcm_status_class(response.status) == DCM_WARNING ? SCP_SENT_WARNING : SCP_SENT;
}

bool scp_get(ScpAssociation *a, const NetCommand *request, Err *err)
{
    ScpRetrieve r = {.a = a,
                     .request = request,
                     .name = "C-GET",
                     .action = "CGET",
                     .status_service = "Q/R Get",
                     .ctx = &r,
                     .send = send_object};
    bool serve;
    if (!scp_retrieve_begin(&r, &serve, err))
        return false;
    return !serve || scp_retrieve_run(&r, err);
}
