// SPDX-License-Identifier: MIT
/*
 * All a peer says, from the first byte of its connection to the last. First byte: bit 0 we are the requestor, bit 1 look for C-CANCEL
 * before each receive, bit 2 take data sets whole, bit 3 release after the first message.
 */
#include "fuzz.h"

#include "net/net.h"

enum { AS_REQUESTOR = 1, LOOK_FOR_CANCEL = 2, TAKE_WHOLE = 4, RELEASE_EARLY = 8 };

static void require(bool what)
{
    if (!what)
        fuzz_broken();
}

static bool admit(void *ctx, const NetAssociate *request, NetAddress peer, NetReject *reject)
{
    return request->calling_ae.n <= 16 && request->called_ae.n <= 16;
}

static NetDecision decide(void *ctx, const NetOffer *offer)
{
    return (NetDecision){.scu = offer->scu, .scp = offer->scp, .extended = offer->extended};
}

static NetAssociation *begin(NetStream *stream, bool requestor, Err *err)
{
    static const char *const syntaxes[] = {"1.2.840.10008.1.2"};
    static const NetProposal proposals[] = {
        {.abstract_syntax = "1.2.840.10008.1.1", .transfer_syntaxes = syntaxes, .transfer_syntax_count = 1},
        {.abstract_syntax = "1.2.840.10008.5.1.4.1.1.2",
         .transfer_syntaxes = syntaxes,
         .transfer_syntax_count = 1,
         .role_selection = true,
         .scp = true},
    };
    NetRequest request = {
        .calling_ae = "FUZZ", .called_ae = "TARGET", .proposals = proposals, .proposal_count = 2};
    NetPolicy policy = {.admit = admit, .decide = decide, .max_pdu = 65536, .max_async = 4};
    NetReject reject;
    return requestor ? net_associate_on(stream, &request, &reject, err) : net_accept(stream, &policy, err);
}

static void take_data(NetAssociation *a, bool whole, size_t limit)
{
    Err err = {0};
    Buf out;
    buf_init(&out, 0);
    Span piece = {0};
    if (whole)
        net_data_all(a, limit, &out, &err);
    else
        while (net_data_next(a, &piece, &err) && piece.n)
            require(piece.n <= limit);
    require(out.n <= limit);
    buf_free(&out);
}

/* Answers until the peer has said everything; each message costs it bytes, so this ends. */
static void talk(NetAssociation *a, uint8_t mode, size_t size)
{
    Err err = {0};
    NetCommand command;
    for (;;) {
        bool ended;
        if (mode & LOOK_FOR_CANCEL)
            net_cancelled(a, 1, &ended);
        NetGot got = net_receive(a, &command, CLOCK_NEVER, &err);
        if (got != NET_GOT_COMMAND) {
            require(got != NET_GOT_NOTHING);
            require(!net_is_open(a));
            return;
        }
        require(net_context_by_id(a, command.context_id) != NULL);
        if (mode & RELEASE_EARLY) {
            net_release(a, &err);
            require(!net_is_open(a));
            return;
        }
        if (command.has_data_set)
            take_data(a, mode & TAKE_WHOLE, size);
        NetCommand response = net_response_to(&command, 0);
        if (command.field != NET_C_CANCEL_RQ && net_is_open(a))
            net_send(a, &response, NULL, &err);
    }
}

int fuzz_association(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    Err err = {0};
    NetStream *stream = net_stream_memory(span_of(data + 1, size - 1));
    require(stream != NULL);
    NetAssociation *a = begin(stream, data[0] & AS_REQUESTOR, &err);
    require(a || (err.code != ERR_NONE && err.text[0]));
    if (a)
        talk(a, data[0], size);
    net_association_free(a);
    return 0;
}
