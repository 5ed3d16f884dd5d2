// SPDX-License-Identifier: MIT
/* `manage audit show`: records of the audit trail by time, user, patient, study, kind and outcome. Reading the trail is recorded there, too (PS3.15 A.5.3.2). */
#include "archive/audit_key.h"
#include "archive/audit_read.h"
#include "base/log.h"
#include "cli/audit.h"
#include "cli/auditing.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct Args {
    const char *since, *until, *user, *patient, *study, *event;
    bool failures, json;
    int64_t last;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .name = "since", .value = "TIME",
     .help = "2026-11-22, '2026-11-22 13:05' (local time), or so long ago: 90m, 12h, 7d",
     .at = offsetof(Args, since)},
    {OPT_TEXT, .name = "until", .value = "TIME", .help = "the same", .at = offsetof(Args, until)},
    {OPT_TEXT, .name = "user", .value = "NAME", .help = "who: user, AE title or address",
     .at = offsetof(Args, user)},
    {OPT_TEXT, .name = "patient", .value = "ID",
     .help = "whose data: Patient ID, also where identifiers are hashed", .at = offsetof(Args, patient)},
    {OPT_TEXT, .name = "study", .value = "UID",
     .help = "Study Instance UID, also where identifiers are hashed", .at = offsetof(Args, study)},
    {OPT_TEXT, .name = "event", .value = "TEXT",
     .help = "part of the event's name or type: query, transferred, login …", .at = offsetof(Args, event)},
    {OPT_FLAG, .name = "failures", .help = "only what failed or was refused", .at = offsetof(Args, failures)},
    {OPT_INT, .name = "last", .value = "N", .min = 1, .max = 1000000, .help = "only the last so many",
     .at = offsetof(Args, last)},
    {OPT_FLAG, .name = "json", .help = "the records as they stand in the files, one per line",
     .at = offsetof(Args, json)},
    {OPT_END},
};

/* -- times -- */

/* "90m", "12h", "7d" */
static bool parse_ago(const char *text, int64_t *seconds)
{
    static const struct {
        char unit;
        int seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    enum { AGO_MAX = 1000000 };
    size_t n = strlen(text);
    int64_t number;
    for (size_t i = 0; n > 1 && i < sizeof units / sizeof *units; i++)
        if (text[n - 1] == units[i].unit && span_to_i64(span_of(text, n - 1), 0, AGO_MAX, &number)) {
            *seconds = number * units[i].seconds;
            return true;
        }
    return false;
}

/* As the records have it: "2026-11-22T12:05:00", UTC. */
static bool parse_time(const char *text, char out[32])
{
    static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                                        "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    time_t when = time(NULL);
    int64_t ago;
    bool ok = parse_ago(text, &ago);
    if (ok)
        when -= (time_t)ago;
    for (size_t i = 0; !ok && i < sizeof forms / sizeof *forms; i++) {
        struct tm at = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &at);
        ok = end && !*end;
        if (ok)
            when = mktime(&at);
    }
    struct tm utc;
    gmtime_r(&when, &utc);
    return ok && strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc) > 0;
}

static const char *check(const void *args)
{
    const Args *a = args;
    char time[32];
    if ((a->since && !parse_time(a->since, time)) || (a->until && !parse_time(a->until, time)))
        return "a time is 2026-11-22, '2026-11-22 13:05', or so long ago: 90m, 12h, 7d";
    return NULL;
}

/* -- which records -- */

typedef struct Wanted {
    const Args *args;
    char since[32], until[32];
    const char *patient[2], *study[2]; /* as they are, and hashed */
    size_t forms;
} Wanted;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_one(const char *text, const char *const *forms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text, forms[i]))
            return true;
    return false;
}

/* Is one of the things that the record is about this one? */
static bool is_about(const json_t *record, const char *code, const char *const *forms, size_t count)
{
    const json_t *thing;
    size_t i;
    json_array_foreach(json_object_get(record, "ParticipantObjectIdentification"), i, thing)
    {
        const json_t *type = json_object_get(thing, "ParticipantObjectIDTypeCode");
        if (!strcmp(text_of(type, "csd-code"), code) &&
            is_one(text_of(thing, "ParticipantObjectID"), forms, count))
            return true;
    }
    return false;
}

static bool is_by(const json_t *record, const char *user)
{
    const json_t *who;
    size_t i;
    json_array_foreach(json_object_get(record, "ActiveParticipant"), i, who)
    {
        const char *titles = text_of(who, "AlternativeUserID"), *equals = strchr(titles, '=');
        if (!strcmp(text_of(who, "UserID"), user) || !strcmp(text_of(who, "NetworkAccessPointID"), user) ||
            (equals && !strcmp(equals + 1, user)))
            return true;
    }
    return false;
}

static bool is_wanted(const Wanted *wanted, const json_t *record)
{
    const Args *a = wanted->args;
    const json_t *event = json_object_get(record, "EventIdentification");
    const char *when = text_of(event, "EventDateTime");
    if ((a->since && strcmp(when, wanted->since) < 0) || (a->until && strcmp(when, wanted->until) > 0))
        return false;
    if (a->failures && json_integer_value(json_object_get(event, "EventOutcomeIndicator")) == 0)
        return false;
    if (a->event) {
        const json_t *type = json_array_get(json_object_get(event, "EventTypeCode"), 0);
        if (!strcasestr(text_of(json_object_get(event, "EventID"), "originalText"), a->event) &&
            !strcasestr(text_of(type, "originalText"), a->event))
            return false;
    }
    if (a->user && !is_by(record, a->user))
        return false;
    if (a->patient && !is_about(record, "2", wanted->patient, wanted->forms))
        return false;
    return !a->study || is_about(record, "110180", wanted->study, wanted->forms);
}

/* -- showing -- */

/* "2026-11-22 13:05:09", local time. */
static void write_time(const char *when, Buf *out)
{
    struct tm at = {0};
    char text[32];
    if (!strptime(when, "%Y-%m-%dT%H:%M:%S", &at)) {
        buf_append_cstr(out, when);
        return;
    }
    time_t seconds = timegm(&at);
    localtime_r(&seconds, &at);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &at);
    buf_append_cstr(out, text);
}

static void write_people(const json_t *record, Buf *out)
{
    const json_t *who;
    size_t i;
    bool any = false;
    json_array_foreach(json_object_get(record, "ActiveParticipant"), i, who)
    {
        const char *role = text_of(json_array_get(json_object_get(who, "RoleIDCode"), 0), "csd-code");
        bool requestor = json_is_true(json_object_get(who, "UserIsRequestor"));
        if (!requestor && strcmp(role, "110152") != 0)
            continue;
        const char *address = text_of(who, "NetworkAccessPointID");
        buf_printf(out, "%s%s%s%s",
                   !any        ? ""
                   : requestor ? ", "
                               : " to ",
                   text_of(who, "UserID"), *address ? "@" : "", address);
        any = true;
    }
    if (!any)
        buf_append_cstr(out, "-");
}

static void write_things(const json_t *record, Buf *out)
{
    static const struct {
        const char *code, *word;
    } words[] = {{"2", "patient"}, {"110180", "study"}};
    const json_t *thing, *detail;
    size_t i, k;
    json_array_foreach(json_object_get(record, "ParticipantObjectIdentification"), i, thing)
    {
        const char *code = text_of(json_object_get(thing, "ParticipantObjectIDTypeCode"), "csd-code"),
                   *word = "";
        for (size_t n = 0; n < sizeof words / sizeof *words; n++)
            if (!strcmp(code, words[n].code))
                word = words[n].word;
        buf_printf(out, "%s%s%s%s", i ? "; " : "", word, *word ? " " : "",
                   text_of(thing, "ParticipantObjectID"));
        json_array_foreach(json_object_get(thing, "ParticipantObjectDetail"), k, detail)
        {
            buf_printf(out, ", %s=%s", text_of(detail, "type"), text_of(detail, "value"));
        }
    }
}

static void write_record(const json_t *record, Buf *out)
{
    static const char *const outcomes[] = {"ok", "failed in part", "failed", "failed badly"};
    const json_t *event = json_object_get(record, "EventIdentification");
    const json_t *type = json_array_get(json_object_get(event, "EventTypeCode"), 0);
    json_int_t outcome = json_integer_value(json_object_get(event, "EventOutcomeIndicator")) / 4;
    json_int_t again = json_integer_value(json_object_get(record, "Repeated"));
    const char *why = text_of(event, "EventOutcomeDescription");
    Buf line;
    buf_init(&line, 0);
    write_time(text_of(event, "EventDateTime"), &line);
    buf_printf(&line, "  %s%s%s (%s)  %s  ", text_of(json_object_get(event, "EventID"), "originalText"),
               type ? ", " : "", text_of(type, "originalText"), text_of(event, "EventActionCode"),
               outcome >= 0 && outcome < (json_int_t)(sizeof outcomes / sizeof *outcomes) ? outcomes[outcome]
                                                                                          : "?");
    write_people(record, &line);
    buf_append_cstr(&line, "  ");
    write_things(record, &line);
    if (*why)
        buf_printf(&line, "  (%s)", why);
    json_int_t instances = json_integer_value(json_object_get(record, "RepeatedInstances"));
    if (again)
        buf_printf(&line, "  [%" JSON_INTEGER_FORMAT " more times within a minute", again);
    if (again && instances)
        buf_printf(&line, ", %s%" JSON_INTEGER_FORMAT " instances in all",
                   instances >= AUDIT_PARTS_MAX ? "at least " : "", instances);
    if (again)
        buf_append_cstr(&line, "]");
    char *text = (char *)(uintptr_t)buf_cstr(&line);
    log_make_printable(text);
    buf_append_cstr(out, text);
    buf_append_cstr(out, "\n");
    buf_free(&line);
}

/* The last N of what is wanted: a ring of texts. */
typedef struct Shown {
    char **ring; /* NULL: everything goes out at once */
    size_t room, count;
} Shown;

static void show_line(Shown *shown, Buf *out)
{
    if (!shown->ring) {
        fwrite(out->p, 1, out->n, stdout);
    } else {
        char **place = &shown->ring[shown->count % shown->room];
        free(*place);
        *place = strdup(buf_cstr(out));
        if (!*place)
            abort();
    }
    shown->count++;
}

static void show_last(Shown *shown)
{
    for (size_t i = 0; shown->ring && i < shown->room; i++) {
        char *text = shown->ring[(shown->count + i) % shown->room];
        if (text)
            fputs(text, stdout);
        free(text);
    }
    free(shown->ring);
}

static bool show_all(AuditReader *reader, const Wanted *wanted, Shown *shown, Err *err)
{
    AuditLine line;
    Buf out;
    buf_init(&out, 0);
    while (audit_reader_next(reader, &line, err)) {
        json_t *record = json_loadb((const char *)line.text.p, line.text.n, 0, NULL);
        if (json_is_object(record) && is_wanted(wanted, record)) {
            buf_clear(&out);
            if (wanted->args->json) {
                buf_append_span(&out, line.text);
                buf_append_cstr(&out, "\n");
            } else {
                write_record(record, &out);
            }
            show_line(shown, &out);
        }
        json_decref(record);
    }
    buf_free(&out);
    return !err->code;
}

/* Identifiers may have been written both ways, because the setting was changed. */
static void take_identifiers(const Cli *cli, const Args *a, Wanted *wanted)
{
    AuditKey *key = audit_key_open(cli->settings->audit_folder, false, NULL);
    wanted->patient[0] = a->patient;
    wanted->study[0] = a->study;
    wanted->forms = 1;
    if (key) {
        wanted->patient[1] = a->patient ? audit_key_hash(key, cli->arena, a->patient) : NULL;
        wanted->study[1] = a->study ? audit_key_hash(key, cli->arena, a->study) : NULL;
        wanted->forms = 2;
    }
    audit_key_free(key);
}

static bool tell_use(const Cli *cli, const Args *a, Err *err)
{
    AuditDetail details[3];
    size_t n = 0;
    if (a->user)
        details[n++] = (AuditDetail){"User", a->user};
    if (a->event)
        details[n++] = (AuditDetail){"Event", a->event};
    AuditWhat what[] = {{.thing = AUDIT_FILE, .id = AUDIT_LINES, .details = details, .detail_count = n},
                        {.thing = AUDIT_PATIENT, .id = a->patient}};
    return auditing_tell(
        cli, (AuditEvent){.kind = AUDIT_LOG_USED, .what = what, .what_count = a->patient ? 2 : 1}, err);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    Wanted wanted = {.args = a};
    Shown shown = {.room = (size_t)a->last};
    if (a->since)
        parse_time(a->since, wanted.since);
    if (a->until)
        parse_time(a->until, wanted.until);
    take_identifiers(cli, a, &wanted);
    AuditReader *reader = audit_reader_open(cli->settings->audit_folder, &err);
    if (!reader || !tell_use(cli, a, &err)) {
        audit_reader_close(reader);
        return cli_fail(cli, "%s", err.text);
    }
    if (a->last && !(shown.ring = calloc(shown.room, sizeof *shown.ring)))
        abort();
    bool ok = show_all(reader, &wanted, &shown, &err);
    show_last(&shown);
    audit_reader_close(reader);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_audit_show = {
    .name = "show",
    .summary = "records of the audit trail",
    .details = "That it was looked at is recorded, too.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
