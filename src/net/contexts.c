// SPDX-License-Identifier: MIT
/* What was negotiated: the peer, its limits, the accepted presentation contexts. Copied once, then constant. */
#include "net/association_inside.h"

#include <string.h>

char *net_keep(NetAssociation *a, Span text)
{
    return arena_span_cstr(a->arena, text);
}

void net_contexts_expect(NetAssociation *a, size_t count)
{
    a->contexts = arena_alloc(a->arena, count * sizeof *a->contexts);
}

void net_context_keep(NetAssociation *a, uint8_t id, Span abstract_syntax, Span transfer_syntax, bool scu,
                      bool scp, Span extended)
{
    a->contexts[a->context_count] = (NetAccepted){
        .id = id,
        .abstract_syntax = net_keep(a, abstract_syntax),
        .transfer_syntax = net_keep(a, transfer_syntax),
        .we_are_scu = scu,
        .we_are_scp = scp,
        .extended = arena_span(a->arena, extended),
    };
    a->context_index[id] = (uint8_t)++a->context_count;
}

void net_peer_keep(NetAssociation *a, const NetAssociate *pdu)
{
    span_copy(pdu->implementation_class, a->implementation_class, sizeof a->implementation_class);
    span_copy(pdu->implementation_version, a->implementation_version, sizeof a->implementation_version);
    a->peer_max_pdu = pdu->max_pdu;
}

const NetRole *net_role_find(const NetAssociate *pdu, Span sop_class)
{
    for (size_t i = 0; i < pdu->role_count; i++)
        if (span_eq(pdu->roles[i].sop_class, sop_class))
            return &pdu->roles[i];
    return NULL;
}

Span net_extended_find(const NetAssociate *pdu, Span sop_class)
{
    for (size_t i = 0; i < pdu->extended_count; i++)
        if (span_eq(pdu->extended[i].sop_class, sop_class))
            return pdu->extended[i].info;
    return (Span){0};
}

const char *net_calling_ae(const NetAssociation *a)
{
    return a->calling;
}

const char *net_called_ae(const NetAssociation *a)
{
    return a->called;
}

NetAddress net_association_peer(const NetAssociation *a)
{
    return net_stream_peer(a->stream);
}

bool net_association_is_tls(const NetAssociation *a)
{
    return net_stream_is_tls(a->stream);
}

const NetCertificate *net_association_certificate(const NetAssociation *a)
{
    return net_stream_certificate(a->stream);
}

const char *net_peer_implementation_class(const NetAssociation *a)
{
    return a->implementation_class;
}

const char *net_peer_implementation_version(const NetAssociation *a)
{
    return a->implementation_version;
}

uint32_t net_peer_max_pdu(const NetAssociation *a)
{
    return a->peer_max_pdu;
}

uint16_t net_async_window(const NetAssociation *a)
{
    return a->window;
}

size_t net_context_count(const NetAssociation *a)
{
    return a->context_count;
}

const NetAccepted *net_context_at(const NetAssociation *a, size_t i)
{
    return i < a->context_count ? &a->contexts[i] : NULL;
}

const NetAccepted *net_context_by_id(const NetAssociation *a, uint8_t id)
{
    return a->context_index[id] ? &a->contexts[a->context_index[id] - 1] : NULL;
}

const NetAccepted *net_context_for(const NetAssociation *a, const char *abstract_syntax,
                                   const char *transfer_syntax, bool as_scu)
{
    for (size_t i = 0; i < a->context_count; i++) {
        const NetAccepted *c = &a->contexts[i];
        if ((as_scu ? c->we_are_scu : c->we_are_scp) && strcmp(c->abstract_syntax, abstract_syntax) == 0 &&
            (!transfer_syntax || strcmp(c->transfer_syntax, transfer_syntax) == 0))
            return c;
    }
    return NULL;
}

NetContextResult net_proposal_result(const NetAssociation *a, size_t i)
{
    return i < a->result_count ? a->results[i] : NET_CONTEXT_NO_REASON;
}

bool net_identity_response(const NetAssociation *a, Span *out)
{
    if (a->has_identity_response)
        *out = a->identity_response;
    return a->has_identity_response;
}
