// SPDX-License-Identifier: MIT
/*
 * The server, and a connection from its first byte to its last.
 *
 * Each connection has a thread for itself, which accepted it: all threads that have nothing to do wait for the next connection, and who gets one
 * serves it (base/threads.h). Who gets a place as an association, and how many may be there that are none (yet), is decided in places.c: who finds no
 * place hears a proper A-ASSOCIATE-RJ (transient, local limit exceeded).
 *
 * `lock` guards the list of connections, their state and the numbers. A connection's socket is closed when it is off the list and after its stream, so that
 * who looks through the list can end whatever its thread is waiting for (shutdown), without sharing a stream between threads.
 */
#include "scp/audit.h"

#include "base/cond.h"
#include "base/number.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STACK = 1 << 20,
    DEFAULT_ASSOCIATIONS = 100,
    REQUEST_MS = 10000,
    DEFAULT_TIMEOUT_MS = 60000,
    MESSAGE_ARENA = 64 << 20,
    MAX_ANSWER = 16 << 20,
    INTERRUPT_AGAIN_MS = 500, /* a thread may have been between two waits */
};

bool scp_stopping(ScpServer *server)
{
    return atomic_load_explicit(&server->stopping, memory_order_relaxed);
}

void scp_set_sender(ScpAssociation *a, ScuSender *sender)
{
    Connection *c = a->connection;
    pthread_mutex_lock(&c->server->lock);
    c->sender = sender;
    pthread_mutex_unlock(&c->server->lock);
}

unsigned scp_associations(ScpServer *server)
{
    return atomic_load_explicit(&server->associations, memory_order_relaxed);
}

const atomic_bool *scp_cutting(const ScpServer *server)
{
    return &server->cutting;
}

uint16_t scp_port(const ScpServer *server)
{
    int own = server->settings.tls.only ? OVER_TLS : PLAIN;
    return net_listen_port(server->listeners[own]);
}

uint16_t scp_tls_port(const ScpServer *server)
{
    return server->settings.tls.serve ? net_listen_port(server->listeners[OVER_TLS]) : 0;
}

/* -- admission -- */

/* AE titles come from outside and go into the log. */
static void printable(Span title, char out[17])
{
    span_copy(span_trim(title), out, 17);
    for (char *c = out; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static Metric *asked_for(const char *labels)
{
    return metric_counter("gantry_associations_total", "Associations that peers asked for.", labels);
}

/* Whether the log says who it was this time; otherwise it is one of many, `among` (may be NULL) those of an address. */
static bool is_told(const Connection *c, NetAddress *among)
{
    char note[REFUSALS_NOTE];
    NetAddress own;
    bool told = refusals_tell(&c->server->refusals, &c->from, among ? among : &own, note);
    if (*note)
        log_warning(SCP_LOG_ACCESS, "%s", note);
    return told;
}

/* `login`: its user identity was judged as well. */
static void note_refused(const Connection *c, const char *why, bool login)
{
    NetAddress among;
    if (is_told(c, &among)) {
        log_warning(SCP_LOG_ACCESS, "association refused: %s at %s calling %s: %s", c->calling, c->from.host,
                    c->called, why);
        if (login)
            scp_audit_login(c, why);
        scp_audit_refused(c, why);
    } else {
        scp_audit_refused_too(c, &among, login);
    }
    metric_add(c->server->rejected, 1);
}

static bool reject(const Connection *c, NetReject reason, const char *why, NetReject *out)
{
    *out = reason;
    note_refused(c, why, false);
    return false;
}

static bool admit(void *ctx, const NetAssociate *request, NetAddress peer, NetReject *out)
{
    Connection *c = ctx;
    ScpServer *server = c->server;
    char why[PEER_WHY];
    printable(request->calling_ae, c->calling);
    printable(request->called_ae, c->called);
    if (server->settings.require_called_ae && strcmp(c->called, server->settings.ae_title) != 0) {
        snprintf(why, sizeof why, "the called AE title must be %s (ae_params.required_call_aet)",
                 server->settings.ae_title);
        return reject(c, (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_USER, NET_REJECT_CALLED_AE}, why,
                      out);
    }
    PeerCaller caller = {c->calling, peer, c->tls, net_stream_certificate(c->stream)};
    if (!peers_rules(server->peers, &caller, &c->rules, why))
        return reject(c, (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_USER, NET_REJECT_CALLING_AE}, why,
                      out);
    if (!identity_judge(&server->settings, request, peer, &c->identity, out, why)) {
        note_refused(c, why, request->has_identity);
        return false;
    }
    if (c->identity.proven)
        scp_audit_login(c, NULL);
    if (scp_stopping(server))
        return reject(c, (NetReject){NET_REJECT_TRANSIENT, NET_REJECT_BY_PRESENTATION, NET_REJECT_CONGESTION},
                      "the server stops", out);
    if (!places_take(c, why))
        return reject(c, (NetReject){NET_REJECT_TRANSIENT, NET_REJECT_BY_PRESENTATION, NET_REJECT_LIMIT}, why,
                      out);
    metric_add(server->accepted, 1);
    return true;
}

typedef struct Policy {
    Connection *connection;
    ScpNegotiation negotiation;
} Policy;

static bool policy_admit(void *ctx, const NetAssociate *request, NetAddress peer, NetReject *out)
{
    Policy *policy = ctx;
    if (!admit(policy->connection, request, peer, out))
        return false;
    const Connection *c = policy->connection;
    policy->negotiation.forbidden = SCP_EVERY_SERVICE & ~(c->rules.services & c->identity.services);
    return true;
}

/* PS3.7 D.3.3.7.2: what was proven is confirmed, with nothing to say; anything else is passed over in silence. */
static bool policy_confirm(void *ctx, const NetAssociate *request, Span *response)
{
    *response = (Span){0};
    return ((Policy *)ctx)->connection->identity.proven;
}

static NetDecision policy_decide(void *ctx, const NetOffer *offer)
{
    return scp_decide(&((Policy *)ctx)->negotiation, offer);
}

/* -- one connection -- */

/* Contexts that the settings would have and the white list, or the user's role, does not: whoever misses a service finds the reason here. */
static void log_forbidden(const Connection *c, unsigned met)
{
    char names[64] = "";
    unsigned by_role = met & c->rules.services;
    for (unsigned service = 1; service <= SCP_GET; service <<= 1)
        if (met & service)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? ", " : "",
                     scp_service_name(service));
    if (met && by_role == met)
        log_warning(SCP_LOG_ACCESS, "%s of %s at %s may not %s here: the role of that user is %s",
                    c->identity.user, c->calling, c->from.host, names, users_role_name(c->identity.role));
    else if (met)
        log_warning(SCP_LOG_ACCESS, "%s at %s may not %s here; to allow it, change `%s` in %s", c->calling,
                    c->from.host, names, met == SCP_STORE && c->rules.read_only ? "read_only" : "services",
                    c->rules.place);
}

/* With TLS, the handshake happens here, in the connection's own thread. */
static bool open_stream(Connection *c, Deadline deadline, Err *err)
{
    NetTls *tls = c->tls ? net_tls_files_now(c->server->tls_server) : NULL;
    c->stream = net_stream_accept_lent(c->fd, &c->from, tls, deadline, err);
    net_tls_free(tls);
    if (!c->stream && c->tls && err->code != ERR_CLOSED) {
        snprintf(c->calling, sizeof c->calling, "?"); /* it has not come to saying who it is */
        snprintf(c->called, sizeof c->called, "%s", c->server->settings.ae_title);
        NetAddress among;
        if (is_told(c, &among)) {
            log_warning(SCP_LOG_ACCESS, "connection refused: %s", err->text);
            scp_audit_refused(c, err->text);
        } else {
            scp_audit_refused_too(c, &among, false);
        }
        metric_add(c->server->rejected, 1);
        err->code = ERR_REFUSED;
    }
    return c->stream != NULL;
}

static NetAssociation *negotiate(Connection *c, Err *err)
{
    const ScpSettings *settings = &c->server->settings;
    Deadline deadline = deadline_in(settings->request_ms);
    Policy own = {.connection = c, .negotiation = {.settings = settings}};
    NetPolicy policy = {.ctx = &own,
                        .admit = policy_admit,
                        .decide = policy_decide,
                        .identity_response = policy_confirm,
                        .max_pdu = settings->max_pdu,
                        .max_async = settings->async_window ? settings->async_window : 1,
                        .timeouts = settings->timeouts};
    if (!open_stream(c, deadline, err))
        return NULL;
    int64_t left = deadline - clock_ms();
    policy.request_ms = left > 1 ? left : 1;
    NetAssociation *net = net_accept(c->stream, &policy, err);
    c->stream = NULL; /* the association's */
    if (net)
        log_forbidden(c, own.negotiation.met);
    return net;
}

static void greet(const ScpAssociation *a)
{
    const NetCertificate *certificate = net_association_certificate(a->net);
    const char *version = net_peer_implementation_version(a->net), *user = a->identity.user;
    char contexts[NUMBER_TEXT], open[NUMBER_TEXT];
    number_u64(net_context_count(a->net), contexts);
    number_u64(scp_associations(a->server), open);
    log_joined(LOG_INFO, SCP_LOG_ACCESS, "association of ", a->calling, " at ", a->from.host, " calling ",
               a->called, ": ", contexts, " contexts, ",
               *version ? version : net_peer_implementation_class(a->net), ", ", open, " open now",
               a->tls ? ", TLS" : "", certificate ? " with the certificate of " : "",
               certificate ? net_certificate_names(certificate) : "", *user ? ", user " : "", user,
               *user && !a->identity.proven ? " (unproven)" : "");
}

static void serve(Connection *c, NetAssociation *net)
{
    ScpServer *server = c->server;
    ScpAssociation a = {.settings = &server->settings,
                        .archive = server->archive,
                        .peers = server->peers,
                        .server = server,
                        .connection = c,
                        .net = net,
                        .number = c->number,
                        .from = c->from,
                        .tls = c->tls,
                        .rules = c->rules,
                        .identity = c->identity,
                        .arena = arena_new(MESSAGE_ARENA),
                        .row = arena_new(MESSAGE_ARENA),
                        .admit_again = deadline_in(1000)};
    memcpy(a.calling, c->calling, sizeof a.calling);
    memcpy(a.called, c->called, sizeof a.called);
    buf_init(&a.identifier, MAX_ANSWER);
    buf_init(&a.answer, MAX_ANSWER);
    log_gather(true);
    greet(&a);
    scp_association_run(&a);
    if (a.settings->ended)
        a.settings->ended(a.settings->event_ctx, a.number);
    buf_free(&a.identifier);
    buf_free(&a.answer);
    arena_free(a.row);
    arena_free(a.arena);
}

/* With the lock held. */
static void unlist(Connection *c)
{
    ScpServer *server = c->server;
    *(c->previous ? &c->previous->next : &server->connections) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    server->connection_count--;
}

/* The last that happens to a connection. */
static void leave(Connection *c)
{
    ScpServer *server = c->server;
    pthread_mutex_lock(&server->lock);
    places_leave(c);
    unlist(c);
    if (!server->connection_count)
        pthread_cond_broadcast(&server->emptied);
    pthread_mutex_unlock(&server->lock);
    close(c->fd);
    free(c);
}

static void work(void *item)
{
    Connection *c = item;
    Err err = {0};
    log_set_association(c->number);
    NetAssociation *net = negotiate(c, &err);
    if (net)
        serve(c, net);
    else if (err.code == ERR_CLOSED)
        log_debug(SCP_LOG_NETWORK, "connection without association: %s", err.text);
    else if (err.code != ERR_REFUSED && is_told(c, NULL))
        log_warning(scp_logger(&err, SCP_LOG_NETWORK), "no association with %s: %s", c->from.host, err.text);
    net_association_free(net);
    log_set_association(0); /* what this thread says next is about whoever comes in */
    leave(c);
}

static void no_thread(void *item)
{
    Connection *c = item;
    if (is_told(c, NULL))
        log_error(SCP_LOG_FAULT, "a connection of %s was closed: no thread could be started for it",
                  c->from.host);
    leave(c);
}

/* -- start and stop -- */

static void report_peers(void *ctx, const char *line)
{
    log_error(SCP_LOG_ACCESS, "%s", line);
}

static void report_tls(void *ctx, bool bad, const char *line)
{
    log_write(bad ? LOG_ERROR : LOG_INFO, SCP_LOG_ACCESS, "TLS: %s", line);
}

NetTls *scp_tls_to(ScpServer *server, const PeerAddress *address, Err *err)
{
    NetTls *own = NULL;
    pthread_mutex_lock(&server->lock);
    if (!server->tls_client)
        server->tls_client = net_tls_files_open(&server->settings.tls.client, report_tls, NULL, err);
    NetTls *any = server->tls_client ? net_tls_files_now(server->tls_client) : NULL;
    pthread_mutex_unlock(&server->lock);
    if (any)
        own = net_tls_for(any, *address->certificate ? address->certificate : NULL);
    net_tls_free(any);
    return own;
}

static void default_timeout(int64_t *ms)
{
    if (*ms == 0)
        *ms = DEFAULT_TIMEOUT_MS;
}

static void fill_defaults(ScpSettings *settings)
{
    default_timeout(&settings->timeouts.acse_ms);
    default_timeout(&settings->timeouts.dimse_ms);
    default_timeout(&settings->timeouts.network_ms);
    if (!settings->request_ms)
        settings->request_ms = REQUEST_MS;
    if (!settings->max_associations)
        settings->max_associations = DEFAULT_ASSOCIATIONS;
}

static void server_free(ScpServer *server)
{
    threads_finish(server->threads);
    listeners_close(server);
    net_tls_files_close(server->tls_server);
    net_tls_files_close(server->tls_client);
    peers_close(server->peers);
    pthread_cond_destroy(&server->emptied);
    refusals_end(&server->refusals);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

static bool start_listening(ScpServer *server, Err *err)
{
    const ScpSettings *s = &server->settings;
    if (s->tls.serve && !(server->tls_server = net_tls_files_open(&s->tls.server, report_tls, NULL, err)))
        return false;
    if (!listeners_open(server, err))
        return false;
    ThreadsWork does = {
        .ctx = server, .take = listeners_take, .wake = listeners_wake, .work = work, .refuse = no_thread};
    server->threads = threads_new(STACK, &does);
    return server->threads || err_errno(err, errno, "cannot start the DICOM server");
}

ScpServer *scp_start(const ScpSettings *settings, Archive *archive, Err *err)
{
    ScpServer *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->settings = *settings;
    server->archive = archive;
    server->listeners[PLAIN] = server->listeners[OVER_TLS] = server->wake = server->ready = -1;
    fill_defaults(&server->settings);
    pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->emptied);
    refusals_init(&server->refusals, REFUSALS_WINDOW_MS);
    server->open_now = metric_gauge("gantry_associations", "Associations that are open.", "");
    server->accepted = asked_for("result=\"accepted\"");
    server->rejected = asked_for("result=\"rejected\"");
    if (settings->peers_path)
        server->peers = peers_open(settings->peers_path, report_peers, NULL, err);
    if (settings->peers_path && !server->peers)
        goto failed;
    if (!start_listening(server, err))
        goto failed;
    log_info(SCP_LOG_EVENT, "DICOM server %s listens on port %u%s", settings->ae_title, scp_port(server),
             settings->tls.serve && settings->tls.only ? " over TLS" : "");
    if (settings->tls.serve && !settings->tls.only)
        log_info(SCP_LOG_EVENT, "DICOM server %s listens on port %u over TLS", settings->ae_title,
                 scp_tls_port(server));
    return server;
failed:
    server_free(server);
    return NULL;
}

/* Until every connection has ended, or the deadline has passed. */
static bool drain(ScpServer *server, Deadline deadline)
{
    pthread_mutex_lock(&server->lock);
    while (server->connection_count && !deadline_passed(deadline))
        cond_wait(&server->emptied, &server->lock, deadline);
    bool empty = !server->connection_count;
    pthread_mutex_unlock(&server->lock);
    return empty;
}

/* Ends what the connections wait for: all of them, or only those that are no association yet. */
static unsigned interrupt_connections(ScpServer *server, bool associations_too)
{
    unsigned n = 0;
    pthread_mutex_lock(&server->lock);
    for (Connection *c = server->connections; c; c = c->next) {
        if ((c->counted || c->lingers) && !associations_too)
            continue;
        shutdown(c->fd, SHUT_RDWR);
        if (c->sender)
            scu_sender_interrupt(c->sender);
        n++;
    }
    pthread_mutex_unlock(&server->lock);
    return n;
}

void scp_stop(ScpServer *server, int64_t grace_ms)
{
    if (!server)
        return;
    threads_stop_taking(server->threads);
    listeners_close(server); /* who comes now is refused at once, and another server may have the port */
    interrupt_connections(server, false);
    if (!drain(server, deadline_in(grace_ms)))
        log_warning(SCP_LOG_ACCESS, "the server stops: %u associations are interrupted",
                    scp_associations(server));
    atomic_store(&server->cutting, true);
    while (!drain(server, deadline_in(0)) && (interrupt_connections(server, true), true))
        drain(server, deadline_in(INTERRUPT_AGAIN_MS));
    log_info(SCP_LOG_EVENT, "DICOM server %s has stopped", server->settings.ae_title);
    server_free(server);
}
