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
    {"/bulkdata", AUDIT_ACCESSED},   {"/pixeldata", AUDIT_ACCESSED},
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

/* An annotation, for http_subject. */
typedef struct Attached {
    const char *uid; /* "" = several, or none was stored */
    DcmLevel level;
    const char *source;
} Attached;

void web_audit_annotation(HttpExchange *x, const char *uid, DcmLevel level, const char *source)
{
    Arena *arena = http_arena(x);
    Attached *attached = arena_alloc(arena, sizeof *attached);
    *attached =
        (Attached){arena_strdup(arena, uid ? uid : ""), level, arena_strdup(arena, source ? source : "")};
    http_set_subject(x, attached);
}

/* What a request was about. NULL where that was not said. */
typedef struct Subject {
    const char *study, *series, *instance;
} Subject;

/* By the path, or by a parameter of WADO-URI or of a search. */
static const char *said(const HttpExchange *x, const char *part, const char *const names[3])
{
    const char *uid = http_part(x, part);
    for (size_t i = 0; !uid && i < 3; i++)
        uid = http_parameter(x, names[i]);
    return uid;
}

static Subject subject_of(const HttpExchange *x)
{
    static const char *const studies[] = {"studyUID", "StudyInstanceUID", "0020000D"};
    static const char *const series[] = {"seriesUID", "SeriesInstanceUID", "0020000E"};
    static const char *const instances[] = {"objectUID", "SOPInstanceUID", "00080018"};
    const Attached *attached = http_subject(x);
    Subject s = {said(x, "study", studies), said(x, "series", series), said(x, "instance", instances)};
    if (!attached || !*attached->source)
        return s;
    switch (attached->level) {
    case DCM_LEVEL_PATIENT:
        break;
    case DCM_LEVEL_STUDY:
        s.study = attached->source;
        break;
    case DCM_LEVEL_SERIES:
        s.series = attached->source;
        break;
    case DCM_LEVEL_IMAGE:
        s.instance = attached->source;
        break;
    }
    return s;
}

/* Series and instances alone: the index knows what they are in. */
static void look_up(Archive *archive, Arena *arena, Subject *s)
{
    IdxFile file = {0};
    Err err = {0};
    if (s->study || !(s->series || s->instance) || arc_index_is_away(archive, NULL))
        return;
    IdxSelection selection = {.series = &s->series,
                              .series_count = s->series != NULL,
                              .instances = &s->instance,
                              .instance_count = s->instance != NULL};
    IdxFiles *files = idx_select(arc_index(archive), &selection, &err);
    if (files && idx_files_next(files, arena, &file, &err) && file.sop_instance) {
        s->study = file.study;
        s->series = file.series;
    }
    idx_files_free(files);
}

static const char *patient_of(const HttpExchange *x, Archive *archive, Arena *arena, const char *study)
{
    const char *said_so = http_parameter(x, "PatientID");
    said_so = said_so ? said_so : http_parameter(x, "00100020");
    if (said_so && !strpbrk(said_so, "*?"))
        return said_so;
    return study ? audit_patient_of(archive, arena, study) : NULL;
}

/* How many instances a whole study or series has; NULL when nobody can tell. */
static const char *count_instances(Archive *archive, Arena *arena, const Subject *s)
{
    uint64_t count = 0, bytes;
    Err err = {0};
    IdxSelection selection = {
        .studies = &s->study, .study_count = 1, .series = &s->series, .series_count = s->series != NULL};
    return !arc_index_is_away(archive, NULL) &&
                   idx_select_count(arc_index(archive), &selection, &count, &bytes, &err)
               ? arena_printf(arena, "%" PRIu64, count)
               : NULL;
}

enum { USE_DETAILS = 4 };

/* Which part of the study it was. */
static size_t use_details(const WebContext *web, const HttpExchange *x, Arena *arena, const Subject *s,
                          AuditDetail out[USE_DETAILS])
{
    const Audit *audit = web->settings->audit;
    const Attached *attached = http_subject(x);
    size_t n = 0;
    out[n++] = (AuditDetail){"Route", http_route_pattern(x)};
    if (s->series)
        out[n++] = (AuditDetail){"Series", audit_identifier(audit, arena, s->series)};
    const char *count = s->study && !s->instance ? count_instances(web->archive, arena, s) : NULL;
    if (s->instance)
        out[n++] = (AuditDetail){"Instance", audit_identifier(audit, arena, s->instance)};
    else if (count)
        out[n++] = (AuditDetail){"Instances", count};
    if (attached && *attached->uid)
        out[n++] = (AuditDetail){"Annotation", attached->uid};
    return n;
}

static size_t use_what(const WebContext *web, const HttpExchange *x, Arena *arena, AuditWhat what[2])
{
    Subject s = subject_of(x);
    AuditDetail *details = arena_alloc(arena, USE_DETAILS * sizeof *details);
    look_up(web->archive, arena, &s);
    size_t count = use_details(web, x, arena, &s, details);
    const char *patient = patient_of(x, web->archive, arena, s.study);
    what[0] = (AuditWhat){.thing = s.study ? AUDIT_STUDY : AUDIT_FILE,
                          .id = s.study ? s.study : http_route_pattern(x),
                          .details = details,
                          .detail_count = count};
    what[1] = (AuditWhat){.thing = AUDIT_PATIENT, .id = patient};
    return patient ? 2 : 1;
}

static size_t search_what(const WebContext *web, const HttpExchange *x, Arena *arena, AuditWhat what[3])
{
    static const char *const levels[][2] = {
        {"/studies", "STUDY"}, {"/series", "SERIES"}, {"/instances", "IMAGE"}};
    const char *study = subject_of(x).study, *level = "";
    const char *patient = patient_of(x, web->archive, arena, study);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (!strcmp(strrchr(http_route_pattern(x), '/'), levels[i][0]))
            level = levels[i][1];
    AuditDetail *details = arena_alloc(arena, 2 * sizeof *details);
    details[0] = (AuditDetail){"Route", http_route_pattern(x)};
    details[1] = (AuditDetail){"Keys", parameter_names(x, arena)};
    size_t n = 0;
    what[n++] = (AuditWhat){.thing = AUDIT_SEARCH,
                            .id = arena_printf(arena, "%s by QIDO-RS", level),
                            .details = details,
                            .detail_count = 2};
    if (study)
        what[n++] = (AuditWhat){.thing = AUDIT_STUDY, .id = study};
    if (patient)
        what[n++] = (AuditWhat){.thing = AUDIT_PATIENT, .id = patient};
    return n;
}

/* `use` says kind, action, key and part. */
static void tell_use(const WebContext *web, const HttpExchange *x, const AuditEvent *use, unsigned status)
{
    Arena *arena = arena_new(0);
    AuditEvent event = *use;
    bool search = event.kind == AUDIT_QUERY;
    AuditWho who[] = {asking(x, search ? AUDIT_SOURCE : AUDIT_DESTINATION),
                      ourselves(web->settings, search ? AUDIT_DESTINATION : AUDIT_SOURCE)};
    AuditWhat what[3];
    char why[32];
    snprintf(why, sizeof why, "HTTP %u", status);
    event.outcome = outcome_of(status);
    event.why = status < 400 ? NULL : why;
    event.who = who;
    event.who_count = 2;
    event.what = what;
    event.what_count = search ? search_what(web, x, arena, what) : use_what(web, x, arena, what);
    audit_record(web->settings->audit, &event, NULL);
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

/* Alike is what somebody does to one series in one way, or to one annotation, or to a study as a whole. */
static uint64_t key_of(const HttpExchange *x, AuditKind kind, unsigned status)
{
    char result[8];
    snprintf(result, sizeof result, "%d", (int)outcome_of(status));
    const Attached *attached = http_subject(x);
    Subject s = subject_of(x);
    const char *texts[] = {http_user(x),
                           http_client(x),
                           s.study,
                           s.series,
                           http_route_pattern(x),
                           http_method(x),
                           result,
                           attached ? attached->uid : NULL,
                           attached ? attached->source : NULL};
    uint64_t key = audit_key(kind, texts, sizeof texts / sizeof *texts);
    key += kind == AUDIT_QUERY ? key_of_search(x) : 0;
    return key ? key : 1;
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
    bool search = kind == AUDIT_QUERY;
    AuditEvent event = {.kind = kind, .action = action, .key = key_of(x, kind, status)};
    if (!search)
        event.part = subject_of(x).instance;
    if (!audit_again(web->settings->audit, event.key, event.part))
        tell_use(web, x, &event, status);
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
                              audit_identifier(web->settings->audit, http_arena(x),
                                               selection->instance_count ? selection->instances[0]
                                               : whole                   ? ""
                                                                         : selection->series[0])}};
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
