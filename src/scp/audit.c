// SPDX-License-Identifier: MIT
/*
 * PS3.15 A.5.3: Begin Transferring and Instances Transferred once for each association (or retrieval) and study, Query for each C-FIND, Security Alert for who is
 * refused. The requestor is the peer; with what we store it is the source, with what it gets the destination.
 */
#include "scp/audit.h"

#include "archive/audit_search.h"
#include "archive/audit_studies.h"

#include <string.h>

static AuditWho peer_of(const ScpAssociation *a, AuditRole role)
{
    return (AuditWho){.user = a->identity.proven ? a->identity.user : NULL,
                      .title = a->calling,
                      .address = a->from.host,
                      .requestor = true,
                      .role = role};
}

static AuditWho ourselves(const ScpAssociation *a, AuditRole role)
{
    return (AuditWho){.title = a->settings->ae_title, .role = role};
}

static AuditOutcome outcome_of(uint16_t status)
{
    switch (dcm_status_class(status)) {
    case DCM_FAILURE:
        return AUDIT_SERIOUS_FAILURE;
    case DCM_WARNING:
    case DCM_CANCEL:
        return AUDIT_MINOR_FAILURE;
    case DCM_SUCCESS:
    case DCM_PENDING:
        break;
    }
    return AUDIT_SUCCESS;
}

/* -- who may not -- */

void scp_audit_refused(const Connection *c, const char *why)
{
    const ScpSettings *s = &c->server->settings;
    AuditWho who[] = {{.title = c->calling, .address = c->from.host, .requestor = true, .role = AUDIT_SOURCE},
                      {.title = s->ae_title, .role = AUDIT_DESTINATION}};
    audit_alert(s->audit, AUDIT_NODE_REFUSED, who, (AuditWhat){.thing = AUDIT_NODE, .id = c->called}, why);
}

void scp_audit_refused_too(const Connection *c, const NetAddress *among, bool login)
{
    static const char why[] = "more than are told each, for whatever reason";
    Connection any = {.server = c->server, .calling = "(several)", .called = "(several)", .from = *among};
    if (login)
        scp_audit_login(&any, why);
    scp_audit_refused(&any, why);
}

void scp_audit_login(const Connection *c, const char *why)
{
    audit_login(c->server->settings.audit,
                (AuditWho){.user = *c->identity.user ? c->identity.user : NULL,
                           .title = c->calling,
                           .address = c->from.host,
                           .requestor = true},
                why);
}

void scp_audit_denied(const ScpAssociation *a, const char *why)
{
    AuditWho who[] = {peer_of(a, AUDIT_SOURCE), ourselves(a, AUDIT_DESTINATION)};
    audit_alert(a->settings->audit, AUDIT_RESTRICTED, who,
                (AuditWhat){.thing = AUDIT_NODE, .id = a->settings->ae_title}, why);
}

bool scp_audit_may_serve(const ScpAssociation *a, Err *why)
{
    return audit_may_serve(a->settings->audit, why);
}

/* -- storing -- */

/* One record about one study. */
static bool tell_study(Audit *audit, AuditEvent event, const AuditStudy *study, Err *why)
{
    AuditStudyText room = {.objects = ""};
    AuditWhat what[2];
    event.what = what;
    event.what_count = audit_study_what(study, &room, what);
    if (event.kind == AUDIT_BEGIN_TRANSFER)
        what[0].detail_count = what[0].class_count = 0;
    return audit_record(audit, &event, why);
}

static bool tell_storing(ScpAssociation *a, const AuditStudy *study, AuditKind kind, Err *why)
{
    AuditWho who[] = {peer_of(a, AUDIT_SOURCE), ourselves(a, AUDIT_DESTINATION)};
    bool over = kind == AUDIT_TRANSFERRED;
    return tell_study(a->settings->audit,
                      (AuditEvent){.kind = kind,
                                   .action = over ? 'C' : 0,
                                   .outcome = over ? audit_study_outcome(study) : AUDIT_SUCCESS,
                                   .who = who,
                                   .who_count = 2},
                      study, why);
}

static void tell_stored(ScpAssociation *a, bool all)
{
    const AuditStudy *study;
    while (a->stored_studies && (study = audit_studies_take(a->stored_studies, all)))
        tell_storing(a, study, AUDIT_TRANSFERRED, NULL);
}

static AuditStudy *stored_study(ScpAssociation *a, const char *study, const char *patient, bool *fresh)
{
    if (!a->stored_studies)
        a->stored_studies = audit_studies_new();
    tell_stored(a, false);
    return audit_studies_find(a->stored_studies, study, patient, fresh);
}

bool scp_audit_stored(ScpAssociation *a, const ArcStored *stored, Err *why)
{
    bool fresh;
    if (!a->settings->audit)
        return true;
    AuditStudy *study = stored_study(a, stored->study, stored->patient_id, &fresh);
    audit_study_count(study, stored->sop_class, stored->size, true);
    return !fresh || tell_storing(a, study, AUDIT_BEGIN_TRANSFER, why);
}

void scp_audit_not_stored(ScpAssociation *a)
{
    bool fresh;
    if (a->settings->audit)
        audit_study_count(stored_study(a, NULL, NULL, &fresh), NULL, 0, false);
}

/* -- queries -- */

bool scp_audit_query(ScpAssociation *a, const ScpIdentifier *id, uint64_t matches, uint16_t status, Err *why)
{
    char name[64];
    AuditWhat what[AUDIT_SEARCH_WHAT];
    if (!a->settings->audit)
        return true;
    AuditWho who[] = {peer_of(a, AUDIT_SOURCE), ourselves(a, AUDIT_DESTINATION)};
    size_t n = audit_search_what(a->arena, scp_identifier_name(id, name), id->keys, (int64_t)matches, what);
    return audit_record(a->settings->audit,
                        &(AuditEvent){.kind = AUDIT_QUERY,
                                      .outcome = outcome_of(status),
                                      .who = who,
                                      .who_count = 2,
                                      .what = what,
                                      .what_count = n},
                        why);
}

/* -- retrieving -- */

/* The requestor, us, and with C-MOVE the destination. Returns how many. */
static size_t retrieving(const ScpRetrieve *r, AuditWho who[3])
{
    const char *to = r->request->move_destination;
    who[0] = peer_of(r->a, *to ? AUDIT_NO_ROLE : AUDIT_DESTINATION);
    who[1] = ourselves(r->a, AUDIT_SOURCE);
    who[2] = (AuditWho){.title = to, .address = r->to_host, .role = AUDIT_DESTINATION};
    return *to ? 3 : 2;
}

static bool tell_sending(const ScpRetrieve *r, const AuditStudy *study, AuditKind kind, Err *why)
{
    AuditWho who[3];
    bool over = kind == AUDIT_TRANSFERRED;
    size_t n = retrieving(r, who);
    return tell_study(r->a->settings->audit,
                      (AuditEvent){.kind = kind,
                                   .outcome = over ? audit_study_outcome(study) : AUDIT_SUCCESS,
                                   .who = who,
                                   .who_count = n},
                      study, why);
}

static void tell_sent(ScpRetrieve *r, bool all)
{
    const AuditStudy *study;
    while (r->studies && (study = audit_studies_take(r->studies, all)))
        tell_sending(r, study, AUDIT_TRANSFERRED, NULL);
}

bool scp_audit_sending(ScpRetrieve *r, const IdxFile *file, Err *why)
{
    bool fresh;
    if (!r->a->settings->audit)
        return true;
    if (!r->studies)
        r->studies = audit_studies_new();
    tell_sent(r, false);
    AuditStudy *study = audit_studies_find(r->studies, file->study, file->patient_id, &fresh);
    return !fresh || tell_sending(r, study, AUDIT_BEGIN_TRANSFER, why);
}

void scp_audit_sent(ScpRetrieve *r, const IdxFile *file, bool sent)
{
    bool fresh;
    if (r->studies)
        audit_study_count(audit_studies_find(r->studies, file->study, file->patient_id, &fresh),
                          file->sop_class, file->size, sent);
}

/* One that came to nothing: what was asked for. */
static void tell_nothing(ScpRetrieve *r, const Err *refused)
{
    char name[64] = "";
    AuditWho who[3];
    AuditWhat what[AUDIT_SEARCH_WHAT];
    size_t n = audit_search_what(
        r->a->arena, r->id.keys ? scp_identifier_name(&r->id, name) : "no identifier", r->id.keys, 0, what);
    audit_record(r->a->settings->audit,
                 &(AuditEvent){.kind = AUDIT_TRANSFERRED,
                               .outcome = refused ? AUDIT_SERIOUS_FAILURE : AUDIT_SUCCESS,
                               .why = refused ? refused->text : NULL,
                               .who = who,
                               .who_count = retrieving(r, who),
                               .what = what,
                               .what_count = n},
                 NULL);
}

void scp_audit_retrieved(ScpRetrieve *r, const Err *refused)
{
    if (!r->a->settings->audit)
        return;
    if (!r->studies)
        tell_nothing(r, refused);
    tell_sent(r, true);
    audit_studies_free(r->studies);
    r->studies = NULL;
}

void scp_audit_end(ScpAssociation *a)
{
    tell_stored(a, true);
    audit_studies_free(a->stored_studies);
    a->stored_studies = NULL;
}
