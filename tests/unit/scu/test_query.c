// SPDX-License-Identifier: MIT
/* scu/query, find, move, get against a scripted peer: matches, counters, cancel, failures, C-GET sub-operations. */
#include "peer.h"

/* -- find -- */

typedef struct Seen {
    Arena *arena;
    size_t matches, stop_after;
    char last[65];
} Seen;

static bool on_match(void *ctx, const DcmDataset *match)
{
    Seen *seen = ctx;
    dcm_uid(match, DCM_StudyInstanceUID, seen->last);
    return ++seen->matches != seen->stop_after;
}

static DcmDataset *study_keys(Arena *arena)
{
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, "");
    return keys;
}

typedef struct FindScript {
    Buf identifier;
    size_t answers;
    uint16_t final;
    bool saw_cancel;
} FindScript;

static void answer_find(NetAssociation *a, void *ctx)
{
    FindScript *script = ctx;
    NetCommand request;
    if (!peer_request(a, &request, &script->identifier))
        return;
    for (size_t i = 0; i < script->answers && !script->saw_cancel; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.2.%zu", i);
        peer_answer(a, &request, 0xFF00, DCM_StudyInstanceUID, uid);
        bool ended = false;
        if (script->answers > 100)
            clock_sleep_ms(1);
        script->saw_cancel = net_cancelled(a, request.message_id, &ended);
    }
    peer_answer(a, &request, script->saw_cancel ? 0xFE00 : script->final, 0, NULL);
}

static void find_streams_matches(void **state)
{
    FindScript script = {.answers = 3};
    buf_init(&script.identifier, 0);
    Peer peer = {.script = answer_find, .ctx = &script};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    ScuQuery *query = scu_query_open(&address, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, &err);
    assert_non_null(query);
    Seen seen = {0};
    assert_true(scu_find(query, DCM_LEVEL_STUDY, study_keys(arena), on_match, &seen, &result, &err));
    assert_int_equal(seen.matches, 3);
    assert_int_equal(result.matches, 3);
    assert_string_equal(seen.last, "1.2.2");
    assert_int_equal(result.status, 0);
    scu_query_close(query);
    peer_stop(&peer);
    /* The level was added to what was asked. */
    const DcmDataset *sent = dcm_dataset_parse(arena, buf_span(&script.identifier), NULL, NULL, &err);
    assert_non_null(sent);
    assert_string_equal(dcm_text(arena, sent, DCM_QueryRetrieveLevel, 0), "STUDY");
    assert_non_null(dcm_find(sent, DCM_StudyInstanceUID));
    buf_free(&script.identifier);
    arena_free(arena);
}

static void find_failure_is_told(void **state)
{
    FindScript script = {.final = 0xA900};
    buf_init(&script.identifier, 0);
    Peer peer = {.script = answer_find, .ctx = &script};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    ScuQuery *query = scu_query_open(&address, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, &err);
    Seen seen = {0};
    assert_false(scu_find(query, DCM_LEVEL_STUDY, study_keys(arena), on_match, &seen, &result, &err));
    assert_int_equal(err.dimse, 0xA900);
    assert_true(result.answered);
    scu_query_close(query);
    peer_stop(&peer);
    buf_free(&script.identifier);
    arena_free(arena);
}

static void find_cancels(void **state)
{
    FindScript script = {.answers = 3000};
    buf_init(&script.identifier, 0);
    Peer peer = {.script = answer_find, .ctx = &script};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    ScuQuery *query = scu_query_open(&address, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, &err);
    Seen seen = {.stop_after = 2};
    assert_false(scu_find(query, DCM_LEVEL_STUDY, study_keys(arena), on_match, &seen, &result, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(result.status, 0xFE00);
    assert_int_equal(seen.matches, 2); /* what comes after our cancel is dropped */
    scu_query_close(query);
    peer_stop(&peer);
    assert_true(script.saw_cancel);
    buf_free(&script.identifier);
    arena_free(arena);
}

/* -- pending responses without a match -- */

typedef struct EmptyScript {
    size_t count, every_ms;
    bool match_between;
} EmptyScript;

static void answer_with_nothing(NetAssociation *a, void *ctx)
{
    EmptyScript *script = ctx;
    NetCommand request;
    if (!peer_request(a, &request, NULL))
        return;
    for (size_t i = 0; i < script->count && net_is_open(a); i++) {
        NetCommand response = net_response_to(&request, 0xFF00);
        if (script->match_between && i % 500 == 499)
            peer_answer(a, &request, 0xFF00, DCM_StudyInstanceUID, "1.2");
        else
            net_send(a, &response, NULL, NULL);
        if (script->every_ms)
            clock_sleep_ms((int64_t)script->every_ms);
    }
    peer_answer(a, &request, 0, 0, NULL);
}

static bool find_with(EmptyScript *script, int64_t dimse_ms, ScuResult *result, Err *err)
{
    Peer peer = {.script = answer_with_nothing, .ctx = script};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    address.timeouts.dimse_ms = dimse_ms;
    ScuQuery *query = scu_query_open(&address, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, result, err);
    assert_non_null(query);
    Seen seen = {0};
    bool ok = scu_find(query, DCM_LEVEL_STUDY, study_keys(arena), on_match, &seen, result, err);
    scu_query_close(query);
    peer_stop(&peer);
    arena_free(arena);
    return ok;
}

static void pending_without_matches_comes_to_an_end(void **state)
{
    ScuResult result;
    Err err = {0};
    EmptyScript many = {.count = 100000}, slow = {.count = 10000, .every_ms = 5}, between = {2000, 0, true};
    assert_false(find_with(&many, 60000, &result, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "PEER"));
    assert_non_null(strstr(err.text, "sends none"));
    err = (Err){0};
    assert_false(find_with(&slow, 100, &result, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    err = (Err){0};
    if (!find_with(&between, 60000, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.matches, 4);
}

static void nonsense_data_set(NetAssociation *a, void *ctx)
{
    NetCommand request;
    if (!peer_request(a, &request, NULL))
        return;
    NetCommand response = net_response_to(&request, 0xFF00);
    response.has_data_set = true;
    Span junk = SPAN("\x10\x00\x20\x00LO\xff\x7f");
    net_send(a, &response, &junk, NULL);
}

static void unreadable_match(void **state)
{
    Peer peer = {.script = nonsense_data_set};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    ScuQuery *query = scu_query_open(&address, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, &err);
    Seen seen = {0};
    assert_false(scu_find(query, DCM_LEVEL_STUDY, study_keys(arena), on_match, &seen, &result, &err));
    assert_int_equal(seen.matches, 0);
    assert_non_null(strstr(err.text, "cannot be read"));
    scu_query_close(query);
    peer_stop(&peer);
    arena_free(arena);
}

/* -- move -- */

static void answer_move(NetAssociation *a, void *ctx)
{
    char *destination = ctx;
    NetCommand request;
    if (!peer_request(a, &request, NULL))
        return;
    snprintf(destination, 17, "%s", request.move_destination);
    NetCommand pending = net_response_to(&request, 0xFF00);
    pending.has_counters = pending.has_remaining = true;
    pending.remaining = 2;
    pending.completed = 1;
    net_send(a, &pending, NULL, NULL);
    NetCommand last = net_response_to(&request, 0xB000);
    last.has_counters = true;
    last.completed = 2;
    last.failed = 1;
    net_send(a, &last, NULL, NULL);
}

static bool count_progress(void *ctx, const ScuResult *so_far, const DcmDataset *identifier)
{
    ++*(int *)ctx;
    return true;
}

static void move_reports_counters(void **state)
{
    char destination[17] = "";
    Peer peer = {.script = answer_move, .ctx = destination};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    ScuQuery *query = scu_query_open(&address, SCU_MOVE, SCU_STUDY_ROOT, NULL, 0, &result, &err);
    assert_non_null(query);
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, "1.2.3");
    int responses = 0;
    assert_true(scu_move(query, DCM_LEVEL_STUDY, keys, "THIRD", count_progress, &responses, &result, &err));
    assert_int_equal(responses, 2);
    assert_int_equal(result.status, 0xB000);
    assert_int_equal(result.completed, 2);
    assert_int_equal(result.failed, 1);
    assert_int_equal(result.remaining, 0);
    scu_query_close(query);
    peer_stop(&peer);
    assert_string_equal(destination, "THIRD");
    arena_free(arena);
}

/* -- get -- */

typedef struct Basket {
    size_t begun, ended, dropped;
    char instance[65], syntax[65];
    Buf bytes;
    bool refuse;
} Basket;

static void *basket_begin(void *ctx, const char *sop_class, const char *sop_instance,
                          const char *transfer_syntax, Err *err)
{
    Basket *basket = ctx;
    if (basket->refuse) {
        err_set(err, ERR_NO_SPACE, "full");
        err->dimse = 0xA700;
        return NULL;
    }
    basket->begun++;
    snprintf(basket->instance, sizeof basket->instance, "%s", sop_instance);
    snprintf(basket->syntax, sizeof basket->syntax, "%s", transfer_syntax);
    return basket;
}

static bool basket_piece(void *ctx, void *handle, Span bytes, Err *err)
{
    return buf_append_span(&((Basket *)ctx)->bytes, bytes);
}

static bool basket_end(void *ctx, void *handle, bool complete, Err *err)
{
    Basket *basket = ctx;
    basket->ended += complete;
    basket->dropped += !complete;
    return true;
}

typedef struct GetScript {
    uint16_t store_status;
    bool break_off;
} GetScript;

static void answer_get(NetAssociation *a, void *ctx)
{
    GetScript *script = ctx;
    NetCommand request;
    if (!peer_request(a, &request, NULL))
        return;
    const NetAccepted *context = net_context_for(a, DCM_UID_CTImageStorage, NULL, true);
    if (!context)
        return;
    NetCommand store = {
        .field = NET_C_STORE_RQ, .context_id = context->id, .message_id = 77, .has_data_set = true};
    snprintf(store.sop_class, sizeof store.sop_class, "%s", DCM_UID_CTImageStorage);
    snprintf(store.sop_instance, sizeof store.sop_instance, "1.2.3.4");
    Span data = SPAN("the bytes of the object, as they are");
    net_send(a, &store, &data, NULL);
    NetCommand response;
    if (net_receive(a, &response, deadline_in(5000), NULL) != NET_GOT_COMMAND)
        return;
    script->store_status = response.status;
    if (script->break_off) {
        net_abort(a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
        return;
    }
    NetCommand last = net_response_to(&request, response.status ? 0xB000 : 0x0000);
    last.has_counters = true;
    last.completed = response.status == 0;
    last.failed = response.status != 0;
    net_send(a, &last, NULL, NULL);
}

static bool get_with(GetScript *script, Basket *basket, ScuResult *result, Err *err)
{
    static const char *const classes[] = {DCM_UID_CTImageStorage};
    Peer peer = {.script = answer_get, .ctx = script};
    peer_start(&peer);
    Arena *arena = arena_new(0);
    ScuPeer address = peer_address(&peer);
    ScuQuery *query = scu_query_open(&address, SCU_GET, SCU_STUDY_ROOT, classes, 1, result, err);
    assert_non_null(query);
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, "1.2.3");
    ScuSink sink = {basket, basket_begin, basket_piece, basket_end};
    bool ok = scu_get(query, DCM_LEVEL_STUDY, keys, &sink, NULL, NULL, result, err);
    scu_query_close(query);
    peer_stop(&peer);
    arena_free(arena);
    return ok;
}

static void get_receives(void **state)
{
    GetScript script = {.store_status = 0xFFFF};
    Basket basket = {0};
    buf_init(&basket.bytes, 0);
    ScuResult result;
    Err err = {0};
    assert_true(get_with(&script, &basket, &result, &err));
    assert_int_equal(script.store_status, 0);
    assert_int_equal(result.completed, 1);
    assert_int_equal(basket.ended, 1);
    assert_string_equal(basket.instance, "1.2.3.4");
    assert_string_equal(basket.syntax, DCM_UID_ExplicitVRLittleEndian);
    assert_true(span_eq(buf_span(&basket.bytes), SPAN("the bytes of the object, as they are")));
    buf_free(&basket.bytes);
}

static void get_refusal_reaches_the_peer(void **state)
{
    GetScript script = {0};
    Basket basket = {.refuse = true};
    ScuResult result;
    Err err = {0};
    assert_true(get_with(&script, &basket, &result, &err)); /* a warning status; the counters tell */
    assert_int_equal(script.store_status, 0xA700);
    assert_int_equal(result.failed, 1);
    assert_int_equal(basket.begun, 0);
}

static void get_broken_off(void **state)
{
    GetScript script = {.break_off = true};
    Basket basket = {0};
    buf_init(&basket.bytes, 0);
    ScuResult result;
    Err err = {0};
    assert_false(get_with(&script, &basket, &result, &err));
    assert_false(result.answered);
    buf_free(&basket.bytes);
}

/* -- proposals -- */

static void proposals_fit(void **state)
{
    static const char *const one[] = {DCM_UID_CTImageStorage};
    const struct {
        const char *const *classes;
        size_t n, least, most;
    } cases[] = {{NULL, 0, 128, 128}, {one, 1, 14, 128}};
    for (size_t i = 0; i < 2; i++) {
        Peer peer = {0};
        peer_start(&peer);
        ScuPeer address = peer_address(&peer);
        ScuResult result;
        Err err = {0};
        ScuQuery *query =
            scu_query_open(&address, SCU_GET, SCU_STUDY_ROOT, cases[i].classes, cases[i].n, &result, &err);
        assert_non_null(query);
        scu_query_close(query);
        peer_stop(&peer);
        assert_in_range(peer.contexts, cases[i].least, cases[i].most);
    }
}

static void verb_not_accepted(void **state)
{
    Peer peer = {.accept_only = DCM_UID_Verification};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    ScuResult result;
    Err err = {0};
    assert_null(scu_query_open(&address, SCU_FIND, SCU_PATIENT_ROOT, NULL, 0, &result, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_streams_matches), cmocka_unit_test(find_failure_is_told),
        cmocka_unit_test(find_cancels),         cmocka_unit_test(pending_without_matches_comes_to_an_end),
        cmocka_unit_test(unreadable_match),     cmocka_unit_test(move_reports_counters),
        cmocka_unit_test(get_receives),         cmocka_unit_test(get_refusal_reaches_the_peer),
        cmocka_unit_test(get_broken_off),       cmocka_unit_test(proposals_fit),
        cmocka_unit_test(verb_not_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
