// SPDX-License-Identifier: MIT
/*
 * PDUs to bytes, PS3.8 §9.3. Lengths are written as zero first and put right when what they measure is complete; a length that does not
 * fit its two bytes is an error.
 */
#include "net/pdu.h"

#include <string.h>

/* Where the two-byte length of an open item stands, and the name of what failed to fit. */
typedef struct Encoder {
    Buf *out;
    bool overflow;
} Encoder;

static size_t open_item(Encoder *e, uint8_t type)
{
    buf_u8(e->out, type);
    buf_u8(e->out, 0);
    buf_u16be(e->out, 0);
    return e->out->n;
}

static void close_item(Encoder *e, size_t start)
{
    if (e->out->failed)
        return;
    size_t n = e->out->n - start;
    if (n > UINT16_MAX)
        e->overflow = true;
    e->out->p[start - 2] = (uint8_t)(n >> 8);
    e->out->p[start - 1] = (uint8_t)n;
}

static void put_item(Encoder *e, uint8_t type, Span value)
{
    size_t at = open_item(e, type);
    buf_append_span(e->out, value);
    close_item(e, at);
}

static void put_counted(Encoder *e, Span value)
{
    if (value.n > UINT16_MAX)
        e->overflow = true;
    buf_u16be(e->out, (uint16_t)value.n);
    buf_append_span(e->out, value);
}

static void put_ae(Buf *out, Span ae)
{
    uint8_t title[16];
    memset(title, ' ', sizeof title);
    if (ae.n)
        memcpy(title, ae.p, ae.n < sizeof title ? ae.n : sizeof title);
    buf_append(out, title, sizeof title);
}

static void put_context(Encoder *e, NetPduType type, const NetContext *context)
{
    bool request = type == NET_A_ASSOCIATE_RQ;
    size_t at = open_item(e, request ? 0x20 : 0x21);
    buf_append(e->out, (uint8_t[]){context->id, 0, request ? 0 : (uint8_t)context->result, 0}, 4);
    if (request)
        put_item(e, 0x30, context->abstract_syntax);
    for (size_t i = 0; i < context->transfer_syntax_count; i++)
        put_item(e, 0x40, context->transfer_syntaxes[i]);
    close_item(e, at);
}

static void put_async(Encoder *e, const NetAssociate *pdu)
{
    size_t at = open_item(e, 0x53);
    buf_u16be(e->out, pdu->async_invoked);
    buf_u16be(e->out, pdu->async_performed);
    close_item(e, at);
}

static void put_role(Encoder *e, const NetRole *role)
{
    size_t at = open_item(e, 0x54);
    put_counted(e, role->sop_class);
    buf_u8(e->out, role->scu);
    buf_u8(e->out, role->scp);
    close_item(e, at);
}

static void put_extended(Encoder *e, const NetExtended *extended)
{
    size_t at = open_item(e, 0x56);
    put_counted(e, extended->sop_class);
    buf_append_span(e->out, extended->info);
    close_item(e, at);
}

static void put_common(Encoder *e, const NetCommonExtended *common)
{
    size_t at = open_item(e, 0x57);
    put_counted(e, common->sop_class);
    put_counted(e, common->service_class);
    size_t list = e->out->n + 2;
    buf_u16be(e->out, 0);
    for (size_t i = 0; i < common->related_count; i++)
        put_counted(e, common->related[i]);
    close_item(e, list);
    close_item(e, at);
}

static void put_identity(Encoder *e, const NetIdentity *identity)
{
    size_t at = open_item(e, 0x58);
    buf_u8(e->out, identity->type);
    buf_u8(e->out, identity->response_requested);
    put_counted(e, identity->primary);
    put_counted(e, identity->secondary);
    close_item(e, at);
}

static void put_user_information(Encoder *e, const NetAssociate *pdu)
{
    size_t user = open_item(e, 0x50);
    size_t at = open_item(e, 0x51);
    buf_u32be(e->out, pdu->max_pdu);
    close_item(e, at);
    put_item(e, 0x52, pdu->implementation_class);
    if (pdu->has_async)
        put_async(e, pdu);
    for (size_t i = 0; i < pdu->role_count; i++)
        put_role(e, &pdu->roles[i]);
    if (pdu->implementation_version.n)
        put_item(e, 0x55, pdu->implementation_version);
    for (size_t i = 0; i < pdu->extended_count; i++)
        put_extended(e, &pdu->extended[i]);
    for (size_t i = 0; i < pdu->common_count; i++)
        put_common(e, &pdu->common[i]);
    if (pdu->has_identity)
        put_identity(e, &pdu->identity);
    if (pdu->has_identity_response) {
        at = open_item(e, 0x59);
        put_counted(e, pdu->identity_response);
        close_item(e, at);
    }
    close_item(e, user);
}

static void put_length(Buf *out, size_t start)
{
    uint32_t n = (uint32_t)(out->n - start);
    for (int i = 0; i < 4; i++)
        out->p[start - 4 + i] = (uint8_t)(n >> (24 - 8 * i));
}

static size_t open_pdu(Buf *out, NetPduType type)
{
    buf_u8(out, (uint8_t)type);
    buf_u8(out, 0);
    buf_u32be(out, 0);
    return out->n;
}

bool net_associate_encode(Buf *out, NetPduType type, const NetAssociate *pdu, Err *err)
{
    Encoder e = {.out = out};
    size_t start = open_pdu(out, type);
    buf_u16be(out, pdu->protocol_version);
    buf_u16be(out, 0);
    put_ae(out, pdu->called_ae);
    put_ae(out, pdu->calling_ae);
    buf_append(out, (uint8_t[32]){0}, 32);
    put_item(&e, 0x10, pdu->application_context);
    for (size_t i = 0; i < pdu->context_count; i++)
        put_context(&e, type, &pdu->contexts[i]);
    put_user_information(&e, pdu);
    if (out->failed)
        return err_set(err, ERR_LIMIT, "A-ASSOCIATE: does not fit into %zu bytes; propose less", out->limit);
    if (e.overflow)
        return err_set(err, ERR_LIMIT,
                       "A-ASSOCIATE: an item is longer than 65535 bytes; propose less or use a shorter "
                       "user identity");
    put_length(out, start);
    return true;
}

void net_reject_encode(Buf *out, NetReject reject)
{
    buf_append(out,
               (uint8_t[]){NET_A_ASSOCIATE_RJ, 0, 0, 0, 0, 4, 0, reject.result, reject.source, reject.reason},
               10);
}

void net_release_encode(Buf *out, NetPduType type)
{
    buf_append(out, (uint8_t[]){(uint8_t)type, 0, 0, 0, 0, 4, 0, 0, 0, 0}, 10);
}

void net_abort_encode(Buf *out, NetAbort abort)
{
    buf_append(out, (uint8_t[]){NET_A_ABORT, 0, 0, 0, 0, 4, 0, 0, abort.source, abort.reason}, 10);
}

static void store_u32be(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void net_pdata_header(uint8_t out[12], uint8_t context_id, bool command, bool last, uint32_t n)
{
    out[0] = NET_P_DATA_TF;
    out[1] = 0;
    store_u32be(out + 2, n + NET_PDV_HEADER);
    store_u32be(out + 6, n + 2);
    out[10] = context_id;
    out[11] = (uint8_t)((command ? 1 : 0) | (last ? 2 : 0));
}
