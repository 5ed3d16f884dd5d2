// SPDX-License-Identifier: MIT
/*
 * The audit trail: who did what with whose data, from where, and how it went. Messages of PS3.15 A.5 as lines of JSON, whose members are named as the
 * standard's XML elements and attributes are; in files whose lines are chained by hashes (archive/audit_chain.h).
 *
 * Whoever records hands a text to a queue of bounded length; one thread writes whatever waits with one write and one sync. Nobody waits for a disk that
 * is slow or full, unless the audit is `required`: then each record is durable before its service goes on, or the service is refused. What does not find
 * room is counted, in the metrics and, as soon as it can be written again, in the trail itself.
 *
 * Identifiers of patients and studies are written as they are, or as keyed hashes (HMAC-SHA-256 under FOLDER/audit.key), the same for the same identifier as
 * long as the key is there. Names of patients and values of query keys are never written. Thread-safe. Every function takes NULL for an audit that is off.
 */
#ifndef GANTRY_ARCHIVE_AUDIT_H
#define GANTRY_ARCHIVE_AUDIT_H

#include "archive/archive.h"

/* So many different parts of one key (AuditEvent) are told apart: a count of them that is as high means at least so many. */
enum { AUDIT_PARTS_MAX = 1024 };

typedef struct Audit Audit;

typedef enum AuditKind {
    AUDIT_APPLICATION_START,
    AUDIT_APPLICATION_STOP,
    AUDIT_LOG_USED,
    AUDIT_BEGIN_TRANSFER,
    AUDIT_TRANSFERRED,
    AUDIT_ACCESSED,
    AUDIT_STUDY_DELETED,
    AUDIT_EXPORT,
    AUDIT_IMPORT,
    AUDIT_QUERY,
    AUDIT_LOGIN,
    AUDIT_NODE_REFUSED,     /* a peer that is not on the white list, or may not connect */
    AUDIT_RESTRICTED,       /* somebody known tried what is not allowed to them */
    AUDIT_SETTINGS_CHANGED, /* of the software */
    AUDIT_USERS_CHANGED,
    AUDIT_RECORDING, /* the trail itself: cut, incomplete */
    AUDIT_KINDS
} AuditKind;

typedef enum AuditOutcome {
    AUDIT_SUCCESS = 0,
    AUDIT_MINOR_FAILURE = 4,
    AUDIT_SERIOUS_FAILURE = 8,
    AUDIT_MAJOR_FAILURE = 12
} AuditOutcome;

typedef enum AuditRole {
    AUDIT_NO_ROLE,
    AUDIT_SOURCE,
    AUDIT_DESTINATION,
    AUDIT_APPLICATION,
    AUDIT_LAUNCHER
} AuditRole;

/* An active participant. Texts may be NULL or of a peer. */
typedef struct AuditWho {
    const char *user;    /* who; NULL = `title` */
    const char *title;   /* AE title */
    const char *address; /* numeric, or a host name */
    bool requestor;
    AuditRole role;
} AuditWho;

typedef enum AuditThing {
    AUDIT_PATIENT, /* id: Patient ID */
    AUDIT_STUDY,   /* id: Study Instance UID */
    AUDIT_SEARCH,  /* id: what was searched: "STUDY of Study Root" */
    AUDIT_NODE,    /* id: an AE title or a program */
    AUDIT_FILE     /* id: a path or a URI */
} AuditThing;

typedef struct AuditDetail {
    const char *type, *value;
} AuditDetail;

/* So many objects of a class. */
typedef struct AuditClass {
    const char *uid;
    uint64_t count;
} AuditClass;

/* A participant object. */
typedef struct AuditWhat {
    AuditThing thing;
    const char *id;
    const AuditDetail *details;
    size_t detail_count;
    const AuditClass *classes;
    size_t class_count;
} AuditWhat;

typedef struct AuditEvent {
    AuditKind kind;
    char action; /* C, R, U, D, E; 0 = as the kind has it */
    AuditOutcome outcome;
    const char *why; /* of a failure; NULL = none */
    const AuditWho *who;
    size_t who_count;
    const AuditWhat *what;
    size_t what_count;
    /* Not 0: further events of this key within a minute are only counted, and told together when the minute is over (audit_again). */
    uint64_t key;
    /* Which of the things that the key stands for: an instance of a series. How many different ones there were is told with the count. NULL = all, or none. */
    const char *part;
} AuditEvent;

typedef struct AuditSettings {
    const char *folder;
    const char *source; /* our AE title */
    const char *site;   /* "" = not said */
    bool hash_identifiers;
    bool required;
    uint64_t max_bytes;
    int keep;
    size_t queue_max; /* 0 = 8192 records */
    ArcNotice notice; /* may be NULL */
    void *notice_ctx;
} AuditSettings;

/* NULL and err when the files cannot be opened. Copies what it needs. */
Audit *audit_open(const AuditSettings *settings, Err *err);
/* Writes what waits, for a few seconds at most. */
void audit_close(Audit *audit);

/*
 * False, and err, only when the audit is required and the record is not durable: the service is to be refused. Otherwise it is written a little later.
 */
bool audit_record(Audit *audit, const AuditEvent *event, Err *err);
/* Is an event of this key counted already? Spares making it. `part` as in the event. */
bool audit_again(Audit *audit, uint64_t key, const char *part);
/* A key of texts; NULL counts as "". Never 0. */
uint64_t audit_key(AuditKind kind, const char *const *texts, size_t count);
/* Somebody may not: `who` are the one who tried and the one who refused, `what` is what for. Alike ones within a minute are one record and a count. */
void audit_alert(Audit *audit, AuditKind kind, const AuditWho who[2], AuditWhat what, const char *why);
/* Somebody says who he is; `why` is that of a failure, NULL when he is believed. Alike ones as above. A user of NULL is one nobody knows. */
void audit_login(Audit *audit, AuditWho who, const char *why);
/* False, and err with the status for a refusal (A700, 503), when the audit is required and cannot be written just now. */
bool audit_may_serve(Audit *audit, Err *err);
/* Waits until all that was recorded is durable. */
bool audit_flush(Audit *audit, Deadline deadline);
/* Of an identifier: itself, or its keyed hash ("hmac:" and 32 digits). In the arena. */
const char *audit_identifier(const Audit *audit, Arena *arena, const char *identifier);

/* -- shared by the files of archive/audit* -- */
/* The members of the record, without braces. `wall_us`: when it happened. */
void audit_event_write(Buf *out, const Audit *audit, const AuditEvent *event, int64_t wall_us);
const AuditSettings *audit_settings(const Audit *audit);

#endif
