// SPDX-License-Identifier: MIT
/* scp/server and scp/association: admission, limits, what is no service here, start and stop. */
#include "house.h"

#include <pthread.h>
#include <stdatomic.h>

static const char *const echo_class[] = {DCM_UID_Verification};

static int setup(void **state)
{
    *state = house_new();
    return 0;
}

static int teardown(void **state)
{
    house_free(*state);
    return 0;
}

static NetReject rejected(const House *h, const char *calling, const char *called)
{
    NetProposal proposal = {.abstract_syntax = DCM_UID_Verification,
                            .transfer_syntaxes = house_explicit,
                            .transfer_syntax_count = 1};
    NetReject reject = {0};
    Err err = {0};
    Ask ask = {.calling = calling, .called = called, .proposals = &proposal, .count = 1};
    NetAssociation *net = house_try(h, &ask, &reject, &err);
    if (net)
        house_hang_up(net);
    return reject;
}

static void assert_reject(NetReject reject, uint8_t result, uint8_t source, uint8_t reason)
{
    assert_int_equal(reject.result, result);
    assert_int_equal(reject.source, source);
    assert_int_equal(reject.reason, reason);
}

static uint16_t echo(NetAssociation *net)
{
    NetCommand request = house_command(net, NET_C_ECHO_RQ, DCM_UID_Verification);
    return house_ask(net, &request, NULL).status;
}

static void echoes(void **state)
{
    House *h = *state;
    house_start(h);
    NetAssociation *net = house_call(h, echo_class, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
    assert_int_equal(scp_associations(h->server), 1);
    house_hang_up(net);
}

static void admission(void **state)
{
    House *h = *state;
    h->settings.require_called_ae = true;
    house_start(h);
    assert_reject(rejected(h, "TESTER", "HOUSE"), 0, 0, 0);
    assert_reject(rejected(h, "STRANGER", "HOUSE"), NET_REJECT_PERMANENT, NET_REJECT_BY_USER,
                  NET_REJECT_CALLING_AE);
    assert_reject(rejected(h, "TESTER", "MOUSE"), NET_REJECT_PERMANENT, NET_REJECT_BY_USER,
                  NET_REJECT_CALLED_AE);
    house_white_list(h, "STRANGER: {ip: 127.0.0.1}\nTESTER: {ip: 10.0.0.1}\n");
    assert_reject(rejected(h, "STRANGER", "HOUSE"), 0, 0, 0);
    assert_reject(rejected(h, "TESTER", "HOUSE"), NET_REJECT_PERMANENT, NET_REJECT_BY_USER,
                  NET_REJECT_CALLING_AE);
}

static void any_called_title(void **state)
{
    House *h = *state;
    house_start(h);
    assert_reject(rejected(h, "TESTER", "WHATEVER"), 0, 0, 0);
}

static void too_many(void **state)
{
    House *h = *state;
    h->settings.max_associations = 2;
    house_start(h);
    NetAssociation *one = house_call(h, echo_class, 1), *two = house_call(h, echo_class, 1);
    assert_reject(rejected(h, "TESTER", "HOUSE"), NET_REJECT_TRANSIENT, NET_REJECT_BY_PRESENTATION,
                  NET_REJECT_LIMIT);
    assert_int_equal(scp_associations(h->server), 2);
    house_hang_up(one);
    Deadline deadline = deadline_in(HOUSE_WAIT_MS);
    while (scp_associations(h->server) > 1 && !deadline_passed(deadline))
        clock_sleep_ms(5);
    assert_reject(rejected(h, "TESTER", "HOUSE"), 0, 0, 0);
    assert_int_equal(echo(two), DCM_STATUS_SUCCESS);
    house_hang_up(two);
}

static void work_goes_on(void *ctx, unsigned long number)
{
    clock_sleep_ms(100);
}

/* Who has been released may come again, whatever the server still does for what was. */
static void a_place_is_free_with_the_release(void **state)
{
    House *h = *state;
    h->settings.max_associations = 1;
    h->settings.ended = work_goes_on;
    house_start(h);
    for (int i = 0; i < 4; i++) {
        NetAssociation *net = house_call(h, echo_class, 1);
        assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
        house_hang_up(net);
    }
}

/* Struck from the white list while the association stands. */
static void admitted_no_longer(void **state)
{
    House *h = *state;
    house_start(h);
    NetAssociation *net = house_call(h, echo_class, 1);
    assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
    house_white_list(h, "OTHER: {ip: 127.0.0.1}\n");
    Deadline deadline = deadline_in(HOUSE_WAIT_MS);
    uint16_t status;
    while ((status = echo(net)) == DCM_STATUS_SUCCESS && !deadline_passed(deadline))
        clock_sleep_ms(50);
    assert_int_equal(status, DCM_STATUS_REFUSED_NOT_AUTHORISED);
    assert_int_equal(echo(net), DCM_STATUS_REFUSED_NOT_AUTHORISED);
    house_hang_up(net);
}

static void wrong_requests(void **state)
{
    House *h = *state;
    h->settings.services = SCP_ECHO | SCP_STORE | SCP_FIND;
    house_start(h);
    const char *const classes[] = {DCM_UID_Verification, HOUSE_CT, HOUSE_FIND};
    NetAssociation *net = house_call(h, classes, 3);
    DcmDataset *keys = dcm_dataset_new(h->arena);
    dcm_put_utf8(keys, DCM_QueryRetrieveLevel, "STUDY");

    NetCommand request = house_command(net, NET_C_FIND_RQ, DCM_UID_Verification);
    NetCommand response = house_ask(net, &request, keys);
    assert_int_equal(response.status, DCM_STATUS_UNRECOGNISED_OPERATION);
    assert_non_null(strstr(response.error_comment, "C-FIND"));

    request = house_command(net, NET_N_ACTION_RQ, HOUSE_CT);
    request.has_action_type = true;
    request.action_type = 1;
    snprintf(request.sop_instance, sizeof request.sop_instance, "1.2.3");
    assert_int_equal(house_ask(net, &request, NULL).status, DCM_STATUS_UNRECOGNISED_OPERATION);

    request = house_command(net, NET_C_STORE_RQ, HOUSE_CT);
    snprintf(request.sop_class, sizeof request.sop_class, "%s", DCM_UID_MRImageStorage);
    snprintf(request.sop_instance, sizeof request.sop_instance, "1.2.3");
    assert_int_equal(house_ask(net, &request, keys).status, DCM_STATUS_SOP_CLASS_NOT_SUPPORTED);

    /* A late C-CANCEL is passed over; the association lives on. */
    NetCommand cancel = house_command(net, NET_C_CANCEL_RQ, HOUSE_FIND);
    cancel.responded_to = 99;
    Err err = {0};
    assert_true(net_send(net, &cancel, NULL, &err));
    assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
    assert_int_equal(house_instances(h), 0);
    house_hang_up(net);
}

/* A response that nobody waits for ends the association, and only that. */
static void response_out_of_the_blue(void **state)
{
    House *h = *state;
    house_start(h);
    NetAssociation *net = house_call(h, echo_class, 1);
    NetCommand response = house_command(net, NET_C_ECHO_RSP, DCM_UID_Verification);
    NetCommand got;
    Err err = {0};
    assert_true(net_send(net, &response, NULL, &err));
    assert_int_equal(net_receive(net, &got, deadline_in(HOUSE_WAIT_MS), &err), NET_GOT_END);
    net_association_free(net);
    net = house_call(h, echo_class, 1);
    assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
    house_hang_up(net);
}

static void idle_too_long(void **state)
{
    House *h = *state;
    h->settings.timeouts.network_ms = 100;
    house_start(h);
    NetAssociation *net = house_call(h, echo_class, 1);
    NetCommand got;
    Err err = {0};
    assert_int_equal(net_receive(net, &got, deadline_in(HOUSE_WAIT_MS), &err), NET_GOT_END);
    net_association_free(net);
}

static void bytes_that_are_no_dicom(void **state)
{
    House *h = *state;
    house_start(h);
    for (int i = 0; i < 3; i++) {
        Err err = {0};
        char answer[256];
        NetStream *stream =
            net_stream_connect("127.0.0.1", scp_port(h->server), NULL, deadline_in(HOUSE_WAIT_MS), &err);
        assert_non_null(stream);
        struct iovec part = {(void *)"GET / HTTP/1.1\r\nHost: here\r\n\r\n", 30};
        assert_true(net_stream_writev(stream, &part, 1, deadline_in(HOUSE_WAIT_MS), &err));
        ssize_t n;
        while ((n = net_stream_read(stream, answer, sizeof answer, deadline_in(HOUSE_WAIT_MS), &err)) > 0)
            ;
        assert_int_not_equal(err.code, ERR_TIMEOUT);
        net_stream_close(stream);
    }
    NetAssociation *net = house_call(h, echo_class, 1);
    assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
    house_hang_up(net);
}

/* A stop does not wait for idle associations, nor for connections that never say a word. */
static void stop_with_idle_peers(void **state)
{
    House *h = *state;
    house_start(h);
    Err err = {0};
    NetCommand got;
    NetAssociation *net = house_call(h, echo_class, 1);
    NetStream *silent =
        net_stream_connect("127.0.0.1", scp_port(h->server), NULL, deadline_in(HOUSE_WAIT_MS), &err);
    assert_non_null(silent);
    int64_t began = clock_ms();
    scp_stop(h->server, 10000);
    h->server = NULL;
    assert_true(clock_ms() - began < 9000);
    assert_int_equal(net_receive(net, &got, deadline_in(HOUSE_WAIT_MS), &err), NET_GOT_END);
    net_association_free(net);
    net_stream_close(silent);
}

typedef struct Seen {
    atomic_uint events;
    atomic_uint statuses; /* sum */
    char calling[17], action[16];
} Seen;

static void see(void *ctx, const ScpEvent *event)
{
    Seen *seen = ctx;
    snprintf(seen->calling, sizeof seen->calling, "%s", event->calling_ae);
    snprintf(seen->action, sizeof seen->action, "%s", event->action);
    assert_true(event->association > 0);
    assert_int_equal(event->simultaneous, 1);
    assert_string_equal(event->abstract_syntax, DCM_UID_Verification);
    assert_string_equal(event->transfer_syntax, HOUSE_ELE);
    atomic_fetch_add(&seen->statuses, event->status);
    atomic_fetch_add(&seen->events, event->committed && event->success);
}

static void events(void **state)
{
    House *h = *state;
    Seen seen = {0};
    h->settings.event = see;
    h->settings.event_ctx = &seen;
    house_start(h);
    NetAssociation *net = house_call(h, echo_class, 1);
    assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
    house_hang_up(net);
    scp_stop(h->server, 5000);
    h->server = NULL;
    assert_int_equal(atomic_load(&seen.events), 1);
    assert_int_equal(atomic_load(&seen.statuses), 0);
    assert_string_equal(seen.calling, "TESTER");
    assert_string_equal(seen.action, "CECHO");
}

static void port_in_use(void **state)
{
    House *h = *state;
    Err err = {0};
    house_start(h);
    ScpSettings same = h->settings;
    same.port = scp_port(h->server);
    assert_null(scp_start(&same, h->archive, &err));
    assert_true(err.code != ERR_NONE && *err.text);
}

static void *caller_main(void *ctx)
{
    House *h = ctx;
    for (int i = 0; i < 10; i++) {
        NetAssociation *net = house_call(h, echo_class, 1);
        assert_int_equal(echo(net), DCM_STATUS_SUCCESS);
        house_hang_up(net);
    }
    return NULL;
}

static void many_at_once(void **state)
{
    House *h = *state;
    pthread_t callers[8];
    house_start(h);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, caller_main, h), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(callers[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(echoes, setup, teardown),
        cmocka_unit_test_setup_teardown(admission, setup, teardown),
        cmocka_unit_test_setup_teardown(any_called_title, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_place_is_free_with_the_release, setup, teardown),
        cmocka_unit_test_setup_teardown(admitted_no_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(response_out_of_the_blue, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_dicom, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_with_idle_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(events, setup, teardown),
        cmocka_unit_test_setup_teardown(port_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
