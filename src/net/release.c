// SPDX-License-Identifier: MIT
/*
 * The end of an association, PS3.8 §7.2 to 7.4: release, with the collision of two release requests played through Sta9 to Sta12, and
 * abort. Whoever answers last leaves it to the other side to close, for NET_CLOSE_WAIT_MS at most: closing over unread bytes
 * would reset the connection and could destroy our last PDU on its way. Who asked for release sends nothing more, so that nobody has to wait
 * for him (an ARTIM of no time): our answer and the end of the stream reach him in this order.
 */
#include "net/association_inside.h"

#include <stdlib.h>

bool net_is_open(const NetAssociation *a)
{
    return a->machine.state == NET_STA6_ESTABLISHED || a->machine.state == NET_STA8_AWAIT_LOCAL_RELEASE;
}

/* P-DATA that crosses our release request is nobody's: dropped. */
static bool drop_data(NetAssociation *a, Deadline deadline, Err *err)
{
    while (a->in.pdu_left > 0) {
        if (!net_input_fill(a, 1, deadline, err))
            return net_lost(a, err);
        size_t here = a->in.end - a->in.start;
        Span dropped = net_input_take(a, here < a->in.pdu_left ? here : a->in.pdu_left);
        a->in.pdu_left -= (uint32_t)dropped.n;
    }
    return true;
}

static bool is_releasing(const NetAssociation *a)
{
    return a->machine.state >= NET_STA7_AWAIT_RELEASE_RP &&
           a->machine.state <= NET_STA12_COLLISION_ACCEPTOR_LOCAL;
}

/* One PDU of the release dialogue, and what the user (always willing) says to it. */
static bool converse(NetAssociation *a, Deadline deadline, Err *err)
{
    NetPdu pdu;
    if (!net_pdu_read(a, deadline, &pdu, err)) {
        if (err->code == ERR_TIMEOUT && is_releasing(a))
            net_too_late(a, err);
        return false;
    }
    if (pdu.type == NET_P_DATA_TF)
        return drop_data(a, deadline, err);
    NetEvent event = pdu.type == NET_A_RELEASE_RQ ? NET_EV_PDU_RELEASE_RQ : NET_EV_PDU_RELEASE_RP;
    net_event(a, event, (Span){0}, NULL);
    bool our_turn = a->machine.state == NET_STA9_COLLISION_REQUESTOR_LOCAL ||
                    a->machine.state == NET_STA12_COLLISION_ACCEPTOR_LOCAL;
    if (our_turn && !net_event(a, NET_EV_RELEASE_RESPONSE, (Span){0}, err))
        return net_lost(a, err);
    return true;
}

static bool ask_for_release(NetAssociation *a, Err *err)
{
    const uint8_t pdu[10] = {NET_A_RELEASE_RQ, [5] = 4};
    if (a->machine.state == NET_STA8_AWAIT_LOCAL_RELEASE)
        return net_event(a, NET_EV_RELEASE_RESPONSE, (Span){0}, err); /* the peer was first */
    return net_event(a, NET_EV_RELEASE_REQUEST, span_of(pdu, sizeof pdu), err);
}

static bool release(NetAssociation *a, Err *err)
{
    if (!net_is_open(a))
        return net_is_over(a, err);
    if (!ask_for_release(a, err))
        return net_lost(a, err);
    /* What was left unread of a data set is dropped with its PDU. */
    Deadline deadline = deadline_in(a->timeouts.acse_ms);
    a->in.in_pdv = false;
    if (is_releasing(a) && !drop_data(a, deadline, err))
        return false;
    while (is_releasing(a))
        if (!converse(a, deadline, err))
            return false;
    net_await_close(a);
    return true;
}

bool net_release(NetAssociation *a, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    if (!release(a, err))
        return false;
    err_set(&a->end, ERR_CLOSED, "the association was released");
    return true;
}

void net_abort(NetAssociation *a, NetAbort abort)
{
    if (a->end.code == ERR_NONE)
        err_set(&a->end, ERR_CLOSED, "the association was aborted on this side");
    a->abort = abort;
    net_event(a, NET_EV_ABORT_REQUEST, (Span){0}, NULL);
    net_await_close(a);
}

void net_association_interrupt(NetAssociation *a)
{
    net_stream_interrupt(a->stream);
}

void net_association_free(NetAssociation *a)
{
    if (!a)
        return;
    if (net_is_open(a))
        net_abort(a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    if (a->machine.state == NET_STA13_AWAIT_CLOSE && net_hear_out(a, 0)) /* he said something all the same */
        net_await_close(a);
    net_stream_close(a->stream);
    arena_free(a->arena);
    arena_free(a->message);
    buf_free(&a->in.command);
    buf_free(&a->out_command);
    buf_free(&a->held);
    free(a->queued);
    free(a->in.p);
    free(a->out);
    free(a);
}
