// SPDX-License-Identifier: MIT
/* release.c: release from both sides, in collision, crossing data, against silence; abort in every state a peer can be met in. */
#include "peers.h"

static const char rq_pdu[] = "050000000004 00000000";
static const char rp_pdu[] = "060000000004 00000000";
static const char abort_pdu[] = "070000000004 00000000";

/* -- both sides are ours -- */

static void talk_release_first(Service *s, NetAssociation *a)
{
    s->end = net_release(a, &s->err) ? NET_GOT_RELEASE : NET_GOT_END;
}

static void the_acceptor_may_release_too(void **unused)
{
    Service s = {.talk = talk_release_first};
    NetAssociation *a = associate_over(service_over_pair(&s));
    NetCommand c;
    assert_int_equal(net_receive(a, &c, deadline_in(5000), NULL), NET_GOT_RELEASE);
    assert_false(net_is_open(a));
    Err err = {0};
    assert_int_equal(net_receive(a, &c, deadline_in(5000), &err), NET_GOT_END);
    assert_non_null(strstr(err.text, "released by the peer"));
    assert_false(net_release(a, &err));
    net_association_free(a);
    service_join(&s);
    assert_int_equal(s.end, NET_GOT_RELEASE);
}

static void both_at_once(void **unused)
{
    for (int i = 0; i < 50; i++) {
        Service s = {.talk = talk_release_first};
        NetAssociation *a = associate_over(service_over_pair(&s));
        if (i % 2)
            clock_sleep_ms(1);
        release_and_free(a);
        service_join(&s);
        if (s.end != NET_GOT_RELEASE)
            fail_msg("round %d: %s", i, s.err.text);
    }
}

/* -- collision, played by a raw peer as PS3.8 §7.2.2.1 describes it -- */

static void raw_answer_request(int fd)
{
    Span syntax = SPAN(IMPLICIT);
    NetContext context = {.id = VERIFICATION_ID, .transfer_syntaxes = &syntax, .transfer_syntax_count = 1};
    NetAssociate ac = {.protocol_version = 1,
                       .application_context = SPAN("1.2.840.10008.3.1.1.1"),
                       .contexts = &context,
                       .context_count = 1,
                       .max_pdu = 16384};
    Buf out;
    buf_init(&out, 0);
    net_associate_encode(&out, NET_A_ASSOCIATE_AC, &ac, NULL);
    raw_write(fd, out.p, out.n);
    buf_free(&out);
}

typedef struct Releasing {
    NetAssociation *a;
    int fd;
    bool released;
    int64_t took;
    Err err;
    pthread_t thread;
} Releasing;

static void *release_main(void *ctx)
{
    Releasing *r = ctx;
    int64_t start = clock_ms();
    r->released = net_release(r->a, &r->err);
    r->took = clock_ms() - start;
    return NULL;
}

/* We are the requestor; a thread of ours releases while the test plays the acceptor. */
static void releasing_requestor(Releasing *r, int64_t acse_ms)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    raw_answer_request(fds[1]);
    NetRequest request = simple_request();
    request.timeouts.acse_ms = acse_ms;
    *r = (Releasing){.fd = fds[1]};
    r->a = net_associate_on(net_stream_of_fd(fds[0]), &request, NULL, &r->err);
    assert_non_null(r->a);
    raw_expect_type(r->fd, NET_A_ASSOCIATE_RQ);
    pthread_create(&r->thread, NULL, release_main, r);
    raw_expect_type(r->fd, NET_A_RELEASE_RQ);
}

static void finish(Releasing *r)
{
    pthread_join(r->thread, NULL);
    close(r->fd);
    net_association_free(r->a);
}

static void collision_as_requestor(void **unused)
{
    Releasing r;
    releasing_requestor(&r, 2000);
    raw_send(r.fd, rq_pdu);
    raw_expect_type(r.fd, NET_A_RELEASE_RP); /* Sta9 → Sta11 */
    raw_send(r.fd, rp_pdu);
    raw_expect_end(r.fd);
    finish(&r);
    assert_true(r.released);
}

static void collision_as_acceptor(void **unused)
{
    Service s = {.talk = talk_release_first};
    int fd = service_over_pair(&s);
    raw_associate(fd, 0);
    raw_expect_type(fd, NET_A_RELEASE_RQ);
    raw_send(fd, rq_pdu);
    raw_send(fd, rp_pdu);                  /* we, the requestor, answer first: Sta10 → Sta12 */
    raw_expect_type(fd, NET_A_RELEASE_RP); /* → Sta13, which waits for us to close */
    close(fd);
    service_join(&s);
    assert_int_equal(s.end, NET_GOT_RELEASE);
}

static void data_that_crosses_is_dropped(void **unused)
{
    Releasing r;
    releasing_requestor(&r, 2000);
    raw_pdv(r.fd, VERIFICATION_ID, true, true, SPAN("whatever"));
    raw_pdv(r.fd, 99, false, false, SPAN("more"));
    raw_send(r.fd, rp_pdu);
    finish(&r);
    assert_true(r.released);
}

/* -- peers that do not play along -- */

static void silence_after_the_request(void **unused)
{
    Releasing r;
    releasing_requestor(&r, 100);
    raw_expect_abort(r.fd, NET_ABORT_BY_PROVIDER, NET_ABORT_NO_REASON);
    close(r.fd);
    pthread_join(r.thread, NULL);
    assert_false(r.released);
    assert_int_equal(r.err.code, ERR_TIMEOUT);
    net_association_free(r.a);
}

static void other_answers_to_a_release(void **unused)
{
    static const struct {
        const char *bytes, *says;
        bool aborted;
        uint8_t reason;
    } cases[] = {
        {abort_pdu, "aborted by service user", false, 0},
        {"0200000000ff", "A-ASSOCIATE-AC", true, NET_ABORT_UNEXPECTED_PDU},
        {"99000000000400000000", "no DICOM PDU", true, NET_ABORT_UNRECOGNISED_PDU},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Releasing r;
        releasing_requestor(&r, 2000);
        raw_send(r.fd, cases[i].bytes);
        if (cases[i].aborted)
            raw_expect_abort(r.fd, NET_ABORT_BY_PROVIDER, cases[i].reason);
        else
            raw_expect_end(r.fd);
        finish(&r);
        assert_false(r.released);
        assert_non_null(strstr(r.err.text, cases[i].says));
    }
    Releasing r;
    releasing_requestor(&r, 2000);
    shutdown(r.fd, SHUT_RDWR);
    finish(&r);
    assert_false(r.released);
    assert_int_equal(r.err.code, ERR_CLOSED);
}

static void a_peer_that_never_closes(void **unused)
{
    Service s = {0};
    int fd = service_over_pair(&s);
    raw_associate(fd, 0);
    raw_send(fd, rq_pdu);
    raw_expect_type(fd, NET_A_RELEASE_RP);
    raw_expect_end(fd);
    service_join(&s);
    assert_int_equal(s.end, NET_GOT_RELEASE);
    close(fd);
}

/* Closing over what it should not have said would reset the connection. All of it is there before we read, and more than one read takes. */
static void a_peer_that_goes_on_after_its_release(void **unused)
{
    static uint8_t noise[80 << 10];
    Service s = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    raw_request(fds[0], 0);
    raw_send(fds[0], rq_pdu);
    raw_write(fds[0], noise, sizeof noise);
    s.fd = fds[1];
    service_start(&s);
    service_join(&s);
    assert_int_equal(s.end, NET_GOT_RELEASE);
    raw_expect_type(fds[0], NET_A_ASSOCIATE_AC);
    raw_expect_type(fds[0], NET_A_RELEASE_RP);
    assert_int_equal(recv(fds[0], noise, 1, 0), 0);
    close(fds[0]);
}

/* -- abort -- */

static void abort_by_either_side(void **unused)
{
    Service s = {0};
    NetAssociation *a = associate_over(service_over_pair(&s));
    expect_echo(a);
    net_abort(a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    net_abort(a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    assert_false(net_is_open(a));
    Err err = {0};
    NetCommand rq = echo_request(a);
    assert_false(net_send(a, &rq, NULL, &err));
    assert_non_null(strstr(err.text, "aborted on this side"));
    service_join(&s);
    assert_int_equal(s.end, NET_GOT_END);
    assert_non_null(strstr(s.err.text, "aborted by service user"));
    net_association_free(a);

    /* To free an open association is to abort it. */
    s = (Service){0};
    int fd = service_over_pair(&s);
    a = associate_over(fd);
    net_association_free(a);
    service_join(&s);
    assert_non_null(strstr(s.err.text, "aborted by service user"));
    net_association_free(NULL);
}

static void abort_while_negotiating(void **unused)
{
    static const struct {
        const char *answer, *says;
        ErrCode code;
        bool aborted;
    } cases[] = {
        {"070000000004 00000201", "aborted by service provider: unrecognised PDU", ERR_CLOSED, false},
        {"030000000004 00010107", "called AE title not recognised", ERR_REFUSED, false},
        {"040000000008 00000004 01 03 0000", "P-DATA-TF", ERR_FORMAT, true},
        {"050000000004 00000000", "A-RELEASE-RQ", ERR_FORMAT, true},
        {"0100000000ff", "A-ASSOCIATE-RQ", ERR_FORMAT, true},
        {"020000000002 0001", "A-ASSOCIATE", ERR_FORMAT, true},
        {"0200ffffffff", "4294967295", ERR_LIMIT, true},
        {"485454502f312e31", "no DICOM PDU", ERR_FORMAT, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        raw_send(fds[1], cases[i].answer);
        shutdown(fds[1], SHUT_WR);
        NetRequest request = simple_request();
        Err err = {0};
        assert_null(net_associate_on(net_stream_of_fd(fds[0]), &request, NULL, &err));
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu: expected \"%s\" in \"%s\"", i, cases[i].says, err.text);
        raw_expect_type(fds[1], NET_A_ASSOCIATE_RQ);
        if (cases[i].aborted)
            raw_expect_type(fds[1], NET_A_ABORT);
        raw_expect_end(fds[1]);
        close(fds[1]);
    }
}

static void no_answer_to_the_request(void **unused)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    NetRequest request = simple_request();
    request.timeouts.acse_ms = 100;
    Err err = {0};
    assert_null(net_associate_on(net_stream_of_fd(fds[0]), &request, NULL, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    raw_expect_type(fds[1], NET_A_ASSOCIATE_RQ);
    raw_expect_abort(fds[1], NET_ABORT_BY_PROVIDER, NET_ABORT_NO_REASON);
    close(fds[1]);
}

static void what_an_acceptor_may_not_invent(void **unused)
{
    /* An unknown context id, a transfer syntax that was not proposed, roles that were not asked for. */
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    Span deflated = SPAN("1.2.840.10008.1.2.1.99"), implicit = SPAN(IMPLICIT);
    NetContext contexts[] = {{.id = 1, .transfer_syntaxes = &deflated, .transfer_syntax_count = 1},
                             {.id = 3, .transfer_syntaxes = &implicit, .transfer_syntax_count = 1},
                             {.id = 77, .transfer_syntaxes = &implicit, .transfer_syntax_count = 1}};
    NetRole role = {SPAN(CT_STORAGE), true, true};
    NetAssociate ac = {.protocol_version = 1,
                       .contexts = contexts,
                       .context_count = 3,
                       .roles = &role,
                       .role_count = 1,
                       .has_async = true,
                       .async_invoked = 50};
    Buf out;
    buf_init(&out, 0);
    net_associate_encode(&out, NET_A_ASSOCIATE_AC, &ac, NULL);
    raw_write(fds[1], out.p, out.n);
    NetRequest request = simple_request();
    Err err = {0};
    NetAssociation *a = net_associate_on(net_stream_of_fd(fds[0]), &request, NULL, &err);
    assert_non_null(a);
    assert_int_equal(net_context_count(a), 1);
    assert_int_equal(net_context_at(a, 0)->id, 3);
    assert_false(net_context_at(a, 0)->we_are_scp);
    assert_int_equal(net_proposal_result(a, 0), NET_CONTEXT_NO_REASON);
    assert_int_equal(net_async_window(a), 1);
    close(fds[1]);
    net_association_free(a);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_acceptor_may_release_too),
        cmocka_unit_test(both_at_once),
        cmocka_unit_test(collision_as_requestor),
        cmocka_unit_test(collision_as_acceptor),
        cmocka_unit_test(data_that_crosses_is_dropped),
        cmocka_unit_test(silence_after_the_request),
        cmocka_unit_test(other_answers_to_a_release),
        cmocka_unit_test(a_peer_that_never_closes),
        cmocka_unit_test(a_peer_that_goes_on_after_its_release),
        cmocka_unit_test(abort_by_either_side),
        cmocka_unit_test(abort_while_negotiating),
        cmocka_unit_test(no_answer_to_the_request),
        cmocka_unit_test(what_an_acceptor_may_not_invent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
