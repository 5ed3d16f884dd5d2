// SPDX-License-Identifier: MIT
/*
 * scp/ — DIMSE services on an archive: one file per service class, each reading as the standard's section does.
 *
 * Owns: the listener, the associations (a thread each, bounded number), the peers (white list), the negotiation table.
 * Promises: default deny (a peer that no white-list entry names is refused with the reason in the log); one log line per event with the
 * association's number; never a patient's name above debug; a graceful stop: no new associations, running operations finish within a
 * deadline, then abort.
 */
#ifndef GANTRY_SCP_SCP_H
#define GANTRY_SCP_SCP_H

#include "archive/audit.h"
#include "auth/auth.h"
#include "net/association.h"
#include "net/tls.h"
#include "scp/peers.h"

/* One step worth a line or a block on the console: see the association blocks of the manage commands. Fields that do not apply are NULL or 0. */
typedef struct ScpEvent {
    const char *action; /* "CECHO", "CSTORE", "CFIND", "CMOVE", "CGET" */
    bool committed;     /* the step is the final one (verbosity 1 shows only these) */
    bool has_status;
    uint16_t status;
    const char *study, *series, *instance;
    const char *calling_ae;
    unsigned long association; /* number */
    unsigned simultaneous;     /* associations now */
    uint8_t context_id;
    const char *abstract_syntax, *transfer_syntax;
    bool success;
    const char *last_log;
    const DcmDataset *data_set; /* identifier of FIND and MOVE */
    int64_t began_us;           /* wall clock */
} ScpEvent;

/* TLS of a server. What it points to must outlive it; files are read again when they change. */
typedef struct ScpTls {
    bool serve, only;      /* there is a port for it; it is the only one */
    uint16_t port;         /* 0 = any free one: see scp_tls_port; not looked at when it is the only one */
    NetTlsSettings server; /* of that port */
    NetTlsSettings client; /* for destinations of C-MOVE that want TLS */
} ScpTls;

/* User identities: not looked at; judged where they are given; nobody comes in without. */
typedef enum ScpIdentities { SCP_IDENTITY_OFF, SCP_IDENTITY_ACCEPT, SCP_IDENTITY_REQUIRE } ScpIdentities;

typedef struct ScpSettings {
    const char *ae_title;
    const char *address; /* NULL = all */
    uint16_t port;       /* 0 = any free one: see scp_port */
    ScpTls tls;
    ScpIdentities identities;
    Auth *auth; /* who they are; may be NULL when identities are not looked at */
    bool require_called_ae;
    unsigned services;         /* ScpServices bits */
    unsigned max_associations; /* more are rejected: transient, local limit exceeded */
    uint32_t max_pdu;          /* 0 = our default */
    uint16_t async_window;     /* operations a peer may have outstanding; 0 = 1 */
    NetTimeouts timeouts;
    int64_t request_ms; /* from the connection to the whole A-ASSOCIATE-RQ; 0 = 10 s */
    int64_t
        idle_ms; /* idle for so long, an association makes room for another peer when there is no place; <= 0 = never */
    unsigned max_of_address; /* associations of one address; 0 = no limit */
    unsigned max_of_title;   /* … of one AE title */
    const char *
        peers_path; /* white-list folder, or one file; NULL = everybody may speak, and C-MOVE knows no destination */
    bool accept_unknown_classes; /* storage of SOP classes that uids.csv does not know (private ones) */
    uint64_t find_limit;         /* most answers of one C-FIND; 0 = no limit */
    bool find_extended;          /* every match has the extended attributes of its level */
    bool find_fold_names;        /* names match without regard to case and accents */
    Audit *audit;                /* NULL = none */
    void (*event)(void *ctx, const ScpEvent *event);
    /* An association is over; `number` is that of its events. */
    void (*ended)(void *ctx, unsigned long number);
    void *event_ctx; /* of both, which may be NULL; called from association threads */
} ScpSettings;

typedef struct ScpServer ScpServer;

/* Listens and serves in the background. `settings` and what it points to must outlive the server. */
ScpServer *scp_start(const ScpSettings *settings, Archive *archive, Err *err);
uint16_t scp_port(const ScpServer *server);
uint16_t scp_tls_port(const ScpServer *server); /* 0 = none */
unsigned scp_associations(ScpServer *server);
/* Refuses new associations, waits up to `grace_ms` for the running ones, aborts the rest, frees. */
void scp_stop(ScpServer *server, int64_t grace_ms);

#endif
