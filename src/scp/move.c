// SPDX-License-Identifier: MIT
/*
 * Retrieve to a third party, PS3.4 C.4.2: C-MOVE, PS3.7 §9.1.4. Objects go out through scu/sender. The association with a destination stays open
 * for further C-MOVEs on the same association, until that has been silent for a second. One with the requester itself is released at once: movescu and
 * gdcmscu, which receive what they ask for, wait for that before they go on.
 */
#include "scp/retrieve.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOST = 2,              /* so many objects in a row without an association end the attempt */
    FIRST_PAUSE_MS = 100,  /* before trying again; doubled each time, up to … */
    ABSENT_PAUSE_MS = 400, /* … this where nobody listens (yet) */
    FULL_PAUSE_MS = 3200,  /* … this where the destination rejects for the moment */
};

typedef struct Move {
    ScpAssociation *a;
    ScuSender *sender;
    ScuOriginator originator;
    uint16_t priority;
    bool reached;      /* there has been an association with the destination */
    unsigned failures; /* to have one, in a row */
} Move;

static void expect(void *ctx, const IdxFile *file)
{
    Move *move = ctx;
    scu_sender_expect(move->sender, file->sop_class, file->transfer_syntax);
}

typedef struct Object {
    Archive *archive;
    const IdxFile *file;
} Object;

static ArcReader *open_object(void *ctx, const char *transfer_syntax, Err *err)
{
    Object *object = ctx;
    return arc_reader_open(object->archive, object->file, transfer_syntax, err);
}

/* How long the pause before another attempt may be; 0 = no attempt makes sense. */
static int64_t patience(const Move *move, const ScuResult *result, const Err *err)
{
    if (result->associated || scp_stopping(move->a->server))
        return 0;
    if (result->reject.result == NET_REJECT_TRANSIENT)
        return FULL_PAUSE_MS;
    bool absent = !move->reached && !result->reject.result && err->code != ERR_TIMEOUT;
    return absent ? ABSENT_PAUSE_MS : 0;
}

/*
 * A destination that is full for the moment is asked again; so is one where nobody listens, a little: clients that receive what they ask for (gdcmscu)
 * send the C-MOVE before they listen.
 */
static bool send_patiently(Move *move, const ScuObject *object, ScuResult *result, Err *err)
{
    for (int64_t pause = FIRST_PAUSE_MS;; pause *= 2) {
        if (scu_sender_send(move->sender, object, result, err))
            return true;
        if (pause > patience(move, result, err))
            return false;
        clock_sleep_ms(pause);
        err_clear(err);
    }
}

static ScpSent send_object(void *ctx, const IdxFile *file, Err *err)
{
    Move *move = ctx;
    Object own = {.archive = move->a->archive, .file = file};
    ScuObject object = {.sop_class = file->sop_class,
                        .sop_instance = file->sop_instance,
                        .transfer_syntax = file->transfer_syntax,
                        .open = open_object,
                        .ctx = &own,
                        .priority = move->priority,
                        .originator = &move->originator};
    ScuResult result = {0};
    bool sent = send_patiently(move, &object, &result, err);
    move->reached = move->reached || result.associated;
    if (sent) {
        move->failures = 0;
        return dcm_status_class(result.status) == DCM_WARNING ? SCP_SENT_WARNING : SCP_SENT;
    }
    move->failures = result.associated ? 0 : move->failures + 1;
    bool hopeless = move->failures == (move->reached ? LOST : 1);
    return hopeless ? SCP_NONE_CAN_BE_SENT : SCP_NOT_SENT;
}

/* -- destinations -- */

static ScuSender *new_sender(ScpAssociation *a, const char *title, const PeerAddress *address, NetTls *tls)
{
    ScuPeer peer = {.host = address->host,
                    .port = address->port,
                    .tls = tls,
                    .called_ae = title,
                    .calling_ae = a->settings->ae_title,
                    .max_pdu = a->settings->max_pdu,
                    .timeouts = a->settings->timeouts,
                    .cancelled = scp_cutting(a->server)};
    return scu_sender_new(&peer);
}

static bool same_address(const PeerAddress *a, const PeerAddress *b)
{
    return a->port == b->port && a->tls == b->tls && strcmp(a->host, b->host) == 0 &&
           strcmp(a->certificate, b->certificate) == 0;
}

static void leave(ScpDestination *d)
{
    scu_sender_free(d->sender);
    net_tls_free(d->tls);
    d->sender = NULL;
    d->tls = NULL;
    d->address = (PeerAddress){.port = 0};
}

static bool reach(ScpAssociation *a, ScpDestination *d, const PeerAddress *address, Err *why)
{
    leave(d);
    if (address->tls && !(d->tls = scp_tls_to(a->server, address, why))) {
        log_error(SCP_LOG_ACCESS, "C-MOVE cannot reach %s: %s", d->title, why->text);
        return err_set(why, ERR_IO, "the TLS of this server cannot be used");
    }
    d->address = *address;
    d->sender = new_sender(a, d->title, &d->address, d->tls);
    return true;
}

/* The kept association with that destination, or a new one. One whose address was changed in the white list is not used again. */
static ScpDestination *destination(ScpAssociation *a, const char *title, Err *why)
{
    PeerAddress address = {0};
    char reason[PEER_WHY];
    PeerCaller caller = scp_caller(a);
    if (!peers_may_move_to(a->peers, &caller, title, reason)) {
        log_warning(SCP_LOG_ACCESS, "C-MOVE of %s at %s refused: %s", a->calling, a->from.host, reason);
        err_set(why, ERR_REFUSED, "the white list does not allow %s to move to %s", a->calling, title);
        why->dimse = DCM_STATUS_REFUSED_NOT_AUTHORISED;
        return NULL;
    }
    if (!peers_destination(a->peers, title, &address, why))
        return NULL;
    ScpDestination *d = a->destinations;
    while (d && strcmp(d->title, title) != 0)
        d = d->next;
    if (!d) {
        d = calloc(1, sizeof *d);
        if (!d)
            abort();
        snprintf(d->title, sizeof d->title, "%s", title);
        d->next = a->destinations;
        a->destinations = d;
    }
    return same_address(&d->address, &address) || reach(a, d, &address, why) ? d : NULL;
}

void scp_destinations_free(ScpAssociation *a)
{
    for (ScpDestination *next, *d = a->destinations; d; d = next) {
        next = d->next;
        leave(d);
        free(d);
    }
    a->destinations = NULL;
}

bool scp_move(ScpAssociation *a, const NetCommand *request, Err *err)
{
    Move move = {.a = a,
                 .originator = {.ae = a->calling, .message_id = request->message_id},
                 .priority = request->priority};
    ScpRetrieve r = {.a = a,
                     .request = request,
                     .name = "C-MOVE",
                     .action = "CMOVE",
                     .status_service = "Q/R Move",
                     .ctx = &move,
                     .expect = expect,
                     .send = send_object};
    Err why = {0};
    bool serve;
    if (!scp_retrieve_begin(&r, &serve, err))
        return false;
    if (!serve)
        return true;
    ScpDestination *d = destination(a, request->move_destination, &why);
    if (!d)
        return scp_retrieve_refuse(&r, &why, err);
    move.sender = d->sender;
    r.to_host = d->address.host;
    scp_set_sender(a, d->sender);
    bool alive = scp_retrieve_run(&r, err);
    scp_set_sender(a, NULL);
    if (strcmp(d->title, a->calling) == 0)
        scp_destinations_free(a);
    return alive;
}
