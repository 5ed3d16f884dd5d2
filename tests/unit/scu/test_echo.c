// SPDX-License-Identifier: MIT
/* scu/echo: success, failure statuses, refusals, peers that say nothing or nonsense. */
#include "peer.h"

static void answer_with(NetAssociation *a, void *ctx)
{
    NetCommand request;
    if (peer_request(a, &request, NULL))
        peer_answer(a, &request, *(uint16_t *)ctx, 0, NULL);
}

static void success_and_failure(void **state)
{
    static const struct {
        uint16_t status;
        bool ok;
    } cases[] = {{0x0000, true}, {0x0122, false}, {0x0110, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t status = cases[i].status;
        Peer peer = {.script = answer_with, .ctx = &status};
        peer_start(&peer);
        ScuPeer address = peer_address(&peer);
        ScuResult result;
        Err err = {0};
        assert_int_equal(scu_echo(&address, &result, &err), cases[i].ok);
        assert_true(result.associated);
        assert_true(result.answered);
        assert_int_equal(result.status, status);
        if (!cases[i].ok) {
            assert_int_equal(err.dimse, status);
            assert_non_null(strstr(err.text, "PEER at 127.0.0.1"));
        }
        peer_stop(&peer);
    }
}

static void rejected(void **state)
{
    Peer peer = {.reject = true};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    assert_false(scu_echo(&address, &result, &err));
    assert_false(result.associated);
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(result.reject.result, NET_REJECT_PERMANENT);
    assert_int_equal(result.reject.reason, NET_REJECT_CALLING_AE);
    peer_stop(&peer);
}

static void service_not_offered(void **state)
{
    Peer peer = {.accept_only = DCM_UID_CTImageStorage};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    assert_false(scu_echo(&address, &result, &err));
    assert_false(result.answered);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    peer_stop(&peer);
}

static void hang_up(NetAssociation *a, void *ctx)
{
    NetCommand request;
    peer_request(a, &request, NULL);
    net_abort(a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
}

static void answer_other_message(NetAssociation *a, void *ctx)
{
    NetCommand request;
    if (!peer_request(a, &request, NULL))
        return;
    request.message_id += 7;
    peer_answer(a, &request, 0, 0, NULL);
}

static void bad_peers(void **state)
{
    static const Script scripts[] = {hang_up, answer_other_message};
    for (size_t i = 0; i < 2; i++) {
        Peer peer = {.script = scripts[i]};
        peer_start(&peer);
        ScuPeer address = peer_address(&peer);
        ScuResult result;
        Err err = {0};
        assert_false(scu_echo(&address, &result, &err));
        assert_true(result.associated);
        assert_false(result.answered);
        assert_true(err.text[0]);
        peer_stop(&peer);
    }
}

static void nobody_listens(void **state)
{
    int fd = net_listen("127.0.0.1", 0, NULL);
    uint16_t port = net_listen_port(fd);
    close(fd);
    ScuPeer address = {.host = "127.0.0.1",
                       .port = port,
                       .called_ae = "PEER",
                       .calling_ae = "TEST",
                       .timeouts = peer_timeouts};
    ScuResult result;
    Err err = {0};
    assert_false(scu_echo(&address, &result, &err));
    assert_false(result.associated);
    assert_non_null(strstr(err.text, "refused"));
}

static void silent(NetAssociation *a, void *ctx)
{
    NetCommand request;
    peer_request(a, &request, NULL);
}

static void silence_has_an_end(void **state)
{
    Peer peer = {.script = silent};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    address.timeouts.dimse_ms = 200;
    ScuResult result;
    Err err = {0};
    assert_false(scu_echo(&address, &result, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_and_failure), cmocka_unit_test(rejected),
        cmocka_unit_test(service_not_offered), cmocka_unit_test(bad_peers),
        cmocka_unit_test(nobody_listens),      cmocka_unit_test(silence_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
