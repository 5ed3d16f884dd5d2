// SPDX-License-Identifier: MIT
/* A peer for the tests of the clients: listens on loopback, accepts one association, runs a script of the test on it. */
#ifndef GANTRY_TEST_SCU_PEER_H
#define GANTRY_TEST_SCU_PEER_H

#include "dicom/dicom.h"
#include "net/net.h"
#include "scu/scu.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef void (*Script)(NetAssociation *association, void *ctx);

typedef struct Peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    Script script;
    void *ctx;
    bool reject;
    const char *accept_only; /* abstract syntax; NULL = all */
    size_t contexts;         /* proposed by the client */
    bool accepted;
} Peer;

static const NetTimeouts peer_timeouts = {
    .connect_ms = 5000, .acse_ms = 5000, .dimse_ms = 5000, .network_ms = 5000};

static bool peer_admit(void *ctx, const NetAssociate *request, NetAddress from, NetReject *reject)
{
    Peer *peer = ctx;
    peer->contexts = request->context_count;
    *reject = (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_USER, NET_REJECT_CALLING_AE};
    return !peer->reject;
}

static NetDecision peer_decide(void *ctx, const NetOffer *offer)
{
    const Peer *peer = ctx;
    if (peer->accept_only && !span_eq_cstr(offer->abstract_syntax, peer->accept_only))
        return (NetDecision){.result = NET_CONTEXT_ABSTRACT_SYNTAX};
    return (NetDecision){
        .result = NET_CONTEXT_ACCEPTED, .transfer_syntax = 0, .scu = offer->scu, .scp = offer->scp};
}

static void *peer_main(void *arg)
{
    Peer *peer = arg;
    struct pollfd waiting = {.fd = peer->listener, .events = POLLIN};
    if (poll(&waiting, 1, 5000) != 1)
        return NULL;
    int fd = accept(peer->listener, NULL, NULL);
    NetStream *stream = net_stream_accept(fd, NULL, deadline_in(5000), NULL);
    NetPolicy policy = {
        .ctx = peer, .admit = peer_admit, .decide = peer_decide, .max_async = 1, .timeouts = peer_timeouts};
    NetAssociation *association = stream ? net_accept(stream, &policy, NULL) : NULL;
    peer->accepted = association != NULL;
    if (association && peer->script)
        peer->script(association, peer->ctx);
    if (association) { /* until the client says goodbye */
        NetCommand command;
        while (net_is_open(association) &&
               net_receive(association, &command, deadline_in(5000), NULL) == NET_GOT_COMMAND)
            if (command.has_data_set)
                net_data_skip(association, NULL);
    }
    net_association_free(association);
    return NULL;
}

static inline void peer_start(Peer *peer)
{
    Err err = {0};
    peer->listener = net_listen("127.0.0.1", 0, &err);
    assert_true(peer->listener >= 0);
    peer->port = net_listen_port(peer->listener);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
}

static inline void peer_stop(Peer *peer)
{
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

static inline ScuPeer peer_address(const Peer *peer)
{
    return (ScuPeer){.host = "127.0.0.1",
                     .port = peer->port,
                     .called_ae = "PEER",
                     .calling_ae = "TEST",
                     .timeouts = peer_timeouts};
}

/* Waits for a request and its identifier, kept encoded in `identifier` (may be NULL). */
static inline bool peer_request(NetAssociation *a, NetCommand *request, Buf *identifier)
{
    if (net_receive(a, request, deadline_in(5000), NULL) != NET_GOT_COMMAND)
        return false;
    if (!request->has_data_set)
        return true;
    return identifier ? net_data_all(a, 1 << 20, identifier, NULL) : net_data_skip(a, NULL);
}

/* A response, with a data set of one text element when `tag` is not 0. */
static inline void peer_answer(NetAssociation *a, const NetCommand *request, uint16_t status, DcmTag tag,
                               const char *text)
{
    NetCommand response = net_response_to(request, status);
    if (!tag) {
        net_send(a, &response, NULL, NULL);
        return;
    }
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, tag, text);
    Buf bytes;
    buf_init(&bytes, 0);
    const NetAccepted *context = net_context_by_id(a, request->context_id);
    dcm_write(&bytes, ds, dcm_transfer_syntax(span_cstr(context->transfer_syntax)), NULL);
    response.has_data_set = true;
    Span data = buf_span(&bytes);
    net_send(a, &response, &data, NULL);
    buf_free(&bytes);
    arena_free(arena);
}

#endif
