// SPDX-License-Identifier: MIT
/*
 * Messages out, PS3.7 §6.3 and PS3.8 E: a command in one PDV, a data set in as many as the peer's maximum length asks for, each PDV in a
 * P-DATA-TF of its own. Headers and data of many PDUs leave in one writev; nothing is copied and nothing allocated per PDU. Small messages that may
 * wait for others are copied, and leave together with them.
 *
 * A file goes out in pieces that are mapped or read (base/file_piece.h). sendfile would make no copy on this side, but each PDU two system calls, and the receiver pays more for pieces of a
 * page than is saved.
 */
#include "base/file_piece.h"
#include "net/association_inside.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCH_PDUS = 48,           /* per writev: two parts each */
    BATCH_BYTES = 2 << 20,     /* of data, so that a deadline covers a bounded amount */
    STREAM_BYTES = 256 * 1024, /* a source is read in pieces of about this */
    HELD_BYTES = 32 * 1024     /* messages wait until they are as long as this together */
};

typedef struct Batch {
    NetAssociation *a;
    struct iovec parts[2 * BATCH_PDUS];
    uint8_t headers[BATCH_PDUS][12];
    int pdus;
    size_t bytes;
    bool later; /* may wait */
} Batch;

/* Data bytes per PDV: what the peer takes less the PDV header, even (PS3.8 E.2 wants even fragments). */
static size_t chunk_of(const NetAssociation *a)
{
    uint32_t max = a->peer_max_pdu;
    if (max == 0 || max > NET_MAX_SENT_PDU)
        max = NET_MAX_SENT_PDU;
    return (max - NET_PDV_HEADER) & ~(size_t)1;
}

/* The write failed: perhaps because the peer aborted, and its A-ABORT says why. */
static bool write_failed(NetAssociation *a, Err *err)
{
    a->broken = true;
    if (err->code == ERR_TIMEOUT)
        return net_too_late(a, err);
    NetPdu pdu;
    Err said = {.code = ERR_NONE};
    bool between = a->in.pdu_left == 0 && !a->in.in_pdv;
    if (err->code == ERR_CLOSED && between && !net_pdu_read(a, 0, &pdu, &said) && !net_is_open(a) &&
        said.code == ERR_CLOSED) {
        *err = said;
        return false;
    }
    return net_lost(a, err);
}

static bool write_held(NetAssociation *a, Err *err)
{
    if (!a->held.n)
        return true;
    struct iovec all = {a->held.p, a->held.n};
    bool sent = net_stream_writev(a->stream, &all, 1, net_piece_deadline(a), err);
    buf_clear(&a->held);
    return sent ? true : write_failed(a, err);
}

static bool write_parts(const Batch *b, Err *err)
{
    bool sent = net_stream_writev(b->a->stream, b->parts, 2 * b->pdus, net_piece_deadline(b->a), err);
    return sent ? true : write_failed(b->a, err);
}

/* Joins what waits already. */
static void hold(const Batch *b)
{
    for (int i = 0; i < 2 * b->pdus; i++)
        buf_append(&b->a->held, b->parts[i].iov_base, b->parts[i].iov_len);
}

static bool flush(Batch *b, Err *err)
{
    NetAssociation *a = b->a;
    bool sent = true;
    if (b->pdus && b->bytes < HELD_BYTES && (b->later || a->held.n)) {
        hold(b);
        sent = (b->later && a->held.n < HELD_BYTES) || write_held(a, err);
    } else if (b->pdus) {
        sent = write_held(a, err) && write_parts(b, err);
    }
    b->pdus = 0;
    b->bytes = 0;
    return sent;
}

static bool put_pdv(Batch *b, uint8_t context_id, bool command, bool last, Span data, Err *err)
{
    if ((b->pdus == BATCH_PDUS || b->bytes >= BATCH_BYTES) && !flush(b, err))
        return false;
    net_pdata_header(b->headers[b->pdus], context_id, command, last, (uint32_t)data.n);
    b->parts[2 * b->pdus] = (struct iovec){b->headers[b->pdus], sizeof b->headers[0]};
    b->parts[2 * b->pdus + 1] = (struct iovec){(void *)data.p, data.n};
    b->pdus++;
    b->bytes += data.n;
    return true;
}

/* All of `data` in PDVs; the last one is marked when `last`. Empty data that is last makes one empty PDV. */
static bool put_all(Batch *b, uint8_t context_id, bool command, bool last, Span data, Err *err)
{
    size_t chunk = chunk_of(b->a);
    do {
        Span part = span_sub(data, 0, chunk);
        data = span_sub(data, part.n, SIZE_MAX);
        if (!put_pdv(b, context_id, command, last && data.n == 0, part, err))
            return false;
    } while (data.n > 0);
    return true;
}

static bool begin(Batch *b, const NetCommand *command, bool has_data_set, Err *err)
{
    NetAssociation *a = b->a;
    if (!net_is_open(a))
        return net_is_over(a, err);
    if (!net_context_by_id(a, command->context_id))
        return err_set(err, ERR_USAGE, "presentation context %u was not accepted", command->context_id);
    NetCommand exact = *command;
    exact.has_data_set = has_data_set;
    buf_clear(&a->out_command);
    if (!net_command_encode(&a->out_command, &exact, err))
        return false;
    /* The machine has no bytes to send here: one P-DATA request stands for all PDUs of the message. */
    net_machine_event(&a->machine, NET_EV_PDATA_REQUEST);
    return put_all(b, command->context_id, true, true, buf_span(&a->out_command), err);
}

static bool send_message(NetAssociation *a, const NetCommand *command, const Span *data_set, bool later,
                         Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    Batch b;
    b.a = a;
    b.pdus = 0;
    b.bytes = 0;
    b.later = later;
    return begin(&b, command, data_set != NULL, err) &&
           (!data_set || put_all(&b, command->context_id, false, true, *data_set, err)) && flush(&b, err);
}

bool net_send(NetAssociation *a, const NetCommand *command, const Span *data_set, Err *err)
{
    return send_message(a, command, data_set, false, err);
}

bool net_send_later(NetAssociation *a, const NetCommand *command, const Span *data_set, Err *err)
{
    return send_message(a, command, data_set, true, err);
}

bool net_send_held(NetAssociation *a, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    return net_is_open(a) ? write_held(a, err) : net_is_over(a, err);
}

size_t net_held(const NetAssociation *a)
{
    return a->held.n;
}

/* -- streamed -- */

static bool make_out(NetAssociation *a, size_t n)
{
    if (a->out_capacity >= n)
        return true;
    free(a->out);
    a->out = malloc(n);
    if (!a->out)
        abort();
    a->out_capacity = n;
    return true;
}

static bool source_failed(NetAssociation *a, Err *err)
{
    Err why = *err;
    net_abort(a, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    *err = why;
    return false;
}

/* Reads until n bytes are at p or the source is at its end. -1: it failed. */
static ssize_t read_source(NetSource source, void *ctx, uint8_t *p, size_t n, Err *err)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = source(ctx, p + have, n - have, err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/*
 * The buffer holds some whole PDUs and LOOKAHEAD bytes more: only when those have come is it certain that the PDUs before them are not
 * the last.
 */
static bool put_source(Batch *b, uint8_t context_id, NetSource source, void *ctx, Err *err)
{
    enum { LOOKAHEAD = 2 };
    NetAssociation *a = b->a;
    size_t chunk = chunk_of(a);
    size_t pdus = chunk >= STREAM_BYTES ? 1 : STREAM_BYTES / chunk;
    size_t whole = chunk * pdus, have = 0;
    make_out(a, whole + LOOKAHEAD);
    for (;;) {
        ssize_t got = read_source(source, ctx, a->out + have, whole + LOOKAHEAD - have, err);
        if (got < 0)
            return source_failed(a, err);
        have += (size_t)got;
        bool last = have <= whole;
        if (!put_all(b, context_id, false, last, span_of(a->out, last ? have : whole), err) || !flush(b, err))
            return false;
        if (last)
            return true;
        have -= whole;
        memmove(a->out, a->out + whole, have);
    }
}

bool net_send_stream(NetAssociation *a, const NetCommand *command, NetSource source, void *ctx, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    Batch b;
    b.a = a;
    b.pdus = 0;
    b.bytes = 0;
    b.later = false;
    return begin(&b, command, true, err) && put_source(&b, command->context_id, source, ctx, err);
}

/* -- out of a file -- */

/* The next piece, in whole PDUs but for the last one. */
static bool put_piece(Batch *b, uint8_t context_id, NetFile *left, Err *err)
{
    NetAssociation *a = b->a;
    FilePiece piece;
    FilePieceHow how = a->stream->tls || a->held.n ? FILE_PIECE_OURS : FILE_PIECE_ANYHOW;
    if (!file_piece_open(&piece, left->fd, left->offset, left->size, chunk_of(a), how, err))
        return source_failed(a, err);
    left->offset += piece.bytes.n;
    left->size -= piece.bytes.n;
    bool sent = put_all(b, context_id, false, left->size == 0, piece.bytes, err) && flush(b, err);
    file_piece_close(&piece);
    return sent;
}

bool net_send_file(NetAssociation *a, const NetCommand *command, const NetFile *file, Err *err)
{
    Err own = {.code = ERR_NONE};
    err = err ? err : &own;
    NetFile left = *file;
    Batch b;
    b.a = a;
    b.pdus = 0;
    b.bytes = 0;
    b.later = false;
    /* With nothing held back no byte is copied here. */
    bool sent = (file->size < HELD_BYTES || write_held(a, err)) && begin(&b, command, true, err);
    do
        sent = sent && put_piece(&b, command->context_id, &left, err);
    while (sent && left.size);
    return sent;
}

uint16_t net_next_message_id(NetAssociation *a)
{
    if (++a->last_message_id == 0)
        a->last_message_id = 1;
    return a->last_message_id;
}
