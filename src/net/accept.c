// SPDX-License-Identifier: MIT
/*
 * Negotiation as acceptor, PS3.8 §7.1 and PS3.7 D.3. What the protocol itself demands is checked here (version, application context,
 * a usable maximum length); whom to admit and which contexts to take is the policy's.
 */
#include "net/association_inside.h"

#include "dicom/uid.h"

#include <string.h>

typedef struct Answering {
    NetAssociation *a;
    const NetPolicy *policy;
    Arena *arena;
    NetAssociate request, answer;
} Answering;

/* -- admission -- */

static bool is_dicom(const NetAssociate *request, NetReject *reject)
{
    if ((request->protocol_version & 1) == 0)
        *reject = (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_ACSE, NET_REJECT_PROTOCOL_VERSION};
    else if (!span_eq(request->application_context, SPAN("1.2.840.10008.3.1.1.1")))
        *reject = (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_USER, NET_REJECT_APPLICATION_CONTEXT};
    else if (request->max_pdu && request->max_pdu < NET_MIN_PEER_PDU)
        *reject = (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_ACSE, NET_REJECT_NO_REASON};
    else
        return true;
    return false;
}

static bool admitted(Answering *w, NetReject *reject)
{
    if (!is_dicom(&w->request, reject))
        return false;
    *reject = (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_USER, NET_REJECT_NO_REASON};
    return !w->policy->admit ||
           w->policy->admit(w->policy->ctx, &w->request, net_stream_peer(w->a->stream), reject);
}

static bool refuse(Answering *w, NetReject reject, Err *err)
{
    char text[160];
    Buf out;
    buf_init(&out, 0);
    net_reject_encode(&out, reject);
    net_event(w->a, NET_EV_REJECT, buf_span(&out), NULL);
    buf_free(&out);
    net_await_close(w->a);
    return err_set(err, ERR_REFUSED, "association from %s at %s %s", w->a->calling,
                   net_association_peer(w->a).host, net_reject_text(reject, text));
}

/* -- contexts -- */

static NetDecision decide(Answering *w, const NetContext *proposed, const NetRole *role)
{
    NetOffer offer = {
        .abstract_syntax = proposed->abstract_syntax,
        .transfer_syntaxes = proposed->transfer_syntaxes,
        .transfer_syntax_count = proposed->transfer_syntax_count,
        .role_proposed = role != NULL,
        .scu = role ? role->scu : true,
        .scp = role ? role->scp : false,
        .extended = net_extended_find(&w->request, proposed->abstract_syntax),
        .request = &w->request,
    };
    NetDecision decision = w->policy->decide(w->policy->ctx, &offer);
    if (decision.result == NET_CONTEXT_ACCEPTED &&
        decision.transfer_syntax >= proposed->transfer_syntax_count)
        decision.result = NET_CONTEXT_TRANSFER_SYNTAXES;
    if (role) {
        decision.scu &= role->scu;
        decision.scp &= role->scp;
    } else if (!decision.scu && !decision.scp) {
        decision.scu = true; /* PS3.7 D.3.3.4: the default role of a requestor */
    }
    return decision;
}

/* Roles and extended negotiation are answered once per SOP class: by its first accepted context. */
static void answer_class(Answering *w, Span sop_class, const NetDecision *decision, bool role_proposed)
{
    if (role_proposed && !net_role_find(&w->answer, sop_class))
        w->answer.roles[w->answer.role_count++] = (NetRole){sop_class, decision->scu, decision->scp};
    if (decision->extended.n && net_extended_find(&w->answer, sop_class).n == 0)
        w->answer.extended[w->answer.extended_count++] =
            (NetExtended){sop_class, arena_span(w->arena, decision->extended)};
}

static void answer_context(Answering *w, size_t i)
{
    const NetContext *proposed = &w->request.contexts[i];
    const NetRole *role = net_role_find(&w->request, proposed->abstract_syntax);
    NetDecision decision = decide(w, proposed, role);
    bool accepted = decision.result == NET_CONTEXT_ACCEPTED;
    Span *chosen = &proposed->transfer_syntaxes[accepted ? decision.transfer_syntax : 0];
    w->answer.contexts[w->answer.context_count++] = (NetContext){
        .id = proposed->id,
        .result = decision.result,
        .abstract_syntax = proposed->abstract_syntax,
        .transfer_syntaxes = chosen,
        .transfer_syntax_count = 1,
    };
    if (!accepted)
        return;
    answer_class(w, proposed->abstract_syntax, &decision, role != NULL);
    net_context_keep(w->a, proposed->id, proposed->abstract_syntax, *chosen, decision.scp, decision.scu,
                     decision.extended);
}

/* -- the rest -- */

static uint16_t window(uint16_t proposed, uint16_t ours)
{
    return proposed == 0 || proposed > ours ? ours : proposed;
}

static void answer_window(Answering *w)
{
    if (!w->request.has_async)
        return;
    uint16_t ours = w->policy->max_async ? w->policy->max_async : 1;
    w->answer.has_async = true;
    w->answer.async_invoked = window(w->request.async_invoked, ours);
    w->answer.async_performed = window(w->request.async_performed, ours);
    w->a->window = w->answer.async_performed;
}

static void answer_identity(Answering *w)
{
    if (!w->request.has_identity || !w->request.identity.response_requested)
        return;
    w->answer.has_identity_response =
        w->policy->identity_response &&
        w->policy->identity_response(w->policy->ctx, &w->request, &w->answer.identity_response);
}

static void build_answer(Answering *w)
{
    size_t n = w->request.context_count;
    w->answer = (NetAssociate){
        .protocol_version = 1,
        .called_ae = w->request.called_ae,
        .calling_ae = w->request.calling_ae,
        .application_context = w->request.application_context,
        .contexts = arena_alloc(w->arena, n * sizeof(NetContext)),
        .max_pdu = w->a->our_max_pdu,
        .implementation_class = SPAN(DCM_IMPLEMENTATION_CLASS_UID),
        .implementation_version = SPAN(DCM_IMPLEMENTATION_VERSION_NAME),
        .roles = arena_alloc(w->arena, n * sizeof(NetRole)),
        .extended = arena_alloc(w->arena, n * sizeof(NetExtended)),
    };
    net_contexts_expect(w->a, n);
    for (size_t i = 0; i < n; i++)
        answer_context(w, i);
    answer_window(w);
    answer_identity(w);
}

static bool send_answer(Answering *w, Err *err)
{
    Buf out;
    buf_init(&out, 0);
    bool sent = net_associate_encode(&out, NET_A_ASSOCIATE_AC, &w->answer, err);
    if (!sent)
        net_violation(w->a, NET_ABORT_NO_REASON, err);
    else if (!net_event(w->a, NET_EV_ACCEPT, buf_span(&out), err))
        sent = net_lost(w->a, err);
    buf_free(&out);
    return sent;
}

static bool answer_request(Answering *w, Span body, Err *err)
{
    NetAssociation *a = w->a;
    NetReject reject;
    if (!net_associate_decode(w->arena, NET_A_ASSOCIATE_RQ, body, &w->request, err))
        return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
    net_event(a, NET_EV_PDU_ASSOCIATE_RQ, (Span){0}, NULL);
    span_copy(w->request.calling_ae, a->calling, sizeof a->calling);
    span_copy(w->request.called_ae, a->called, sizeof a->called);
    net_peer_keep(a, &w->request);
    if (!admitted(w, &reject))
        return refuse(w, reject, err);
    build_answer(w);
    return send_answer(w, err);
}

static bool negotiate(Answering *w, Err *err)
{
    NetPdu pdu;
    net_event(w->a, NET_EV_ACCEPTED_CONNECTION, (Span){0}, NULL);
    if (w->policy->request_ms > 0)
        w->a->artim = deadline_min(w->a->artim, deadline_in(w->policy->request_ms));
    if (net_pdu_read(w->a, w->a->artim, &pdu, err))
        return answer_request(w, pdu.body, err);
    if (w->a->machine.state == NET_STA2_AWAIT_ASSOCIATE_RQ)
        net_too_late(w->a, err);
    return false;
}

NetAssociation *net_accept(NetStream *stream, const NetPolicy *policy, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    if (!stream) {
        err_set(err, ERR_IO, "no stream to accept on (out of file descriptors?)");
        return NULL;
    }
    NetAssociation *a = net_association_new(stream, false, &policy->timeouts, policy->max_pdu);
    Answering w = {.a = a, .policy = policy, .arena = a->message};
    bool agreed = negotiate(&w, err);
    arena_reset(a->message);
    if (agreed)
        return a;
    net_association_free(a);
    return NULL;
}
