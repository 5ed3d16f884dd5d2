// SPDX-License-Identifier: MIT
/* scp/store: bytes kept as they came, statuses, broken transfers, windows. */
#include "house.h"

static const Picture ct = {"P1", "A^B", NULL, "1.2.826.0.1.1", "1.2.826.0.1.1.1", "1.2.826.0.1.1.1.1",
                           NULL, NULL,  NULL};

static int setup(void **state)
{
    House *h = house_new();
    *state = h;
    house_start(h);
    return 0;
}

static int teardown(void **state)
{
    house_free(*state);
    return 0;
}

static NetCommand store_command(NetAssociation *net, const char *instance)
{
    NetCommand request = house_command(net, NET_C_STORE_RQ, HOUSE_CT);
    snprintf(request.sop_instance, sizeof request.sop_instance, "%s", instance);
    return request;
}

static void stored_byte_for_byte(void **state)
{
    House *h = *state;
    Err err = {0};
    Buf sent, kept;
    NetAssociation *net = house_call_one(h, HOUSE_CT);
    DcmDataset *ds = house_object(h->arena, &ct);
    dcm_put(ds, DCM_TAG(0x0011, 0x0010), DCM_VR_LO, SPAN("GANTRY TEST"));
    dcm_put(ds, DCM_TAG(0x0011, 0x1001), DCM_VR_UN, SPAN("\1\2\3\4"));
    NetCommand request = store_command(net, ct.instance);
    NetCommand response = house_ask(net, &request, ds);
    assert_int_equal(response.status, DCM_STATUS_SUCCESS);
    assert_string_equal(response.sop_instance, ct.instance);
    assert_string_equal(response.sop_class, HOUSE_CT);
    house_hang_up(net);

    IdxFile file;
    assert_true(idx_instance(arc_index(h->archive), h->arena, ct.instance, &file, &err));
    assert_string_equal(file.transfer_syntax, HOUSE_ELE);
    assert_string_equal(file.source_ae, "TESTER");
    buf_init(&sent, 0);
    buf_init(&kept, 0);
    assert_true(dcm_write(&sent, ds, dcm_transfer_syntax(SPAN(HOUSE_ELE)), &err));
    assert_true(file_read_all(file.path, 1 << 20, &kept, &err));
    assert_true(span_eq(buf_span(&sent), span_sub(buf_span(&kept), file.data_offset, SIZE_MAX)));
    buf_free(&sent);
    buf_free(&kept);
}

static void the_same_twice_is_one(void **state)
{
    House *h = *state;
    NetAssociation *net = house_call_one(h, HOUSE_CT);
    for (int i = 0; i < 2; i++) {
        NetCommand request = store_command(net, ct.instance);
        assert_int_equal(house_ask(net, &request, house_object(h->arena, &ct)).status, DCM_STATUS_SUCCESS);
    }
    assert_int_equal(house_instances(h), 1);
    house_hang_up(net);
}

static void refusals(void **state)
{
    House *h = *state;
    NetAssociation *net = house_call_one(h, HOUSE_CT);
    /* announced under another UID */
    NetCommand request = store_command(net, "1.2.826.0.1.9.9");
    NetCommand response = house_ask(net, &request, house_object(h->arena, &ct));
    assert_int_equal(response.status & 0xFF00, DCM_STATUS_CLASS_MISMATCH);
    assert_true(*response.error_comment);
    /* no data set at all */
    request = store_command(net, ct.instance);
    response = house_ask(net, &request, NULL);
    assert_int_equal(response.status & 0xF000, DCM_STATUS_CANNOT_UNDERSTAND);
    /* bytes that are no data set, more than one PDU of them */
    static uint8_t noise[600000];
    memset(noise, 0x5A, sizeof noise);
    Span bytes = span_of(noise, sizeof noise);
    Err err = {0};
    request = store_command(net, ct.instance);
    assert_true(net_send(net, &request, &bytes, &err));
    response = house_receive(net);
    assert_int_equal(response.status & 0xF000, DCM_STATUS_CANNOT_UNDERSTAND);
    assert_true(*response.error_comment);
    assert_int_equal(house_instances(h), 0);
    /* and the association still stores */
    request = store_command(net, ct.instance);
    assert_int_equal(house_ask(net, &request, house_object(h->arena, &ct)).status, DCM_STATUS_SUCCESS);
    assert_int_equal(house_instances(h), 1);
    house_hang_up(net);
}

/* A class accepted in another context, and one that is no class: both are stored by what the data set says. */
static void lax_senders(void **state)
{
    House *h = *state;
    const char *const classes[] = {DCM_UID_MRImageStorage, HOUSE_CT};
    NetAssociation *net = house_call(h, classes, 2);
    NetCommand request = store_command(net, ct.instance);
    request.context_id = net_context_for(net, DCM_UID_MRImageStorage, NULL, true)->id;
    assert_int_equal(house_ask(net, &request, house_object(h->arena, &ct)).status, DCM_STATUS_SUCCESS);
    Picture other = ct;
    other.instance = "1.2.826.0.1.1.1.2";
    request = store_command(net, "31");
    snprintf(request.sop_class, sizeof request.sop_class, "31");
    assert_int_equal(house_ask(net, &request, house_object(h->arena, &other)).status, DCM_STATUS_SUCCESS);
    assert_int_equal(house_instances(h), 2);
    house_hang_up(net);
}

typedef struct Half {
    NetAssociation *net;
    size_t left;
} Half;

static ssize_t break_off(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Half *half = ctx;
    if (!half->left)
        return err_set(err, ERR_IO, "the disk of the sender broke"), -1;
    size_t some = n < half->left ? n : half->left;
    memset(p, 0, some);
    half->left -= some;
    return (ssize_t)some;
}

/* Empty files mark what a process holds. */
static bool count_file(void *ctx, const char *path, Err *err)
{
    struct stat st;
    *(size_t *)ctx += stat(path, &st) == 0 && st.st_size > 0;
    return true;
}

static void broken_off(void **state)
{
    House *h = *state;
    Err err = {0};
    NetAssociation *net = house_call_one(h, HOUSE_CT);
    NetCommand request = store_command(net, ct.instance);
    Half half = {net, 3000000};
    assert_false(net_send_stream(net, &request, break_off, &half, &err));
    net_association_free(net);
    Deadline deadline = deadline_in(HOUSE_WAIT_MS);
    while (scp_associations(h->server) && !deadline_passed(deadline))
        clock_sleep_ms(5);
    assert_int_equal(scp_associations(h->server), 0);
    assert_int_equal(house_instances(h), 0);
    Err walked = {0};
    char path[256];
    house_path(h, "tmp", path);
    size_t files = 0;
    assert_true(file_walk(path, false, count_file, &files, &walked));
    assert_int_equal(files, 0);
}

/* Several requests before the first answer, PS3.7 D.3.3.3. */
static void asynchronous_window(void **state)
{
    House *h = *state;
    enum { N = 4 };
    NetProposal proposal = {
        .abstract_syntax = HOUSE_CT, .transfer_syntaxes = house_explicit, .transfer_syntax_count = 1};
    Err err = {0};
    scp_stop(h->server, 1000);
    h->settings.async_window = N;
    house_start(h);
    NetAssociation *net = house_try(h, &(Ask){.proposals = &proposal, .count = 1, .async = 8}, NULL, &err);
    assert_non_null(net);
    assert_int_equal(net_async_window(net), N);
    uint16_t ids[N];
    for (int i = 0; i < N; i++) {
        Picture p = ct;
        char instance[65];
        snprintf(instance, sizeof instance, "1.2.826.0.1.1.1.%d", i + 1);
        p.instance = instance;
        NetCommand request = store_command(net, instance);
        Buf bytes;
        buf_init(&bytes, 0);
        assert_true(
            dcm_write(&bytes, house_object(h->arena, &p), dcm_transfer_syntax(SPAN(HOUSE_ELE)), &err));
        Span span = buf_span(&bytes);
        assert_true(net_send(net, &request, &span, &err));
        buf_free(&bytes);
        ids[i] = request.message_id;
    }
    for (int i = 0; i < N; i++) {
        NetCommand response = house_receive(net);
        assert_int_equal(response.status, DCM_STATUS_SUCCESS);
        assert_int_equal(response.responded_to, ids[i]);
    }
    assert_int_equal(house_instances(h), N);
    house_hang_up(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stored_byte_for_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_twice_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(lax_senders, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_off, setup, teardown),
        cmocka_unit_test_setup_teardown(asynchronous_window, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
