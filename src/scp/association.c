// SPDX-License-Identifier: MIT
/*
 * The life of one association after negotiation: receive a request, hand it to its service, again, until release, abort, silence for too
 * long or the server's stop. Requests are served one after the other, in the order they come, also when the peer was granted a window
 * of several (PS3.7 D.3.3.3).
 *
 * What a request may ask is checked here once: the white list (0124), the service of its presentation context (0211), the SOP class of that
 * context (0122).
 */
#include "scp/audit.h"

#include "base/clock.h"
#include "base/number.h"
#include "dicom/uid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LOOK_MS = 250,         /* how often a waiting association looks whether the server stops, … */
    SELDOM_LOOK_MS = 1000, /* … and how often one that has waited longer */
    ADMITTED_MS = 1000,    /* after so long the white list is asked again */
    KEPT_MS = 1000,        /* so long a C-MOVE destination is kept for the next C-MOVE */
};

static const struct {
    uint16_t field;
    ScpServices service;
    const char *action, *status_service;
    bool (*serve)(ScpAssociation *a, const NetCommand *request, Err *err);
} operations[] = {
    {NET_C_STORE_RQ, SCP_STORE, "CSTORE", "Storage", scp_store},
    {NET_C_ECHO_RQ, SCP_ECHO, "CECHO", "Verification", scp_echo},
    {NET_C_FIND_RQ, SCP_FIND, "CFIND", "Q/R Find", scp_find},
    {NET_C_MOVE_RQ, SCP_MOVE, "CMOVE", "Q/R Move", scp_move},
    {NET_C_GET_RQ, SCP_GET, "CGET", "Q/R Get", scp_get},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* -- answering -- */

/* What is too long for an Error Comment ends where its last whole clause does; with dots behind a word when that says too little. */
static void cut_at_clause(char *comment, size_t n)
{
    enum { ENOUGH = 44 };
    static const char dots[] = " ...";
    size_t clause = n, word = n - strlen(dots);
    while (clause > ENOUGH && !(comment[clause - 1] == ' ' && strchr(";:", comment[clause - 2])))
        clause--;
    while (word > ENOUGH && comment[word] != ' ')
        word--;
    if (clause > ENOUGH)
        comment[clause - 2] = 0;
    else
        memcpy(comment + word, dots, sizeof dots);
}

void scp_set_comment(NetCommand *response, const char *text)
{
    size_t n = 0;
    for (; text && *text && n < sizeof response->error_comment - 1; text++)
        response->error_comment[n++] = *text >= ' ' && *text <= '~' && *text != '\\' ? *text : '?';
    response->error_comment[n] = 0;
    if (text && *text)
        cut_at_clause(response->error_comment, n);
}

const char *scp_comment_of(const Err *why, const char *service)
{
    switch (why->code) {
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_DAMAGED:
    case ERR_UNAVAILABLE:
    case ERR_INTERNAL:
    case ERR_NONE:
        return dcm_status_text(scp_status_of(why), service);
    case ERR_USAGE:
    case ERR_FORMAT:
    case ERR_LIMIT:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_MISMATCH:
    case ERR_UNSUPPORTED:
    case ERR_REFUSED:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_CANCELLED:
        break;
    }
    return why->text;
}

uint16_t scp_status_of(const Err *why)
{
    return why->dimse ? why->dimse : DCM_STATUS_PROCESSING_FAILURE;
}

bool scp_respond(ScpAssociation *a, const NetCommand *request, uint16_t status, const char *comment, Err *err)
{
    NetCommand response = net_response_to(request, status);
    scp_set_comment(&response, comment);
    return net_send(a->net, &response, NULL, err);
}

void scp_event(ScpAssociation *a, const NetCommand *request, ScpEvent event)
{
    if (!a->settings->event)
        return;
    const NetAccepted *context = net_context_by_id(a->net, request->context_id);
    event.calling_ae = a->calling;
    event.association = a->number;
    event.simultaneous = scp_associations(a->server);
    event.context_id = request->context_id;
    event.abstract_syntax = context ? context->abstract_syntax : NULL;
    event.transfer_syntax = context ? context->transfer_syntax : NULL;
    a->settings->event(a->settings->event_ctx, &event);
}

bool scp_interrupted(ScpAssociation *a, const NetCommand *request, bool *over)
{
    return net_cancelled(a->net, request->message_id, over) || *over;
}

/* -- checking -- */

PeerCaller scp_caller(const ScpAssociation *a)
{
    return (PeerCaller){a->calling, a->from, a->tls, net_association_certificate(a->net)};
}

/* The white list may have changed since the association came about. */
static bool still_admitted(ScpAssociation *a, Err *why)
{
    char reason[PEER_WHY];
    PeerCaller caller = scp_caller(a);
    if (!deadline_passed(a->admit_again))
        return true;
    a->admit_again = deadline_in(ADMITTED_MS);
    if (peers_rules(a->peers, &caller, &a->rules, reason))
        return true;
    a->admit_again = 0;
    log_warning(SCP_LOG_ACCESS, "%s at %s is admitted no longer: %s", a->calling, a->from.host, reason);
    scp_audit_refused(a->connection, reason);
    return err_set(why, ERR_REFUSED, "calling AE title is not in the white list");
}

/* Contexts of what a peer may not do are not accepted; this is for rules that have changed meanwhile. */
static bool is_permitted(const ScpAssociation *a, ScpServices service, Err *why)
{
    if (a->rules.services & a->identity.services & service)
        return true;
    err_set(why, ERR_REFUSED, "the role of %s does not allow to %s", a->identity.user,
            scp_service_name(service));
    why->dimse = DCM_STATUS_REFUSED_NOT_AUTHORISED;
    if (a->rules.services & service)
        return false;
    log_warning(SCP_LOG_ACCESS, "%s at %s may not %s here; to allow it, change `%s` in %s", a->calling,
                a->from.host, scp_service_name(service),
                service == SCP_STORE && a->rules.read_only ? "read_only" : "services", a->rules.place);
    err_set(why, ERR_REFUSED, "the white list does not allow %s to %s", a->calling,
            scp_service_name(service));
    scp_audit_denied(a, why->text);
    why->dimse = DCM_STATUS_REFUSED_NOT_AUTHORISED;
    return false;
}

/*
 * The SOP class of a request is that of its presentation context. Of C-STORE more is taken: a class that was accepted in another context (the
 * context then only says the transfer syntax), and text that is no SOP class at all, which DCMTK makes of broken files: the data set tells.
 */
static bool class_fits(const ScpAssociation *a, const NetCommand *request, Span abstract_syntax)
{
    if (span_eq_cstr(abstract_syntax, request->sop_class))
        return true;
    return request->field == NET_C_STORE_RQ && (!dcm_sop_class(span_cstr(request->sop_class)) ||
                                                net_context_for(a->net, request->sop_class, NULL, false));
}

static bool may_serve(ScpAssociation *a, const NetCommand *request, ScpServices service, Err *why)
{
    const NetAccepted *context = net_context_by_id(a->net, request->context_id);
    Span abstract_syntax = span_cstr(context ? context->abstract_syntax : NULL);
    const ScpClass *class = scp_class(abstract_syntax, a->settings->accept_unknown_classes);
    if (!class || class->service != service) {
        err_set(why, ERR_REFUSED, "%s is no operation of this presentation context",
                net_field_name(request->field));
        why->dimse = DCM_STATUS_UNRECOGNISED_OPERATION;
        return false;
    }
    if (!(a->settings->services & service)) {
        err_set(why, ERR_UNSUPPORTED, "%s is switched off here", net_field_name(request->field));
        return false;
    }
    if (!class_fits(a, request, abstract_syntax)) {
        err_set(why, ERR_UNSUPPORTED, "SOP class is not that of the presentation context");
        return false;
    }
    return still_admitted(a, why) && is_permitted(a, service, why);
}

/* Answers a request that is not going to be served. */
static bool refuse(ScpAssociation *a, const NetCommand *request, const char *action, const char *service,
                   const Err *why, Err *err)
{
    if (request->has_data_set && !net_data_skip(a->net, err))
        return false;
    log_warning(SCP_LOG_TRANSACTION, "%s from %s refused with %04X: %s", net_field_name(request->field),
                a->calling, scp_status_of(why), why->text);
    if (!scp_respond(a, request, scp_status_of(why), scp_comment_of(why, service), err))
        return false;
    if (action)
        scp_event(a, request,
                  (ScpEvent){.action = action,
                             .committed = true,
                             .has_status = true,
                             .status = scp_status_of(why),
                             .instance = request->field == NET_C_STORE_RQ ? request->sop_instance : NULL,
                             .last_log = why->text,
                             .began_us = clock_wall_us()});
    return true;
}

/* A response nobody waits for, or a C-CANCEL that came too late: the latter is normal, PS3.7 §9.3.2.3. */
static bool pass_over(ScpAssociation *a, const NetCommand *command, Err *err)
{
    if (command->has_data_set && !net_data_skip(a->net, err))
        return false;
    if (command->field == NET_C_CANCEL_RQ)
        return true;
    return err_set(err, ERR_FORMAT, "unexpected %s", net_field_name(command->field));
}

static bool serve(ScpAssociation *a, const NetCommand *request, Err *err)
{
    Err why = {0};
    if (NET_IS_RESPONSE(request->field) || request->field == NET_C_CANCEL_RQ)
        return pass_over(a, request, err);
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (operations[i].field != request->field)
            continue;
        if (may_serve(a, request, operations[i].service, &why))
            return operations[i].serve(a, request, err);
        return refuse(a, request, operations[i].action, operations[i].status_service, &why, err);
    }
    err_set(&why, ERR_REFUSED, "%s is not supported", net_field_name(request->field));
    why.dimse = DCM_STATUS_UNRECOGNISED_OPERATION;
    return refuse(a, request, NULL, "General", &why, err);
}

/* -- the loop -- */

static void say_goodbye(const ScpAssociation *a, const char *how, const Err *err)
{
    enum { TENTH_MS = 100 };
    char counts[120] = "", seconds[NUMBER_TEXT];
    if (a->stored || a->refused || a->sent)
        snprintf(counts, sizeof counts, "; %" PRIu64 " stored, %" PRIu64 " refused, %" PRIu64 " sent",
                 a->stored, a->refused, a->sent);
    int64_t tenths = (clock_ms() - a->began + TENTH_MS / 2) / TENTH_MS;
    number_i64(tenths / 10, seconds);
    log_joined(err ? LOG_WARNING : LOG_INFO, SCP_LOG_TRANSACTION, "association of ", a->calling, " ", how,
               " after ", seconds, (const char[]){'.', (char)('0' + tenths % 10), 0}, " s", counts,
               err ? ": " : "", err ? err->text : "");
}

/* Waits for the next request. Looks up now and then, so that neither a stop nor a destination has to wait for a silent peer. */
static NetGot await(ScpAssociation *a, NetCommand *request, Err *err)
{
    int64_t now = clock_ms();
    Deadline idle = deadline_in(a->settings->timeouts.network_ms), kept = now + KEPT_MS;
    scp_set_idle(a, now);
    while (!scp_stopping(a->server) && scp_has_place(a)) {
        Deadline look = now + (now < kept ? LOOK_MS : SELDOM_LOOK_MS);
        NetGot got = net_receive(a->net, request, deadline_min(idle, look), err);
        if (got == NET_GOT_COMMAND && !scp_end_idle(a))
            return NET_GOT_NOTHING;
        if (got != NET_GOT_NOTHING || deadline_passed(idle))
            return got;
        log_gather(false);
        now = clock_ms();
        if (a->destinations && now >= kept)
            scp_destinations_free(a);
    }
    return NET_GOT_NOTHING;
}

/* In the middle of an operation it is no end that anybody agreed to: that one says so. */
static void on_release(void *ctx)
{
    ScpAssociation *a = ctx;
    if (a->serving)
        return;
    say_goodbye(a, "released", NULL);
    if (!scp_give_place_back(a))
        log_gather(false); /* who writes slowly is not asked again meanwhile */
}

/* What an association that is over in a moment has to say is written at once; any other is heard of while it lives. */
void scp_association_run(ScpAssociation *a)
{
    Err err = {0};
    NetCommand request;
    NetGot got;
    a->began = clock_ms();
    net_on_release(a->net, on_release, a);
    while ((got = await(a, &request, &err)) == NET_GOT_COMMAND) {
        arena_reset(a->arena);
        if (request.field != NET_C_ECHO_RQ || clock_ms() - a->began > LOOK_MS)
            log_gather(false);
        a->serving = true;
        bool goes_on = serve(a, &request, &err);
        a->serving = false;
        if (!goes_on) {
            got = NET_GOT_END;
            break;
        }
    }
    if (got == NET_GOT_NOTHING)
        say_goodbye(a,
                    scp_stopping(a->server) ? "aborted, as the server stops"
                    : scp_has_place(a)      ? "aborted, having been idle for too long"
                                            : "aborted to make room, having been idle",
                    NULL);
    else if (got != NET_GOT_RELEASE)
        say_goodbye(a, "broke off", &err);
    if (net_is_open(a->net))
        net_abort(a->net, (NetAbort){.source = NET_ABORT_BY_USER});
    log_gather(false);
    scp_destinations_free(a);
    scp_audit_end(a);
}
