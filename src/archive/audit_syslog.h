// SPDX-License-Identifier: MIT
/*
 * The audit trail sent on to a syslog server (RFC 5424): over UDP (RFC 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425), as PS3.15 A.6 and A.7 want it.
 *
 * What is sent is read from the files, so that nothing is lost, nor kept in memory, while the server is away: FOLDER/audit.sent has the number of the last record
 * that was handed over. Over TCP and TLS a record whose sending failed is sent again, so that one may arrive twice; UDP promises nothing. One thread.
 */
#ifndef GANTRY_ARCHIVE_AUDIT_SYSLOG_H
#define GANTRY_ARCHIVE_AUDIT_SYSLOG_H

#include "archive/archive.h"

typedef struct AuditSyslog AuditSyslog;

typedef struct AuditSyslogSettings {
    const char *folder; /* of the trail, which is open */
    const char
        *address; /* "udp://HOST[:514]", "tcp://HOST[:601]", "tls://HOST[:6514]", "[2001:db8::1]" for IPv6 */
    bool json;    /* the lines as they are; else the XML of PS3.15 A.5 */
    const char *ca;                /* PEM of trusted authorities; NULL = the system's */
    const char *certificate, *key; /* PEM; NULL = none */
    const char *host;              /* our name */
    ArcNotice notice;              /* may be NULL */
    void *notice_ctx;
} AuditSyslogSettings;

/* Begins behind what was sent; the first time with what is recorded from now on. NULL and err when the settings cannot be used. Copies nothing. */
AuditSyslog *audit_syslog_start(const AuditSyslogSettings *settings, Err *err);
/* Sends what is left, for so long at most. NULL is fine. */
void audit_syslog_stop(AuditSyslog *syslog, int64_t grace_ms);

#endif
