// SPDX-License-Identifier: MIT
/*
 * A byte stream as PDUs, decoded one after another. What A-ASSOCIATE decodes to must encode, and the result decode to the same again.
 */
#include "fuzz.h"

#include "net/pdu.h"

#include <string.h>

static void require(bool what)
{
    if (!what)
        fuzz_broken();
}

static void same(const NetAssociate *a, const NetAssociate *b)
{
    require(a->context_count == b->context_count && a->role_count == b->role_count);
    require(a->extended_count == b->extended_count && a->common_count == b->common_count);
    require(a->max_pdu == b->max_pdu && a->has_identity == b->has_identity && a->has_async == b->has_async);
    require(span_eq(a->implementation_class, b->implementation_class));
    for (size_t i = 0; i < a->context_count; i++) {
        require(a->contexts[i].id == b->contexts[i].id);
        require(span_eq(a->contexts[i].abstract_syntax, b->contexts[i].abstract_syntax));
        require(a->contexts[i].transfer_syntax_count == b->contexts[i].transfer_syntax_count);
    }
}

static void associate(NetPduType type, Span body)
{
    Arena *arena = arena_new(0);
    NetAssociate first, second;
    Err err = {0};
    Buf again;
    buf_init(&again, 0);
    if (net_associate_decode(arena, type, body, &first, &err)) {
        require(net_associate_encode(&again, type, &first, &err) || err.code == ERR_LIMIT);
        bool encoded = err.code == ERR_NONE,
             back = encoded &&
                    net_associate_decode(arena, type, span_sub(buf_span(&again), 6, SIZE_MAX), &second, &err);
        require(back || !encoded);
        if (back)
            same(&first, &second);
    } else {
        require(err.code != ERR_NONE && err.text[0]);
    }
    buf_free(&again);
    arena_free(arena);
}

static void pdata(Span body)
{
    NetPdv pdv;
    Err err = {0};
    size_t total = 0, before = body.n;
    while (net_pdv_next(&body, &pdv, &err))
        total += pdv.data.n + NET_PDV_HEADER;
    require(total + body.n == before);
    require(err.code != ERR_NONE || body.n == 0);
}

static void one(NetPduType type, Span body)
{
    NetReject reject;
    NetAbort why;
    char text[160];
    if (type == NET_A_ASSOCIATE_RQ || type == NET_A_ASSOCIATE_AC)
        associate(type, body);
    else if (type == NET_P_DATA_TF)
        pdata(body);
    else if (type == NET_A_ASSOCIATE_RJ && net_reject_decode(body, &reject, NULL))
        require(strlen(net_reject_text(reject, text)) > 10);
    else if (type == NET_A_ABORT && net_abort_decode(body, &why, NULL))
        require(strlen(net_abort_text(why, text)) > 10);
}

int fuzz_pdu(const uint8_t *data, size_t size)
{
    Span rest = span_of(data, size);
    NetPduType type;
    uint32_t n;
    while (net_pdu_header(span_sub(rest, 0, NET_PDU_HEADER), &type, &n)) {
        one(type, span_sub(rest, NET_PDU_HEADER, n));
        rest = span_sub(rest, NET_PDU_HEADER + (size_t)n, SIZE_MAX);
    }
    return 0;
}
