// SPDX-License-Identifier: MIT
/*
 * Messages that are to be broken are put into P-DATA-TF PDUs here (PS3.8 §9.3.5) and written to the stream directly: net/ sends whole ones only.
 */
#include "scu/exercise.h"

#include "scu/query_internal.h"

#include "base/clock.h"
#include "dicom/status.h"
#include "dicom/uids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ScuExercise {
    ScuQuery query;    /* the association is its */
    NetStream *stream; /* the association's: for what it would not write itself */
};

/* -- opening -- */

static const char *const plain_syntaxes[] = {DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian};

typedef struct Proposals {
    NetProposal list[NET_MAX_CONTEXTS];
    size_t count;
} Proposals;

static NetProposal *propose(Proposals *p, const char *abstract, const char *const *syntaxes, size_t n)
{
    NetProposal *one = &p->list[p->count++];
    *one =
        (NetProposal){.abstract_syntax = abstract, .transfer_syntaxes = syntaxes, .transfer_syntax_count = n};
    return one;
}

/* Roles are agreed on for a SOP class, not for a context (PS3.7 §D.3.3.4): what is both stored and fetched has one context with both. */
static void propose_kind(Proposals *p, const ScuPlan *plan, const ScuKind *kind)
{
    bool plain = !strcmp(kind->transfer_syntax, DCM_UID_ExplicitVRLittleEndian);
    if (p->count == NET_MAX_CONTEXTS)
        return;
    NetProposal *one =
        propose(p, kind->sop_class, plain ? plain_syntaxes : &kind->transfer_syntax, plain ? 2 : 1);
    one->role_selection = one->scp = plan->verbs & SCU_GET;
    one->scu = plan->store;
}

static void propose_all(Proposals *p, const ScuPlan *plan)
{
    static const ScuVerb all[] = {SCU_FIND, SCU_MOVE, SCU_GET};
    if (plan->echo)
        propose(p, DCM_UID_Verification, plain_syntaxes, 2);
    for (size_t i = 0; i < 3; i++)
        if (plan->verbs & all[i])
            propose(p, scu_model_class(SCU_STUDY_ROOT, all[i]), plain_syntaxes, 2);
    bool moves_objects = plan->store || (plan->verbs & SCU_GET);
    for (size_t i = 0; moves_objects && i < plan->kind_count; i++)
        propose_kind(p, plan, &plan->kinds[i]);
}

static int64_t or_else(int64_t ms, int64_t otherwise)
{
    return ms ? ms : otherwise;
}

ScuExercise *scu_exercise_open(const ScuPeer *peer, const ScuPlan *plan, ScuResult *result, Err *err)
{
    *result = (ScuResult){0};
    Proposals *p = calloc(1, sizeof *p);
    ScuExercise *exercise = calloc(1, sizeof *exercise);
    if (!p || !exercise)
        abort();
    ScuQuery *query = &exercise->query;
    query->model = SCU_STUDY_ROOT;
    query->dimse_ms = or_else(peer->timeouts.dimse_ms, 60000);
    scu_peer_name(peer, query->peer);
    propose_all(p, plan);
    NetRequest request = {.calling_ae = peer->calling_ae,
                          .called_ae = peer->called_ae,
                          .proposals = p->list,
                          .proposal_count = p->count,
                          .max_pdu = peer->max_pdu,
                          .has_identity = peer->identity != NULL,
                          .identity = peer->identity ? *peer->identity : (NetIdentity){0},
                          .timeouts = peer->timeouts};
    Deadline deadline = deadline_in(or_else(peer->timeouts.connect_ms, 10000));
    exercise->stream = net_stream_connect(peer->host, peer->port, peer->tls, deadline, err);
    if (exercise->stream)
        query->association = net_associate_on(exercise->stream, &request, &result->reject, err);
    free(p);
    if (!query->association) {
        err_wrap(err, "%s", query->peer);
        free(exercise);
        return NULL;
    }
    result->associated = true;
    query->arena = arena_new(0);
    if (net_context_count(query->association))
        return exercise;
    err_set(err, ERR_UNSUPPORTED, "%s accepts none of the services that the load is made of", query->peer);
    scu_exercise_close(exercise);
    return NULL;
}

bool scu_exercise_is_open(const ScuExercise *exercise)
{
    return exercise && net_is_open(exercise->query.association);
}

void scu_exercise_close(ScuExercise *exercise)
{
    if (!exercise)
        return;
    if (net_is_open(exercise->query.association))
        net_release(exercise->query.association, NULL);
    net_association_free(exercise->query.association);
    arena_free(exercise->query.arena);
    free(exercise);
}

const NetAccepted *scu_exercise_context(const ScuExercise *exercise, const ScuKind *kind, bool any_syntax)
{
    const NetAssociation *net = exercise->query.association;
    const NetAccepted *context = net_context_for(net, kind->sop_class, kind->transfer_syntax, true);
    return context || !any_syntax ? context : net_context_for(net, kind->sop_class, NULL, true);
}

ScuQuery *scu_exercise_query(ScuExercise *exercise)
{
    return &exercise->query;
}

/* -- messages that are not as they should be -- */

static void send_abort(ScuExercise *exercise)
{
    net_abort(exercise->query.association, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
}

/* Without a word: an interrupted association cannot say that it aborts, and every use of it ends it. */
static void drop(ScuExercise *exercise)
{
    net_association_interrupt(exercise->query.association);
    send_abort(exercise);
}

enum { PIECE = 4096 };

typedef struct Wrong {
    ScuExercise *exercise;
    ScuFault fault;
    uint64_t sent, total; /* bytes of the data set, or of the command when that is all */
    int64_t began_ms, drip_ms;
    Deadline deadline;
} Wrong;

/* Sleeps until as much of the time is over as of the bytes is sent. */
static void keep_pace(const Wrong *wrong)
{
    if (wrong->fault != SCU_DRIP || !wrong->total)
        return;
    double part = (double)wrong->sent / (double)wrong->total;
    int64_t ahead = (int64_t)((double)wrong->drip_ms * part) - (clock_ms() - wrong->began_ms);
    if (ahead > 0)
        clock_sleep_ms(ahead);
}

static bool write_bytes(Wrong *wrong, const uint8_t *p, size_t n, Err *err)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    return net_stream_writev(wrong->exercise->stream, &part, 1, wrong->deadline, err);
}

/* One PDU with one PDV, PS3.8 §9.3.5.1; in two halves when it drips. `cut`: only the first half is sent. */
static bool write_pdu(Wrong *wrong, uint8_t context_id, bool command, bool last, Span value, bool cut,
                      Err *err)
{
    Buf pdu;
    buf_init(&pdu, 0);
    buf_u8(&pdu, 0x04);
    buf_u8(&pdu, 0);
    buf_u32be(&pdu, (uint32_t)value.n + 6);
    buf_u32be(&pdu, (uint32_t)value.n + 2);
    buf_u8(&pdu, context_id);
    buf_u8(&pdu, (uint8_t)((command ? 1 : 0) | (last ? 2 : 0)));
    buf_append_span(&pdu, value);
    size_t first = cut || wrong->fault == SCU_DRIP ? pdu.n / 2 : pdu.n;
    bool ok = write_bytes(wrong, pdu.p, first, err);
    wrong->sent += value.n / 2;
    if (ok && first < pdu.n && !cut) {
        keep_pace(wrong);
        ok = write_bytes(wrong, pdu.p + first, pdu.n - first, err);
    }
    wrong->sent += value.n - value.n / 2;
    buf_free(&pdu);
    return ok;
}

/* Up to n bytes; fewer only at the end. */
static ssize_t fill(NetSource source, void *ctx, uint8_t *p, size_t n, Err *err)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = source(ctx, p + have, n - have, err);
        if (got < 0)
            return -1;
        if (!got)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* The data set, or half of it when the message is to break off: behind a whole PDU for A-ABORT, inside one for a connection that drops. */
static bool write_data_set(Wrong *wrong, const ScuStore *store, Err *err)
{
    uint32_t most = net_peer_max_pdu(wrong->exercise->query.association);
    size_t room = most && most < PIECE + 6 ? most - 6 : PIECE;
    bool breaks = wrong->fault == SCU_ABORT || wrong->fault == SCU_DROP;
    uint8_t piece[PIECE];
    for (bool last = false; !last;) {
        ssize_t got = fill(store->source, store->ctx, piece, room, err);
        if (got < 0)
            return false;
        last = (size_t)got < room || wrong->sent + (uint64_t)got >= store->bytes;
        bool stop = breaks && (last || wrong->sent + (uint64_t)got > store->bytes / 2);
        bool cut = stop && wrong->fault == SCU_DROP;
        /* An aborted message must not be whole, however small it is. */
        if (!write_pdu(wrong, store->context->id, false, last && !breaks, span_of(piece, (size_t)got), cut,
                       err))
            return false;
        keep_pace(wrong);
        if (stop)
            return true;
    }
    return true;
}

static bool write_wrong(Wrong *wrong, const NetCommand *command, const ScuStore *store, Err *err)
{
    Buf bytes;
    buf_init(&bytes, 0);
    bool ok = net_command_encode(&bytes, command, err);
    wrong->total = store ? store->bytes : bytes.n;
    wrong->began_ms = clock_ms();
    wrong->deadline = deadline_in(wrong->exercise->query.dimse_ms + wrong->drip_ms);
    bool cut = !store && wrong->fault == SCU_DROP;
    ok = ok && write_pdu(wrong, command->context_id, true, true, buf_span(&bytes), cut, err);
    buf_free(&bytes);
    if (store)
        wrong->sent = 0;
    return ok && (!store || write_data_set(wrong, store, err));
}

/* -- C-STORE, C-ECHO -- */

static bool await(ScuExercise *exercise, const NetCommand *request, const char *service, ScuResult *result,
                  Err *err)
{
    NetCommand response = {0};
    ScuQuery *query = &exercise->query;
    if (!scu_next(query, &response, err) || !scu_check_response(query, request, &response, err))
        return false;
    if (response.has_data_set && !net_data_skip(query->association, err))
        return false;
    scu_take_response(result, &response);
    return scu_judge(result, NULL, query->peer, service, err);
}

/* Sends it as the fault wants. *answer: the peer is to answer. */
static bool misbehave(ScuExercise *exercise, const NetCommand *command, const ScuStore *store, ScuFault fault,
                      int64_t drip_ms, bool *answer, Err *err)
{
    Wrong wrong = {.exercise = exercise, .fault = fault, .drip_ms = fault == SCU_DRIP ? drip_ms : 0};
    bool ok = write_wrong(&wrong, command, store, err);
    *answer = ok && fault == SCU_DRIP;
    if (ok && fault == SCU_ABORT)
        send_abort(exercise);
    else if (!*answer)
        drop(exercise);
    return ok || err_wrap(err, "%s", exercise->query.peer);
}

static bool is_sent_wrong(ScuFault fault)
{
    return fault == SCU_ABORT || fault == SCU_DROP || fault == SCU_DEAF || fault == SCU_DRIP;
}

bool scu_exercise_store(ScuExercise *exercise, const ScuStore *store, ScuFault fault, int64_t drip_ms,
                        ScuResult *result, Err *err)
{
    NetAssociation *net = exercise->query.association;
    *result = (ScuResult){.associated = true};
    NetCommand command = {.field = NET_C_STORE_RQ,
                          .context_id = store->context->id,
                          .message_id = net_next_message_id(net),
                          .has_data_set = true};
    span_copy(span_cstr(store->sop_class), command.sop_class, sizeof command.sop_class);
    span_copy(span_cstr(store->sop_instance), command.sop_instance, sizeof command.sop_instance);
    bool answer = true;
    if (!is_sent_wrong(fault)) {
        if (!net_send_stream(net, &command, store->source, store->ctx, err))
            return err_wrap(err, "%s", exercise->query.peer);
    } else if (!misbehave(exercise, &command, store, fault, drip_ms, &answer, err)) {
        return false;
    }
    return !answer || await(exercise, &command, "Storage", result, err);
}

bool scu_exercise_echo(ScuExercise *exercise, ScuFault fault, int64_t drip_ms, ScuResult *result, Err *err)
{
    NetAssociation *net = exercise->query.association;
    *result = (ScuResult){.associated = true};
    const NetAccepted *context = net_context_for(net, DCM_UID_Verification, NULL, true);
    if (!context)
        return err_set(err, ERR_UNSUPPORTED, "%s does not offer the verification service",
                       exercise->query.peer);
    NetCommand command = {
        .field = NET_C_ECHO_RQ, .context_id = context->id, .message_id = net_next_message_id(net)};
    snprintf(command.sop_class, sizeof command.sop_class, "%s", DCM_UID_Verification);
    bool answer = true;
    if (!is_sent_wrong(fault)) {
        if (!net_send(net, &command, NULL, err))
            return err_wrap(err, "%s", exercise->query.peer);
    } else if (!misbehave(exercise, &command, NULL, fault, drip_ms, &answer, err)) {
        return false;
    }
    return !answer || await(exercise, &command, "Verification", result, err);
}

/* -- C-FIND, C-GET, C-MOVE -- */

bool scu_exercise_break(ScuExercise *exercise, ScuVerb verb, ScuFault fault, DcmLevel level,
                        const DcmDataset *keys, const char *destination, Err *err)
{
    NetCommand answer = {0}, request = {.field = verb == SCU_FIND   ? NET_C_FIND_RQ
                                                 : verb == SCU_MOVE ? NET_C_MOVE_RQ
                                                                    : NET_C_GET_RQ};
    if (destination)
        span_copy(span_cstr(destination), request.move_destination, sizeof request.move_destination);
    if (!scu_request(&exercise->query, verb, level, keys, &request, err))
        return false;
    bool ok = fault == SCU_DEAF || scu_next(&exercise->query, &answer, err);
    if (fault == SCU_ABORT)
        send_abort(exercise);
    else
        drop(exercise);
    return ok;
}
