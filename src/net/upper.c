// SPDX-License-Identifier: MIT
/*
 * The upper layer, PS3.8 §9: bytes and PDUs in, PDUs out, and the actions of the state machine. A PDU header is judged before its body
 * is read: a type that the state does not allow, or a length beyond what we take, costs the peer the association and us nothing.
 *
 * P-DATA-TF is never held as a whole. Its PDVs are read from the input buffer as they come (receive.c), so that memory depends neither on
 * our maximum PDU size nor on the peer's honesty.
 */
#include "net/association_inside.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ACSE_MS = 30000, DEFAULT_DIMSE_MS = 60000, ABORT_MS = 1000 };

static int64_t or_default(int64_t ms, int64_t otherwise)
{
    return ms ? ms : otherwise;
}

NetAssociation *net_association_new(NetStream *stream, bool requestor, const NetTimeouts *timeouts,
                                    uint32_t our_max_pdu)
{
    NetAssociation *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->stream = stream;
    net_machine_init(&a->machine, requestor);
    a->timeouts.connect_ms = or_default(timeouts->connect_ms, NET_CONNECT_MS);
    a->timeouts.acse_ms = or_default(timeouts->acse_ms, DEFAULT_ACSE_MS);
    a->timeouts.dimse_ms = or_default(timeouts->dimse_ms, DEFAULT_DIMSE_MS);
    a->timeouts.min_rate = timeouts->min_rate;
    a->timeouts.rate_ms = or_default(timeouts->rate_ms, NET_RATE_MS);
    a->artim = CLOCK_NEVER;
    a->our_max_pdu = our_max_pdu ? our_max_pdu : NET_DEFAULT_MAX_PDU;
    a->window = 1;
    a->arena = arena_new(0);
    a->message = arena_new(0);
    buf_init(&a->in.command, NET_MAX_COMMAND);
    buf_init(&a->out_command, NET_MAX_COMMAND + 64);
    buf_init(&a->held, 0);
    return a;
}

/* -- actions -- */

static void remember_end(NetAssociation *a, const Err *err)
{
    if (a->end.code == ERR_NONE && err)
        a->end = *err;
}

static bool write_pdu(NetAssociation *a, Span pdu, Deadline deadline, Err *err)
{
    struct iovec part = {.iov_base = (void *)pdu.p, .iov_len = pdu.n};
    if (net_stream_writev(a->stream, &part, 1, deadline, err))
        return true;
    a->broken = true;
    return false;
}

static void send_abort(NetAssociation *a)
{
    if (a->broken)
        return;
    uint8_t pdu[10] = {NET_A_ABORT, [5] = 4, [8] = a->abort.source, [9] = a->abort.reason};
    Err err = {.code = ERR_NONE};
    if (!write_pdu(a, span_of(pdu, sizeof pdu), deadline_in(ABORT_MS), &err) && err.code == ERR_CLOSED)
        net_stream_last_words(a->stream, span_of(pdu, sizeof pdu));
}

static bool send_release_rp(NetAssociation *a, Err *err)
{
    const uint8_t pdu[10] = {NET_A_RELEASE_RP, [5] = 4};
    return write_pdu(a, span_of(pdu, sizeof pdu), deadline_in(a->timeouts.acse_ms), err);
}

bool net_event(NetAssociation *a, NetEvent event, Span pdu, Err *err)
{
    unsigned actions = net_machine_event(&a->machine, event);
    if (actions & NET_DO_ILLEGAL)
        return err_set(err, ERR_CLOSED, "%s is not possible in state %s", net_event_name(event),
                       net_state_name(a->machine.state));
    bool done = true;
    if (actions & NET_DO_SEND)
        done = write_pdu(a, pdu, deadline_in(a->timeouts.acse_ms), err);
    if (actions & NET_DO_SEND_ABORT) {
        /* Table 9-9: an abort that is indicated to us (AA-8) is the provider's, any other the service user's. */
        if (!(actions & NET_DO_INDICATE_ABORT) && event != NET_EV_ABORT_REQUEST)
            a->abort = (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON};
        send_abort(a);
    }
    if (actions & NET_DO_SEND_RELEASE_RP)
        done = send_release_rp(a, err) && done;
    if (actions & NET_DO_START_ARTIM)
        a->artim = a->machine.state == NET_STA13_AWAIT_CLOSE ? deadline_in(NET_CLOSE_WAIT_MS)
                                                             : deadline_in(a->timeouts.acse_ms);
    if (actions & NET_DO_STOP_ARTIM)
        a->artim = CLOCK_NEVER;
    if (actions & NET_DO_CLOSE || a->machine.state == NET_STA1_IDLE)
        net_stream_shut(a->stream);
    return done;
}

bool net_hear_out(NetAssociation *a, Deadline deadline)
{
    uint8_t dropped[1024];
    ssize_t n = a->broken ? -1 : net_stream_read(a->stream, dropped, sizeof dropped, deadline, NULL);
    if (n <= 0)
        net_event(a, n == 0 ? NET_EV_CLOSED : NET_EV_ARTIM, (Span){0}, NULL);
    return n > 0;
}

void net_await_close(NetAssociation *a)
{
    while (a->machine.state == NET_STA13_AWAIT_CLOSE)
        if (deadline_passed(a->artim))
            net_event(a, NET_EV_ARTIM, (Span){0}, NULL);
        else
            net_hear_out(a, a->artim);
}

static const Err unexplained = {.code = ERR_CLOSED, .text = "the association is over"};

bool net_violation(NetAssociation *a, uint8_t reason, Err *err)
{
    remember_end(a, err ? err : &unexplained);
    a->abort = (NetAbort){NET_ABORT_BY_PROVIDER, reason};
    net_event(a, NET_EV_PDU_INVALID, (Span){0}, NULL);
    net_await_close(a);
    return false;
}

bool net_lost(NetAssociation *a, Err *err)
{
    remember_end(a, err ? err : &unexplained);
    net_event(a, NET_EV_CLOSED, (Span){0}, NULL);
    net_stream_shut(a->stream);
    return false;
}

bool net_too_late(NetAssociation *a, Err *err)
{
    remember_end(a, err ? err : &unexplained);
    a->abort = (NetAbort){NET_ABORT_BY_PROVIDER, NET_ABORT_NO_REASON};
    if (a->machine.state == NET_STA2_AWAIT_ASSOCIATE_RQ)
        net_event(a, NET_EV_ARTIM, (Span){0}, NULL);
    else
        net_event(a, NET_EV_ABORT_REQUEST, (Span){0}, NULL);
    net_await_close(a);
    return false;
}

bool net_is_over(const NetAssociation *a, Err *err)
{
    if (err)
        *err = a->end.code ? a->end : unexplained;
    return false;
}

/* -- input -- */

Deadline net_piece_deadline(const NetAssociation *a)
{
    return deadline_in(a->timeouts.dimse_ms);
}

static size_t next_capacity(size_t capacity)
{
    return capacity < NET_IN_NEXT ? NET_IN_NEXT : capacity * 2;
}

static bool grow(NetInput *in, size_t capacity)
{
    uint8_t *larger = realloc(in->p, capacity);
    if (!larger)
        return false;
    in->p = larger;
    in->capacity = capacity;
    return true;
}

static bool make_room(NetInput *in, size_t n, Err *err)
{
    if (in->start == in->end) {
        in->start = in->end = 0;
    } else if (in->capacity - in->start < n) {
        memmove(in->p, in->p + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    size_t capacity = in->capacity ? in->capacity : NET_IN_FIRST;
    while (capacity < n)
        capacity = next_capacity(capacity);
    if (capacity == in->capacity || grow(in, capacity))
        return true;
    return err_set(err, ERR_LIMIT, "no memory for %zu bytes of the peer", capacity);
}

/* A sender that drips would hold its place for days: each byte comes in time. Only time that we wait counts, not what we take ourselves. */
static bool is_fast_enough(NetAssociation *a, int64_t waited_ms, size_t bytes, Err *err)
{
    NetInput *in = &a->in;
    in->rate_waited_ms += waited_ms;
    in->rate_bytes += bytes;
    if (in->rate_waited_ms < a->timeouts.rate_ms)
        return true;
    uint64_t wanted = (uint64_t)a->timeouts.min_rate * (uint64_t)in->rate_waited_ms / 1000;
    if (in->rate_bytes < wanted)
        return err_set(
            err, ERR_TIMEOUT,
            "the peer sends too slowly: %llu bytes in %lld s of waiting; at least %u a second are wanted",
            (unsigned long long)in->rate_bytes, (long long)in->rate_waited_ms / 1000, a->timeouts.min_rate);
    in->rate_waited_ms = 0;
    in->rate_bytes = 0;
    return true;
}

ssize_t net_input_read(NetAssociation *a, uint8_t *p, size_t n, Deadline deadline, Err *err)
{
    bool counted = a->timeouts.min_rate && a->in.data_expected;
    int64_t began = counted ? clock_ms() : 0;
    if (deadline == NET_EACH_PIECE)
        deadline = net_piece_deadline(a);
    ssize_t got = net_stream_read(a->stream, p, n, deadline, err);
    if (got == 0)
        err_set(err, ERR_CLOSED, "the peer closed the connection");
    if (counted && got > 0 && !is_fast_enough(a, clock_ms() - began, (size_t)got, err))
        return -1;
    return got > 0 ? got : -1;
}

/* How much to read at once. */
static size_t reach(const NetInput *in, size_t n)
{
    enum { HEADERS = NET_PDU_HEADER + NET_PDV_HEADER };
    size_t room = in->capacity - in->end, here = in->end - in->start;
    size_t wanted = n < HEADERS ? HEADERS - here : n - here;
    return in->direct && in->room && wanted < room ? wanted : room;
}

bool net_input_fill(NetAssociation *a, size_t n, Deadline deadline, Err *err)
{
    NetInput *in = &a->in;
    if (deadline == NET_EACH_PIECE && in->end - in->start < n)
        deadline = net_piece_deadline(a);
    while (in->end - in->start < n) {
        if (!make_room(in, n, err))
            return false;
        size_t room = reach(in, n);
        ssize_t got = net_input_read(a, in->p + in->end, room, deadline, err);
        if (got < 0)
            return false;
        in->end += (size_t)got;
        /* A read that fills the buffer says that more is waiting than fits. */
        if ((size_t)got == room && in->start == 0 && in->capacity < NET_IN_MAX && in->pdu_left > 0 &&
            in->data_expected && !in->direct)
            grow(in, next_capacity(in->capacity));
    }
    return true;
}

Span net_input_take(NetAssociation *a, size_t n)
{
    Span taken = span_of(a->in.p + a->in.start, n);
    a->in.start += n;
    return taken;
}

/* -- PDUs -- */

static NetEvent event_of(NetPduType type)
{
    static const NetEvent events[] = {
        [NET_A_ASSOCIATE_RQ] = NET_EV_PDU_ASSOCIATE_RQ,
        [NET_A_ASSOCIATE_AC] = NET_EV_PDU_ASSOCIATE_AC,
        [NET_A_ASSOCIATE_RJ] = NET_EV_PDU_ASSOCIATE_RJ,
        [NET_P_DATA_TF] = NET_EV_PDU_PDATA,
        [NET_A_RELEASE_RQ] = NET_EV_PDU_RELEASE_RQ,
        [NET_A_RELEASE_RP] = NET_EV_PDU_RELEASE_RP,
        [NET_A_ABORT] = NET_EV_PDU_ABORT,
    };
    return events[type];
}

static const char *pdu_name(NetPduType type)
{
    return net_event_name(event_of(type));
}

static bool length_fits(const NetAssociation *a, NetPduType type, uint32_t n)
{
    if (type == NET_P_DATA_TF)
        return n >= NET_PDV_HEADER && (n <= a->our_max_pdu || n - a->our_max_pdu <= NET_MAX_PDU_TOLERANCE);
    if (type == NET_A_ASSOCIATE_RQ || type == NET_A_ASSOCIATE_AC)
        return n <= NET_MAX_ASSOCIATE_PDU;
    return n == 4;
}

/* Would this PDU get the peer aborted in the present state? */
static bool is_unexpected(const NetAssociation *a, NetPduType type)
{
    NetMachine probe = a->machine;
    return (net_machine_event(&probe, event_of(type)) & NET_DO_SEND_ABORT) != 0;
}

static bool refuse_unexpected(NetAssociation *a, NetPduType type, Err *err)
{
    err_set(err, ERR_FORMAT, "the peer sent %s in state %s", pdu_name(type),
            net_state_name(a->machine.state));
    remember_end(a, err ? err : &unexplained);
    a->abort = (NetAbort){NET_ABORT_BY_PROVIDER, NET_ABORT_UNEXPECTED_PDU};
    net_event(a, event_of(type), (Span){0}, NULL);
    net_await_close(a);
    return false;
}

static bool take_abort(NetAssociation *a, Span body, Err *err)
{
    char text[120];
    NetAbort abort = {0};
    net_abort_decode(body, &abort, NULL);
    err_set(err, ERR_CLOSED, "the peer ended the association: %s", net_abort_text(abort, text));
    remember_end(a, err ? err : &unexplained);
    net_event(a, NET_EV_PDU_ABORT, (Span){0}, NULL);
    return false;
}

/* A wait inside a PDU failed. */
static bool cut_short(NetAssociation *a, Err *err)
{
    if (err->code == ERR_TIMEOUT) {
        err_wrap(err, "in the middle of a PDU");
        return net_too_late(a, err);
    }
    return net_lost(a, err);
}

/* What people run into when they mistake a port. */
static const char *language_of(Span six)
{
    if (span_starts(six, SPAN("HTTP/")))
        return ": this is HTTP";
    if (span_starts(six, SPAN("SSH-")))
        return ": this is SSH";
    if (span_starts(six, SPAN("\x15\x03")) || span_starts(six, SPAN("\x16\x03")))
        return ": this is TLS";
    return "";
}

static bool judge_header(NetAssociation *a, Span six, NetPduType *type, uint32_t *n, Err *err)
{
    if (!net_pdu_header(six, type, n)) {
        err_set(err, ERR_FORMAT, "the peer sent something that is no DICOM PDU (it begins with %02X %02X%s)",
                six.p[0], six.p[1], language_of(six));
        return net_violation(a, NET_ABORT_UNRECOGNISED_PDU, err);
    }
    if (is_unexpected(a, *type))
        return refuse_unexpected(a, *type, err);
    if (!length_fits(a, *type, *n)) {
        err_set(err, ERR_LIMIT, "the peer announced %s of %u bytes; we take %u", pdu_name(*type), *n,
                *type == NET_P_DATA_TF        ? a->our_max_pdu
                : *type <= NET_A_ASSOCIATE_AC ? (uint32_t)NET_MAX_ASSOCIATE_PDU
                                              : 4U);
        return net_violation(a, NET_ABORT_INVALID_PARAMETER, err);
    }
    return true;
}

static bool read_pdu(NetAssociation *a, Deadline deadline, NetPdu *out, Err *err)
{
    bool established = a->machine.state != NET_STA2_AWAIT_ASSOCIATE_RQ &&
                       a->machine.state != NET_STA5_AWAIT_ASSOCIATE_ANSWER;
    if (!net_input_fill(a, 1, deadline, err))
        return err->code == ERR_TIMEOUT ? false : net_lost(a, err);
    Deadline rest = established ? NET_EACH_PIECE : deadline;
    if (!net_input_fill(a, NET_PDU_HEADER, rest, err))
        return cut_short(a, err);
    NetPdu pdu;
    uint32_t n;
    if (!judge_header(a, span_of(a->in.p + a->in.start, NET_PDU_HEADER), &pdu.type, &n, err))
        return false;
    if (pdu.type == NET_P_DATA_TF) {
        net_input_take(a, NET_PDU_HEADER);
        a->in.pdu_left = n;
        net_event(a, NET_EV_PDU_PDATA, (Span){0}, NULL);
        *out = (NetPdu){.type = NET_P_DATA_TF};
        return true;
    }
    if (!net_input_fill(a, NET_PDU_HEADER + n, rest, err))
        return cut_short(a, err);
    net_input_take(a, NET_PDU_HEADER);
    pdu.body = net_input_take(a, n);
    *out = pdu;
    return pdu.type == NET_A_ABORT ? take_abort(a, pdu.body, err) : true;
}

bool net_pdu_read(NetAssociation *a, Deadline deadline, NetPdu *out, Err *err)
{
    Err own = {.code = ERR_NONE};
    if (read_pdu(a, deadline, out, &own))
        return true;
    if (err)
        *err = own;
    return false;
}
