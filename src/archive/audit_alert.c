// SPDX-License-Identifier: MIT
/* PS3.15 A.5.3.8 and A.5.3.11: who logs in, who is kept out. They come in floods, and so alike ones are counted. */
#include "archive/audit.h"

void audit_alert(Audit *audit, AuditKind kind, const AuditWho who[2], AuditWhat what, const char *why)
{
    const char *texts[] = {who[0].user, who[0].title, who[0].address, what.id, why};
    uint64_t key = audit_key(kind, texts, sizeof texts / sizeof *texts);
    if (audit_again(audit, key, NULL))
        return;
    audit_record(audit,
                 &(AuditEvent){.kind = kind,
                               .outcome = AUDIT_MINOR_FAILURE,
                               .why = why,
                               .who = who,
                               .who_count = 2,
                               .what = &what,
                               .what_count = 1,
                               .key = key},
                 NULL);
}

void audit_login(Audit *audit, AuditWho who, const char *why)
{
    who.user = who.user ? who.user : "(unknown)";
    const char *texts[] = {who.user, who.title, who.address, why};
    uint64_t key = audit_key(AUDIT_LOGIN, texts, sizeof texts / sizeof *texts);
    if (audit_again(audit, key, NULL))
        return;
    audit_record(audit,
                 &(AuditEvent){.kind = AUDIT_LOGIN,
                               .outcome = why ? AUDIT_MINOR_FAILURE : AUDIT_SUCCESS,
                               .why = why,
                               .who = &who,
                               .who_count = 1,
                               .key = key},
                 NULL);
}
