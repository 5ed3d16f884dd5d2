// SPDX-License-Identifier: MIT
/*
 * Two kinds of peer for tests of associations: a service (a thread that accepts on one end of a connection, answers every request and counts
 * what it saw), and a raw peer (the test itself, byte by byte). cmocka's asserts are for the main thread only: a service records.
 */
#ifndef GANTRY_TESTS_NET_PEERS_H
#define GANTRY_TESTS_NET_PEERS_H

#include "net/net.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hex.h"

#define VERIFICATION "1.2.840.10008.1.1"
#define CT_STORAGE   "1.2.840.10008.5.1.4.1.1.2"
#define IMPLICIT     "1.2.840.10008.1.2"
#define EXPLICIT     "1.2.840.10008.1.2.1"

static const char *const both_syntaxes[] = {EXPLICIT, IMPLICIT};

/* -- a service -- */

typedef struct Service {
    /* set by the test */
    int fd;
    bool listening; /* fd is a listening socket: accept one connection */
    NetTls *tls;
    NetPolicy policy;
    void (*talk)(struct Service *, NetAssociation *); /* NULL: answer every request with success */
    void *ctx;
    /* found by the test after service_join */
    bool associated;
    NetGot end;
    Err err;
    int commands;
    size_t bytes, pieces, largest;
    uint64_t sum; /* of the bytes of all data sets, by position */
    NetCommand last;
    pthread_t thread;
} Service;

__attribute__((unused)) static bool take_everyone(void *ctx, const NetAssociate *rq, NetAddress peer,
                                                  NetReject *reject)
{
    return true;
}

__attribute__((unused)) static NetDecision take_first(void *ctx, const NetOffer *offer)
{
    return (NetDecision){.result = NET_CONTEXT_ACCEPTED, .scu = offer->scu, .scp = offer->scp};
}

static inline bool service_take_data(Service *s, NetAssociation *a)
{
    size_t at = 0;
    for (Span piece;;) {
        if (!net_data_next(a, &piece, &s->err))
            return false;
        if (piece.n == 0)
            return true;
        for (size_t i = 0; i < piece.n; i++)
            s->sum += piece.p[i] * (uint64_t)(at + i + 1);
        at += piece.n;
        s->bytes += piece.n;
        s->pieces++;
        s->largest = piece.n > s->largest ? piece.n : s->largest;
    }
}

static inline void service_answer_all(Service *s, NetAssociation *a)
{
    for (;;) {
        s->end = net_receive(a, &s->last, deadline_in(20000), &s->err);
        if (s->end != NET_GOT_COMMAND)
            return;
        s->commands++;
        if (s->last.has_data_set && !service_take_data(s, a)) {
            s->end = NET_GOT_END;
            return;
        }
        if (NET_IS_RESPONSE(s->last.field) || s->last.field == NET_C_CANCEL_RQ)
            continue;
        NetCommand response = net_response_to(&s->last, 0);
        if (!net_send(a, &response, NULL, &s->err)) {
            s->end = NET_GOT_END;
            return;
        }
    }
}

static inline void *service_main(void *ctx)
{
    Service *s = ctx;
    int fd = s->listening ? accept(s->fd, NULL, NULL) : s->fd;
    NetStream *stream = net_stream_accept(fd, s->tls, deadline_in(5000), &s->err);
    NetAssociation *a = stream ? net_accept(stream, &s->policy, &s->err) : NULL;
    s->associated = a != NULL;
    if (a)
        (s->talk ? s->talk : service_answer_all)(s, a);
    net_association_free(a);
    return NULL;
}

static inline void service_start(Service *s)
{
    if (!s->policy.admit)
        s->policy.admit = take_everyone;
    if (!s->policy.decide)
        s->policy.decide = take_first;
    assert_int_equal(pthread_create(&s->thread, NULL, service_main, s), 0);
}

static inline void service_join(Service *s)
{
    pthread_join(s->thread, NULL);
}

/* A socketpair whose one end the service has; returns the other. */
static inline int service_over_pair(Service *s)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    s->fd = fds[0];
    service_start(s);
    return fds[1];
}

/* -- a requestor -- */

static const NetProposal two_proposals[] = {
    {.abstract_syntax = VERIFICATION, .transfer_syntaxes = both_syntaxes + 1, .transfer_syntax_count = 1},
    {.abstract_syntax = CT_STORAGE, .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 2},
};
enum { VERIFICATION_ID = 1, CT_ID = 3 };

static inline NetRequest simple_request(void)
{
    return (NetRequest){.host = "127.0.0.1",
                        .calling_ae = "CALLER",
                        .called_ae = "CALLED",
                        .proposals = two_proposals,
                        .proposal_count = 2,
                        .timeouts = {.connect_ms = 5000, .acse_ms = 5000, .dimse_ms = 5000}};
}

static inline NetAssociation *associate_over(int fd)
{
    NetRequest request = simple_request();
    Err err = {0};
    NetAssociation *a = net_associate_on(net_stream_of_fd(fd), &request, NULL, &err);
    if (!a)
        fail_msg("associate: %s", err.text);
    return a;
}

static inline NetCommand echo_request(NetAssociation *a)
{
    return (NetCommand){.field = NET_C_ECHO_RQ,
                        .context_id = VERIFICATION_ID,
                        .message_id = net_next_message_id(a),
                        .sop_class = VERIFICATION};
}

static inline NetCommand store_request(NetAssociation *a)
{
    return (NetCommand){.field = NET_C_STORE_RQ,
                        .context_id = CT_ID,
                        .message_id = net_next_message_id(a),
                        .sop_class = CT_STORAGE,
                        .sop_instance = "1.2.3.4"};
}

static inline void expect_response(NetAssociation *a, uint16_t field, uint16_t responded_to)
{
    NetCommand rsp = {0};
    Err err = {0};
    NetGot got = net_receive(a, &rsp, deadline_in(10000), &err);
    if (got != NET_GOT_COMMAND)
        fail_msg("expected %s, got %d: %s", net_field_name(field), got, err.text);
    assert_string_equal(net_field_name(rsp.field), net_field_name(field));
    assert_int_equal(rsp.responded_to, responded_to);
    assert_int_equal(rsp.status, 0);
}

static inline void expect_echo(NetAssociation *a)
{
    Err err = {0};
    NetCommand rq = echo_request(a);
    if (!net_send(a, &rq, NULL, &err))
        fail_msg("echo: %s", err.text);
    expect_response(a, NET_C_ECHO_RSP, rq.message_id);
}

static inline void release_and_free(NetAssociation *a)
{
    Err err = {0};
    if (!net_release(a, &err))
        fail_msg("release: %s", err.text);
    net_association_free(a);
}

/* -- a raw peer -- */

static inline void raw_write(int fd, const void *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the other side ended first: what it said is what the test looks at */
        p = (const uint8_t *)p + sent;
        n -= (size_t)sent;
    }
}

static inline void raw_send(int fd, const char *hex_text)
{
    Buf b;
    buf_init(&b, 0);
    Span bytes = hex(&b, hex_text);
    raw_write(fd, bytes.p, bytes.n);
    buf_free(&b);
}

/* Exactly n bytes within 5 s; false at the end of the stream. */
static inline bool raw_read(int fd, void *p, size_t n)
{
    while (n > 0) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        if (poll(&one, 1, 5000) != 1)
            fail_msg("the other side said nothing for 5 s");
        ssize_t got = recv(fd, p, n, 0);
        if (got <= 0)
            return false;
        p = (uint8_t *)p + got;
        n -= (size_t)got;
    }
    return true;
}

/* The next PDU whole, header included, appended to `out` (cleared first). False at the end of the stream. */
static inline bool raw_pdu(int fd, Buf *out)
{
    uint8_t header[6];
    buf_clear(out);
    if (!raw_read(fd, header, sizeof header))
        return false;
    size_t n = (size_t)header[2] << 24 | (size_t)header[3] << 16 | (size_t)header[4] << 8 | header[5];
    assert_true(n < 4 << 20);
    buf_append(out, header, sizeof header);
    uint8_t *room = buf_reserve(out, n);
    assert_true(raw_read(fd, room, n));
    out->n += n;
    return true;
}

/* Skips P-DATA until something else comes. */
static inline void raw_expect_abort(int fd, uint8_t source, uint8_t reason)
{
    Buf pdu;
    buf_init(&pdu, 0);
    do {
        if (!raw_pdu(fd, &pdu))
            fail_msg("closed without A-ABORT");
    } while (pdu.p[0] == NET_P_DATA_TF);
    if (pdu.p[0] != NET_A_ABORT || pdu.p[8] != source || pdu.p[9] != reason)
        fail_msg("expected A-ABORT %u/%u, got PDU %u %u/%u", source, reason, pdu.p[0], pdu.p[8], pdu.p[9]);
    buf_free(&pdu);
}

static inline void raw_expect_type(int fd, NetPduType type)
{
    Buf pdu;
    buf_init(&pdu, 0);
    assert_true(raw_pdu(fd, &pdu));
    assert_int_equal(pdu.p[0], type);
    buf_free(&pdu);
}

static inline void raw_expect_end(int fd)
{
    uint8_t byte;
    assert_false(raw_read(fd, &byte, 1));
}

/* echoscu's request: CALLED/CALLING, Verification on context 1, CT on context 3, maximum length as given. */
static inline void raw_request(int fd, uint32_t max_pdu)
{
    static const char *const implicit[] = {IMPLICIT};
    Span syntax = span_cstr(implicit[0]);
    NetContext contexts[] = {{.id = VERIFICATION_ID,
                              .abstract_syntax = SPAN(VERIFICATION),
                              .transfer_syntaxes = &syntax,
                              .transfer_syntax_count = 1},
                             {.id = CT_ID,
                              .abstract_syntax = SPAN(CT_STORAGE),
                              .transfer_syntaxes = &syntax,
                              .transfer_syntax_count = 1}};
    NetAssociate rq = {.protocol_version = 1,
                       .called_ae = SPAN("CALLED"),
                       .calling_ae = SPAN("RAW"),
                       .application_context = SPAN("1.2.840.10008.3.1.1.1"),
                       .contexts = contexts,
                       .context_count = 2,
                       .max_pdu = max_pdu,
                       .implementation_class = SPAN("1.2.3")};
    Buf out;
    buf_init(&out, 0);
    assert_true(net_associate_encode(&out, NET_A_ASSOCIATE_RQ, &rq, NULL));
    raw_write(fd, out.p, out.n);
    buf_free(&out);
}

/* Associates as a raw requestor. */
static inline void raw_associate(int fd, uint32_t max_pdu)
{
    raw_request(fd, max_pdu);
    raw_expect_type(fd, NET_A_ASSOCIATE_AC);
}

/* One PDV in one P-DATA-TF. */
static inline void raw_pdv(int fd, uint8_t context, bool command, bool last, Span data)
{
    uint8_t header[12];
    net_pdata_header(header, context, command, last, (uint32_t)data.n);
    raw_write(fd, header, sizeof header);
    raw_write(fd, data.p, data.n);
}

static inline void raw_command(int fd, const NetCommand *command)
{
    Buf out;
    buf_init(&out, 0);
    assert_true(net_command_encode(&out, command, NULL));
    raw_pdv(fd, command->context_id, true, true, buf_span(&out));
    buf_free(&out);
}

#endif
