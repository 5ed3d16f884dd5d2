// SPDX-License-Identifier: MIT
/* scu/sender: what is proposed, in what an object goes, reuse and renewal of the association, what failures say. */
#include "scu/sender.h"

#include "base/base.h"
#include "dicom/dicom.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CT  DCM_UID_CTImageStorage
#define MR  DCM_UID_MRImageStorage
#define ELE DCM_UID_ExplicitVRLittleEndian
#define ILE DCM_UID_ImplicitVRLittleEndian
#define EBE DCM_UID_ExplicitVRBigEndian
#define J2K DCM_UID_JPEG2000Lossless

enum { WAIT_MS = 10000, MAX_GOT = 16 };

static const NetTimeouts timeouts = {WAIT_MS, WAIT_MS, WAIT_MS, WAIT_MS};

/* A storage SCP for a given number of associations, one after the other. */
typedef struct Store {
    /* what it does */
    const char *accepts;    /* the only transfer syntax taken; NULL = all */
    unsigned associations;  /* to serve, then it goes away */
    unsigned hang_up_after; /* objects of the first association, then the connection is cut; 0 = never */
    uint16_t status;        /* its answers */
    bool silent;            /* never answers */
    /* what it saw */
    unsigned served, objects, proposed[8];
    char syntax[MAX_GOT][65], patient[MAX_GOT][17], originator[17];
    uint16_t originator_id;

    int listener;
    pthread_t thread;
} Store;

static bool admit(void *ctx, const NetAssociate *request, NetAddress from, NetReject *reject)
{
    Store *store = ctx;
    store->proposed[store->served] = (unsigned)request->context_count;
    return true;
}

static NetDecision decide(void *ctx, const NetOffer *offer)
{
    const Store *store = ctx;
    NetDecision decision = {.result = NET_CONTEXT_ACCEPTED, .scu = true};
    if (store->accepts)
        for (; decision.transfer_syntax < offer->transfer_syntax_count; decision.transfer_syntax++)
            if (span_eq_cstr(offer->transfer_syntaxes[decision.transfer_syntax], store->accepts))
                return decision;
    if (store->accepts)
        decision.result = NET_CONTEXT_TRANSFER_SYNTAXES;
    return decision;
}

static void take_object(Store *store, NetAssociation *net, const NetCommand *request)
{
    Arena *arena = arena_new(0);
    Buf bytes;
    buf_init(&bytes, 1 << 20);
    const char *syntax = net_context_by_id(net, request->context_id)->transfer_syntax;
    unsigned n = store->objects++;
    assert_true(n < MAX_GOT && net_data_all(net, 1 << 20, &bytes, NULL));
    DcmDataset *ds =
        dcm_dataset_parse(arena, buf_span(&bytes), dcm_transfer_syntax(span_cstr(syntax)), NULL, NULL);
    assert_non_null(ds);
    snprintf(store->syntax[n], sizeof store->syntax[n], "%s", syntax);
    snprintf(store->patient[n], sizeof store->patient[n], "%s", dcm_text(arena, ds, DCM_PatientID, 0));
    snprintf(store->originator, sizeof store->originator, "%s", request->move_originator);
    store->originator_id = request->move_originator_id;
    buf_free(&bytes);
    arena_free(arena);
}

static void serve(Store *store, NetAssociation *net)
{
    NetCommand request;
    unsigned n = 0;
    while (net_receive(net, &request, deadline_in(WAIT_MS), NULL) == NET_GOT_COMMAND) {
        take_object(store, net, &request);
        NetCommand response = net_response_to(&request, store->status);
        snprintf(response.error_comment, sizeof response.error_comment, "%s", store->status ? "no room" : "");
        if (!store->silent)
            net_send(net, &response, NULL, NULL);
        if (store->served == 0 && ++n == store->hang_up_after)
            return;
    }
}

static void *store_main(void *ctx)
{
    Store *store = ctx;
    NetPolicy policy = {.ctx = store, .admit = admit, .decide = decide, .timeouts = timeouts};
    for (; store->served < store->associations; store->served++) {
        NetStream *stream =
            net_stream_accept(accept(store->listener, NULL, NULL), NULL, deadline_in(WAIT_MS), NULL);
        NetAssociation *net = net_accept(stream, &policy, NULL);
        if (net)
            serve(store, net);
        net_association_free(net);
    }
    return NULL;
}

typedef struct Rig {
    Store store;
    ScuSender *sender;
    char path[64];
} Rig;

static void write_object(const char *path)
{
    Arena *arena = arena_new(0);
    Buf bytes;
    buf_init(&bytes, 0);
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_SOPClassUID, CT);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, "1.2.3");
    dcm_put_utf8(ds, DCM_PatientID, "P1");
    assert_true(dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(ELE)), NULL));
    assert_true(file_replace(path, buf_span(&bytes), 0600, NULL));
    buf_free(&bytes);
    arena_free(arena);
}

static Rig *rig_start(Store store)
{
    Err err = {0};
    Rig *rig = calloc(1, sizeof *rig);
    rig->store = store;
    rig->store.listener = net_listen("127.0.0.1", 0, &err);
    assert_true(rig->store.listener >= 0);
    snprintf(rig->path, sizeof rig->path, "/tmp/test-sender-XXXXXX");
    close(mkstemp(rig->path));
    write_object(rig->path);
    ScuPeer peer = {.host = "127.0.0.1",
                    .port = net_listen_port(rig->store.listener),
                    .called_ae = "STORE",
                    .calling_ae = "SENDER",
                    .timeouts = timeouts};
    rig->sender = scu_sender_new(&peer);
    assert_int_equal(pthread_create(&rig->store.thread, NULL, store_main, &rig->store), 0);
    return rig;
}

/* Says goodbye; after that, what the store saw may be looked at. */
static void rig_stop(Rig *rig)
{
    if (!rig->sender)
        return;
    scu_sender_free(rig->sender);
    rig->sender = NULL;
    pthread_join(rig->store.thread, NULL);
}

static void rig_end(Rig *rig)
{
    rig_stop(rig);
    close(rig->store.listener);
    unlink(rig->path);
    free(rig);
}

static ArcReader *open_object(void *ctx, const char *transfer_syntax, Err *err)
{
    return arc_reader_open_path(((Rig *)ctx)->path, 0, ELE, transfer_syntax, err);
}

static bool send_it(Rig *rig, const char *class, ScuResult *result, Err *err)
{
    ScuOriginator originator = {"MOVER", 77};
    ScuObject object = {.sop_class = class,
                        .sop_instance = "1.2.3",
                        .transfer_syntax = ELE,
                        .open = open_object,
                        .ctx = rig,
                        .originator = &originator};
    return scu_sender_send(rig->sender, &object, result, err);
}

static void as_stored_on_one_association(void **state)
{
    Rig *rig = rig_start((Store){.associations = 1});
    ScuResult result;
    Err err = {0};
    scu_sender_expect(rig->sender, CT, ELE);
    scu_sender_expect(rig->sender, CT, J2K);
    scu_sender_expect(rig->sender, CT, ELE);
    scu_sender_expect(rig->sender, MR, ILE);
    for (int i = 0; i < 3; i++) {
        if (!send_it(rig, CT, &result, &err))
            fail_msg("%s", err.text);
        assert_true(result.associated && result.answered && result.status == 0);
        assert_string_equal(scu_sender_context(rig->sender)->transfer_syntax, ELE);
    }
    rig_stop(rig);
    /* CT: ELE, J2K, {ILE}; MR: ILE, {ELE} */
    assert_int_equal(rig->store.proposed[0], 5);
    assert_int_equal(rig->store.objects, 3);
    assert_string_equal(rig->store.syntax[2], ELE);
    assert_string_equal(rig->store.patient[2], "P1");
    assert_string_equal(rig->store.originator, "MOVER");
    assert_int_equal(rig->store.originator_id, 77);
    rig_end(rig);
}

static void converted_when_it_must_be(void **state)
{
    Rig *rig = rig_start((Store){.associations = 1, .accepts = ILE});
    ScuResult result;
    Err err = {0};
    if (!send_it(rig, CT, &result, &err))
        fail_msg("%s", err.text);
    rig_stop(rig);
    assert_string_equal(rig->store.syntax[0], ILE);
    assert_string_equal(rig->store.patient[0], "P1");
    rig_end(rig);
}

/* One association is enough to know. */
static void not_accepted_at_all(void **state)
{
    Rig *rig = rig_start((Store){.associations = 1, .accepts = "1.2.3.4"});
    ScuResult result;
    Err err = {0};
    for (int i = 0; i < 2; i++) {
        assert_false(send_it(rig, CT, &result, &err));
        assert_true(result.associated && !result.answered);
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "STORE at 127.0.0.1"));
        assert_non_null(strstr(err.text, "CT Image Storage"));
    }
    rig_end(rig);
}

/* A class nobody announced: negotiated anew, with the old ones. */
static void unexpected_class(void **state)
{
    Rig *rig = rig_start((Store){.associations = 2});
    static const char *const classes[] = {CT, MR, CT, MR};
    ScuResult result;
    Err err = {0};
    for (size_t i = 0; i < 4; i++)
        if (!send_it(rig, classes[i], &result, &err))
            fail_msg("%s", err.text);
    rig_stop(rig);
    assert_int_equal(rig->store.proposed[0], 2);
    assert_int_equal(rig->store.proposed[1], 4);
    assert_int_equal(rig->store.objects, 4);
    rig_end(rig);
}

static void restricted(void **state)
{
    static const char *const classes[] = {CT}, *const syntaxes[] = {ILE};
    Rig *rig = rig_start((Store){.associations = 1});
    ScuResult result;
    Err err = {0};
    scu_sender_restrict(rig->sender, classes, 1, syntaxes, 1);
    assert_true(send_it(rig, CT, &result, &err));
    assert_false(send_it(rig, MR, &result, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    rig_stop(rig);
    assert_string_equal(rig->store.syntax[0], ILE);
    assert_int_equal(rig->store.proposed[0], 1);
    rig_end(rig);
}

static void refused_and_warned(void **state)
{
    static const struct {
        uint16_t status;
        bool ok;
    } rows[] = {{0x0000, true},  {0xB000, true},  {0xB007, true},
                {0xA700, false}, {0x0122, false}, {0xC000, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Rig *rig = rig_start((Store){.associations = 1, .status = rows[i].status});
        ScuResult result;
        Err err = {0};
        assert_int_equal(send_it(rig, CT, &result, &err), rows[i].ok);
        assert_true(result.associated && result.answered);
        assert_int_equal(result.status, rows[i].status);
        assert_true(rows[i].ok || (err.dimse == rows[i].status && strstr(err.text, "no room")));
        rig_end(rig);
    }
}

/* The peer cut a kept association: tried again on a new one. A new one that is cut is a failure. */
static void cut_off(void **state)
{
    ScuResult result;
    Err err = {0};
    Rig *rig = rig_start((Store){.associations = 2, .hang_up_after = 1});
    assert_true(send_it(rig, CT, &result, &err));
    if (!send_it(rig, CT, &result, &err))
        fail_msg("%s", err.text);
    rig_stop(rig);
    assert_int_equal(rig->store.objects, 2);
    rig_end(rig);

    rig = rig_start((Store){.associations = 1, .hang_up_after = 1, .silent = true});
    assert_false(send_it(rig, CT, &result, &err));
    assert_false(result.associated || result.answered);
    assert_int_equal(err.code, ERR_CLOSED);
    rig_end(rig);
}

static void nobody_there(void **state)
{
    ScuPeer peer = {
        .host = "127.0.0.1", .port = 1, .called_ae = "X", .calling_ae = "Y", .timeouts = timeouts};
    Rig rig = {.sender = scu_sender_new(&peer)};
    ScuResult result;
    Err err = {0};
    assert_false(send_it(&rig, CT, &result, &err));
    assert_false(result.associated);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    scu_sender_free(rig.sender);
}

static void *interrupt_main(void *ctx)
{
    Rig *rig = ctx;
    /* until the send has ended: it may not have begun to wait */
    for (int i = 0; i < 40; i++) {
        clock_sleep_ms(25);
        scu_sender_interrupt(rig->sender);
    }
    return NULL;
}

static void interrupted(void **state)
{
    Rig *rig = rig_start((Store){.associations = 1, .silent = true});
    ScuResult result;
    Err err = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_main, rig), 0);
    int64_t began = clock_ms();
    assert_false(send_it(rig, CT, &result, &err));
    assert_true(clock_ms() - began < WAIT_MS - 2000);
    assert_int_equal(err.code, ERR_CLOSED);
    pthread_join(thread, NULL);
    rig_end(rig);
}

/* More kinds than fit into 128 contexts: what is needed comes first, the rest in its turn. */
static void too_many_kinds(void **state)
{
    Rig *rig = rig_start((Store){.associations = 2});
    ScuResult result;
    Err err = {0};
    size_t n = dcm_storage_class_count();
    assert_true(n > 140);
    for (size_t i = 0; i < n; i++)
        scu_sender_expect(rig->sender, dcm_storage_class_at(i)->uid, ELE);
    assert_true(send_it(rig, dcm_storage_class_at(0)->uid, &result, &err));
    assert_true(send_it(rig, dcm_storage_class_at(n - 1)->uid, &result, &err));
    rig_stop(rig);
    assert_int_equal(rig->store.proposed[0], NET_MAX_CONTEXTS);
    assert_int_equal(rig->store.proposed[1], NET_MAX_CONTEXTS);
    assert_int_equal(rig->store.objects, 2);
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_stored_on_one_association),
        cmocka_unit_test(converted_when_it_must_be),
        cmocka_unit_test(not_accepted_at_all),
        cmocka_unit_test(unexpected_class),
        cmocka_unit_test(restricted),
        cmocka_unit_test(refused_and_warned),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(too_many_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
