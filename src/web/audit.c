// SPDX-License-Identifier: MIT
#include "web/audit.h"

#include "archive/audit_search.h"
#include "archive/audit_studies.h"
#include "web/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 480 };

static AuditWho asking(const HttpExchange *x, AuditRole role)
{
    const char *user = http_user(x);
    return (AuditWho){
        .user = *user ? user : "(anonymous)", .address = http_client(x), .requestor = true, .role = role};
}

static AuditWho ourselves(const WebSettings *settings, AuditRole role)
{
    return (AuditWho){.title = settings->retrieve_ae, .role = role};
}

static AuditOutcome outcome_of(unsigned status)
{
    return status < 400 ? AUDIT_SUCCESS : status < 500 ? AUDIT_MINOR_FAILURE : AUDIT_SERIOUS_FAILURE;
}

bool web_audit_may_serve(const WebSettings *settings, HttpExchange *x)
{
    Err err = {0};
    if (audit_may_serve(settings->audit, &err))
        return true;
    http_header(x, "Retry-After", "5");
    http_refuse(x, 503, "the audit trail of this server cannot be written, and it serves nobody without");
    return false;
}

/* -- searches and retrievals -- */

/* What a route does, by how its pattern ends. */
typedef struct Use {
    const char *ending;
    AuditKind kind;
} Use;
static const Use uses[] = {
    {"/studies", AUDIT_QUERY},       {"/series", AUDIT_QUERY},         {"/instances", AUDIT_QUERY},
    {"/{study}", AUDIT_TRANSFERRED}, {"/{series}", AUDIT_TRANSFERRED}, {"/{instance}", AUDIT_TRANSFERRED},
    {"/wado", AUDIT_TRANSFERRED},    {"/metadata", AUDIT_ACCESSED},    {"/rendered", AUDIT_ACCESSED},
    {"/thumbnail", AUDIT_ACCESSED},  {"/{frames}", AUDIT_ACCESSED},    {"/{path+}", AUDIT_ACCESSED},
};

static bool find_use(const HttpExchange *x, AuditKind *kind, char *action)
{
    static const struct {
        const char *method;
        char action;
    } methods[] = {{"GET", 'R'}, {"POST", 'C'}, {"DELETE", 'D'}};
    const char *pattern = http_route_pattern(x), *last = pattern ? strrchr(pattern, '/') : NULL;
    *action = 0;
    if (pattern && strstr(pattern, "annotation")) {
        *kind = AUDIT_ACCESSED;
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
            if (!strcmp(http_method(x), methods[i].method))
                *action = methods[i].action;
        return *action != 0;
    }
    if (strcmp(http_method(x), "GET") != 0)
        return false; /* what stores and deletes tells it itself */
    for (size_t i = 0; last && i < sizeof uses / sizeof *uses; i++)
        if (!strcmp(last, uses[i].ending)) {
            *kind = uses[i].kind;
            return true;
        }
    return false;
}

/* Names of the parameters of a search. */
static const char *parameter_names(const HttpExchange *x, Arena *arena)
{
    size_t count, n = 0;
    const HttpParameter *p = http_parameters(x, &count);
    char *names = arena_alloc(arena, NAMES_MAX + 80);
    for (size_t i = 0; i < count && n < NAMES_MAX; i++)
        n += (size_t)snprintf(names + n, 64, "%s%.60s", n ? "," : "", p[i].name);
    return names;
}

static const char *study_of(const HttpExchange *x)
{
    static const char *const names[] = {"studyUID", "StudyInstanceUID", "0020000D"};
    const char *study = http_part(x, "study");
    for (size_t i = 0; !study && i < sizeof names / sizeof *names; i++)
        study = http_parameter(x, names[i]);
    return study;
}

static const char *patient_of(const HttpExchange *x, Archive *archive, Arena *arena, const char *study)
{
    const char *said = http_parameter(x, "PatientID");
    said = said ? said : http_parameter(x, "00100020");
    if (said && !strpbrk(said, "*?"))
        return said;
    return study ? audit_patient_of(archive, arena, study) : NULL;
}

static void tell_use(const WebContext *web, const HttpExchange *x, const AuditEvent *event, unsigned status)
{
    static const char *const levels[][2] = {
        {"/studies", "STUDY"}, {"/series", "SERIES"}, {"/instances", "IMAGE"}};
    Arena *arena = arena_new(0);
    bool search = event->kind == AUDIT_QUERY;
    const char *study = study_of(x), *patient = patient_of(x, web->archive, arena, study);
    AuditWho who[] = {asking(x, search ? AUDIT_SOURCE : AUDIT_DESTINATION),
                      ourselves(web->settings, search ? AUDIT_DESTINATION : AUDIT_SOURCE)};
    AuditDetail details[2] = {{"Route", http_route_pattern(x)},
                              {"Keys", search ? parameter_names(x, arena) : NULL}};
    AuditWhat what[3];
    size_t n = 0;
    if (search) {
        const char *level = "";
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            if (!strcmp(strrchr(http_route_pattern(x), '/'), levels[i][0]))
                level = levels[i][1];
        what[n++] = (AuditWhat){.thing = AUDIT_SEARCH,
                                .id = arena_printf(arena, "%s by QIDO-RS", level),
                                .details = details,
                                .detail_count = 2};
    }
    if (study || !search)
        what[n++] = (AuditWhat){.thing = study ? AUDIT_STUDY : AUDIT_FILE,
                                .id = study ? study : http_route_pattern(x),
                                .details = details,
                                .detail_count = search ? 0 : 1};
    if (patient)
        what[n++] = (AuditWhat){.thing = AUDIT_PATIENT, .id = patient};
    char why[32];
    snprintf(why, sizeof why, "HTTP %u", status);
    audit_record(web->settings->audit,
                 &(AuditEvent){.kind = event->kind,
                               .action = event->action,
                               .outcome = outcome_of(status),
                               .why = status < 400 ? NULL : why,
                               .who = who,
                               .who_count = 2,
                               .what = what,
                               .what_count = n,
                               .key = event->key},
                 NULL);
    arena_free(arena);
}

static void tell_denied(const WebContext *web, const HttpExchange *x)
{
    char why[64];
    snprintf(why, sizeof why, "%.16s is not allowed: HTTP 403", http_method(x));
    AuditWho who[] = {asking(x, AUDIT_SOURCE), ourselves(web->settings, AUDIT_DESTINATION)};
    audit_alert(web->settings->audit, AUDIT_RESTRICTED, who,
                (AuditWhat){.thing = AUDIT_FILE, .id = http_route_pattern(x)}, why);
}

/* Pages of one search are alike; searches of other values are others. In whatever order the parameters stand. */
static uint64_t key_of_search(const HttpExchange *x)
{
    size_t count;
    uint64_t key = 0;
    const HttpParameter *p = http_parameters(x, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(p[i].name, "offset") != 0)
            key += audit_key(AUDIT_QUERY, (const char *[]){p[i].name, p[i].value}, 2);
    return key;
}

void web_audit_finished(const WebContext *web, const HttpExchange *x, unsigned status)
{
    AuditKind kind;
    char action;
    if (!web->settings->audit)
        return;
    if (status == 403 && http_route_pattern(x)) {
        tell_denied(web, x);
        return;
    }
    if (status == 401 || status == 429 || status == 503 || !find_use(x, &kind, &action))
        return;
    char result[8];
    snprintf(result, sizeof result, "%d", (int)outcome_of(status));
    const char *texts[] = {http_user(x),          http_client(x), study_of(x),
                           http_route_pattern(x), http_method(x), result};
    uint64_t key = audit_key(kind, texts, sizeof texts / sizeof *texts);
    key += kind == AUDIT_QUERY ? key_of_search(x) : 0;
    key = key ? key : 1;
    if (!audit_again(web->settings->audit, key))
        tell_use(web, x, &(AuditEvent){.kind = kind, .action = action, .key = key}, status);
}

/* -- storing -- */

static bool tell_stored(const Stow *s, AuditStudies *studies, bool all, Err *err)
{
    const WebSettings *settings = s->service->web->settings;
    AuditWho who[] = {asking(s->x, AUDIT_SOURCE), ourselves(settings, AUDIT_DESTINATION)};
    const AuditStudy *study;
    bool ok = true;
    while ((study = audit_studies_take(studies, all))) {
        AuditStudyText room = {.objects = ""};
        AuditWhat what[2];
        size_t n = audit_study_what(study, &room, what);
        ok = audit_record(settings->audit,
                          &(AuditEvent){.kind = AUDIT_TRANSFERRED,
                                        .action = 'C',
                                        .outcome = audit_study_outcome(study),
                                        .who = who,
                                        .who_count = 2,
                                        .what = what,
                                        .what_count = n},
                          err) &&
             ok;
    }
    return ok;
}

bool web_audit_stored(Stow *s, Err *err)
{
    if (!s->service->web->settings->audit || s->audited)
        return true;
    s->audited = true;
    bool ok = true, fresh;
    AuditStudies *studies = audit_studies_new();
    for (const StowObject *o = s->first; o; o = o->next) {
        ok = tell_stored(s, studies, false, err) && ok;
        AuditStudy *study = audit_studies_find(studies, o->ok ? o->stored.study : NULL,
                                               o->ok ? o->stored.patient_id : NULL, &fresh);
        audit_study_count(study, o->stored.sop_class, o->stored.size, o->ok);
    }
    ok = tell_stored(s, studies, true, err) && ok;
    audit_studies_free(studies);
    return ok;
}

/* -- deleting -- */

bool web_audit_deleting(const WebContext *web, HttpExchange *x, const IdxSelection *selection,
                        const char *why, Err *err)
{
    if (!web->settings->audit)
        return true;
    bool whole = !selection->series_count && !selection->instance_count;
    AuditDetail details[] = {{"Reason", why},
                             {selection->instance_count ? "Instance" : "Series",
                              selection->instance_count ? selection->instances[0]
                              : whole                   ? ""
                                                        : selection->series[0]}};
    const char *patient = audit_patient_of(web->archive, http_arena(x), selection->studies[0]);
    AuditWho who[] = {asking(x, AUDIT_SOURCE), ourselves(web->settings, AUDIT_APPLICATION)};
    AuditWhat what[] = {{.thing = AUDIT_STUDY,
                         .id = selection->studies[0],
                         .details = details,
                         .detail_count = whole ? 1 : 2},
                        {.thing = AUDIT_PATIENT, .id = patient}};
    return audit_record(web->settings->audit,
                        &(AuditEvent){.kind = whole ? AUDIT_STUDY_DELETED : AUDIT_ACCESSED,
                                      .action = 'D',
                                      .who = who,
                                      .who_count = 2,
                                      .what = what,
                                      .what_count = patient ? 2 : 1},
                        err);
}

/* -- who is it -- */

void web_audit_login(Audit *audit, const HttpExchange *x, const char *user, const char *why)
{
    audit_login(audit, (AuditWho){.user = user, .address = http_client(x), .requestor = true}, why);
}
