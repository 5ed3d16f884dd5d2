// SPDX-License-Identifier: MIT
/* associate.c, accept.c, contexts.c: negotiation between our two roles, over a socketpair and over TCP. */
#include "peers.h"

/* -- the whole way over TCP -- */

static void over_tcp(void **unused)
{
    Err err = {0};
    Service s = {.listening = true, .fd = net_listen("127.0.0.1", 0, &err)};
    assert_true(s.fd >= 0);
    service_start(&s);
    NetRequest request = simple_request();
    request.port = net_listen_port(s.fd);
    NetAssociation *a = net_associate(&request, NULL, &err);
    if (!a)
        fail_msg("%s", err.text);
    assert_true(net_is_open(a));
    assert_string_equal(net_calling_ae(a), "CALLER");
    assert_string_equal(net_called_ae(a), "CALLED");
    assert_string_equal(net_association_peer(a).host, "127.0.0.1");
    assert_int_equal(net_association_peer(a).port, request.port);
    assert_memory_equal(net_peer_implementation_version(a), "GANTRY_", 7);
    assert_memory_equal(net_peer_implementation_class(a), "2.25.", 5);
    assert_int_equal(net_peer_max_pdu(a), 256 * 1024);
    assert_int_equal(net_async_window(a), 1);
    for (int i = 0; i < 20; i++)
        expect_echo(a);
    release_and_free(a);
    service_join(&s);
    assert_int_equal(s.end, NET_GOT_RELEASE);
    assert_int_equal(s.commands, 20);
    close(s.fd);
}

static void nobody_listens(void **unused)
{
    Err err = {0};
    int fd = net_listen("127.0.0.1", 0, &err);
    NetRequest request = simple_request();
    request.port = net_listen_port(fd);
    close(fd);
    assert_null(net_associate(&request, NULL, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "Connection refused"));
}

/* -- contexts -- */

static NetDecision by_class(void *ctx, const NetOffer *offer)
{
    NetDecision d = {.result = NET_CONTEXT_ABSTRACT_SYNTAX};
    if (span_eq(offer->abstract_syntax, SPAN(CT_STORAGE)))
        d = (NetDecision){.transfer_syntax = 1, .scu = true};
    if (span_eq(offer->abstract_syntax, SPAN("1.2.9")))
        d = (NetDecision){.transfer_syntax = 99, .scu = true}; /* a policy that errs must not crash */
    return d;
}

static void each_context_is_decided(void **unused)
{
    static const NetProposal proposals[] = {
        {.abstract_syntax = VERIFICATION, .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 2},
        {.abstract_syntax = CT_STORAGE, .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 2},
        {.abstract_syntax = "1.2.9", .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 2},
    };
    Service s = {.policy.decide = by_class};
    NetRequest request = simple_request();
    request.proposals = proposals;
    request.proposal_count = 3;
    Err err = {0};
    NetAssociation *a = net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, NULL, &err);
    assert_non_null(a);
    assert_int_equal(net_context_count(a), 1);
    const NetAccepted *c = net_context_at(a, 0);
    assert_int_equal(c->id, 3);
    assert_string_equal(c->abstract_syntax, CT_STORAGE);
    assert_string_equal(c->transfer_syntax, IMPLICIT);
    assert_true(c->we_are_scu);
    assert_false(c->we_are_scp);
    assert_ptr_equal(net_context_by_id(a, 3), c);
    assert_null(net_context_by_id(a, 1));
    assert_null(net_context_at(a, 1));
    assert_ptr_equal(net_context_for(a, CT_STORAGE, NULL, true), c);
    assert_ptr_equal(net_context_for(a, CT_STORAGE, IMPLICIT, true), c);
    assert_null(net_context_for(a, CT_STORAGE, EXPLICIT, true));
    assert_null(net_context_for(a, CT_STORAGE, NULL, false));
    assert_null(net_context_for(a, VERIFICATION, NULL, true));
    assert_int_equal(net_proposal_result(a, 0), NET_CONTEXT_ABSTRACT_SYNTAX);
    assert_int_equal(net_proposal_result(a, 1), NET_CONTEXT_ACCEPTED);
    assert_int_equal(net_proposal_result(a, 2), NET_CONTEXT_TRANSFER_SYNTAXES);
    /* What was not accepted cannot be used. */
    NetCommand rq = echo_request(a);
    assert_false(net_send(a, &rq, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_true(net_is_open(a));
    release_and_free(a);
    service_join(&s);
}

static void a_hundred_and_twenty_eight_contexts(void **unused)
{
    static char names[NET_MAX_CONTEXTS + 1][16];
    static NetProposal proposals[NET_MAX_CONTEXTS + 1];
    for (int i = 0; i <= NET_MAX_CONTEXTS; i++) {
        snprintf(names[i], sizeof names[i], "1.2.3.%d", i);
        proposals[i] = (NetProposal){
            .abstract_syntax = names[i], .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 2};
    }
    Service s = {0};
    NetRequest request = simple_request();
    request.proposals = proposals;
    request.proposal_count = NET_MAX_CONTEXTS;
    Err err = {0};
    NetAssociation *a = net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, NULL, &err);
    assert_non_null(a);
    assert_int_equal(net_context_count(a), NET_MAX_CONTEXTS);
    assert_string_equal(net_context_by_id(a, 255)->abstract_syntax, "1.2.3.127");
    release_and_free(a);
    service_join(&s);
    request.proposal_count = NET_MAX_CONTEXTS + 1;
    assert_null(net_associate(&request, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

/* -- roles, extended negotiation, window, identity -- */

static NetDecision grant_both_roles(void *ctx, const NetOffer *offer)
{
    return (NetDecision){.scu = true, .scp = true};
}

static void talk_roles(Service *s, NetAssociation *a)
{
    static NetAccepted seen[2];
    for (size_t i = 0; i < 2; i++)
        seen[i] = *net_context_at(a, i);
    s->ctx = seen;
    service_answer_all(s, a);
}

static void role_selection(void **unused)
{
    static const NetProposal proposals[] = {
        {.abstract_syntax = CT_STORAGE,
         .transfer_syntaxes = both_syntaxes,
         .transfer_syntax_count = 1,
         .role_selection = true,
         .scp = true},
        {.abstract_syntax = VERIFICATION, .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 1},
    };
    Service s = {.policy.decide = grant_both_roles, .talk = talk_roles};
    NetRequest request = simple_request();
    request.proposals = proposals;
    Err err = {0};
    NetAssociation *a = net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, NULL, &err);
    assert_non_null(a);
    /* Proposed: SCP only. Granted: what was proposed. */
    assert_false(net_context_by_id(a, 1)->we_are_scu);
    assert_true(net_context_by_id(a, 1)->we_are_scp);
    assert_ptr_equal(net_context_for(a, CT_STORAGE, NULL, false), net_context_by_id(a, 1));
    assert_null(net_context_for(a, CT_STORAGE, NULL, true));
    /* Not proposed: the default, although the policy would grant more. */
    assert_true(net_context_by_id(a, 3)->we_are_scu);
    assert_false(net_context_by_id(a, 3)->we_are_scp);
    release_and_free(a);
    service_join(&s);
    const NetAccepted *seen = s.ctx;
    assert_true(seen[0].we_are_scu);
    assert_false(seen[0].we_are_scp);
    /* A policy that is lenient with peers that forget role selection may act as SCU itself. */
    assert_true(seen[1].we_are_scu);
    assert_true(seen[1].we_are_scp);
}

static NetDecision answer_extended(void *ctx, const NetOffer *offer)
{
    NetDecision d = {.scu = true};
    if (offer->extended.n == 2)
        d.extended = span_of("\1\0", 2);
    return d;
}

static void extended_negotiation(void **unused)
{
    static const NetProposal proposals[] = {
        {.abstract_syntax = "1.2.840.10008.5.1.4.1.2.2.1",
         .transfer_syntaxes = both_syntaxes,
         .transfer_syntax_count = 1,
         .extended = {(const uint8_t *)"\1\1", 2}},
        {.abstract_syntax = VERIFICATION, .transfer_syntaxes = both_syntaxes, .transfer_syntax_count = 1},
    };
    Service s = {.policy.decide = answer_extended};
    NetRequest request = simple_request();
    request.proposals = proposals;
    Err err = {0};
    NetAssociation *a = net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, NULL, &err);
    assert_non_null(a);
    assert_int_equal(net_context_by_id(a, 1)->extended.n, 2);
    assert_memory_equal(net_context_by_id(a, 1)->extended.p, "\1\0", 2);
    assert_int_equal(net_context_by_id(a, 3)->extended.n, 0);
    release_and_free(a);
    service_join(&s);
}

static void async_window(void **unused)
{
    static const struct {
        uint16_t asked, allowed, got;
    } cases[] = {{8, 4, 4}, {3, 4, 3}, {8, 1, 1}, {1, 4, 1}, {0, 4, 1}, {8, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Service s = {.policy.max_async = cases[i].allowed};
        NetRequest request = simple_request();
        request.async_invoked = cases[i].asked;
        Err err = {0};
        NetAssociation *a = net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, NULL, &err);
        assert_non_null(a);
        assert_int_equal(net_async_window(a), cases[i].got);
        /* As many requests as the window allows before the first answer is read. */
        uint16_t first = 0;
        for (uint16_t n = 0; n < cases[i].got; n++) {
            NetCommand rq = echo_request(a);
            first = n == 0 ? rq.message_id : first;
            assert_true(net_send(a, &rq, NULL, &err));
        }
        for (uint16_t n = 0; n < cases[i].got; n++)
            expect_response(a, NET_C_ECHO_RSP, (uint16_t)(first + n));
        release_and_free(a);
        service_join(&s);
    }
}

static bool check_identity(void *ctx, const NetAssociate *rq, NetAddress peer, NetReject *reject)
{
    *(int *)ctx = rq->common_count == 1 && rq->common[0].related_count == 1;
    return rq->has_identity && rq->identity.type == 2 && span_eq_cstr(rq->identity.primary, "ada") &&
           span_eq_cstr(rq->identity.secondary, "secret");
}

static bool give_ticket(void *ctx, const NetAssociate *rq, Span *response)
{
    *response = SPAN("ticket");
    return true;
}

static void user_identity(void **unused)
{
    for (int good = 0; good < 2; good++) {
        int common_seen = 0;
        Service s = {
            .policy = {.admit = check_identity, .identity_response = give_ticket, .ctx = &common_seen}};
        Span related = SPAN("1.2.5");
        NetCommonExtended common = {SPAN("1.2.3"), SPAN("1.2.4"), &related, 1};
        NetRequest request = simple_request();
        request.has_identity = true;
        request.identity = (NetIdentity){2, true, SPAN("ada"), good ? SPAN("secret") : SPAN("guess")};
        request.common = &common;
        request.common_count = 1;
        Err err = {0};
        NetReject reject = {0};
        NetAssociation *a =
            net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, &reject, &err);
        assert_int_equal(a != NULL, good);
        Span ticket;
        if (a) {
            assert_true(net_identity_response(a, &ticket));
            assert_true(span_eq_cstr(ticket, "ticket"));
            release_and_free(a);
        } else {
            assert_int_equal(reject.reason, NET_REJECT_NO_REASON);
            assert_null(strstr(err.text, "guess"));
        }
        service_join(&s);
        assert_true(common_seen);
    }
}

/* -- rejection -- */

static bool refuse_with(void *ctx, const NetAssociate *rq, NetAddress peer, NetReject *reject)
{
    *reject = *(NetReject *)ctx;
    return false;
}

static void rejections(void **unused)
{
    static NetReject reasons[] = {{1, 1, 3}, {1, 1, 7}, {2, 3, 1}, {2, 3, 2}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        Service s = {.policy = {.admit = refuse_with, .ctx = &reasons[i]}};
        NetRequest request = simple_request();
        NetReject reject = {0};
        Err err = {0};
        char text[160];
        assert_null(net_associate_on(net_stream_of_fd(service_over_pair(&s)), &request, &reject, &err));
        assert_int_equal(err.code, ERR_REFUSED);
        assert_non_null(strstr(err.text, net_reject_text(reasons[i], text)));
        assert_memory_equal(&reject, &reasons[i], sizeof reject);
        service_join(&s);
        assert_false(s.associated);
        assert_int_equal(s.err.code, ERR_REFUSED);
        assert_non_null(strstr(s.err.text, "CALLER"));
    }
}

static void requests_that_are_impossible(void **unused)
{
    static const char *const titles[] = {NULL, "", "    ", "SEVENTEEN LETTERS"};
    Err err;
    for (size_t i = 0; i < 4; i++) {
        NetRequest request = simple_request();
        request.called_ae = titles[i];
        err = (Err){0};
        assert_null(net_associate(&request, NULL, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    NetRequest request = simple_request();
    request.proposal_count = 0;
    assert_null(net_associate(&request, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
    NetProposal bare = {.abstract_syntax = VERIFICATION};
    request.proposals = &bare;
    request.proposal_count = 1;
    assert_null(net_associate(&request, NULL, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_tcp),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(each_context_is_decided),
        cmocka_unit_test(a_hundred_and_twenty_eight_contexts),
        cmocka_unit_test(role_selection),
        cmocka_unit_test(extended_negotiation),
        cmocka_unit_test(async_window),
        cmocka_unit_test(user_identity),
        cmocka_unit_test(rejections),
        cmocka_unit_test(requests_that_are_impossible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
