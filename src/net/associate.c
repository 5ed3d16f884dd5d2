// SPDX-License-Identifier: MIT
/*
 * Negotiation as requestor, PS3.8 §7.1 and PS3.7 D.3: proposals become an A-ASSOCIATE-RQ, the answer becomes accepted contexts. Proposal i
 * has context id 2i+1. What the acceptor answers is believed only within what was proposed.
 */
#include "net/association_inside.h"

#include "dicom/uid.h"

#include <stdlib.h>
#include <string.h>

#define APPLICATION_CONTEXT "1.2.840.10008.3.1.1.1"

typedef struct Proposing {
    const NetRequest *request;
    Arena *arena;
    NetAssociate pdu;
} Proposing;

/* -- the request -- */

static bool ae_is_fit(const char *title, const char *role, Err *err)
{
    size_t n = title ? strlen(title) : 0;
    if (n == 0 || n > 16 || span_trim(span_cstr(title)).n == 0)
        return err_set(err, ERR_USAGE, "%s AE title \"%s\" must have 1 to 16 characters", role,
                       title ? title : "");
    return true;
}

static bool request_is_fit(const NetRequest *request, Err *err)
{
    if (!ae_is_fit(request->calling_ae, "calling", err) || !ae_is_fit(request->called_ae, "called", err))
        return false;
    if (request->proposal_count == 0 || request->proposal_count > NET_MAX_CONTEXTS)
        return err_set(err, ERR_USAGE, "an association proposes 1 to %d presentation contexts, not %zu",
                       NET_MAX_CONTEXTS, request->proposal_count);
    for (size_t i = 0; i < request->proposal_count; i++) {
        const NetProposal *p = &request->proposals[i];
        if (!p->abstract_syntax || p->transfer_syntax_count == 0 ||
            p->transfer_syntax_count > NET_MAX_SYNTAXES)
            return err_set(err, ERR_USAGE,
                           "presentation context %zu (%s) needs 1 to %d transfer syntaxes, not %zu", i + 1,
                           p->abstract_syntax ? p->abstract_syntax : "no abstract syntax", NET_MAX_SYNTAXES,
                           p->transfer_syntax_count);
    }
    return true;
}

static NetContext context_of(Proposing *b, size_t i)
{
    const NetProposal *p = &b->request->proposals[i];
    NetContext context = {.id = (uint8_t)(2 * i + 1),
                          .abstract_syntax = span_cstr(p->abstract_syntax),
                          .transfer_syntax_count = p->transfer_syntax_count};
    context.transfer_syntaxes = arena_alloc(b->arena, p->transfer_syntax_count * sizeof(Span));
    for (size_t t = 0; t < p->transfer_syntax_count; t++)
        context.transfer_syntaxes[t] = span_cstr(p->transfer_syntaxes[t]);
    return context;
}

/* Roles and extended negotiation are said once per SOP class, however many contexts it has. */
static void add_role(Proposing *b, const NetProposal *p)
{
    NetRole *role = (NetRole *)net_role_find(&b->pdu, span_cstr(p->abstract_syntax));
    if (!role) {
        role = &b->pdu.roles[b->pdu.role_count++];
        *role = (NetRole){.sop_class = span_cstr(p->abstract_syntax)};
    }
    role->scu |= p->scu;
    role->scp |= p->scp;
}

static void add_extended(Proposing *b, const NetProposal *p)
{
    Span sop_class = span_cstr(p->abstract_syntax);
    if (net_extended_find(&b->pdu, sop_class).n == 0)
        b->pdu.extended[b->pdu.extended_count++] = (NetExtended){sop_class, p->extended};
}

static void build(Proposing *b, uint32_t max_pdu)
{
    const NetRequest *r = b->request;
    size_t n = r->proposal_count;
    b->pdu = (NetAssociate){
        .protocol_version = 1,
        .called_ae = span_cstr(r->called_ae),
        .calling_ae = span_cstr(r->calling_ae),
        .application_context = SPAN(APPLICATION_CONTEXT),
        .contexts = arena_alloc(b->arena, n * sizeof(NetContext)),
        .context_count = n,
        .max_pdu = max_pdu,
        .implementation_class = SPAN(DCM_IMPLEMENTATION_CLASS_UID),
        .implementation_version = SPAN(DCM_IMPLEMENTATION_VERSION_NAME),
        .has_async = r->async_invoked > 1,
        .async_invoked = r->async_invoked,
        .async_performed = 1,
        .roles = arena_alloc(b->arena, n * sizeof(NetRole)),
        .extended = arena_alloc(b->arena, n * sizeof(NetExtended)),
        .common = (NetCommonExtended *)r->common,
        .common_count = r->common_count,
        .has_identity = r->has_identity,
        .identity = r->identity,
    };
    for (size_t i = 0; i < n; i++) {
        b->pdu.contexts[i] = context_of(b, i);
        if (r->proposals[i].role_selection)
            add_role(b, &r->proposals[i]);
        if (r->proposals[i].extended.n)
            add_extended(b, &r->proposals[i]);
    }
}

/* -- the answer -- */

static bool was_proposed(const NetProposal *p, Span transfer_syntax)
{
    for (size_t i = 0; i < p->transfer_syntax_count; i++)
        if (span_eq_cstr(transfer_syntax, p->transfer_syntaxes[i]))
            return true;
    return false;
}

static void take_context(NetAssociation *a, const NetRequest *request, const NetAssociate *answer,
                         const NetContext *context)
{
    size_t i = context->id / 2;
    if (i >= request->proposal_count)
        return;
    const NetProposal *p = &request->proposals[i];
    a->results[i] = context->result;
    if (context->result != NET_CONTEXT_ACCEPTED)
        return;
    if (!was_proposed(p, context->transfer_syntaxes[0])) {
        a->results[i] = NET_CONTEXT_NO_REASON;
        return;
    }
    Span sop_class = span_cstr(p->abstract_syntax);
    const NetRole *role = p->role_selection ? net_role_find(answer, sop_class) : NULL;
    bool scu = role ? role->scu && p->scu : true;
    bool scp = role ? role->scp && p->scp : false;
    net_context_keep(a, context->id, sop_class, context->transfer_syntaxes[0], scu, scp,
                     net_extended_find(answer, sop_class));
}

static void take_window(NetAssociation *a, const NetRequest *request, const NetAssociate *answer)
{
    if (request->async_invoked < 2 || !answer->has_async)
        return;
    uint16_t granted = answer->async_invoked;
    a->window = granted == 0 || granted > request->async_invoked ? request->async_invoked : granted;
}

static bool take_answer(NetAssociation *a, const NetRequest *request, Arena *arena, Span body, Err *err)
{
    NetAssociate answer;
    if (!net_associate_decode(arena, NET_A_ASSOCIATE_AC, body, &answer, err))
        return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
    if (answer.max_pdu && answer.max_pdu < NET_MIN_PEER_PDU) {
        err_set(err, ERR_FORMAT, "the peer takes PDUs of at most %u bytes, too few for any message",
                answer.max_pdu);
        return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
    }
    net_peer_keep(a, &answer);
    a->result_count = request->proposal_count;
    a->results = arena_alloc(a->arena, a->result_count * sizeof *a->results);
    for (size_t i = 0; i < a->result_count; i++)
        a->results[i] = NET_CONTEXT_NO_REASON;
    net_contexts_expect(a, answer.context_count);
    for (size_t i = 0; i < answer.context_count; i++)
        take_context(a, request, &answer, &answer.contexts[i]);
    take_window(a, request, &answer);
    a->has_identity_response = answer.has_identity_response;
    a->identity_response = arena_span(a->arena, answer.identity_response);
    return net_event(a, NET_EV_PDU_ASSOCIATE_AC, (Span){0}, err);
}

/* What the reader of the message can do about it. */
static const char *remedy(const NetRequest *request, NetReject why)
{
    if (why.source == NET_REJECT_BY_USER && why.reason == NET_REJECT_CALLING_AE)
        return "; have it admit our AE title and address";
    if (why.source == NET_REJECT_BY_USER && why.reason == NET_REJECT_CALLED_AE)
        return "; call it by its own AE title";
    if (why.source == NET_REJECT_BY_USER && why.reason == NET_REJECT_NO_REASON)
        return request->has_identity ? "; does it want another user identity?"
                                     : "; does it want a user identity?";
    return why.result == NET_REJECT_TRANSIENT ? "; try again later" : "";
}

static bool take_rejection(NetAssociation *a, const NetRequest *request, Span body, NetReject *reject,
                           Err *err)
{
    NetReject why = {0};
    char text[160];
    net_reject_decode(body, &why, NULL);
    if (reject)
        *reject = why;
    net_event(a, NET_EV_PDU_ASSOCIATE_RJ, (Span){0}, NULL);
    return err_set(err, ERR_REFUSED, "association of %s with %s %s%s", a->calling, a->called,
                   net_reject_text(why, text), remedy(request, why));
}

static bool send_request(NetAssociation *a, const NetRequest *request, Arena *arena, Err *err)
{
    Proposing proposing = {.request = request, .arena = arena};
    build(&proposing, a->our_max_pdu);
    Buf out;
    buf_init(&out, NET_MAX_ASSOCIATE_PDU);
    bool sent = net_associate_encode(&out, NET_A_ASSOCIATE_RQ, &proposing.pdu, err) &&
                net_event(a, NET_EV_CONNECTED, buf_span(&out), err);
    buf_free(&out);
    return sent;
}

/* Something took the connection; whether it speaks DICOM at all is what people want to know. */
static void unanswered(const NetAssociation *a, Err *err)
{
    const char *hint = net_stream_is_tls(a->stream)
                           ? "is a DICOM server listening there?"
                           : "is a DICOM server listening there, and this port not one of TLS?";
    if (err->code == ERR_TIMEOUT)
        err_set(err, ERR_TIMEOUT,
                "the connection was taken, but the association request not answered within %lld s; %s",
                (long long)(a->timeouts.acse_ms + 999) / 1000, hint);
    else if (err->code == ERR_CLOSED && a->in.end == 0)
        err_set(err, ERR_CLOSED, "the connection was closed without an answer to the association request; %s",
                hint);
}

static bool negotiate(NetAssociation *a, const NetRequest *request, NetReject *reject, Err *err)
{
    NetPdu pdu;
    Deadline deadline = deadline_in(a->timeouts.acse_ms);
    Arena *arena = arena_new(0);
    bool agreed = false;
    net_event(a, NET_EV_ASSOCIATE_REQUEST, (Span){0}, NULL);
    if (!send_request(a, request, arena, err))
        goto done;
    if (!net_pdu_read(a, deadline, &pdu, err)) {
        unanswered(a, err);
        if (a->machine.state == NET_STA5_AWAIT_ASSOCIATE_ANSWER)
            net_too_late(a, err);
        goto done;
    }
    agreed = pdu.type == NET_A_ASSOCIATE_AC ? take_answer(a, request, arena, pdu.body, err)
                                            : take_rejection(a, request, pdu.body, reject, err);
done:
    arena_free(arena);
    return agreed;
}

NetAssociation *net_associate_on(NetStream *stream, const NetRequest *request, NetReject *reject, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    if (!request_is_fit(request, err)) {
        net_stream_close(stream);
        return NULL;
    }
    NetAssociation *a = net_association_new(stream, true, &request->timeouts, request->max_pdu);
    span_copy(span_trim(span_cstr(request->calling_ae)), a->calling, sizeof a->calling);
    span_copy(span_trim(span_cstr(request->called_ae)), a->called, sizeof a->called);
    if (negotiate(a, request, reject, err))
        return a;
    net_association_free(a);
    return NULL;
}

NetAssociation *net_associate(const NetRequest *request, NetReject *reject, Err *err)
{
    if (!request_is_fit(request, err))
        return NULL;
    int64_t connect_ms = request->timeouts.connect_ms ? request->timeouts.connect_ms : NET_CONNECT_MS;
    NetStream *stream = net_stream_connect_unless(request->cancelled, request->host, request->port,
                                                  request->tls, deadline_in(connect_ms), err);
    return stream ? net_associate_on(stream, request, reject, err) : NULL;
}
