// SPDX-License-Identifier: MIT
/*
 * Messages in, PS3.7 §6.3 and PS3.8 E: PDVs of P-DATA-TF, cut from the input buffer as they arrive. Fragments of a command are gathered (at
 * most 64 KiB); fragments of a data set are handed out where they lie.
 *
 * A message is command fragments, then data set fragments if the command says so, all on one accepted context, not mixed with another
 * message (PS3.8 E.1). Anything else gets an A-P-ABORT.
 */
#include "net/association_inside.h"

#include <stdlib.h>
#include <string.h>

typedef enum Step {
    STEP_COMMAND, /* the last fragment of a command has come */
    STEP_DATA,    /* a piece of the data set */
    STEP_RELEASE,
    STEP_NOTHING, /* the deadline passed between messages */
    STEP_OVER
} Step;

/* -- PDVs -- */

static bool wrong_pdv(NetAssociation *a, uint8_t reason, Err *err, const char *what)
{
    err_set(err, ERR_FORMAT, "the peer sent %s (context %u)", what, a->in.pdv.context_id);
    return net_violation(a, reason, err);
}

static bool pdv_is_allowed(NetAssociation *a, Err *err)
{
    const NetInput *in = &a->in;
    if (!net_context_by_id(a, in->pdv.context_id))
        return wrong_pdv(a, NET_ABORT_INVALID_PARAMETER, err, "data on a context that was not accepted");
    if ((in->command_begun || in->data_expected) && in->pdv.context_id != in->message_context)
        return wrong_pdv(a, NET_ABORT_UNEXPECTED_PARAMETER, err, "fragments of two messages mixed");
    if (in->pdv.command && in->data_expected)
        return wrong_pdv(a, NET_ABORT_UNEXPECTED_PARAMETER, err, "a command before the end of the data set");
    if (!in->pdv.command && !in->data_expected)
        return wrong_pdv(a, NET_ABORT_UNEXPECTED_PARAMETER, err, "a data set without a command");
    return true;
}

static bool wait_failed(NetAssociation *a, Err *err)
{
    if (err->code != ERR_TIMEOUT)
        return net_lost(a, err);
    err_wrap(err, "in the middle of a message");
    return net_too_late(a, err);
}

static bool begin_pdv(NetAssociation *a, Deadline deadline, Err *err)
{
    NetInput *in = &a->in;
    size_t n = in->pdu_left < NET_PDV_HEADER ? in->pdu_left : NET_PDV_HEADER;
    if (!net_input_fill(a, n, deadline, err))
        return false;
    uint32_t length;
    if (!net_pdv_header(span_of(in->p + in->start, n), in->pdu_left, &in->pdv, &length, err))
        return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
    net_input_take(a, n);
    in->pdu_left -= (uint32_t)n;
    in->pdv_left = length;
    if (!pdv_is_allowed(a, err))
        return false;
    in->in_pdv = true;
    in->direct = !in->pdv.command && in->room && length >= (in->direct ? NET_IN_FIRST : NET_DIRECT_FROM);
    in->message_context = in->pdv.context_id;
    if (in->pdv.command && !in->command_begun) {
        in->command_begun = true;
        in->command_deadline = net_piece_deadline(a);
    }
    return true;
}

static bool receive_there(NetAssociation *a, Deadline deadline, Span *piece, Err *err)
{
    NetInput *in = &a->in;
    ssize_t got =
        net_input_read(a, in->room, in->room_n < in->pdv_left ? in->room_n : in->pdv_left, deadline, err);
    if (got > 0)
        *piece = span_of(in->room, (size_t)got);
    return got > 0;
}

/* What has come of the PDV; waits for its first byte. */
static bool take_piece(NetAssociation *a, Deadline deadline, Span *piece, Err *err)
{
    NetInput *in = &a->in;
    if (in->direct && in->room && in->start == in->end && in->pdv_left > 0) {
        if (!receive_there(a, deadline, piece, err))
            return false;
    } else {
        if (in->pdv_left > 0 && !net_input_fill(a, 1, deadline, err))
            return false;
        size_t here = in->end - in->start;
        *piece = net_input_take(a, here < in->pdv_left ? here : in->pdv_left);
    }
    in->pdv_left -= (uint32_t)piece->n;
    in->pdu_left -= (uint32_t)piece->n;
    return true;
}

static bool gather_command(NetAssociation *a, Span piece, Err *err)
{
    if (buf_append_span(&a->in.command, piece))
        return true;
    err_set(err, ERR_LIMIT, "the peer sent a command of more than %d bytes", NET_MAX_COMMAND);
    return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
}

/* -- steps -- */

static bool nothing_begun(const NetInput *in)
{
    return in->start == in->end && in->pdu_left == 0 && !in->command_begun && !in->data_expected &&
           !in->in_pdv;
}

static Step next_pdu(NetAssociation *a, Deadline deadline, Err *err)
{
    NetPdu pdu;
    bool idle = nothing_begun(&a->in);
    if (!net_pdu_read(a, deadline, &pdu, err)) {
        if (!net_is_open(a))
            return STEP_OVER;
        if (idle)
            return STEP_NOTHING;
        wait_failed(a, err);
        return STEP_OVER;
    }
    if (pdu.type == NET_P_DATA_TF)
        return STEP_DATA;
    if (a->in.command_begun || a->in.data_expected) {
        err_set(err, ERR_FORMAT, "the peer asked for release in the middle of a message");
        net_violation(a, NET_ABORT_UNEXPECTED_PDU, err);
        return STEP_OVER;
    }
    net_event(a, NET_EV_PDU_RELEASE_RQ, (Span){0}, NULL);
    return STEP_RELEASE;
}

/* Without patience a PDU is begun only when what net_pdu_read takes in one go is here. */
static bool pdu_is_here(NetAssociation *a, Err *err)
{
    if (!net_input_fill(a, NET_PDU_HEADER, 0, err))
        return false;
    bool data = a->in.p[a->in.start] == NET_P_DATA_TF;
    return data || net_input_fill(a, NET_PDU_HEADER + 4, 0, err);
}

static Step end_piece(NetAssociation *a, Span piece, bool *told, Err *err)
{
    NetInput *in = &a->in;
    bool ended = in->pdv_left == 0;
    in->in_pdv = !ended;
    *told = true;
    if (!in->pdv.command) {
        in->data_expected = !(ended && in->pdv.last);
        return STEP_DATA;
    }
    if (!gather_command(a, piece, err))
        return STEP_OVER;
    *told = ended && in->pdv.last;
    in->command_begun = !*told;
    return STEP_COMMAND;
}

static Step stuck(NetAssociation *a, bool patient, Err *err)
{
    if (net_is_open(a) && err->code == ERR_TIMEOUT && !patient)
        return STEP_NOTHING;
    if (net_is_open(a))
        wait_failed(a, err);
    return STEP_OVER;
}

/*
 * Goes on until there is something to tell. `patient`: the beginning of a message has until `deadline`, a command from its first fragment
 * on dimse_ms, each piece of a data set dimse_ms. Otherwise nothing waits, and what has begun is continued by the next call.
 */
static Step step(NetAssociation *a, Deadline deadline, bool patient, Span *piece, Err *err)
{
    NetInput *in = &a->in;
    for (;;) {
        Deadline wait = !patient            ? 0
                        : in->command_begun ? in->command_deadline
                        : nothing_begun(in) ? deadline
                                            : NET_EACH_PIECE;
        if (in->in_pdv) {
            if (!take_piece(a, wait, piece, err))
                return stuck(a, patient, err);
            bool told;
            Step got = end_piece(a, *piece, &told, err);
            if (told || got == STEP_OVER)
                return got;
        } else if (in->pdu_left > 0) {
            if (!begin_pdv(a, wait, err))
                return stuck(a, patient, err);
        } else {
            if (!patient && !pdu_is_here(a, err))
                return stuck(a, patient, err);
            Step got = next_pdu(a, wait, err);
            if (got != STEP_DATA)
                return got;
        }
    }
}

/* -- commands -- */

static bool take_command(NetAssociation *a, NetCommand *out, Err *err)
{
    NetInput *in = &a->in;
    bool good = net_command_decode(a->message, buf_span(&in->command), out, err);
    buf_clear(&in->command);
    if (!good)
        return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
    out->context_id = in->message_context;
    in->data_expected = out->has_data_set;
    in->rate_waited_ms = 0;
    in->rate_bytes = 0;
    return true;
}

static void pop_queued(NetAssociation *a, size_t i, NetCommand *out)
{
    *out = a->queued[i];
    a->queued_count--;
    memmove(&a->queued[i], &a->queued[i + 1], (a->queued_count - i) * sizeof *a->queued);
}

void net_on_release(NetAssociation *a, void (*told)(void *ctx), void *ctx)
{
    a->on_release = told;
    a->on_release_ctx = ctx;
}

static NetGot answer_release(NetAssociation *a, Err *err)
{
    if (a->on_release)
        a->on_release(a->on_release_ctx);
    if (!net_event(a, NET_EV_RELEASE_RESPONSE, (Span){0}, err))
        net_lost(a, err);
    err_set(&a->end, ERR_CLOSED, "the association was released by the peer");
    return NET_GOT_RELEASE;
}

NetGot net_receive(NetAssociation *a, NetCommand *out, Deadline deadline, Err *err)
{
    Err own = {.code = ERR_NONE};
    Span piece;
    err = err ? err : &own;
    if (a->queued_count) {
        pop_queued(a, 0, out);
        return NET_GOT_COMMAND;
    }
    if (!net_is_open(a))
        return net_is_over(a, err) ? NET_GOT_COMMAND : NET_GOT_END;
    if (!net_data_skip(a, err))
        return NET_GOT_END;
    if (a->machine.state == NET_STA8_AWAIT_LOCAL_RELEASE)
        return answer_release(a, err);
    arena_reset(a->message);
    switch (step(a, deadline, true, &piece, err)) {
    case STEP_COMMAND:
        return take_command(a, out, err) ? NET_GOT_COMMAND : NET_GOT_END;
    case STEP_RELEASE:
        return answer_release(a, err);
    case STEP_NOTHING:
        return NET_GOT_NOTHING;
    case STEP_DATA:
    case STEP_OVER:
        break;
    }
    return NET_GOT_END;
}

static bool is_cancel_of(const NetCommand *command, uint16_t message_id)
{
    return command->field == NET_C_CANCEL_RQ && command->responded_to == message_id;
}

static bool was_queued(NetAssociation *a, uint16_t message_id)
{
    NetCommand dropped;
    for (size_t i = 0; i < a->queued_count; i++) {
        if (is_cancel_of(&a->queued[i], message_id)) {
            pop_queued(a, i, &dropped);
            return true;
        }
    }
    return false;
}

bool net_cancelled(NetAssociation *a, uint16_t message_id, bool *ended)
{
    Err err = {.code = ERR_NONE};
    NetCommand command;
    Span piece;
    *ended = false;
    if (was_queued(a, message_id))
        return true;
    /* A data set stands in the way of what follows it. */
    while (a->machine.state == NET_STA6_ESTABLISHED && !a->in.data_expected) {
        Step got = step(a, 0, false, &piece, &err);
        if (got != STEP_COMMAND || !take_command(a, &command, &err))
            break;
        if (is_cancel_of(&command, message_id))
            return true;
        if (a->queued_count == NET_MAX_QUEUED) {
            err_set(&err, ERR_LIMIT, "the peer sent more than %d commands while one was being worked on",
                    NET_MAX_QUEUED);
            net_violation(a, NET_ABORT_NO_REASON, &err);
            break;
        }
        if (!a->queued && !(a->queued = calloc(NET_MAX_QUEUED, sizeof *a->queued)))
            abort();
        a->queued[a->queued_count++] = command;
    }
    *ended = !net_is_open(a);
    return false;
}

/* -- data sets -- */

/* A data set that is expected belongs to the last command that came; while that one is queued, it is nobody's yet. */
static bool has_data(const NetAssociation *a)
{
    return a->in.data_expected && a->queued_count == 0;
}

static bool next_piece(NetAssociation *a, Span *piece, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    *piece = (Span){0};
    while (has_data(a) && piece->n == 0) {
        if (!net_is_open(a))
            return net_is_over(a, err);
        if (step(a, CLOCK_NEVER, true, piece, err) != STEP_DATA)
            return false;
    }
    return true;
}

bool net_data_next_into(NetAssociation *a, uint8_t *room, size_t n, Span *piece, Err *err)
{
    a->in.room = n ? room : NULL;
    a->in.room_n = n;
    bool ok = next_piece(a, piece, err);
    a->in.room = NULL;
    return ok;
}

bool net_data_next(NetAssociation *a, Span *piece, Err *err)
{
    return net_data_next_into(a, NULL, 0, piece, err);
}

bool net_data_skip(NetAssociation *a, Err *err)
{
    Span piece;
    while (has_data(a))
        if (!net_data_next(a, &piece, err))
            return false;
    return true;
}

bool net_data_all(NetAssociation *a, size_t limit, Buf *out, Err *err)
{
    size_t total = 0;
    for (Span piece;;) {
        if (!net_data_next(a, &piece, err))
            return false;
        if (piece.n == 0)
            return true;
        total += piece.n;
        if (total > limit || !buf_append_span(out, piece))
            return net_data_skip(a, err) &&
                   err_set(err, ERR_LIMIT, "the data set is longer than %zu bytes", limit);
    }
}
