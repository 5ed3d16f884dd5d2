// SPDX-License-Identifier: MIT
/* scp/get: with and without role selection, conversion, what cannot be sent, refusals, cancel. */
#include "house.h"

#define STUDY "1.2.826.0.6.1"

static int setup(void **state)
{
    House *h = house_new();
    static const char *const uids[] = {STUDY ".1.1", STUDY ".1.2", STUDY ".1.3"};
    for (size_t i = 0; i < 3; i++)
        house_ingest(h, &(Picture){"P1", "M\xC3\xBCller^Eva", "ISO_IR 100", STUDY, STUDY ".1", uids[i], NULL,
                                   NULL, NULL});
    house_start(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    house_free(*state);
    return 0;
}

typedef struct Want {
    const char *storage_syntax; /* NULL: no storage context */
    const char *storage_class;  /* NULL: CT */
    bool with_role;
    uint16_t status; /* we answer each object with it */
    int cancel_at;   /* the object before whose answer we cancel; 0 = never */
} Want;

typedef struct Got {
    int objects;
    char syntax[65];
    const char *last_name; /* Patient's Name of the last object */
    NetCommand final;
    DcmDataset *identifier;
} Got;

static NetAssociation *associate(House *h, const Want *want)
{
    Err err = {0};
    NetProposal proposals[2] = {
        {.abstract_syntax = HOUSE_GET, .transfer_syntaxes = house_explicit, .transfer_syntax_count = 1},
        {.abstract_syntax = want->storage_class ? want->storage_class : HOUSE_CT,
         .transfer_syntaxes = &want->storage_syntax,
         .transfer_syntax_count = 1,
         .role_selection = want->with_role,
         .scp = want->with_role}};
    Ask ask = {.proposals = proposals, .count = want->storage_syntax ? 2 : 1};
    NetAssociation *net = house_try(h, &ask, NULL, &err);
    if (!net)
        fail_msg("%s", err.text);
    return net;
}

static void take_object(House *h, NetAssociation *net, const Want *want, const NetCommand *store,
                        uint16_t get_id, Got *got)
{
    Buf bytes;
    Err err = {0};
    const NetAccepted *context = net_context_by_id(net, store->context_id);
    snprintf(got->syntax, sizeof got->syntax, "%s", context->transfer_syntax);
    buf_init(&bytes, 0);
    assert_true(net_data_all(net, 1 << 20, &bytes, &err));
    DcmDataset *ds = dcm_dataset_parse(h->arena, arena_span(h->arena, buf_span(&bytes)),
                                       dcm_transfer_syntax(span_cstr(got->syntax)), NULL, &err);
    assert_non_null(ds);
    buf_free(&bytes);
    got->last_name = dcm_text(h->arena, ds, DCM_PatientName, 0);
    assert_string_equal(dcm_text(h->arena, ds, DCM_SOPInstanceUID, 0), store->sop_instance);
    if (++got->objects == want->cancel_at) {
        NetCommand stop = {
            .field = NET_C_CANCEL_RQ, .context_id = net_context_at(net, 0)->id, .responded_to = get_id};
        assert_true(net_send(net, &stop, NULL, &err));
    }
    NetCommand answer = net_response_to(store, want->status);
    assert_true(net_send(net, &answer, NULL, &err));
}

static Got get(House *h, const Want *want)
{
    Got got = {0};
    NetAssociation *net = associate(h, want);
    DcmDataset *keys = dcm_dataset_new(h->arena);
    dcm_put_utf8(keys, DCM_QueryRetrieveLevel, "STUDY");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, STUDY);
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    assert_true(dcm_write(&bytes, keys, dcm_transfer_syntax(SPAN(HOUSE_ELE)), &err));
    Span span = buf_span(&bytes);
    NetCommand request = house_command(net, NET_C_GET_RQ, HOUSE_GET);
    assert_true(net_send(net, &request, &span, &err));
    buf_free(&bytes);
    for (;;) {
        NetCommand command = house_receive(net);
        if (command.field == NET_C_STORE_RQ) {
            take_object(h, net, want, &command, request.message_id, &got);
            continue;
        }
        assert_int_equal(command.field, NET_C_GET_RSP);
        if (dcm_status_class(command.status) == DCM_PENDING)
            continue;
        got.final = command;
        got.identifier = command.has_data_set ? house_data(h->arena, net) : NULL;
        break;
    }
    house_hang_up(net);
    return got;
}

static void with_and_without_role(void **state)
{
    for (int role = 0; role < 2; role++) {
        Got got = get(*state, &(Want){.storage_syntax = HOUSE_ELE, .with_role = role});
        assert_int_equal(got.final.status, DCM_STATUS_SUCCESS);
        assert_int_equal(got.final.completed, 3);
        assert_int_equal(got.objects, 3);
        assert_string_equal(got.syntax, HOUSE_ELE);
        assert_string_equal(got.last_name, "M\xC3\xBCller^Eva");
        assert_null(got.identifier);
    }
}

static void converted(void **state)
{
    Got got = get(*state, &(Want){.storage_syntax = HOUSE_ILE, .with_role = true});
    assert_int_equal(got.final.status, DCM_STATUS_SUCCESS);
    assert_int_equal(got.final.completed, 3);
    assert_string_equal(got.syntax, HOUSE_ILE);
    assert_string_equal(got.last_name, "M\xC3\xBCller^Eva");
}

static void no_context_for_it(void **state)
{
    static const Want wants[] = {
        {.storage_syntax = NULL},
        {.storage_syntax = HOUSE_ELE, .storage_class = DCM_UID_MRImageStorage, .with_role = true},
        {.storage_syntax = DCM_UID_JPEG2000Lossless, .with_role = true},
    };
    House *h = *state;
    for (size_t i = 0; i < 3; i++) {
        Got got = get(h, &wants[i]);
        assert_int_equal(got.objects, 0);
        assert_int_equal(got.final.status, DCM_STATUS_MOVE_CANNOT_SEND);
        assert_int_equal(got.final.failed, 3);
        assert_int_equal(dcm_value_count(got.identifier, DCM_FailedSOPInstanceUIDList), 3);
    }
}

static void refused_and_warned(void **state)
{
    Got got = get(*state, &(Want){.storage_syntax = HOUSE_ELE, .with_role = true, .status = 0xA700});
    assert_int_equal(got.objects, 3);
    assert_int_equal(got.final.status, DCM_STATUS_MOVE_CANNOT_SEND);
    assert_int_equal(got.final.failed, 3);
    got = get(*state, &(Want){.storage_syntax = HOUSE_ELE, .with_role = true, .status = 0xB000});
    assert_int_equal(got.final.status, DCM_STATUS_SUB_OPERATIONS_WARNING);
    assert_int_equal(got.final.warning, 3);
    assert_int_equal(got.final.failed, 0);
}

static void cancelled(void **state)
{
    Got got = get(*state, &(Want){.storage_syntax = HOUSE_ELE, .with_role = true, .cancel_at = 1});
    assert_int_equal(got.objects, 1);
    assert_int_equal(got.final.status, DCM_STATUS_CANCEL);
    assert_int_equal(got.final.completed, 1);
    assert_int_equal(got.final.remaining, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_and_without_role, setup, teardown),
        cmocka_unit_test_setup_teardown(converted, setup, teardown),
        cmocka_unit_test_setup_teardown(no_context_for_it, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_and_warned, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
