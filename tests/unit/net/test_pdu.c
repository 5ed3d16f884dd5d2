// SPDX-License-Identifier: MIT
/* pdu_decode.c, pdu_encode.c, pdu_text.c: bytes recorded from DCMTK 3.6.7, bytes built by hand from PS3.8 §9.3 and PS3.7 D.3.3, and lies. */
#include "net/pdu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"

/* echoscu -aet MODALITY -aec ARCHIVE */
static const char dcmtk_rq[] =
    "0100000000cd 0001 0000 41524348495645202020202020202020 4d4f44414c4954592020202020202020"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "10000015 312e322e3834302e31303030382e332e312e312e31"
    "2000002e 0100ff00 30000011 312e322e3834302e31303030382e312e31 40000011 "
    "312e322e3834302e31303030382e312e32"
    "5000003a 51000004 00004000 5200001b 312e322e3237362e302e373233303031302e332e302e332e362e37"
    "5500000f 4f464649535f44434d544b5f333637";
/* storescp's answer */
static const char dcmtk_ac[] =
    "0200000000b8 0001 0000 41524348495645202020202020202020 4d4f44414c4954592020202020202020"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "10000015 312e322e3834302e31303030382e332e312e312e31"
    "21000019 01000000 40000011 312e322e3834302e31303030382e312e32"
    "5000003a 51000004 00004000 5200001b 312e322e3237362e302e373233303031302e332e302e332e362e37"
    "5500000f 4f464649535f44434d544b5f333637";
static const char dcmtk_echo_rq[] =
    "04000000004a 00000046 01 03 0000000004000000380000000000020012000000312e322e3834302e31303030382e312e3100"
    "000000010200000030000000100102000000010000000008020000000101";

static Span body_of(Span pdu)
{
    return span_sub(pdu, NET_PDU_HEADER, SIZE_MAX);
}

static void assert_span(Span s, const char *text)
{
    if (!span_eq_cstr(s, text))
        fail_msg("expected \"%s\", got \"%.*s\"", text, SPAN_FMT(s));
}

static void a_request_of_dcmtk(void **unused)
{
    Buf bytes, again;
    buf_init(&bytes, 0);
    buf_init(&again, 0);
    Span pdu = hex(&bytes, dcmtk_rq);
    NetPduType type;
    uint32_t length;
    assert_true(net_pdu_header(span_sub(pdu, 0, 6), &type, &length));
    assert_int_equal(type, NET_A_ASSOCIATE_RQ);
    assert_int_equal(length, pdu.n - 6);

    Arena *arena = arena_new(0);
    NetAssociate rq;
    Err err = {0};
    assert_true(net_associate_decode(arena, type, body_of(pdu), &rq, &err));
    assert_int_equal(rq.protocol_version, 1);
    assert_span(rq.called_ae, "ARCHIVE");
    assert_span(rq.calling_ae, "MODALITY");
    assert_span(rq.application_context, "1.2.840.10008.3.1.1.1");
    assert_int_equal(rq.context_count, 1);
    assert_int_equal(rq.contexts[0].id, 1);
    assert_span(rq.contexts[0].abstract_syntax, "1.2.840.10008.1.1");
    assert_int_equal(rq.contexts[0].transfer_syntax_count, 1);
    assert_span(rq.contexts[0].transfer_syntaxes[0], "1.2.840.10008.1.2");
    assert_int_equal(rq.max_pdu, 16384);
    assert_span(rq.implementation_class, "1.2.276.0.7230010.3.0.3.6.7");
    assert_span(rq.implementation_version, "OFFIS_DCMTK_367");
    assert_false(rq.has_async || rq.has_identity || rq.has_identity_response);
    assert_int_equal(rq.role_count + rq.extended_count + rq.common_count, 0);

    /* The same bytes again, but for a reserved byte that DCMTK sets to FF. */
    assert_true(net_associate_encode(&again, NET_A_ASSOCIATE_RQ, &rq, &err));
    bytes.p[0x69] = 0;
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.p, bytes.p, bytes.n);
    arena_free(arena);
    buf_free(&bytes);
    buf_free(&again);
}

static void an_answer_of_dcmtk(void **unused)
{
    Buf bytes, again;
    buf_init(&bytes, 0);
    buf_init(&again, 0);
    Span pdu = hex(&bytes, dcmtk_ac);
    Arena *arena = arena_new(0);
    NetAssociate ac;
    Err err = {0};
    assert_true(net_associate_decode(arena, NET_A_ASSOCIATE_AC, body_of(pdu), &ac, &err));
    assert_int_equal(ac.context_count, 1);
    assert_int_equal(ac.contexts[0].result, NET_CONTEXT_ACCEPTED);
    assert_span(ac.contexts[0].transfer_syntaxes[0], "1.2.840.10008.1.2");
    assert_true(net_associate_encode(&again, NET_A_ASSOCIATE_AC, &ac, &err));
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.p, bytes.p, bytes.n);
    arena_free(arena);
    buf_free(&bytes);
    buf_free(&again);
}

/* -- every user-information item -- */

/* The sub-items as the tables of the standard lay them out. */
static const char item_max_length[] = "51000004 00020000";
static const char item_class[] = "52000005 312e322e33";
static const char item_async[] = "53000004 0008 0003";
static const char item_role[] = "54000009 0005 312e322e34 01 00";
static const char item_version[] = "55000003 4f4e45";
static const char item_extended[] = "5600000a 0005 312e322e35 010001";
static const char item_common[] = "5700001b 0005 312e322e36 0005 312e322e37 000b 0003 312e38 0004 312e3130";
static const char item_identity[] = "5800000e 02 01 0004 75736572 0004 70617373";
static const char item_identity_ac[] = "59000008 0006 7469636b6574";

static void put_u16(Buf *b, size_t at, size_t v)
{
    b->p[at] = (uint8_t)(v >> 8);
    b->p[at + 1] = (uint8_t)v;
}

/* The body of an A-ASSOCIATE with the given items and one context of `type`'s kind. */
static Span body_with(Buf *b, NetPduType type, const char *context, const char *const *items, size_t count)
{
    hex(b, "0001 0000 41524348495645202020202020202020 4d4f44414c4954592020202020202020"
           "0000000000000000000000000000000000000000000000000000000000000000"
           "10000015 312e322e3834302e31303030382e332e312e312e31");
    hex(b, context                      ? context
           : type == NET_A_ASSOCIATE_RQ ? "20000012 05000000 30000003 312e35 40000003 312e36"
                                        : "2100000b 05000000 40000003 312e36");
    hex(b, "5000 0000");
    size_t start = b->n;
    for (size_t i = 0; i < count; i++)
        hex(b, items[i]);
    put_u16(b, start - 2, b->n - start);
    return buf_span(b);
}

static const char *const rq_items[] = {item_max_length, item_class,    item_async,  item_role,
                                       item_version,    item_extended, item_common, item_identity};
static const char *const ac_items[] = {item_max_length, item_class,    item_async,      item_role,
                                       item_version,    item_extended, item_identity_ac};

static void check_all_items(const NetAssociate *pdu, bool request)
{
    assert_int_equal(pdu->max_pdu, 0x20000);
    assert_span(pdu->implementation_class, "1.2.3");
    assert_span(pdu->implementation_version, "ONE");
    assert_true(pdu->has_async);
    assert_int_equal(pdu->async_invoked, 8);
    assert_int_equal(pdu->async_performed, 3);
    assert_int_equal(pdu->role_count, 1);
    assert_span(pdu->roles[0].sop_class, "1.2.4");
    assert_true(pdu->roles[0].scu);
    assert_false(pdu->roles[0].scp);
    assert_int_equal(pdu->extended_count, 1);
    assert_span(pdu->extended[0].sop_class, "1.2.5");
    assert_int_equal(pdu->extended[0].info.n, 3);
    assert_memory_equal(pdu->extended[0].info.p, "\1\0\1", 3);
    assert_int_equal(pdu->has_identity, request);
    assert_int_equal(pdu->has_identity_response, !request);
    assert_int_equal(pdu->common_count, request ? 1 : 0);
    if (!request) {
        assert_span(pdu->identity_response, "ticket");
        return;
    }
    assert_int_equal(pdu->identity.type, 2);
    assert_true(pdu->identity.response_requested);
    assert_span(pdu->identity.primary, "user");
    assert_span(pdu->identity.secondary, "pass");
    assert_span(pdu->common[0].sop_class, "1.2.6");
    assert_span(pdu->common[0].service_class, "1.2.7");
    assert_int_equal(pdu->common[0].related_count, 2);
    assert_span(pdu->common[0].related[0], "1.8");
    assert_span(pdu->common[0].related[1], "1.10");
}

static void every_item_there_and_back(void **unused)
{
    for (int request = 0; request < 2; request++) {
        NetPduType type = request ? NET_A_ASSOCIATE_RQ : NET_A_ASSOCIATE_AC;
        Buf bytes, again;
        buf_init(&bytes, 0);
        buf_init(&again, 0);
        Span body =
            request ? body_with(&bytes, type, NULL, rq_items, 8) : body_with(&bytes, type, NULL, ac_items, 7);
        Arena *arena = arena_new(0);
        NetAssociate pdu;
        Err err = {0};
        if (!net_associate_decode(arena, type, body, &pdu, &err))
            fail_msg("%s", err.text);
        check_all_items(&pdu, request);
        assert_true(net_associate_encode(&again, type, &pdu, &err));
        assert_int_equal(again.n, bytes.n + 6);
        assert_memory_equal(again.p + 6, bytes.p, bytes.n);
        arena_free(arena);
        buf_free(&bytes);
        buf_free(&again);
    }
}

/* A body may end where a top-level item ends (the sender then proposes less); anywhere else it is cut. */
static bool is_boundary(Span body, size_t n)
{
    size_t at = 68;
    while (at < n)
        at += 4 + ((size_t)body.p[at + 2] << 8 | body.p[at + 3]);
    return at == n;
}

static void cut_at_every_byte(void **unused)
{
    Buf bytes;
    buf_init(&bytes, 0);
    Span body = body_with(&bytes, NET_A_ASSOCIATE_RQ, NULL, rq_items, 8);
    for (size_t n = 0; n < body.n; n++) {
        Arena *arena = arena_new(0);
        NetAssociate pdu;
        Err err = {0};
        uint8_t *exact = malloc(n + 1); /* so that the sanitizer sees a read beyond the cut */
        memcpy(exact, body.p, n);
        uint8_t *tight = realloc(exact, n ? n : 1);
        bool good = net_associate_decode(arena, NET_A_ASSOCIATE_RQ, span_of(tight, n), &pdu, &err);
        if (good != is_boundary(body, n))
            fail_msg("cut at %zu: %s", n, good ? "accepted" : err.text);
        if (!good) {
            assert_int_equal(err.code, ERR_FORMAT);
            assert_true(strlen(err.text) > 20);
        }
        free(tight);
        arena_free(arena);
    }
    buf_free(&bytes);
}

/* Every length byte set to every power of two more: no value may make the decoder read outside or succeed by misreading the contexts. */
static void lengths_that_lie(void **unused)
{
    Buf bytes;
    buf_init(&bytes, 0);
    Span body = body_with(&bytes, NET_A_ASSOCIATE_RQ, NULL, rq_items, 8);
    uint8_t *copy = malloc(body.n);
    for (size_t at = 0; at < body.n; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, body.p, body.n);
            copy[at] ^= (uint8_t)(1 << bit);
            Arena *arena = arena_new(0);
            NetAssociate pdu = {0};
            Err err = {0};
            bool good = net_associate_decode(arena, NET_A_ASSOCIATE_RQ, span_of(copy, body.n), &pdu, &err);
            assert_int_equal(good, err.code == ERR_NONE);
            for (size_t i = 0; good && i < pdu.context_count; i++) {
                assert_true(pdu.contexts[i].abstract_syntax.p >= copy);
                assert_true(pdu.contexts[i].abstract_syntax.p + pdu.contexts[i].abstract_syntax.n <=
                            copy + body.n);
            }
            arena_free(arena);
        }
    }
    free(copy);
    buf_free(&bytes);
}

static void items_that_are_refused(void **unused)
{
    static const struct {
        const char *context, *item, *says;
    } bad[] = {
        {NULL, "51000004 00020000 51000004 00020000", "second maximum length"},
        {NULL, "51000002 0002", "less than 4 bytes"},
        {NULL, "52000003 312e32 52000003 312e32", "stands twice"},
        {NULL, "55000001 41 55000001 42", "stands twice"},
        {NULL, "53000004 00010001 53000004 00010001", "second asynchronous"},
        {NULL, "53000003 000100", "asynchronous operations window of less"},
        {NULL, "54000009 0005 312e322e34 01 00 54000009 0005 312e322e34 00 01", "roles twice"},
        {NULL, "54000009 0006 312e322e34 01 00", "ends early"},
        {NULL, "56000003 0005 31", "ends early"},
        {NULL, "57000006 0001 31 0009 31", "ends early"},
        {NULL, "5700000b 0001 31 0001 31 0003 0009 31", "related SOP class that ends early"},
        {NULL, "58000006 01 00 0000 0000 58000006 01 00 0000 0000", "second user identity"},
        {NULL, "58000006 01 00 0009 0000", "ends early"},
        {"20000012 04000000 30000003 312e35 40000003 312e36", "", "even context id"},
        {"20000012 05000000 30000003 312e35 40000003 312e36 20000012 05000000 30000003 312e35 40000003 "
         "312e36",
         "", "repeats a context id"},
        {"2000000b 05000000 40000003 312e36", "", "no abstract syntax"},
        {"2000000b 05000000 30000003 312e36", "", "no transfer syntax"},
        {"20000019 05000000 30000003 312e35 30000003 312e35 40000003 312e36", "", "second abstract syntax"},
        {"20000002 0500", "", "too short"},
        {"20000012 05000000 30000003 312e35 40000009 312e36", "", "longer than what holds it"},
        {"10000001 31", "", "stands twice"},
        {"50000000", "", "second user information"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Buf bytes;
        buf_init(&bytes, 0);
        Span body = body_with(&bytes, NET_A_ASSOCIATE_RQ, bad[i].context, &bad[i].item, 1);
        Arena *arena = arena_new(0);
        NetAssociate pdu = {.max_pdu = 77};
        Err err = {0};
        assert_false(net_associate_decode(arena, NET_A_ASSOCIATE_RQ, body, &pdu, &err));
        if (!strstr(err.text, bad[i].says))
            fail_msg("case %zu: expected \"%s\" in \"%s\"", i, bad[i].says, err.text);
        assert_int_equal(pdu.max_pdu, 77); /* untouched */
        arena_free(arena);
        buf_free(&bytes);
    }
}

static void what_is_tolerated(void **unused)
{
    /* Unknown items are skipped, UIDs may be padded, and a common extended negotiation may lack its list. */
    const char *items[] = {"5f000002 0102", "52000004 312e3200", "57000006 0001 31 0001 32"};
    Buf bytes;
    buf_init(&bytes, 0);
    Span body = body_with(&bytes, NET_A_ASSOCIATE_RQ, "99000001 00", items, 3);
    Arena *arena = arena_new(0);
    NetAssociate pdu;
    Err err = {0};
    assert_true(net_associate_decode(arena, NET_A_ASSOCIATE_RQ, body, &pdu, &err));
    assert_span(pdu.implementation_class, "1.2");
    assert_int_equal(pdu.common[0].related_count, 0);
    assert_int_equal(pdu.max_pdu, 16384); /* not said */
    assert_int_equal(pdu.context_count, 0);
    /* In an answer, a rejected context need not name a syntax; an unknown result is no acceptance. */
    buf_clear(&bytes);
    body = body_with(&bytes, NET_A_ASSOCIATE_AC, "21000004 07000300 2100000b 09000900 40000003 312e36", items,
                     0);
    assert_true(net_associate_decode(arena, NET_A_ASSOCIATE_AC, body, &pdu, &err));
    assert_int_equal(pdu.contexts[0].result, NET_CONTEXT_ABSTRACT_SYNTAX);
    assert_int_equal(pdu.contexts[1].result, NET_CONTEXT_NO_REASON);
    buf_clear(&bytes);
    body = body_with(&bytes, NET_A_ASSOCIATE_AC, "21000004 07000000", items, 0);
    assert_false(net_associate_decode(arena, NET_A_ASSOCIATE_AC, body, &pdu, &err));
    arena_free(arena);
    buf_free(&bytes);
}

static void the_limits(void **unused)
{
    /* 128 contexts are the ids there are; 129 transfer syntaxes in one are too many. */
    Buf bytes, items;
    buf_init(&bytes, 0);
    buf_init(&items, 0);
    char one[64];
    for (int id = 1; id < 256; id += 2) {
        snprintf(one, sizeof one, "20000012%02x00000030000003312e3540000003312e36", id);
        buf_append_cstr(&items, one);
    }
    Arena *arena = arena_new(0);
    NetAssociate pdu;
    Err err = {0};
    Span body = body_with(&bytes, NET_A_ASSOCIATE_RQ, buf_cstr(&items), rq_items, 8);
    assert_true(net_associate_decode(arena, NET_A_ASSOCIATE_RQ, body, &pdu, &err));
    assert_int_equal(pdu.context_count, NET_MAX_CONTEXTS);
    assert_int_equal(pdu.contexts[127].id, 255);
    buf_append_cstr(&items, one);
    buf_clear(&bytes);
    body = body_with(&bytes, NET_A_ASSOCIATE_RQ, buf_cstr(&items), rq_items, 8);
    assert_false(net_associate_decode(arena, NET_A_ASSOCIATE_RQ, body, &pdu, &err));
    for (size_t count = NET_MAX_SYNTAXES; count <= NET_MAX_SYNTAXES + 1; count++) {
        buf_clear(&bytes);
        buf_clear(&items);
        buf_printf(&items, "2000%04zx 05000000 30000003 312e35", 4 + 7 + count * 5);
        for (size_t i = 0; i < count; i++)
            buf_append_cstr(&items, "4000000131");
        body = body_with(&bytes, NET_A_ASSOCIATE_RQ, buf_cstr(&items), rq_items, 8);
        assert_int_equal(net_associate_decode(arena, NET_A_ASSOCIATE_RQ, body, &pdu, &err),
                         count == NET_MAX_SYNTAXES);
    }
    arena_free(arena);
    buf_free(&bytes);
    buf_free(&items);
}

static void too_long_to_encode(void **unused)
{
    static uint8_t token[70000];
    NetAssociate pdu = {.has_identity = true, .identity = {.type = 4, .primary = {token, sizeof token}}};
    Buf out;
    buf_init(&out, 0);
    Err err = {0};
    assert_false(net_associate_encode(&out, NET_A_ASSOCIATE_RQ, &pdu, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&out);
    buf_init(&out, 100);
    assert_false(net_associate_encode(&out, NET_A_ASSOCIATE_RQ, &pdu, &err));
    buf_free(&out);
}

static void the_small_pdus(void **unused)
{
    Buf out;
    buf_init(&out, 0);
    net_reject_encode(&out, (NetReject){1, 1, 7});
    net_release_encode(&out, NET_A_RELEASE_RQ);
    net_release_encode(&out, NET_A_RELEASE_RP);
    net_abort_encode(&out, (NetAbort){2, 6});
    Buf want;
    buf_init(&want, 0);
    hex(&want, "030000000004 00010107 050000000004 00000000 060000000004 00000000 070000000004 00000206");
    assert_int_equal(out.n, want.n);
    assert_memory_equal(out.p, want.p, want.n);
    NetReject reject = {0};
    NetAbort abort = {0};
    Err err = {0};
    assert_true(net_reject_decode(span_of(out.p + 6, 4), &reject, &err));
    assert_int_equal(reject.result * 100 + reject.source * 10 + reject.reason, 117);
    assert_true(net_abort_decode(span_of(out.p + 36, 4), &abort, &err));
    assert_int_equal(abort.source * 10 + abort.reason, 26);
    for (size_t n = 0; n < 4; n++) {
        assert_false(net_reject_decode(span_of(out.p + 6, n), &reject, &err));
        assert_false(net_abort_decode(span_of(out.p + 6, n), &abort, &err));
    }
    buf_free(&out);
    buf_free(&want);
}

static void headers(void **unused)
{
    NetPduType type;
    uint32_t length;
    assert_true(net_pdu_header(span_of("\4\0\xff\xff\xff\xff", 6), &type, &length));
    assert_int_equal(type, NET_P_DATA_TF);
    assert_int_equal(length, UINT32_MAX);
    assert_false(net_pdu_header(span_of("\0\0\0\0\0\4", 6), &type, &length));
    assert_false(net_pdu_header(span_of("\10\0\0\0\0\4", 6), &type, &length));
    assert_false(net_pdu_header(span_of("GET / ", 6), &type, &length));
    assert_false(net_pdu_header(span_of("\4\0\0\0\0", 5), &type, &length));
    uint8_t out[12];
    net_pdata_header(out, 3, true, false, 0x01020304);
    assert_memory_equal(out, "\4\0\1\2\3\12\1\2\3\6\3\1", 12);
    net_pdata_header(out, 255, false, true, 0);
    assert_memory_equal(out, "\4\0\0\0\0\6\0\0\0\2\377\2", 12);
}

static void pdvs(void **unused)
{
    Buf bytes;
    buf_init(&bytes, 0);
    Span body = body_of(hex(&bytes, dcmtk_echo_rq));
    NetPdv pdv;
    Err err = {0};
    assert_true(net_pdv_next(&body, &pdv, &err));
    assert_int_equal(pdv.context_id, 1);
    assert_true(pdv.command && pdv.last);
    assert_int_equal(pdv.data.n, 68);
    assert_false(net_pdv_next(&body, &pdv, &err));
    assert_int_equal(err.code, ERR_NONE);
    /* Two in one PDU, the second empty. */
    buf_clear(&bytes);
    body = hex(&bytes, "00000004 07 00 4142 00000002 09 02");
    assert_true(net_pdv_next(&body, &pdv, &err));
    assert_int_equal(pdv.context_id, 7);
    assert_false(pdv.command || pdv.last);
    assert_span(pdv.data, "AB");
    assert_true(net_pdv_next(&body, &pdv, &err));
    assert_int_equal(pdv.data.n, 0);
    assert_false(pdv.command);
    assert_true(pdv.last);
    assert_false(net_pdv_next(&body, &pdv, &err));
    assert_int_equal(err.code, ERR_NONE);
    static const char *const lies[] = {"00000005 07 00 4142", "00000001 07 00", "00000000 07 00",
                                       "ffffffff 07 00 4142", "00000002 07",    "000000"};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        buf_clear(&bytes);
        body = hex(&bytes, lies[i]);
        err = (Err){0};
        assert_false(net_pdv_next(&body, &pdv, &err));
        assert_int_equal(err.code, ERR_FORMAT);
    }
    buf_free(&bytes);
}

static void words(void **unused)
{
    char text[160];
    assert_string_equal(net_reject_text((NetReject){1, 1, 7}, text),
                        "rejected (permanent) by service user: called AE title not recognised");
    assert_string_equal(net_reject_text((NetReject){2, 3, 1}, text),
                        "rejected (transient) by service provider (presentation): temporary congestion");
    assert_string_equal(net_reject_text((NetReject){1, 2, 2}, text),
                        "rejected (permanent) by service provider (ACSE): protocol version not supported");
    assert_string_equal(net_reject_text((NetReject){9, 9, 99}, text),
                        "rejected (unknown result) by unknown source: reason 99");
    char abort[120];
    assert_string_equal(net_abort_text((NetAbort){0, 0}, abort), "aborted by service user");
    assert_string_equal(net_abort_text((NetAbort){2, 2}, abort),
                        "aborted by service provider: unexpected PDU");
    assert_string_equal(net_abort_text((NetAbort){2, 99}, abort), "aborted by service provider: reason 99");
    assert_string_equal(net_abort_text((NetAbort){5, 1}, abort), "aborted by unknown source: reason 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_of_dcmtk),
        cmocka_unit_test(an_answer_of_dcmtk),
        cmocka_unit_test(every_item_there_and_back),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(lengths_that_lie),
        cmocka_unit_test(items_that_are_refused),
        cmocka_unit_test(what_is_tolerated),
        cmocka_unit_test(the_limits),
        cmocka_unit_test(too_long_to_encode),
        cmocka_unit_test(the_small_pdus),
        cmocka_unit_test(headers),
        cmocka_unit_test(pdvs),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
