// SPDX-License-Identifier: MIT
/*
 * An audit message, PS3.15 A.5.2, as JSON: elements that may come again are arrays, attributes and texts are members. The codes are those of
 * PS3.16 CID 400 to 404 and RFC 3881. The order of members is that of the standard's schema, so that XML can be made of a line without knowing it.
 */
#include "archive/audit.h"

#include "base/json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Of texts of peers: what is longer says no more. */
enum { TEXT_MAX = 512, WHAT_MAX = 64 };

typedef struct Code {
    const char *code, *system, *text;
} Code;

static const struct {
    Code id, type;
    char action;
} kinds[AUDIT_KINDS] = {
#define EVENT(number, text_)                                                                                 \
    {                                                                                                        \
        .code = number, .system = "DCM", .text = text_                                                       \
    }
    [AUDIT_APPLICATION_START] = {EVENT("110100", "Application Activity"),
                                 EVENT("110120", "Application Start"), 'E'},
    [AUDIT_APPLICATION_STOP] = {EVENT("110100", "Application Activity"), EVENT("110121", "Application Stop"),
                                'E'},
    [AUDIT_LOG_USED] = {EVENT("110101", "Audit Log Used"), {0}, 'R'},
    [AUDIT_BEGIN_TRANSFER] = {EVENT("110102", "Begin Transferring DICOM Instances"), {0}, 'E'},
    [AUDIT_TRANSFERRED] = {EVENT("110104", "DICOM Instances Transferred"), {0}, 'R'},
    [AUDIT_ACCESSED] = {EVENT("110103", "DICOM Instances Accessed"), {0}, 'R'},
    [AUDIT_STUDY_DELETED] = {EVENT("110105", "DICOM Study Deleted"), {0}, 'D'},
    [AUDIT_EXPORT] = {EVENT("110106", "Export"), {0}, 'R'},
    [AUDIT_IMPORT] = {EVENT("110107", "Import"), {0}, 'C'},
    [AUDIT_QUERY] = {EVENT("110112", "Query"), {0}, 'E'},
    [AUDIT_LOGIN] = {EVENT("110114", "User Authentication"), EVENT("110122", "Login"), 'E'},
    [AUDIT_NODE_REFUSED] = {EVENT("110113", "Security Alert"), EVENT("110126", "Node Authentication"), 'E'},
    [AUDIT_RESTRICTED] = {EVENT("110113", "Security Alert"), EVENT("110132", "Use of Restricted Function"),
                          'E'},
    [AUDIT_SETTINGS_CHANGED] = {EVENT("110113", "Security Alert"), EVENT("110131", "Software Configuration"),
                                'E'},
    [AUDIT_USERS_CHANGED] = {EVENT("110113", "Security Alert"),
                             EVENT("110137", "User Security Attributes Changed"), 'E'},
    [AUDIT_RECORDING] = {EVENT("110113", "Security Alert"), EVENT("110133", "Audit Recording Stopped"), 'E'},
#undef EVENT
};

static const Code roles[] = {
    [AUDIT_SOURCE] = {"110153", "DCM", "Source Role ID"},
    [AUDIT_DESTINATION] = {"110152", "DCM", "Destination Role ID"},
    [AUDIT_APPLICATION] = {"110150", "DCM", "Application"},
    [AUDIT_LAUNCHER] = {"110151", "DCM", "Application Launcher"},
};

/* ParticipantObjectTypeCode, ParticipantObjectTypeCodeRole, ParticipantObjectIDTypeCode. */
static const struct {
    int type, role;
    Code id;
    bool identifies;
} things[] = {
    [AUDIT_PATIENT] = {1, 1, {"2", "RFC-3881", "Patient Number"}, true},
    [AUDIT_STUDY] = {2, 3, {"110180", "DCM", "Study Instance UID"}, true},
    [AUDIT_SEARCH] = {2, 24, {"10", "RFC-3881", "Search Criteria"}, false},
    [AUDIT_NODE] = {2, 13, {"110182", "DCM", "Node ID"}, false},
    [AUDIT_FILE] = {2, 13, {"12", "RFC-3881", "URI"}, false},
};

static void write_text(JsonWriter *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, span_sub(span_cstr(text), 0, TEXT_MAX));
}

static void write_code(JsonWriter *w, const Code *code)
{
    json_begin_object(w);
    json_member(w, "csd-code", code->code);
    json_member(w, "codeSystemName", code->system);
    json_member(w, "originalText", code->text);
    json_end_object(w);
}

/* "2026-11-22T07:40:00.123456Z" */
static void write_time(JsonWriter *w, const char *key, int64_t wall_us)
{
    char text[64];
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm at;
    gmtime_r(&seconds, &at);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &at);
    snprintf(text + n, sizeof text - n, ".%06dZ", (int)(wall_us % 1000000));
    json_member(w, key, text);
}

static void write_identification(JsonWriter *w, const AuditEvent *event, int64_t wall_us)
{
    json_key(w, "EventIdentification");
    json_begin_object(w);
    json_member(w, "EventActionCode", (char[]){event->action ? event->action : kinds[event->kind].action, 0});
    write_time(w, "EventDateTime", wall_us);
    json_member_int(w, "EventOutcomeIndicator", event->outcome);
    json_key(w, "EventID");
    write_code(w, &kinds[event->kind].id);
    if (kinds[event->kind].type.code) {
        json_key(w, "EventTypeCode");
        json_begin_array(w);
        write_code(w, &kinds[event->kind].type);
        json_end_array(w);
    }
    if (event->why && *event->why)
        write_text(w, "EventOutcomeDescription", event->why);
    json_end_object(w);
}

/* 1 = machine name, 2 = IP address */
static int address_kind(const char *address)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1 ? 2 : 1;
}

static void write_who(JsonWriter *w, const AuditWho *who)
{
    char titles[64];
    json_begin_object(w);
    write_text(w, "UserID", who->user && *who->user ? who->user : who->title ? who->title : "");
    if (who->title && *who->title) {
        snprintf(titles, sizeof titles, "AETITLES=%.40s", who->title);
        write_text(w, "AlternativeUserID", titles);
    }
    json_key(w, "UserIsRequestor");
    json_bool(w, who->requestor);
    if (who->address && *who->address) {
        write_text(w, "NetworkAccessPointID", who->address);
        json_member_int(w, "NetworkAccessPointTypeCode", address_kind(who->address));
    }
    if (who->role) {
        json_key(w, "RoleIDCode");
        json_begin_array(w);
        write_code(w, &roles[who->role]);
        json_end_array(w);
    }
    json_end_object(w);
}

static void write_classes(JsonWriter *w, const AuditWhat *what)
{
    json_key(w, "ParticipantObjectDescription");
    json_begin_object(w);
    json_key(w, "SOPClass");
    json_begin_array(w);
    for (size_t i = 0; i < what->class_count; i++) {
        json_begin_object(w);
        write_text(w, "UID", what->classes[i].uid);
        json_member_int(w, "NumberOfInstances", (int64_t)what->classes[i].count);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_what(JsonWriter *w, const Audit *audit, Arena *arena, const AuditWhat *what)
{
    const char *id = things[what->thing].identifies ? audit_identifier(audit, arena, what->id) : what->id;
    json_begin_object(w);
    write_text(w, "ParticipantObjectID", id);
    json_member_int(w, "ParticipantObjectTypeCode", things[what->thing].type);
    json_member_int(w, "ParticipantObjectTypeCodeRole", things[what->thing].role);
    json_key(w, "ParticipantObjectIDTypeCode");
    write_code(w, &things[what->thing].id);
    if (what->detail_count) {
        json_key(w, "ParticipantObjectDetail");
        json_begin_array(w);
        for (size_t i = 0; i < what->detail_count; i++) {
            json_begin_object(w);
            write_text(w, "type", what->details[i].type);
            write_text(w, "value", what->details[i].value);
            json_end_object(w);
        }
        json_end_array(w);
    }
    if (what->class_count)
        write_classes(w, what);
    json_end_object(w);
}

static void write_source(JsonWriter *w, const AuditSettings *set)
{
    json_key(w, "AuditSourceIdentification");
    json_begin_object(w);
    if (set->site && *set->site)
        write_text(w, "AuditEnterpriseSiteID", set->site);
    write_text(w, "AuditSourceID", set->source);
    json_key(w, "AuditSourceTypeCode");
    json_begin_array(w);
    write_code(w, &(Code){"4", "DCM", "Application Server Process"});
    json_end_array(w);
    json_end_object(w);
}

void audit_event_write(Buf *out, const Audit *audit, const AuditEvent *event, int64_t wall_us)
{
    JsonWriter w = json_writer(out);
    Arena *arena = arena_new(0);
    write_identification(&w, event, wall_us);
    json_key(&w, "ActiveParticipant");
    json_begin_array(&w);
    for (size_t i = 0; i < event->who_count; i++)
        write_who(&w, &event->who[i]);
    json_end_array(&w);
    write_source(&w, audit_settings(audit));
    json_key(&w, "ParticipantObjectIdentification");
    json_begin_array(&w);
    for (size_t i = 0; i < event->what_count && i < WHAT_MAX; i++)
        write_what(&w, audit, arena, &event->what[i]);
    json_end_array(&w);
    arena_free(arena);
}
