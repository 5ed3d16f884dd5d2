// SPDX-License-Identifier: MIT
/* scu/exercise: what a peer sees of each fault: a whole message or none, an abort or an end, and what we say about it. */
#include "peer.h"

#include "scu/exercise.h"

/* What the peer saw. */
typedef struct Seen {
    bool command, whole, ended, aborted;
    uint64_t bytes;
} Seen;

static void look(NetAssociation *a, void *ctx)
{
    Seen *seen = ctx;
    NetCommand request = {0};
    Err err = {0};
    NetGot got = net_receive(a, &request, deadline_in(5000), &err);
    seen->command = got == NET_GOT_COMMAND;
    if (seen->command && request.has_data_set) {
        Span piece = {0};
        bool ok;
        while ((ok = net_data_next(a, &piece, &err)) && piece.n)
            seen->bytes += piece.n;
        seen->whole = ok;
    } else if (seen->command) {
        seen->whole = true;
    }
    if (seen->whole)
        peer_answer(a, &request, 0, 0, NULL);
    if (net_is_open(a))
        got = net_receive(a, &request, deadline_in(5000), &err);
    seen->ended = !net_is_open(a);
    seen->aborted = strstr(err.text, "abort") != NULL;
}

/* A source of zeros. */
static ssize_t zeros(void *ctx, uint8_t *p, size_t n, Err *err)
{
    uint64_t *left = ctx;
    n = n < *left ? n : (size_t)*left;
    memset(p, 0, n);
    *left -= n;
    return (ssize_t)n;
}

static const ScuKind kind = {DCM_UID_CTImageStorage, DCM_UID_ExplicitVRLittleEndian};

/* One C-STORE of `bytes`, or a C-ECHO when 0, with a fault. True when the verb said so. */
static bool act(ScuFault fault, uint64_t bytes, Seen *seen, ScuResult *result)
{
    *seen = (Seen){0};
    Peer peer = {.script = look, .ctx = seen};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    ScuPlan plan = {.echo = true, .store = true, .kinds = &kind, .kind_count = 1};
    Err err = {0};
    ScuExercise *exercise = scu_exercise_open(&address, &plan, result, &err);
    assert_non_null(exercise);
    uint64_t left = bytes;
    ScuStore store = {.context = scu_exercise_context(exercise, &kind, true),
                      .sop_class = kind.sop_class,
                      .sop_instance = "1.2.3",
                      .source = zeros,
                      .ctx = &left,
                      .bytes = bytes};
    assert_non_null(store.context);
    bool ok = bytes ? scu_exercise_store(exercise, &store, fault, 50, result, &err)
                    : scu_exercise_echo(exercise, fault, 50, result, &err);
    bool expect_open = fault == SCU_NO_FAULT || fault == SCU_DRIP;
    assert_int_equal(scu_exercise_is_open(exercise), expect_open);
    scu_exercise_close(exercise);
    peer_stop(&peer);
    return ok;
}

static const uint64_t sizes[] = {2, 4096, 4098, 100000, 600000};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void whole_ones_are_answered(void **state)
{
    static const ScuFault faults[] = {SCU_NO_FAULT, SCU_DRIP};
    Seen seen;
    ScuResult result;
    for (size_t f = 0; f < 2; f++) {
        for (size_t i = 0; i < SIZES; i++) {
            assert_true(act(faults[f], sizes[i], &seen, &result));
            assert_true(result.answered && seen.whole);
            assert_int_equal(seen.bytes, sizes[i]);
        }
        assert_true(act(faults[f], 0, &seen, &result));
        assert_true(result.answered && seen.whole);
    }
}

static void broken_ones_never_look_whole(void **state)
{
    static const ScuFault faults[] = {SCU_ABORT, SCU_DROP};
    Seen seen;
    ScuResult result;
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < SIZES; i++) {
            assert_true(act(faults[f], sizes[i], &seen, &result));
            assert_true(seen.command && !seen.whole && seen.ended && !result.answered);
            assert_true(seen.bytes <= sizes[i]);
            assert_true(sizes[i] < 5000 || seen.bytes > 0);
            assert_int_equal(seen.aborted, faults[f] == SCU_ABORT);
        }
    assert_true(act(SCU_DROP, 0, &seen, &result));
    assert_true(!seen.command && seen.ended);
}

static void the_deaf_send_all_and_go(void **state)
{
    Seen seen;
    ScuResult result;
    for (size_t i = 0; i < SIZES; i++) {
        assert_true(act(SCU_DEAF, sizes[i], &seen, &result));
        assert_true(seen.whole && seen.ended && !result.answered);
        assert_int_equal(seen.bytes, sizes[i]);
    }
}

static void nothing_accepted(void **state)
{
    Peer peer = {.accept_only = DCM_UID_MRImageStorage};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    ScuPlan plan = {.echo = true, .store = true, .kinds = &kind, .kind_count = 1};
    ScuResult result;
    Err err = {0};
    assert_null(scu_exercise_open(&address, &plan, &result, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    peer_stop(&peer);
}

static void refused(void **state)
{
    Peer peer = {.reject = true};
    peer_start(&peer);
    ScuPeer address = peer_address(&peer);
    ScuPlan plan = {.echo = true};
    ScuResult result;
    Err err = {0};
    assert_null(scu_exercise_open(&address, &plan, &result, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_ones_are_answered),
        cmocka_unit_test(broken_ones_never_look_whole),
        cmocka_unit_test(the_deaf_send_all_and_go),
        cmocka_unit_test(nothing_accepted),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
