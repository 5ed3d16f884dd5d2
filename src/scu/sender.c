// SPDX-License-Identifier: MIT
/*
 * Storage SCU, PS3.4 B: proposals, one association, C-STORE, PS3.7 §9.1.1.
 *
 * Each transfer syntax that an expected class is stored in gets a presentation context of its own, so that the acceptor's choice for one does not
 * exclude another; one more context per class offers explicit and implicit little endian, for what the peer
 * does not take as it is. At most 128 contexts fit; what is left out, or was not expected, is negotiated anew when its turn comes.
 *
 * A kept association may have died since the last object: then, and only then, an object is tried once more on a new one (a C-STORE that
 * arrives twice does no harm).
 */
#include "scu/sender.h"

#include "scu/query_internal.h"

#include "base/clock.h"
#include "dicom/status.h"
#include "dicom/uid.h"
#include "dicom/uids.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Kind {
    const char *sop_class, *syntax;
    bool proposed; /* on the open association */
    bool taken;    /* while proposals are made: is among them */
} Kind;

struct ScuSender {
    ScuPeer peer; /* strings in the arena */
    char name[320];
    Arena *arena;
    Kind *kinds;
    size_t kind_count, kind_capacity, last_kind;
    bool restricted;
    const char **classes, **syntaxes;
    size_t class_count, syntax_count;

    pthread_mutex_t lock; /* guards `net` against scu_sender_interrupt */
    NetAssociation *net;
    bool proven; /* an object has gone over this association */
    const NetAccepted *context;
};

/* -- making -- */

static const char **copy_list(Arena *arena, const char *const *list, size_t n)
{
    const char **copy = arena_alloc(arena, (n ? n : 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(arena, list[i]);
    return copy;
}

ScuSender *scu_sender_new(const ScuPeer *peer)
{
    ScuSender *sender = calloc(1, sizeof *sender);
    if (!sender)
        abort();
    sender->arena = arena_new(0);
    sender->peer = *peer;
    sender->peer.host = arena_strdup(sender->arena, peer->host);
    sender->peer.called_ae = arena_strdup(sender->arena, peer->called_ae);
    sender->peer.calling_ae = arena_strdup(sender->arena, peer->calling_ae);
    if (!sender->peer.timeouts.dimse_ms)
        sender->peer.timeouts.dimse_ms = 60000;
    scu_peer_name(&sender->peer, sender->name);
    pthread_mutex_init(&sender->lock, NULL);
    return sender;
}

void scu_sender_restrict(ScuSender *sender, const char *const *classes, size_t class_count,
                         const char *const *syntaxes, size_t syntax_count)
{
    sender->restricted = true;
    sender->classes = copy_list(sender->arena, classes, class_count);
    sender->class_count = class_count;
    sender->syntaxes = copy_list(sender->arena, syntaxes, syntax_count);
    sender->syntax_count = syntax_count;
}

/* -- what is to come -- */

static bool is_kind(const Kind *kind, const char *sop_class, const char *syntax)
{
    return strcmp(kind->sop_class, sop_class) == 0 && strcmp(kind->syntax, syntax) == 0;
}

/* Finds or adds; objects of one kind tend to follow each other. */
static Kind *kind_of(ScuSender *sender, const char *sop_class, const char *syntax)
{
    if (sender->last_kind < sender->kind_count &&
        is_kind(&sender->kinds[sender->last_kind], sop_class, syntax))
        return &sender->kinds[sender->last_kind];
    size_t i = 0;
    while (i < sender->kind_count && !is_kind(&sender->kinds[i], sop_class, syntax))
        i++;
    if (i == sender->kind_capacity) {
        size_t capacity = sender->kind_capacity ? sender->kind_capacity * 2 : 16;
        Kind *kinds = realloc(sender->kinds, capacity * sizeof *kinds);
        if (!kinds)
            abort();
        sender->kinds = kinds;
        sender->kind_capacity = capacity;
    }
    if (i == sender->kind_count)
        sender->kinds[sender->kind_count++] = (Kind){.sop_class = arena_strdup(sender->arena, sop_class),
                                                     .syntax = arena_strdup(sender->arena, syntax)};
    sender->last_kind = i;
    return &sender->kinds[i];
}

void scu_sender_expect(ScuSender *sender, const char *sop_class, const char *transfer_syntax)
{
    kind_of(sender, sop_class, transfer_syntax);
}

/* -- proposing -- */

static bool is_in(const char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static bool may_propose(const ScuSender *sender, const char *sop_class, const char *syntax)
{
    return !sender->restricted || (is_in(sender->classes, sender->class_count, sop_class) &&
                                   is_in(sender->syntaxes, sender->syntax_count, syntax));
}

typedef struct Proposals {
    NetProposal list[NET_MAX_CONTEXTS];
    size_t count;
    Arena *arena;
} Proposals;

static void propose(Proposals *p, const char *sop_class, const char *const *syntaxes, size_t n)
{
    if (n && p->count < NET_MAX_CONTEXTS)
        p->list[p->count++] = (NetProposal){
            .abstract_syntax = sop_class, .transfer_syntaxes = syntaxes, .transfer_syntax_count = n};
}

/* The syntaxes in which some kind of the class is stored, each in a context of its own. */
static void propose_stored(Proposals *p, ScuSender *sender, const char *sop_class)
{
    for (size_t i = 0; i < sender->kind_count; i++) {
        Kind *kind = &sender->kinds[i];
        if (strcmp(kind->sop_class, sop_class) != 0 || p->count == NET_MAX_CONTEXTS)
            continue;
        kind->taken = true;
        if (may_propose(sender, sop_class, kind->syntax))
            propose(p, sop_class, &kind->syntax, 1);
    }
}

/* Is it a syntax of no kind of the class, that some kind of it can be brought to? */
static bool is_fallback(const ScuSender *sender, const char *sop_class, const char *syntax)
{
    bool useful = false;
    for (size_t i = 0; i < sender->kind_count; i++) {
        const Kind *kind = &sender->kinds[i];
        if (strcmp(kind->sop_class, sop_class) != 0)
            continue;
        if (strcmp(kind->syntax, syntax) == 0)
            return false;
        useful = useful || arc_can_convert(kind->syntax, syntax);
    }
    return useful && may_propose(sender, sop_class, syntax);
}

static void propose_fallback(Proposals *p, const ScuSender *sender, const char *sop_class)
{
    static const char *const common[] = {DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian};
    const char *const *candidates = sender->restricted ? sender->syntaxes : common;
    size_t count = sender->restricted ? sender->syntax_count : 2, n = 0;
    const char **syntaxes = arena_alloc(p->arena, (count + 1) * sizeof *syntaxes);
    for (size_t i = 0; i < count && n < NET_MAX_SYNTAXES; i++)
        if (is_fallback(sender, sop_class, candidates[i]))
            syntaxes[n++] = candidates[i];
    propose(p, sop_class, syntaxes, n);
}

/* Whether a restriction leaves anything to propose for the class. */
static bool is_proposable(const ScuSender *sender, const char *sop_class)
{
    for (size_t i = 0; i < sender->kind_count; i++)
        if (strcmp(sender->kinds[i].sop_class, sop_class) == 0 &&
            may_propose(sender, sop_class, sender->kinds[i].syntax))
            return true;
    for (size_t i = 0; i < sender->syntax_count; i++)
        if (is_fallback(sender, sop_class, sender->syntaxes[i]))
            return true;
    return false;
}

static void propose_class(Proposals *p, ScuSender *sender, const char *sop_class)
{
    propose_stored(p, sender, sop_class);
    propose_fallback(p, sender, sop_class);
}

/* The class needed now comes first, the others as far as the contexts go. */
static void propose_all(Proposals *p, ScuSender *sender, const char *needed)
{
    for (size_t i = 0; i < sender->kind_count; i++)
        sender->kinds[i].taken = false;
    propose_class(p, sender, needed);
    for (size_t i = 0; i < sender->kind_count; i++)
        if (!sender->kinds[i].taken && p->count < NET_MAX_CONTEXTS)
            propose_class(p, sender, sender->kinds[i].sop_class);
}

/* -- the association -- */

static void set_net(ScuSender *sender, NetAssociation *net)
{
    pthread_mutex_lock(&sender->lock);
    sender->net = net;
    pthread_mutex_unlock(&sender->lock);
    sender->proven = false;
    sender->context = NULL;
}

static void close_net(ScuSender *sender)
{
    NetAssociation *net = sender->net;
    if (net && net_is_open(net))
        net_release(net, NULL);
    set_net(sender, NULL);
    net_association_free(net);
    for (size_t i = 0; i < sender->kind_count; i++)
        sender->kinds[i].proposed = false;
}

void scu_sender_interrupt(ScuSender *sender)
{
    pthread_mutex_lock(&sender->lock);
    if (sender->net)
        net_association_interrupt(sender->net);
    pthread_mutex_unlock(&sender->lock);
}

static bool open_net(ScuSender *sender, const char *needed, ScuResult *result, Err *err)
{
    Proposals *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->arena = arena_new(0);
    propose_all(p, sender, needed);
    NetRequest request = {.host = sender->peer.host,
                          .port = sender->peer.port,
                          .tls = sender->peer.tls,
                          .has_identity = sender->peer.identity != NULL,
                          .identity = sender->peer.identity ? *sender->peer.identity : (NetIdentity){0},
                          .calling_ae = sender->peer.calling_ae,
                          .called_ae = sender->peer.called_ae,
                          .proposals = p->list,
                          .proposal_count = p->count,
                          .max_pdu = sender->peer.max_pdu,
                          .timeouts = sender->peer.timeouts,
                          .cancelled = sender->peer.cancelled};
    NetAssociation *net = net_associate(&request, &result->reject, err);
    if (!net)
        err_wrap(err, "%s", sender->name);
    arena_free(p->arena);
    free(p);
    set_net(sender, net);
    for (size_t i = 0; net && i < sender->kind_count; i++)
        sender->kinds[i].proposed = sender->kinds[i].taken;
    return net != NULL;
}

/* GDCM 3.0 accepts explicit VR for what it receives in a C-MOVE, then reads it as implicit VR and dies of it. */
static bool reads_implicit_only(const NetAssociation *net)
{
    static const char gdcm[] = "1.2.826.0.1.3680043.2.1143.107.104.103.115.";
    return strncmp(net_peer_implementation_class(net), gdcm, sizeof gdcm - 1) == 0;
}

/* As stored, else in explicit little endian, else in anything the object can be brought to. */
static const NetAccepted *choose_context(const ScuSender *sender, const ScuObject *object)
{
    const char *class = object->sop_class;
    const NetAccepted *context;
    if (reads_implicit_only(sender->net) &&
        (strcmp(object->transfer_syntax, DCM_UID_ImplicitVRLittleEndian) == 0 ||
         arc_can_convert(object->transfer_syntax, DCM_UID_ImplicitVRLittleEndian)) &&
        (context = net_context_for(sender->net, class, DCM_UID_ImplicitVRLittleEndian, true)))
        return context;
    if ((context = net_context_for(sender->net, class, object->transfer_syntax, true)))
        return context;
    if (arc_can_convert(object->transfer_syntax, DCM_UID_ExplicitVRLittleEndian) &&
        (context = net_context_for(sender->net, class, DCM_UID_ExplicitVRLittleEndian, true)))
        return context;
    for (size_t i = 0; i < net_context_count(sender->net); i++) {
        context = net_context_at(sender->net, i);
        if (context->we_are_scu && strcmp(context->abstract_syntax, class) == 0 &&
            arc_can_convert(object->transfer_syntax, context->transfer_syntax))
            return context;
    }
    return NULL;
}

static bool not_accepted(const ScuSender *sender, const ScuObject *object, Err *err)
{
    const char *class = dcm_uid_name(span_cstr(object->sop_class));
    const char *syntax = dcm_uid_name(span_cstr(object->transfer_syntax));
    return err_set(err, ERR_UNSUPPORTED, "%s takes %s neither in %s nor in what that can be converted to",
                   sender->name, class ? class : object->sop_class,
                   syntax ? syntax : object->transfer_syntax);
}

/* An association on which the object can go; sender->context is set. */
static bool ready(ScuSender *sender, const ScuObject *object, ScuResult *result, Err *err)
{
    Kind *kind = kind_of(sender, object->sop_class, object->transfer_syntax);
    bool open = sender->net && net_is_open(sender->net);
    if (open && (sender->context = choose_context(sender, object)) &&
        (kind->proposed || strcmp(sender->context->transfer_syntax, object->transfer_syntax) == 0))
        return result->associated = true;
    if (!is_proposable(sender, object->sop_class)) {
        result->associated = open;
        return err_set(err, ERR_UNSUPPORTED, "the chosen context set has nothing for SOP class %s",
                       object->sop_class);
    }
    if (!open || !kind->proposed) {
        close_net(sender);
        if (!open_net(sender, object->sop_class, result, err))
            return false;
        sender->context = choose_context(sender, object);
    }
    result->associated = true;
    return sender->context || not_accepted(sender, object, err);
}

/* -- C-STORE -- */

static bool await_response(ScuSender *sender, uint16_t message_id, NetCommand *response, Err *err)
{
    int64_t wait = sender->peer.timeouts.dimse_ms;
    switch (net_receive(sender->net, response, deadline_in(wait), err)) {
    case NET_GOT_COMMAND:
        break;
    case NET_GOT_NOTHING:
        net_abort(sender->net, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
        return err_set(err, ERR_TIMEOUT, "no response to C-STORE within %" PRId64 " s", wait / 1000);
    case NET_GOT_RELEASE:
        return err_set(err, ERR_CLOSED, "the association was released instead of answering");
    case NET_GOT_END:
        return false;
    }
    if (response->field == NET_C_STORE_RSP && response->responded_to == message_id)
        return !response->has_data_set || net_data_skip(sender->net, err);
    net_abort(sender->net, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    return err_set(err, ERR_FORMAT, "our C-STORE was answered with %s for message %u",
                   net_field_name(response->field), response->responded_to);
}

bool scu_send_object(NetAssociation *net, const NetCommand *command, ArcReader *reader, Err *err)
{
    NetFile file = {.fd = -1};
    return arc_reader_place(reader, &file.fd, &file.offset, &file.size)
               ? net_send_file(net, command, &file, err)
               : net_send_stream(net, command, arc_reader_read, reader, err);
}

static NetCommand command_for(const ScuSender *sender, const ScuObject *object)
{
    NetCommand command = {.field = NET_C_STORE_RQ,
                          .context_id = sender->context->id,
                          .message_id = net_next_message_id(sender->net),
                          .has_data_set = true,
                          .priority = object->priority};
    span_copy(span_cstr(object->sop_class), command.sop_class, sizeof command.sop_class);
    span_copy(span_cstr(object->sop_instance), command.sop_instance, sizeof command.sop_instance);
    if (object->originator) {
        command.has_originator = true;
        command.move_originator_id = object->originator->message_id;
        span_copy(span_cstr(object->originator->ae), command.move_originator, sizeof command.move_originator);
    }
    return command;
}

/* One attempt. result->associated says whether the association lived through it. */
static bool attempt(ScuSender *sender, const ScuObject *object, ScuResult *result, Err *err)
{
    if (!ready(sender, object, result, err))
        return false;
    bool as_stored = strcmp(sender->context->transfer_syntax, object->transfer_syntax) == 0;
    ArcReader *reader = object->open(object->ctx, as_stored ? NULL : sender->context->transfer_syntax, err);
    if (!reader)
        return false;
    NetCommand response, command = command_for(sender, object);
    bool sent = scu_send_object(sender->net, &command, reader, err);
    arc_reader_close(reader);
    if (!sent || !await_response(sender, command.message_id, &response, err)) {
        result->associated = net_is_open(sender->net);
        return err_wrap(err, "%s", sender->name);
    }
    sender->proven = true;
    scu_take_response(result, &response);
    return scu_judge(result, "C-STORE", sender->name, "Storage", err);
}

bool scu_sender_send(ScuSender *sender, const ScuObject *object, ScuResult *result, Err *err)
{
    Err own = {0};
    err = err ? err : &own;
    *result = (ScuResult){0};
    if (attempt(sender, object, result, err))
        return true;
    bool died = sender->proven && !result->associated && !result->answered && err->code == ERR_CLOSED;
    if (!died)
        return false;
    err_clear(err);
    *result = (ScuResult){0};
    return attempt(sender, object, result, err);
}

const NetAccepted *scu_sender_context(const ScuSender *sender)
{
    return sender->context;
}

void scu_sender_free(ScuSender *sender)
{
    if (!sender)
        return;
    close_net(sender);
    pthread_mutex_destroy(&sender->lock);
    free(sender->kinds);
    arena_free(sender->arena);
    free(sender);
}
